/*
 * base_decimal.c - decimals against two oracles that share no code with them: text arithmetic on digit strings, and
 * multiplication in 32-bit limbs with long division bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

static uint64_t random_state = 20260101;

static uint64_t random_next(void) {
    uint64_t value = random_state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Numbers of every length, and the corners. */
static int64_t random_number(void) {
    static const int64_t corners[] = {0, 1, -1, 2, 10, 99999999, E8, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};
    uint64_t pick = random_next() % 24;
    if (pick < sizeof(corners) / sizeof(corners[0])) {
        return corners[pick];
    }
    int64_t value = (int64_t)(random_next() >> (1 + random_next() % 62));
    return random_next() % 2 == 0 ? value : -value;
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------------- */

static int parse(const char *text, struct decimal *out) {
    return decimal_parse(text, strlen(text), out);
}

static void test_parse_goldens(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t mantissa;
        int32_t scale;
    } goldens[] = {
        {"0", 0, 0},           {"-0", 0, 0},           {"+7", 7, 0},
        {"1.50", 150, 2},      {"-1.5", -15, 1},       {"000123", 123, 0},
        {"0.00000001", 1, 8},  {"1e-08", 1, 8},        {"1E3", 1000, 0},
        {"1.5e1", 15, 0},      {"2.5e-3", 25, 4},      {"12.50e1", 1250, 1},
        {"0e5", 0, 0},         {"0.0e99", 0, 0},       {"1e+2", 100, 0},
        {"0.000000000000000001", 1, 18},               {"999999999999999999", 999999999999999999, 0},
        {"9.99999999999999999", 999999999999999999, 17}, {"0000000000000000000000000000001", 1, 0},
        {"1e17", 100000000000000000, 0},               {"0.1e18", 100000000000000000, 0},
    };
    for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
        struct decimal value = {-1, -1};
        assert_int_equal(parse(goldens[i].text, &value), 0);
        assert_int_equal(value.mantissa, goldens[i].mantissa);
        assert_int_equal(value.scale, goldens[i].scale);
    }
}

static void test_parse_refuses(void **state) {
    (void)state;
    static const char *const malformed[] = {"",    "-",    "+",     ".",    ".5",  "5.",   "1..2", "1.2.3", "--1", "+-1", " 1",
                                            "1 ",  "1e",   "1e+",   "1e1.5", "e5",  "0x10", "1,5",  "inf",   "nan", "1_0", "1e5e5",
                                            "\xd9\xa1", "1\n", "5.e1", ".e1", "1-", "1+1"};
    static const char *const too_large[] = {"1000000000000000000", "1.000000000000000000", "0.0000000000000000001", "1e18", "1e-19",
                                            "1e99999999999999999999", "1e-99999999999999999999", "123456789012345678.9",
                                            "0e-19", "12e17"};
    struct decimal value = {42, 7};
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        assert_int_equal(parse(malformed[i], &value), ERROR_FORMAT);
    }
    for (size_t i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++) {
        assert_int_equal(parse(too_large[i], &value), ERROR_RANGE);
    }
    assert_int_equal(decimal_parse("1\0002", 3, &value), ERROR_FORMAT);
    char nines[6000];
    memset(nines, '9', sizeof(nines));
    assert_int_not_equal(decimal_parse(nines, sizeof(nines), &value), 0);
    assert_int_equal(value.mantissa, 42); /* a refusal leaves the target alone */
    assert_int_equal(value.scale, 7);
}

/* Only the given length is read. */
static void test_parse_is_bounded(void **state) {
    (void)state;
    struct decimal value;
    assert_int_equal(decimal_parse("12345", 2, &value), 0);
    assert_int_equal(value.mantissa, 12);
    assert_int_equal(decimal_parse("1.5e9", 3, &value), 0);
    assert_int_equal(value.mantissa, 15);
}

