/*
 * replay_ticks.c - a recording of a real venue as a market: lines `<receive ns> <JSON>` with depth changes, trades, best
 * prices and one snapshot of the book, plain or gzip.
 *
 * Guarantees: the book is built as the venue prescribes (changes before the snapshot are kept back, old ones dropped, each
 * must follow the last without a hole); a hole empties the book until another snapshot, because half a book is worse than
 * none; a malformed line is counted and skipped. Best prices are not shown to anyone: they check the book.
 * Deliberately not here: a JSON parser. The lines are flat and known; what does not look so is a bad line.
 */
#include "sim/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/decimal.h"

#define LINE_MAX_BYTES (1 << 20)
#define HELD_MAX_BYTES (1 << 20) /* of depth changes that came before the snapshot */
#define TICKERS_MAX 4096         /* remembered best prices, a power of two */

struct ticker {
    uint64_t update;
    int64_t bid, ask;
};

struct replay_ticks {
    gzFile file;
    char *line, *held;
    const char *json;      /* in line */
    size_t held_bytes;
    int64_t line_ns, shift_ns;
    uint64_t update;       /* of the last change applied */
    bool ended;
    struct replay_ticks_statistics statistics;
    uint64_t ticker_count, ticker_next;
    struct ticker tickers[TICKERS_MAX];
};

bool replay_ticks_recognise(const char *path) {
    char head[64] = "";
    gzFile file = gzopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    int got = gzread(file, head, sizeof(head) - 1);
    gzclose_r(file);
    size_t digits = strspn(head, "0123456789");
    return got > 0 && digits >= 16 && digits <= 19 && head[digits] == ' ' && head[digits + 1] == '{';
}

/* Reads the next good line; at the end `ended`. */
static void line_next(struct replay_ticks *r) {
    while (gzgets(r->file, r->line, LINE_MAX_BYTES) != NULL) {
        char *end;
        long long at = strtoll(r->line, &end, 10);
        r->statistics.lines++;
        if (end != r->line && *end == ' ' && end[1] == '{' && at > 0) {
            r->json = end + 1;
            r->line_ns = at > r->line_ns ? at : r->line_ns; /* time never goes back */
            return;
        }
        r->statistics.bad_lines++;
    }
    r->ended = true;
}

int replay_ticks_open(struct exchange *x, uint16_t market, const char *path, struct error *error) {
    struct replay_ticks *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return error_set(error, ERROR_SYSTEM, "sim: no memory for %s", path);
    }
    r->line = malloc(LINE_MAX_BYTES);
    r->held = malloc(HELD_MAX_BYTES);
    r->file = gzopen(path, "rb");
    if (r->line == NULL || r->held == NULL || r->file == NULL) {
        replay_ticks_close(r);
        return error_set_errno(error, "%s", path);
    }
    line_next(r);
    if (r->ended) {
        replay_ticks_close(r);
        return error_set(error, ERROR_FORMAT, "%s: found no line of a recording", path);
    }
    x->markets[market].ticks = r;
    return 0;
}

void replay_ticks_close(struct replay_ticks *r) {
    if (r != NULL) {
        if (r->file != NULL) {
            gzclose_r(r->file);
        }
        free(r->line);
        free(r->held);
        free(r);
    }
}

const struct replay_ticks_statistics *replay_ticks_statistics(const struct replay_ticks *r) { return &r->statistics; }

void replay_ticks_begin(struct exchange *x, uint16_t market) {
    struct exchange_market *m = &x->markets[market];
    struct replay_ticks *r = m->ticks;
    if (x->options.rebase && x->now_ns != 0) {
        r->shift_ns = x->now_ns - r->line_ns;
    } else if (x->now_ns == 0) {
        x->now_ns = r->line_ns;
    }
    m->next_move_ns = r->line_ns + r->shift_ns;
    m->next_close_ns = m->next_move_ns - m->next_move_ns % x->options.bar_ns + x->options.bar_ns;
    m->bar.start_ns = m->next_close_ns - x->options.bar_ns;
}

/* ---- scanning --------------------------------------------------------------------------------------------------------------- */

/* What follows `"key":`, or NULL. */
static const char *value_of(const char *json, const char *key) {
    const char *at = strstr(json, key);
    return at != NULL ? at + strlen(key) : NULL;
}

static bool number_of(const char *json, const char *key, uint64_t *out) {
    const char *at = value_of(json, key);
    if (at == NULL || *at < '0' || *at > '9') {
        return false;
    }
    *out = strtoull(at, NULL, 10);
    return true;
}

