/*
 * ladder.h - the limit order book of one instrument: price levels, in each a queue by arrival.
 *
 * An entry has an owner: LADDER_HOUSE is the liquidity the exchange itself shows, every other number means something to the
 * exchange only. Entries are named by an index that is never 0; prices are ticks, quantities lots, both positive.
 */
#ifndef SIM_LADDER_H
#define SIM_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LADDER_HOUSE (-1)

enum ladder_side { LADDER_BID = 0, LADDER_ASK = 1 };

struct ladder_entry {
    int64_t price, lots;
    int32_t owner;
    uint32_t previous, next; /* in the queue of its level; a free entry uses next */
    uint8_t side;            /* enum ladder_side */
};

struct ladder_level {
    int64_t price, lots;     /* lots of the whole queue */
    uint32_t head, tail;
};

struct ladder {
    struct ladder_level *levels[2]; /* best last: bids ascend, asks descend */
    uint32_t counts[2], levels_max;
    struct ladder_entry *entries;
    uint32_t entries_max, entries_used, free_head;
    uint64_t changes;               /* grows with every change */
};

/* All memory is taken here. */
int ladder_init(struct ladder *ladder, uint32_t levels_max, uint32_t entries_max);
void ladder_fini(struct ladder *ladder);

/* At the end of the queue of its price. Returns the entry, or 0 when a table is full. */
uint32_t ladder_add(struct ladder *ladder, enum ladder_side side, int64_t price, int64_t lots, int32_t owner);
/* Takes `lots` off; an entry with none left is gone. Keeps its place in the queue. */
void ladder_reduce(struct ladder *ladder, uint32_t entry, int64_t lots);
void ladder_remove(struct ladder *ladder, uint32_t entry);
/* Takes every entry of the house away. */
void ladder_remove_house(struct ladder *ladder);
/* The house's entry at exactly this price, or 0. */
uint32_t ladder_find_house(const struct ladder *ladder, enum ladder_side side, int64_t price);

/*
 * The first entry in price-time order that an incoming order of the other side with `limit` (0 = market) would meet, or 0.
 * `skip_house`: only entries of others count.
 */
uint32_t ladder_first(const struct ladder *ladder, enum ladder_side side, int64_t limit, bool skip_house);

/* Best level, or NULL; `ladder_level_at` counts from the best (0). */
const struct ladder_level *ladder_level_at(const struct ladder *ladder, enum ladder_side side, uint32_t depth);

static inline const struct ladder_level *ladder_best(const struct ladder *ladder, enum ladder_side side) {
    return ladder_level_at(ladder, side, 0);
}

#endif
