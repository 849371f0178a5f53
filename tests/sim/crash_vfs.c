/*
 * crash_vfs.c - power cuts against the real journal, its thread included.
 *
 * A VFS records every write, truncate, sync and delete of the database, its log and its rollback file, and the test records
 * every token the loop was given. Then the disk is rebuilt as it may look after a cut at a random place: what was synced is
 * there; each write after the last sync of its file is kept, dropped or torn into 512-byte sectors of which some are kept.
 *
 *   1. synchronous=FULL: whatever the cut, no acknowledged row is lost, the chain verifies, and the journal opens and goes on.
 *   2. The same history under NORMAL loses rows, and under OFF breaks the journal: the test can see both.
 *   3. Checkpoints, busy and idle, lie within the history, and so does the making of the journal.
 *
 * CRASH_CUTS=n for another number than 500, CRASH_SEED=n for another history.
 * test: timeout 300
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/journal.h"
#include "vfs_shim.h"

#define GROUPS 260
#define WAL_PAGES 90
#define SECTOR 512
#define FILE_MAX (16 << 20)

enum op_kind { OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_DELETE, OP_ACK, OP_OPENED };

struct op {
    enum op_kind kind;
    enum shim_kind file;
    sqlite3_int64 offset; /* or the size of a truncate, or 1 for a synced delete */
    int size;
    unsigned char *bytes;
    uint64_t acked;
};

/* What a file is after the cut. */
struct image {
    unsigned char *bytes;
    int64_t size;
    int synced_until; /* index of the last sync before the cut, -1 = none */
};

struct outcome {
    long cuts, lost, worst, broken;
    char what[ERROR_TEXT_MAX];
};

static struct op *ops;
static int op_count, op_room, recording;
static pthread_mutex_t op_lock = PTHREAD_MUTEX_INITIALIZER;
static struct image images[SHIM_KINDS];
static char home[64], path[96], rebuilt[96];
static uint64_t seed = 88172645463325252u;

static uint64_t random_next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- recording ----------------------------------------------------------------------------------------------------------- */

static void op_add(struct op op) {
    pthread_mutex_lock(&op_lock);
    if (recording) {
        if (op_count == op_room) {
            op_room = op_room > 0 ? op_room * 2 : 4096;
            ops = realloc(ops, (size_t)op_room * sizeof *ops);
        }
        ops[op_count++] = op;
    }
    pthread_mutex_unlock(&op_lock);
}

static int record_write(enum shim_kind file, const void *bytes, int size, sqlite3_int64 offset, int *write_only) {
    unsigned char *copy = malloc((size_t)size);
    (void)write_only;
    memcpy(copy, bytes, (size_t)size);
    op_add((struct op){.kind = OP_WRITE, .file = file, .offset = offset, .size = size, .bytes = copy});
    return SQLITE_OK;
}

static int record_truncate(enum shim_kind file, sqlite3_int64 size) {
    op_add((struct op){.kind = OP_TRUNCATE, .file = file, .offset = size});
    return SQLITE_OK;
}

static int record_sync(enum shim_kind file) {
    op_add((struct op){.kind = OP_SYNC, .file = file});
    return SQLITE_OK;
}

static int record_remove(enum shim_kind file, int synced) {
    op_add((struct op){.kind = OP_DELETE, .file = file, .offset = synced});
    return SQLITE_OK;
}

static const struct shim_hooks recorder = {record_write, record_truncate, record_sync, record_remove};

static void ops_clear(void) {
    for (int i = 0; i < op_count; i++) {
        free(ops[i].bytes);
    }
    op_count = 0;
}

static void files_remove(const char *database) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock", ".reserve"};
    char name[128];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", database, suffixes[i]);
        unlink(name);
    }
}

/* One to eight records and their token; what the loop knows to be durable is written down the moment it knows. */
static uint64_t group_append(struct journal *journal, uint64_t next) {
    struct pollfd ready = {.fd = journal_fd(journal), .events = POLLIN};
    struct durable_token token = {0};
    uint64_t last = 0;
    for (uint64_t n = 1 + random_next() % 8; n > 0; n--, next++) {
        struct record record = {.kind = (uint16_t)(1 + next % 17), .time_ns = (int64_t)next, .id = next, .parent = next / 2, .position = next};
        record.body_size = (uint16_t)(random_next() % (RECORD_BODY_MAX + 1));
        last = journal_append(journal, &record, false);
        assert_int_equal(last, next);
    }
    journal_submit(journal);
    while (token.through < last) {
        poll(&ready, 1, 1000);
        if (journal_poll(journal, &token)) {
            op_add((struct op){.kind = OP_ACK, .acked = token.through});
        }
        assert_int_equal(journal_failure(journal, NULL), 0);
    }
    return next;
}

