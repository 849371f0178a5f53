/*
 * journal.h - what happened, on disk before it matters. SQLite in WAL mode with synchronous=FULL, one read-write connection
 * in one thread that also does its own checkpoints; append-only rows, each with the hash of the one before.
 *
 * The loop appends records and submits; the thread commits groups; the completed commit comes back through journal_fd() and
 * journal_poll() as a durable token. The loop never waits for the disk. What is appended between two submits is committed
 * together or not at all (except that a full disk keeps only the urgent ones).
 *
 * Files beside PATH: PATH-wal and PATH-shm (SQLite), PATH.lock (who owns it), PATH.reserve (space kept for exits).
 *
 * hash of a row = SHA-256(hash of the row before || sequence, 8 bytes little-endian || canonical record); the first row
 * follows on SHA-256("bulkhead journal 1" || instance). A gap in the sequence with an intact chain is what a full disk lost.
 * The chain shows every edit, insertion and removal but one: rows cut off at the end need a hash kept elsewhere to be missed.
 */
#ifndef LEDGER_JOURNAL_H
#define LEDGER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "ledger/record.h"

#define JOURNAL_QUEUE 16384u                   /* records between loop and thread, a power of two */
#define JOURNAL_RESERVE_BYTES (16u << 20)
#define JOURNAL_WAL_PAGES 8000u                /* the write-ahead log is grown to this once, and checkpointed there */
#define JOURNAL_TAIL_ROWS 1024u                /* re-hashed at each open */
#define JOURNAL_INSTANCE_BYTES 33              /* 32 hex digits and the NUL */

struct journal; /* owned by the caller between open and close */

struct journal_options {
    const char *path;          /* of the database file; its directory exists */
    uint64_t reserve_bytes;    /* preallocated beside it for exits when the disk is full; 0 = none */
    const char *vfs;           /* SQLite VFS name, NULL = default (the crash tests bring their own) */
    const char *synchronous;   /* NULL = "FULL"; only tests say otherwise, and their tokens are not `full` */
    uint32_t wal_pages;        /* 0 = JOURNAL_WAL_PAGES; idle checkpoints begin at a fortieth of it */
    int priority;              /* SCHED_FIFO priority asked for the thread, where rights allow; 0 = none */
};

/*
 * Opens or creates, checks the settings that were asked for are in force, verifies the chain's tail, starts the thread.
 * ERROR_REFUSED: another process holds it (its pid is named), or the file system or the settings will not do.
 * ERROR_INTEGRITY: the tail does not verify, or a trigger or index is missing.
 * When the disk is too full for the reserve but the journal exists, it opens with journal_failure() = ERROR_DISK_FULL, so
 * that a host that starts again on a full disk can still exit its positions.
 */
int journal_open(struct journal **journal, const struct journal_options *options, struct error *error);
/* Commits what is queued, checkpoints, stops the thread. */
void journal_close(struct journal *journal);

/* What the journal is called for life (random, made at creation): client order ids derive from it. */
const char *journal_instance(const struct journal *journal);
/* The last sequence on disk when it was opened; 0 = empty. */
uint64_t journal_opened_at(const struct journal *journal);

/*
 * Queues a record; returns its sequence number (> 0), or 0 when the queue is full, the journal has failed or the record is
 * not encodable. `urgent` records (exits, cancels, halts) may use the reserve when the disk is full. Loop thread only.
 */
uint64_t journal_append(struct journal *journal, const struct record *record, bool urgent);
/* Wakes the thread: everything appended so far shall become durable. Costs no system call while the thread is awake. */
void journal_submit(struct journal *journal);
/* Records in the queue that the thread has not written yet, of JOURNAL_QUEUE. */
uint64_t journal_queued(const struct journal *journal);

/* Becomes readable when a commit completed or failed. */
int journal_fd(const struct journal *journal);

