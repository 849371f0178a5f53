/*
 * paper_bars.c - filling from closed bars: the rules of host/execute/match.h, by that very matcher.
 *
 * An order waits here until its latency is over and then enters the matcher before the next bar that starts after that, in
 * slices where only part may fill at a time. What the matcher reports is slipped, booked and told.
 *
 * Guarantees: with no latency, delay, slippage or partial fills the paper venue fills exactly as a backtest does.
 * Deliberately not here: a matcher. There is one, in the host.
 */
#include "paper/paper.h"

#include <stdio.h>
#include <string.h>

#include "execute/order.h"

static void matcher_report(void *context, const struct venue_report *r) {
    struct venue *v = context;
    int64_t index = r->client_id[0] != '\0' ? paper_book_find(&v->book, r->client_id) : -1;
    if (r->kind == VENUE_FILL) {
        struct venue_report fill = *r;
        bool target = r->purpose == PURPOSE_TARGET && index < 0;
        if (!r->maker && !target) {
            fill.price_ticks = paper_slipped(v, r->price_ticks, index >= 0 ? v->book.orders[index].order.limit_ticks : 0, r->lots > 0);
        }
        if (index >= 0) {
            v->book.orders[index].admitted = false; /* the matcher drops what it filled */
        }
        paper_fill_tell(v, index, &fill);
    } else if (index >= 0 && (r->kind == VENUE_CANCELLED || r->kind == VENUE_EXPIRED)) {
        v->book.orders[index].admitted = false;
        paper_end_tell(v, (uint32_t)index, r->kind == VENUE_EXPIRED ? ORDER_EXPIRED : ORDER_CANCELLED, r->time_ns, r->text);
    }
}

/* The matcher begins with the groups of the book, in the order in which they opened. */
void paper_bars_open(struct venue *v) {
    struct matcher *m = &v->matcher;
    matcher_init(m, v->host.instruments, matcher_report, v);
    for (uint32_t i = 0; i < v->book.group_count; i++) {
        uint16_t position = v->book.group_open[i];
        const struct paper_group *g = &v->book.groups[position];
        m->groups[position] = (struct match_group){.instrument = g->instrument, .listed = true, .lots = g->lots,
                                                   .stop_ticks = g->stop_ticks, .target_ticks = g->target_ticks};
        m->open[m->group_count++] = position;
    }
}

void paper_bars_cancel(struct venue *v, uint32_t index, int64_t now_ns) {
    struct paper_order *kept = &v->book.orders[index];
    if (kept->admitted) {
        matcher_cancel(&v->matcher, kept->order.client_id, now_ns);
    } else {
        paper_end_tell(v, index, ORDER_CANCELLED, now_ns, "");
    }
}

void paper_bars_protect(struct venue *v, uint16_t instrument, uint16_t position) {
    const struct paper_group *g = &v->book.groups[position];
    if (g->lots != 0) {
        matcher_protect(&v->matcher, instrument, position, g->stop_ticks, g->target_ticks);
    }
    for (uint32_t i = 0; i < v->matcher.order_count; i++) { /* slices that wait carry the bracket of their order */
        struct order *slice = &v->matcher.orders[i];
        int64_t index = slice->position == position ? paper_book_find(&v->book, slice->client_id) : -1;
        if (index >= 0) {
            slice->stop_ticks = v->book.orders[index].order.stop_ticks;
            slice->target_ticks = v->book.orders[index].order.target_ticks;
        }
    }
}

/* Rule e of the matcher, for orders that are not in it. Returns true when the order ended. */
static bool expire(struct venue *v, uint32_t index, const struct bar *bar, int64_t close_ns) {
    const struct order *order = &v->book.orders[index].order;
    if (order->expires_ns == 0 || bar->start_ns < order->expires_ns) {
        return false;
    }
    paper_end_tell(v, index, ORDER_EXPIRED, close_ns, "");
    return true;
}

static void admit(struct venue *v, uint32_t index, const struct bar *bar) {
    struct paper_order *kept = &v->book.orders[index];
    if (v->options.fill == PAPER_TIMEOUT || bar->start_ns < kept->active_ns) {
        return;
    }
    struct order slice = kept->order;
    slice.lots = slice.lots > 0 ? paper_slice(v, &kept->order) : -paper_slice(v, &kept->order);
    kept->admitted = matcher_submit(&v->matcher, &slice, bar->start_ns) == 0;
}

void paper_bars_bar(struct venue *v, const struct venue_market *event) {
    for (uint32_t i = 0; i < v->book.open_count;) {
        uint32_t index = v->book.open[i];
        const struct paper_order *kept = &v->book.orders[index];
        if (kept->order.instrument == event->instrument && !kept->admitted && !expire(v, index, &event->bar, event->time_ns)) {
            admit(v, index, &event->bar);
        }
        i += i < v->book.open_count && v->book.open[i] == index;
        if (v->failed) {
            return;
        }
    }
    if (!matcher_idle(&v->matcher)) {
        matcher_on_bar(&v->matcher, event->instrument, &event->bar, event->time_ns);
    }
}
