/*
 * tape.c - the tape: what was appended is read back, in order and across segments; every kind of damage is named by place;
 * a crash at any byte leaves a tape that opens, reads and goes on. With TAPE_SEEDS=DIR it also writes seeds for the fuzzer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/tape.h"

static char home[64];

static int home_make(void **state) {
    (void)state;
    snprintf(home, sizeof home, "/tmp/bulkhead-tape-XXXXXX");
    return mkdtemp(home) == NULL;
}

static char *home_path(const char *name, char to[128]) {
    snprintf(to, 128, "%s/%s", home, name);
    return to;
}

static void home_clear(void) {
    char path[128], name[32];
    for (int i = 1; i < 12; i++) {
        snprintf(name, sizeof name, "%06d.tape", i);
        unlink(home_path(name, path));
        snprintf(name, sizeof name, "%06d.torn", i);
        unlink(home_path(name, path));
    }
}

static int home_remove(void **state) {
    (void)state;
    home_clear();
    return rmdir(home);
}

/* Frame i: kind, time and content follow from i. */
static size_t frame_make(uint64_t i, unsigned char *bytes, size_t largest) {
    size_t size = (size_t)((i * 2654435761u) % (largest + 1));
    for (size_t b = 0; b < size; b++) {
        bytes[b] = (unsigned char)(i + b);
    }
    return size;
}

struct expected {
    uint64_t next;
    size_t largest;
};

static int frame_expect(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size) {
    static unsigned char wanted[TAPE_FRAME_MAX];
    struct expected *expected = context;
    uint64_t i = expected->next++;
    assert_int_equal(kind, 1 + i % TAPE_RECORD);
    assert_int_equal(time_ns, (int64_t)i * 1000 - 5);
    assert_int_equal(size, frame_make(i, wanted, expected->largest));
    assert_memory_equal(bytes, wanted, size);
    return 0;
}

static void frames_append(struct tape *tape, uint64_t from, uint64_t to, size_t largest) {
    static unsigned char bytes[TAPE_FRAME_MAX];
    for (uint64_t i = from; i < to; i++) {
        size_t size = frame_make(i, bytes, largest);
        assert_int_equal(tape_append(tape, (enum tape_kind)(1 + i % TAPE_RECORD), (int64_t)i * 1000 - 5, bytes, size), 0);
    }
}

