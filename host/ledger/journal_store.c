/*
 * journal_store.c - the database of the journal, from one connection that one thread uses at a time.
 *
 * Guarantees: rows only go in at the end; each carries the hash of the one before, so the chain is right in the database or
 * the transaction is not there at all; a failed commit puts the chain back to where it was; a full disk is told from a broken
 * one.
 *
 * The write-ahead log is grown to its full length once and reused for ever: a commit that does not change a file's length
 * costs 40 % less. So nothing here truncates it, it stays when the journal is closed, and a checkpoint is always PASSIVE.
 * Debian's SQLite 3.40.1 can lose acknowledged rows when two connections write or checkpoint one log; hence exactly one does.
 *
 * Deliberately not here: retrying. Whoever calls decides what an error means; an fsync that failed is never tried again,
 * because the kernel may have marked the page clean.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger/journal_private.h"

#define BUSY_MS 1000
#define GROW_BYTES 65536
#define WAL_FRAME_BYTES (4096 + 24)
#define WAL_HEAD_BYTES 32

/* ---- errors -------------------------------------------------------------------------------------------------------------- */

/* Whether the last write that failed on this file found no room. */
static bool file_is_out_of_room(sqlite3_file *file) {
    int number = 0;
    if (file != NULL && file->pMethods != NULL) {
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    }
    return number == EDQUOT || number == ENOSPC;
}

/*
 * SQLite says "full" only for ENOSPC; a quota (EDQUOT) is an I/O error to it. The files know the number of their last failed
 * write; the connection's own (sqlite3_system_errno) may be that of a later call. A sync that failed is never a full disk.
 */
static bool write_found_no_room(sqlite3 *db) {
    sqlite3_file *log = NULL, *database = NULL;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &database);
    return sqlite3_extended_errcode(db) == SQLITE_IOERR_WRITE &&
           (file_is_out_of_room(log) || file_is_out_of_room(database) || sqlite3_system_errno(db) == EDQUOT);
}

static int store_error_code(sqlite3 *db, int result) {
    switch (result & 0xff) {
    case SQLITE_FULL:
        return ERROR_DISK_FULL;
    case SQLITE_IOERR:
        return db != NULL && write_found_no_room(db) ? ERROR_DISK_FULL : ERROR_SYSTEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERROR_INTEGRITY;
    default:
        return ERROR_SYSTEM;
    }
}

int store_error(sqlite3 *db, int result, struct error *error, const char *doing) {
    int code = store_error_code(db, result);
    const char *path = db != NULL ? sqlite3_db_filename(db, "main") : NULL;
    return error_set(error, code, "%s: %s: %s (SQLite %d, errno %d)", path != NULL ? path : "journal", doing,
                     db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(result), db != NULL ? sqlite3_extended_errcode(db) : result,
                     db != NULL ? sqlite3_system_errno(db) : 0);
}

/* ---- chain --------------------------------------------------------------------------------------------------------------- */

void chain_start(const char *instance, unsigned char chain[HASH_BYTES]) {
    char text[64];
    int length = snprintf(text, sizeof text, "bulkhead journal 1%s", instance);
    hash_bytes(text, (size_t)length, chain);
}

