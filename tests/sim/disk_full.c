/*
 * disk_full.c - full disks and broken ones against the real journal. A VFS fails the n-th write or sync of the files in every
 * way a disk can, or keeps a quota that grows when the journal gives its reserve back.
 *
 *   1. After any failure every appended record is either durable or lost, never both: what is durable is in the journal that
 *      is opened next, and it verifies. After a full disk what is lost is not there (after an I/O error it may be).
 *   2. A full disk costs ordinary records only; urgent ones are committed. One poll ends exactly before the first loss.
 *   3. An I/O or sync error ends the journal: nothing is taken or written after it.
 *   4. The reserve is given back once, urgent records live from it, and when that is used up too the journal is dead.
 *   5. A host that starts on a full disk can still journal its exits.
 *
 * FAULT_ALL=1 fails every single operation instead of a sample.
 * test: timeout 300
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/journal.h"
#include "vfs_shim.h"

#define WAL_PAGES 60
#define GROUPS 24
#define RESERVE_BYTES (1u << 20)
#define SEQUENCES 8192

enum fault_kind { FAULT_NONE, FAULT_WRITE_IO, FAULT_WRITE_FULL, FAULT_SHORT_IO, FAULT_SHORT_FULL, FAULT_WRITE_QUOTA, FAULT_SYNC, FAULT_KINDS };

/* Set before a journal opens, read by its thread. */
static struct {
    atomic_int kind, at, counted;
    atomic_bool hit, quota;
    atomic_long room;                     /* bytes that the files may still grow by */
    atomic_bool reserve_counted;
    atomic_long sizes[SHIM_KINDS];
} disk;

static char home[64], path[96], reserve[128];
static uint64_t seed = 88172645463325252u;

static uint64_t random_next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- the disk ------------------------------------------------------------------------------------------------------------ */

static bool fault_now(bool is_sync) {
    int kind = atomic_load(&disk.kind);
    if (kind == FAULT_NONE || (kind == FAULT_SYNC) != is_sync || atomic_fetch_add(&disk.counted, 1) + 1 != atomic_load(&disk.at)) {
        return false;
    }
    atomic_store(&disk.hit, true);
    return true;
}

/* Growth of any file is taken from the room; the reserve's bytes are added to it once the reserve is gone. */
static int quota_take(enum shim_kind file, int size, sqlite3_int64 offset) {
    long grown = (long)(offset + size) - atomic_load(&disk.sizes[file]);
    if (atomic_load(&disk.quota) && access(reserve, F_OK) != 0 && !atomic_exchange(&disk.reserve_counted, true)) {
        atomic_fetch_add(&disk.room, (long)RESERVE_BYTES);
    }
    if (grown <= 0) {
        return SQLITE_OK;
    }
    if (atomic_load(&disk.quota)) {
        if (atomic_load(&disk.room) < grown) {
            return SQLITE_FULL;
        }
        atomic_fetch_sub(&disk.room, grown);
    }
    atomic_fetch_add(&disk.sizes[file], grown);
    return SQLITE_OK;
}

static int disk_write(enum shim_kind file, const void *bytes, int size, sqlite3_int64 offset, int *write_only) {
    static const int results[FAULT_KINDS] = {SQLITE_OK, SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_OK};
    (void)bytes;
    if (fault_now(false)) {
        int kind = atomic_load(&disk.kind);
        *write_only = kind == FAULT_SHORT_IO || kind == FAULT_SHORT_FULL ? size / 2 : 0;
        errno = kind == FAULT_WRITE_QUOTA ? EDQUOT : EIO;
        return results[kind];
    }
    return quota_take(file, size, offset);
}

