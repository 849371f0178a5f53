/*
 * log.c - one line per event on stderr, as text for a terminal or as JSON for a collector.
 *
 * Guarantees: a line is written with one write(2), so lines of threads never mix; text that came from outside cannot forge
 * a second line or move a terminal's cursor, because control characters are escaped in both forms and JSON output is valid
 * even when the text is not UTF-8. A line that cannot be written is dropped: the log must never stop the trading.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TEXT_MAX 1024
#define LINE_MAX_BYTES (TEXT_MAX * 6 + 256) /* every byte may become \u00xx */

static struct {
    enum log_level level;
    bool json, colour;
} settings = {LOG_INFO, false, false};

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t used;
};

void log_setup(enum log_level level, bool json, bool colour) {
    settings.level = level;
    settings.json = json;
    settings.colour = colour && !json;
}

static void line_add(struct line *line, const char *text) {
    size_t length = strlen(text);
    size_t room = sizeof(line->bytes) - 1 - line->used;
    length = length < room ? length : room;
    memcpy(line->bytes + line->used, text, length);
    line->used += length;
}

/* Length of the UTF-8 sequence at `text` (terminated), 0 when it is not one; overlong forms and surrogates are not. */
static size_t utf8_length(const unsigned char *text) {
    unsigned lead = text[0], next = text[1];
    size_t length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool wrong = (lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) || (lead == 0xf0 && next < 0x90) ||
                 (lead == 0xf4 && next > 0x8f);
    return wrong ? 0 : length;
}

/* Escapes are the same in both forms, so that a line can be searched for either way; text output leaves quotes alone. */
static void line_add_escaped(struct line *line, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        char piece[8];
        size_t length = *at >= 0x80 ? utf8_length(at) : 1;
        if (length > 1) {
            memcpy(piece, at, length);
            piece[length] = '\0';
        } else if (length == 0 || *at < 0x20 || *at == 0x7f) {
            snprintf(piece, sizeof(piece), "\\u%04x", *at);
            length = 1;
        } else if (settings.json && (*at == '"' || *at == '\\')) {
            snprintf(piece, sizeof(piece), "\\%c", *at);
        } else {
            piece[0] = (char)*at;
            piece[1] = '\0';
        }
        line_add(line, piece);
        at += length;
    }
}

static void line_compose(struct line *line, enum log_level level, const char *area, const char *text) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    static const char *const colours[] = {"\033[31m", "\033[33m", "", "\033[2m"};
    char now[40];
    size_t index = (size_t)level < 4 ? (size_t)level : 3;
    clock_print(clock_utc_ns(), now, sizeof(now));
    line_add(line, settings.json ? "{\"time\":\"" : settings.colour ? colours[index] : "");
    line_add(line, now);
    line_add(line, settings.json ? "\",\"level\":\"" : " ");
    line_add(line, names[index]);
    line_add(line, settings.json ? "\",\"area\":\"" : " ");
    line_add_escaped(line, area);
    line_add(line, settings.json ? "\",\"text\":\"" : ": ");
    line_add_escaped(line, text);
    line_add(line, settings.json ? "\"}" : settings.colour ? "\033[0m" : "");
    line->bytes[line->used++] = '\n';
}

void log_line(enum log_level level, const char *area, const char *format, ...) {
    if (level > settings.level) {
        return;
    }
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    struct line line;
    line.used = 0;
    line_compose(&line, level, area, text);
    ssize_t written = write(STDERR_FILENO, line.bytes, line.used);
    (void)written;
}
