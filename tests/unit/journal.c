/*
 * journal.c - the journal through its own calls: what a token promises, what a restart finds, what an edit cannot hide, who
 * is refused, what a kill -9 may cost (nothing acknowledged). Power cuts and full disks are in tests/sim.
 *
 *   1. A token covers what is on disk, moves forward only, and is `full` only under synchronous=FULL.
 *   2. A restart goes on with the numbers and the chain.
 *   3. Every edit of every column, and every insertion and removal but the last rows', is named by row.
 *   4. A second host on the same journal is refused, and the refusal names the first by pid.
 *   5. The settings are in force, the file is private, the log keeps its length.
 *   6. After kill -9 at any moment nothing acknowledged is missing and the chain verifies. KILLS=n for more than 50.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/journal.h"

#define WAL_PAGES 400

static char home[64], path[96];
static uint64_t seed = 88172645463325252u;

static uint64_t random_next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int home_make(void **state) {
    (void)state;
    snprintf(home, sizeof home, "/tmp/bulkhead-journal-XXXXXX");
    if (mkdtemp(home) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/journal.db", home);
    return 0;
}

static void home_clear(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock", ".reserve"};
    char name[128];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static int home_remove(void **state) {
    (void)state;
    home_clear();
    return rmdir(home);
}

static struct journal *journal_must(uint64_t reserve_bytes) {
    struct journal *journal = NULL;
    struct error error = {0};
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES, .reserve_bytes = reserve_bytes};
    int code = journal_open(&journal, &options, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    return journal;
}

/* Record i: everything follows from i. */
static struct record record_make(uint64_t i) {
    struct record record = {.kind = (uint16_t)(1 + i % 17), .agent = (uint16_t)i, .instrument = (uint16_t)(i * 7), .time_ns = (int64_t)i - 50,
                            .id = i * 3, .parent = i % 5 == 0 ? 0 : UINT64_MAX - i, .position = i % 2 == 0 ? UINT64_MAX : i};
    record.body_size = (uint16_t)(i * 37 % (RECORD_BODY_MAX + 1));
    memset(record.body, (int)(i & 0xff), sizeof record.body);
    return record;
}

static uint64_t append_must(struct journal *journal, uint64_t i) {
    struct record record = record_make(i);
    uint64_t sequence = journal_append(journal, &record, false);
    assert_true(sequence > 0);
    return sequence;
}

/* Polls until the token covers `sequence`; fails the test after ten seconds or when the journal fails. */
static struct durable_token token_must(struct journal *journal, uint64_t sequence) {
    struct durable_token token = {0};
    struct pollfd ready = {.fd = journal_fd(journal), .events = POLLIN};
    journal_poll(journal, &token);
    for (int i = 0; i < 1000 && token.through < sequence; i++) {
        struct error error = {0};
        poll(&ready, 1, 10);
        journal_poll(journal, &token);
        assert_int_equal(journal_failure(journal, &error), 0);
    }
    assert_true(token.through >= sequence);
    return token;
}

static void rows_append(struct journal *journal, uint64_t from, uint64_t to) {
    uint64_t last = 0;
    for (uint64_t i = from; i < to; i++) {
        last = append_must(journal, i);
        if (random_next() % 4 == 0) {
            journal_submit(journal);
        }
    }
    journal_submit(journal);
    token_must(journal, last);
}

struct expected {
    uint64_t next;
};

static int row_expect(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]) {
    struct expected *expected = context;
    struct record wanted = record_make(expected->next);
    unsigned char left[RECORD_MAX], right[RECORD_MAX];
    (void)hash;
    assert_int_equal(sequence, expected->next);
    size_t size = record_encode(record, left);
    assert_int_equal(record_encode(&wanted, right), size);
    assert_memory_equal(left, right, size);
    expected->next++;
    return 0;
}

