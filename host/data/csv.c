/*
 * csv.c - a bar file as text -> bars in ticks.
 *
 * Guarantees
 *   1. A price is the exact decimal of the file in ticks of its instrument; one that is not on the grid is refused. Without
 *      a tick, the finest decimal that any price needs becomes the tick (zeros at the end do not count, so that the same
 *      prices printed by another program make the same bars).
 *   2. Times grow strictly; one time unit for the whole file, recognised from the first row (a column called time_ms says it
 *      itself). Labels are taken as bar starts.
 *   3. Every refusal names file, line, column, what was found and what was wanted. The first one ends the reading: a file
 *      that is wrong in one place is not trusted in the others.
 *   4. No allocation per row, no floating point, no locale. A row of plain digits is scanned once, left to right; quotes,
 *      spaces, signs, exponents and ISO times take the slow path of the same function.
 * It deliberately repairs nothing: no sorting, no dropping of duplicates, no filling of gaps. Volume is the one exception:
 * sums of other people's doubles have noise in the 15th digit, so a volume finer than 1e-8 is rounded and counted.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bar_file.h"
#include "base/clock.h"
#include "base/wide.h"
#include "csv_input.h"

#define COLUMNS_MAX 256
#define SHOWN_MAX 40
#define DECIMALS_MAX 8
#define DIGITS_FAST 18

enum role { ROLE_OPEN, ROLE_HIGH, ROLE_LOW, ROLE_CLOSE, ROLE_VOLUME, ROLE_TIME, ROLE_IGNORED };
#define ROLES 6 /* that a column may have once */

static const char *const role_names[] = {"open", "high", "low", "close", "volume", "time", "ignored"};

