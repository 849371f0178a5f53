/*
 * journal_schema.c - what a journal is to SQLite: its settings, tables, indexes and triggers.
 *
 * Guarantees: a setting that was asked for is read back, and a journal whose settings are not in force is refused; the
 * schema is compared word for word at each open and each verification, so a trigger that somebody dropped is noticed even
 * when every row is right.
 *
 * Deliberately not here: migration. A journal of another schema version is refused; it stays readable by the program of its time.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "ledger/journal_private.h"

#define SCHEMA_VERSION "1"

/* Kept word for word by SQLite in its own table, so that it can be compared at each open. */
#define REFUSE " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
#define EVENTS_COLUMNS                                                                                                  \
    "seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind INTEGER NOT NULL, agent INTEGER NOT NULL, "                \
    "instrument INTEGER NOT NULL, id INTEGER NOT NULL, parent INTEGER NOT NULL, position INTEGER NOT NULL, "            \
    "body BLOB NOT NULL, hash BLOB NOT NULL"
static const char *const schema[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE events(" EVENTS_COLUMNS ") STRICT",
    "CREATE INDEX events_by_id ON events(kind, id) WHERE id <> 0",
    "CREATE INDEX events_by_parent ON events(parent, kind) WHERE parent <> 0",
    "CREATE TRIGGER events_append BEFORE INSERT ON events WHEN EXISTS(SELECT 1 FROM events WHERE seq >= new.seq)" REFUSE,
    "CREATE TRIGGER events_update BEFORE UPDATE ON events" REFUSE,
    "CREATE TRIGGER events_delete BEFORE DELETE ON events" REFUSE,
    "CREATE TRIGGER meta_update BEFORE UPDATE ON meta" REFUSE,
    "CREATE TRIGGER meta_delete BEFORE DELETE ON meta" REFUSE,
};
#define SCHEMA_OBJECTS (sizeof schema / sizeof schema[0])

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

static int run(sqlite3 *db, const char *sql, struct error *error) {
    int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : store_error(db, result, error, sql);
}

/* First column of the first row as text; "" when there is none. */
static int ask(sqlite3 *db, const char *sql, char *to, size_t size, struct error *error) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    to[0] = '\0';
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        snprintf(to, size, "%s", text != NULL ? text : "");
        result = sqlite3_finalize(statement);
    }
    return result == SQLITE_OK ? 0 : store_error(db, result, error, sql);
}

static int require(sqlite3 *db, const char *name, const char *wanted, struct error *error) {
    char sql[128], found[128];
    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    int code = ask(db, sql, found, sizeof found, error);
    if (code == 0 && strcmp(found, wanted) != 0) {
        code = error_set(error, ERROR_REFUSED, "%s: SQLite was asked for %s = %s and says %s", sqlite3_db_filename(db, "main"), name,
                         wanted, found);
    }
    return code;
}

static const char *synchronous_number(const char *name) {
    static const char *const names[] = {"OFF", "NORMAL", "FULL", "EXTRA"};
    static const char *const numbers[] = {"0", "1", "2", "3"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            return numbers[i];
        }
    }
    return "?";
}

int settings_apply(sqlite3 *db, const char *synchronous, struct error *error) {
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA synchronous=%s", synchronous);
    static const char *const asked[] = {"PRAGMA page_size=4096",      "PRAGMA journal_mode=WAL",     "PRAGMA wal_autocheckpoint=0",
                                        "PRAGMA mmap_size=0",         "PRAGMA temp_store=MEMORY",    "PRAGMA cache_size=-4096",
                                        "PRAGMA cell_size_check=ON",  "PRAGMA trusted_schema=OFF",   "PRAGMA recursive_triggers=ON",
                                        "PRAGMA journal_size_limit=-1"};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        int code = run(db, asked[i], error);
        if (code != 0) {
            return code;
        }
    }
    static const char *const wanted[][2] = {{"journal_mode", "wal"},     {"wal_autocheckpoint", "0"},  {"page_size", "4096"},
                                            {"journal_size_limit", "-1"}, {"recursive_triggers", "1"}, {"locking_mode", "normal"}};
    int code = run(db, sql, error);
    if (code == 0) {
        code = require(db, "synchronous", synchronous_number(synchronous), error);
    }
    for (size_t i = 0; code == 0 && i < sizeof wanted / sizeof wanted[0]; i++) {
        code = require(db, wanted[i][0], wanted[i][1], error);
    }
    return code;
}