static void rows_must(uint64_t count) {
    struct error error = {0};
    uint64_t rows = 0;
    struct expected expected = {1};
    assert_int_equal(journal_read(path, 0, row_expect, &expected, &error), 0);
    assert_int_equal(expected.next, count + 1);
    int code = journal_verify(path, &rows, NULL, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    assert_int_equal(rows, count);
}

/* ---- 1 ------------------------------------------------------------------------------------------------------------------- */

static void rule_1_token_covers_what_is_on_disk(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    struct durable_token token = {0};
    assert_false(journal_poll(journal, &token));
    assert_int_equal(token.through, 0);
    for (uint64_t i = 1; i <= 200; i++) {
        assert_int_equal(append_must(journal, i), i);
        journal_submit(journal);
        uint64_t before = token.through;
        token = token_must(journal, i);
        assert_true(token.full && token.through >= before && token.through <= i);
        if (i % 50 == 0) {
            rows_must(i); /* through another connection, while this one is open */
        }
    }
    assert_false(journal_poll(journal, &token));
    journal_close(journal);
    rows_must(200);
}

static void rule_1_nothing_is_written_before_submit(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    struct durable_token token = {0};
    append_must(journal, 1);
    struct timespec pause = {0, 60000000};
    nanosleep(&pause, NULL);
    assert_false(journal_poll(journal, &token));
    rows_must(0);
    journal_close(journal); /* commits what is queued */
    rows_must(1);
}

static void rule_1_weaker_settings_give_no_full_token(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = NULL;
    struct error error = {0};
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES, .synchronous = "NORMAL"};
    assert_int_equal(journal_open(&journal, &options, &error), 0);
    append_must(journal, 1);
    journal_submit(journal);
    assert_false(token_must(journal, 1).full);
    journal_close(journal);
    options.synchronous = "SOMETIMES";
    assert_int_equal(journal_open(&journal, &options, &error), ERROR_REFUSED);
    assert_null(journal);
}

static void full_queue_says_so_and_recovers(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    struct record record = record_make(1);
    uint64_t last = 0, next;
    while ((next = journal_append(journal, &record, false)) != 0) { /* no submit: the thread may not take anything */
        last = next;
    }
    assert_int_equal(last, JOURNAL_QUEUE);
    token_must(journal, last); /* the refused append has submitted */
    assert_int_equal(journal_append(journal, &record, false), last + 1);
    record.body_size = RECORD_BODY_MAX + 1;
    assert_int_equal(journal_append(journal, &record, false), 0);
    journal_close(journal);
    uint64_t rows = 0;
    struct error error = {0};
    assert_int_equal(journal_verify(path, &rows, NULL, &error), 0);
    assert_int_equal(rows, JOURNAL_QUEUE + 1);
}

/* Both sides as fast as they can, through several times the queue and many checkpoints; the run for TSan. */
static void loop_and_thread_together(void **state) {
    (void)state;
    home_clear();
    const uint64_t count = 60000;
    struct journal *journal = journal_must(0);
    struct durable_token token = {0};
    struct pollfd ready = {.fd = journal_fd(journal), .events = POLLIN};
    struct journal_statistics statistics;
    for (uint64_t i = 1; i <= count;) {
        struct record record = record_make(i);
        if (journal_append(journal, &record, i % 3 == 0) == 0) {
            poll(&ready, 1, 1000);
        } else {
            i++;
        }
        if (random_next() % 64 == 0) {
            journal_submit(journal);
            journal_poll(journal, &token);
            assert_false(journal_lost(journal, token.through));
            assert_int_equal(journal_failure(journal, NULL), 0);
        }
        if (i % 10000 == 0) {
            journal_statistics(journal, &statistics);
        }
    }
    journal_submit(journal);
    token_must(journal, count);
    journal_statistics(journal, &statistics);
    assert_int_equal(statistics.rows, count);
    assert_true(statistics.commits > 0 && statistics.checkpoints > 0 && statistics.durable_ns_p50 > 0);
    assert_true(statistics.durable_ns_p99 >= statistics.durable_ns_p50);
    journal_close(journal);
    rows_must(count);
}

/* Submits while the thread is awake, asleep and falling asleep: no wake may be missed. */
static void no_wake_is_missed(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    for (uint64_t i = 1; i <= 2000; i++) {
        append_must(journal, i);
        journal_submit(journal);
        if (i % 3 != 0) {
            token_must(journal, i);
        }
        for (volatile uint64_t spin = random_next() % 20000; spin > 0; spin--) {
        }
    }
    token_must(journal, 2000);
    journal_close(journal);
}

/* ---- 2 ------------------------------------------------------------------------------------------------------------------- */

static void rule_2_restart_continues_the_chain(void **state) {
    (void)state;
    home_clear();
    char instance[JOURNAL_INSTANCE_BYTES] = "";
    for (uint64_t session = 0; session < 8; session++) {
        struct journal *journal = journal_must(0);
        struct durable_token token = {0};
        assert_int_equal(journal_opened_at(journal), session * 400);
        journal_poll(journal, &token);
        assert_int_equal(token.through, session * 400);
        assert_true(session == 0 || strcmp(instance, journal_instance(journal)) == 0);
        snprintf(instance, sizeof instance, "%s", journal_instance(journal));
        assert_int_equal(strlen(instance), 32);
        rows_append(journal, session * 400 + 1, session * 400 + 401);
        journal_close(journal);
    }
    rows_must(3200); /* more than the tail that is verified at open */
}