static int disk_sync(enum shim_kind file) {
    (void)file;
    errno = EIO;
    return fault_now(true) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static const struct shim_hooks hooks = {.write = disk_write, .sync = disk_sync};

static void disk_reset(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock", ".reserve"};
    char name[128];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    memset(&disk, 0, sizeof disk);
}

/* ---- the loop ------------------------------------------------------------------------------------------------------------ */

/* What the loop knows of its records. */
struct loop {
    struct journal *journal;
    struct durable_token token;
    uint64_t last;
    bool urgent[SEQUENCES], durable[SEQUENCES];
    bool failure_seen;
};

static int loop_open(struct loop *loop, uint64_t reserve_bytes, uint32_t wal_pages, struct error *error) {
    struct journal_options options = {.path = path, .vfs = "disk", .wal_pages = wal_pages, .reserve_bytes = reserve_bytes};
    memset(loop, 0, sizeof *loop);
    return journal_open(&loop->journal, &options, error);
}

static uint64_t loop_append(struct loop *loop, bool urgent, uint16_t size) {
    struct record record = {.kind = RECORD_ORDER, .id = loop->last + 1, .parent = loop->last, .body_size = size};
    uint64_t sequence = journal_append(loop->journal, &record, urgent);
    if (sequence != 0) {
        assert_true(sequence < SEQUENCES && sequence > loop->last);
        loop->urgent[sequence] = urgent;
        loop->last = sequence;
    }
    return sequence;
}

/* Rule 2: at the poll that shows the failure first, nothing that is lost is covered. */
static void loop_poll(struct loop *loop) {
    journal_poll(loop->journal, &loop->token);
    if (!loop->failure_seen && journal_failure(loop->journal, NULL) != 0) {
        loop->failure_seen = true;
        for (uint64_t sequence = 1; sequence <= loop->token.through; sequence++) {
            assert_false(journal_lost(loop->journal, sequence));
        }
    }
}

/* Until every appended record has its answer. */
static void loop_settle(struct loop *loop) {
    struct pollfd ready = {.fd = journal_fd(loop->journal), .events = POLLIN};
    bool open = true;
    for (int i = 0; i < 500 && open; i++) {
        loop_poll(loop);
        open = false;
        for (uint64_t sequence = journal_opened_at(loop->journal) + 1; sequence <= loop->last; sequence++) {
            bool lost = journal_lost(loop->journal, sequence);
            loop->durable[sequence] = !lost && sequence <= loop->token.through;
            open = open || (!lost && !loop->durable[sequence]);
        }
        if (open) {
            poll(&ready, 1, 20);
        }
    }
    assert_false(open);
}

/* The scripted day: groups of mixed records; after a failure only what the failure allows is taken. */
static void loop_run(struct loop *loop) {
    for (int group = 0; group < GROUPS; group++) {
        for (uint64_t n = 1 + random_next() % 6; n > 0; n--) {
            bool urgent = random_next() % 3 == 0;
            uint64_t sequence = loop_append(loop, urgent, (uint16_t)(random_next() % 400));
            assert_true(sequence != 0 || loop->failure_seen || journal_failure(loop->journal, NULL) != 0);
            assert_false(sequence != 0 && !urgent && loop->failure_seen);
            assert_false(sequence != 0 && journal_dead(loop->journal) && !journal_lost(loop->journal, sequence));
        }
        journal_submit(loop->journal);
        if (random_next() % 3 != 0) {
            loop_settle(loop);
        }
    }
    loop_settle(loop);
}

/* ---- the judge ----------------------------------------------------------------------------------------------------------- */

struct presence {
    bool there[SEQUENCES];
};

static int presence_mark(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]) {
    struct presence *presence = context;
    (void)record, (void)hash;
    assert_true(sequence < SEQUENCES);
    presence->there[sequence] = true;
    return 0;
}