/*
 * Drains the fd; true when `token` moved forward. The rule for what a token proves, also across a failure:
 *   1. Every record with sequence <= token.through is on disk, except those that journal_lost() names.
 *   2. When the disk becomes full, there is one poll whose token ends exactly before the first record that may be lost, and
 *      after which journal_failure() is set. Whoever drops its waiting records that journal_lost() names at that moment
 *      need not ask again: from then on only urgent records are taken.
 *   3. Lost means "no proof": nothing may be sent for it. After a failed sync the row may still be found at the next start.
 */
bool journal_poll(struct journal *journal, struct durable_token *token);

/* True when this appended record was given up. Never true for one that a token has covered. Exact, O(1), loop thread only. */
bool journal_lost(const struct journal *journal, uint64_t sequence);

/* The first failure (ERROR_DISK_FULL, ERROR_SYSTEM = fsync or I/O error, never retried); 0 = healthy. A disk-full journal
 * still takes urgent records out of the reserve; journal_dead() says whether it has stopped for good. */
int journal_failure(const struct journal *journal, struct error *error);
bool journal_dead(const struct journal *journal);

struct journal_statistics {
    uint64_t rows, commits, checkpoints;
    uint64_t bytes;
    uint64_t wal_pages;                                    /* written since the log was last reused */
    int64_t commit_ns_max, durable_ns_p50, durable_ns_p99; /* append -> durable, of the last 4,096 */
};
void journal_statistics(const struct journal *journal, struct journal_statistics *out);

/* ---- readers (mode=ro, any process, short transactions) -------------------------------------------------------------------- */

/* Calls `row` for every record from `since` on, in order. Stops at a non-zero return, which it returns. */
int journal_read(const char *path, uint64_t since,
                 int (*row)(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]),
                 void *context, struct error *error);

/* What a verification saw; filled as far as it came. */
struct journal_verified {
    uint64_t rows, first, last;
    uint64_t missing;          /* numbers skipped with an intact chain: lost to a full disk, never acknowledged */
    unsigned char last_hash[HASH_BYTES];
};

/* Re-computes every hash, then checks tables, triggers and indexes. ERROR_INTEGRITY names the first row that is wrong. */
int journal_check(const char *path, struct journal_verified *out, struct error *error);
/* The same; `rows` and `last_hash` may be NULL. */
int journal_verify(const char *path, uint64_t *rows, unsigned char last_hash[HASH_BYTES], struct error *error);

/* ---- looking up by id (for `why`) -------------------------------------------------------------------------------------------- */

struct journal_reader; /* a read-only connection; owned by the caller between open and close */

struct journal_row {
    uint64_t sequence;
    struct record record;
    unsigned char hash[HASH_BYTES];
};

int journal_reader_open(struct journal_reader **reader, const char *path, struct error *error);
void journal_reader_close(struct journal_reader *reader);
/* Rows of `kind` with this id (or this parent), in order: up to `max` into `rows`; returns their number or an error code. */
int journal_reader_by_id(struct journal_reader *reader, int kind, uint64_t id, struct journal_row *rows, int max);
int journal_reader_by_parent(struct journal_reader *reader, int kind, uint64_t parent, struct journal_row *rows, int max);
/* The last row of `kind` with an id and a sequence below `before` (0 = no bound); 1 when found, 0 when there is none. */
int journal_reader_last(struct journal_reader *reader, int kind, uint64_t before, struct journal_row *row);
/* The nearest row of `kind` before (or after) `sequence` with the agent, instrument and position of `like`; 1, 0 or an error. */
int journal_reader_before(struct journal_reader *reader, int kind, const struct record *like, uint64_t sequence,
                          struct journal_row *row);
int journal_reader_after(struct journal_reader *reader, int kind, const struct record *like, uint64_t sequence,
                         struct journal_row *row);
/* The last sequence; 0 = empty. */
uint64_t journal_reader_end(struct journal_reader *reader);
/* Why the last call failed. */
const char *journal_reader_error(const struct journal_reader *reader);

#endif
