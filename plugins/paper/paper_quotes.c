/*
 * paper_quotes.c - filling from quotes and trades, where the feed carries them.
 *
 * Rules
 *   1. Protection first, then orders by age, then protection of what opened.
 *   2. An order takes the other side's best price when that is no worse than its limit, at most what is displayed there.
 *   3. A resting limit fills at its limit, as maker, when a trade went strictly through it, at most the trade's size.
 *   4. A stop fires when the price it would get is at or through it, and fills whole at that price: the best level's size
 *      is not applied to protection. A target fills whole at its price when the other side's best reaches it.
 *   5. A closing order is cut to the open lots, and cancelled when there are none.
 */
#include "paper/paper.h"

#include <stdio.h>
#include <string.h>

#include "execute/order.h"

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

static void fill(struct venue *v, int64_t index, uint16_t position, uint8_t purpose, int64_t lots, int64_t price, bool maker,
                 int64_t time_ns) {
    struct venue_report r = {.kind = VENUE_FILL, .purpose = purpose, .maker = maker, .position = position, .time_ns = time_ns,
                             .instrument = v->book.groups[position].instrument, .lots = lots, .price_ticks = price, .fee_e8 = -1};
    if (index >= 0) {
        memcpy(r.client_id, v->book.orders[index].order.client_id, sizeof(r.client_id));
    }
    paper_fill_tell(v, index, &r);
}

/* ---- protection ------------------------------------------------------------------------------------------------------------- */

/* `price` is what closing would get now, 0 = unknown. */
static void group_protect(struct venue *v, uint16_t position, int64_t price, bool at_target, int64_t time_ns) {
    const struct paper_group *g = &v->book.groups[position];
    bool is_long = g->lots > 0;
    if (price == 0) {
        return;
    }
    if (g->stop_ticks != 0 && (is_long ? price <= g->stop_ticks : price >= g->stop_ticks)) {
        fill(v, -1, position, PURPOSE_STOP, -g->lots, paper_slipped(v, price, 0, !is_long), false, time_ns);
    } else if (at_target && g->target_ticks != 0 && (is_long ? price >= g->target_ticks : price <= g->target_ticks)) {
        fill(v, -1, position, PURPOSE_TARGET, -g->lots, g->target_ticks, true, time_ns);
    }
}

static void groups_protect(struct venue *v, const struct venue_market *event) {
    const struct quote *q = &v->quotes[event->instrument];
    for (uint32_t i = 0; i < v->book.group_count && !v->failed;) {
        uint16_t position = v->book.group_open[i];
        const struct paper_group *g = &v->book.groups[position];
        if (g->instrument == event->instrument) {
            bool quoted = event->kind == VENUE_QUOTE;
            int64_t price = !quoted ? event->trade_ticks : g->lots > 0 ? q->bid_ticks : q->ask_ticks;
            group_protect(v, position, price, quoted, event->time_ns);
        }
        i += i < v->book.group_count && v->book.group_open[i] == position; /* else it closed and the next one moved here */
    }
}

/* ---- orders ----------------------------------------------------------------------------------------------------------------- */

static int64_t lots_of(const struct venue *v, uint16_t instrument, int64_t size_e8) {
    return size_e8 == 0 ? INT64_MAX : abs64(size_e8) / v->host.instruments[instrument].lot_e8;
}

/* Rule 5. Lots that may be closed or opened; 0 = the order is over. */
static int64_t permitted(const struct venue *v, const struct order *order) {
    const struct paper_group *g = &v->book.groups[order->position];
    int64_t slice = paper_slice(v, order);
    if (order->purpose == PURPOSE_ENTRY) {
        return slice;
    }
    return g->lots == 0 || (g->lots > 0) == (order->lots > 0) ? 0 : min64(slice, abs64(g->lots));
}

/* What one event offers an order: a price and how many lots of it are left. */
struct offer {
    int64_t price;
    int64_t *left;
    bool maker;
};

static bool offer_make(const struct venue *v, const struct venue_market *event, const struct order *order, int64_t *buy_left,
                       int64_t *sell_left, struct offer *offer) {
    const struct quote *q = &v->quotes[event->instrument];
    bool buys = order->lots > 0;
    int64_t limit = order->limit_ticks;
    *offer = (struct offer){.left = buys ? buy_left : sell_left};
    if (event->kind == VENUE_QUOTE) {
        offer->price = buys ? q->ask_ticks : q->bid_ticks;
        return offer->price != 0 && (limit == 0 || (buys ? offer->price <= limit : offer->price >= limit));
    }
    offer->price = limit;
    offer->maker = true;
    return limit != 0 && (buys ? event->trade_ticks < limit : event->trade_ticks > limit);
}

static void order_try(struct venue *v, uint32_t index, const struct venue_market *event, int64_t *buy_left, int64_t *sell_left) {
    const struct order *order = &v->book.orders[index].order;
    struct offer offer;
    if (order->expires_ns != 0 && event->time_ns >= order->expires_ns) {
        paper_end_tell(v, index, ORDER_EXPIRED, event->time_ns, "");
        return;
    }
    int64_t lots = permitted(v, order);
    if (lots == 0) {
        paper_end_tell(v, index, ORDER_CANCELLED, event->time_ns, "nothing left to close");
        return;
    }
    if (v->options.fill == PAPER_TIMEOUT || event->time_ns < v->book.orders[index].active_ns ||
        !offer_make(v, event, order, buy_left, sell_left, &offer)) {
        return;
    }
    lots = min64(lots, *offer.left);
    if (lots > 0) {
        *offer.left -= *offer.left == INT64_MAX ? 0 : lots;
        bool buys = order->lots > 0;
        int64_t price = offer.maker ? offer.price : paper_slipped(v, offer.price, order->limit_ticks, buys);
        fill(v, index, order->position, order->purpose, buys ? lots : -lots, price, offer.maker, event->time_ns);
    }
}

static void orders_try(struct venue *v, const struct venue_market *event, int64_t buy_left, int64_t sell_left) {
    for (uint32_t i = 0; i < v->book.open_count && !v->failed;) {
        uint32_t index = v->book.open[i];
        if (v->book.orders[index].order.instrument == event->instrument) {
            order_try(v, index, event, &buy_left, &sell_left);
        }
        i += i < v->book.open_count && v->book.open[i] == index;
    }
}

void paper_quotes_quote(struct venue *v, const struct venue_market *event) {
    v->quotes[event->instrument] = event->quote;
    groups_protect(v, event);
    orders_try(v, event, lots_of(v, event->instrument, event->quote.ask_size_e8),
               lots_of(v, event->instrument, event->quote.bid_size_e8));
    groups_protect(v, event);
}

void paper_quotes_trade(struct venue *v, const struct venue_market *event) {
    int64_t size = lots_of(v, event->instrument, event->trade_size_e8);
    groups_protect(v, event);
    /* who sold at this price would have sold to the buyers above it, and the other way round */
    orders_try(v, event, event->trade_size_e8 <= 0 ? size : 0, event->trade_size_e8 >= 0 ? size : 0);
    groups_protect(v, event);
}

void paper_quotes_expire(struct venue *v, int64_t now_ns) {
    for (uint32_t i = 0; i < v->book.open_count && !v->failed;) {
        uint32_t index = v->book.open[i];
        const struct order *order = &v->book.orders[index].order;
        if (order->expires_ns != 0 && order->expires_ns <= now_ns) {
            paper_end_tell(v, index, ORDER_EXPIRED, now_ns, "");
        }
        i += i < v->book.open_count && v->book.open[i] == index;
    }
}
