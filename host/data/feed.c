/*
 * feed.c - several bar files merged into turns.
 *
 * Guarantees: turns come in strictly growing close time; all bars with the same close time make one turn, in ascending
 * instrument order; every bar of every source comes exactly once. A source's own timeframe decides when its bar closes, so
 * sources may differ. Nothing is allocated and nothing is looked at beyond each source's next bar.
 * The merge is linear in the number of sources: with 64 of them that is still a few cache lines per turn, and with one, the
 * case that backtests run millions of times a second, there is no merge at all.
 */
#include "data/data.h"

/* A bar is after a gap when its start is not where the one before it ended. */
static bool source_after_gap(const struct feed_source *source) {
    const struct bar *bar = &source->bars[source->next];
    return source->next > 0 && bar->start_ns - bar[-1].start_ns > source->timeframe_ns;
}

static bool feed_next_single(struct feed_source *source, struct bar_turn *turn) {
    if (source->next >= source->count) {
        turn->count = 0;
        return false;
    }
    const struct bar *bar = &source->bars[source->next];
    turn->close_ns = bar->start_ns + source->timeframe_ns;
    turn->count = 1;
    turn->instrument[0] = 0;
    turn->bar[0] = bar;
    turn->after_gap[0] = source_after_gap(source);
    source->next++;
    return true;
}

bool feed_next(struct feed *feed, struct bar_turn *turn) {
    if (feed->source_count == 1) {
        return feed_next_single(&feed->sources[0], turn);
    }
    int64_t earliest = INT64_MAX;
    uint32_t count = 0;
    for (uint32_t i = 0; i < feed->source_count; i++) {
        struct feed_source *source = &feed->sources[i];
        if (source->next >= source->count) {
            continue;
        }
        int64_t close_ns = source->bars[source->next].start_ns + source->timeframe_ns;
        if (close_ns < earliest) {
            earliest = close_ns;
            count = 0;
        }
        if (close_ns == earliest) {
            turn->instrument[count++] = (uint16_t)i;
        }
    }
    turn->close_ns = earliest;
    turn->count = count;
    for (uint32_t n = 0; n < count; n++) {
        struct feed_source *source = &feed->sources[turn->instrument[n]];
        turn->bar[n] = &source->bars[source->next];
        turn->after_gap[n] = source_after_gap(source);
        source->next++;
    }
    return count > 0;
}