/* Digit-string oracle: random digits are written with a point, zeros and an exponent; the reading must give the digits back. */
static void test_parse_against_digit_strings(void **state) {
    (void)state;
    for (int round = 0; round < 200000; round++) {
        char digits[24], text[96];
        int count = 1 + (int)(random_next() % 18), places = (int)(random_next() % 19), exponent = (int)(random_next() % 9) - 4;
        for (int i = 0; i < count; i++) {
            digits[i] = (char)('0' + random_next() % 10);
        }
        digits[count] = '\0';
        int whole = count - places;
        char fraction[48];
        snprintf(fraction, sizeof(fraction), "%.*s%s", whole < 0 ? -whole : 0, "000000000000000000", whole > 0 ? digits + whole : digits);
        int used = snprintf(text, sizeof(text), "%s%.*s%s%s", random_next() % 2 ? "-" : "", whole > 0 ? whole : 1,
                            whole > 0 ? digits : "0", places > 0 ? "." : "", places > 0 ? fraction : "");
        if (exponent != 0) {
            snprintf(text + used, sizeof(text) - (size_t)used, "e%d", exponent);
        }
        struct decimal value;
        int code = parse(text, &value);
        /* what it should be: the digits without leading zeros, times 10^(exponent - places) */
        int64_t expected = 0;
        for (int i = 0; i < count; i++) {
            expected = expected * 10 + (digits[i] - '0');
        }
        int scale = places - exponent;
        bool fits = scale <= 18;
        for (; fits && scale < 0 && expected != 0; scale++) {
            fits = expected <= 99999999999999999;
            expected = fits ? expected * 10 : expected;
        }
        scale = scale < 0 ? 0 : scale;
        assert_int_equal(code, fits ? 0 : ERROR_RANGE);
        if (fits) {
            assert_int_equal(value.mantissa, text[0] == '-' ? -expected : expected);
            assert_int_equal(value.scale, scale);
        }
    }
}

static void test_parse_e8(void **state) {
    (void)state;
    int64_t value = 5;
    assert_int_equal(decimal_parse_e8("1.000000000000", 14, &value), 0);
    assert_int_equal(value, E8);
    assert_int_equal(decimal_parse_e8("-0.1", 4, &value), 0);
    assert_int_equal(value, -10000000);
    assert_int_equal(decimal_parse_e8("0.123456789", 11, &value), ERROR_RANGE);
    assert_int_equal(decimal_parse_e8("92233720368.54775807", 20, &value), 0);
    assert_int_equal(value, INT64_MAX);
    assert_int_equal(decimal_parse_e8("-92233720368.54775808", 21, &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(decimal_parse_e8("92233720368.54775808", 20, &value), ERROR_RANGE);
    assert_int_equal(decimal_parse_e8("1e-99999999999", 14, &value), ERROR_RANGE);
    assert_true(value == INT64_MIN);
    /* every amount there is can be printed and read back */
    for (int round = 0; round < 100000; round++) {
        char text[32];
        int64_t amount = random_number();
        decimal_print_e8(amount, text, sizeof(text));
        assert_int_equal(decimal_parse_e8(text, strlen(text), &value), 0);
        assert_true(value == amount);
    }
    assert_int_equal(decimal_parse_e8("92233720369", 11, &value), ERROR_RANGE);
}

static void test_parse_half_even(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
        bool rounded;
    } goldens[] = {
        {"293.13711000000003", 29313711000, true},
        {"293.13711", 29313711000, false},
        {"0.000000005", 0, true},
        {"0.000000015", 2, true},
        {"0.0000000050000000000000000000000000000000000001", 1, true},
        {"0.000000025", 2, true},
        {"0.000000024999999999999999999999999999999999999999", 2, true},
        {"-0.000000015", -2, true},
        {"8.881784197001252e-16", 0, true},
        {"9000000000.123456785", 900000000012345678, true},
        {"9000000000.123456775", 900000000012345678, true},
        {"92233720368.54775807", INT64_MAX, false},
        {"1e10", 1000000000000000000, false},
        {"0e-999999", 0, false},
        {"100000000000000000000000000000000000000000e-41", E8, false},
    };
    for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
        int64_t value;
        bool rounded;
        assert_int_equal(decimal_parse_e8_half_even(goldens[i].text, strlen(goldens[i].text), &value, &rounded), 0);
        assert_int_equal(value, goldens[i].value);
        assert_int_equal(rounded, goldens[i].rounded);
    }
    int64_t value;
    bool rounded;
    assert_int_equal(decimal_parse_e8_half_even("92233720368.547758075", 21, &value, &rounded), ERROR_RANGE);
    assert_int_equal(decimal_parse_e8_half_even("1e11", 4, &value, &rounded), ERROR_RANGE);
    assert_int_equal(decimal_parse_e8_half_even("1e99999", 7, &value, &rounded), ERROR_RANGE);
    assert_int_equal(decimal_parse_e8_half_even("1.5x", 4, &value, &rounded), ERROR_FORMAT);
}

