/*
 * data_instruments.c - money of ticks and lots, fees, and the doubles at a strategy's edge, against oracles that share no
 * code with them: long double-free digit arithmetic for money, the C library's correctly rounded strtod for doubles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wide.h"
#include "data/data.h"

static struct error error;
static struct instrument rows[INSTRUMENTS_MAX];
static uint64_t random_state = 77;

static uint64_t random_next(void) {
    uint64_t value = random_state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Signed, of every length up to `bits`. */
static int64_t random_number(unsigned bits) {
    int64_t value = (int64_t)(random_next() >> (64 - (1 + random_next() % bits)));
    return random_next() % 2 == 0 ? value : -value;
}

static struct instrument instrument_of(int64_t tick_e8, int64_t lot_e8, int64_t multiplier_e8) {
    struct instrument i = {.name = "t", .tick_e8 = tick_e8, .lot_e8 = lot_e8, .multiplier_e8 = multiplier_e8, .quantity_min_lots = 1};
    assert_int_equal(instrument_init(&i, &error), 0);
    return i;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

static const struct instrument *row_find(int count, const char *name) {
    for (int n = 0; n < count; n++) {
        if (strcmp(rows[n].name, name) == 0) {
            return &rows[n];
        }
    }
    fail_msg("no row %s", name);
    return NULL;
}

static void test_the_rows_that_ship(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t tick_e8, lot_e8, multiplier;
    } expected[] = {
        {"MES", 25000000, E8, 5},     {"ES", 25000000, E8, 50},        {"MNQ", 25000000, E8, 2},        {"NQ", 25000000, E8, 20},
        {"BTC-USDT", 1000000, 1000, 1}, {"ETH-USDT", 1000000, 10000, 1}, {"SOL-USDT", 1000000, 1000000, 1}, {"XRP-USDT", 10000, E8, 1},
        {"DOGE-USDT", 1000, E8, 1},   {"ADA-USDT", 10000, 10000000, 1}, {"LINK-USDT", 100000, 1000000, 1}, {"AVAX-USDT", 1000000, 1000000, 1},
        {"DOT-USDT", 100000, 1000000, 1},
    };
    unsigned char hash[HASH_BYTES];
    int count = instruments_read("policy/instruments.yaml", rows, INSTRUMENTS_MAX, hash, &error);
    assert_int_equal(count, sizeof(expected) / sizeof(expected[0]));
    for (size_t n = 0; n < sizeof(expected) / sizeof(expected[0]); n++) {
        const struct instrument *row = row_find(count, expected[n].name);
        assert_int_equal(row->tick_e8, expected[n].tick_e8);
        assert_int_equal(row->lot_e8, expected[n].lot_e8);
        assert_int_equal(row->multiplier_e8, expected[n].multiplier * E8);
        assert_string_equal(row->row, expected[n].name);
        assert_int_equal(row->value_den, 1); /* the fast path of instrument_value() */
    }
    assert_int_equal(row_find(count, "BTC-USDT")->fee_taker_e8, 100000);
    assert_string_equal(row_find(count, "MES")->calendar, "cme_equity");
}

static void test_money_of_one_tick(void **state) {
    (void)state;
    int count = instruments_read("policy/instruments.yaml", rows, INSTRUMENTS_MAX, NULL, &error);
    int64_t value;
    assert_int_equal(instrument_value(row_find(count, "MES"), 1, 1, &value), 0);
    assert_int_equal(value, 125000000); /* 1.25 USD */
    assert_int_equal(instrument_value(row_find(count, "ES"), 26000, -2, &value), 0);
    assert_int_equal(value, -650000 * E8); /* 2 x 6500 x 50 */
    assert_int_equal(instrument_value(row_find(count, "BTC-USDT"), 2489918, 100000, &value), 0);
    assert_int_equal(value, 2489918000000); /* one BTC */
}

static int read_rows(const char *text, size_t max) {
    char path[] = "/tmp/bulkhead-rows-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    int code = instruments_read(path, rows, max, NULL, &error);
    unlink(path);
    return code;
}

