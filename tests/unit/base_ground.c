/* base_ground.c - the small parts of the ground: errors, reasons, hash, clock, arena, log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/log.h"

/* ---- error, reason ---------------------------------------------------------------------------------------------------------- */

static void test_error_texts(void **state) {
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, ERROR_CONFIG, "%s:%d", "file", 7), ERROR_CONFIG);
    assert_string_equal(error.text, "file:7");
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_string_equal(error_name(ERROR_DISK_FULL), "ERROR_DISK_FULL");
    assert_string_equal(error_name(-999), "unknown");
    assert_string_equal(error_text(0), "no error");
    char large[2000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    error_set(&error, ERROR_GENERAL, "%s", large);
    assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
    errno = EACCES;
    assert_int_equal(error_set_errno(&error, "%s", large), ERROR_SYSTEM);
    assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
}

static void test_error_of_errno(void **state) {
    (void)state;
    static const struct {
        int number, code;
    } cases[] = {{ENOSPC, ERROR_DISK_FULL}, {EDQUOT, ERROR_DISK_FULL}, {ENOENT, ERROR_NOT_FOUND}, {EACCES, ERROR_SYSTEM}};
    struct error error;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        errno = cases[i].number;
        assert_int_equal(error_set_errno(&error, "open %s", "f"), cases[i].code);
        assert_memory_equal(error.text, "open f: ", 8);
        assert_int_equal(errno, cases[i].number);
    }
}

static void test_exit_statuses(void **state) {
    (void)state;
    static const struct {
        int code, status;
    } cases[] = {{0, 0}, {ERROR_GENERAL, 1}, {ERROR_NOT_FOUND, 2}, {ERROR_CONFIG, 4}, {ERROR_INTEGRITY, 7}, {ERROR_USAGE, 64}, {-77, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(error_exit_status(cases[i].code), cases[i].status);
    }
}

static void test_reasons(void **state) {
    (void)state;
    assert_string_equal(reason_name(REASON_BUYING_POWER), "BUYING_POWER");
    assert_string_equal(reason_text(REASON_STOP_HIT), "stop loss");
    assert_string_equal(reason_name(-1), "UNKNOWN");
    assert_true(reason_text(123456)[0] != '\0');
}

/* ---- hash ------------------------------------------------------------------------------------------------------------------- */

static void hash_text(const unsigned char hash[HASH_BYTES], const char *expected) {
    char text[HASH_TEXT_BYTES];
    hash_print(hash, text);
    assert_string_equal(text, expected);
}

static void test_hash_goldens(void **state) {
    (void)state;
    unsigned char out[HASH_BYTES];
    hash_bytes("", 0, out);
    hash_text(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_bytes("abc", 3, out);
    hash_text(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* However the bytes are cut into pieces, and after every restart, the digest is that of the whole. */
static void test_hash_pieces(void **state) {
    (void)state;
    static unsigned char bytes[20000];
    unsigned char whole[HASH_BYTES], pieces[HASH_BYTES];
    struct hash hash;
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 56);
    }
    hash_bytes(bytes, sizeof(bytes), whole);
    assert_int_equal(hash_init(&hash), 0);
    for (size_t step = 1; step < 9000; step = step * 2 + 1) {
        for (size_t at = 0; at < sizeof(bytes); at += step) {
            hash_add(&hash, bytes + at, sizeof(bytes) - at < step ? sizeof(bytes) - at : step);
        }
        hash_end(&hash, pieces);
        assert_memory_equal(whole, pieces, HASH_BYTES);
    }
    hash_fini(&hash);
    hash_fini(NULL);
}

/* What the jail relies on: after hash_init nothing is taken from the heap any more. */
static void test_hash_takes_no_memory_after_init(void **state) {
    (void)state;
    struct hash hash;
    unsigned char out[HASH_BYTES];
    assert_int_equal(hash_init(&hash), 0);
    struct mallinfo2 before = mallinfo2();
    for (int round = 0; round < 1000; round++) {
        hash_add(&hash, "some record", 11);
        hash_end(&hash, out);
    }
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(before.uordblks, after.uordblks);
    hash_fini(&hash);
}

/* ---- clock ------------------------------------------------------------------------------------------------------------------ */

static void test_clock_prints(void **state) {
    (void)state;
    char text[40];
    assert_string_equal(clock_print(0, text, sizeof(text)), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_print(INT64_C(1679661540) * NS_PER_S, text, sizeof(text)), "2023-03-24T12:39:00Z");
    assert_string_equal(clock_print(-1, text, sizeof(text)), "1969-12-31T23:59:59.999999999Z");
    assert_string_equal(clock_print(INT64_MAX, text, sizeof(text)), "2262-04-11T23:47:16.854775807Z");
    assert_string_equal(clock_print(INT64_MIN, text, sizeof(text)), "1677-09-21T00:12:43.145224192Z");
}

/* Every day of six centuries against the C library's calendar. */
static void test_clock_against_gmtime(void **state) {
    (void)state;
    for (int64_t day = -106000; day < 106000; day++) {
        time_t seconds = day * 86400 + (day & 1023) * 84;
        struct tm tm;
        char expected[40], found[40];
        int64_t parsed;
        int zoned;
        assert_non_null(gmtime_r(&seconds, &tm));
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
        clock_print(seconds * NS_PER_S, found, sizeof(found));
        assert_string_equal(found, expected);
        assert_int_equal(clock_parse(found, strlen(found), &parsed, &zoned), 0);
        assert_int_equal(parsed, seconds * NS_PER_S);
        assert_int_equal(zoned, 1);
    }
}

static void test_clock_parses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds, ns;
        int zoned;
    } cases[] = {
        {"2023-03-24", 1679616000, 0, 0},
        {"2023-03-24 12:39", 1679661540, 0, 0},
        {"2023-03-24T12:39:00Z", 1679661540, 0, 1},
        {"2023-03-24T12:39:00.5+02:00", 1679654340, 500000000, 1},
        {"2023-03-24t12:39:00,123456789z", 1679661540, 123456789, 1},
        {"2023-03-24 12:39:00-0530", 1679681340, 0, 1},
        {"2023-03-24 12:39:00+00", 1679661540, 0, 1},
        {"2024-02-29T00:00:00Z", 1709164800, 0, 1},
        {"1969-12-31T23:59:59Z", -1, 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns;
        int zoned;
        assert_int_equal(clock_parse(cases[i].text, strlen(cases[i].text), &ns, &zoned), 0);
        assert_int_equal(ns, cases[i].seconds * NS_PER_S + cases[i].ns);
        assert_int_equal(zoned, cases[i].zoned);
    }
}

static void test_clock_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",           "2023",       "2023-13-01", "2023-02-29", "1900-02-29", "2023-00-10", "2023-04-31", "24-03-2023", "2023/03/24",
        "2023-03-24 ", "2023-03-24T", "2023-03-24T24:00", "2023-03-24T12:60", "2023-03-24T12:39:60", "2023-03-24T12:39:00.",
        "2023-03-24T12:39:00.1234567890", "2023-03-24T12:39Zx", "2023-03-24T12:39+19:00", "2023-03-24T12:39+1", "2023-03-24T12",
        "2023-03-24X12:39", "2023-03-24T12:39+02:", "0000-01-01",
    };
    int64_t ns;
    int zoned;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(clock_parse(bad[i], strlen(bad[i]), &ns, &zoned), ERROR_FORMAT);
    }
    assert_int_equal(clock_parse("2300-01-01", 10, &ns, &zoned), ERROR_RANGE);
    assert_int_equal(clock_parse("1600-01-01", 10, &ns, &zoned), ERROR_RANGE);
}