static const int64_t powers[DIGITS_FAST + 1] = {
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

struct csv {
    struct csv_input input;
    struct bar_file *file;
    size_t line;                 /* of the row being read, from 1 */
    size_t blank_line;           /* the first blank line, 0 = none so far */
    size_t first_row_line;
    unsigned char roles[COLUMNS_MAX];
    size_t column_count;
    bool time_named_ms;
    bool tick_given;
    int64_t tick_num;            /* a price of `scale` decimals is a multiple of this */
    int32_t scale;
    int64_t price_max;           /* largest price so far, in units of 10^-scale */
    bool unit_known;
    int64_t unit_ns, unit_limit; /* numeric times: one unit, and the largest value of it */
    bool volume_rounded;         /* of the row being read */
    struct error *error;
};

/* A field as text: without the spaces around it and its quotes. */
struct field {
    const char *begin, *end;
};

static const char *const unit_names[] = {"seconds", "milliseconds", "microseconds", "nanoseconds", "ISO 8601"};
static const int64_t units_ns[] = {NS_PER_S, NS_PER_MS, 1000, 1};
/* A count of units up to here is before the year 5138; the next unit begins beyond. */
static const int64_t unit_limits[] = {INT64_C(9223372036), INT64_C(99999999999999), INT64_C(99999999999999999), INT64_MAX};

/* ---- messages --------------------------------------------------------------------------------------------------------------- */

static const char *shown(struct field field, char to[SHOWN_MAX + 8]) {
    size_t used = 0;
    to[used++] = '"';
    for (const char *at = field.begin; at < field.end && used <= SHOWN_MAX; at++) {
        to[used++] = (unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f ? '?' : *at;
    }
    to[used++] = '"';
    to[used] = '\0';
    return to;
}

static int refuse(struct csv *csv, int code, const char *column, struct field found, const char *wanted) {
    char text[SHOWN_MAX + 8];
    return error_set(csv->error, code, "%s:%zu: %s: found %s, wanted %s", csv->file->path, csv->line, column, shown(found, text),
                     wanted);
}

/* ---- fields ----------------------------------------------------------------------------------------------------------------- */

/* After a field's last character: the comma or the newline that ends it; NULL when something else is there. */
static const char *field_stop(const char *at) {
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    at += *at == '\r' && at[1] == '\n';
    return *at == ',' || *at == '\n' ? at : NULL;
}

/* "..." with "" inside; the quotes' content is taken raw. A line never continues in the next one. */
static const char *quoted_cut(struct csv *csv, const char *at, struct field *field) {
    const char *start = at++;
    field->begin = at;
    while (*at != '\n') {
        if (*at == '"' && at[1] == '"') {
            at += 2;
        } else if (*at == '"') {
            field->end = at;
            const char *stop = field_stop(at + 1);
            if (stop != NULL) {
                return stop;
            }
            break;
        } else {
            at++;
        }
    }
    refuse(csv, ERROR_FORMAT, "row", (struct field){start, at}, "a closing quote before the next comma");
    return NULL;
}

/* Cuts the field at `at`; returns the comma or newline behind it, or NULL with the error set. */
static const char *field_cut(struct csv *csv, const char *at, struct field *field) {
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    if (*at == '"') {
        const char *stop = quoted_cut(csv, at, field);
        if (stop != NULL) {
            while (field->begin < field->end && *field->begin == ' ') {
                field->begin++;
            }
            while (field->begin < field->end && field->end[-1] == ' ') {
                field->end--;
            }
        }
        return stop;
    }
    field->begin = at;
    while (*at != ',' && *at != '\n') {
        at++;
    }
    field->end = at;
    while (field->end > field->begin && (field->end[-1] == ' ' || field->end[-1] == '\t' || field->end[-1] == '\r')) {
        field->end--;
    }
    return at;
}

/* ---- the header ------------------------------------------------------------------------------------------------------------- */

static bool name_is(struct field field, const char *name) {
    size_t length = (size_t)(field.end - field.begin);
    return strlen(name) == length && strncasecmp(field.begin, name, length) == 0;
}

static enum role role_of_name(struct field field) {
    static const struct {
        const char *name;
        enum role role;
    } names[] = {{"time_ms", ROLE_TIME},     {"ts", ROLE_TIME},   {"time", ROLE_TIME}, {"timestamp", ROLE_TIME},
                 {"date", ROLE_TIME},        {"open", ROLE_OPEN}, {"high", ROLE_HIGH}, {"low", ROLE_LOW},
                 {"close", ROLE_CLOSE},      {"volume", ROLE_VOLUME}};
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (name_is(field, names[n].name)) {
            return names[n].role;
        }
    }
    return ROLE_IGNORED;
}

static int header_complete(struct csv *csv, unsigned seen, struct field line) {
    for (unsigned role = 0; role < ROLES; role++) {
        if (role != ROLE_VOLUME && (seen & (1u << role)) == 0) {
            char wanted[160];
            snprintf(wanted, sizeof(wanted), "a column named %s",
                     role == ROLE_TIME ? "time_ms, ts, time, timestamp or date" : role_names[role]);
            return refuse(csv, ERROR_FORMAT, "header", line, wanted);
        }
    }
    return 0;
}

/* Takes the first line; returns the start of the second. */
static int header_take(struct csv *csv, const char **cursor) {
    const char *at = *cursor;
    unsigned seen = 0;
    csv->line = 1;
    if (memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        at += 3;
    }
    struct field line = {at, at}, field;
    for (bool last = false; !last; at++) {
        at = field_cut(csv, at, &field);
        if (at == NULL) {
            return csv->error->code;
        }
        enum role role = role_of_name(field);
        if (csv->column_count == COLUMNS_MAX) {
            return refuse(csv, ERROR_FORMAT, "header", field, "at most 256 columns");
        }
        if (role != ROLE_IGNORED && (seen & (1u << role)) != 0) {
            return refuse(csv, ERROR_FORMAT, "header", field, role == ROLE_TIME ? "one time column" : "each column once");
        }
        seen |= 1u << role;
        csv->time_named_ms = csv->time_named_ms || name_is(field, "time_ms");
        csv->roles[csv->column_count++] = (unsigned char)role;
        last = *at == '\n';
    }
    line.end = at - 1;
    *cursor = at;
    return header_complete(csv, seen, line);
}

/* ---- prices ----------------------------------------------------------------------------------------------------------------- */

/* A finer decimal than all before: every bar so far, and the row in hand, move to the new scale. */
static int scale_raise(struct csv *csv, int32_t scale, struct field found) {
    int64_t factor = powers[scale - csv->scale];
    if (csv->price_max > TICKS_MAX / factor) {
        return refuse(csv, ERROR_RANGE, "price", found, "fewer decimals: an earlier price is too large for so fine a tick");
    }
    struct bar *bars = csv->file->bars;
    for (size_t i = 0; i < csv->file->count; i++) {
        bars[i].open *= factor;
        bars[i].high *= factor;
        bars[i].low *= factor;
        bars[i].close *= factor;
    }
    csv->price_max *= factor;
    csv->scale = scale;
    return 0;
}

static int price_to_ticks(struct csv *csv, struct decimal decimal, struct field found, int64_t *ticks) {
    while (decimal.scale > 0 && decimal.mantissa % 10 == 0) {
        decimal.mantissa /= 10;
        decimal.scale--;
    }
    if (decimal.scale > csv->scale && !csv->tick_given) {
        if (decimal.scale > DECIMALS_MAX) {
            return refuse(csv, ERROR_RANGE, "price", found, "at most 8 decimals");
        }
        int code = scale_raise(csv, decimal.scale, found);
        if (code != 0) {
            return code;
        }
    }
    int64_t value;
    if (decimal_rescale_exact(decimal, csv->scale, &value) != 0 || value % csv->tick_num != 0) {
        char tick[32], wanted[96];
        decimal_print(csv->tick_num, csv->scale, tick, sizeof(tick));
        snprintf(wanted, sizeof(wanted), "a multiple of the tick %s", tick);
        return refuse(csv, ERROR_RANGE, "price", found, wanted);
    }
    *ticks = value / csv->tick_num;
    if (*ticks > TICKS_MAX || *ticks < -TICKS_MAX) {
        return refuse(csv, ERROR_RANGE, "price", found, "at most 2^53 ticks");
    }
    return 0;
}

static int price_slow(struct csv *csv, enum role role, struct field field, int64_t *ticks) {
    struct decimal decimal;
    int code = decimal_parse(field.begin, (size_t)(field.end - field.begin), &decimal);
    if (code != 0) {
        return refuse(csv, code, role_names[role], field,
                      code == ERROR_RANGE ? "at most 18 significant digits" : "a price in decimal digits");
    }
    if (decimal.mantissa <= 0) {
        return refuse(csv, ERROR_RANGE, role_names[role], field, "a price above 0");
    }
    return price_to_ticks(csv, decimal, field, ticks);
}

static int volume_slow(struct csv *csv, struct field field, int64_t *volume_e8) {
    bool rounded = false;
    if (field.begin == field.end) {
        *volume_e8 = -1;
        return 0;
    }
    int code = decimal_parse_e8_half_even(field.begin, (size_t)(field.end - field.begin), volume_e8, &rounded);
    if (code == 0 && (*volume_e8 < 0 || (*field.begin == '-' && rounded))) {
        code = ERROR_RANGE;
    }
    if (code != 0) {
        return refuse(csv, code, "volume", field,
                      code == ERROR_RANGE ? "0..92,233,720,368 units" : "a volume in decimal digits or nothing");
    }
    csv->volume_rounded = csv->volume_rounded || rounded;
    return 0;
}

/* ---- times ------------------------------------------------------------------------------------------------------------------ */

static bool time_is_iso(struct field field) {
    return field.end - field.begin >= 8 && field.begin[4] == '-' && isdigit((unsigned char)field.begin[0]);
}

/* A count of units, 10^scale times as large: plain digits (nanoseconds have 19), or a decimal ("1679661540.0"). */
static int time_number(struct field field, int64_t *mantissa, int32_t *scale) {
    const char *at = field.begin;
    bool minus = at < field.end && *at == '-';
    *mantissa = *scale = 0;
    at += minus;
    for (; at < field.end && *at >= '0' && *at <= '9'; at++) {
        int digit = minus ? '0' - *at : *at - '0';
        if (__builtin_mul_overflow(*mantissa, 10, mantissa) || __builtin_add_overflow(*mantissa, digit, mantissa)) {
            return ERROR_RANGE;
        }
    }
    if (at == field.end && at > field.begin + minus) {
        return 0;
    }
    struct decimal decimal;
    int code = decimal_parse(field.begin, (size_t)(field.end - field.begin), &decimal);
    if (code == 0) {
        *mantissa = decimal.mantissa;
        *scale = decimal.scale;
    }
    return code;
}

/* Recognises the unit from the first row. */
static int unit_find(struct csv *csv, struct field field) {
    int64_t mantissa;
    int32_t scale;
    enum time_unit unit = TIME_ISO;
    if (!time_is_iso(field)) {
        if (time_number(field, &mantissa, &scale) != 0) {
            return refuse(csv, ERROR_FORMAT, "time", field, "a count of s, ms, us or ns since 1970, or ISO 8601");
        }
        int64_t whole = mantissa / powers[scale];
        whole = whole == INT64_MIN ? INT64_MAX : whole < 0 ? -whole : whole;
        unit = csv->time_named_ms             ? TIME_MILLISECONDS
               : whole < INT64_C(99999999999) ? TIME_SECONDS
               : whole <= unit_limits[1]      ? TIME_MILLISECONDS
               : whole <= unit_limits[2]      ? TIME_MICROSECONDS
                                              : TIME_NANOSECONDS;
        if (csv->time_named_ms && whole >= 1000000000 && whole <= 9999999999) {
            return refuse(csv, ERROR_FORMAT, "time_ms", field, "milliseconds as the header says; this looks like seconds");
        }
        csv->unit_ns = units_ns[unit];
        csv->unit_limit = unit_limits[unit];
    }
    csv->file->time_unit = unit;
    csv->unit_known = true;
    csv->first_row_line = csv->line;
    return 0;
}

static int refuse_unit(struct csv *csv, int code, struct field field) {
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "%s as on line %zu, between 1677 and 2262", unit_names[csv->file->time_unit],
             csv->first_row_line);
    return refuse(csv, code, "time", field, wanted);
}

