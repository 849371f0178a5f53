/*
 * tape_event.c - market events to frames and back. Guarantees: no padding byte of the host's memory reaches the tape, so the
 * same run writes the same bytes.
 */
#include "tape_event.h"

#include <string.h>

_Static_assert(sizeof(struct tape_market) == 24 + sizeof(struct bar) + sizeof(struct quote) + 16, "tape_market has no padding");

void tape_market_encode(const struct venue_market *e, struct tape_market *out) {
    *out = (struct tape_market){.kind = e->kind, .instrument = e->instrument, .after_gap = e->after_gap, .time_ns = e->time_ns,
                                .trade_ticks = e->trade_ticks, .trade_size_e8 = e->trade_size_e8};
    out->bar = e->bar;
    out->quote = e->quote;
}

void tape_market_decode(const struct tape_market *f, struct venue_market *out) {
    memset(out, 0, sizeof(*out));
    out->kind = (uint8_t)f->kind;
    out->instrument = (uint16_t)f->instrument;
    out->after_gap = f->after_gap != 0;
    out->time_ns = f->time_ns;
    out->bar = f->bar;
    out->quote = f->quote;
    out->trade_ticks = f->trade_ticks;
    out->trade_size_e8 = f->trade_size_e8;
}
