/*
 * tape.c - the tape: segments of frames, each frame with a checksum, each segment naming the one before.
 *
 * Guarantees: a frame is read back exactly or its place is named; a segment never exceeds TAPE_SEGMENT_BYTES; after a crash
 * the tape is readable up to some whole frame and is continued from there, and nothing is thrown away: what had to be cut
 * lies beside it; appending takes no system call but the write of a full buffer.
 *
 * Deliberately not here: durability on the way. What must be on disk before it matters is the journal's; the tape is what a
 * run is replayed from, and a power cut may cost it the seconds since the last tape_sync. Nor is it proof against an author:
 * checksums find damage, the journal's hashes find edits.
 */
#include "ledger/tape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define TAPE_VERSION 1u
#define TAPE_BUFFER (256u << 10)
#define TAPE_NUMBER_MAX 999999u
#define TAPE_NAME 32

struct tape_head {
    char magic[8];
    uint32_t version, number;
    unsigned char previous[HASH_BYTES];
    uint64_t previous_bytes;
    uint32_t reserved, crc;
};
struct frame_head {
    uint32_t size;
    uint16_t kind, reserved;
    int64_t time_ns;
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "heads are written as they lie in memory");
_Static_assert(sizeof(struct tape_head) == 64 && sizeof(struct frame_head) == 16, "layout of the file");

#define HEAD_BYTES sizeof(struct tape_head)
#define FRAME_BYTES (sizeof(struct frame_head) + sizeof(uint32_t)) /* around the bytes of a frame */
static const char magic[8] = {'b', 'u', 'l', 'k', 't', 'a', 'p', 'e'};

struct tape {
    int directory_fd, fd;
    uint32_t number;        /* of the segment in `fd`; 0 = none yet */
    uint32_t unsynced_from; /* first segment with bytes not synced */
    bool names_unsynced;
    uint64_t written;       /* bytes of the segment in the file */
    size_t used;            /* bytes after them in the buffer */
    int failed;             /* the first error, final */
    struct tape_head head;
    unsigned char buffer[TAPE_BUFFER];
};

/* ---- segments ------------------------------------------------------------------------------------------------------------ */

static char *segment_name(uint32_t number, const char *suffix, char to[TAPE_NAME]) {
    snprintf(to, TAPE_NAME, "%06u.%s", number, suffix);
    return to;
}

