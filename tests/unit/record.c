/*
 * record.c - the codec of records: one encoding per record, nothing else decodes, no byte is read or written out of bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/record.h"

static uint64_t seed = 88172645463325252u;

static uint64_t random_next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void record_random(struct record *record) {
    unsigned char *bytes = (unsigned char *)record;
    for (size_t i = 0; i < sizeof *record; i++) {
        bytes[i] = (unsigned char)random_next();
    }
    record->kind = (uint16_t)(1 + random_next() % RECORD_VENUE);
    record->body_size = (uint16_t)(random_next() % (RECORD_BODY_MAX + 1));
}

static void golden_bytes(void **state) {
    (void)state;
    struct record record = {.kind = RECORD_ORDER, .agent = 0x0102, .instrument = 0xffff, .body_size = 3, .time_ns = -2,
                            .id = 0x1122334455667788u, .parent = 9, .position = UINT64_MAX, .body = {0xaa, 0xbb, 0xcc}};
    static const unsigned char wanted[] = {4,    0,    2,    1,    0xff, 0xff, 3,    0,    0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 9,    0,    0,    0,    0,    0,
                                           0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xaa, 0xbb, 0xcc};
    unsigned char out[RECORD_MAX];
    assert_int_equal(record_encode(&record, out), sizeof wanted);
    assert_memory_equal(out, wanted, sizeof wanted);
}

static void round_trip(void **state) {
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct record record, back;
        unsigned char bytes[RECORD_MAX], again[RECORD_MAX];
        record_random(&record);
        memset(&back, 0x5a, sizeof back);
        size_t size = record_encode(&record, bytes);
        assert_int_equal(size, RECORD_HEAD + record.body_size);
        assert_int_equal(record_decode(bytes, size, &back), 0);
        assert_int_equal(record_encode(&back, again), size);
        assert_memory_equal(bytes, again, size);
        assert_memory_equal(&back, &record, size);
        for (size_t b = back.body_size; b < RECORD_BODY_MAX; b++) {
            assert_int_equal(back.body[b], 0x5a);
        }
    }
}

static void oversized_body_is_refused(void **state) {
    (void)state;
    struct record record = {.kind = RECORD_NOTE, .body_size = RECORD_BODY_MAX + 1};
    unsigned char out[RECORD_MAX] = {7};
    assert_int_equal(record_encode(&record, out), 0);
    assert_int_equal(out[0], 7);
}

/* Exactly-sized heap copies, so that a sanitizer sees the first byte too many. */
static void every_other_size_is_refused(void **state) {
    (void)state;
    struct record record, back;
    unsigned char bytes[RECORD_MAX + 8] = {0};
    record_random(&record);
    record.body_size = 60;
    size_t size = record_encode(&record, bytes);
    for (size_t n = 0; n <= RECORD_MAX + 8; n++) {
        unsigned char *exact = malloc(n > 0 ? n : 1);
        assert_non_null(exact);
        memcpy(exact, bytes, n);
        assert_int_equal(record_decode(exact, n, &back), n == size ? 0 : ERROR_FORMAT);
        free(exact);
    }
}

static void unknown_kinds_are_refused(void **state) {
    (void)state;
    struct record record = {.body_size = 0}, back;
    unsigned char bytes[RECORD_MAX];
    for (int kind = 0; kind <= UINT16_MAX; kind++) {
        record.kind = (uint16_t)kind;
        size_t size = record_encode(&record, bytes);
        assert_int_equal(record_decode(bytes, size, &back), record_kind_known(kind) ? 0 : ERROR_FORMAT);
    }
    assert_string_equal(record_kind_name(RECORD_ORDER), "ORDER");
    assert_string_equal(record_kind_name(0), "UNKNOWN");
    assert_false(record_kind_known(0));
}

/* Random bytes: what decodes must encode to the same bytes. */
static void fuzz(void **state) {
    (void)state;
    int decoded = 0;
    for (int i = 0; i < 200000; i++) {
        struct record record;
        unsigned char bytes[RECORD_MAX], again[RECORD_MAX];
        size_t size = random_next() % (RECORD_MAX + 1);
        for (size_t b = 0; b < size; b++) {
            bytes[b] = (unsigned char)random_next();
        }
        if (size >= RECORD_HEAD && i % 2 == 0) { /* half of them nearly right */
            bytes[0] = (unsigned char)(random_next() % 20);
            bytes[1] = 0;
            bytes[6] = (unsigned char)(size - RECORD_HEAD);
            bytes[7] = (unsigned char)((size - RECORD_HEAD) >> 8);
        }
        if (record_decode(bytes, size, &record) == 0) {
            assert_int_equal(record_encode(&record, again), size);
            assert_memory_equal(bytes, again, size);
            decoded++;
        }
    }
    assert_true(decoded > 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(oversized_body_is_refused),
        cmocka_unit_test(every_other_size_is_refused),
        cmocka_unit_test(unknown_kinds_are_refused),
        cmocka_unit_test(fuzz),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("unit/record", tests, NULL, NULL);
}
