/*
 * journal.c - how many events a second reach the disk, grouped, beside how often the same disk can flush at all.
 *
 *     journal FOLDER     prints events_per_second flushes_per_second commits
 *
 * The baseline writes 4 KiB and fdatasyncs, again and again, in the same folder. The journal takes records as fast as its queue
 * has room for them, with synchronous=FULL; the clock stops when the last one is durable.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "ledger/journal.h"

#define EVENTS 200000u
#define GROUP 64u
#define FLUSHES 2000

static double flushes_per_second(const char *folder) {
    static char block[4096];
    char path[512];
    snprintf(path, sizeof path, "%s/flush", folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return 0;
    }
    int64_t start = bench_now_ns();
    for (int i = 0; i < FLUSHES; i++) {
        if (pwrite(fd, block, sizeof block, (off_t)i * 4096) != (ssize_t)sizeof block || fdatasync(fd) != 0) {
            break;
        }
    }
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    close(fd);
    unlink(path);
    return FLUSHES / seconds;
}

static void wait_durable(struct journal *journal, struct durable_token *token, int timeout_ms) {
    struct pollfd ready = {.fd = journal_fd(journal), .events = POLLIN};
    (void)poll(&ready, 1, timeout_ms);
    (void)journal_poll(journal, token);
}

/* Appends in groups as a busy loop would; a full queue waits for the disk. Returns the last sequence. */
static uint64_t append_all(struct journal *journal, struct durable_token *token) {
    struct record record = {.kind = RECORD_STEP, .agent = 0, .instrument = 0, .body_size = 64, .position = 1};
    uint64_t last = 0;
    for (uint32_t i = 0; i < EVENTS;) {
        record.id = i + 1u;
        record.time_ns = (int64_t)i * 1000;
        uint64_t sequence = journal_append(journal, &record, false);
        if (sequence == 0) {
            wait_durable(journal, token, 1000);
            continue;
        }
        last = sequence;
        if (++i % GROUP == 0) {
            journal_submit(journal);
        }
    }
    journal_submit(journal);
    return last;
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct journal *journal = NULL;
    char path[512];
    if (argc < 2) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/bench.journal", argv[1]);
    struct journal_options options = {.path = path};
    if (journal_open(&journal, &options, &error) != 0) {
        fprintf(stderr, "journal: %s\n", error.text);
        return 1;
    }
    struct durable_token token = {0};
    int64_t start = bench_now_ns();
    uint64_t last = append_all(journal, &token);
    while (token.through < last && journal_failure(journal, &error) == 0) {
        wait_durable(journal, &token, 1000);
    }
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    struct journal_statistics statistics;
    journal_statistics(journal, &statistics);
    journal_close(journal);
    if (token.through < last) {
        fprintf(stderr, "journal: %s\n", error.text);
        return 1;
    }
    bench_figure("events_per_second", EVENTS / seconds);
    bench_figure("flushes_per_second", flushes_per_second(argv[1]));
    bench_figure("commits", (double)statistics.commits);
    return 0;
}
