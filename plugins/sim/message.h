/*
 * message.h - the lines between the host and the exchange process, and of its order log: one flat JSON object a line, with
 * text, whole numbers and true/false only. Bounded, no allocation, no recursion.
 */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX_BYTES 2048   /* of one line, newline included */
#define MESSAGE_FIELDS_MAX 24
#define MESSAGE_KEY_MAX 16
#define MESSAGE_TEXT_MAX 128

struct message_field {
    char key[MESSAGE_KEY_MAX];
    bool is_number;            /* true and false are 1 and 0 */
    int64_t number;
    char text[MESSAGE_TEXT_MAX];
};

struct message {
    uint32_t count;
    struct message_field fields[MESSAGE_FIELDS_MAX];
};

/* ERROR_FORMAT for anything that is not exactly such an object; keys given twice, \u escapes and control characters too. */
int message_parse(struct message *message, const char *line, size_t length);
/* The field's text, "" when it is absent or a number. */
const char *message_text(const struct message *message, const char *key);
/* The field's number, or `fallback` when it is absent or text. */
int64_t message_number(const struct message *message, const char *key, int64_t fallback);

/* A line being written. What does not fit sets `full`; message_end() then returns 0. */
struct message_line {
    char bytes[MESSAGE_MAX_BYTES];
    size_t used;
    bool full;
};

void message_begin(struct message_line *line, const char *key, const char *text);
void message_add_text(struct message_line *line, const char *key, const char *text);
void message_add_number(struct message_line *line, const char *key, int64_t number);
/* Ends with '\n'; returns the bytes of the line. */
size_t message_end(struct message_line *line);

#endif
