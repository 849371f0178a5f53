/*
 * instruments.c - the rows of policy/instruments.yaml, and the arithmetic that turns ticks and lots into money.
 *
 * Guarantees
 *   1. The money of one tick of one lot is a reduced fraction value_num / value_den of 1e-8, computed once; every value is
 *      price_ticks x lots x that fraction in 128 bits, rounded half-even once, and an overflow is an error.
 *   2. A fee is computed as one exact sum and rounded up once, so it is never below what the venue can ask for.
 *   3. The doubles a strategy sees are the correctly rounded values of the decimals, for every 64-bit input: one division
 *      of exact operands where both fit 53 bits, an integer division with a sticky bit where they do not.
 * Rows name no venue: a venue's own precision is checked when it is asked, this file says what the host assumes.
 */
#include "data/data.h"

#include <math.h>
#include <string.h>

#include "base/config.h"
#include "base/wide.h"

#define E16 (INT64_C(10000000000000000))
#define PPM_TO_E8 100
#define EXACT_MAX (INT64_C(1) << 53) /* integers up to here are exact in a double */
#define PRICE_MAX_E8 (INT64_C(1000000000) * E8)

/* ---- derived fields ------------------------------------------------------------------------------------------------------- */

static int64_t greatest_divisor(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Digits after the point that a multiple of `unit_e8` can need. */
static int32_t decimals_of_unit(int64_t unit_e8) {
    int32_t decimals = 8;
    while (decimals > 0 && unit_e8 % 10 == 0) {
        unit_e8 /= 10;
        decimals--;
    }
    return decimals;
}

static int instrument_check(const struct instrument *i, struct error *error) {
    const struct {
        const char *name;
        int64_t value, minimum, maximum;
    } fields[] = {
        {"tick", i->tick_e8, 1, PRICE_MAX_E8},
        {"lot", i->lot_e8, 1, PRICE_MAX_E8},
        {"multiplier", i->multiplier_e8, 1, PRICE_MAX_E8},
        {"quantity_min", i->quantity_min_lots, 1, INT64_MAX},
        {"notional_min", i->notional_min_e8, 0, INT64_MAX},
        {"fee_maker", i->fee_maker_e8, 0, E8},
        {"fee_taker", i->fee_taker_e8, 0, E8},
        {"fee_per_unit", i->fee_per_unit_e8, 0, PRICE_MAX_E8},
        {"margin_per_unit", i->margin_per_unit_e8, 0, INT64_MAX},
    };
    for (size_t n = 0; n < sizeof(fields) / sizeof(fields[0]); n++) {
        if (fields[n].value < fields[n].minimum || fields[n].value > fields[n].maximum) {
            return error_set(error, ERROR_RANGE, "instrument %s: %s is %lld, wanted %lld..%lld (1e-8)", i->name, fields[n].name,
                             (long long)fields[n].value, (long long)fields[n].minimum, (long long)fields[n].maximum);
        }
    }
    return 0;
}

int instrument_init(struct instrument *instrument, struct error *error) {
    int code = instrument_check(instrument, error);
    if (code != 0) {
        return code;
    }
    const int64_t factors[] = {instrument->tick_e8, instrument->lot_e8, instrument->multiplier_e8};
    int64_t num = 1, den = E16;
    for (size_t n = 0; n < 3; n++) {
        int64_t divisor = greatest_divisor(factors[n], den);
        den /= divisor;
        if (__builtin_mul_overflow(num, factors[n] / divisor, &num)) {
            return error_set(error, ERROR_RANGE, "instrument %s: tick x lot x multiplier is too large", instrument->name);
        }
    }
    instrument->value_num = num;
    instrument->value_den = den;
    instrument->tick_decimals = decimals_of_unit(instrument->tick_e8);
    instrument->lot_decimals = decimals_of_unit(instrument->lot_e8);
    return 0;
}

/* ---- money ------------------------------------------------------------------------------------------------------------------ */

/* The out-of-line part of instrument_value(): products beyond 64 bits. */
int instrument_value_wide(const struct instrument *i, int64_t price_ticks, int64_t lots, int64_t *value_e8) {
    int128 product;
    if (__builtin_mul_overflow((int128)price_ticks * lots, (int128)i->value_num, &product)) {
        return ERROR_OVERFLOW;
    }
    int128 quotient = product / i->value_den;
    int128 rest = product % i->value_den;
    int128 away = product < 0 ? -1 : 1;
    int128 twice = 2 * rest * away;
    if (twice > i->value_den || (twice == i->value_den && (quotient & 1) != 0)) {
        quotient += away;
    }
    if (quotient > INT64_MAX || quotient < INT64_MIN) {
        return ERROR_OVERFLOW;
    }
    *value_e8 = (int64_t)quotient;
    return 0;
}

int instrument_fee(const struct instrument *i, int64_t notional_e8, int64_t lots, bool maker, int64_t *fee_e8) {
    int128 notional = notional_e8 < 0 ? -(int128)notional_e8 : notional_e8;
    int128 count = lots < 0 ? -(int128)lots : lots;
    int128 by_rate = notional * (maker ? i->fee_maker_e8 : i->fee_taker_e8);
    int128 by_unit, sum;
    if (__builtin_mul_overflow(count * i->lot_e8, (int128)i->fee_per_unit_e8, &by_unit) ||
        __builtin_add_overflow(by_rate, by_unit, &sum)) {
        return ERROR_OVERFLOW;
    }
    int128 fee = sum / E8 + (sum % E8 != 0);
    if (fee > INT64_MAX) {
        return ERROR_OVERFLOW;
    }
    *fee_e8 = (int64_t)fee;
    return 0;
}

/* ---- doubles at the edge ------------------------------------------------------------------------------------------------------ */

/* Correctly rounded mantissa / den for 2^53 < mantissa < 2^127, den <= 10^18 < 2^60. */
static double divide_wide(uint128 mantissa, uint64_t den) {
    /* quotients of at least 56 bits, so that the sticky last bit is below the rounding position */
    int shift = 0;
    while (mantissa >> 116 == 0) {
        mantissa <<= 1;
        shift++;
    }
    uint128 quotient = mantissa / den;
    quotient |= mantissa % den != 0;
    return ldexp((double)quotient, -shift);
}

static double ratio_double(int128 mantissa, int64_t den) {
    bool minus = mantissa < 0;
    uint128 size = minus ? 0 - (uint128)mantissa : (uint128)mantissa;
    double value = size <= (uint128)EXACT_MAX && den <= EXACT_MAX ? (double)(int64_t)size / (double)den
                   : size == 0                                    ? 0.0
                                                                  : divide_wide(size, (uint64_t)den);
    return minus ? -value : value;
}

double decimal_double(int64_t mantissa, int32_t decimals) {
    int64_t den = 1;
    for (int32_t n = 0; n < decimals && n < 18; n++) {
        den *= 10;
    }
    return ratio_double(mantissa, den);
}

double instrument_price(const struct instrument *i, int64_t ticks) {
    return ratio_double((int128)ticks * i->tick_e8, E8);
}

double instrument_quantity(const struct instrument *i, int64_t lots) {
    return ratio_double((int128)lots * i->lot_e8, E8);
}

double money_double_wide(int64_t e8) {
    return ratio_double(e8, E8);
}

/* ---- the file ----------------------------------------------------------------------------------------------------------------- */

/* A row as the file has it. */
struct row {
    char name[NAME_MAX_BYTES];
    char currency[8];
    char calendar[NAME_MAX_BYTES];
    int64_t tick_e8, lot_e8, multiplier_e8, quantity_min_e8, notional_min_e8;
    int64_t fee_maker_ppm, fee_taker_ppm, fee_per_unit_e8, margin_per_unit_e8;
    bool market_entry, long_only;
};

static const struct config_key row_keys[] = {
    CONFIG_TEXT(struct row, name, "name", NULL, "name as orders and reports show it"),
    CONFIG_TEXT(struct row, currency, "currency", NULL, "money of price, value, fees and margin"),
    CONFIG_TEXT(struct row, calendar, "calendar", "", "trading calendar by name; empty = always open"),
    CONFIG_E8(struct row, tick_e8, "tick", "price", 1, PRICE_MAX_E8, NULL, "smallest price step"),
    CONFIG_E8(struct row, lot_e8, "lot", "quantity", 1, PRICE_MAX_E8, NULL, "smallest quantity step"),
    CONFIG_E8(struct row, multiplier_e8, "multiplier", "money", 1, PRICE_MAX_E8, "1", "money per price unit and quantity unit"),
    CONFIG_E8(struct row, quantity_min_e8, "quantity_min", "quantity", 0, INT64_MAX, "0", "smallest order; 0 = one lot"),
    CONFIG_E8(struct row, notional_min_e8, "notional_min", "money", 0, INT64_MAX, "0", "smallest value of an order; 0 = none"),
    CONFIG_PERCENT(struct row, fee_maker_ppm, "fee_maker", 0, 1000000, "0 %", "fee of a resting order, of the notional"),
    CONFIG_PERCENT(struct row, fee_taker_ppm, "fee_taker", 0, 1000000, "0 %", "fee of a taking order, of the notional"),
    CONFIG_E8(struct row, fee_per_unit_e8, "fee_per_unit", "money", 0, PRICE_MAX_E8, "0", "fee per quantity unit and fill"),
    CONFIG_E8(struct row, margin_per_unit_e8, "margin_per_unit", "money", 0, INT64_MAX, "0",
              "money held per quantity unit; 0 = the whole notional"),
    CONFIG_BOOL(struct row, market_entry, "market_entry", "false", "entries without a worst price are possible at the venue"),
    CONFIG_BOOL(struct row, long_only, "long_only", "false", "short positions are not possible"),
};
#define ROW_KEYS (sizeof(row_keys) / sizeof(row_keys[0]))

/* Where the rows go. */
struct table {
    const char *path;
    struct instrument *rows;
    size_t count, max;
};

static int row_check(const struct table *table, const struct row *row, int line, struct error *error) {
    if (table->count == table->max) {
        return error_set(error, ERROR_FULL, "%s:%d: found row %zu, wanted at most %zu", table->path, line, table->count + 1,
                         table->max);
    }
    for (size_t n = 0; n < table->count; n++) {
        if (strcmp(table->rows[n].name, row->name) == 0) {
            return error_set(error, ERROR_CONFIG, "%s:%d: found instrument \"%s\" twice, wanted it once", table->path, line,
                             row->name);
        }
    }
    if (row->quantity_min_e8 % row->lot_e8 != 0) {
        return error_set(error, ERROR_CONFIG, "%s:%d: %s: quantity_min is not a whole number of lots", table->path, line,
                         row->name);
    }
    return 0;
}

static int row_take(void *context, const void *target, int line, struct error *error) {
    struct table *table = context;
    const struct row *row = target;
    int code = row_check(table, row, line, error);
    if (code != 0) {
        return code;
    }
    struct instrument *instrument = &table->rows[table->count];
    *instrument = (struct instrument){
        .tick_e8 = row->tick_e8,
        .lot_e8 = row->lot_e8,
        .multiplier_e8 = row->multiplier_e8,
        .quantity_min_lots = row->quantity_min_e8 == 0 ? 1 : row->quantity_min_e8 / row->lot_e8,
        .notional_min_e8 = row->notional_min_e8,
        .fee_maker_e8 = row->fee_maker_ppm * PPM_TO_E8,
        .fee_taker_e8 = row->fee_taker_ppm * PPM_TO_E8,
        .fee_per_unit_e8 = row->fee_per_unit_e8,
        .margin_per_unit_e8 = row->margin_per_unit_e8,
        .market_entry = row->market_entry,
        .long_only = row->long_only,
    };
    memcpy(instrument->name, row->name, sizeof(instrument->name));
    memcpy(instrument->row, row->name, sizeof(instrument->row));
    memcpy(instrument->currency, row->currency, sizeof(instrument->currency));
    memcpy(instrument->calendar, row->calendar, sizeof(instrument->calendar));
    struct error detail = {0};
    code = instrument_init(instrument, &detail);
    if (code != 0) {
        return error_set(error, ERROR_CONFIG, "%s:%d: %s", table->path, line, detail.text);
    }
    table->count++;
    return 0;
}

int instruments_read(const char *path, struct instrument *rows, size_t max, unsigned char hash[HASH_BYTES],
                     struct error *error) {
    struct table table = {path, rows, 0, max};
    struct row row;
    int code = config_read_list(path, "instruments", row_keys, ROW_KEYS, &row, sizeof(row), row_take, &table, hash, error);
    return code != 0 ? code : (int)table.count;
}
