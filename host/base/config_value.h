/*
 * config_value.h - one value of a configuration: text -> field, field -> canonical text, and what is allowed in words.
 * Used by config.c for files and defaults alike, so a default can never be something a file may not say.
 */
#ifndef BASE_CONFIG_VALUE_H
#define BASE_CONFIG_VALUE_H

#include <stddef.h>

#include "base/config.h"

#define CONFIG_VALUE_TEXT_MAX 512 /* longest value, the final NUL included */

/* Reads `text` into the key's field of `target`: 0, ERROR_FORMAT (not of this type) or ERROR_RANGE (outside its bounds). */
int config_value_parse(const struct config_key *key, const char *text, size_t length, void *target);

/* The value in force in canonical form: the same for every spelling of the same value. Returns `to`. */
char *config_value_print(const struct config_key *key, const void *target, char *to, size_t size);

/* What the key allows, for people: "an integer 1..1024 (positions)". Returns `to`. */
char *config_value_wanted(const struct config_key *key, char *to, size_t size);

/* The bounds alone ("1..1024", "active, reducing or halted"), "" when there are none. Returns `to`. */
char *config_value_bounds(const struct config_key *key, char *to, size_t size);

/* "integer", "decimal", "percent", ... */
const char *config_type_name(enum config_type type);

#endif
