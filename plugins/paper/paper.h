/* paper.h - the paper venue inside: its options and the parts that fill from bars (paper_bars.c) and quotes (paper_quotes.c). */
#ifndef PAPER_PAPER_H
#define PAPER_PAPER_H

#include "execute/match.h"
#include "paper/paper_book.h"
#include "venue.h"

enum paper_fill { PAPER_IMMEDIATE, PAPER_DELAYED, PAPER_PARTIAL, PAPER_TIMEOUT };
enum paper_from { PAPER_FROM_BARS, PAPER_FROM_QUOTES };

struct paper_options {
    int32_t fill;              /* enum paper_fill */
    int32_t from;              /* enum paper_from */
    int64_t delay_ns;          /* with fill=delayed */
    int64_t latency_ns;
    int64_t partial_percent;   /* with fill=partial: of what is left, each time ... */
    int64_t partial_max;       /* ... and at most so many lots; 0 = no such limit */
    int64_t slippage_ticks, slippage_bps;
    bool sync;
};

struct venue {
    struct paper_options options;
    struct venue_host host;
    struct paper_book book;
    struct matcher matcher;    /* bars only */
    struct quote quotes[INSTRUMENTS_MAX];
    int64_t now_ns;
    bool failed;               /* the book took no more: the link is down for good */
};

/* Lots of an order that may be tried now, unsigned. */
int64_t paper_slice(const struct venue *venue, const struct order *order);
/* The price moved against the taker, never beyond the limit (0 = none). */
int64_t paper_slipped(const struct venue *venue, int64_t price_ticks, int64_t limit_ticks, bool buys);
/* Books a fill and tells it. `index` -1 = the bracket of the group. */
void paper_fill_tell(struct venue *venue, int64_t index, struct venue_report *fill);
/* Books the end of an order and tells it. */
void paper_end_tell(struct venue *venue, uint32_t index, enum order_state state, int64_t time_ns, const char *text);

/* paper_bars.c */
void paper_bars_open(struct venue *venue);
void paper_bars_cancel(struct venue *venue, uint32_t index, int64_t now_ns);
void paper_bars_protect(struct venue *venue, uint16_t instrument, uint16_t position);
void paper_bars_bar(struct venue *venue, const struct venue_market *event);

/* paper_quotes.c */
void paper_quotes_quote(struct venue *venue, const struct venue_market *event);
void paper_quotes_trade(struct venue *venue, const struct venue_market *event);
void paper_quotes_expire(struct venue *venue, int64_t now_ns);

#endif
