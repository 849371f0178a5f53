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
#define WIDE_DIGITS_MAX 36    /* kept while a number is read: twice 10^36 fits 127 bits */
#define TEXT_MAX 4096         /* longer ones are malformed, which bounds every count below */
#define EXPONENT_ENOUGH 100000 /* beyond TEXT_MAX and all digits together: a larger exponent changes no answer */

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

/* A number as written: mantissa x 10^(dropped - places + exponent). */
struct parts {
    int128 mantissa;    /* the first WIDE_DIGITS_MAX significant digits */
    int digits;         /* significant ones kept */
    int dropped;        /* significant ones beyond */
    bool lost;          /* a dropped one was not zero */
    int places;         /* digits after the point */
    int exponent;
    bool minus;
};

/* One run of digits; leading zeros are not significant. Returns its length. */
static int scan_run(struct scan *scan, struct parts *parts) {
    int length = 0;
    for (; scan_digit(scan); scan->at++) {
        length++;
        if (parts->mantissa == 0 && *scan->at == '0') {
            continue;
        }
        if (parts->digits == WIDE_DIGITS_MAX) {
            parts->dropped++;
            parts->lost = parts->lost || *scan->at != '0';
            continue;
        }
        parts->digits++;
        parts->mantissa = parts->mantissa * 10 + (*scan->at - '0');
    }
    return length;
}

static int scan_exponent(struct scan *scan, int *exponent) {
    bool minus = scan_minus(scan);
    if (!scan_digit(scan)) {
        return ERROR_FORMAT;
    }
    int value = 0;
    for (; scan_digit(scan); scan->at++) {
        value = value < EXPONENT_ENOUGH ? value * 10 + (*scan->at - '0') : value;
    }
    *exponent = minus ? -value : value;
    return 0;
}

/* The whole text; true when it is [+-]digits[.digits][e[+-]digits]. */
static bool scan_number(const char *text, size_t length, struct parts *parts) {
    struct scan scan = {text, text + (length <= TEXT_MAX ? length : 0)};
    *parts = (struct parts){.minus = scan_minus(&scan)};
    if (scan_run(&scan, parts) == 0) {
        return false;
    }
    if (scan.at < scan.end && *scan.at == '.') {
        scan.at++;
        parts->places = scan_run(&scan, parts);
        if (parts->places == 0) {
            return false;
        }
    }
    if (scan.at < scan.end && (*scan.at == 'e' || *scan.at == 'E')) {
        scan.at++;
        if (scan_exponent(&scan, &parts->exponent) != 0) {
            return false;
        }
    }
    return scan.at == scan.end;
}

/* Brings places - exponent into 0..SCALE_MAX, growing the mantissa for "12e3". */
static int decimal_settle(int64_t mantissa, int scale, struct decimal *out) {
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
    struct parts parts;
    struct decimal value;
    if (!scan_number(text, length, &parts)) {
        return ERROR_FORMAT;
    }
    if (parts.digits > DIGITS_MAX) {
        return ERROR_RANGE;
    }
    int code = decimal_settle((int64_t)parts.mantissa, parts.places - parts.exponent, &value);
    if (code == 0) {
        out->mantissa = parts.minus ? -value.mantissa : value.mantissa;
        out->scale = value.scale;
    }
    return code;
}

/* value / 10^places; `lost` says that value itself was cut. */
static int128 divide_half_even(int128 value, int places, bool lost, bool *rounded) {
    if (places > WIDE_DIGITS_MAX) {
        *rounded = value != 0; /* below 10^36 / 10^37: a tenth of a unit */
        return 0;
    }
    int128 divisor = 1;
    for (int n = 0; n < places; n++) {
        divisor *= 10;
    }
    int128 quotient = value / divisor, rest = value % divisor;
    bool up = 2 * rest > divisor || (2 * rest == divisor && (lost || (quotient & 1) != 0));
    *rounded = lost || rest != 0;
    return quotient + up;
}

int decimal_parse_e8_half_even(const char *text, size_t length, int64_t *out, bool *rounded) {
    struct parts parts;
    if (!scan_number(text, length, &parts)) {
        return ERROR_FORMAT;
    }
    int shift = 8 - parts.places + parts.exponent + parts.dropped;
    int128 value = parts.mantissa;
    int128 limit = (int128)INT64_MAX + parts.minus;
    *rounded = parts.lost;
    for (; shift > 0 && value != 0; shift--) {
        value *= 10;
        if (value > limit) {
            return ERROR_RANGE;
        }
    }
    if (shift < 0) {
        value = divide_half_even(value, -shift, parts.lost, rounded);
    }
    if (value > limit) {
        return ERROR_RANGE;
    }
    *out = (int64_t)(parts.minus ? -value : value);
    return 0;
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
    int64_t value;
    bool rounded;
    int code = decimal_parse_e8_half_even(text, length, &value, &rounded);
    if (code == 0 && rounded) {
        code = ERROR_RANGE;
    }
    if (code == 0) {
        *out = value;
    }
    return code;
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

size_t decimal_print_unsigned(uint64_t value, char *to) {
    size_t digits = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10) {
        digits++;
    }
    to[digits] = '\0';
    for (size_t place = digits; place-- > 0; value /= 10) {
        to[place] = (char)('0' + value % 10);
    }
    return digits;
}

enum rounding { ROUND_DOWN, ROUND_UP, ROUND_HALF_EVEN };

/* The same as muldiv() for products of 64 bits, den > 0: without the library call that wide divisions are. */
static int64_t divide(int64_t product, int64_t den, enum rounding rounding) {
    int64_t quotient = product / den, rest = product % den, away = product < 0 ? -1 : 1;
    int64_t half = rest * away, other = den - half; /* half > other: more than one half */
    bool up = rounding == ROUND_UP ? rest != 0 : rounding == ROUND_HALF_EVEN && (half > other || (half == other && (quotient & 1) != 0));
    return quotient + (up ? away : 0);
}

static int muldiv(int64_t value, int64_t num, int64_t den, enum rounding rounding, int64_t *out) {
    if (den <= 0) {
        return ERROR_RANGE;
    }
    int64_t narrow;
    if (!__builtin_mul_overflow(value, num, &narrow)) {
        *out = divide(narrow, den, rounding);
        return 0;
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