static int time_iso(struct csv *csv, struct field field, int64_t *ns) {
    int zoned;
    int code = clock_parse(field.begin, (size_t)(field.end - field.begin), ns, &zoned);
    if (code != 0) {
        return refuse_unit(csv, code, field);
    }
    csv->file->zone_assumed = csv->file->zone_assumed || !zoned;
    return 0;
}

static int time_slow(struct csv *csv, struct field field, int64_t *ns) {
    int64_t mantissa;
    int32_t scale;
    int code = csv->unit_known ? 0 : unit_find(csv, field);
    if (code != 0) {
        return code;
    }
    if (csv->file->time_unit == TIME_ISO) {
        return time_iso(csv, field, ns);
    }
    code = time_is_iso(field) ? ERROR_FORMAT : time_number(field, &mantissa, &scale);
    if (code != 0) {
        return refuse_unit(csv, code, field);
    }
    int128 scaled = (int128)mantissa * csv->unit_ns;
    int128 value = scaled / powers[scale];
    int64_t whole = mantissa / powers[scale];
    if (scaled % powers[scale] != 0 || whole > csv->unit_limit || whole < -csv->unit_limit || value > INT64_MAX ||
        value < INT64_MIN) {
        return refuse_unit(csv, ERROR_RANGE, field);
    }
    *ns = (int64_t)value;
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

/* One row being read: values by role; time last. */
struct row {
    int64_t values[ROLES];
};

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') <= 9;
}

