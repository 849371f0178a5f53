/*
 * paper_book.h - what the paper venue knows, and keeps: orders, groups, fills. A fold over an append-only file of checksummed
 * records, so that after a kill at any point the book is what it was before an event or after it, never between.
 */
#ifndef PAPER_BOOK_H
#define PAPER_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/types.h"
#include "venue.h"

#define PAPER_ORDERS_MAX (1u << 16) /* ever; client ids stay known */
#define PAPER_FILLS_MAX (1u << 17)  /* ever */
#define PAPER_HASH_SLOTS (1u << 17)

struct paper_order {
    struct order order;
    int64_t active_ns;         /* acts only on market data after this */
    bool admitted;             /* a slice of it is in the matcher; not kept */
    uint32_t next_same_hash;
};

struct paper_group {
    uint16_t instrument;
    bool listed;               /* in `open`, which keeps the order in which groups opened */
    int64_t lots, stop_ticks, target_ticks;
};

struct paper_book {
    int fd;                    /* of the file; -1 = failed or closed */
    bool sync;                 /* every event is on the disk before it is told */
    bool written;              /* since it was opened */
    int64_t size;              /* bytes of whole records */
    uint64_t epoch, sequence;  /* epoch: first part of fill ids, made once for each file */
    uint32_t order_count, fill_count, open_count, group_count;
    struct paper_order *orders;
    uint32_t *hash;
    struct venue_report *fills;
    uint32_t open[ORDERS_MAX];           /* open orders, oldest first */
    uint16_t group_open[POSITIONS_MAX];
    struct paper_group groups[POSITIONS_MAX];
};

/*
 * Opens or makes the file `home`/book and folds it. A torn last record is cut off; anything else that is wrong is
 * ERROR_INTEGRITY. Free a failed book with paper_book_close() too.
 */
int paper_book_open(struct paper_book *book, const char *home, int64_t now_ns, bool sync, struct error *error);
void paper_book_close(struct paper_book *book);

/* Index of an order, or -1. */
int64_t paper_book_find(const struct paper_book *book, const char *client_id);

/* Events: written, then applied. A negative code = the file could not take it and nothing was applied. */
int paper_book_submit(struct paper_book *book, const struct order *order, int64_t active_ns);
/* Gives the fill its id and fee-independent place; `index` -1 = the bracket of the group. */
int paper_book_fill(struct paper_book *book, int64_t index, struct venue_report *fill);
int paper_book_end(struct paper_book *book, uint32_t index, enum order_state state);
int paper_book_protect(struct paper_book *book, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks);

#endif
