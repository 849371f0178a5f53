/*
 * journal_thread.c - the one thread that writes the journal: group commit, checkpoints when it is idle, and what a full disk
 * or a broken one means.
 *
 * How it works. Everything that queued while the last sync ran becomes the next transaction, so a busy journal costs one
 * sync per group and an idle one commits a single row at once. After 20 ms without work it checkpoints if the log holds more
 * than a fortieth of its length; at its full length it checkpoints in between. It sleeps in poll() on an eventfd that the
 * loop writes only when `asleep` is set.
 *
 * Guarantees. `through` moves only after a commit has returned. A disk that is full is said (full_from) before anything
 * after it can become durable, and costs exactly the records that are not urgent from that number on. Any other error is
 * final: dead_from is said, nothing is written again. The order of these stores is what journal_poll and journal_lost rely on.
 *
 * Deliberately not here: a second attempt after a sync or I/O error, and healing: a journal that was full or dead is opened
 * anew by a new start, which verifies what is really on the disk.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/journal_private.h"

#define IDLE_MS 20
#define READER_MS 1000 /* between checkpoints while a reader keeps frames in the log */

static void thread_notify(struct journal *journal) {
    uint64_t one = 1;
    ssize_t written = write(journal->done_fd, &one, sizeof one); /* fails only when already readable */
    (void)written;
}

void journal_thread_full(struct journal *journal, uint64_t sequence, const struct error *error) {
    log_error("ledger", "the journal's disk is full, only exits are taken from here on: %s", error->text);
    journal->full_error = *error;
    atomic_store(&journal->full_from, sequence);
    files_reserve_release(&journal->files);
    if (journal->threaded) {
        thread_notify(journal);
    }
}

static void thread_die(struct journal *journal, uint64_t sequence, const struct error *error) {
    log_error("ledger", "the journal has failed and is not written any more: %s", error->text);
    journal->dead_error = *error;
    atomic_store(&journal->dead_from, sequence);
    thread_notify(journal);
}

/* ---- commit -------------------------------------------------------------------------------------------------------------- */

/* One transaction over [from, to); with `urgent_only` over those of them that may use the reserve. Adds to rows and bytes. */
static int group_write(struct journal *journal, uint64_t from, uint64_t to, bool urgent_only, struct error *error) {
    struct store *store = &journal->store;
    uint64_t rows = 0, bytes = 0;
    int code = 0;
    for (uint64_t sequence = from; sequence < to && code == 0; sequence++) {
        const struct entry *entry = &journal->queue[sequence % JOURNAL_QUEUE];
        if (urgent_only && !entry->urgent) {
            continue;
        }
        code = rows == 0 ? store_begin(store, error) : 0;
        if (code == 0) {
            code = store_put(store, sequence, entry->bytes, entry->size, error);
        }
        rows++;
        bytes += entry->size;
    }
    if (code == 0 && rows > 0) {
        code = store_commit(store, error);
    }
    if (code != 0) {
        store_rollback(store);
        return code;
    }
    atomic_fetch_add_explicit(&journal->rows, rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&journal->bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&journal->commits, rows > 0 ? 1 : 0, memory_order_relaxed);
    return 0;
}

/* Where the group that begins at `from` ends: at the end of a submit, so that a turn is on disk whole or not at all. */
static uint64_t group_end(const struct journal *journal, uint64_t from, uint64_t submitted) {
    if (submitted - from <= JOURNAL_GROUP) {
        return submitted;
    }
    uint64_t end = from + JOURNAL_GROUP;
    while (end < submitted && !journal->queue[(end - 1) % JOURNAL_QUEUE].turn_end) {
        end++;
    }
    return end;
}

/* Times of what became durable; lost records have none. */
static void group_measure(struct journal *journal, uint64_t from, uint64_t to, int64_t start_ns, bool urgent_only) {
    int64_t end_ns = clock_monotonic_ns();
    uint64_t count = atomic_load_explicit(&journal->sample_count, memory_order_relaxed);
    for (uint64_t sequence = from; sequence < to; sequence++) {
        const struct entry *entry = &journal->queue[sequence % JOURNAL_QUEUE];
        if (urgent_only && !entry->urgent) {
            continue;
        }
        atomic_store_explicit(&journal->samples[count % JOURNAL_SAMPLES], end_ns - entry->append_ns, memory_order_relaxed);
        count++;
    }
    atomic_store_explicit(&journal->sample_count, count, memory_order_relaxed);
    if (end_ns - start_ns > atomic_load_explicit(&journal->commit_ns_max, memory_order_relaxed)) {
        atomic_store_explicit(&journal->commit_ns_max, end_ns - start_ns, memory_order_relaxed);
    }
    atomic_store_explicit(&journal->wal_used, (uint64_t)journal->store.wal_pages, memory_order_relaxed);
}