/*
 * digits[.digits] up to 18 digits; *places is how many follow the point. Returns where it stopped, NULL when this is not
 * such a number. Too many digits overflow harmlessly before they are refused.
 */
static inline const char *number_scan(const char *at, uint64_t *mantissa, size_t *places) {
    const char *start = at;
    uint64_t value = 0;
    while (is_digit(*at)) {
        value = value * 10 + (uint64_t)(*at++ - '0');
    }
    size_t whole = (size_t)(at - start);
    *places = 0;
    if (*at == '.') {
        const char *point = at++;
        while (is_digit(*at)) {
            value = value * 10 + (uint64_t)(*at++ - '0');
        }
        *places = (size_t)(at - point - 1);
        if (*places == 0) {
            return NULL;
        }
    }
    *mantissa = value;
    return whole > 0 && whole + *places <= DIGITS_FAST ? at : NULL;
}

static inline const char *price_fast(const struct csv *csv, const char *at, int64_t *ticks) {
    uint64_t mantissa;
    size_t places;
    at = number_scan(at, &mantissa, &places);
    if (at == NULL || places > (size_t)csv->scale || mantissa == 0) {
        return NULL;
    }
    int64_t value;
    if (__builtin_mul_overflow((int64_t)mantissa, powers[(size_t)csv->scale - places], &value)) {
        return NULL;
    }
    if (csv->tick_num != 1) {
        int64_t whole = value / csv->tick_num;
        if (whole * csv->tick_num != value) {
            return NULL;
        }
        value = whole;
    }
    *ticks = value;
    return value <= TICKS_MAX ? at : NULL;
}

static inline const char *volume_fast(const char *at, int64_t *volume_e8) {
    uint64_t mantissa;
    size_t places;
    at = number_scan(at, &mantissa, &places);
    if (at == NULL || places > 8 || __builtin_mul_overflow((int64_t)mantissa, powers[8 - places], volume_e8)) {
        return NULL;
    }
    return at;
}