static void test_rows_refused(void **state) {
    (void)state;
#define ROW(name, more) "  - {name: " name ", currency: USD, tick: 0.01, lot: 0.01" more "}\n"
    assert_int_equal(read_rows("instruments:\n" ROW("A", "") ROW("B", ", quantity_min: 0.05"), 8), 2);
    assert_int_equal(rows[1].quantity_min_lots, 5);
    assert_int_equal(read_rows("instruments:\n" ROW("A", "") ROW("A", ""), 8), ERROR_CONFIG);
    assert_non_null(strstr(error.text, ":3: found instrument \"A\" twice"));
    assert_int_equal(read_rows("instruments:\n" ROW("A", ", quantity_min: 0.015"), 8), ERROR_CONFIG);
    assert_non_null(strstr(error.text, ":2: A: quantity_min is not a whole number of lots"));
    assert_int_equal(read_rows("instruments:\n" ROW("A", "") ROW("B", ""), 1), ERROR_FULL);
    assert_int_equal(read_rows("instruments:\n" ROW("A", ", tick_size: 1"), 8), ERROR_CONFIG);
    assert_int_equal(read_rows("instruments:\n  - {name: A, currency: USD, tick: 0, lot: 1}\n", 8), ERROR_CONFIG);
    assert_non_null(strstr(error.text, ":2:36: tick: found \"0\", wanted a decimal number 0.00000001..1000000000 (price)"));
    assert_int_equal(read_rows("instruments:\n  - {name: A, currency: USD, tick: 1000000000, lot: 1000000000, multiplier: 1000000000}\n", 8),
                     ERROR_CONFIG);
    assert_non_null(strstr(error.text, "tick x lot x multiplier is too large"));
}

static void test_init_refuses(void **state) {
    (void)state;
    const struct instrument good = {.name = "t", .tick_e8 = 1, .lot_e8 = 1, .multiplier_e8 = 1, .quantity_min_lots = 1};
    struct instrument i = good;
    assert_int_equal(instrument_init(&i, &error), 0);
    assert_int_equal(i.value_num, 1);
    assert_int_equal(i.value_den, INT64_C(10000000000000000));
    i = good;
    i.tick_e8 = 0;
    assert_int_equal(instrument_init(&i, &error), ERROR_RANGE);
    i = good;
    i.quantity_min_lots = 0;
    assert_int_equal(instrument_init(&i, &error), ERROR_RANGE);
    i = good;
    i.fee_taker_e8 = -1;
    assert_int_equal(instrument_init(&i, &error), ERROR_RANGE);
    i = good;
    i.tick_e8 = -5;
    assert_int_equal(instrument_init(&i, &error), ERROR_RANGE);
}

static void test_decimals_of_units(void **state) {
    (void)state;
    static const struct {
        int64_t tick_e8;
        int32_t decimals;
    } cases[] = {{25000000, 2}, {1, 8}, {E8, 0}, {50 * E8, 0}, {12500000, 3}, {10, 7}, {1000000, 2}};
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        assert_int_equal(instrument_of(cases[n].tick_e8, 1, E8).tick_decimals, cases[n].decimals);
    }
}

/* ---- money ------------------------------------------------------------------------------------------------------------------ */

/*
 * The exact value is price x lots x (tick x lot x multiplier) / 10^16. The unreduced product of the three units is taken
 * here, and half-even is decided by comparing with the neighbours, so neither the reduction nor the rounding is shared.
 */
static void check_value(const struct instrument *i, int64_t price, int64_t lots) {
    int128 unit = (int128)i->tick_e8 * i->lot_e8 * i->multiplier_e8;
    int128 exact, scale = INT64_C(10000000000000000);
    int64_t value;
    int code = instrument_value(i, price, lots, &value);
    if (__builtin_mul_overflow((int128)price * lots, unit, &exact)) {
        return; /* the oracle's own limit */
    }
    if (code != 0) {
        assert_int_equal(code, ERROR_OVERFLOW);
        int128 size = exact < 0 ? -exact : exact;
        assert_true(size / scale >= INT64_MAX);
        return;
    }
    int128 off = exact - (int128)value * scale;
    off = off < 0 ? -off : off;
    assert_true(2 * off <= scale);
    if (2 * off == scale) {
        assert_int_equal(value % 2, 0);
    }
}

static void test_value_against_exact_products(void **state) {
    (void)state;
    static const int64_t units[] = {1, 3, 1000, 12345, 1000000, 25000000, E8, 5 * E8, 50 * E8};
    for (int round = 0; round < 200000; round++) {
        struct instrument i = {.tick_e8 = units[random_next() % 9], .lot_e8 = units[random_next() % 9],
                               .multiplier_e8 = units[random_next() % 9], .quantity_min_lots = 1};
        assert_int_equal(instrument_init(&i, &error), 0);
        check_value(&i, random_number(50) & INT64_MAX, random_number(60));
    }
}

static void test_value_overflow(void **state) {
    (void)state;
    struct instrument i = instrument_of(E8, E8, E8);
    int64_t value = 4;
    assert_int_equal(instrument_value(&i, 92233720368, 1, &value), 0);
    assert_int_equal(instrument_value(&i, 92233720369, 1, &value), ERROR_OVERFLOW);
    assert_int_equal(instrument_value(&i, INT64_MAX, INT64_MAX, &value), ERROR_OVERFLOW);
    assert_int_equal(instrument_value(&i, INT64_MAX, INT64_MIN, &value), ERROR_OVERFLOW);
    struct instrument fine = instrument_of(1, 1, E8);
    assert_int_equal(instrument_value(&fine, 150000000, 1, &value), 0); /* 1.5 -> 2 */
    assert_int_equal(value, 2);
    assert_int_equal(instrument_value(&fine, 250000000, 1, &value), 0); /* 2.5 -> 2 */
    assert_int_equal(value, 2);
    assert_int_equal(instrument_value(&fine, 250000000, -1, &value), 0);
    assert_int_equal(value, -2);
}