/* ---- printing --------------------------------------------------------------------------------------------------------------- */

static void test_print_goldens(void **state) {
    (void)state;
    char text[48];
    assert_string_equal(decimal_print_e8(-1200000000, text, sizeof(text)), "-12.00000000");
    assert_string_equal(decimal_print_e8(1, text, sizeof(text)), "0.00000001");
    assert_string_equal(decimal_print_e8(INT64_MIN, text, sizeof(text)), "-92233720368.54775808");
    assert_string_equal(decimal_print(INT64_MIN, 0, text, sizeof(text)), "-9223372036854775808");
    assert_string_equal(decimal_print(0, 2, text, sizeof(text)), "0.00");
    assert_string_equal(decimal_print(-5, 1, text, sizeof(text)), "-0.5");
    assert_string_equal(decimal_print(123, 0, text, sizeof(text)), "123");
    assert_string_equal(decimal_print(1, 18, text, sizeof(text)), "0.000000000000000001");
    assert_string_equal(decimal_print(12345, 2, text, 5), "123."); /* cut, never overrun */
    assert_string_equal(decimal_print(12345, 2, text, 1), "");
}

static void test_print_then_parse_gives_the_same(void **state) {
    (void)state;
    for (int round = 0; round < 200000; round++) {
        int64_t mantissa = random_number() % INT64_C(1000000000000000000);
        int32_t scale = (int32_t)(random_next() % 19);
        char text[48];
        struct decimal value;
        decimal_print(mantissa, scale, text, sizeof(text));
        assert_int_equal(parse(text, &value), 0);
        assert_int_equal(value.mantissa, mantissa);
        assert_int_equal(value.scale, scale);
    }
}

static void test_rescale(void **state) {
    (void)state;
    int64_t value = 3;
    assert_int_equal(decimal_rescale_exact((struct decimal){150, 2}, 1, &value), 0);
    assert_int_equal(value, 15);
    assert_int_equal(decimal_rescale_exact((struct decimal){-150, 2}, 0, &value), ERROR_RANGE);
    assert_int_equal(decimal_rescale_exact((struct decimal){1, 0}, 18, &value), 0);
    assert_int_equal(value, INT64_C(1000000000000000000));
    assert_int_equal(decimal_rescale_exact((struct decimal){10, 0}, 18, &value), ERROR_RANGE);
    assert_int_equal(decimal_rescale_exact((struct decimal){1, 0}, -1, &value), ERROR_RANGE);
    assert_int_equal(decimal_rescale_exact((struct decimal){1, 0}, 19, &value), ERROR_RANGE);
    assert_int_equal(decimal_rescale_exact((struct decimal){1, 19}, 2, &value), ERROR_RANGE);
}

/* ---- value * num / den ------------------------------------------------------------------------------------------------------ */

/* |a| * |b| in four 32-bit limbs, schoolbook. */
static void limbs_multiply(uint64_t a, uint64_t b, uint32_t limbs[4]) {
    uint64_t parts[4] = {a & 0xffffffff, a >> 32, b & 0xffffffff, b >> 32};
    uint64_t sums[4] = {0};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            uint64_t product = parts[i] * parts[2 + j];
            sums[i + j] += product & 0xffffffff;
            sums[i + j + 1] += product >> 32;
        }
    }
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += sums[i];
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Long division bit by bit. Returns the rest; *high is not zero when the quotient needs more than 64 bits. */
static uint64_t limbs_divide(const uint32_t limbs[4], uint64_t den, uint64_t *quotient, uint64_t *high) {
    uint64_t rest = 0;
    *quotient = *high = 0;
    for (int bit = 127; bit >= 0; bit--) {
        /* den < 2^63, so the rest never loses its top bit */
        rest = rest << 1 | (limbs[bit / 32] >> (bit % 32) & 1);
        *high = *high << 1 | *quotient >> 63;
        *quotient <<= 1;
        if (rest >= den) {
            rest -= den;
            *quotient |= 1;
        }
    }
    return rest;
}