/* Rule 1, on the journal as the next host finds it. */
static void judge(const struct loop *loop, bool exact) {
    static struct presence presence;
    struct journal_verified seen;
    struct error error = {0};
    struct journal *journal = NULL;
    struct journal_options options = {.path = path, .wal_pages = WAL_PAGES};
    memset(&presence, 0, sizeof presence);
    int code = journal_open(&journal, &options, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    journal_close(journal);
    code = journal_check(path, &seen, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    assert_int_equal(journal_read(path, 0, presence_mark, &presence, &error), 0);
    for (uint64_t sequence = 1; sequence <= loop->last; sequence++) {
        assert_true(presence.there[sequence] || !loop->durable[sequence]);
        assert_true(!presence.there[sequence] || loop->durable[sequence] || !exact);
    }
}

/* Returns whether the fault was met: there are fewer operations than `at` otherwise. */
static bool fault_try(enum fault_kind kind, int at, bool in_open) {
    static struct loop loop;
    struct error error = {0};
    disk_reset();
    seed = 88172645463325252u + (uint64_t)at;
    bool full = kind == FAULT_WRITE_FULL || kind == FAULT_SHORT_FULL || kind == FAULT_WRITE_QUOTA;
    if (in_open) {
        atomic_store(&disk.at, at);
        atomic_store(&disk.kind, kind);
    }
    int code = loop_open(&loop, 4096, WAL_PAGES, &error);
    if (code != 0) {
        assert_true(atomic_load(&disk.hit) && loop.journal == NULL);
        if (kind != FAULT_WRITE_QUOTA) { /* the rollback file that knew the number is gone by then */
            assert_int_equal(code, full ? ERROR_DISK_FULL : ERROR_SYSTEM);
        }
        judge(&loop, false); /* nothing is left behind that the next start could not take */
        return true;
    }
    if (!in_open) {
        atomic_store(&disk.at, at);
        atomic_store(&disk.kind, kind);
    }
    loop_run(&loop);
    bool hit = atomic_load(&disk.hit);
    if (hit) {
        assert_int_equal(journal_failure(loop.journal, &error), full ? ERROR_DISK_FULL : ERROR_SYSTEM);
        assert_int_equal(journal_dead(loop.journal), !full);
        for (uint64_t sequence = 1; sequence <= loop.last && full; sequence++) {
            assert_true(loop.durable[sequence] || !loop.urgent[sequence]); /* rule 2 */
        }
        assert_int_equal(access(reserve, F_OK) == 0, !full);
    } else {
        assert_int_equal(journal_failure(loop.journal, &error), 0);
    }
    atomic_store(&disk.kind, FAULT_NONE);
    journal_close(loop.journal);
    judge(&loop, full || !hit);
    return hit;
}

static void faults_try(bool in_open) {
    bool all = getenv("FAULT_ALL") != NULL;
    int tried = 0;
    for (int kind = FAULT_WRITE_IO; kind < FAULT_KINDS; kind++) {
        int at = 1;
        while (fault_try((enum fault_kind)kind, at, in_open) && at < 2000) {
            at += all ? 1 : 1 + at / 12;
            tried++;
        }
        assert_true(at > (in_open ? 3 : 10));
    }
    print_message("# %d faults\n", tried);
}

static void rules_1_to_3_every_fault_while_running(void **state) {
    (void)state;
    faults_try(false);
}

static void rules_1_to_3_every_fault_from_the_first_byte(void **state) {
    (void)state;
    faults_try(true);
}

/* ---- a quota ------------------------------------------------------------------------------------------------------------- */

static void quota_set(long room) {
    atomic_store(&disk.room, room);
    atomic_store(&disk.quota, true);
}

static uint64_t lost_count(const struct loop *loop) {
    uint64_t count = 0;
    for (uint64_t sequence = 1; sequence <= loop->last; sequence++) {
        count += journal_lost(loop->journal, sequence);
    }
    return count;
}

static void rule_4_exits_live_from_the_reserve(void **state) {
    (void)state;
    static struct loop loop;
    struct error error = {0};
    disk_reset();
    assert_int_equal(loop_open(&loop, RESERVE_BYTES, WAL_PAGES, &error), 0);
    quota_set(300000);
    while (journal_failure(loop.journal, &error) == 0) { /* ordinary days until the disk is full, an exit in each group */
        for (int i = 0; i < 10 && loop_append(&loop, i == 5, 400) != 0; i++) {
        }
        journal_submit(loop.journal);
        loop_settle(&loop);
    }
    assert_int_equal(error.code, ERROR_DISK_FULL);
    assert_false(journal_dead(loop.journal));
    assert_int_equal(access(reserve, F_OK), -1);
    uint64_t lost = lost_count(&loop), at_full = loop.last;
    assert_true(lost <= 9);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(loop_append(&loop, false, 400), 0);
        uint64_t exit = loop_append(&loop, true, 400);
        assert_true(exit != 0);
        journal_submit(loop.journal);
        loop_settle(&loop);
        assert_true(loop.durable[exit]);
    }
    assert_int_equal(lost_count(&loop), lost);
    while (!journal_dead(loop.journal) && loop.last < SEQUENCES - 20) { /* nothing lasts for ever */
        for (int i = 0; i < 10; i++) {
            loop_append(&loop, true, 400);
        }
        journal_submit(loop.journal);
        loop_settle(&loop);
    }
    assert_true(journal_dead(loop.journal) && loop.last > at_full + 500);
    assert_int_equal(loop_append(&loop, true, 0), 0);
    journal_close(loop.journal);
    atomic_store(&disk.quota, false);
    judge(&loop, true);
}

/* The whole queue is waiting when the disk becomes full: which are lost is exact for each. */
static void rule_2_a_waiting_queue_is_told_apart(void **state) {
    (void)state;
    static struct loop loop;
    struct error error = {0};
    disk_reset();
    assert_int_equal(loop_open(&loop, RESERVE_BYTES, WAL_PAGES, &error), 0);
    quota_set(100000);
    for (int i = 0; i < 6000; i++) {
        loop_append(&loop, i % 20 == 7, (uint16_t)(i % 100));
        if (i % 50 == 49) {
            journal_submit(loop.journal);
        }
    }
    journal_submit(loop.journal);
    loop_settle(&loop);
    assert_int_equal(journal_failure(loop.journal, &error), ERROR_DISK_FULL);
    assert_false(journal_dead(loop.journal));
    uint64_t durable = 0;
    for (uint64_t sequence = 1; sequence <= loop.last; sequence++) {
        assert_true(loop.durable[sequence] || !loop.urgent[sequence]);
        durable += loop.durable[sequence];
    }
    uint64_t lost = lost_count(&loop);
    assert_true(lost > 0 && durable > 0);
    assert_int_equal(durable + lost, loop.last);
    journal_close(loop.journal);
    atomic_store(&disk.quota, false);
    judge(&loop, true);
}

static void rule_5_starting_on_a_full_disk(void **state) {
    (void)state;
    static struct loop loop;
    struct error error = {0};
    disk_reset();
    assert_int_equal(loop_open(&loop, 0, WAL_PAGES, &error), 0);
    loop_run(&loop);
    uint64_t before = loop.last;
    journal_close(loop.journal);
    quota_set(0);
    assert_int_equal(loop_open(&loop, RESERVE_BYTES, WAL_PAGES * 40, &error), 0); /* the log cannot be grown */
    assert_string_equal(error.text, "");
    loop.last = before;
    assert_int_equal(journal_failure(loop.journal, &error), ERROR_DISK_FULL);
    assert_false(journal_dead(loop.journal));
    assert_int_equal(loop_append(&loop, false, 10), 0);
    uint64_t exit = loop_append(&loop, true, 10);
    assert_int_equal(exit, before + 1);
    journal_submit(loop.journal);
    loop_settle(&loop);
    assert_true(loop.durable[exit] && loop.token.full);
    journal_close(loop.journal);
    atomic_store(&disk.quota, false);
    struct journal_verified seen;
    assert_int_equal(journal_check(path, &seen, &error), 0);
    assert_int_equal(seen.last, exit);
}

/* A reserve that no disk has room for: tmpfs knows its size at once. */
static void rule_5_reserve_without_room(void **state) {
    (void)state;
    static struct loop loop;
    struct error error = {0};
    if (strncmp(home, "/dev/shm", 8) != 0) {
        skip();
    }
    disk_reset();
    assert_int_equal(loop_open(&loop, UINT64_C(1) << 44, WAL_PAGES, &error), 0);
    assert_int_equal(journal_failure(loop.journal, &error), ERROR_DISK_FULL);
    assert_int_equal(access(reserve, F_OK), -1);
    assert_int_equal(loop_append(&loop, false, 10), 0);
    assert_int_equal(loop_append(&loop, true, 10), 1);
    journal_submit(loop.journal);
    loop_settle(&loop);
    assert_true(loop.durable[1]);
    journal_close(loop.journal);
}

static int setup(void **state) {
    (void)state;
    snprintf(home, sizeof home, "%s/bulkhead-full-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(home) == NULL || shim_register("disk", &hooks) != SQLITE_OK) {
        return 1;
    }
    const char *sanitizers = getenv("SAN");
    bool quiet = sanitizers == NULL || sanitizers[0] == '\0'; /* the journal says each failure on stderr; here there are hundreds */
    if (quiet && freopen("/dev/null", "w", stderr) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/journal.db", home);
    snprintf(reserve, sizeof reserve, "%s.reserve", path);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    disk_reset();
    return rmdir(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_1_to_3_every_fault_while_running),
        cmocka_unit_test(rules_1_to_3_every_fault_from_the_first_byte),
        cmocka_unit_test(rule_2_a_waiting_queue_is_told_apart),
        cmocka_unit_test(rule_4_exits_live_from_the_reserve),
        cmocka_unit_test(rule_5_starting_on_a_full_disk),
        cmocka_unit_test(rule_5_reserve_without_room),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("sim/disk_full", tests, setup, teardown);
}
