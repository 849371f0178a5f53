/*
 * error.h - one error space for the whole host: negative codes, each with a text and an exit code of the command line.
 *
 * A call that can fail returns 0 or one of these codes. Where a human will read the reason, the call also takes a
 * `struct error *` (never NULL) and fills it: what was looked at (file, line, column), what was found, what was wanted.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/*        name            code  exit  text */
#define ERROR_LIST(X)                                                  \
    X(ERROR_GENERAL,       -1,   1,  "error")                          \
    X(ERROR_NOT_FOUND,     -2,   2,  "not found")                      \
    X(ERROR_NOT_RUNNING,   -3,   3,  "not running")                    \
    X(ERROR_CONFIG,        -4,   4,  "configuration refused")          \
    X(ERROR_TIMEOUT,       -5,   5,  "timeout")                        \
    X(ERROR_REFUSED,       -6,   6,  "refused by a safety rule")       \
    X(ERROR_INTEGRITY,     -7,   7,  "integrity failure")              \
    X(ERROR_VENUE,         -8,   8,  "venue or authentication failure")\
    X(ERROR_USAGE,         -9,  64,  "usage")                          \
    X(ERROR_FORMAT,       -10,   1,  "malformed input")                \
    X(ERROR_RANGE,        -11,   1,  "value out of range")             \
    X(ERROR_OVERFLOW,     -12,   1,  "arithmetic overflow")            \
    X(ERROR_FULL,         -13,   1,  "a limit is reached")             \
    X(ERROR_SYSTEM,       -14,   1,  "system call failed")             \
    X(ERROR_DISK_FULL,    -15,   1,  "disk full")                      \
    X(ERROR_SLOT,         -16,   1,  "strategy slot failed")           \
    X(ERROR_ABI,          -17,   6,  "strategy file refused")

enum error_code {
    ERROR_NONE = 0,
#define X(name, code, exit_code, text) name = code,
    ERROR_LIST(X)
#undef X
};

#define ERROR_TEXT_MAX 480

/* The last failure in words. Zeroed = no failure. */
struct error {
    int code;
    char text[ERROR_TEXT_MAX];
};

/* Fills `error` (text cut to fit) and returns `code`, so that `return error_set(...)` reads well. */
int error_set(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Like error_set with ": strerror(errno)" appended; ENOSPC and EDQUOT become ERROR_DISK_FULL, ENOENT ERROR_NOT_FOUND. */
int error_set_errno(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The constant name and text of a code; "unknown" for others. */
const char *error_name(int code);
const char *error_text(int code);

/* The exit status of a command that ends with `code` (0 -> 0). */
int error_exit_status(int code);

#endif
