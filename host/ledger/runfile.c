/*
 * runfile.c - what a backtest leaves behind: "BKHRUN01", the records as they happened, then a trailer of record count and
 * SHA-256 of all bytes before it.
 *
 * Guarantees: the file appears whole under its name or not at all; the result hash covers what decided and every turn's
 * time, in order. It is synced once: a backtest can be run again, so its tokens never satisfy an external venue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/ledger.h"

#define BLOCK (1u << 20)

static void runfile_fail(struct runfile *r, int code) {
    r->failed = true;
    r->failure = code;
}

static void runfile_flush(struct runfile *r) {
    size_t done = 0;
    while (r->fd >= 0 && done < r->used) {
        ssize_t n = write(r->fd, r->buffer + done, r->used - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            runfile_fail(r, errno == ENOSPC || errno == EDQUOT ? ERROR_DISK_FULL : ERROR_SYSTEM);
            break;
        }
        done += (size_t)n;
    }
    r->bytes += r->used;
    r->used = 0;
}

/* Room for one more record; false when there is none (a full fixed memory) or nothing is kept. */
static bool runfile_room(struct runfile *r) {
    if (r->size - r->used >= RECORD_MAX) {
        return true;
    }
    if (r->fixed) {
        if (r->size != 0) {
            runfile_fail(r, ERROR_FULL);
        }
        return false;
    }
    runfile_flush(r);
    return true;
}

static uint64_t runfile_append(void *context, const struct record *record, bool urgent) {
    struct runfile *r = context;
    (void)urgent;
    size_t size;
    const void *bytes = record_bytes(record, &size);
    if (record_is_hashed(record->kind)) {
        hash_add(&r->result, bytes, size);
    }
    if (runfile_room(r)) {
        memcpy(r->buffer + r->used, bytes, size);
        r->used += size;
    }
    return r->failed ? 0 : ++r->records;
}

static bool runfile_submit(void *context, struct durable_token *token) {
    struct runfile *r = context;
    *token = (struct durable_token){.through = r->failed ? 0 : r->records, .full = false};
    return true;
}

struct sink runfile_sink(struct runfile *r) {
    return (struct sink){.context = r, .append = runfile_append, .submit = runfile_submit, .brief = true};
}

int runfile_memory(struct runfile *r, void *memory, size_t size, struct error *error) {
    memset(r, 0, sizeof(*r));
    r->fd = -1;
    r->buffer = memory;
    r->size = memory ? size : 0;
    r->fixed = true;
    return hash_init(&r->result) ? error_set(error, ERROR_SYSTEM, "no memory for a hash") : 0;
}

