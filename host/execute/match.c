/*
 * match.c - filling orders from bars, rules a to f of match.h in their order.
 *
 * Guarantees: integer ticks and lots only; no allocation; the same orders and bars give the same fills in the same order on
 * every machine. A group's protection always covers exactly its open lots. It keeps no money: fees and cost are the books'.
 * It deliberately knows nothing about queue position or depth: rule b asks for a strict trade-through instead.
 */
#include "execute/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

void matcher_init(struct matcher *m, const struct instrument *instruments,
                  void (*report)(void *context, const struct venue_report *report), void *context) {
    memset(m, 0, sizeof(*m));
    m->instruments = instruments;
    m->report = report;
    m->context = context;
}

/* Enters a group into the list of open ones, or takes it out when it is flat. */
static void group_list(struct matcher *m, uint16_t position) {
    struct match_group *g = &m->groups[position];
    if (g->lots != 0 && !g->listed) {
        m->open[m->group_count++] = position;
        g->listed = true;
    } else if (g->lots == 0 && g->listed) {
        uint32_t i = 0;
        while (m->open[i] != position) {
            i++;
        }
        /* keep the order: it is the order of fills */
        memmove(&m->open[i], &m->open[i + 1], (m->group_count - i - 1) * sizeof(m->open[0]));
        m->group_count--;
        g->listed = false;
        g->stop_ticks = 0;
        g->target_ticks = 0;
        g->fresh = false; /* closed in the bar that opened it: rule c has nothing to ask, now or in a later bar */
        g->rested = false;
    }
}

static void report_order(struct matcher *m, const struct order *order, enum venue_report_kind kind, int64_t now_ns) {
    struct venue_report r = {.kind = (uint8_t)kind, .purpose = order->purpose, .instrument = order->instrument,
                             .position = order->position, .time_ns = now_ns, .fee_e8 = -1};
    memcpy(r.client_id, order->client_id, sizeof(r.client_id));
    m->report(m->context, &r);
}

/* Moves the group and tells. `order` is NULL when the bracket fired. */
static void fill(struct matcher *m, uint16_t position, const struct order *order, uint8_t purpose, int64_t lots,
                 int64_t price_ticks, bool maker, int64_t time_ns) {
    struct match_group *g = &m->groups[position];
    struct venue_report r = {.kind = VENUE_FILL, .purpose = purpose, .maker = maker, .instrument = g->instrument,
                             .position = position, .time_ns = time_ns, .lots = lots, .price_ticks = price_ticks, .fee_e8 = -1};
    if (order) {
        memcpy(r.client_id, order->client_id, sizeof(r.client_id));
    }
    r.venue_fill_id[0] = 'm';
    (void)decimal_print_unsigned(++m->fill_sequence, r.venue_fill_id + 1);
    g->lots += lots;
    group_list(m, position);
    m->report(m->context, &r);
}

int matcher_submit(struct matcher *m, const struct order *order, int64_t now_ns) {
    if (m->order_count == ORDERS_MAX) {
        return ERROR_FULL;
    }
    struct order *kept = &m->orders[m->order_count++];
    *kept = *order;
    kept->filled_lots = 0;
    kept->state = ORDER_ACKED;
    m->groups[order->position].instrument = order->instrument;
    report_order(m, kept, VENUE_ACK, now_ns);
    return 0;
}

static void order_drop(struct matcher *m, uint32_t i) {
    memmove(&m->orders[i], &m->orders[i + 1], (m->order_count - i - 1) * sizeof(m->orders[0]));
    m->order_count--;
}

int matcher_cancel(struct matcher *m, const char *client_id, int64_t now_ns) {
    for (uint32_t i = 0; i < m->order_count; i++) {
        if (strncmp(m->orders[i].client_id, client_id, NAME_MAX_BYTES) == 0) {
            struct order gone = m->orders[i];
            order_drop(m, i);
            report_order(m, &gone, VENUE_CANCELLED, now_ns);
            return 0;
        }
    }
    return ERROR_NOT_FOUND;
}

void matcher_protect(struct matcher *m, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks) {
    struct match_group *g = &m->groups[position];
    g->instrument = instrument;
    g->stop_ticks = stop_ticks;
    g->target_ticks = target_ticks;
}