/* 0 for a name that is not a segment's. */
static uint32_t segment_number(const char *name) {
    uint32_t number = 0;
    for (int i = 0; i < 6; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    return strcmp(name + 6, ".tape") == 0 ? number : 0;
}

/* The lowest and highest number in the directory, 0 when there is no segment. */
static int segments_find(int directory_fd, uint32_t *lowest, uint32_t *highest, struct error *error) {
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    *lowest = *highest = 0;
    if (directory == NULL) {
        int code = error_set_errno(error, "tape directory");
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        uint32_t number = segment_number(entry->d_name);
        if (number != 0) {
            *lowest = *lowest == 0 || number < *lowest ? number : *lowest;
            *highest = number > *highest ? number : *highest;
        }
    }
    closedir(directory);
    return 0;
}

/* The whole segment in memory (the caller frees it); refuses what is larger than a segment can be. */
static int segment_load(int directory_fd, uint32_t number, unsigned char **bytes, size_t *length, struct error *error) {
    char name[TAPE_NAME];
    struct stat status;
    int fd = openat(directory_fd, segment_name(number, "tape", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *bytes = NULL;
    *length = 0;
    if (fd < 0) {
        return errno == ENOENT ? error_set(error, ERROR_INTEGRITY, "%s is missing", name) : error_set_errno(error, "%s", name);
    }
    int code = fstat(fd, &status) != 0 ? error_set_errno(error, "%s", name) : 0;
    if (code == 0 && (!S_ISREG(status.st_mode) || status.st_size > (off_t)TAPE_SEGMENT_BYTES)) {
        code = error_set(error, ERROR_INTEGRITY, "%s: %lld bytes, a segment has at most %u", name, (long long)status.st_size,
                         TAPE_SEGMENT_BYTES);
    }
    if (code == 0) {
        *bytes = malloc((size_t)status.st_size + 1);
        code = *bytes == NULL ? error_set(error, ERROR_SYSTEM, "%s: out of memory", name) : 0;
    }
    while (code == 0 && *length < (size_t)status.st_size) {
        ssize_t got = read(fd, *bytes + *length, (size_t)status.st_size - *length);
        if (got < 0 && errno != EINTR) {
            code = error_set_errno(error, "%s", name);
        } else if (got == 0) {
            break;
        }
        *length += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return code;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static uint32_t checksum(const void *bytes, size_t size) {
    return (uint32_t)crc32(0, bytes, (uInt)size);
}

static int head_check(const char *name, const unsigned char *segment, size_t length, struct error *error) {
    struct tape_head head;
    if (length < HEAD_BYTES) {
        return error_set(error, ERROR_INTEGRITY, "%s at 0: %zu bytes are not a head", name, length);
    }
    memcpy(&head, segment, HEAD_BYTES);
    if (memcmp(head.magic, magic, sizeof magic) != 0) {
        return error_set(error, ERROR_INTEGRITY, "%s at 0: is not a tape", name);
    }
    if (head.crc != checksum(segment, HEAD_BYTES - sizeof head.crc)) {
        return error_set(error, ERROR_INTEGRITY, "%s at 0: the checksum of the head is wrong", name);
    }
    if (head.version != TAPE_VERSION || head.reserved != 0) {
        return error_set(error, ERROR_REFUSED, "%s: tape version %u, this program knows %u", name, head.version, TAPE_VERSION);
    }
    return 0;
}

/* What is wrong with the frame at `at`, or NULL. `left` bytes remain, at least one. */
static const char *frame_check(const unsigned char *at, size_t left, struct frame_head *head) {
    uint32_t stored;
    if (left < FRAME_BYTES) {
        return "the frame is torn";
    }
    memcpy(head, at, sizeof *head);
    if (head->kind < TAPE_START || head->kind > TAPE_RECORD || head->reserved != 0 || head->size > TAPE_FRAME_MAX) {
        return "this is not a frame";
    }
    if (left < FRAME_BYTES + head->size) {
        return "the frame is torn";
    }
    memcpy(&stored, at + sizeof *head + head->size, sizeof stored);
    return stored == checksum(at, sizeof *head + head->size) ? NULL : "the checksum of the frame is wrong";
}

int tape_read_segment(const char *name, const unsigned char *segment, size_t length,
                      int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
                      void *context, size_t *good, struct error *error) {
    size_t place = HEAD_BYTES;
    int code = head_check(name, segment, length, error);
    if (good != NULL) {
        *good = 0;
    }
    while (code == 0) {
        struct frame_head head;
        if (good != NULL) {
            *good = place;
        }
        if (place == length) {
            return 0;
        }
        const char *wrong = frame_check(segment + place, length - place, &head);
        if (wrong != NULL) {
            return error_set(error, ERROR_INTEGRITY, "%s at %zu of %zu: %s", name, place, length, wrong);
        }
        if (frame != NULL) {
            code = frame(context, (enum tape_kind)head.kind, head.time_ns, segment + place + sizeof head, head.size);
        }
        place += FRAME_BYTES + head.size;
    }
    return code;
}

/* That `segment` follows on a segment with this head and length. */
static int link_check(const char *name, const unsigned char *segment, const struct tape_head *before, uint64_t before_bytes,
                      struct error *error) {
    struct tape_head head;
    unsigned char wanted[HASH_BYTES];
    memcpy(&head, segment, HEAD_BYTES);
    hash_bytes(before, HEAD_BYTES, wanted);
    if (head.number != before->number + 1 || memcmp(head.previous, wanted, HASH_BYTES) != 0) {
        return error_set(error, ERROR_INTEGRITY, "%s at 0: does not follow on segment %06u", name, before->number);
    }
    if (head.previous_bytes != before_bytes) {
        return error_set(error, ERROR_INTEGRITY, "%06u.tape at %llu: ends here, but %s says it had %llu bytes", before->number,
                         (unsigned long long)before_bytes, name, (unsigned long long)head.previous_bytes);
    }
    return 0;
}

static int head_first(const char *name, const struct tape_head *head, uint32_t number, struct error *error) {
    static const unsigned char none[HASH_BYTES];
    bool right = head->number == number && (number > 1 || (head->previous_bytes == 0 && memcmp(head->previous, none, HASH_BYTES) == 0));
    return right ? 0 : error_set(error, ERROR_INTEGRITY, "%s at 0: the head is of another segment (%u)", name, head->number);
}

/* A kill in the middle of a write leaves the beginning of a frame at the very end, and nothing else. */
static bool tail_is_torn(const unsigned char *segment, size_t length, size_t good) {
    struct frame_head head = {0};
    const char *wrong = good >= HEAD_BYTES && good < length ? frame_check(segment + good, length - good, &head) : NULL;
    return wrong != NULL && length - good < FRAME_BYTES + head.size;
}

int tape_read(const char *directory,
              int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
              void *context, struct error *error) {
    return tape_read_killed(directory, frame, context, NULL, error);
}

int tape_read_killed(const char *directory,
                     int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
                     void *context, bool *torn, struct error *error) {
    uint32_t lowest = 0, highest = 0;
    uint64_t before_bytes = 0;
    struct tape_head before;
    int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) {
        return error_set_errno(error, "%s", directory);
    }
    int code = segments_find(directory_fd, &lowest, &highest, error);
    if (code == 0 && lowest == 0) {
        code = error_set(error, ERROR_NOT_FOUND, "%s: has no tape", directory);
    }
    for (uint32_t number = lowest; code == 0 && number <= highest; number++) {
        unsigned char *bytes = NULL;
        size_t length = 0;
        char name[TAPE_NAME];
        segment_name(number, "tape", name);
        code = segment_load(directory_fd, number, &bytes, &length, error);
        if (code == 0 && length == 0 && number == highest) { /* its host was killed before the first write: opening cuts it */
            free(bytes);
            break;
        }
        code = code != 0 ? code : head_check(name, bytes, length, error);
        if (code == 0) {
            code = number > lowest ? link_check(name, bytes, &before, before_bytes, error) : 0;
            memcpy(&before, bytes, HEAD_BYTES);
            before_bytes = length;
            code = code == 0 ? head_first(name, &before, number, error) : code;
        }
        size_t good = 0;
        code = code != 0 ? code : tape_read_segment(name, bytes, length, frame, context, &good, error);
        if (code == ERROR_INTEGRITY && torn != NULL && number == highest && tail_is_torn(bytes, length, good)) {
            *torn = true;
            code = 0;
        }
        free(bytes);
    }
    close(directory_fd);
    return code;
}

/* ---- opening for append -------------------------------------------------------------------------------------------------- */

/* Keeps the bytes that are about to be cut; best effort, they are evidence and not part of the tape. */
static void torn_keep(int directory_fd, uint32_t number, const unsigned char *bytes, size_t size) {
    char name[TAPE_NAME];
    int fd = openat(directory_fd, segment_name(number, "torn", name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        ssize_t written = write(fd, bytes, size);
        (void)written;
        close(fd);
    }
}

/* Takes segment `number` up again, cutting its tail. ERROR_INTEGRITY: the segment as a whole is not usable. */
static int segment_resume(struct tape *tape, uint32_t number, struct error *error) {
    unsigned char *bytes = NULL;
    size_t length = 0, good = 0;
    char name[TAPE_NAME];
    segment_name(number, "tape", name);
    int code = segment_load(tape->directory_fd, number, &bytes, &length, error);
    if (code == 0) {
        code = tape_read_segment(name, bytes, length, NULL, NULL, &good, error);
        if (good >= HEAD_BYTES) {
            memcpy(&tape->head, bytes, HEAD_BYTES);
            code = head_first(name, &tape->head, number, error);
        }
    }
    if (code == 0) {
        tape->fd = openat(tape->directory_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        code = tape->fd < 0 ? error_set_errno(error, "%s", name) : 0;
    }
    if (code == 0 && good < length) {
        torn_keep(tape->directory_fd, number, bytes + good, length - good);
        if (ftruncate(tape->fd, (off_t)good) != 0 || fdatasync(tape->fd) != 0) {
            code = error_set_errno(error, "%s: cutting the torn tail", name);
        }
    }
    tape->number = tape->unsynced_from = number;
    tape->written = good;
    free(bytes);
    return code;
}

/* Whether segment `number` can be the last: its head is whole and it follows on all of the segment before, if that is there. */
static int segment_follows(struct tape *tape, uint32_t number, struct error *error) {
    unsigned char *bytes = NULL, *before = NULL;
    size_t length = 0, before_length = 0;
    char name[TAPE_NAME], name_before[TAPE_NAME];
    segment_name(number, "tape", name);
    segment_name(number - 1, "tape", name_before);
    int code = segment_load(tape->directory_fd, number, &bytes, &length, error);
    code = code != 0 ? code : head_check(name, bytes, length, error);
    if (code == 0 && number > 1 && faccessat(tape->directory_fd, name_before, F_OK, 0) == 0) {
        struct tape_head head;
        code = segment_load(tape->directory_fd, number - 1, &before, &before_length, error);
        if (code == 0 && before_length < HEAD_BYTES) {
            code = error_set(error, ERROR_INTEGRITY, "%s at 0: %zu bytes are not a head", name_before, before_length);
        }
        if (code == 0) {
            memcpy(&head, before, HEAD_BYTES);
            code = link_check(name, bytes, &head, before_length, error);
        }
    }
    free(before);
    free(bytes);
    return code;
}

/*
 * From the last segment backwards to the first that is whole. Segments that a power cut left without the end of the one
 * before them cannot be replayed; they are set aside under another name.
 */
static int tape_resume(struct tape *tape, struct error *error) {
    uint32_t lowest, highest;
    int code = segments_find(tape->directory_fd, &lowest, &highest, error);
    for (uint32_t number = highest; code == 0 && number >= lowest && number > 0; number--) {
        char name[TAPE_NAME], aside[TAPE_NAME];
        code = segment_follows(tape, number, error);
        if (code == 0) {
            return segment_resume(tape, number, error);
        }
        if (code == ERROR_INTEGRITY) {
            segment_name(number, "tape", name);
            segment_name(number, "torn", aside);
            tape->names_unsynced = true;
            code = renameat(tape->directory_fd, name, tape->directory_fd, aside) != 0 ? error_set_errno(error, "%s", name) : 0;
        }
    }
    return code;
}

int tape_open(struct tape **out, const char *directory, struct error *error) {
    *out = NULL;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        return error_set_errno(error, "%s", directory);
    }
    struct tape *tape = calloc(1, sizeof *tape);
    if (tape == NULL) {
        return error_set(error, ERROR_SYSTEM, "out of memory");
    }
    int code = 0;
    tape->fd = -1;
    tape->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tape->directory_fd < 0) {
        code = error_set_errno(error, "%s", directory);
    } else if (flock(tape->directory_fd, LOCK_EX | LOCK_NB) != 0) {
        code = errno == EWOULDBLOCK ? error_set(error, ERROR_REFUSED, "%s: another process writes this tape", directory)
                                    : error_set_errno(error, "%s: flock", directory);
    } else {
        code = tape_resume(tape, error);
    }
    if (code != 0) {
        tape->failed = code; /* nothing is to be synced */
        tape_close(tape);
        return code;
    }
    memset(error, 0, sizeof *error); /* what a torn tail said on the way */
    *out = tape;
    return 0;
}

/* ---- appending ----------------------------------------------------------------------------------------------------------- */

static int tape_fail(struct tape *tape) {
    struct error error;
    tape->failed = error_set_errno(&error, "tape");
    return tape->failed;
}

int tape_flush(struct tape *tape) {
    size_t done = 0;
    while (tape->failed == 0 && done < tape->used) {
        ssize_t written = pwrite(tape->fd, tape->buffer + done, tape->used - done, (off_t)(tape->written + done));
        if (written > 0) {
            done += (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            errno = written == 0 ? EIO : errno;
            tape_fail(tape);
            int cut = ftruncate(tape->fd, (off_t)tape->written); /* back to the last whole frame */
            (void)cut;
        }
    }
    if (tape->failed == 0) {
        tape->written += tape->used;
        tape->used = 0;
    }
    return tape->failed;
}

static int segment_start(struct tape *tape) {
    char name[TAPE_NAME];
    struct tape_head head = {.version = TAPE_VERSION, .number = tape->number + 1, .previous_bytes = tape->written};
    if (head.number > TAPE_NUMBER_MAX) {
        tape->failed = ERROR_FULL;
        return tape->failed;
    }
    memcpy(head.magic, magic, sizeof magic);
    if (tape->number > 0) {
        hash_bytes(&tape->head, HEAD_BYTES, head.previous);
        close(tape->fd);
        tape->fd = -1;
    }
    head.crc = checksum(&head, HEAD_BYTES - sizeof head.crc);
    tape->fd = openat(tape->directory_fd, segment_name(head.number, "tape", name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (tape->fd < 0) {
        return tape_fail(tape);
    }
    tape->head = head;
    tape->number = head.number;
    tape->unsynced_from = tape->unsynced_from == 0 ? head.number : tape->unsynced_from;
    tape->names_unsynced = true;
    tape->written = 0;
    memcpy(tape->buffer, &head, HEAD_BYTES);
    tape->used = HEAD_BYTES;
    return 0;
}

/* Makes room for a frame of `wanted` bytes: a flush when the buffer is full, a new segment when the segment is. */
static int tape_room(struct tape *tape, size_t wanted) {
    bool fresh = tape->number == 0 || tape->written + tape->used + wanted > TAPE_SEGMENT_BYTES;
    int code = tape->failed;
    if (code == 0 && (fresh || tape->used + wanted > TAPE_BUFFER)) {
        code = tape_flush(tape);
    }
    return code == 0 && fresh ? segment_start(tape) : code;
}

int tape_append(struct tape *tape, enum tape_kind kind, int64_t time_ns, const void *bytes, size_t size) {
    if (size > TAPE_FRAME_MAX || (int)kind < TAPE_START || (int)kind > TAPE_RECORD) {
        return ERROR_RANGE;
    }
    int code = tape_room(tape, FRAME_BYTES + size);
    if (code != 0) {
        return code;
    }
    struct frame_head head = {.size = (uint32_t)size, .kind = (uint16_t)kind, .time_ns = time_ns};
    unsigned char *at = tape->buffer + tape->used;
    memcpy(at, &head, sizeof head);
    if (size > 0) {
        memcpy(at + sizeof head, bytes, size);
    }
    uint32_t crc = checksum(at, sizeof head + size);
    memcpy(at + sizeof head + size, &crc, sizeof crc);
    tape->used += FRAME_BYTES + size;
    return 0;
}

static int segment_sync(struct tape *tape, uint32_t number) {
    char name[TAPE_NAME];
    int fd = openat(tape->directory_fd, segment_name(number, "tape", name), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? 0 : tape_fail(tape); /* removed as old in the meantime */
    }
    int code = fdatasync(fd) != 0 ? tape_fail(tape) : 0;
    close(fd);
    return code;
}

/* Syncs by name, not by descriptor: earlier segments were closed when they were full, their bytes may still be in memory. */
int tape_sync(struct tape *tape) {
    int code = tape_flush(tape);
    for (uint32_t number = tape->unsynced_from; code == 0 && number > 0 && number <= tape->number; number++) {
        code = segment_sync(tape, number);
    }
    if (code == 0 && tape->names_unsynced) {
        code = fsync(tape->directory_fd) != 0 ? tape_fail(tape) : 0;
        tape->names_unsynced = code != 0;
    }
    tape->unsynced_from = code == 0 ? tape->number : tape->unsynced_from;
    return code;
}

void tape_close(struct tape *tape) {
    if (tape == NULL) {
        return;
    }
    tape_sync(tape);
    if (tape->fd >= 0) {
        close(tape->fd);
    }
    if (tape->directory_fd >= 0) {
        close(tape->directory_fd);
    }
    free(tape);
}
