/*
 * match.h - filling orders from bars: the matching of backtests, of candidates and of the paper venue.
 *
 * The rules, for one bar of one instrument, orders having been given before the bar began:
 *   a. Protection of groups carried in. Stop: at the open if the open is through it, else at the stop if the range touches
 *      it. Target: at the target if the range touches it, also when the open is beyond (a gap is not a present).
 *   b. Entries and exits, oldest first: at the open if the open is no worse than the limit (no limit = market), else they
 *      rest and fill at their limit only if the bar trades strictly through it.
 *   c. Protection of groups opened or added to in this bar, from this bar's range; after a resting fill only the stop may
 *      fire in the same bar.
 *   d. Stop and target both inside one bar: the stop.
 *   e. An order lives in a bar whose start is before its expiry.
 *   f. An exit never turns a group around: it is cut to the open lots, and cancelled when there are none.
 */
#ifndef EXECUTE_MATCH_H
#define EXECUTE_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"
#include "venue.h"

/* One sub-position as the venue guards it. */
struct match_group {
    uint16_t instrument;
    bool listed;              /* in `open` */
    bool fresh;               /* got lots in the bar being matched */
    bool rested;              /* ... by a resting fill */
    int64_t lots;             /* signed */
    int64_t stop_ticks, target_ticks;
};


struct matcher {
    const struct instrument *instruments;
    void (*report)(void *context, const struct venue_report *report);
    void *context;
    uint64_t fill_sequence;   /* for venue fill ids: "m1", "m2", ... */
    uint32_t order_count, group_count;
    struct order orders[ORDERS_MAX];        /* open, in order of submission */
    uint16_t open[POSITIONS_MAX];           /* indices of groups with lots */
    struct match_group groups[POSITIONS_MAX];
};

void matcher_init(struct matcher *matcher, const struct instrument *instruments,
                  void (*report)(void *context, const struct venue_report *report), void *context);
/* Acknowledges (report) and keeps it for the next bar. ERROR_FULL when ORDERS_MAX are open. */
int matcher_submit(struct matcher *matcher, const struct order *order, int64_t now_ns);
/* Reports VENUE_CANCELLED; ERROR_NOT_FOUND when it is not open. */
int matcher_cancel(struct matcher *matcher, const char *client_id, int64_t now_ns);
void matcher_protect(struct matcher *matcher, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks);
/* A group that was open before this matcher: after a restart, from the books. */
void matcher_adopt(struct matcher *matcher, uint16_t instrument, uint16_t position, int64_t lots, int64_t stop_ticks, int64_t target_ticks);
/* Applies rules a to f for one bar; fills are reported as they happen. */
void matcher_on_bar(struct matcher *matcher, uint16_t instrument, const struct bar *bar, int64_t close_ns);
/* True when a bar of this instrument could change anything: the hot path asks before it calls. */
static inline bool matcher_idle(const struct matcher *matcher) { return matcher->order_count == 0 && matcher->group_count == 0; }

/* The matcher as a venue, for backtests and candidates (not a plug-in: it is the reference). */
extern const struct venue_vtable match_venue;
struct matcher *match_venue_matcher(struct venue *venue);

#endif
