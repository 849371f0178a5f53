/*
 * ledger.h - fills -> books and history: the portfolio, and where records go. A backtest writes a run file, every other mode
 * the journal; the engine sees a sink and never which.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "base/base.h"
#include "ledger/bodies.h"
#include "ledger/portfolio.h"
#include "ledger/record.h"

/* Where records go. */
struct sink {
    void *context;
    /* Takes a copy; returns its sequence (1, 2, ...), or 0 when it cannot be kept any more. */
    uint64_t (*append)(void *context, const struct record *record, bool urgent);
    /* Everything appended so far shall become durable. True: it is, `token` says so; false: the token comes later. */
    bool (*submit)(void *context, struct durable_token *token);
    bool brief; /* leave out steps that a backtest takes at once */
};

/*
 * The buffered writer of a backtest: large blocks to a temporary file, synced once and renamed at the end. Its tokens are
 * good for venues inside this process only. With path NULL it keeps nothing but the count; with memory it writes there
 * (research mode, where there are no files).
 */
struct runfile {
    int fd;
    char path[1024], temporary[1056];
    unsigned char *buffer;
    size_t used, size;
    bool fixed;             /* buffer is the destination, never flushed */
    bool failed;
    int failure;            /* error code */
    uint64_t records, bytes;
    struct hash result;     /* the result hash */
    int64_t bar_first_ns, bar_last_ns, bar_step_ns; /* the run of bar times being counted; step 0 = not known yet */
    uint64_t bar_count;
};

int runfile_open(struct runfile *runfile, const char *path, struct error *error);
/* Into memory of `size` bytes (NULL: keep nothing). */
int runfile_memory(struct runfile *runfile, void *memory, size_t size, struct error *error);
struct sink runfile_sink(struct runfile *runfile);
/* A turn's close time: hashed, not written. Times at even steps are one run (first, step, count), so this costs a compare. */
void runfile_bars_end(struct runfile *runfile);
static inline void runfile_bar(struct runfile *r, int64_t close_ns) {
    if (close_ns - r->bar_last_ns == r->bar_step_ns) {
        r->bar_last_ns = close_ns;
        r->bar_count++;
        return;
    }
    if (r->bar_count == 1) { /* the second of a run gives its step */
        r->bar_step_ns = close_ns - r->bar_last_ns;
        r->bar_last_ns = close_ns;
        r->bar_count++;
        return;
    }
    runfile_bars_end(r);
    r->bar_first_ns = close_ns;
    r->bar_last_ns = close_ns;
    r->bar_count = 1;
}
/* Ends the result hash: nothing is appended afterwards. */
void runfile_result(struct runfile *runfile, unsigned char result[HASH_BYTES]);
/* Writes the trailer, syncs and renames the file to `path` (NULL: to the one it was opened for). */
int runfile_close(struct runfile *runfile, const char *path, struct error *error);
/* Gives up: removes the temporary file. */
void runfile_abandon(struct runfile *runfile);

#define RUNFILE_MAGIC "BKHRUN01"

/* The record that `bytes` begin with: returns its length, 0 when they begin with none. */
size_t runfile_next(const unsigned char *bytes, size_t size, struct record *record);

/* Calls `row` for every record of a run file. ERROR_INTEGRITY when its trailer does not belong to it. */
int runfile_read(const char *path, int (*row)(void *context, uint64_t sequence, const struct record *record), void *context,
                 struct error *error);

#endif