void matcher_adopt(struct matcher *m, uint16_t instrument, uint16_t position, int64_t lots, int64_t stop_ticks, int64_t target_ticks) {
    struct match_group *g = &m->groups[position];
    g->instrument = instrument;
    g->lots = lots;
    g->stop_ticks = stop_ticks;
    g->target_ticks = target_ticks;
    group_list(m, position);
}

/* Rules a, c and d for one group. `stop_only`: rule c after a resting fill. */
static void group_protect(struct matcher *m, uint16_t position, const struct bar *bar, bool stop_only, int64_t close_ns) {
    struct match_group *g = &m->groups[position];
    bool is_long = g->lots > 0;
    int64_t stop = g->stop_ticks, target = g->target_ticks;
    if (stop != 0 && (is_long ? bar->low <= stop : bar->high >= stop)) {
        bool gapped = is_long ? bar->open <= stop : bar->open >= stop;
        bool at_open = gapped && !stop_only;
        fill(m, position, NULL, PURPOSE_STOP, -g->lots, at_open ? bar->open : stop, false, at_open ? bar->start_ns : close_ns);
        return;
    }
    if (!stop_only && target != 0 && (is_long ? bar->high >= target : bar->low <= target)) {
        fill(m, position, NULL, PURPOSE_TARGET, -g->lots, target, true, close_ns);
    }
}

/* Rule a: protection of what was carried into the bar. */
static void protect_carried(struct matcher *m, uint16_t instrument, const struct bar *bar, int64_t close_ns) {
    for (uint32_t i = 0; i < m->group_count;) {
        uint16_t position = m->open[i];
        struct match_group *g = &m->groups[position];
        if (g->instrument == instrument) {
            group_protect(m, position, bar, false, close_ns);
            if (g->lots == 0) {
                continue; /* it left the list: the next one moved here */
            }
        }
        i++;
    }
}

/* Rule b: the price at which an order fills in this bar, 0 = not at all. */
static int64_t fill_price(const struct order *order, const struct bar *bar, bool *rested) {
    int64_t limit = order->limit_ticks;
    bool buys = order->lots > 0;
    *rested = false;
    if (limit == 0 || (buys ? bar->open <= limit : bar->open >= limit)) {
        return bar->open;
    }
    *rested = true;
    return (buys ? bar->low < limit : bar->high > limit) ? limit : 0;
}

/* Rule f. An exit's lots, cut to what is open; 0 = nothing left to close. */
static int64_t exit_lots(const struct order *order, int64_t open_lots) {
    if (open_lots == 0 || (open_lots > 0) == (order->lots > 0)) {
        return 0;
    }
    int64_t lots = min64(abs64(order->lots), abs64(open_lots));
    return order->lots > 0 ? lots : -lots;
}

/* Rules b, e and f for the order at `i`. Returns true when it left the table. */
static bool order_match(struct matcher *m, uint32_t i, const struct bar *bar, int64_t close_ns) {
    struct order order = m->orders[i];
    struct match_group *g = &m->groups[order.position];
    if (order.expires_ns != 0 && bar->start_ns >= order.expires_ns) {
        order_drop(m, i);
        report_order(m, &order, VENUE_EXPIRED, close_ns);
        return true;
    }
    bool entry = order.purpose == PURPOSE_ENTRY;
    int64_t lots = entry ? order.lots : exit_lots(&order, g->lots);
    if (lots == 0) {
        order_drop(m, i);
        report_order(m, &order, VENUE_CANCELLED, close_ns);
        return true;
    }
    bool rested = false;
    int64_t price = fill_price(&order, bar, &rested);
    if (price == 0) {
        return false;
    }
    order_drop(m, i);
    if (entry) {
        g->stop_ticks = order.stop_ticks;
        g->target_ticks = order.target_ticks;
        g->fresh = true;
        g->rested = g->rested || rested;
    }
    fill(m, order.position, &order, order.purpose, lots, price, rested, rested ? close_ns : bar->start_ns);
    if (!entry && lots != order.lots) {
        report_order(m, &order, VENUE_CANCELLED, close_ns);
    }
    return true;
}

/* Rule c, then the marks of this bar are wiped. */
static void protect_fresh(struct matcher *m, uint16_t instrument, const struct bar *bar, int64_t close_ns) {
    for (uint32_t i = 0; i < m->group_count;) {
        uint16_t position = m->open[i];
        struct match_group *g = &m->groups[position];
        if (g->instrument == instrument && g->fresh) {
            bool stop_only = g->rested;
            g->fresh = false;
            g->rested = false;
            group_protect(m, position, bar, stop_only, close_ns);
            if (g->lots == 0) {
                continue;
            }
        }
        i++;
    }
}

