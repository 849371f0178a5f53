/*
 * paper.c - the paper venue: real or replayed market, fills that are only written down.
 *
 * Models: fill=immediate (as the matching rules say), delayed (delay_ms later), partial (partial_percent of what is left each
 * time, at most partial_max lots), timeout (accepted, never filled: expiry or cancel ends it). latency_ms lets an order act
 * only on market data from then on; slippage_ticks and slippage_bps move the price against a taker; fees are the
 * instrument's. from=bars (default) fills by host/execute/match.h, from=quotes by paper_quotes.c.
 *
 * Guarantees: what is told was booked before (paper_book.c), so a restart goes on with the same orders, groups and fill ids,
 * and answers query, fills_since and positions from the book. When the book takes no more the link goes down: a fill that
 * could be forgotten is not told.
 */
#include "paper/paper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "execute/option.h"
#include "execute/order.h"

#define FIELD(type, field, name, low, high) \
    {name, type, offsetof(struct paper_options, field), sizeof(((struct paper_options *)0)->field), low, high, NULL}
#define DAY_MS INT64_C(86400000)

static const struct option_key keys[] = {
    {"fill", OPTION_CHOICE, offsetof(struct paper_options, fill), sizeof(int32_t), 0, 0, "immediate|delayed|partial|timeout"},
    {"from", OPTION_CHOICE, offsetof(struct paper_options, from), sizeof(int32_t), 0, 0, "bars|quotes"},
    FIELD(OPTION_MS, delay_ns, "delay_ms", 0, DAY_MS),
    FIELD(OPTION_MS, latency_ns, "latency_ms", 0, DAY_MS),
    FIELD(OPTION_INT, partial_percent, "partial_percent", 1, 100),
    FIELD(OPTION_INT, partial_max, "partial_max", 0, INT64_MAX),
    FIELD(OPTION_INT, slippage_ticks, "slippage_ticks", 0, 1000000),
    FIELD(OPTION_INT, slippage_bps, "slippage_bps", 0, 10000),
    FIELD(OPTION_BOOL, sync, "sync", 0, 1),
};

static void tell(struct venue *v, const struct venue_report *report) { v->host.report(v->host.context, report); }

static void book_failed(struct venue *v, int code) {
    struct venue_report down = {.kind = VENUE_LINK_DOWN, .time_ns = v->now_ns, .fee_e8 = -1};
    snprintf(down.text, sizeof(down.text), "the paper book takes no more: %s", error_text(code));
    v->failed = true;
    tell(v, &down);
}

/* ---- models ----------------------------------------------------------------------------------------------------------------- */

int64_t paper_slice(const struct venue *v, const struct order *order) {
    int64_t left = order_remaining_lots(order);
    left = left < 0 ? -left : left;
    if (v->options.fill != PAPER_PARTIAL) {
        return left;
    }
    int64_t slice = left / 100 * v->options.partial_percent + (left % 100 * v->options.partial_percent + 99) / 100;
    return v->options.partial_max != 0 && slice > v->options.partial_max ? v->options.partial_max : slice;
}

int64_t paper_slipped(const struct venue *v, int64_t price, int64_t limit, bool buys) {
    int64_t bps = v->options.slippage_bps;
    int64_t slip = v->options.slippage_ticks + price / 10000 * bps + (price % 10000 * bps + 9999) / 10000;
    int64_t slipped = buys ? price + slip : price - slip;
    if (limit != 0 && (buys ? slipped > limit : slipped < limit)) {
        return limit;
    }
    return slipped > 0 ? slipped : 1;
}

/* ---- what happens ----------------------------------------------------------------------------------------------------------- */

void paper_fill_tell(struct venue *v, int64_t index, struct venue_report *fill) {
    const struct instrument *instrument = &v->host.instruments[fill->instrument];
    int64_t notional = 0;
    if (v->failed) {
        return;
    }
    if (instrument_value(instrument, fill->price_ticks, fill->lots, &notional) != 0 ||
        instrument_fee(instrument, notional, fill->lots, fill->maker, &fill->fee_e8) != 0) {
        fill->fee_e8 = -1;
    }
    int code = paper_book_fill(&v->book, index, fill);
    if (code != 0) {
        book_failed(v, code);
    } else {
        tell(v, fill);
    }
}

