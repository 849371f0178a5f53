/*
 * journal_read.c - reading and verifying a journal, from any process, while a host may be writing it.
 *
 * Guarantees: the connection is read-only and neither writes nor checkpoints, so it cannot touch what the host relies on;
 * transactions are short (READ_ROWS rows), so the host's log can be reused while a reader works through years; a row is
 * believed only in the form that was written: right types, a known kind, a body that fits.
 *
 * Deliberately not here: what was cut off at the end. A journal restored from an older copy verifies; whoever wants to
 * notice keeps the last hash elsewhere.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/journal_private.h"

#define READ_ROWS 1024
#define READER_BUSY_MS 2000

struct journal_reader {
    sqlite3 *db;
    sqlite3_stmt *by_id, *by_parent, *last, *before, *after, *end;
    struct error error;
};

static int read_only(const char *path, sqlite3 **db, struct error *error) {
    *db = NULL;
    if (access(path, R_OK) != 0) {
        return error_set_errno(error, "%s: the journal cannot be read", path);
    }
    int result = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK) {
        return store_error(*db, result, error, "opening");
    }
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, READER_BUSY_MS);
    return 0;
}

/* ---- in order ------------------------------------------------------------------------------------------------------------ */

/* Up to READ_ROWS rows above `*after`, which moves. `*more` is false when there were fewer. */
static int read_page(sqlite3_stmt *rows, int64_t *after, bool *more, int (*each)(void *, const struct journal_row *),
                     void *context, struct error *error) {
    struct journal_row row;
    int count = 0, code = 0, result;
    sqlite3_bind_int64(rows, 1, *after);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW && code == 0) {
        code = row_decode(rows, &row, error);
        if (code == 0) {
            *after = (int64_t)row.sequence;
            count++;
            code = each(context, &row);
        }
    }
    if (code == 0 && result != SQLITE_DONE) {
        code = store_error(sqlite3_db_handle(rows), result, error, "reading");
    }
    sqlite3_reset(rows);
    *more = count == READ_ROWS;
    return code;
}

static int read_all(sqlite3 *db, int64_t after, int (*each)(void *, const struct journal_row *), void *context,
                    struct error *error) {
    char sql[160];
    sqlite3_stmt *rows = NULL;
    bool more = true;
    snprintf(sql, sizeof sql, "SELECT " ROW_COLUMNS " FROM events WHERE seq > ? ORDER BY seq LIMIT %d", READ_ROWS);
    int result = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    int code = result == SQLITE_OK ? 0 : store_error(db, result, error, "reading");
    while (code == 0 && more) {
        code = read_page(rows, &after, &more, each, context, error);
    }
    sqlite3_finalize(rows);
    return code;
}

struct read_each {
    int (*row)(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]);
    void *context;
};

static int read_give(void *context, const struct journal_row *row) {
    const struct read_each *each = context;
    return each->row(each->context, row->sequence, &row->record, row->hash);
}

int journal_read(const char *path, uint64_t since,
                 int (*row)(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]),
                 void *context, struct error *error) {
    sqlite3 *db;
    struct read_each each = {row, context};
    int64_t after = since == 0 ? INT64_MIN : since > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)since - 1;
    int code = read_only(path, &db, error);
    if (code == 0) {
        code = read_all(db, after, read_give, &each, error);
    }
    sqlite3_close(db);
    return code;
}

/* ---- verifying ----------------------------------------------------------------------------------------------------------- */

struct verifier {
    struct hash hash;
    struct journal_verified *seen;
    struct error *error;
};

static int verify_row(void *context, const struct journal_row *row) {
    struct verifier *verifier = context;
    struct journal_verified *seen = verifier->seen;
    int code = chain_check(&verifier->hash, seen->last_hash, row, verifier->error);
    if (code != 0) {
        return code;
    }
    memcpy(seen->last_hash, row->hash, HASH_BYTES);
    seen->first = seen->rows == 0 ? row->sequence : seen->first;
    seen->last = row->sequence;
    seen->rows++;
    seen->missing = seen->last - seen->rows;
    return 0;
}

