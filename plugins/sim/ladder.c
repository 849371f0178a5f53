/*
 * ladder.c - the limit order book: sorted arrays of levels, queues as linked lists in one pool.
 *
 * Guarantees: price-time order; no allocation after ladder_init(); every level holds at least one entry and its sum.
 * The best level lies at the end of its array, so the usual changes move little memory.
 * Deliberately not here: who may trade with whom, and what a trade means. That is match.c of this folder.
 */
#include "sim/ladder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int ladder_init(struct ladder *ladder, uint32_t levels_max, uint32_t entries_max) {
    memset(ladder, 0, sizeof(*ladder));
    ladder->levels_max = levels_max;
    ladder->entries_max = entries_max;
    for (int side = 0; side < 2; side++) {
        ladder->levels[side] = calloc(levels_max, sizeof(struct ladder_level));
    }
    ladder->entries = calloc((size_t)entries_max + 1, sizeof(struct ladder_entry));
    if (ladder->levels[0] == NULL || ladder->levels[1] == NULL || ladder->entries == NULL) {
        ladder_fini(ladder);
        return ERROR_SYSTEM;
    }
    return 0;
}

void ladder_fini(struct ladder *ladder) {
    free(ladder->levels[0]);
    free(ladder->levels[1]);
    free(ladder->entries);
    memset(ladder, 0, sizeof(*ladder));
}

/* True when a level at `price` is worse than (lies before) one at `other`. */
static bool is_worse(enum ladder_side side, int64_t price, int64_t other) {
    return side == LADDER_BID ? price < other : price > other;
}

/* Index of the level at `price`, or where it would be inserted. */
static uint32_t level_index(const struct ladder *ladder, enum ladder_side side, int64_t price) {
    uint32_t low = 0, high = ladder->counts[side];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_worse(side, ladder->levels[side][middle].price, price)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct ladder_level *level_find(const struct ladder *ladder, enum ladder_side side, int64_t price) {
    uint32_t i = level_index(ladder, side, price);
    struct ladder_level *level = &ladder->levels[side][i];
    return i < ladder->counts[side] && level->price == price ? level : NULL;
}

static struct ladder_level *level_make(struct ladder *ladder, enum ladder_side side, int64_t price) {
    uint32_t i = level_index(ladder, side, price), count = ladder->counts[side];
    struct ladder_level *level = &ladder->levels[side][i];
    if (i < count && level->price == price) {
        return level;
    }
    if (count == ladder->levels_max) {
        return NULL;
    }
    memmove(level + 1, level, (count - i) * sizeof(*level));
    *level = (struct ladder_level){.price = price};
    ladder->counts[side]++;
    return level;
}

static void level_drop(struct ladder *ladder, enum ladder_side side, struct ladder_level *level) {
    uint32_t i = (uint32_t)(level - ladder->levels[side]);
    memmove(level, level + 1, (ladder->counts[side] - i - 1) * sizeof(*level));
    ladder->counts[side]--;
}

static uint32_t entry_take(struct ladder *ladder) {
    uint32_t entry = ladder->free_head;
    if (entry != 0) {
        ladder->free_head = ladder->entries[entry].next;
        return entry;
    }
    return ladder->entries_used < ladder->entries_max ? ++ladder->entries_used : 0;
}

uint32_t ladder_add(struct ladder *ladder, enum ladder_side side, int64_t price, int64_t lots, int32_t owner) {
    assert(price > 0 && lots > 0);
    uint32_t id = entry_take(ladder);
    if (id == 0) {
        return 0;
    }
    struct ladder_level *level = level_make(ladder, side, price);
    if (level == NULL) {
        ladder->entries[id].next = ladder->free_head;
        ladder->free_head = id;
        return 0;
    }
    ladder->entries[id] = (struct ladder_entry){
        .price = price, .lots = lots, .owner = owner, .previous = level->tail, .side = (uint8_t)side};
    if (level->tail != 0) {
        ladder->entries[level->tail].next = id;
    } else {
        level->head = id;
    }
    level->tail = id;
    level->lots += lots;
    ladder->changes++;
    return id;
}

void ladder_remove(struct ladder *ladder, uint32_t id) {
    struct ladder_entry *entry = &ladder->entries[id];
    enum ladder_side side = (enum ladder_side)entry->side;
    struct ladder_level *level = level_find(ladder, side, entry->price);
    assert(level != NULL);
    if (entry->previous != 0) {
        ladder->entries[entry->previous].next = entry->next;
    } else {
        level->head = entry->next;
    }
    if (entry->next != 0) {
        ladder->entries[entry->next].previous = entry->previous;
    } else {
        level->tail = entry->previous;
    }
    level->lots -= entry->lots;
    if (level->head == 0) {
        level_drop(ladder, side, level);
    }
    ladder->changes++;
    entry->lots = 0;
    entry->next = ladder->free_head;
    ladder->free_head = id;
}

void ladder_reduce(struct ladder *ladder, uint32_t id, int64_t lots) {
    struct ladder_entry *entry = &ladder->entries[id];
    assert(lots > 0 && lots <= entry->lots);
    if (lots == entry->lots) {
        ladder_remove(ladder, id);
        return;
    }
    struct ladder_level *level = level_find(ladder, (enum ladder_side)entry->side, entry->price);
    assert(level != NULL);
    entry->lots -= lots;
    level->lots -= lots;
    ladder->changes++;
}

void ladder_remove_house(struct ladder *ladder) {
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = ladder->counts[side]; i-- > 0;) {
            uint32_t next;
            for (uint32_t id = ladder->levels[side][i].head; id != 0; id = next) {
                next = ladder->entries[id].next;
                if (ladder->entries[id].owner == LADDER_HOUSE) {
                    ladder_remove(ladder, id); /* a level that goes only moves levels already seen */
                }
            }
        }
    }
}

uint32_t ladder_find_house(const struct ladder *ladder, enum ladder_side side, int64_t price) {
    const struct ladder_level *level = level_find(ladder, side, price);
    uint32_t id = level != NULL ? level->head : 0;
    while (id != 0 && ladder->entries[id].owner != LADDER_HOUSE) {
        id = ladder->entries[id].next;
    }
    return id;
}

uint32_t ladder_first(const struct ladder *ladder, enum ladder_side side, int64_t limit, bool skip_house) {
    for (uint32_t i = ladder->counts[side]; i-- > 0;) {
        const struct ladder_level *level = &ladder->levels[side][i];
        if (limit != 0 && is_worse(side, level->price, limit)) {
            return 0;
        }
        uint32_t id = level->head;
        while (skip_house && id != 0 && ladder->entries[id].owner == LADDER_HOUSE) {
            id = ladder->entries[id].next;
        }
        if (id != 0) {
            return id;
        }
    }
    return 0;
}

const struct ladder_level *ladder_level_at(const struct ladder *ladder, enum ladder_side side, uint32_t depth) {
    return depth < ladder->counts[side] ? &ladder->levels[side][ladder->counts[side] - 1 - depth] : NULL;
}