static inline const char *time_fast(const struct csv *csv, const char *at, int64_t *ns) {
    const char *start = at;
    uint64_t count = 0;
    while (is_digit(*at)) {
        count = count * 10 + (uint64_t)(*at++ - '0');
    }
    /* 19 digits cannot overflow, and nanoseconds need them */
    if (at == start || at - start > 19 || count > (uint64_t)csv->unit_limit) {
        return NULL;
    }
    *ns = (int64_t)count * csv->unit_ns;
    return at;
}

/* The field at `at` by the book; returns the comma or newline behind it, or NULL with the error set. */
static const char *field_slow(struct csv *csv, const char *at, enum role role, int64_t *value) {
    struct field field;
    int code = 0;
    at = field_cut(csv, at, &field);
    if (at == NULL) {
        return NULL;
    }
    if (role == ROLE_TIME) {
        code = time_slow(csv, field, value);
    } else if (role == ROLE_VOLUME) {
        code = volume_slow(csv, field, value);
    } else if (role != ROLE_IGNORED) {
        code = price_slow(csv, role, field, value);
    }
    return code == 0 ? at : NULL;
}

static int refuse_columns(struct csv *csv, const char *row, size_t found) {
    char wanted[96];
    const char *end = memchr(row, '\n', CSV_BLOCK);
    snprintf(wanted, sizeof(wanted), "%zu fields as in the header, not %s%zu", csv->column_count,
             found > csv->column_count ? "at least " : "", found);
    return refuse(csv, ERROR_FORMAT, "row", (struct field){row, end == NULL ? row : end}, wanted);
}

/* Scans one row into `row`; returns the start of the next one, or NULL with the error set. */
static const char *row_scan(struct csv *csv, const char *start, struct row *row) {
    const char *at = start;
    for (size_t column = 0;; column++) {
        if (column == csv->column_count) {
            refuse_columns(csv, start, column + 1);
            return NULL;
        }
        enum role role = (enum role)csv->roles[column];
        int64_t ignored, *value = role == ROLE_IGNORED ? &ignored : &row->values[role];
        const char *stop = NULL;
        if (role < ROLE_VOLUME) {
            stop = price_fast(csv, at, value);
        } else if (role == ROLE_VOLUME) {
            stop = volume_fast(at, value);
        } else if (role == ROLE_TIME) {
            stop = time_fast(csv, at, value);
        }
        if (stop != NULL) {
            stop += *stop == '\r' && stop[1] == '\n';
        }
        if (stop == NULL || (*stop != ',' && *stop != '\n')) {
            stop = field_slow(csv, at, role, value);
            if (stop == NULL) {
                return NULL;
            }
        }
        if (*stop == '\n') {
            if (column + 1 != csv->column_count) {
                refuse_columns(csv, start, column + 1);
                return NULL;
            }
            return stop + 1;
        }
        at = stop + 1;
    }
}

/* Says which of a row's rules was broken. */
static int refuse_row(struct csv *csv, const struct bar *bar, int64_t last_ns) {
    char now[40], last[40];
    const char *path = csv->file->path;
    if (csv->file->count > 0 && bar->start_ns <= last_ns) {
        return error_set(csv->error, ERROR_FORMAT, "%s:%zu: time: found %s %s the row before, wanted a time after %s", path,
                         csv->line, clock_print(bar->start_ns, now, sizeof(now)), bar->start_ns == last_ns ? "as in" : "after",
                         clock_print(last_ns, last, sizeof(last)));
    }
    const char *wrong = bar->high < bar->low      ? "high below low"
                        : bar->open < bar->low    ? "open below low"
                        : bar->open > bar->high   ? "open above high"
                        : bar->close < bar->low   ? "close below low"
                                                  : "close above high";
    return error_set(csv->error, ERROR_FORMAT, "%s:%zu: found %s, wanted low <= open, close <= high", path, csv->line, wrong);
}

static int row_store(struct csv *csv, const struct row *row) {
    struct bar_file *file = csv->file;
    int code = bar_file_reserve(file, file->count + 1, csv->error);
    if (code != 0) {
        return code;
    }
    struct bar *bar = &file->bars[file->count];
    int64_t last_ns = file->count > 0 ? bar[-1].start_ns : 0;
    *bar = (struct bar){row->values[ROLE_TIME], row->values[ROLE_OPEN],  row->values[ROLE_HIGH],
                        row->values[ROLE_LOW],  row->values[ROLE_CLOSE], row->values[ROLE_VOLUME]};
    bool inside = bar->low <= bar->open && bar->low <= bar->close && bar->open <= bar->high && bar->close <= bar->high;
    if (!inside || (file->count > 0 && bar->start_ns <= last_ns)) {
        return refuse_row(csv, bar, last_ns);
    }
    csv->price_max = bar->high > csv->price_max ? bar->high : csv->price_max;
    file->zero_volume += bar->volume_e8 == 0;
    file->has_volume = file->has_volume || bar->volume_e8 >= 0;
    file->volume_rounded += csv->volume_rounded;
    file->count++;
    return 0;
}