void matcher_on_bar(struct matcher *m, uint16_t instrument, const struct bar *bar, int64_t close_ns) {
    protect_carried(m, instrument, bar, close_ns);
    for (uint32_t i = 0; i < m->order_count;) {
        if (m->orders[i].instrument != instrument || !order_match(m, i, bar, close_ns)) {
            i++;
        }
    }
    protect_fresh(m, instrument, bar, close_ns);
}

/* ---- the matcher as a venue --------------------------------------------------------------------------------------------- */

struct venue {
    struct matcher matcher;
};

static int venue_open(struct venue **out, const struct venue_options *options, const struct venue_host *host, struct error *error) {
    (void)options;
    struct venue *v = calloc(1, sizeof(*v));
    if (!v) {
        return error_set(error, ERROR_SYSTEM, "no memory for the bar venue");
    }
    matcher_init(&v->matcher, host->instruments, host->report, host->context);
    *out = v;
    return 0;
}

static void venue_close(struct venue *v) { free(v); }

static int venue_fd(const struct venue *v) {
    (void)v;
    return -1;
}

static int64_t venue_wake_ns(const struct venue *v) {
    (void)v;
    return INT64_MAX;
}

static int venue_poll(struct venue *v, int64_t now_ns) {
    (void)v, (void)now_ns;
    return 0;
}

static int venue_submit(struct venue *v, const struct order *order, int64_t now_ns) {
    return matcher_submit(&v->matcher, order, now_ns);
}

static int venue_cancel(struct venue *v, const struct order *order, int64_t now_ns) {
    return matcher_cancel(&v->matcher, order->client_id, now_ns);
}

static int venue_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    (void)now_ns;
    matcher_protect(&v->matcher, instrument, position, stop, target);
    return 0;
}

/* Orders live in this process only, so their fate is always known to the caller. */
static int venue_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    struct venue_report r = {.kind = VENUE_ABSENT, .instrument = instrument, .time_ns = now_ns};
    memccpy(r.client_id, client_id, 0, sizeof(r.client_id) - 1);
    for (uint32_t i = 0; i < v->matcher.order_count; i++) {
        if (strncmp(v->matcher.orders[i].client_id, client_id, NAME_MAX_BYTES) == 0) {
            r.kind = VENUE_STATE;
            r.order_state = ORDER_ACKED;
        }
    }
    v->matcher.report(v->matcher.context, &r);
    return 0;
}

static int venue_fills_since(struct venue *v, int64_t since_ns) {
    (void)since_ns;
    struct venue_report r = {.kind = VENUE_FILLS_END};
    v->matcher.report(v->matcher.context, &r);
    return 0;
}

static int venue_positions(struct venue *v) {
    const struct matcher *m = &v->matcher;
    int64_t net[INSTRUMENTS_MAX] = {0};
    for (uint32_t k = 0; k < m->group_count; k++) {
        net[m->groups[m->open[k]].instrument] += m->groups[m->open[k]].lots;
    }
    for (uint16_t i = 0; i < INSTRUMENTS_MAX; i++) {
        struct venue_report one = {.kind = VENUE_POSITION, .instrument = i, .lots = net[i], .fee_e8 = -1};
        if (net[i] != 0) {
            m->report(m->context, &one);
        }
    }
    struct venue_report r = {.kind = VENUE_POSITIONS_END};
    v->matcher.report(v->matcher.context, &r);
    return 0;
}

static void venue_on_market(struct venue *v, const struct venue_market *event) {
    if (event->kind == VENUE_BAR) {
        matcher_on_bar(&v->matcher, event->instrument, &event->bar, event->time_ns);
    }
}

struct matcher *match_venue_matcher(struct venue *v) { return &v->matcher; }

const struct venue_vtable match_venue = {
    .version = VENUE_VERSION, .size = sizeof(struct venue_vtable), .name = "bars",
    .flags = VENUE_NATIVE_BRACKET | VENUE_NEEDS_MARKET,
    .open = venue_open, .close = venue_close, .fd = venue_fd, .wake_ns = venue_wake_ns, .poll = venue_poll,
    .submit = venue_submit, .cancel = venue_cancel, .protect = venue_protect, .query = venue_query,
    .fills_since = venue_fills_since, .positions = venue_positions, .on_market = venue_on_market,
};
