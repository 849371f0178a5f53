/*
 * imports.c - reads policy/imports.allow: which functions of libc and libm a strategy may import, each with its reason.
 *
 * A file that cannot be read, or a line without a reason, is an error: an empty list would refuse every strategy, and a
 * guess would admit one.
 */
#include "jailer/lint.h"

#include <stdio.h>
#include <string.h>

static int line_take(struct imports_allowed *allowed, char *line, const char *path, unsigned number, struct error *error) {
    char *end = strpbrk(line, "#\n");
    if (end) {
        *end = '\0';
    }
    char *name = strtok_r(line, " \t", &end);
    if (!name) {
        return 0;
    }
    if (!strtok_r(NULL, " \t", &end)) {
        return error_set(error, ERROR_CONFIG, "%s:%u: %.64s has no reason; wanted: symbol, blank, reason", path, number, name);
    }
    if (strlen(name) >= sizeof(allowed->names[0]) || allowed->count == ALLOWED_MAX) {
        return error_set(error, ERROR_FULL, "%s:%u: a name is at most 63 bytes, and there are at most %d", path, number,
                         ALLOWED_MAX);
    }
    snprintf(allowed->names[allowed->count++], sizeof(allowed->names[0]), "%s", name);
    return 0;
}

int imports_load(struct imports_allowed *allowed, const char *path, struct error *error) {
    allowed->count = 0;
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set_errno(error, "%s", path);
    }
    char line[512];
    int code = 0;
    for (unsigned number = 1; !code && fgets(line, sizeof(line), file); number++) {
        code = line_take(allowed, line, path, number, error);
    }
    if (!code && ferror(file)) {
        code = error_set_errno(error, "%s", path);
    }
    fclose(file);
    return code;
}

bool imports_contain(const struct imports_allowed *allowed, const char *name) {
    for (uint32_t i = 0; i < allowed->count; i++) {
        if (strcmp(allowed->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}