/* A row whose price needs a finer scale is scanned again, so that all of its prices have the new one. */
static const char *row_take(struct csv *csv, const char *at, struct row *row) {
    const char *next;
    int32_t scale;
    do {
        scale = csv->scale;
        csv->volume_rounded = false;
        next = row_scan(csv, at, row);
    } while (next != NULL && scale != csv->scale);
    return next;
}

static int rows_take(struct csv *csv, const char *at, const char *end) {
    struct row row;
    row.values[ROLE_VOLUME] = -1;
    while (at < end) {
        csv->line++;
        if (*at == '\n' || (*at == '\r' && at[1] == '\n')) {
            csv->blank_line = csv->blank_line == 0 ? csv->line : csv->blank_line;
            at += 1 + (*at == '\r');
            continue;
        }
        if (csv->blank_line != 0) {
            return error_set(csv->error, ERROR_FORMAT, "%s:%zu: found a blank line in the middle, wanted a row", csv->file->path,
                             csv->blank_line);
        }
        at = row_take(csv, at, &row);
        if (at == NULL) {
            return csv->error->code;
        }
        int code = row_store(csv, &row);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

/* ---- the file --------------------------------------------------------------------------------------------------------------- */

static int blocks_take(struct csv *csv) {
    const char *at, *end;
    int code = csv_input_next(&csv->input, csv->line, &at, &end, csv->error);
    if (code != 0) {
        return code;
    }
    if (at == end) {
        return error_set(csv->error, ERROR_FORMAT, "%s:1: found an empty file, wanted a header", csv->file->path);
    }
    code = header_take(csv, &at);
    while (code == 0 && at < end) {
        code = rows_take(csv, at, end);
        if (code == 0) {
            code = csv_input_next(&csv->input, csv->line, &at, &end, csv->error);
        }
    }
    if (code == 0 && csv->file->count == 0) {
        code = error_set(csv->error, ERROR_FORMAT, "%s:%zu: found no rows after the header, wanted bars", csv->file->path, csv->line);
    }
    return code;
}

static void tick_setup(struct csv *csv, const struct instrument *instrument) {
    csv->tick_given = instrument->tick_e8 != 0;
    csv->tick_num = 1;
    if (csv->tick_given) {
        csv->scale = DECIMALS_MAX;
        csv->tick_num = instrument->tick_e8;
        while (csv->scale > 0 && csv->tick_num % 10 == 0) {
            csv->tick_num /= 10;
            csv->scale--;
        }
    }
}

/* Decimals that the volumes need, for whoever writes them again. */
static int32_t volume_decimals(const struct bar_file *file) {
    int32_t decimals = 0;
    for (size_t i = 0; i < file->count && decimals < 8; i++) {
        while (file->bars[i].volume_e8 > 0 && decimals < 8 && file->bars[i].volume_e8 % powers[8 - decimals] != 0) {
            decimals++;
        }
    }
    return decimals;
}

static int csv_end(struct csv *csv, struct instrument *instrument) {
    struct bar_file *file = csv->file;
    hash_end(&csv->input.hash, file->hash);
    file->compressed = csv_input_compressed(&csv->input);
    file->price_decimals = csv->scale;
    file->volume_decimals = volume_decimals(file);
    bar_file_finish(file);
    return csv->tick_given ? 0 : instrument_assume(instrument, file->symbol, csv->scale, csv->error);
}

int bar_file_read(struct bar_file *file, const char *path, struct instrument *instrument, struct error *error) {
    struct csv csv = {.file = file, .error = error};
    memset(file, 0, sizeof(*file));
    bar_file_set_path(file, path);
    tick_setup(&csv, instrument);
    int code = csv_input_open(&csv.input, path, error);
    if (code != 0) {
        return code;
    }
    code = blocks_take(&csv);
    if (code == 0) {
        code = csv_end(&csv, instrument);
    }
    csv_input_close(&csv.input);
    if (code != 0) {
        bar_file_close(file);
    }
    return code;
}