/* ---- 3 ------------------------------------------------------------------------------------------------------------------- */

static void sql_must(const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (result != SQLITE_OK) {
        print_error("%s: %s\n", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(result, SQLITE_OK);
    sqlite3_close(db);
}

static void file_copy(const char *from, const char *to) {
    static char bytes[8 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(in);
    fclose(out);
}

static void rule_3_plain_sql_cannot_change_a_row(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    rows_append(journal, 1, 21);
    journal_close(journal);
    static const char *const refused[] = {
        "UPDATE events SET time_ns = 1 WHERE seq = 3", "DELETE FROM events WHERE seq = 3", "UPDATE meta SET value = 'x'",
        "DELETE FROM meta", "INSERT INTO events VALUES(20,0,1,0,0,0,0,0,x'',x'')",
        "INSERT OR REPLACE INTO events VALUES(3,0,1,0,0,0,0,0,x'',x'')", "INSERT INTO events VALUES(-1,0,1,0,0,0,0,0,x'',x'')"};
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_not_equal(sqlite3_exec(db, refused[i], NULL, NULL, NULL), SQLITE_OK);
    }
    sqlite3_close(db);
    rows_must(20);
}

#define UNGUARD "DROP TRIGGER events_update; DROP TRIGGER events_delete; DROP TRIGGER events_append; DROP TRIGGER meta_update;"

/* What verify says after `sql` on a fresh copy; the copy is put back afterwards. */
static void tamper(const char *sql, const char *wanted) {
    char copy[128], text[512];
    struct error error = {0};
    snprintf(copy, sizeof copy, "%s/copy", home);
    file_copy(path, copy);
    snprintf(text, sizeof text, UNGUARD " %s", sql);
    sql_must(text);
    assert_int_equal(journal_verify(path, NULL, NULL, &error), ERROR_INTEGRITY);
    if (strstr(error.text, wanted) == NULL) {
        print_error("%s\n", sql);
        assert_string_equal(error.text, wanted);
    }
    file_copy(copy, path);
    unlink(copy);
}

static void rule_3_every_edit_is_named(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    rows_append(journal, 1, 61);
    journal_close(journal);
    sql_must("PRAGMA wal_checkpoint(TRUNCATE)");
    tamper("UPDATE events SET time_ns = time_ns + 1 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET kind = 1 + kind % 17 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET kind = 99 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET agent = agent + 1 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET agent = agent + 65536 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET instrument = instrument + 1 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET id = id + 1 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET parent = parent + 1 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET position = position - 1 WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET body = CAST(body || x'00' AS BLOB) WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET body = x'' WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET body = zeroblob(1000) WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 29) WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET hash = x'00' WHERE seq = 30", "row 30:");
    tamper("UPDATE events SET seq = 100 WHERE seq = 60", "row 100:");
    tamper("UPDATE events SET seq = -30 WHERE seq = 30", "row 18446744073709551586:");
    tamper("DELETE FROM events WHERE seq = 30", "row 31:");
    tamper("DELETE FROM events WHERE seq = 1", "row 2:");
    tamper("UPDATE events SET body = CAST(body || x'00' AS BLOB) WHERE seq = 60", "row 60:");
    tamper("INSERT INTO events SELECT 61, time_ns, kind, agent, instrument, id, parent, position, body, hash FROM events WHERE seq = 60",
           "row 61:");
    tamper("UPDATE meta SET value = 'ffffffffffffffffffffffffffffffff' WHERE key = 'instance'", "row 1:");
    tamper("", "TRIGGER events_append is missing");
    rows_must(60);
    struct error error = {0};
    sql_must(UNGUARD);
    assert_int_equal(journal_open(&journal, &(struct journal_options){.path = path, .wal_pages = WAL_PAGES}, &error), ERROR_INTEGRITY);
    assert_non_null(strstr(error.text, "TRIGGER"));
}

static void rule_3_open_verifies_the_tail(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    rows_append(journal, 1, 31);
    journal_close(journal);
    sqlite3 *db = NULL; /* the triggers come back, so only the chain can tell */
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA writable_schema=ON; CREATE TEMP TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = "
                                      "'events_update'; DROP TRIGGER events_update; UPDATE events SET time_ns = 0 WHERE seq = 25",
                                  NULL, NULL, NULL), SQLITE_OK);
    sqlite3_stmt *kept = NULL;
    sqlite3_prepare_v2(db, "SELECT sql FROM kept", -1, &kept, NULL);
    assert_int_equal(sqlite3_step(kept), SQLITE_ROW);
    char *sql = strdup((const char *)sqlite3_column_text(kept, 0));
    sqlite3_finalize(kept);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    free(sql);
    sqlite3_close(db);
    struct error error = {0};
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES};
    assert_int_equal(journal_open(&journal, &options, &error), ERROR_INTEGRITY);
    assert_non_null(strstr(error.text, "row 25:"));
    assert_null(journal);
}

