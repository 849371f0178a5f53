/*
 * config_value.c - the seven types of a configuration value.
 *
 * Guarantees: a value is taken exactly or refused. There is one spelling per meaning: percentages need their sign, durations
 * their unit, booleans are `true` and `false`; a reader who forgets whether 2 means 2 % or 200 % is told, not obeyed.
 * Deliberately absent: octal and hexadecimal numbers, digit separators, "yes"/"on", compound durations ("1h30m").
 */
#include "base/config_value.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/types.h"

#define PPM_DECIMALS_OF_PERCENT 4 /* 1 ppm = 0.0001 % */
#define NS_DECIMALS 9

/* Longest first where one unit begins another. */
static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"d", 86400 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"m", 60 * NS_PER_S}, {"s", NS_PER_S},
    {"ms", NS_PER_MS},       {"us", 1000},           {"ns", 1},
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

const char *config_type_name(enum config_type type) {
    static const char *const names[] = {"integer", "decimal", "percent", "boolean", "text", "choice", "duration"};
    return (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static int integer_parse(const char *text, size_t length, int64_t *value) {
    struct decimal decimal;
    for (size_t i = 0; i < length; i++) {
        if (!(text[i] >= '0' && text[i] <= '9') && !(i == 0 && length > 1 && text[i] == '-')) {
            return ERROR_FORMAT;
        }
    }
    int code = decimal_parse(text, length, &decimal);
    if (code == 0) {
        *value = decimal.mantissa;
    }
    return code;
}

/* "2.5 %" -> 25,000 ppm */
static int percent_parse(const char *text, size_t length, int64_t *ppm) {
    struct decimal decimal;
    if (length == 0 || text[length - 1] != '%') {
        return ERROR_FORMAT;
    }
    length--;
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    int code = decimal_parse(text, length, &decimal);
    return code != 0 ? code : decimal_rescale_exact(decimal, PPM_DECIMALS_OF_PERCENT, ppm);
}

static int duration_parse(const char *text, size_t length, int64_t *ns) {
    size_t digits = 0;
    while (digits < length && ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.' || text[digits] == '-')) {
        digits++;
    }
    size_t unit_at = digits;
    while (unit_at < length && text[unit_at] == ' ') {
        unit_at++;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (strlen(units[i].name) == length - unit_at && memcmp(units[i].name, text + unit_at, length - unit_at) == 0) {
            struct decimal decimal;
            int code = decimal_parse(text, digits, &decimal);
            if (code == 0) {
                int64_t billionths;
                code = decimal_rescale_exact(decimal, NS_DECIMALS, &billionths);
                /* a billionth of a day is not a whole number of ns, so multiply before the exact division */
                int64_t rest;
                if (code == 0 && (muldiv_down(billionths, units[i].ns, NS_PER_S, ns) != 0 ||
                                  muldiv_up(billionths, units[i].ns, NS_PER_S, &rest) != 0 || rest != *ns)) {
                    code = ERROR_RANGE;
                }
            }
            return code;
        }
    }
    return ERROR_FORMAT;
}

static int text_parse(const struct config_key *key, const char *text, size_t length, char *field) {
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return ERROR_FORMAT;
        }
    }
    if (length == 0 && key->fallback == NULL) {
        return ERROR_FORMAT; /* a required text that says nothing is missing */
    }
    if (length >= key->size || length >= CONFIG_VALUE_TEXT_MAX) {
        return ERROR_RANGE;
    }
    memset(field, 0, key->size);
    memcpy(field, text, length);
    return 0;
}

/* The `index`-th of "a|b|c"; NULL at the end. */
static const char *choice_at(const char *choices, int32_t index, size_t *length) {
    const char *at = choices;
    for (; index > 0 && at != NULL; index--) {
        at = strchr(at, '|');
        at = at == NULL ? NULL : at + 1;
    }
    if (at != NULL) {
        *length = strcspn(at, "|");
    }
    return at;
}

static int choice_parse(const struct config_key *key, const char *text, size_t length, int32_t *index) {
    size_t size;
    const char *choice;
    for (int32_t i = 0; (choice = choice_at(key->choices, i, &size)) != NULL; i++) {
        if (size == length && memcmp(choice, text, size) == 0) {
            *index = i;
            return 0;
        }
    }
    return ERROR_FORMAT;
}

static int bool_parse(const char *text, size_t length, bool *value) {
    *value = length == 4 && memcmp(text, "true", 4) == 0;
    return *value || (length == 5 && memcmp(text, "false", 5) == 0) ? 0 : ERROR_FORMAT;
}

static int number_parse(const struct config_key *key, const char *text, size_t length, void *field) {
    int64_t value = 0;
    int code;
    switch (key->type) {
    case CONFIG_TYPE_INT:
        code = integer_parse(text, length, &value);
        break;
    case CONFIG_TYPE_E8:
        code = decimal_parse_e8(text, length, &value);
        break;
    case CONFIG_TYPE_PERCENT:
        code = percent_parse(text, length, &value);
        break;
    default:
        code = duration_parse(text, length, &value);
        break;
    }
    if (code == 0 && (value < key->minimum || value > key->maximum)) {
        code = ERROR_RANGE;
    }
    if (code == 0) {
        memcpy(field, &value, sizeof(value));
    }
    return code;
}