static uint64_t size_of(int64_t value) {
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* mode: 0 down, 1 up, 2 half-even. False = does not fit. */
static bool oracle(int64_t value, int64_t num, int64_t den, int mode, int64_t *out) {
    uint32_t limbs[4];
    uint64_t quotient, high;
    bool minus = (value < 0) != (num < 0);
    limbs_multiply(size_of(value), size_of(num), limbs);
    uint64_t rest = limbs_divide(limbs, (uint64_t)den, &quotient, &high);
    uint64_t left = (uint64_t)den - rest;
    bool away = rest != 0 && (mode == 1 || (mode == 2 && (rest > left || (rest == left && (quotient & 1) != 0))));
    if (away && ++quotient == 0) {
        high++;
    }
    if (high != 0 || quotient > (uint64_t)INT64_MAX + minus) {
        return false;
    }
    *out = minus ? (int64_t)(0 - quotient) : (int64_t)quotient;
    return true;
}

static void test_muldiv_against_long_division(void **state) {
    (void)state;
    int (*const calls[])(int64_t, int64_t, int64_t, int64_t *) = {muldiv_down, muldiv_up, muldiv_half_even};
    size_t fitted = 0;
    for (int round = 0; round < 300000; round++) {
        int64_t value = random_number(), num = random_number(), den = random_number();
        den = den == INT64_MIN ? INT64_MAX : den < 0 ? -den : den == 0 ? 1 : den;
        if (random_next() % 4 == 0) {
            den = den % 8 + 2; /* small ones have ties */
        }
        for (int mode = 0; mode < 3; mode++) {
            int64_t expected = 0, found = 0;
            bool fits = oracle(value, num, den, mode, &expected);
            assert_int_equal(calls[mode](value, num, den, &found), fits ? 0 : ERROR_OVERFLOW);
            assert_int_equal(found, expected);
            fitted += fits;
        }
    }
    assert_true(fitted > 100000); /* the property is not empty */
}

static void test_muldiv_goldens(void **state) {
    (void)state;
    int64_t value = 0;
    const int64_t halves[][2] = {{1, 0}, {3, 2}, {5, 2}, {7, 4}, {-1, 0}, {-3, -2}, {-5, -2}, {-7, -4}};
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        assert_int_equal(muldiv_half_even(halves[i][0], 1, 2, &value), 0);
        assert_int_equal(value, halves[i][1]);
    }
    assert_int_equal(muldiv_up(-1, 1, 3, &value), 0);
    assert_int_equal(value, -1);
    assert_int_equal(muldiv_down(-1, 1, 3, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(muldiv_down(INT64_MIN, -1, 1, &value), ERROR_OVERFLOW);
    assert_int_equal(muldiv_down(INT64_MIN, INT64_MIN, INT64_MAX, &value), ERROR_OVERFLOW);
    assert_int_equal(muldiv_down(INT64_MIN, 1, 1, &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(muldiv_down(1, 1, 0, &value), ERROR_RANGE);
    assert_int_equal(muldiv_down(1, 1, -1, &value), ERROR_RANGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_goldens),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_is_bounded),
        cmocka_unit_test(test_parse_against_digit_strings),
        cmocka_unit_test(test_parse_e8),
        cmocka_unit_test(test_parse_half_even),
        cmocka_unit_test(test_print_goldens),
        cmocka_unit_test(test_print_then_parse_gives_the_same),
        cmocka_unit_test(test_rescale),
        cmocka_unit_test(test_muldiv_against_long_division),
        cmocka_unit_test(test_muldiv_goldens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
