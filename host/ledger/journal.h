/*
 * journal.h - what happened, on disk before it matters. SQLite in WAL mode with synchronous=FULL, one read-write connection
 * in one thread that also does its own checkpoints; append-only rows, each with the hash of the one before.
 *
 * The loop appends records and submits; the thread commits groups; the completed commit comes back through journal_fd() and
 * journal_poll() as a durable token. The loop never waits for the disk.
 */
#ifndef LEDGER_JOURNAL_H
#define LEDGER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "ledger/record.h"

#define JOURNAL_QUEUE 16384u                   /* records between loop and thread, a power of two */
#define JOURNAL_RESERVE_BYTES (16u << 20)

struct journal; /* owned by the caller between open and close */

struct journal_options {
    const char *path;          /* of the database file; its directory exists */
    uint64_t reserve_bytes;    /* preallocated beside it for exits when the disk is full; 0 = none */
    const char *vfs;           /* SQLite VFS name, NULL = default (the crash tests bring their own) */
    const char *synchronous;   /* NULL = "FULL"; only tests say otherwise */
};

/* Opens or creates, checks the settings that were asked for are in force, verifies the chain's tail, starts the thread. */
int journal_open(struct journal **journal, const struct journal_options *options, struct error *error);
/* Commits what is queued, checkpoints, stops the thread. */
void journal_close(struct journal *journal);

/*
 * Queues a record; returns its sequence number (> 0), or 0 when the queue is full or the journal has failed.
 * `urgent` records (exits, cancels, halts) may use the reserve when the disk is full. Loop thread only.
 */
uint64_t journal_append(struct journal *journal, const struct record *record, bool urgent);
/* Wakes the thread: everything appended so far shall become durable. */
void journal_submit(struct journal *journal);

/* Becomes readable when a commit completed or failed. */
int journal_fd(const struct journal *journal);
/* Drains the fd; true when `token` moved forward. */
bool journal_poll(struct journal *journal, struct durable_token *token);
/* The first failure (ERROR_DISK_FULL, ERROR_SYSTEM = fsync or I/O error, never retried); 0 = healthy. A disk-full journal
 * still takes urgent records out of the reserve. */
int journal_failure(const struct journal *journal, struct error *error);

struct journal_statistics {
    uint64_t rows, commits, checkpoints;
    uint64_t bytes;
    int64_t commit_ns_max, durable_ns_p50, durable_ns_p99; /* append -> durable, of the last 4,096 */
};
void journal_statistics(const struct journal *journal, struct journal_statistics *out);

/* ---- readers (mode=ro, any process, short transactions) -------------------------------------------------------------------- */

/* Calls `row` for every record from `since` on, in order. Stops at a non-zero return, which it returns. */
int journal_read(const char *path, uint64_t since,
                 int (*row)(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]),
                 void *context, struct error *error);

/* Re-computes every hash. ERROR_INTEGRITY names the first row that is wrong. `rows` and `last_hash` may be NULL. */
int journal_verify(const char *path, uint64_t *rows, unsigned char last_hash[HASH_BYTES], struct error *error);

#endif