void paper_end_tell(struct venue *v, uint32_t index, enum order_state state, int64_t time_ns, const char *text) {
    if (v->failed) {
        return;
    }
    const struct order *order = &v->book.orders[index].order;
    int code = order_is_open(order) ? paper_book_end(&v->book, index, state) : 0;
    if (code != 0) {
        book_failed(v, code);
        return;
    }
    struct venue_report end = {.kind = state == ORDER_EXPIRED ? VENUE_EXPIRED : VENUE_CANCELLED, .purpose = order->purpose,
                               .order_state = (uint8_t)state, .instrument = order->instrument, .position = order->position,
                               .time_ns = time_ns, .lots = order->filled_lots, .fee_e8 = -1};
    memcpy(end.client_id, order->client_id, sizeof(end.client_id));
    snprintf(end.text, sizeof(end.text), "%s", text);
    tell(v, &end);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

static void paper_close(struct venue *v) {
    if (v != NULL) {
        paper_book_close(&v->book);
        free(v);
    }
}

static int paper_open(struct venue **out, const struct venue_options *options, const struct venue_host *host, struct error *error) {
    struct venue *v = calloc(1, sizeof(*v));
    if (v == NULL) {
        return error_set(error, ERROR_SYSTEM, "paper: no memory for the venue");
    }
    v->host = *host;
    v->now_ns = options->now_ns;
    v->book.fd = -1;
    v->options.partial_percent = 50;
    int code = options_read("paper", options->options, keys, sizeof(keys) / sizeof(keys[0]), &v->options, error);
    code = code == 0 ? paper_book_open(&v->book, options->home, options->now_ns, v->options.sync, error) : code;
    if (code != 0) {
        paper_close(v);
        return code;
    }
    paper_bars_open(v);
    struct venue_report up = {.kind = VENUE_LINK_UP, .time_ns = v->now_ns, .fee_e8 = -1};
    tell(v, &up);
    *out = v;
    return 0;
}

static int paper_fd(const struct venue *v) {
    (void)v;
    return -1;
}

static int64_t paper_wake_ns(const struct venue *v) {
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; v->options.from == PAPER_FROM_QUOTES && !v->failed && i < v->book.open_count; i++) {
        int64_t expires = v->book.orders[v->book.open[i]].order.expires_ns;
        next = expires != 0 && expires < next ? expires : next;
    }
    return next;
}

static int paper_poll(struct venue *v, int64_t now_ns) {
    v->now_ns = now_ns;
    if (v->options.from == PAPER_FROM_QUOTES) {
        paper_quotes_expire(v, now_ns);
    }
    return v->failed ? ERROR_VENUE : 0;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

static const char *refusal(const struct venue *v, const struct order *order) {
    if (order->instrument >= v->host.instrument_count || order->position >= POSITIONS_MAX || order->purpose > PURPOSE_HOST) {
        return "unknown instrument, position or purpose";
    }
    const struct paper_group *group = &v->book.groups[order->position];
    if (group->lots != 0 && group->instrument != order->instrument) {
        return "the position is open in another instrument";
    }
    bool sound = order->lots != 0 && order->lots > INT64_MIN / 4 && order->lots < INT64_MAX / 4 && order->limit_ticks >= 0;
    return sound && order->stop_ticks >= 0 && order->target_ticks >= 0 ? NULL : "lots or a price are out of range";
}

static void answer(struct venue *v, const char *client_id, enum venue_report_kind kind, const char *text) {
    struct venue_report report = {.kind = (uint8_t)kind, .time_ns = v->now_ns, .fee_e8 = -1};
    int64_t index = paper_book_find(&v->book, client_id);
    if (index >= 0) {
        const struct order *order = &v->book.orders[index].order;
        report.purpose = order->purpose;
        report.order_state = order->state;
        report.instrument = order->instrument;
        report.position = order->position;
        report.lots = order->filled_lots;
    }
    snprintf(report.client_id, sizeof(report.client_id), "%.*s", NAME_MAX_BYTES - 1, client_id);
    snprintf(report.text, sizeof(report.text), "%s", text);
    tell(v, &report);
}

static int paper_submit(struct venue *v, const struct order *order, int64_t now_ns) {
    v->now_ns = now_ns;
    if (v->failed || strnlen(order->client_id, NAME_MAX_BYTES) == NAME_MAX_BYTES || order->client_id[0] == '\0') {
        return ERROR_VENUE;
    }
    if (paper_book_find(&v->book, order->client_id) >= 0) {
        answer(v, order->client_id, VENUE_STATE, "duplicate client id");
        return ERROR_REFUSED;
    }
    const char *why = refusal(v, order);
    if (why != NULL) {
        answer(v, order->client_id, VENUE_REJECT, why);
        return 0;
    }
    int64_t active = now_ns + v->options.latency_ns + (v->options.fill == PAPER_DELAYED ? v->options.delay_ns : 0);
    int code = paper_book_submit(&v->book, order, active);
    if (code == ERROR_FULL) {
        answer(v, order->client_id, VENUE_REJECT, "the paper book is full");
        return 0;
    }
    if (code != 0) {
        book_failed(v, code);
        return code;
    }
    answer(v, order->client_id, VENUE_ACK, "");
    return 0;
}

static int paper_cancel(struct venue *v, const struct order *order, int64_t now_ns) {
    v->now_ns = now_ns;
    if (v->failed) {
        return ERROR_VENUE;
    }
    int64_t index = paper_book_find(&v->book, order->client_id);
    if (index >= 0 && order_is_open(&v->book.orders[index].order)) {
        paper_bars_cancel(v, (uint32_t)index, now_ns);
    } else {
        answer(v, order->client_id, index >= 0 ? VENUE_STATE : VENUE_ABSENT, "");
    }
    return 0;
}

static int paper_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    v->now_ns = now_ns;
    if (v->failed || position >= POSITIONS_MAX || stop < 0 || target < 0) {
        return v->failed ? ERROR_VENUE : ERROR_RANGE;
    }
    int code = paper_book_protect(&v->book, instrument, position, stop, target);
    if (code != 0) {
        book_failed(v, code);
        return code;
    }
    paper_bars_protect(v, instrument, position);
    return 0;
}