static struct tape *tape_must(void) {
    struct tape *tape = NULL;
    struct error error = {0};
    int code = tape_open(&tape, home, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    return tape;
}

static void segment_bytes(int number, const unsigned char *bytes, size_t size) {
    char path[128], name[32];
    snprintf(name, sizeof name, "%06d.tape", number);
    FILE *file = fopen(home_path(name, path), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static size_t segment_get(int number, unsigned char *bytes, size_t size) {
    char path[128], name[32];
    snprintf(name, sizeof name, "%06d.tape", number);
    FILE *file = fopen(home_path(name, path), "rb");
    assert_non_null(file);
    size_t got = fread(bytes, 1, size, file);
    fclose(file);
    return got;
}

static void reads_back_across_segments_and_restarts(void **state) {
    (void)state;
    home_clear();
    uint64_t next = 0;
    for (int session = 0; session < 4; session++) {
        struct tape *tape = tape_must();
        frames_append(tape, next, next + 400, TAPE_FRAME_MAX);
        next += 400;
        tape_close(tape);
    }
    struct expected expected = {0, TAPE_FRAME_MAX};
    struct error error = {0};
    assert_int_equal(tape_read(home, frame_expect, &expected, &error), 0);
    assert_int_equal(expected.next, next);
    char path[128];
    struct stat status;
    for (int i = 1; i <= 3; i++) { /* 1,600 frames of 32 KiB on average are more than three segments */
        char name[32];
        snprintf(name, sizeof name, "%06d.tape", i);
        assert_int_equal(stat(home_path(name, path), &status), 0);
        assert_true(status.st_size <= (off_t)TAPE_SEGMENT_BYTES && status.st_size > (off_t)(TAPE_SEGMENT_BYTES - TAPE_FRAME_MAX - 64));
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

static int frame_nothing(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size) {
    (void)context, (void)kind, (void)time_ns, (void)bytes, (void)size;
    return 0;
}

static void read_must_name(const char *wanted) {
    struct error error = {0};
    assert_int_equal(tape_read(home, frame_nothing, NULL, &error), ERROR_INTEGRITY);
    if (strstr(error.text, wanted) == NULL) {
        assert_string_equal(error.text, wanted);
    }
}

/* Uses the three segments of the test before. */
static void missing_and_exchanged_segments_are_named(void **state) {
    (void)state;
    char path[128], other[128];
    assert_int_equal(rename(home_path("000002.tape", path), home_path("away", other)), 0);
    read_must_name("000002.tape is missing");
    static unsigned char bytes[TAPE_SEGMENT_BYTES];
    size_t size = segment_get(3, bytes, sizeof bytes);
    segment_bytes(2, bytes, size);
    read_must_name("000002.tape at 0: does not follow on segment 000001");
    assert_int_equal(rename(other, path), 0);
    struct error error = {0};
    assert_int_equal(tape_read(home, frame_nothing, NULL, &error), 0);
    assert_int_equal(unlink(home_path("000001.tape", other)), 0); /* the oldest may go */
    assert_int_equal(tape_read(home, frame_nothing, NULL, &error), 0);
}

static void shortened_middle_is_named_and_set_aside(void **state) {
    (void)state;
    home_clear();
    struct tape *tape = tape_must();
    frames_append(tape, 0, 700, TAPE_FRAME_MAX);
    tape_close(tape);
    static unsigned char bytes[TAPE_SEGMENT_BYTES];
    size_t size = segment_get(1, bytes, sizeof bytes), good = 0;
    struct error error = {0};
    assert_int_equal(tape_read_segment("x", bytes, size - 1, NULL, NULL, &good, &error), ERROR_INTEGRITY);
    segment_bytes(1, bytes, good); /* one whole frame less: only the next head can know */
    char wanted[64], path[128];
    snprintf(wanted, sizeof wanted, "000001.tape at %zu: ends here", good);
    read_must_name(wanted);
    tape = tape_must(); /* goes on after the last frame that can be replayed */
    tape_close(tape);
    assert_int_equal(tape_read(home, frame_nothing, NULL, &error), 0);
    assert_int_equal(access(home_path("000002.torn", path), F_OK), 0);
}

/* A crash after any number of bytes: the tape opens, holds a prefix of the frames, and goes on. */
static void cut_at_every_byte(void **state) {
    (void)state;
    static unsigned char bytes[8192];
    home_clear();
    struct tape *tape = tape_must();
    frames_append(tape, 0, 30, 100);
    tape_close(tape);
    size_t size = segment_get(1, bytes, sizeof bytes);
    assert_true(size > 1000 && size < sizeof bytes);
    uint64_t most = 0;
    for (size_t cut = 0; cut <= size; cut++) {
        home_clear();
        segment_bytes(1, bytes, cut);
        struct expected expected = {0, 100};
        struct error error = {0};
        tape = tape_must();
        int code = tape_read(home, frame_expect, &expected, &error);
        assert_int_equal(code, cut < 64 ? ERROR_NOT_FOUND : 0);
        assert_true(expected.next >= most && expected.next <= 30);
        most = expected.next;
        frames_append(tape, most, most + 5, 100);
        tape_close(tape);
        expected.next = 0;
        assert_int_equal(tape_read(home, frame_expect, &expected, &error), 0);
        assert_int_equal(expected.next, most + 5);
    }
    assert_int_equal(most, 30);
}

static void every_changed_bit_is_named(void **state) {
    (void)state;
    static unsigned char bytes[8192];
    home_clear();
    struct tape *tape = tape_must();
    frames_append(tape, 0, 10, 60);
    tape_close(tape);
    size_t size = segment_get(1, bytes, sizeof bytes);
    for (size_t at = 0; at < size; at++) {
        struct error error = {0};
        size_t good = 0;
        bytes[at] ^= (unsigned char)(1u << (at % 8));
        int code = tape_read_segment("000001.tape", bytes, size, frame_nothing, NULL, &good, &error);
        bytes[at] ^= (unsigned char)(1u << (at % 8));
        assert_int_equal(code, ERROR_INTEGRITY);
        assert_true(good <= at); /* never beyond the damage */
    }
}

static void two_writers_and_bad_frames_are_refused(void **state) {
    (void)state;
    home_clear();
    struct tape *tape = tape_must(), *second = NULL;
    struct error error = {0};
    static unsigned char bytes[TAPE_FRAME_MAX + 1];
    assert_int_equal(tape_open(&second, home, &error), ERROR_REFUSED);
    assert_null(second);
    assert_int_equal(tape_append(tape, TAPE_MARKET, 0, bytes, TAPE_FRAME_MAX + 1), ERROR_RANGE);
    assert_int_equal(tape_append(tape, (enum tape_kind)0, 0, bytes, 1), ERROR_RANGE);
    assert_int_equal(tape_append(tape, (enum tape_kind)(TAPE_RECORD + 1), 0, bytes, 1), ERROR_RANGE);
    assert_int_equal(tape_append(tape, TAPE_TIMER, 0, NULL, 0), 0);
    tape_close(tape);
    tape_close(NULL);
    assert_int_equal(tape_read("/nonexistent/tape", frame_nothing, NULL, &error), ERROR_NOT_FOUND);
}

/* A file size limit stands in for a full disk: the error is final and the file ends with a whole frame. */
static void first_error_is_final(void **state) {
    (void)state;
    home_clear();
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 300000;
    struct tape *tape = tape_must();
    frames_append(tape, 0, 10, 1000);
    assert_int_equal(tape_sync(tape), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    static unsigned char bytes[TAPE_FRAME_MAX];
    int code = 0;
    for (int i = 0; i < 20 && code == 0; i++) {
        code = tape_append(tape, TAPE_MARKET, 0, bytes, sizeof bytes);
    }
    assert_int_equal(code, ERROR_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(tape_append(tape, TAPE_MARKET, 0, bytes, 1), ERROR_SYSTEM);
    assert_int_equal(tape_sync(tape), ERROR_SYSTEM);
    tape_close(tape);
    struct error error = {0};
    assert_int_equal(tape_read(home, frame_nothing, NULL, &error), 0);
}

static int frame_stop(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size) {
    (void)kind, (void)time_ns, (void)bytes, (void)size;
    return ++*(int *)context == 3 ? 42 : 0;
}

static void reader_stops_when_told(void **state) {
    (void)state;
    home_clear();
    struct tape *tape = tape_must();
    frames_append(tape, 0, 10, 100);
    tape_close(tape);
    int seen = 0;
    struct error error = {0};
    assert_int_equal(tape_read(home, frame_stop, &seen, &error), 42);
    assert_int_equal(seen, 3);
}

static void seeds_write(const char *directory) {
    static unsigned char bytes[8192];
    char path[256];
    size_t size = segment_get(1, bytes + 1, sizeof bytes - 1);
    for (int i = 0; i < 3; i++) {
        bytes[0] = (unsigned char)(i == 2); /* the first byte chooses between tape and record */
        snprintf(path, sizeof path, "%s/seed%d", directory, i);
        FILE *file = fopen(path, "wb");
        if (file != NULL) {
            fwrite(bytes, 1, i == 0 ? size + 1 : i == 1 ? 300 : 100, file);
            fclose(file);
        }
    }
}

static void seeds_for_the_fuzzer(void **state) {
    (void)state;
    home_clear();
    struct tape *tape = tape_must();
    frames_append(tape, 0, 12, 60);
    tape_close(tape);
    const char *directory = getenv("TAPE_SEEDS");
    if (directory != NULL) {
        seeds_write(directory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_across_segments_and_restarts),
        cmocka_unit_test(missing_and_exchanged_segments_are_named),
        cmocka_unit_test(shortened_middle_is_named_and_set_aside),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(every_changed_bit_is_named),
        cmocka_unit_test(two_writers_and_bad_frames_are_refused),
        cmocka_unit_test(first_error_is_final),
        cmocka_unit_test(reader_stops_when_told),
        cmocka_unit_test(seeds_for_the_fuzzer),
    };
    signal(SIGXFSZ, SIG_IGN);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("unit/tape", tests, home_make, home_remove);
}
