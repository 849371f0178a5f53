/*
 * journal_private.h - what the parts of the journal share and nobody else may see.
 *
 *   journal.c         the loop's side: open, close, append, submit, poll, loss, statistics
 *   journal_thread.c  the thread's side: group commit, checkpoints, failure
 *   journal_store.c   the database: rows and chain, commits, checkpoints; used by one thread at a time
 *   journal_schema.c  its settings and schema
 *   journal_files.c   the files beside it: lock, reserve, directory
 *   journal_read.c    read-only connections
 */
#ifndef LEDGER_JOURNAL_PRIVATE_H
#define LEDGER_JOURNAL_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "ledger/journal.h"

#define JOURNAL_SAMPLES 4096u
#define JOURNAL_GROUP 1024u /* records in a commit; more only when a single submit has more */
#define JOURNAL_PATH_MAX 4096

/* ---- database ---------------------------------------------------------------------------------------------------------- */

struct store {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *rollback, *insert;
    struct hash hash;
    unsigned char chain[HASH_BYTES];  /* hash of the last row written */
    unsigned char before[HASH_BYTES]; /* the same at the begin of the open transaction */
    char instance[JOURNAL_INSTANCE_BYTES];
    uint64_t last;                    /* last sequence found at open */
    int wal_pages;                    /* in use, as the WAL hook reported */
    int wal_pages_tried;              /* in use when a checkpoint last left some behind */
};

/* Zeroed store; the file exists. On an error store_close is still due. */
int store_open(struct store *store, const struct journal_options *options, struct error *error);
void store_close(struct store *store);
int store_begin(struct store *store, struct error *error);
int store_put(struct store *store, uint64_t sequence, const unsigned char *bytes, size_t size, struct error *error);
int store_commit(struct store *store, struct error *error);
void store_rollback(struct store *store);
int store_checkpoint(struct store *store, struct error *error);
/* Writes the log out to its full size once, so that no later commit has to change the file's length. */
int store_grow_wal(struct store *store, uint32_t pages, struct error *error);

/* Shared with the readers: error texts, the first hash, one row, one link. */
int store_error(sqlite3 *db, int result, struct error *error, const char *doing);
void chain_start(const char *instance, unsigned char chain[HASH_BYTES]);
void chain_next(struct hash *hash, const unsigned char previous[HASH_BYTES], uint64_t sequence, const unsigned char *bytes,
                size_t size, unsigned char out[HASH_BYTES]);
int row_decode(sqlite3_stmt *row, struct journal_row *out, struct error *error);
int chain_check(struct hash *hash, const unsigned char previous[HASH_BYTES], const struct journal_row *row, struct error *error);
/* Asks for the settings and sees that they are in force; makes the schema where there is none; compares it. */
int settings_apply(sqlite3 *db, const char *synchronous, struct error *error);
int schema_make(sqlite3 *db, struct error *error);
int schema_check(sqlite3 *db, char instance[JOURNAL_INSTANCE_BYTES], struct error *error);

#define ROW_COLUMNS "seq, time_ns, kind, agent, instrument, id, parent, position, body, hash"

/* ---- files beside it --------------------------------------------------------------------------------------------------- */

struct files {
    char directory[JOURNAL_PATH_MAX];
    char reserve[JOURNAL_PATH_MAX];
    int directory_fd, lock_fd, reserve_fd;
};

/* Takes the lock, creates the empty database file when there is none. Zeroed files; on an error files_close is still due. */
int files_open(struct files *files, const char *path, struct error *error);
int files_sync(struct files *files, struct error *error);
/* ERROR_DISK_FULL when there is no room for it. */
int files_reserve_make(struct files *files, uint64_t bytes, struct error *error);
void files_reserve_release(struct files *files);
void files_close(struct files *files);

/* ---- the queue and both of its ends ------------------------------------------------------------------------------------ */

struct entry {
    int64_t append_ns;
    uint16_t size;
    bool urgent;
    bool turn_end; /* the last record of a submit: a group ends only here */
    unsigned char bytes[RECORD_MAX];
};

/*
 * Sequence numbers are also queue positions (modulo JOURNAL_QUEUE): `next` is the loop's own; [taken, submitted) is what the
 * thread may read. Everything atomic is written by one side only, except `asleep`, which the waker takes back.
 */
struct journal {
    /* constant after open */
    struct entry *queue;
    struct store store;        /* the thread's */
    struct files files;
    uint64_t opened_at;
    uint32_t wal_pages;
    int wake_fd, done_fd, priority;
    bool full_token;           /* synchronous is FULL or stricter */
    bool threaded;
    pthread_t thread;

    /* written by the loop */
    alignas(64) uint64_t next;
    uint64_t polled;           /* last token given out */
    bool told_full;            /* the poll of rule 2 has happened */
    unsigned char ordinary[JOURNAL_QUEUE / 8]; /* by sequence: not urgent; frozen at a disk-full, see journal_lost */
    alignas(64) _Atomic uint64_t submitted;
    atomic_bool stop;

    /* written by the thread */
    alignas(64) _Atomic uint64_t taken;
    _Atomic uint64_t through;
    _Atomic uint64_t full_from; /* first sequence at risk when the disk became full; 0 = it has not */
    _Atomic uint64_t dead_from; /* nothing from here on is or will be written; 0 = alive */
    struct error full_error, dead_error; /* written before the number above, constant after */
    _Atomic uint64_t rows, commits, checkpoints, bytes, wal_used, sample_count;
    _Atomic int64_t commit_ns_max;
    _Atomic int64_t samples[JOURNAL_SAMPLES];

    alignas(64) atomic_bool asleep;
};

void *journal_thread(void *journal);
/* The disk is full from `sequence` on: says so, then gives the reserve back to the file system. */
void journal_thread_full(struct journal *journal, uint64_t sequence, const struct error *error);

#endif