static void rule_3_what_is_no_journal_is_refused(void **state) {
    (void)state;
    home_clear();
    struct error error = {0};
    struct journal *journal = NULL;
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES};
    assert_int_equal(journal_verify(path, NULL, NULL, &error), ERROR_NOT_FOUND);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 3000; i++) {
        fputs("not a database ", file);
    }
    fclose(file);
    assert_int_equal(journal_open(&journal, &options, &error), ERROR_INTEGRITY);
    assert_int_equal(journal_verify(path, NULL, NULL, &error), ERROR_INTEGRITY);
    home_clear();
    file = fopen(path, "wb"); /* somebody else's database */
    assert_non_null(file);
    fclose(file);
    sql_must("CREATE TABLE x(y)");
    assert_int_equal(journal_open(&journal, &options, &error), ERROR_INTEGRITY);
    assert_int_equal(journal_verify(path, NULL, NULL, &error), ERROR_INTEGRITY);
}

/* ---- 4 ------------------------------------------------------------------------------------------------------------------- */

static void rule_4_second_host_is_refused(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0), *second = NULL;
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES};
    struct error error = {0};
    char pid[32];
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_int_equal(journal_open(&second, &options, &error), ERROR_REFUSED);
    assert_non_null(strstr(error.text, pid));
    pid_t child = fork();
    if (child == 0) {
        struct error refused = {0};
        _exit(journal_open(&second, &options, &refused) == ERROR_REFUSED && strstr(refused.text, pid) != NULL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    rows_append(journal, 1, 11);
    journal_close(journal);
    journal = journal_must(0); /* free again */
    journal_close(journal);
}

/* ---- 5 ------------------------------------------------------------------------------------------------------------------- */

static off_t file_size(const char *suffix) {
    char name[128];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &status) == 0 ? status.st_size : -1;
}

