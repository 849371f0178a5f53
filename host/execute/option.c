/*
 * option.c - reads "key=value,key=value" of venues.
 *
 * Guarantees: nothing is guessed; each refusal names venue, key, what was found and what is allowed. A value runs up to the
 * next comma, so paths with commas cannot be given. No allocation.
 */
#include "execute/option.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"

struct pair {
    const char *key, *value; /* value NULL = bare key */
    size_t key_length, value_length;
};

static const char *pair_take(const char *text, struct pair *pair) {
    size_t length = strcspn(text, ",");
    const char *equals = memchr(text, '=', length);
    pair->key = text;
    pair->key_length = equals != NULL ? (size_t)(equals - text) : length;
    pair->value = equals != NULL ? equals + 1 : NULL;
    pair->value_length = equals != NULL ? length - pair->key_length - 1 : 0;
    return text[length] == ',' ? text + length + 1 : text + length;
}

static bool value_is(const struct pair *pair, const char *word) {
    return strlen(word) == pair->value_length && memcmp(word, pair->value, pair->value_length) == 0;
}

static int integer_read(const char *venue, const struct option_key *key, const struct pair *pair, int64_t *out, struct error *error) {
    char digits[24] = "";
    char *end = digits;
    errno = 0;
    if (pair->value != NULL && pair->value_length > 0 && pair->value_length < sizeof(digits)) {
        memcpy(digits, pair->value, pair->value_length);
        *out = strtoll(digits, &end, 10);
    }
    if (end == digits || *end != '\0' || errno != 0 || *out < key->minimum || *out > key->maximum) {
        return error_set(error, ERROR_CONFIG, "%s: option %s: found '%.*s', allowed is %lld..%lld", venue, key->name,
                         (int)pair->value_length, pair->value != NULL ? pair->value : "", (long long)key->minimum,
                         (long long)key->maximum);
    }
    return 0;
}

static int bool_read(const char *venue, const struct option_key *key, const struct pair *pair, bool *out, struct error *error) {
    bool yes = pair->value == NULL || value_is(pair, "true") || value_is(pair, "1");
    if (!yes && !value_is(pair, "false") && !value_is(pair, "0")) {
        return error_set(error, ERROR_CONFIG, "%s: option %s: found '%.*s', allowed is true or false", venue, key->name,
                         (int)pair->value_length, pair->value);
    }
    *out = yes;
    return 0;
}

static int text_read(const char *venue, const struct option_key *key, const struct pair *pair, char *out, struct error *error) {
    if (pair->value == NULL || pair->value_length == 0 || pair->value_length >= key->size) {
        return error_set(error, ERROR_CONFIG, "%s: option %s: found %zu bytes, allowed is 1..%zu", venue, key->name,
                         pair->value_length, key->size - 1);
    }
    memcpy(out, pair->value, pair->value_length);
    out[pair->value_length] = '\0';
    return 0;
}

static int choice_read(const char *venue, const struct option_key *key, const struct pair *pair, int32_t *out, struct error *error) {
    int32_t index = 0;
    for (const char *at = key->choices; pair->value != NULL && *at != '\0'; index++) {
        size_t length = strcspn(at, "|");
        if (length == pair->value_length && memcmp(at, pair->value, length) == 0) {
            *out = index;
            return 0;
        }
        at += length + (at[length] == '|');
    }
    return error_set(error, ERROR_CONFIG, "%s: option %s: found '%.*s', allowed is %s", venue, key->name, (int)pair->value_length,
                     pair->value != NULL ? pair->value : "", key->choices);
}

static int value_read(const char *venue, const struct option_key *key, const struct pair *pair, void *target, struct error *error) {
    void *field = (unsigned char *)target + key->offset;
    int64_t number = 0;
    int code = 0;
    switch (key->type) {
    case OPTION_BOOL:
        return bool_read(venue, key, pair, field, error);
    case OPTION_TEXT:
        return text_read(venue, key, pair, field, error);
    case OPTION_CHOICE:
        return choice_read(venue, key, pair, field, error);
    case OPTION_INT:
    case OPTION_MS:
        break;
    }
    code = integer_read(venue, key, pair, &number, error);
    if (code == 0) {
        number *= key->type == OPTION_MS ? NS_PER_MS : 1;
        memcpy(field, &number, sizeof(number));
    }
    return code;
}

int options_read(const char *venue, const char *text, const struct option_key *keys, size_t count, void *target,
                 struct error *error) {
    uint64_t seen = 0;
    while (text != NULL && *text != '\0') {
        struct pair pair;
        size_t i = 0;
        text = pair_take(text, &pair);
        while (i < count && (strlen(keys[i].name) != pair.key_length || memcmp(keys[i].name, pair.key, pair.key_length) != 0)) {
            i++;
        }
        if (i == count || i >= OPTIONS_MAX) {
            return error_set(error, ERROR_CONFIG, "%s: unknown option '%.*s'", venue, (int)pair.key_length, pair.key);
        }
        if ((seen >> i & 1) != 0) {
            return error_set(error, ERROR_CONFIG, "%s: option %s is given twice", venue, keys[i].name);
        }
        seen |= UINT64_C(1) << i;
        int code = value_read(venue, &keys[i], &pair, target, error);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}
