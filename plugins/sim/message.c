/*
 * message.c - flat JSON lines, read and written.
 *
 * Guarantees: whatever the bytes, reading stops inside them, fills at most MESSAGE_FIELDS_MAX fields and says ERROR_FORMAT
 * for everything it would not have written itself; what message_end() returned parses back to the same fields.
 * Deliberately not here: nesting, fractions, null. Nothing between host and exchange needs them.
 */
#include "sim/message.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *c, char wanted) {
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static int take_text(struct cursor *c, char *out, size_t size) {
    size_t used = 0;
    if (!take(c, '"')) {
        return ERROR_FORMAT;
    }
    while (c->at < c->end && *c->at != '"') {
        char byte = *c->at++;
        if (byte == '\\') {
            if (c->at == c->end || (*c->at != '"' && *c->at != '\\')) {
                return ERROR_FORMAT;
            }
            byte = *c->at++;
        }
        if ((unsigned char)byte < 0x20 || used + 1 >= size) {
            return ERROR_FORMAT;
        }
        out[used++] = byte;
    }
    out[used] = '\0';
    return take(c, '"') ? 0 : ERROR_FORMAT;
}

static int take_number(struct cursor *c, int64_t *out) {
    bool negative = take(c, '-');
    int64_t value = 0;
    const char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        int64_t digit = *c->at++ - '0';
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value)) {
            return ERROR_FORMAT;
        }
    }
    *out = value;
    return c->at == from || (*from == '0' && c->at != from + 1) ? ERROR_FORMAT : 0;
}

static bool take_word(struct cursor *c, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) {
        return false;
    }
    c->at += length;
    return true;
}

static int take_field(struct cursor *c, struct message_field *field) {
    memset(field, 0, sizeof(*field));
    if (take_text(c, field->key, sizeof(field->key)) != 0 || !take(c, ':') || c->at == c->end) {
        return ERROR_FORMAT;
    }
    if (*c->at == '"') {
        return take_text(c, field->text, sizeof(field->text));
    }
    field->is_number = true;
    if (take_word(c, "true")) {
        field->number = 1;
        return 0;
    }
    return take_word(c, "false") ? 0 : take_number(c, &field->number);
}

static const struct message_field *field_find(const struct message *message, const char *key) {
    for (uint32_t i = 0; i < message->count; i++) {
        if (strcmp(message->fields[i].key, key) == 0) {
            return &message->fields[i];
        }
    }
    return NULL;
}

int message_parse(struct message *message, const char *line, size_t length) {
    struct cursor c = {line, line + length};
    message->count = 0;
    if (!take(&c, '{')) {
        return ERROR_FORMAT;
    }
    do {
        struct message_field field;
        if (message->count == MESSAGE_FIELDS_MAX || take_field(&c, &field) != 0 || field_find(message, field.key) != NULL) {
            return ERROR_FORMAT;
        }
        message->fields[message->count++] = field;
    } while (take(&c, ','));
    return take(&c, '}') && c.at == c.end ? 0 : ERROR_FORMAT;
}

const char *message_text(const struct message *message, const char *key) {
    const struct message_field *field = field_find(message, key);
    return field != NULL && !field->is_number ? field->text : "";
}

int64_t message_number(const struct message *message, const char *key, int64_t fallback) {
    const struct message_field *field = field_find(message, key);
    return field != NULL && field->is_number ? field->number : fallback;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

static void put(struct message_line *line, const char *bytes, size_t length) {
    if (line->full || line->used + length + 3 > sizeof(line->bytes)) { /* room for "}\n" and NUL is always kept */
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->used, bytes, length);
    line->used += length;
}

static void put_text(struct message_line *line, const char *text) {
    put(line, "\"", 1);
    for (; *text != '\0'; text++) {
        char byte = (unsigned char)*text < 0x20 ? ' ' : *text;
        if (byte == '"' || byte == '\\') {
            put(line, "\\", 1);
        }
        put(line, &byte, 1);
    }
    put(line, "\"", 1);
}

void message_add_text(struct message_line *line, const char *key, const char *text) {
    put(line, line->used == 0 ? "{" : ",", 1);
    put_text(line, key);
    put(line, ":", 1);
    put_text(line, text);
}

void message_begin(struct message_line *line, const char *key, const char *text) {
    line->used = 0;
    line->full = false;
    message_add_text(line, key, text);
}

void message_add_number(struct message_line *line, const char *key, int64_t number) {
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)number);
    put(line, line->used == 0 ? "{" : ",", 1);
    put_text(line, key);
    put(line, ":", 1);
    put(line, digits, (size_t)length);
}

size_t message_end(struct message_line *line) {
    if (line->full) {
        return 0;
    }
    line->bytes[line->used++] = '}';
    line->bytes[line->used++] = '\n';
    line->bytes[line->used] = '\0';
    return line->used;
}
