/*
 * watcher.h - bars and trades that prove themselves, and what the watcher saw of them: shared by the agent and the load test.
 *
 * A bar's four prices follow from its start, a trade's price and size from its time. A reader that meets a cell half of one and
 * half of another, or one that belongs elsewhere in the ring, finds that they do not.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include <stdint.h>
#include <string.h>

#include "agent_abi.h"

#define WATCH_BAR_NS INT64_C(60000000000)
#define WATCH_BARS 2u        /* of the feed's own timeframe: the smallest ring there is */
#define WATCH_LONG_BARS 4u   /* of two bars each */
#define WATCH_TICKS 16u

/* In ticks: low <= open, close <= high, and nothing in common with the bar before. */
struct watch_bar {
    int64_t open, high, low, close;
};

static inline struct watch_bar watch_bar_of(int64_t start_ns) {
    int64_t n = start_ns / WATCH_BAR_NS;
    int64_t low = 1000 + n * 7919 % 4001;
    return (struct watch_bar){.open = low + 1 + n % 3, .high = low + 9, .low = low, .close = low + 2 + n % 5};
}

static inline int64_t watch_trade_price(int64_t time_ns) { return 1000 + time_ns % 997; }
static inline int64_t watch_trade_size(int64_t time_ns) { return 1 + time_ns % 991; }

/* FNV-1a over whole words. */
#define WATCH_HASH_START 0xcbf29ce484222325u
static inline uint64_t watch_hash(uint64_t hash, uint64_t word) { return (hash ^ word) * 0x100000001b3u; }
static inline uint64_t watch_hash_number(uint64_t hash, double value) {
    uint64_t word;
    memcpy(&word, &value, sizeof(word));
    return watch_hash(hash, word);
}

static inline uint64_t watch_hash_bar(uint64_t hash, const struct agent_bar *bar) {
    hash = watch_hash_number(watch_hash(hash, (uint64_t)bar->start_ns), bar->close);
    hash = watch_hash_number(watch_hash_number(hash, bar->open_ticks), bar->high_ticks);
    return watch_hash_number(watch_hash_number(hash, bar->low_ticks), bar->close_ticks);
}

static inline uint64_t watch_hash_trade(uint64_t hash, const struct agent_tick *tick) {
    return watch_hash_number(watch_hash_number(watch_hash(hash, (uint64_t)tick->time_ns), tick->price_ticks), tick->size);
}

/* Written into the place for wishes; the answer says 0 wishes. */
struct watched {
    uint64_t turns, sequence, gap, events;
    int64_t now_ns;
    uint64_t hash;           /* over every bar, trade and quote it may read, as first read in this turn */
    uint64_t bars, trades;   /* shown */
    uint64_t torn;           /* cells, turn heads and quotes that were not what they said, since the start */
    uint64_t looks;          /* times that it read everything, since the start */
};

_Static_assert(sizeof(struct watched) <= sizeof(struct agent_wish), "it goes where the first wish would");

#endif