static int instance_make(char instance[JOURNAL_INSTANCE_BYTES], struct error *error) {
    unsigned char bytes[(JOURNAL_INSTANCE_BYTES - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return error_set_errno(error, "getrandom");
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(instance + 2 * i, 3, "%02x", bytes[i]);
    }
    return 0;
}

/* Makes an empty database a journal. In one transaction: a crash in the middle leaves it empty, and it is made anew. */
int schema_make(sqlite3 *db, struct error *error) {
    char instance[JOURNAL_INSTANCE_BYTES], sql[160], objects[16];
    int code = ask(db, "SELECT count(*) FROM sqlite_schema", objects, sizeof objects, error);
    if (code != 0 || strcmp(objects, "0") != 0) {
        return code;
    }
    code = instance_make(instance, error);
    if (code == 0) {
        code = run(db, "BEGIN IMMEDIATE", error);
    }
    for (size_t i = 0; code == 0 && i < SCHEMA_OBJECTS; i++) {
        code = run(db, schema[i], error);
    }
    if (code == 0) {
        snprintf(sql, sizeof sql, "INSERT INTO meta VALUES('schema', '%s'), ('instance', '%s')", SCHEMA_VERSION, instance);
        code = run(db, sql, error);
    }
    if (code == 0) {
        code = run(db, "COMMIT", error);
    }
    if (code != 0 && sqlite3_get_autocommit(db) == 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return code;
}

static int schema_object(sqlite3_stmt *find, const char *wanted, struct error *error) {
    char type[16], name[32];
    sscanf(wanted, "CREATE %15s %31[a-z_]", type, name);
    sqlite3_reset(find);
    sqlite3_bind_text(find, 1, name, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(find) != SQLITE_ROW) {
        return error_set(error, ERROR_INTEGRITY, "%s: the %s %s is missing", sqlite3_db_filename(sqlite3_db_handle(find), "main"),
                         type, name);
    }
    const char *found = (const char *)sqlite3_column_text(find, 0);
    if (found == NULL || strcmp(found, wanted) != 0) {
        return error_set(error, ERROR_INTEGRITY, "%s: the %s %s is not as it was made",
                         sqlite3_db_filename(sqlite3_db_handle(find), "main"), type, name);
    }
    return 0;
}

int schema_check(sqlite3 *db, char instance[JOURNAL_INSTANCE_BYTES], struct error *error) {
    char version[16];
    sqlite3_stmt *find = NULL;
    int result = sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE name = ?", -1, &find, NULL);
    int code = result == SQLITE_OK ? 0 : store_error(db, result, error, "reading the schema");
    for (size_t i = 0; code == 0 && i < SCHEMA_OBJECTS; i++) {
        code = schema_object(find, schema[i], error);
    }
    sqlite3_finalize(find);
    if (code == 0) {
        code = ask(db, "SELECT value FROM meta WHERE key = 'schema'", version, sizeof version, error);
    }
    if (code == 0 && strcmp(version, SCHEMA_VERSION) != 0) {
        code = error_set(error, ERROR_REFUSED, "%s: schema version '%s', this program knows %s", sqlite3_db_filename(db, "main"),
                         version, SCHEMA_VERSION);
    }
    if (code == 0) {
        code = ask(db, "SELECT value FROM meta WHERE key = 'instance'", instance, JOURNAL_INSTANCE_BYTES, error);
    }
    return code;
}