/* A whole life of a journal: made, filled, checkpointed while busy and while idle, closed. Returns the rows. */
static uint64_t history_make(const char *synchronous) {
    struct journal *journal = NULL;
    struct error error = {0};
    struct journal_statistics statistics;
    struct journal_options options = {.path = path, .vfs = "crash", .synchronous = synchronous, .wal_pages = WAL_PAGES};
    uint64_t next = 1;
    ops_clear();
    files_remove(path);
    recording = 1;
    int code = journal_open(&journal, &options, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    op_add((struct op){.kind = OP_OPENED});
    for (int i = 0; i < GROUPS; i++) {
        next = group_append(journal, next);
        if (i % 40 == 39) { /* long enough for an idle checkpoint */
            struct timespec pause = {0, 60000000};
            nanosleep(&pause, NULL);
        }
    }
    journal_statistics(journal, &statistics);
    journal_close(journal);
    recording = 0;
    assert_true(statistics.checkpoints >= 8);
    return next - 1;
}

/* ---- rebuilding ---------------------------------------------------------------------------------------------------------- */

static void image_put(struct image *image, const unsigned char *bytes, int64_t size, int64_t offset) {
    assert_true(offset + size <= FILE_MAX);
    if (offset + size > image->size) {
        memset(image->bytes + image->size, 0, (size_t)(offset + size - image->size));
        image->size = offset + size;
    }
    memcpy(image->bytes + offset, bytes, (size_t)size);
}

/* Each sector of the write is there or is not. */
static void image_tear(struct image *image, const struct op *op) {
    int64_t at = op->offset, end = op->offset + op->size;
    while (at < end) {
        int64_t next = (at / SECTOR + 1) * SECTOR;
        next = next < end ? next : end;
        if (random_next() % 2 == 0) {
            image_put(image, op->bytes + (at - op->offset), next - at, at);
        }
        at = next;
    }
}

static void image_apply(struct image *image, const struct op *op, bool certain) {
    uint64_t fate = certain ? 3 : random_next() % 4; /* 0 dropped, 1 torn, 2 and 3 kept */
    if (fate == 0) {
        return;
    }
    if (op->kind == OP_WRITE && fate == 1) {
        image_tear(image, op);
    } else if (op->kind == OP_WRITE) {
        image_put(image, op->bytes, op->size, op->offset);
    } else if (op->kind == OP_TRUNCATE || op->kind == OP_DELETE) {
        int64_t size = op->kind == OP_DELETE ? 0 : op->offset;
        image->size = size < image->size ? size : image->size;
    }
}

/* Fills the images as they may be after operation `cut`; returns what had been acknowledged by then. */
static uint64_t disk_rebuild(int cut, bool *opened) {
    uint64_t acked = 0;
    int opened_at = -1;
    for (int k = 0; k < SHIM_KINDS; k++) {
        images[k].size = 0;
        images[k].synced_until = -1;
    }
    for (int i = 0; i < cut; i++) {
        if (ops[i].kind == OP_SYNC) {
            images[ops[i].file].synced_until = i;
        } else if (ops[i].kind == OP_ACK) {
            acked = ops[i].acked;
        } else if (ops[i].kind == OP_OPENED) {
            opened_at = i;
        }
    }
    for (int i = 0; i < cut; i++) {
        if (ops[i].kind <= OP_DELETE && ops[i].kind != OP_SYNC) {
            bool deleted = ops[i].kind == OP_DELETE && (ops[i].offset != 0 || i < opened_at);
            image_apply(&images[ops[i].file], &ops[i], i <= images[ops[i].file].synced_until || deleted);
        }
    }
    if (opened_at < 0 && random_next() % 4 == 0) { /* its name was not on disk yet */
        images[SHIM_WAL].size = 0;
    }
    *opened = opened_at >= 0;
    return acked;
}

static void disk_write(void) {
    static const char *const suffixes[SHIM_KINDS] = {"", "-wal", "-journal"};
    char name[128];
    files_remove(rebuilt);
    for (int k = 0; k < SHIM_KINDS; k++) {
        if (images[k].size == 0 && k != SHIM_DATABASE) {
            continue;
        }
        snprintf(name, sizeof name, "%s%s", rebuilt, suffixes[k]);
        FILE *file = fopen(name, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(images[k].bytes, 1, (size_t)images[k].size, file), images[k].size);
        fclose(file);
    }
}

/* ---- judging ------------------------------------------------------------------------------------------------------------- */

/* The journal opens on that disk, takes rows, and all of it verifies. */
static int disk_continue(struct journal_verified *seen, struct error *error) {
    struct journal *journal = NULL;
    struct journal_options options = {.path = rebuilt, .wal_pages = 8};
    int code = journal_open(&journal, &options, error);
    if (code != 0) {
        return code;
    }
    uint64_t before = journal_opened_at(journal);
    for (int i = 0; i < 3; i++) {
        struct record record = {.kind = RECORD_NOTE, .id = 1};
        journal_append(journal, &record, false);
    }
    journal_close(journal);
    code = journal_check(rebuilt, seen, error);
    if (code == 0 && seen->rows != before + 3) {
        code = error_set(error, ERROR_INTEGRITY, "%llu rows and three more are %llu", (unsigned long long)before, (unsigned long long)seen->rows);
    }
    seen->rows -= 3;
    return code;
}

static void cut_judge(struct outcome *outcome, int cut, uint64_t rows) {
    struct journal_verified seen = {0};
    struct error error = {0};
    bool opened;
    uint64_t acked = disk_rebuild(cut, &opened);
    disk_write();
    int code = opened && cut % 4 != 0 ? journal_check(rebuilt, &seen, &error) : disk_continue(&seen, &error);
    outcome->cuts++;
    if (code != 0 || seen.missing != 0 || seen.rows > rows) {
        outcome->broken++;
        snprintf(outcome->what, sizeof outcome->what, "cut %d of %d: %.400s", cut, op_count, error.text);
    } else if (seen.rows < acked) {
        outcome->lost++;
        outcome->worst = (long)(acked - seen.rows) > outcome->worst ? (long)(acked - seen.rows) : outcome->worst;
    }
}

static struct outcome history_judge(const char *synchronous) {
    const char *text = getenv("CRASH_CUTS");
    long cuts = text != NULL ? strtol(text, NULL, 10) : 500;
    struct outcome outcome = {0};
    uint64_t rows = history_make(synchronous);
    for (long i = 0; i < cuts; i++) {
        int cut = i % 10 == 0 ? (int)(random_next() % 100) : (int)(random_next() % (uint64_t)(op_count + 1));
        cut_judge(&outcome, cut, rows);
    }
    print_message("# synchronous=%s: %ld cuts in %d operations of %llu rows: lost acknowledged rows in %ld (worst %ld), broken %ld %s\n",
                  synchronous, outcome.cuts, op_count, (unsigned long long)rows, outcome.lost, outcome.worst, outcome.broken, outcome.what);
    return outcome;
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

static void rule_1_full_loses_nothing(void **state) {
    (void)state;
    struct outcome outcome = history_judge("FULL");
    assert_string_equal(outcome.what, "");
    assert_int_equal(outcome.broken, 0);
    assert_int_equal(outcome.lost, 0);
}

static void rule_2_normal_loses_rows(void **state) {
    (void)state;
    struct outcome outcome = history_judge("NORMAL");
    assert_string_equal(outcome.what, "");
    assert_int_equal(outcome.broken, 0);
    assert_true(outcome.lost > outcome.cuts / 10);
}

static void rule_2_off_breaks_the_journal(void **state) {
    (void)state;
    struct outcome outcome = history_judge("OFF");
    assert_true(outcome.broken > outcome.cuts / 10);
}

/* In memory where there is such a place: the disk under test is the one in the images. */
static int setup(void **state) {
    (void)state;
    const char *text = getenv("CRASH_SEED");
    seed ^= text != NULL ? strtoull(text, NULL, 10) * 0x9e3779b97f4a7c15u : 0;
    snprintf(home, sizeof home, "%s/bulkhead-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(home) == NULL || shim_register("crash", &recorder) != SQLITE_OK) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/journal.db", home);
    snprintf(rebuilt, sizeof rebuilt, "%s/rebuilt.db", home);
    for (int k = 0; k < SHIM_KINDS; k++) {
        images[k].bytes = malloc(FILE_MAX);
        if (images[k].bytes == NULL) {
            return 1;
        }
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ops_clear();
    free(ops);
    for (int k = 0; k < SHIM_KINDS; k++) {
        free(images[k].bytes);
    }
    files_remove(path);
    files_remove(rebuilt);
    return rmdir(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_1_full_loses_nothing),
        cmocka_unit_test(rule_2_normal_loses_rows),
        cmocka_unit_test(rule_2_off_breaks_the_journal),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("sim/crash_vfs", tests, setup, teardown);
}