static void rule_5_private_files_and_a_log_of_constant_length(void **state) {
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", ".reserve"};
    home_clear();
    umask(0);
    struct journal *journal = journal_must(1 << 20);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[128];
        struct stat status;
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        assert_int_equal(stat(name, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    assert_int_equal(file_size(".reserve"), 1 << 20);
    off_t length = file_size("-wal");
    assert_int_equal(length, 32 + WAL_PAGES * 4120);
    struct journal_statistics statistics = {0};
    for (uint64_t i = 0; i < 60; i++) {
        rows_append(journal, i * 100 + 1, i * 100 + 101);
    }
    for (int i = 0; i < 200 && statistics.checkpoints < 2; i++) { /* 20 ms of idleness are needed for the last */
        struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
        journal_statistics(journal, &statistics);
    }
    assert_true(statistics.checkpoints >= 2);
    assert_true(file_size("-wal") <= length + 4120 * WAL_PAGES / 2);
    assert_true(file_size("") > 1000000);
    journal_close(journal);
    assert_true(file_size("-wal") >= length); /* kept, to be used again */
    journal = journal_must(1 << 20);
    journal_close(journal);
    rows_must(6000);
}

static void rule_5_idle_checkpoint_empties_the_log(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    rows_append(journal, 1, 101); /* more than a fortieth of the log, less than all of it */
    struct journal_statistics statistics = {0};
    for (int i = 0; i < 200 && (statistics.checkpoints == 0 || statistics.wal_pages > 0); i++) {
        struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
        journal_statistics(journal, &statistics);
    }
    assert_true(statistics.checkpoints >= 1);
    assert_int_equal(statistics.wal_pages, 0);
    journal_close(journal);
}

static void looking_up_by_id_and_position(void **state) {
    (void)state;
    home_clear();
    struct journal *journal = journal_must(0);
    rows_append(journal, 1, 101);
    struct journal_reader *reader = NULL;
    struct error error = {0};
    struct journal_row rows[4];
    assert_int_equal(journal_reader_open(&reader, path, &error), 0);
    struct record wanted = record_make(40);
    assert_int_equal(journal_reader_by_id(reader, wanted.kind, wanted.id, rows, 4), 1);
    assert_int_equal(rows[0].sequence, 40);
    assert_int_equal(journal_reader_by_id(reader, wanted.kind, 0, rows, 4), 0);
    wanted = record_make(41);
    assert_int_equal(journal_reader_by_parent(reader, wanted.kind, wanted.parent, rows, 4), 1);
    assert_int_equal(rows[0].sequence, 41);
    assert_int_equal(journal_reader_by_parent(reader, wanted.kind, 0, rows, 4), 0);
    assert_int_equal(journal_reader_last(reader, wanted.kind, 0, rows), 1);
    assert_int_equal(rows[0].sequence, 92); /* 41 + 3 * 17 */
    assert_int_equal(journal_reader_last(reader, wanted.kind, 92, rows), 1);
    assert_int_equal(rows[0].sequence, 75);
    assert_int_equal(journal_reader_before(reader, wanted.kind, &wanted, 60, rows), 1);
    assert_int_equal(rows[0].sequence, 41);
    assert_int_equal(journal_reader_after(reader, wanted.kind, &wanted, 41, rows), 0);
    assert_int_equal(journal_reader_end(reader), 100);
    journal_reader_close(reader);
    journal_reader_close(NULL);
    journal_close(journal);
    journal_close(NULL);
}

/* ---- 6 ------------------------------------------------------------------------------------------------------------------- */

/* The host that will be killed: appends groups, reports each token through the pipe. Never returns. */
static void child_run(int report, uint64_t from) {
    struct journal *journal = NULL;
    struct error error = {0};
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES};
    if (journal_open(&journal, &options, &error) != 0) {
        _exit(2);
    }
    struct pollfd ready = {.fd = journal_fd(journal), .events = POLLIN};
    for (uint64_t i = from;;) {
        struct durable_token token;
        uint64_t group = 1 + random_next() % 40;
        for (uint64_t n = 0; n < group; n++) {
            struct record record = record_make(i);
            i += journal_append(journal, &record, false) != 0;
        }
        journal_submit(journal);
        poll(&ready, 1, random_next() % 3 == 0 ? 30 : 0);
        if (journal_poll(journal, &token) && write(report, &token.through, sizeof token.through) < 0) {
            _exit(3);
        }
    }
}

static void rule_6_kill_loses_nothing_acknowledged(void **state) {
    (void)state;
    home_clear();
    const char *text = getenv("KILLS");
    long kills = text != NULL ? strtol(text, NULL, 10) : 50;
    uint64_t last = 0, acked = 0;
    for (long i = 0; i < kills; i++) {
        int report[2];
        assert_int_equal(pipe(report), 0);
        pid_t child = fork();
        if (child == 0) {
            close(report[0]);
            seed ^= (uint64_t)i * 7919 + 1;
            child_run(report[1], last + 1);
        }
        close(report[1]);
        struct timespec life = {0, (long)(random_next() % 60000000)};
        nanosleep(&life, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        uint64_t through;
        while (read(report[0], &through, sizeof through) == (ssize_t)sizeof through) {
            acked = through;
        }
        close(report[0]);
        struct error error = {0};
        struct expected expected = {last + 1};
        if (access(path, F_OK) == 0 && file_size("") > 0) {
            int code = journal_read(path, last + 1, row_expect, &expected, &error);
            if (code != 0 && last == 0 && acked == 0) {
                assert_non_null(strstr(error.text, "no such table")); /* killed before there was a schema */
                continue;
            }
            assert_string_equal(error.text, "");
            last = expected.next - 1;
        }
        assert_true(last >= acked);
    }
    assert_true(acked > 0);
    struct journal *journal = journal_must(0);
    assert_int_equal(journal_opened_at(journal), last);
    journal_close(journal);
    rows_must(last);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_1_token_covers_what_is_on_disk),
        cmocka_unit_test(rule_1_nothing_is_written_before_submit),
        cmocka_unit_test(rule_1_weaker_settings_give_no_full_token),
        cmocka_unit_test(full_queue_says_so_and_recovers),
        cmocka_unit_test(loop_and_thread_together),
        cmocka_unit_test(no_wake_is_missed),
        cmocka_unit_test(rule_2_restart_continues_the_chain),
        cmocka_unit_test(rule_3_plain_sql_cannot_change_a_row),
        cmocka_unit_test(rule_3_every_edit_is_named),
        cmocka_unit_test(rule_3_open_verifies_the_tail),
        cmocka_unit_test(rule_3_what_is_no_journal_is_refused),
        cmocka_unit_test(rule_4_second_host_is_refused),
        cmocka_unit_test(rule_5_private_files_and_a_log_of_constant_length),
        cmocka_unit_test(rule_5_idle_checkpoint_empties_the_log),
        cmocka_unit_test(looking_up_by_id_and_position),
        cmocka_unit_test(rule_6_kill_loses_nothing_acknowledged),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("unit/journal", tests, home_make, home_remove);
}
