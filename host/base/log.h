/*
 * log.h - what the host says while it works: one line per event on stderr, as text or as JSON.
 * Not the journal: nothing is decided or recovered from a log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR = 0, LOG_WARNING = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

/* Process-wide; set once at start. `colour` only matters for text. */
void log_setup(enum log_level level, bool json, bool colour);

/* `area` is the folder that speaks ("data", "enforce"). Control characters in the text are escaped. */
void log_line(enum log_level level, const char *area, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
