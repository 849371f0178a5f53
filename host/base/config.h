/*
 * config.h - YAML files against a table of what is allowed. An unknown key, a wrong type, a value out of range, a key given
 * twice, an anchor, alias or tag: refused with file:line:column, what was found and what is allowed. Decimals are exact.
 *
 *   static const struct config_key keys[] = {
 *       CONFIG_INT(struct risk, positions_max, "limits.positions_max", "positions", 1, 1024, "1024", "positions open at once"),
 *       ... };
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum config_type {
    CONFIG_TYPE_INT,     /* int64_t */
    CONFIG_TYPE_E8,      /* int64_t, decimal text x 1e-8 ("0.1", "-3", "2.5e-3") */
    CONFIG_TYPE_PERCENT, /* int64_t in ppm: "2.5 %" or "2.5%" = 25,000; a bare number is refused */
    CONFIG_TYPE_BOOL,    /* bool: true or false */
    CONFIG_TYPE_TEXT,    /* char[size] */
    CONFIG_TYPE_CHOICE,  /* int32_t: index into a "a|b|c" list */
    CONFIG_TYPE_DURATION /* int64_t ns: "500ms", "90s", "5m", "72h", "1d" */
};

/* One allowed key. Dotted path from the root of the document (or of a list item). */
struct config_key {
    const char *path;
    enum config_type type;
    size_t offset;           /* of the field in the target struct */
    size_t size;             /* of a text field */
    const char *unit;        /* shown to people: "USD", "ticks" */
    int64_t minimum, maximum;/* in the field's own unit */
    const char *fallback;    /* default as it would be written; NULL = required */
    const char *choices;     /* CHOICE: "active|reducing|halted" */
    const char *doc;         /* one sentence */
};

/* Where a value came from, for refusals that name the line of the rule: one entry per key of the schema. */
struct config_origin {
    int line, column;        /* 0 = default */
};

/*
 * Reads `path` into `target` by `keys` (count). Missing keys take their fallback. `origins` may be NULL, else has `count`
 * entries. `hash` (32 bytes, may be NULL) gets the SHA-256 of the canonical form: every key of the schema as "path=value\n"
 * in table order with the value in force, so that comments, order and spelling do not matter.
 */
int config_read(const char *path, const struct config_key *keys, size_t count, void *target, struct config_origin *origins,
                unsigned char *hash, struct error *error);

/* The same from memory; `name` stands for the file in messages. */
int config_read_text(const char *name, const char *text, size_t length, const struct config_key *keys, size_t count,
                     void *target, struct config_origin *origins, unsigned char *hash, struct error *error);

/*
 * A document that is one list of mappings under `root` ("instruments"): calls `item` for each, with `target` (of `size`
 * bytes, zeroed, then filled by `keys`) and the line it starts at. Stops at the first non-zero return, which it returns.
 */
int config_read_list(const char *path, const char *root, const struct config_key *keys, size_t count, void *target,
                     size_t size, int (*item)(void *context, const void *target, int line, struct error *error),
                     void *context, unsigned char *hash, struct error *error);

/* The same from memory; `name` stands for the file in messages. */
int config_read_list_text(const char *name, const char *text, size_t length, const char *root, const struct config_key *keys,
                          size_t count, void *target, size_t size,
                          int (*item)(void *context, const void *target, int line, struct error *error), void *context,
                          unsigned char *hash, struct error *error);

/* Every key with type, range, unit, default and doc as a Markdown table. */
void config_print_schema(const struct config_key *keys, size_t count, void (*put)(void *context, const char *text), void *context);

#define CONFIG_FIELD(type_, struct_, field_, path_, unit_, min_, max_, default_, doc_)                                       \
    { path_, type_, offsetof(struct_, field_), sizeof(((struct_ *)0)->field_), unit_, min_, max_, default_, NULL, doc_ }
#define CONFIG_INT(s, f, path, unit, min, max, def, doc) CONFIG_FIELD(CONFIG_TYPE_INT, s, f, path, unit, min, max, def, doc)
#define CONFIG_E8(s, f, path, unit, min, max, def, doc) CONFIG_FIELD(CONFIG_TYPE_E8, s, f, path, unit, min, max, def, doc)
#define CONFIG_PERCENT(s, f, path, min, max, def, doc) CONFIG_FIELD(CONFIG_TYPE_PERCENT, s, f, path, "%", min, max, def, doc)
#define CONFIG_BOOL(s, f, path, def, doc) CONFIG_FIELD(CONFIG_TYPE_BOOL, s, f, path, "", 0, 1, def, doc)
#define CONFIG_TEXT(s, f, path, def, doc) CONFIG_FIELD(CONFIG_TYPE_TEXT, s, f, path, "", 0, 0, def, doc)
#define CONFIG_DURATION(s, f, path, min, max, def, doc) CONFIG_FIELD(CONFIG_TYPE_DURATION, s, f, path, "duration", min, max, def, doc)
#define CONFIG_CHOICE(s, f, path, choices_, def, doc)                                                                        \
    { path, CONFIG_TYPE_CHOICE, offsetof(s, f), sizeof(((s *)0)->f), "", 0, 0, def, choices_, doc }

#endif
