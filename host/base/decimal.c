/*
 * decimal.c - exact decimal text <-> integers, and the three roundings of value * num / den.
 *
 * Guarantees: what decimal_parse accepts is exactly mantissa / 10^scale; anything it cannot hold is refused, never cut. The
 * muldiv functions compute in 128 bits (|value * num| <= 2^126 always fits) and check the way back to 64.
 * It deliberately knows no locale, no thousands separators, no hexadecimal, no "inf": text that a venue or a file would not
 * write as a plain number is an error, because a guess about a price is a loss.
 */
#include "base/decimal.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/wide.h"

#define DIGITS_MAX 18  /* significant digits: 10^18 - 1 fits 63 bits */
#define SCALE_MAX 18
#define EXPONENT_MAX 100 /* beyond this every exponent gives the same answer: out of range */

static const int64_t powers[DIGITS_MAX + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

/* Where the scanner is in its text. */
struct scan {
    const char *at, *end;
};

static bool scan_digit(const struct scan *scan) {
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

/* An optional sign; true when it was a minus. */
static bool scan_minus(struct scan *scan) {
    if (scan->at < scan->end && (*scan->at == '-' || *scan->at == '+')) {
        return *scan->at++ == '-';
    }
    return false;
}

/* One run of digits into `mantissa`; leading zeros are not significant. `digits` counts the significant ones. */
static int scan_run(struct scan *scan, int64_t *mantissa, int *digits, int *length) {
    *length = 0;
    int code = 0;
    for (; scan_digit(scan); scan->at++) {
        if (*length < INT32_MAX) {
            ++*length;
        }
        if (*mantissa == 0 && *scan->at == '0') {
            continue;
        }
        if (++*digits > DIGITS_MAX) {
            --*digits;
            code = ERROR_RANGE; /* read on: the text may still be malformed, which is the better message */
            continue;
        }
        *mantissa = *mantissa * 10 + (*scan->at - '0');
    }
    return *length == 0 ? ERROR_FORMAT : code;
}

static int scan_exponent(struct scan *scan, int *exponent) {
    bool minus = scan_minus(scan);
    if (!scan_digit(scan)) {
        return ERROR_FORMAT;
    }
    int value = 0;
    for (; scan_digit(scan); scan->at++) {
        value = value < EXPONENT_MAX ? value * 10 + (*scan->at - '0') : value;
    }
    *exponent = minus ? -value : value;
    return 0;
}

/* Brings places - exponent into 0..SCALE_MAX, growing the mantissa for "12e3". */
static int decimal_settle(int64_t mantissa, int places, int exponent, struct decimal *out) {
    int scale = places > SCALE_MAX + EXPONENT_MAX * 10 ? SCALE_MAX + 1 : places - exponent;
    if (scale > SCALE_MAX) {
        return ERROR_RANGE;
    }
    if (scale < 0) {
        if (mantissa != 0 && (-scale > DIGITS_MAX || __builtin_mul_overflow(mantissa, powers[-scale], &mantissa) ||
                              mantissa >= powers[DIGITS_MAX])) {
            return ERROR_RANGE;
        }
        scale = 0;
    }
    out->mantissa = mantissa;
    out->scale = scale;
    return 0;
}

int decimal_parse(const char *text, size_t length, struct decimal *out) {
    struct scan scan = {text, text + length};
    int64_t mantissa = 0;
    int digits = 0, whole = 0, places = 0, exponent = 0;
    bool minus = scan_minus(&scan);
    int code = scan_run(&scan, &mantissa, &digits, &whole);
    if (code != ERROR_FORMAT && scan.at < scan.end && *scan.at == '.') {
        scan.at++;
        int fraction = scan_run(&scan, &mantissa, &digits, &places);
        code = fraction == 0 ? code : fraction;
    }
    if (code != ERROR_FORMAT && scan.at < scan.end && (*scan.at == 'e' || *scan.at == 'E')) {
        scan.at++;
        int power = scan_exponent(&scan, &exponent);
        code = power == 0 ? code : power;
    }
    if (code == ERROR_FORMAT || scan.at != scan.end) {
        return ERROR_FORMAT;
    }
    if (code == 0) {
        struct decimal value;
        code = decimal_settle(mantissa, places, exponent, &value);
        if (code == 0) {
            out->mantissa = minus ? -value.mantissa : value.mantissa;
            out->scale = value.scale;
        }
    }
    return code;
}

int decimal_rescale_exact(struct decimal value, int32_t scale, int64_t *out) {
    if (scale < 0 || scale > SCALE_MAX || value.scale < 0 || value.scale > SCALE_MAX) {
        return ERROR_RANGE;
    }
    if (scale >= value.scale) {
        int64_t scaled;
        if (__builtin_mul_overflow(value.mantissa, powers[scale - value.scale], &scaled)) {
            return ERROR_RANGE;
        }
        *out = scaled;
        return 0;
    }
    int64_t divisor = powers[value.scale - scale];
    if (value.mantissa % divisor != 0) {
        return ERROR_RANGE;
    }
    *out = value.mantissa / divisor;
    return 0;
}

int decimal_parse_e8(const char *text, size_t length, int64_t *out) {
    struct decimal value;
    int code = decimal_parse(text, length, &value);
    return code != 0 ? code : decimal_rescale_exact(value, 8, out);
}

char *decimal_print(int64_t mantissa, int32_t scale, char *to, size_t size) {
    char reversed[48];
    size_t used = 0;
    uint64_t rest = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    for (int32_t place = 0; place <= scale || rest != 0; place++) {
        if (place == scale && scale > 0) {
            reversed[used++] = '.';
        }
        reversed[used++] = (char)('0' + rest % 10);
        rest /= 10;
        if (used >= sizeof(reversed) - 2) {
            break;
        }
    }
    if (mantissa < 0) {
        reversed[used++] = '-';
    }
    size_t written = 0;
    while (used > 0 && written + 1 < size) {
        to[written++] = reversed[--used];
    }
    if (size > 0) {
        to[written] = '\0';
    }
    return to;
}

char *decimal_print_e8(int64_t value_e8, char *to, size_t size) {
    return decimal_print(value_e8, 8, to, size);
}

enum rounding { ROUND_DOWN, ROUND_UP, ROUND_HALF_EVEN };

static int muldiv(int64_t value, int64_t num, int64_t den, enum rounding rounding, int64_t *out) {
    if (den <= 0) {
        return ERROR_RANGE;
    }
    int128 product = (int128)value * num;
    int128 quotient = product / den;
    int128 rest = product % den; /* has the sign of the product */
    int128 away = product < 0 ? -1 : 1;
    int128 twice = 2 * rest * away;
    if (rounding == ROUND_UP && rest != 0) {
        quotient += away;
    } else if (rounding == ROUND_HALF_EVEN && (twice > den || (twice == den && (quotient & 1) != 0))) {
        quotient += away;
    }
    if (quotient > INT64_MAX || quotient < INT64_MIN) {
        return ERROR_OVERFLOW;
    }
    *out = (int64_t)quotient;
    return 0;
}

int muldiv_half_even(int64_t value, int64_t num, int64_t den, int64_t *out) {
    return muldiv(value, num, den, ROUND_HALF_EVEN, out);
}

int muldiv_up(int64_t value, int64_t num, int64_t den, int64_t *out) {
    return muldiv(value, num, den, ROUND_UP, out);
}

int muldiv_down(int64_t value, int64_t num, int64_t den, int64_t *out) {
    return muldiv(value, num, den, ROUND_DOWN, out);
}
