/*
 * option.h - the option text of a venue ("seed=7,fill=partial,step") against a table of what it knows. An unknown key, a
 * key given twice, a wrong type and a value out of range are refused with what was found and what is allowed.
 */
#ifndef EXECUTE_OPTION_H
#define EXECUTE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OPTIONS_MAX 64

enum option_type {
    OPTION_INT,      /* int64_t */
    OPTION_MS,       /* int64_t ns, written in milliseconds */
    OPTION_BOOL,     /* bool; a bare key means true */
    OPTION_TEXT,     /* char[size] */
    OPTION_CHOICE    /* int32_t: index into "a|b|c" */
};

/* One key. The target holds its default already: options_read() only writes what the text names. */
struct option_key {
    const char *name;
    enum option_type type;
    size_t offset, size;
    int64_t minimum, maximum;  /* INT, and MS in milliseconds */
    const char *choices;       /* CHOICE */
};

/* `venue` stands in messages. An empty or NULL text is no option at all. ERROR_CONFIG leaves `target` partly written. */
int options_read(const char *venue, const char *text, const struct option_key *keys, size_t count, void *target,
                 struct error *error);

#endif