/* False when the journal is dead. */
static bool thread_commit(struct journal *journal, uint64_t from, uint64_t to) {
    struct error error = {0};
    int64_t start_ns = clock_monotonic_ns();
    bool urgent_only = atomic_load_explicit(&journal->full_from, memory_order_relaxed) != 0;
    int code = group_write(journal, from, to, urgent_only, &error);
    if (code == ERROR_DISK_FULL && !urgent_only) {
        journal_thread_full(journal, from, &error);
        urgent_only = true;
        code = group_write(journal, from, to, urgent_only, &error);
    }
    if (code != 0) {
        thread_die(journal, from, &error);
        return false;
    }
    group_measure(journal, from, to, start_ns, urgent_only);
    atomic_store(&journal->through, to - 1);
    atomic_store(&journal->taken, to);
    thread_notify(journal);
    return true;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------------- */

/*
 * False when the journal is dead. A checkpoint is where the database file itself grows, so it may be the first to find the
 * disk full; nothing is lost then, the log still has its own room, and `from` is the first sequence that is at risk.
 */
static bool thread_checkpoint(struct journal *journal, uint64_t from) {
    struct error error = {0};
    int code = store_checkpoint(&journal->store, &error);
    if (code == ERROR_DISK_FULL && atomic_load_explicit(&journal->full_from, memory_order_relaxed) == 0) {
        journal_thread_full(journal, from, &error);
        code = store_checkpoint(&journal->store, &error);
    }
    if (code == ERROR_DISK_FULL) {
        journal->store.wal_pages_tried = journal->store.wal_pages;
        return true;
    }
    if (code != 0) {
        thread_die(journal, from, &error);
        return false;
    }
    atomic_fetch_add_explicit(&journal->checkpoints, 1, memory_order_relaxed);
    atomic_store_explicit(&journal->wal_used, (uint64_t)journal->store.wal_pages, memory_order_relaxed);
    return true;
}

/* Pages since the last attempt: a checkpoint that left frames behind is not repeated until the log has grown again. */
static bool checkpoint_due(const struct journal *journal, uint32_t pages) {
    const struct store *store = &journal->store;
    int grown = store->wal_pages - store->wal_pages_tried;
    int step = store->wal_pages_tried == 0 ? (int)pages : (int)(pages / 8 + 1);
    return store->wal_pages > (int)pages && grown >= step;
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static bool thread_has_work(struct journal *journal, uint64_t taken) {
    return atomic_load(&journal->submitted) != taken || atomic_load(&journal->stop);
}

/*
 * Sleeps until there is work. The loop sets `submitted` and then looks at `asleep`; here `asleep` is set and then `submitted`
 * looked at; all four are sequentially consistent, so one of the two sees the other.
 */
static bool thread_rest(struct journal *journal, uint64_t taken) {
    struct pollfd wake = {.fd = journal->wake_fd, .events = POLLIN};
    uint32_t idle_pages = journal->wal_pages / 40;
    bool leftover = journal->store.wal_pages_tried > 0;
    int timeout = journal->store.wal_pages > (int)idle_pages ? (leftover ? READER_MS : IDLE_MS) : -1;
    int ready = -1;
    atomic_store(&journal->asleep, true);
    if (!thread_has_work(journal, taken)) {
        ready = poll(&wake, 1, timeout);
    }
    atomic_store(&journal->asleep, false);
    if (ready > 0) {
        uint64_t count;
        ssize_t got = read(journal->wake_fd, &count, sizeof count);
        (void)got;
    }
    return ready == 0 ? thread_checkpoint(journal, taken) : true;
}

static void thread_setup(const struct journal *journal) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_setname_np(pthread_self(), "journal");
    if (journal->priority > 0) {
        struct sched_param wanted = {.sched_priority = journal->priority};
        sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &wanted); /* best effort: rights may be missing */
    }
}

void *journal_thread(void *argument) {
    struct journal *journal = argument;
    uint64_t taken = atomic_load(&journal->taken);
    bool alive = true;
    thread_setup(journal);
    while (alive) {
        uint64_t submitted = atomic_load(&journal->submitted);
        if (submitted != taken) {
            uint64_t end = group_end(journal, taken, submitted);
            alive = thread_commit(journal, taken, end);
            taken = end;
            if (alive && checkpoint_due(journal, journal->wal_pages)) {
                alive = thread_checkpoint(journal, taken);
            }
        } else if (atomic_load(&journal->stop)) {
            if (journal->store.wal_pages > 0) {
                thread_checkpoint(journal, taken);
            }
            break;
        } else {
            alive = thread_rest(journal, taken);
        }
    }
    return NULL;
}