/* A quoted decimal in units of 1e-8; moves *at behind the closing quote. */
static bool quoted_e8(const char **at, int64_t *out) {
    const char *from = *at;
    const char *to = from != NULL && *from == '"' ? strchr(from + 1, '"') : NULL;
    if (to == NULL || decimal_parse_e8(from + 1, (size_t)(to - from - 1), out) != 0) {
        return false;
    }
    *at = to + 1;
    return true;
}

static bool decimal_of(const char *json, const char *key, int64_t *out) {
    const char *at = value_of(json, key);
    return quoted_e8(&at, out);
}

/* ---- the book --------------------------------------------------------------------------------------------------------------- */

static void level_set(struct exchange *x, uint16_t market, enum ladder_side side, int64_t price, int64_t lots) {
    struct ladder *ladder = &x->markets[market].ladder;
    uint32_t entry = ladder_find_house(ladder, side, price);
    int64_t old = entry != 0 ? ladder->entries[entry].lots : 0;
    if (old > lots) {
        ladder_reduce(ladder, entry, old - lots);
    } else if (old < lots) {
        if (entry != 0) {
            ladder_remove(ladder, entry);
        }
        exchange_house(x, market, side == LADDER_BID ? lots : -lots, price, true);
    }
}

/* [["price","size"],...]; false when it is not that. */
static bool levels_apply(struct exchange *x, uint16_t market, enum ladder_side side, const char *at) {
    const struct instrument *instrument = &x->markets[market].instrument;
    if (at == NULL || *at++ != '[') {
        return false;
    }
    while (*at == '[' || *at == ',') {
        int64_t price_e8, size_e8;
        at += *at == ',';
        if (*at++ != '[' || !quoted_e8(&at, &price_e8) || *at++ != ',' || !quoted_e8(&at, &size_e8) || *at++ != ']') {
            return false;
        }
        if (price_e8 <= 0 || size_e8 < 0 || price_e8 % instrument->tick_e8 != 0) {
            return false;
        }
        level_set(x, market, side, price_e8 / instrument->tick_e8, size_e8 / instrument->lot_e8);
    }
    return *at == ']';
}

static void book_lose(struct exchange *x, uint16_t market) {
    struct replay_ticks *r = x->markets[market].ticks;
    r->statistics.has_snapshot = false;
    ladder_remove_house(&x->markets[market].ladder);
}

/* The last best prices told at or before the update the book stands at must be the book's. */
static void ticker_compare(struct exchange *x, uint16_t market) {
    struct replay_ticks *r = x->markets[market].ticks;
    const struct ladder *ladder = &x->markets[market].ladder;
    const struct ladder_level *bid = ladder_best(ladder, LADDER_BID), *ask = ladder_best(ladder, LADDER_ASK);
    const struct ticker *last = NULL;
    while (r->ticker_next < r->ticker_count && r->tickers[r->ticker_next % TICKERS_MAX].update <= r->update) {
        last = &r->tickers[r->ticker_next++ % TICKERS_MAX];
    }
    if (last == NULL) {
        return;
    }
    r->statistics.tickers_compared++;
    if (bid == NULL || ask == NULL || bid->price != last->bid || ask->price != last->ask) {
        r->statistics.tickers_differing++;
    }
}

static void depth_apply(struct exchange *x, uint16_t market, const char *json, uint64_t first, uint64_t last) {
    struct exchange_market *m = &x->markets[market];
    struct replay_ticks *r = m->ticks;
    if (last <= r->update) {
        r->statistics.depths_old++;
        return;
    }
    if (first > r->update + 1) {
        r->statistics.sequence_gaps++;
        book_lose(x, market);
        return;
    }
    if (!levels_apply(x, market, LADDER_BID, value_of(json, "\"b\":")) ||
        !levels_apply(x, market, LADDER_ASK, value_of(json, "\"a\":"))) {
        r->statistics.bad_lines++;
        book_lose(x, market);
        return;
    }
    r->update = last;
    r->statistics.depths_applied++;
    const struct ladder_level *bid = ladder_best(&m->ladder, LADDER_BID), *ask = ladder_best(&m->ladder, LADDER_ASK);
    r->statistics.crossed += bid != NULL && ask != NULL && bid->price >= ask->price;
    ticker_compare(x, market);
}