/* The first complaint of SQLite's own check: pages, order, and that indexes say what the table says. */
static int verify_pages(sqlite3 *db, struct error *error) {
    sqlite3_stmt *check = NULL;
    int result = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &check, NULL);
    int code = 0;
    if (result == SQLITE_OK && (result = sqlite3_step(check)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(check, 0);
        if (text == NULL || strcmp(text, "ok") != 0) {
            code = error_set(error, ERROR_INTEGRITY, "%s: %s", sqlite3_db_filename(db, "main"), text != NULL ? text : "no answer");
        }
    } else {
        code = store_error(db, result, error, "integrity check");
    }
    sqlite3_finalize(check);
    return code;
}

static int verify_instance(sqlite3 *db, char instance[JOURNAL_INSTANCE_BYTES], struct error *error) {
    sqlite3_stmt *find = NULL;
    int result = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = 'instance'", -1, &find, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(find);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(find, 0) : NULL;
        snprintf(instance, JOURNAL_INSTANCE_BYTES, "%s", text != NULL ? text : "");
    }
    sqlite3_finalize(find);
    if (result == SQLITE_ROW) {
        return 0;
    }
    bool strange = result == SQLITE_DONE || result == SQLITE_ERROR; /* no such row, no such table */
    return strange ? error_set(error, ERROR_INTEGRITY, "%s: is not a journal", sqlite3_db_filename(db, "main"))
                   : store_error(db, result, error, "reading meta");
}

int journal_check(const char *path, struct journal_verified *out, struct error *error) {
    sqlite3 *db = NULL;
    char instance[JOURNAL_INSTANCE_BYTES];
    struct verifier verifier = {.seen = out, .error = error};
    memset(out, 0, sizeof *out);
    int code = hash_init(&verifier.hash) != 0 ? error_set(error, ERROR_SYSTEM, "libcrypto has no SHA-256") : 0;
    if (code == 0) {
        code = read_only(path, &db, error);
    }
    if (code == 0) {
        code = verify_instance(db, instance, error);
    }
    if (code == 0) {
        chain_start(instance, out->last_hash);
        code = read_all(db, INT64_MIN, verify_row, &verifier, error);
    }
    if (code == 0) {
        code = schema_check(db, instance, error);
    }
    if (code == 0) {
        code = verify_pages(db, error);
    }
    sqlite3_close(db);
    hash_fini(&verifier.hash);
    return code;
}

int journal_verify(const char *path, uint64_t *rows, unsigned char last_hash[HASH_BYTES], struct error *error) {
    struct journal_verified seen;
    int code = journal_check(path, &seen, error);
    if (rows != NULL) {
        *rows = seen.rows;
    }
    if (last_hash != NULL) {
        memcpy(last_hash, seen.last_hash, HASH_BYTES);
    }
    return code;
}

/* ---- by id --------------------------------------------------------------------------------------------------------------- */

/*
 * The conditions repeat those of the partial indexes, or SQLite could not use them. A plus sign before `kind` keeps it from
 * using an index where the neighbour in sequence is wanted: that is near, and sorting all rows of a kind is not.
 */
#define SAME_POSITION "+kind = ?1 AND agent = ?3 AND instrument = ?4 AND position = ?5"
static int reader_prepare(struct journal_reader *reader, struct error *error) {
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } list[] = {
        {&reader->by_id, "SELECT " ROW_COLUMNS " FROM events WHERE kind = ?1 AND id = ?2 AND id <> 0 ORDER BY seq LIMIT ?3"},
        {&reader->by_parent, "SELECT " ROW_COLUMNS " FROM events WHERE kind = ?1 AND parent = ?2 AND parent <> 0 ORDER BY seq LIMIT ?3"},
        {&reader->last, "SELECT " ROW_COLUMNS " FROM events WHERE +kind = ?1 AND id <> 0 AND seq < ?2 ORDER BY seq DESC LIMIT 1"},
        {&reader->before, "SELECT " ROW_COLUMNS " FROM events WHERE " SAME_POSITION " AND seq < ?2 ORDER BY seq DESC LIMIT 1"},
        {&reader->after, "SELECT " ROW_COLUMNS " FROM events WHERE " SAME_POSITION " AND seq > ?2 ORDER BY seq LIMIT 1"},
        {&reader->end, "SELECT max(seq) FROM events"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        int result = sqlite3_prepare_v2(reader->db, list[i].sql, -1, list[i].statement, NULL);
        if (result != SQLITE_OK) {
            return store_error(reader->db, result, error, "preparing");
        }
    }
    return 0;
}