static void test_fee(void **state) {
    (void)state;
    struct instrument i = instrument_of(1000000, 1000, E8);
    i.fee_taker_e8 = 100000;
    i.fee_maker_e8 = 50000;
    int64_t fee;
    assert_int_equal(instrument_fee(&i, 10000 * E8, 5, false, &fee), 0);
    assert_int_equal(fee, 10 * E8);
    assert_int_equal(instrument_fee(&i, -10000 * E8, -5, true, &fee), 0);
    assert_int_equal(fee, 5 * E8);
    assert_int_equal(instrument_fee(&i, 1, 1, false, &fee), 0); /* any rest rounds up */
    assert_int_equal(fee, 1);
    assert_int_equal(instrument_fee(&i, 0, 0, false, &fee), 0);
    assert_int_equal(fee, 0);
    struct instrument future = instrument_of(25000000, E8, 5 * E8);
    future.fee_per_unit_e8 = 62000000;
    assert_int_equal(instrument_fee(&future, 32500 * E8, -3, false, &fee), 0);
    assert_int_equal(fee, 186000000);
    future.fee_taker_e8 = 1;
    assert_int_equal(instrument_fee(&future, 1, 1, false, &fee), 0); /* one sum, rounded once */
    assert_int_equal(fee, 62000001);
    i.fee_taker_e8 = E8;
    i.fee_per_unit_e8 = E8;
    assert_int_equal(instrument_fee(&i, INT64_MIN, 1, false, &fee), ERROR_OVERFLOW);
    i.lot_e8 = INT64_C(100000000000000000);
    i.fee_per_unit_e8 = INT64_C(100000000000000000);
    assert_int_equal(instrument_fee(&i, 0, INT64_MAX, false, &fee), ERROR_OVERFLOW);
}

/* ---- doubles ---------------------------------------------------------------------------------------------------------------- */

static double text_double(int64_t mantissa, int32_t decimals) {
    char text[48];
    decimal_print(mantissa, decimals, text, sizeof(text));
    return strtod(text, NULL);
}

static void assert_same_double(double found, double expected) {
    assert_memory_equal(&found, &expected, sizeof(found));
}

static void test_doubles_are_correctly_rounded(void **state) {
    (void)state;
    for (int round = 0; round < 200000; round++) {
        int64_t value = random_number(63);
        int32_t decimals = (int32_t)(random_next() % 19);
        assert_same_double(decimal_double(value, decimals), value == 0 ? 0.0 : text_double(value, decimals));
        assert_same_double(money_double(value), value == 0 ? 0.0 : text_double(value, 8));
    }
    const int64_t edges[] = {INT64_MAX, INT64_MIN, (INT64_C(1) << 53) + 1, (INT64_C(1) << 53) - 1, -(INT64_C(1) << 53) - 3, 1, -1};
    for (size_t n = 0; n < sizeof(edges) / sizeof(edges[0]); n++) {
        for (int32_t decimals = 0; decimals <= 18; decimals++) {
            assert_same_double(decimal_double(edges[n], decimals), text_double(edges[n], decimals));
        }
    }
}

static void test_price_and_quantity(void **state) {
    (void)state;
    static const int64_t units[] = {1, 5, 1000, 25000000, 12500000, E8};
    for (int round = 0; round < 100000; round++) {
        struct instrument i = instrument_of(units[random_next() % 6], units[random_next() % 6], E8);
        int64_t count = random_number(36);
        assert_same_double(instrument_price(&i, count), count == 0 ? 0.0 : text_double(count * i.tick_e8, 8));
        assert_same_double(instrument_quantity(&i, count), count == 0 ? 0.0 : text_double(count * i.lot_e8, 8));
    }
    struct instrument es = instrument_of(25000000, E8, E8);
    assert_true(instrument_price(&es, 26030) == 6507.5);
    /* 2^60 ticks of 0.25 do not fit 1e-8 units in 64 bits, but the double is exact */
    assert_true(instrument_price(&es, INT64_C(1) << 60) == 288230376151711744.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rows_that_ship),
        cmocka_unit_test(test_money_of_one_tick),
        cmocka_unit_test(test_rows_refused),
        cmocka_unit_test(test_init_refuses),
        cmocka_unit_test(test_decimals_of_units),
        cmocka_unit_test(test_value_against_exact_products),
        cmocka_unit_test(test_value_overflow),
        cmocka_unit_test(test_fee),
        cmocka_unit_test(test_doubles_are_correctly_rounded),
        cmocka_unit_test(test_price_and_quantity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