static void depth_read(struct exchange *x, uint16_t market, const char *json) {
    struct replay_ticks *r = x->markets[market].ticks;
    uint64_t first, last;
    if (!number_of(json, "\"U\":", &first) || !number_of(json, "\"u\":", &last)) {
        r->statistics.bad_lines++;
        return;
    }
    if (r->statistics.has_snapshot) {
        depth_apply(x, market, json, first, last);
        return;
    }
    size_t bytes = strlen(json) + 1; /* kept back until there is a snapshot to put it on */
    if (r->held_bytes + bytes <= HELD_MAX_BYTES) {
        memcpy(r->held + r->held_bytes, json, bytes);
        r->held_bytes += bytes;
    }
}

static void snapshot_read(struct exchange *x, uint16_t market, const char *json) {
    struct replay_ticks *r = x->markets[market].ticks;
    uint64_t update;
    ladder_remove_house(&x->markets[market].ladder);
    if (!number_of(json, "\"lastUpdateId\":", &update) || !levels_apply(x, market, LADDER_BID, value_of(json, "\"bids\":")) ||
        !levels_apply(x, market, LADDER_ASK, value_of(json, "\"asks\":"))) {
        r->statistics.bad_lines++;
        book_lose(x, market);
        return;
    }
    r->update = update;
    r->statistics.has_snapshot = true;
    for (size_t at = 0; at < r->held_bytes; at += strlen(r->held + at) + 1) {
        depth_read(x, market, r->held + at);
    }
    r->held_bytes = 0;
}

/* ---- trades and best prices ------------------------------------------------------------------------------------------------- */

/* Rule 7: what the account rests strictly better than the trade's price fills first, the rest is the record's. */
static void trade_read(struct exchange *x, uint16_t market, const char *json) {
    struct exchange_market *m = &x->markets[market];
    int64_t price_e8, size_e8;
    const char *maker = value_of(json, "\"m\":");
    if (maker == NULL || !decimal_of(json, "\"p\":", &price_e8) || !decimal_of(json, "\"q\":", &size_e8) || price_e8 <= 0 ||
        price_e8 % m->instrument.tick_e8 != 0) {
        m->ticks->statistics.bad_lines++;
        return;
    }
    int64_t price = price_e8 / m->instrument.tick_e8;
    bool buys = *maker != 't';
    struct incoming in = {.lots = size_e8 / m->instrument.lot_e8, .limit_ticks = buys ? price - 1 : price + 1,
                          .owner = LADDER_HOUSE, .buys = buys, .skip_house = true};
    m->ticks->statistics.trades++;
    if (in.limit_ticks > 0) {
        match_run(x, market, &in);
    }
    if (in.lots > 0) {
        match_print(x, market, price, in.lots, buys);
    }
}

static void ticker_read(struct exchange *x, uint16_t market, const char *json) {
    struct exchange_market *m = &x->markets[market];
    struct replay_ticks *r = m->ticks;
    uint64_t update;
    int64_t bid_e8, ask_e8;
    if (!number_of(json, "\"u\":", &update) || !decimal_of(json, "\"b\":", &bid_e8) || !decimal_of(json, "\"a\":", &ask_e8)) {
        r->statistics.bad_lines++;
        return;
    }
    r->statistics.tickers++;
    r->ticker_next = r->ticker_count - r->ticker_next == TICKERS_MAX ? r->ticker_next + 1 : r->ticker_next;
    r->tickers[r->ticker_count++ % TICKERS_MAX] = (struct ticker){update, bid_e8 / m->instrument.tick_e8,
                                                                  ask_e8 / m->instrument.tick_e8};
}

static void line_apply(struct exchange *x, uint16_t market, const char *json) {
    struct replay_ticks *r = x->markets[market].ticks;
    if (strncmp(json, "{\"lastUpdateId\"", 15) == 0) {
        snapshot_read(x, market, json);
    } else if (strstr(json, "\"e\":\"depthUpdate\"") != NULL) {
        r->statistics.depths++;
        depth_read(x, market, json);
    } else if (strstr(json, "\"e\":\"trade\"") != NULL) {
        trade_read(x, market, json);
    } else if (strstr(json, "@bookTicker\"") != NULL) {
        ticker_read(x, market, json);
    } else {
        r->statistics.bad_lines++;
    }
}

void replay_ticks_move(struct exchange *x, uint16_t market, int64_t now_ns) {
    struct exchange_market *m = &x->markets[market];
    struct replay_ticks *r = m->ticks;
    while (!r->ended && r->line_ns + r->shift_ns <= now_ns) {
        line_apply(x, market, r->json);
        line_next(r);
    }
    m->next_move_ns = r->ended ? INT64_MAX : r->line_ns + r->shift_ns;
}