static int paper_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    (void)instrument;
    v->now_ns = now_ns;
    if (v->failed) {
        return ERROR_VENUE;
    }
    answer(v, client_id, paper_book_find(&v->book, client_id) >= 0 ? VENUE_STATE : VENUE_ABSENT, "");
    return 0;
}

static int paper_fills_since(struct venue *v, int64_t since_ns) {
    if (v->failed) {
        return ERROR_VENUE;
    }
    for (uint32_t i = 0; i < v->book.fill_count; i++) {
        if (v->book.fills[i].time_ns >= since_ns) {
            tell(v, &v->book.fills[i]);
        }
    }
    struct venue_report end = {.kind = VENUE_FILLS_END, .time_ns = v->now_ns, .fee_e8 = -1};
    tell(v, &end);
    return 0;
}

static int paper_positions(struct venue *v) {
    int64_t net[INSTRUMENTS_MAX] = {0};
    if (v->failed) {
        return ERROR_VENUE;
    }
    for (uint32_t i = 0; i < v->book.group_count; i++) {
        const struct paper_group *group = &v->book.groups[v->book.group_open[i]];
        net[group->instrument % INSTRUMENTS_MAX] += group->lots;
    }
    for (uint32_t i = 0; i < v->host.instrument_count; i++) {
        struct venue_report position = {.kind = VENUE_POSITION, .instrument = (uint16_t)i, .time_ns = v->now_ns, .lots = net[i],
                                        .fee_e8 = -1};
        tell(v, &position);
    }
    struct venue_report end = {.kind = VENUE_POSITIONS_END, .time_ns = v->now_ns, .fee_e8 = -1};
    tell(v, &end);
    return 0;
}

static void paper_on_market(struct venue *v, const struct venue_market *event) {
    bool quotes = v->options.from == PAPER_FROM_QUOTES;
    if (v->failed || event->instrument >= v->host.instrument_count) {
        return;
    }
    if (event->kind == VENUE_BAR && !quotes) {
        paper_bars_bar(v, event);
    } else if (event->kind == VENUE_QUOTE && quotes) {
        paper_quotes_quote(v, event);
    } else if (event->kind == VENUE_TRADE && quotes) {
        paper_quotes_trade(v, event);
    }
}

VENUE_ENTRY = {
    .version = VENUE_VERSION, .size = sizeof(struct venue_vtable), .name = "paper",
    .flags = VENUE_NEEDS_MARKET | VENUE_NATIVE_BRACKET,
    .open = paper_open, .close = paper_close, .fd = paper_fd, .wake_ns = paper_wake_ns, .poll = paper_poll,
    .submit = paper_submit, .cancel = paper_cancel, .protect = paper_protect, .query = paper_query,
    .fills_since = paper_fills_since, .positions = paper_positions, .on_market = paper_on_market,
};
