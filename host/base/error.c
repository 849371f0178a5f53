/*
 * error.c - the texts of the one error space, and how a failure is put into words.
 *
 * Guarantees: error_set never fails, never allocates and always leaves a terminated text, cut where it does not fit. It
 * keeps errno out of the reader's sight except where error_set_errno was asked for it. It does not print: the command that
 * gave up decides where the text goes.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void error_format(struct error *error, int code, const char *format, va_list arguments) {
    error->code = code;
    if (vsnprintf(error->text, sizeof(error->text), format, arguments) < 0) {
        error->text[0] = '\0';
    }
}

int error_set(struct error *error, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error_format(error, code, format, arguments);
    va_end(arguments);
    return code;
}

static int error_code_of_errno(int number) {
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return ERROR_DISK_FULL;
    case ENOENT:
        return ERROR_NOT_FOUND;
    default:
        return ERROR_SYSTEM;
    }
}

int error_set_errno(struct error *error, const char *format, ...) {
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    error_format(error, error_code_of_errno(number), format, arguments);
    va_end(arguments);
    size_t used = strlen(error->text);
    /* the GNU strerror_r, because strerror is not safe with the journal and helper threads running */
    char words[128];
    snprintf(error->text + used, sizeof(error->text) - used, ": %s", strerror_r(number, words, sizeof(words)));
    errno = number;
    return error->code;
}

const char *error_name(int code) {
    switch (code) {
    case ERROR_NONE:
        return "ERROR_NONE";
#define X(name, number, exit_code, text) \
    case number:                         \
        return #name;
        ERROR_LIST(X)
#undef X
    default:
        return "unknown";
    }
}

const char *error_text(int code) {
    switch (code) {
    case ERROR_NONE:
        return "no error";
#define X(name, number, exit_code, text) \
    case number:                         \
        return text;
        ERROR_LIST(X)
#undef X
    default:
        return "unknown";
    }
}

int error_exit_status(int code) {
    switch (code) {
    case ERROR_NONE:
        return 0;
#define X(name, number, exit_code, text) \
    case number:                         \
        return exit_code;
        ERROR_LIST(X)
#undef X
    default:
        return 1;
    }
}