int config_value_parse(const struct config_key *key, const char *text, size_t length, void *target) {
    void *field = (unsigned char *)target + key->offset;
    switch (key->type) {
    case CONFIG_TYPE_TEXT:
        return text_parse(key, text, length, field);
    case CONFIG_TYPE_CHOICE:
        return choice_parse(key, text, length, field);
    case CONFIG_TYPE_BOOL:
        return bool_parse(text, length, field);
    default:
        return number_parse(key, text, length, field);
    }
}

static int64_t field_number(const struct config_key *key, const void *target) {
    int64_t value;
    memcpy(&value, (const unsigned char *)target + key->offset, sizeof(value));
    return value;
}

char *config_value_print(const struct config_key *key, const void *target, char *to, size_t size) {
    const void *field = (const unsigned char *)target + key->offset;
    size_t length = 0;
    switch (key->type) {
    case CONFIG_TYPE_TEXT:
        snprintf(to, size, "%s", (const char *)field);
        return to;
    case CONFIG_TYPE_BOOL:
        snprintf(to, size, "%s", *(const bool *)field ? "true" : "false");
        return to;
    case CONFIG_TYPE_CHOICE: {
        const char *choice = choice_at(key->choices, *(const int32_t *)field, &length);
        snprintf(to, size, "%.*s", (int)length, choice == NULL ? "" : choice);
        return to;
    }
    case CONFIG_TYPE_E8:
        return decimal_print_e8(field_number(key, target), to, size);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_PERCENT:
    case CONFIG_TYPE_DURATION:
        break;
    }
    return decimal_print(field_number(key, target), 0, to, size);
}

/* An amount of 10^-scale without needless zeros: "0.1", "25". */
static void print_short(int64_t value, int32_t scale, char *to, size_t size) {
    decimal_print(value, scale, to, size);
    size_t length = strlen(to);
    if (strchr(to, '.') != NULL) {
        while (length > 0 && to[length - 1] == '0') {
            to[--length] = '\0';
        }
        if (length > 0 && to[length - 1] == '.') {
            to[--length] = '\0';
        }
    }
}

static void print_duration(int64_t ns, char *to, size_t size) {
    size_t best = UNIT_COUNT - 1;
    for (size_t i = 0; i < UNIT_COUNT && ns != 0; i++) {
        if (ns % units[i].ns == 0) {
            best = i;
            break;
        }
    }
    snprintf(to, size, "%lld%s", (long long)(ns / units[best].ns), units[best].name);
}

static void bound_print(const struct config_key *key, int64_t value, char *to, size_t size) {
    switch (key->type) {
    case CONFIG_TYPE_E8:
        print_short(value, 8, to, size);
        break;
    case CONFIG_TYPE_PERCENT:
        print_short(value, PPM_DECIMALS_OF_PERCENT, to, size);
        break;
    case CONFIG_TYPE_DURATION:
        print_duration(value, to, size);
        break;
    default:
        print_short(value, 0, to, size);
        break;
    }
}

static void choices_print(const char *choices, char *to, size_t size) {
    size_t length = 0, used = 0;
    const char *choice;
    to[0] = '\0';
    for (int32_t i = 0; (choice = choice_at(choices, i, &length)) != NULL && used < size; i++) {
        const char *joint = i == 0 ? "" : choice[length] == '\0' ? " or " : ", ";
        int written = snprintf(to + used, size - used, "%s%.*s", joint, (int)length, choice);
        used += written > 0 ? (size_t)written : 0;
    }
}

char *config_value_bounds(const struct config_key *key, char *to, size_t size) {
    char low[48], high[48];
    to[0] = '\0';
    if (key->type == CONFIG_TYPE_CHOICE) {
        choices_print(key->choices, to, size);
    } else if (key->type == CONFIG_TYPE_TEXT) {
        snprintf(to, size, "at most %zu bytes", key->size - 1);
    } else if (key->type != CONFIG_TYPE_BOOL) {
        bound_print(key, key->minimum, low, sizeof(low));
        bound_print(key, key->maximum, high, sizeof(high));
        snprintf(to, size, "%s..%s", low, high);
    }
    return to;
}

char *config_value_wanted(const struct config_key *key, char *to, size_t size) {
    static const char *const forms[] = {
        "an integer", "a decimal number", "a percentage such as \"2.5 %\"", "true or false",
        "a text",     "one of",           "a duration such as 500ms, 90s, 5m, 72h or 1d",
    };
    char bounds[256];
    config_value_bounds(key, bounds, sizeof(bounds));
    bool unit = key->unit != NULL && key->unit[0] != '\0' && (key->type == CONFIG_TYPE_INT || key->type == CONFIG_TYPE_E8);
    snprintf(to, size, "%s%s%s%s%s%s", forms[key->type], bounds[0] != '\0' ? " " : "", bounds, unit ? " (" : "",
             unit ? key->unit : "", unit ? ")" : "");
    return to;
}