void chain_next(struct hash *hash, const unsigned char previous[HASH_BYTES], uint64_t sequence, const unsigned char *bytes,
                size_t size, unsigned char out[HASH_BYTES]) {
    hash_add(hash, previous, HASH_BYTES);
    hash_add(hash, &sequence, sizeof sequence); /* little-endian, as record.c asserts */
    hash_add(hash, bytes, size);
    hash_end(hash, out);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

static int row_number(sqlite3_stmt *row, int column, int64_t maximum, int64_t *out) {
    *out = sqlite3_column_int64(row, column);
    bool fits = sqlite3_column_type(row, column) == SQLITE_INTEGER && (maximum == 0 || (*out >= 0 && *out <= maximum));
    return fits ? 0 : ERROR_INTEGRITY;
}

/* Columns as in ROW_COLUMNS. 64-bit ids are stored as the signed number with the same bits. */
static int row_head(sqlite3_stmt *row, struct journal_row *out) {
    int64_t sequence, kind, agent, instrument, id, parent, position;
    if (row_number(row, 0, INT64_MAX, &sequence) != 0 || row_number(row, 1, 0, &out->record.time_ns) != 0 ||
        row_number(row, 2, UINT16_MAX, &kind) != 0 || row_number(row, 3, UINT16_MAX, &agent) != 0 ||
        row_number(row, 4, UINT16_MAX, &instrument) != 0 || row_number(row, 5, 0, &id) != 0 ||
        row_number(row, 6, 0, &parent) != 0 || row_number(row, 7, 0, &position) != 0) {
        return ERROR_INTEGRITY;
    }
    out->sequence = (uint64_t)sequence;
    out->record.kind = (uint16_t)kind;
    out->record.agent = (uint16_t)agent;
    out->record.instrument = (uint16_t)instrument;
    out->record.id = (uint64_t)id;
    out->record.parent = (uint64_t)parent;
    out->record.position = (uint64_t)position;
    return 0;
}

int row_decode(sqlite3_stmt *row, struct journal_row *out, struct error *error) {
    uint64_t sequence = (uint64_t)sqlite3_column_int64(row, 0);
    int body_size = sqlite3_column_bytes(row, 8);
    if (row_head(row, out) != 0 || !record_kind_known(out->record.kind)) {
        return error_set(error, ERROR_INTEGRITY, "row %" PRIu64 ": a number of its head is not possible", sequence);
    }
    if (sqlite3_column_type(row, 8) != SQLITE_BLOB || body_size > (int)RECORD_BODY_MAX) {
        return error_set(error, ERROR_INTEGRITY, "row %" PRIu64 ": the body is not a record's", sequence);
    }
    if (sqlite3_column_type(row, 9) != SQLITE_BLOB || sqlite3_column_bytes(row, 9) != HASH_BYTES) {
        return error_set(error, ERROR_INTEGRITY, "row %" PRIu64 ": the hash is not one", sequence);
    }
    out->record.body_size = (uint16_t)body_size;
    if (body_size > 0) {
        memcpy(out->record.body, sqlite3_column_blob(row, 8), (size_t)body_size);
    }
    memcpy(out->hash, sqlite3_column_blob(row, 9), HASH_BYTES);
    return 0;
}

int chain_check(struct hash *hash, const unsigned char previous[HASH_BYTES], const struct journal_row *row, struct error *error) {
    unsigned char bytes[RECORD_MAX], wanted[HASH_BYTES];
    size_t size = record_encode(&row->record, bytes);
    chain_next(hash, previous, row->sequence, bytes, size, wanted);
    if (memcmp(wanted, row->hash, HASH_BYTES) == 0) {
        return 0;
    }
    char found_text[HASH_TEXT_BYTES], wanted_text[HASH_TEXT_BYTES];
    hash_print(row->hash, found_text);
    hash_print(wanted, wanted_text);
    return error_set(error, ERROR_INTEGRITY, "row %" PRIu64 ": its hash is %s, its content and the row before it give %s",
                     row->sequence, found_text, wanted_text);
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

/* The row before the last JOURNAL_TAIL_ROWS, from where the tail is re-hashed; a shorter journal is re-hashed from its start. */
static int tail_anchor(struct store *store, struct error *error) {
    sqlite3_stmt *find = NULL;
    int result = sqlite3_prepare_v2(store->db, "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?", -1, &find, NULL);
    sqlite3_bind_int(find, 1, (int)JOURNAL_TAIL_ROWS);
    chain_start(store->instance, store->chain);
    if (result == SQLITE_OK && sqlite3_step(find) == SQLITE_ROW && sqlite3_column_bytes(find, 1) == HASH_BYTES) {
        store->last = (uint64_t)sqlite3_column_int64(find, 0);
        memcpy(store->chain, sqlite3_column_blob(find, 1), HASH_BYTES);
    }
    result = sqlite3_finalize(find);
    return result == SQLITE_OK ? 0 : store_error(store->db, result, error, "finding the tail");
}

static int tail_verify(struct store *store, struct error *error) {
    struct journal_row row;
    sqlite3_stmt *rows = NULL;
    int code = tail_anchor(store, error);
    int result = sqlite3_prepare_v2(store->db, "SELECT " ROW_COLUMNS " FROM events WHERE seq > ? ORDER BY seq", -1, &rows, NULL);
    sqlite3_bind_int64(rows, 1, (sqlite3_int64)store->last);
    while (code == 0 && result != SQLITE_DONE) {
        result = sqlite3_step(rows);
        if (result == SQLITE_ROW) {
            code = row_decode(rows, &row, error);
            if (code == 0) {
                code = chain_check(&store->hash, store->chain, &row, error);
                memcpy(store->chain, row.hash, HASH_BYTES);
                store->last = row.sequence;
            }
        } else if (result != SQLITE_DONE) {
            code = store_error(store->db, result, error, "reading the tail");
        }
    }
    sqlite3_finalize(rows);
    return code;
}

static int wal_hook(void *context, sqlite3 *db, const char *name, int pages) {
    struct store *store = context;
    (void)db;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

static int store_prepare(struct store *store, struct error *error) {
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } list[] = {{"BEGIN IMMEDIATE", &store->begin},
                {"COMMIT", &store->commit},
                {"ROLLBACK", &store->rollback},
                {"INSERT INTO events(" ROW_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?)", &store->insert}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        int result = sqlite3_prepare_v3(store->db, list[i].sql, -1, SQLITE_PREPARE_PERSISTENT, list[i].statement, NULL);
        if (result != SQLITE_OK) {
            return store_error(store->db, result, error, list[i].sql);
        }
    }
    return 0;
}

static int store_connect(struct store *store, const struct journal_options *options, struct error *error) {
    int result = sqlite3_open_v2(options->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, options->vfs);
    if (result != SQLITE_OK) {
        return store_error(store->db, result, error, "opening");
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int code = settings_apply(store->db, options->synchronous != NULL ? options->synchronous : "FULL", error);
    sqlite3_wal_hook(store->db, wal_hook, store);
    return code;
}

int store_open(struct store *store, const struct journal_options *options, struct error *error) {
    if (hash_init(&store->hash) != 0) {
        return error_set(error, ERROR_SYSTEM, "libcrypto has no SHA-256");
    }
    int code = store_connect(store, options, error);
    if (code == 0) {
        code = schema_make(store->db, error);
    }
    if (code == 0) {
        code = schema_check(store->db, store->instance, error);
    }
    if (code == 0) {
        code = tail_verify(store, error);
    }
    return code != 0 ? code : store_prepare(store, error);
}

void store_close(struct store *store) {
    sqlite3_stmt *const statements[] = {store->begin, store->commit, store->rollback, store->insert};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        sqlite3_finalize(statements[i]);
    }
    sqlite3_close(store->db);
    if (store->hash.context != NULL) {
        hash_fini(&store->hash);
    }
    memset(store, 0, sizeof *store);
}

static int grow_write(sqlite3_file *file, int64_t from, int64_t to) {
    static const unsigned char zeros[GROW_BYTES];
    int result = SQLITE_OK;
    while (from < to && result == SQLITE_OK) {
        int64_t amount = to - from < GROW_BYTES ? to - from : GROW_BYTES;
        result = file->pMethods->xWrite(file, zeros, (int)amount, from);
        from += amount;
    }
    return result == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : result;
}

/*
 * Zeros behind the last frame are what a reused log looks like: recovery stops at the first frame whose salt does not fit.
 * Real zeros, not just allocated blocks, because writing into unwritten extents changes metadata at each sync.
 */
int store_grow_wal(struct store *store, uint32_t pages, struct error *error) {
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int64_t wanted = (int64_t)WAL_HEAD_BYTES + (int64_t)pages * WAL_FRAME_BYTES;
    int result = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (result != SQLITE_OK || file == NULL || file->pMethods == NULL) {
        return error_set(error, ERROR_REFUSED, "%s: SQLite has not opened the write-ahead log", sqlite3_db_filename(store->db, "main"));
    }
    result = file->pMethods->xFileSize(file, &size);
    if (result == SQLITE_OK && size < wanted) {
        result = grow_write(file, size, wanted);
    }
    if (result == SQLITE_OK) {
        return 0;
    }
    bool full = result == SQLITE_FULL || (result == SQLITE_IOERR_WRITE && file_is_out_of_room(file));
    return error_set(error, full ? ERROR_DISK_FULL : ERROR_SYSTEM, "%s: growing the write-ahead log to %" PRId64 " bytes: %s",
                     sqlite3_db_filename(store->db, "main"), wanted, sqlite3_errstr(result));
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static int step(struct store *store, sqlite3_stmt *statement, struct error *error, const char *doing) {
    int result = sqlite3_step(statement);
    int code = result == SQLITE_DONE ? 0 : store_error(store->db, result, error, doing);
    sqlite3_reset(statement);
    return code;
}

int store_begin(struct store *store, struct error *error) {
    memcpy(store->before, store->chain, HASH_BYTES);
    return step(store, store->begin, error, "begin");
}

static void insert_bind(sqlite3_stmt *insert, uint64_t sequence, const struct record *record, const unsigned char *body) {
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)sequence);
    sqlite3_bind_int64(insert, 2, record->time_ns);
    sqlite3_bind_int(insert, 3, record->kind);
    sqlite3_bind_int(insert, 4, record->agent);
    sqlite3_bind_int(insert, 5, record->instrument);
    sqlite3_bind_int64(insert, 6, (sqlite3_int64)record->id);
    sqlite3_bind_int64(insert, 7, (sqlite3_int64)record->parent);
    sqlite3_bind_int64(insert, 8, (sqlite3_int64)record->position);
    sqlite3_bind_blob(insert, 9, body, record->body_size, SQLITE_STATIC);
}

int store_put(struct store *store, uint64_t sequence, const unsigned char *bytes, size_t size, struct error *error) {
    struct record record;
    if (record_decode(bytes, size, &record) != 0) {
        return error_set(error, ERROR_FORMAT, "record %" PRIu64 " of %zu bytes is not one", sequence, size);
    }
    chain_next(&store->hash, store->chain, sequence, bytes, size, store->chain);
    insert_bind(store->insert, sequence, &record, bytes + RECORD_HEAD);
    sqlite3_bind_blob(store->insert, 10, store->chain, HASH_BYTES, SQLITE_STATIC);
    return step(store, store->insert, error, "insert");
}

int store_commit(struct store *store, struct error *error) {
    return step(store, store->commit, error, "commit");
}

/* SQLite may have rolled back by itself after an error; then there is nothing to do but to put the chain back. */
void store_rollback(struct store *store) {
    if (sqlite3_get_autocommit(store->db) == 0) {
        sqlite3_step(store->rollback);
        sqlite3_reset(store->rollback);
    }
    memcpy(store->chain, store->before, HASH_BYTES);
}

/*
 * A connection that has not read the schema answers a checkpoint with "done" and does nothing: hence the frame counts are
 * looked at. Frames that a reader still needs stay behind; the next attempt waits until the log has grown further.
 */
int store_checkpoint(struct store *store, struct error *error) {
    int in_log = -1, done = -1;
    int result = sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
    if (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY) {
        return store_error(store->db, result, error, "checkpoint");
    }
    if (result == SQLITE_OK && (in_log < 0 || (in_log == 0 && store->wal_pages > 0))) {
        return error_set(error, ERROR_INTEGRITY, "%s: a checkpoint found %d frames in a log of %d", sqlite3_db_filename(store->db, "main"),
                         in_log, store->wal_pages);
    }
    bool complete = result == SQLITE_OK && done == in_log;
    store->wal_pages_tried = complete ? 0 : store->wal_pages;
    store->wal_pages = complete ? 0 : store->wal_pages;
    return 0;
}