int runfile_open(struct runfile *r, const char *path, struct error *error) {
    int code = runfile_memory(r, NULL, 0, error);
    if (code || !path) {
        return code;
    }
    snprintf(r->path, sizeof(r->path), "%s", path);
    snprintf(r->temporary, sizeof(r->temporary), "%s.%ld.tmp", path, (long)getpid());
    r->fd = open(r->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (r->fd < 0) {
        return error_set_errno(error, "%s", r->temporary);
    }
    r->fixed = false;
    r->size = BLOCK;
    r->buffer = malloc(BLOCK);
    if (!r->buffer) {
        return error_set(error, ERROR_SYSTEM, "no memory for the run file's block");
    }
    memcpy(r->buffer, RUNFILE_MAGIC, 8);
    r->used = 8;
    return 0;
}

void runfile_abandon(struct runfile *r) {
    hash_fini(&r->result);
    if (r->fd >= 0) {
        close(r->fd);
        unlink(r->temporary);
        free(r->buffer);
    }
    r->fd = -1;
}

/* SHA-256 over the file as it lies on disk, appended with the record count. */
static int trailer_write(struct runfile *r, struct error *error) {
    runfile_flush(r);
    struct stat status;
    if (r->failed) {
        return error_set(error, r->failure, "%s: %s while writing the run file", r->temporary, error_text(r->failure));
    }
    int fd = open(r->temporary, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int code = error_set_errno(error, "%s", r->temporary);
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    unsigned char trailer[8 + HASH_BYTES];
    void *all = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (all == MAP_FAILED) {
        return error_set_errno(error, "%s", r->temporary);
    }
    hash_bytes(all, (size_t)status.st_size, trailer + 8);
    munmap(all, (size_t)status.st_size);
    memcpy(trailer, &r->records, 8);
    memcpy(r->buffer, trailer, sizeof(trailer));
    r->used = sizeof(trailer);
    runfile_flush(r);
    return r->failed ? error_set(error, r->failure, "%s: %s", r->temporary, error_text(r->failure)) : 0;
}

/* Runs of bar times go into the hash when they end; their place among the records is given by the records' own times. */
void runfile_bars_end(struct runfile *r) {
    struct {
        uint64_t kind;
        int64_t first_ns, step_ns;
        uint64_t count;
    } bars = {RECORD_BAR, r->bar_first_ns, r->bar_step_ns, r->bar_count};
    if (r->bar_count != 0) {
        hash_add(&r->result, &bars, sizeof(bars));
    }
    r->bar_step_ns = 0;
    r->bar_count = 0;
}

void runfile_result(struct runfile *r, unsigned char result[HASH_BYTES]) {
    runfile_bars_end(r);
    hash_end(&r->result, result);
}

int runfile_close(struct runfile *r, const char *path, struct error *error) {
    int code = 0;
    if (r->fd >= 0) {
        code = trailer_write(r, error);
        if (!code && fsync(r->fd) != 0) {
            code = error_set_errno(error, "%s: fsync", r->temporary);
        }
        if (!code && rename(r->temporary, path ? path : r->path) != 0) {
            code = error_set_errno(error, "%s", path ? path : r->path);
        }
    } else if (r->failed) {
        code = error_set(error, r->failure, "the records of this run do not fit the memory set aside for them");
    }
    if (code) {
        runfile_abandon(r);
        return code;
    }
    hash_fini(&r->result);
    if (r->fd >= 0) {
        close(r->fd);
        free(r->buffer);
        r->fd = -1;
    }
    return 0;
}

size_t runfile_next(const unsigned char *bytes, size_t size, struct record *record) {
    uint16_t body = 0;
    if (size < RECORD_HEAD) {
        return 0;
    }
    memcpy(&body, bytes + offsetof(struct record, body_size), sizeof(body));
    size_t length = RECORD_HEAD + (size_t)body;
    return length <= size && record_decode(bytes, length, record) == 0 ? length : 0;
}

/* The records between magic and trailer. */
static int rows_walk(const unsigned char *bytes, size_t size, uint64_t records, const char *path,
                     int (*row)(void *context, uint64_t sequence, const struct record *record), void *context, struct error *error) {
    size_t at = 8;
    for (uint64_t n = 1; n <= records; n++) {
        struct record record;
        size_t length = runfile_next(bytes + at, size - at, &record);
        if (length == 0) {
            return error_set(error, ERROR_INTEGRITY, "%s: record %llu at byte %zu is malformed", path, (unsigned long long)n, at);
        }
        int code = row(context, n, &record);
        if (code) {
            return code;
        }
        at += length;
    }
    return at == size ? 0 : error_set(error, ERROR_INTEGRITY, "%s: %zu bytes after the last record", path, size - at);
}

int runfile_read(const char *path, int (*row)(void *context, uint64_t sequence, const struct record *record), void *context,
                 struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        return error_set_errno(error, "%s", path);
    }
    size_t size = (size_t)status.st_size, tail = 8 + HASH_BYTES;
    if (size < 8 + tail) {
        close(fd);
        return error_set(error, ERROR_INTEGRITY, "%s: too short for a run file", path);
    }
    unsigned char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        return error_set_errno(error, "%s", path);
    }
    unsigned char want[HASH_BYTES];
    uint64_t records;
    hash_bytes(bytes, size - tail, want);
    memcpy(&records, bytes + size - tail, 8);
    int code = memcmp(bytes, RUNFILE_MAGIC, 8) != 0 || memcmp(want, bytes + size - HASH_BYTES, HASH_BYTES) != 0
                   ? error_set(error, ERROR_INTEGRITY, "%s: not a run file, or changed since it was written", path)
                   : rows_walk(bytes, size - tail, records, path, row, context, error);
    munmap(bytes, size);
    return code;
}