int journal_reader_open(struct journal_reader **out, const char *path, struct error *error) {
    struct journal_reader *reader = calloc(1, sizeof *reader);
    *out = NULL;
    if (reader == NULL) {
        return error_set(error, ERROR_SYSTEM, "out of memory");
    }
    int code = read_only(path, &reader->db, error);
    if (code == 0) {
        code = reader_prepare(reader, error);
    }
    if (code != 0) {
        journal_reader_close(reader);
        return code;
    }
    *out = reader;
    return 0;
}

void journal_reader_close(struct journal_reader *reader) {
    if (reader == NULL) {
        return;
    }
    sqlite3_stmt *const statements[] = {reader->by_id, reader->by_parent, reader->last, reader->before, reader->after, reader->end};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        sqlite3_finalize(statements[i]);
    }
    sqlite3_close(reader->db);
    free(reader);
}

static int reader_collect(struct journal_reader *reader, sqlite3_stmt *statement, struct journal_row *rows, int max) {
    int count = 0, code = 0, result = SQLITE_DONE;
    while (code == 0 && count < max && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        code = row_decode(statement, &rows[count], &reader->error);
        count += code == 0;
    }
    if (code == 0 && result != SQLITE_DONE && result != SQLITE_ROW) {
        code = store_error(reader->db, result, &reader->error, "looking up");
    }
    sqlite3_reset(statement);
    return code != 0 ? code : count;
}

int journal_reader_by_id(struct journal_reader *reader, int kind, uint64_t id, struct journal_row *rows, int max) {
    sqlite3_bind_int(reader->by_id, 1, kind);
    sqlite3_bind_int64(reader->by_id, 2, (sqlite3_int64)id);
    sqlite3_bind_int(reader->by_id, 3, max);
    return reader_collect(reader, reader->by_id, rows, max);
}

int journal_reader_by_parent(struct journal_reader *reader, int kind, uint64_t parent, struct journal_row *rows, int max) {
    sqlite3_bind_int(reader->by_parent, 1, kind);
    sqlite3_bind_int64(reader->by_parent, 2, (sqlite3_int64)parent);
    sqlite3_bind_int(reader->by_parent, 3, max);
    return reader_collect(reader, reader->by_parent, rows, max);
}

int journal_reader_last(struct journal_reader *reader, int kind, uint64_t before, struct journal_row *row) {
    bool bounded = before != 0 && before <= (uint64_t)INT64_MAX;
    sqlite3_bind_int(reader->last, 1, kind);
    sqlite3_bind_int64(reader->last, 2, bounded ? (sqlite3_int64)before : INT64_MAX);
    return reader_collect(reader, reader->last, row, 1);
}

static int reader_near(struct journal_reader *reader, sqlite3_stmt *statement, int kind, const struct record *like,
                       uint64_t sequence, struct journal_row *row) {
    sqlite3_bind_int(statement, 1, kind);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)sequence);
    sqlite3_bind_int(statement, 3, like->agent);
    sqlite3_bind_int(statement, 4, like->instrument);
    sqlite3_bind_int64(statement, 5, (sqlite3_int64)like->position);
    return reader_collect(reader, statement, row, 1);
}

int journal_reader_before(struct journal_reader *reader, int kind, const struct record *like, uint64_t sequence,
                          struct journal_row *row) {
    return reader_near(reader, reader->before, kind, like, sequence, row);
}

int journal_reader_after(struct journal_reader *reader, int kind, const struct record *like, uint64_t sequence,
                         struct journal_row *row) {
    return reader_near(reader, reader->after, kind, like, sequence, row);
}

uint64_t journal_reader_end(struct journal_reader *reader) {
    uint64_t end = 0;
    if (sqlite3_step(reader->end) == SQLITE_ROW) {
        end = (uint64_t)sqlite3_column_int64(reader->end, 0);
    }
    sqlite3_reset(reader->end);
    return end;
}

const char *journal_reader_error(const struct journal_reader *reader) {
    return reader->error.text;
}