static void test_clock_runs(void **state) {
    (void)state;
    int64_t first = clock_monotonic_ns();
    assert_true(clock_monotonic_ns() >= first);
    assert_true(clock_utc_ns() > INT64_C(1700000000) * NS_PER_S);
}

/* ---- arena ------------------------------------------------------------------------------------------------------------------ */

static void test_arena(void **state) {
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 10000), 0);
    unsigned char *first = arena_take(&arena, 1);
    unsigned char *second = arena_take(&arena, 65);
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_int_equal(second - first, 64);
    for (int i = 0; i < 128; i++) {
        assert_int_equal(second[i], 0);
    }
    assert_null(arena_take(&arena, arena.size));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take(&arena, SIZE_MAX - 10));
    assert_non_null(arena_take(&arena, arena.size - arena.used));
    assert_null(arena_take(&arena, 1));
    arena_fini(&arena);
    arena_fini(&arena);
    arena_fini(NULL);
}

static void test_arena_sealed(void **state) {
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 4096), 0);
    arena_seal(&arena);
    assert_null(arena_take(&arena, 1));
    arena_fini(&arena);
    assert_int_equal(arena_init(&arena, 0), ERROR_RANGE);
    assert_int_equal(arena_init(&arena, SIZE_MAX), ERROR_RANGE);
    assert_int_equal(arena_init(&arena, SIZE_MAX / 2), ERROR_SYSTEM);
}

/* ---- log -------------------------------------------------------------------------------------------------------------------- */

/* What one call wrote to stderr. */
static void log_caught(char *to, size_t size, const char *text) {
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_line(LOG_INFO, "data", "%s", text);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t got = read(ends[0], to, size - 1);
    to[got > 0 ? got : 0] = '\0';
    close(ends[0]);
}

static void test_log_forms(void **state) {
    (void)state;
    char line[8192];
    log_setup(LOG_INFO, false, false);
    log_caught(line, sizeof(line), "a \"b\"\nforged \033[31m");
    assert_non_null(strstr(line, " info data: a \"b\"\\u000aforged \\u001b[31m\n"));
    log_setup(LOG_INFO, true, false);
    log_caught(line, sizeof(line), "a \"b\" \\ \xc3\xa9 \xff\n");
    assert_non_null(strstr(line, "\"level\":\"info\",\"area\":\"data\",\"text\":\"a \\\"b\\\" \\\\ \xc3\xa9 \\u00ff\\u000a\"}\n"));
    log_setup(LOG_WARNING, true, false);
    log_caught(line, sizeof(line), "too quiet");
    assert_string_equal(line, "");
    char large[4000];
    memset(large, 1, sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    log_setup(LOG_INFO, true, true);
    log_caught(line, sizeof(line), large);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_non_null(strstr(line, "\"}\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_error_of_errno),
        cmocka_unit_test(test_exit_statuses),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_hash_goldens),
        cmocka_unit_test(test_hash_pieces),
        cmocka_unit_test(test_hash_takes_no_memory_after_init),
        cmocka_unit_test(test_clock_prints),
        cmocka_unit_test(test_clock_against_gmtime),
        cmocka_unit_test(test_clock_parses),
        cmocka_unit_test(test_clock_refuses),
        cmocka_unit_test(test_clock_runs),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_sealed),
        cmocka_unit_test(test_log_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
