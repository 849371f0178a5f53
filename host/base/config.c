/*
 * config.c - YAML documents against a table of what is allowed.
 *
 * Guarantees
 *   1. What is not in the table is refused where it stands (file:line:column), with what was found and what is allowed.
 *   2. Every key is given at most once, and every key of the table has a value afterwards: from the file or its default.
 *   3. Anchors, aliases, tags, directives and second documents are refused: a reader must see the value where the key is.
 *   4. Work is bounded: 1 MiB of text, paths of PATH_MAX_BYTES, nesting no deeper than the table's.
 *   5. The hash covers the values in force in table order, so comments, order and spelling do not change it.
 * The reader streams libyaml's events and builds no tree: the first thing that is wrong ends the reading, and a hostile
 * document costs no memory. There is no inheritance, no include and no environment lookup, for the reason in 3.
 */
#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/config_value.h"
#include "base/hash.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define PATH_MAX_BYTES 128
#define SECTIONS_MAX 64
#define SHOWN_MAX 48 /* of a value in a message */

/* A section of the document that was opened: `length` bytes of keys[key].path. */
struct section {
    size_t key, length;
    yaml_mark_t mark;
};

/* One reading of one document (or list item). */
struct reader {
    yaml_parser_t parser;
    const char *name;
    const struct config_key *keys;
    size_t count;
    void *target;
    struct config_origin *origins; /* `count`; line 0 = not given so far */
    struct section sections[SECTIONS_MAX];
    size_t section_count;
    yaml_mark_t start;             /* of the document or item */
    char path[PATH_MAX_BYTES];     /* of the key being read */
    struct hash hash;
    struct error *error;
};

/* ---- messages ----------------------------------------------------------------------------------------------------------- */

static int refuse(struct reader *reader, yaml_mark_t mark, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(struct reader *reader, yaml_mark_t mark, const char *format, ...) {
    char words[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    return error_set(reader->error, ERROR_CONFIG, "%s:%zu:%zu: %s", reader->name, mark.line + 1, mark.column + 1, words);
}

/* Printable, quoted and cut form of text from the file. */
static const char *shown(const char *text, size_t length, char to[SHOWN_MAX + 8]) {
    size_t used = 0;
    to[used++] = '"';
    for (size_t i = 0; i < length && i < SHOWN_MAX; i++) {
        to[used++] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    }
    to[used++] = '"';
    memcpy(to + used, length > SHOWN_MAX ? "..." : "", length > SHOWN_MAX ? 4 : 1);
    return to;
}

/* What kind of thing an event starts, for "found ...". */
static const char *event_shown(const yaml_event_t *event, char to[SHOWN_MAX + 8]) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.length == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
            return "nothing";
        }
        return shown((const char *)event->data.scalar.value, event->data.scalar.length, to);
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a section";
    default:
        return "the end";
    }
}

/* ---- the nearest allowed key -------------------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Edit distance; both texts are shorter than PATH_MAX_BYTES. */
static size_t distance(const char *a, const char *b) {
    size_t row[PATH_MAX_BYTES + 1];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smaller(replaced, smaller(row[j + 1], row[j]) + 1);
        }
    }
    return row[width];
}

/* The right key in the wrong section is nearer than any misspelling. */
static size_t key_distance(const char *found, const char *allowed) {
    size_t found_length = strlen(found), allowed_length = strlen(allowed);
    if (allowed_length >= PATH_MAX_BYTES) {
        return SIZE_MAX;
    }
    if (allowed_length > found_length && allowed[allowed_length - found_length - 1] == '.' &&
        strcmp(allowed + allowed_length - found_length, found) == 0) {
        return 1;
    }
    return distance(found, allowed);
}

static const char *nearest_key(const struct reader *reader) {
    const char *best = NULL;
    size_t limit = strlen(reader->path) / 3;
    size_t best_distance = limit < 2 ? 3 : limit + 1;
    for (size_t i = 0; i < reader->count; i++) {
        size_t steps = key_distance(reader->path, reader->keys[i].path);
        if (steps < best_distance) {
            best_distance = steps;
            best = reader->keys[i].path;
        }
    }
    return best;
}

/* The names allowed directly under the first `length` bytes of the path, each once: "cash, limits, mode". */
static const char *allowed_here(const struct reader *reader, size_t length, char *to, size_t size) {
    size_t used = 0;
    const char *last = NULL;
    size_t last_length = 0;
    to[0] = '\0';
    for (size_t i = 0; i < reader->count; i++) {
        const char *path = reader->keys[i].path;
        if (strncmp(path, reader->path, length) != 0 || (length > 0 && path[length] != '.')) {
            continue;
        }
        const char *name = path + length + (length > 0);
        size_t name_length = strcspn(name, ".");
        if ((last != NULL && last_length == name_length && memcmp(last, name, name_length) == 0) || used >= size) {
            continue;
        }
        int written = snprintf(to + used, size - used, "%s%.*s", used == 0 ? "" : ", ", (int)name_length, name);
        used += written > 0 ? (size_t)written : 0;
        last = name;
        last_length = name_length;
    }
    return to;
}

static int refuse_unknown(struct reader *reader, yaml_mark_t mark, size_t parent_length) {
    char allowed[256];
    char quoted[SHOWN_MAX + 8];
    const char *near = nearest_key(reader);
    shown(reader->path, strlen(reader->path), quoted);
    if (near != NULL) {
        return refuse(reader, mark, "found unknown key %s, did you mean \"%s\"?", quoted, near);
    }
    allowed_here(reader, parent_length, allowed, sizeof(allowed));
    return refuse(reader, mark, "found unknown key %s, allowed here: %s", quoted, allowed);
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

/* Line and column of a byte, for errors that libyaml reports by offset. */
static yaml_mark_t mark_of_offset(const char *text, size_t length, size_t offset) {
    yaml_mark_t mark = {offset, 0, 0};
    for (size_t i = 0; i < offset && i < length; i++) {
        if (text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else {
            mark.column += ((unsigned char)text[i] & 0xc0) != 0x80;
        }
    }
    return mark;
}

static int refuse_syntax(struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem == NULL ? "unreadable" : parser->problem;
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_MEMORY_ERROR) {
        return error_set(reader->error, ERROR_SYSTEM, "%s: out of memory", reader->name);
    }
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_offset((const char *)parser->input.string.start,
                              (size_t)(parser->input.string.end - parser->input.string.start), parser->problem_offset);
    }
    return refuse(reader, mark, "found malformed YAML, %s%s%s", problem, parser->context == NULL ? "" : " ",
                  parser->context == NULL ? "" : parser->context);
}

static int refuse_feature(struct reader *reader, const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return refuse(reader, event->start_mark, "found an alias (*), wanted the value itself");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.version_directive != NULL ||
            event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end) {
            return refuse(reader, event->start_mark, "found a %% directive, wanted plain keys and values");
        }
        return 0;
    default:
        return 0;
    }
    if (anchor != NULL) {
        return refuse(reader, event->start_mark, "found an anchor (&), wanted a plain value");
    }
    return tag == NULL ? 0 : refuse(reader, event->start_mark, "found a tag (!), wanted a plain value");
}

/* The next event, checked for forbidden features. On failure there is no event to delete. */
static int event_next(struct reader *reader, yaml_event_t *event) {
    if (!yaml_parser_parse(&reader->parser, event)) {
        return refuse_syntax(reader);
    }
    int code = refuse_feature(reader, event);
    if (code != 0) {
        yaml_event_delete(event);
    }
    return code;
}

/* ---- keys and values ---------------------------------------------------------------------------------------------------- */

static bool key_is_under(const struct config_key *key, const char *path, size_t length) {
    return strncmp(key->path, path, length) == 0 && key->path[length] == '.';
}

/* Index of the key with the current path, else of the first key under it (*section = true), else `count`. */
static size_t key_find(const struct reader *reader, bool *section) {
    size_t length = strlen(reader->path);
    size_t first = reader->count;
    *section = false;
    for (size_t i = 0; i < reader->count; i++) {
        if (strcmp(reader->keys[i].path, reader->path) == 0) {
            *section = false;
            return i;
        }
        if (first == reader->count && key_is_under(&reader->keys[i], reader->path, length)) {
            first = i;
            *section = true;
        }
    }
    return first;
}

static int refuse_twice(struct reader *reader, yaml_mark_t mark, size_t line) {
    return refuse(reader, mark, "found key \"%s\" twice, wanted it once (first on line %zu)", reader->path, line);
}

static int section_open(struct reader *reader, size_t key, yaml_mark_t mark) {
    size_t length = strlen(reader->path);
    for (size_t i = 0; i < reader->section_count; i++) {
        const struct section *seen = &reader->sections[i];
        if (seen->length == length && strncmp(reader->keys[seen->key].path, reader->path, length) == 0) {
            return refuse_twice(reader, mark, seen->mark.line + 1);
        }
    }
    if (reader->section_count == SECTIONS_MAX) {
        return refuse(reader, mark, "found more than %d sections", SECTIONS_MAX);
    }
    reader->sections[reader->section_count++] = (struct section){key, length, mark};
    return 0;
}

static int value_take(struct reader *reader, size_t index, const yaml_event_t *event) {
    const struct config_key *key = &reader->keys[index];
    char found[SHOWN_MAX + 8], wanted[320];
    config_value_wanted(key, wanted, sizeof(wanted));
    bool nothing = event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
                   event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (event->type != YAML_SCALAR_EVENT || nothing ||
        config_value_parse(key, (const char *)event->data.scalar.value, event->data.scalar.length, reader->target) != 0) {
        return refuse(reader, event->start_mark, "%s: found %s, wanted %s", key->path, event_shown(event, found), wanted);
    }
    reader->origins[index].line = (int)event->start_mark.line + 1;
    reader->origins[index].column = (int)event->start_mark.column + 1;
    return 0;
}

static int mapping_read(struct reader *reader, size_t parent_length);

/* The value of a section key: a mapping, or nothing at all (everything in it is commented out). */
static int section_take(struct reader *reader, const yaml_event_t *event) {
    char found[SHOWN_MAX + 8], allowed[256];
    size_t length = strlen(reader->path);
    if (event->type == YAML_MAPPING_START_EVENT) {
        return mapping_read(reader, length);
    }
    if (event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0) {
        return 0;
    }
    allowed_here(reader, length, allowed, sizeof(allowed));
    return refuse(reader, event->start_mark, "%s: found %s, wanted a section with %s", reader->path,
                  event_shown(event, found), allowed);
}

/* Appends the key of `event` to the path. */
static int path_extend(struct reader *reader, const yaml_event_t *event, size_t parent_length) {
    char found[SHOWN_MAX + 8];
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.length == 0) {
        return refuse(reader, event->start_mark, "found %s, wanted a key", event_shown(event, found));
    }
    const char *name = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    size_t at = parent_length + (parent_length > 0);
    /* a dot inside a key would let "a.b: 1" pass for section a, key b: one spelling only */
    if (length >= sizeof(reader->path) - at || memchr(name, '.', length) != NULL || memchr(name, '\0', length) != NULL) {
        return refuse(reader, event->start_mark, "found unknown key %s", shown(name, length, found));
    }
    reader->path[parent_length] = '.';
    memcpy(reader->path + at, name, length);
    reader->path[at + length] = '\0';
    return 0;
}

/* One "key: value" whose key event is at hand. */
static int entry_read(struct reader *reader, const yaml_event_t *key_event, size_t parent_length) {
    bool section;
    int code = path_extend(reader, key_event, parent_length);
    if (code != 0) {
        return code;
    }
    size_t index = key_find(reader, &section);
    if (index == reader->count) {
        return refuse_unknown(reader, key_event->start_mark, parent_length);
    }
    if (section) {
        code = section_open(reader, index, key_event->start_mark);
    } else if (reader->origins[index].line != 0) {
        code = refuse_twice(reader, key_event->start_mark, (size_t)reader->origins[index].line);
    }
    yaml_event_t value;
    if (code != 0 || (code = event_next(reader, &value)) != 0) {
        return code;
    }
    code = section ? section_take(reader, &value) : value_take(reader, index, &value);
    yaml_event_delete(&value);
    return code;
}

/* Reads until the mapping's end; the path is `parent_length` bytes long before and after. */
static int mapping_read(struct reader *reader, size_t parent_length) {
    int code = 0;
    bool done = false;
    while (code == 0 && !done) {
        yaml_event_t event;
        code = event_next(reader, &event);
        if (code == 0) {
            done = event.type == YAML_MAPPING_END_EVENT;
            code = done ? 0 : entry_read(reader, &event, parent_length);
            yaml_event_delete(&event);
        }
        reader->path[parent_length] = '\0';
    }
    return code;
}

/* ---- defaults and hash -------------------------------------------------------------------------------------------------- */

static void reader_restart(struct reader *reader, yaml_mark_t start) {
    memset(reader->origins, 0, reader->count * sizeof(reader->origins[0]));
    reader->section_count = 0;
    reader->start = start;
    reader->path[0] = '\0';
}

/* The innermost opened section that the key belongs to, else the start of the document or item. */
static yaml_mark_t key_home(const struct reader *reader, const struct config_key *key) {
    yaml_mark_t mark = reader->start;
    size_t longest = 0;
    for (size_t i = 0; i < reader->section_count; i++) {
        const struct section *section = &reader->sections[i];
        if (section->length > longest && key_is_under(key, reader->keys[section->key].path, section->length)) {
            longest = section->length;
            mark = section->mark;
        }
    }
    return mark;
}

static int defaults_take(struct reader *reader) {
    for (size_t i = 0; i < reader->count; i++) {
        const struct config_key *key = &reader->keys[i];
        char wanted[320];
        if (reader->origins[i].line != 0) {
            continue;
        }
        if (key->fallback == NULL) {
            config_value_wanted(key, wanted, sizeof(wanted));
            return refuse(reader, key_home(reader, key), "found no key \"%s\", wanted %s: %s", key->path, wanted, key->doc);
        }
        if (config_value_parse(key, key->fallback, strlen(key->fallback), reader->target) != 0) {
            return refuse(reader, reader->start, "%s: the built-in default \"%s\" is not allowed by its own table", key->path,
                          key->fallback);
        }
    }
    return 0;
}

static void values_hash(struct reader *reader) {
    char value[CONFIG_VALUE_TEXT_MAX];
    for (size_t i = 0; i < reader->count; i++) {
        config_value_print(&reader->keys[i], reader->target, value, sizeof(value));
        hash_add(&reader->hash, reader->keys[i].path, strlen(reader->keys[i].path));
        hash_add(&reader->hash, "=", 1);
        hash_add(&reader->hash, value, strlen(value));
        hash_add(&reader->hash, "\n", 1);
    }
}

/* ---- documents ---------------------------------------------------------------------------------------------------------- */

/* How a root node is read: by the table, or as a list of items. */
struct root {
    int (*take)(struct reader *reader, const yaml_event_t *event, struct root *root);
    const char *list;
    size_t item_size;
    int (*item)(void *context, const void *target, int line, struct error *error);
    void *context;
};

static bool event_is_empty(const yaml_event_t *event) {
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int mapping_root(struct reader *reader, const yaml_event_t *event, struct root *root) {
    char found[SHOWN_MAX + 8];
    (void)root;
    reader_restart(reader, event->start_mark);
    int code = 0;
    if (event->type == YAML_MAPPING_START_EVENT) {
        code = mapping_read(reader, 0);
    } else if (event->type != YAML_STREAM_END_EVENT && !event_is_empty(event)) {
        code = refuse(reader, event->start_mark, "found %s, wanted keys and values", event_shown(event, found));
    }
    if (code == 0) {
        code = defaults_take(reader);
    }
    if (code == 0) {
        values_hash(reader);
    }
    return code;
}

static int item_read(struct reader *reader, const yaml_event_t *event, struct root *root, size_t index) {
    char found[SHOWN_MAX + 8], head[64];
    if (event->type != YAML_MAPPING_START_EVENT) {
        return refuse(reader, event->start_mark, "%s: found %s, wanted \"- key: value\" entries", root->list,
                      event_shown(event, found));
    }
    memset(reader->target, 0, root->item_size);
    reader_restart(reader, event->start_mark);
    int code = mapping_read(reader, 0);
    if (code == 0) {
        code = defaults_take(reader);
    }
    if (code == 0) {
        int length = snprintf(head, sizeof(head), "[%zu]\n", index);
        hash_add(&reader->hash, head, (size_t)length);
        values_hash(reader);
        code = root->item(root->context, reader->target, (int)event->start_mark.line + 1, reader->error);
    }
    return code;
}

static int items_read(struct reader *reader, struct root *root) {
    int code = 0;
    bool done = false;
    for (size_t index = 0; code == 0 && !done; index++) {
        yaml_event_t event;
        code = event_next(reader, &event);
        if (code == 0) {
            done = event.type == YAML_SEQUENCE_END_EVENT;
            code = done ? 0 : item_read(reader, &event, root, index);
            yaml_event_delete(&event);
        }
    }
    return code;
}

/* The value of the list's key. */
static int list_take(struct reader *reader, struct root *root) {
    yaml_event_t event;
    char found[SHOWN_MAX + 8];
    int code = event_next(reader, &event);
    if (code != 0) {
        return code;
    }
    if (event.type == YAML_SEQUENCE_START_EVENT) {
        code = items_read(reader, root);
    } else {
        code = refuse(reader, event.start_mark, "%s: found %s, wanted a list", root->list, event_shown(&event, found));
    }
    yaml_event_delete(&event);
    return code;
}

/* The document's one key must be the list's. */
static int list_key_check(struct reader *reader, const yaml_event_t *event, const struct root *root, bool seen) {
    char found[SHOWN_MAX + 8];
    bool match = event->type == YAML_SCALAR_EVENT && strlen(root->list) == event->data.scalar.length &&
                 memcmp(root->list, event->data.scalar.value, event->data.scalar.length) == 0;
    if (match && seen) {
        return refuse(reader, event->start_mark, "found key \"%s\" twice, wanted it once", root->list);
    }
    return match ? 0 : refuse(reader, event->start_mark, "found %s, wanted the key \"%s\"", event_shown(event, found), root->list);
}

static int list_root(struct reader *reader, const yaml_event_t *event, struct root *root) {
    char found[SHOWN_MAX + 8];
    bool seen = false, done = false;
    if (event->type != YAML_MAPPING_START_EVENT) {
        return refuse(reader, event->start_mark, "found %s, wanted the key \"%s\" with a list",
                      event_is_empty(event) ? "nothing" : event_shown(event, found), root->list);
    }
    hash_add(&reader->hash, root->list, strlen(root->list));
    int code = 0;
    while (code == 0 && !done) {
        yaml_event_t key;
        code = event_next(reader, &key);
        if (code == 0) {
            done = key.type == YAML_MAPPING_END_EVENT;
            code = done ? 0 : list_key_check(reader, &key, root, seen);
            yaml_event_delete(&key);
        }
        if (code == 0 && !done) {
            seen = true;
            code = list_take(reader, root);
        }
    }
    return code;
}

/* The end of the root node, of the document and of the stream: nothing may follow. */
static int document_end(struct reader *reader) {
    yaml_event_t event;
    int code = event_next(reader, &event);
    if (code == 0) {
        yaml_event_delete(&event); /* the document's end */
        code = event_next(reader, &event);
    }
    if (code == 0) {
        if (event.type != YAML_STREAM_END_EVENT) {
            code = refuse(reader, event.start_mark, "found a second document, wanted one");
        }
        yaml_event_delete(&event);
    }
    return code;
}

static int stream_read(struct reader *reader, struct root *root) {
    yaml_event_t event;
    int code = event_next(reader, &event); /* stream start */
    if (code != 0) {
        return code;
    }
    yaml_event_delete(&event);
    code = event_next(reader, &event);
    if (code != 0) {
        return code;
    }
    bool empty = event.type == YAML_STREAM_END_EVENT;
    if (empty) {
        code = root->take(reader, &event, root);
    }
    yaml_event_delete(&event);
    if (code != 0 || empty || (code = event_next(reader, &event)) != 0) {
        return code;
    }
    code = root->take(reader, &event, root);
    yaml_event_delete(&event);
    return code != 0 ? code : document_end(reader);
}

/* What libyaml would accept or misplace, refused first: too long, and NUL bytes. */
static int text_check(struct reader *reader, const char *text, size_t length) {
    if (length > FILE_MAX_BYTES) {
        return refuse(reader, (yaml_mark_t){0, 0, 0}, "found more than %zu bytes, wanted at most that", FILE_MAX_BYTES);
    }
    const char *nul = length == 0 ? NULL : memchr(text, '\0', length);
    return nul == NULL ? 0 : refuse(reader, mark_of_offset(text, length, (size_t)(nul - text)), "found a NUL byte, wanted text");
}

/* `reader` has name, table, target and error; `origins` may be NULL. */
static int text_read(struct reader *reader, const char *text, size_t length, struct config_origin *origins,
                     unsigned char *hash, struct root *root) {
    int code = text_check(reader, text, length);
    if (code != 0) {
        return code;
    }
    struct config_origin *own = calloc(reader->count + 1, sizeof(*own));
    if (own == NULL || hash_init(&reader->hash) != 0 || !yaml_parser_initialize(&reader->parser)) {
        hash_fini(&reader->hash);
        free(own);
        return error_set(reader->error, ERROR_SYSTEM, "%s: out of memory", reader->name);
    }
    reader->origins = own;
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, length);
    code = stream_read(reader, root);
    if (code == 0 && origins != NULL) {
        memcpy(origins, own, reader->count * sizeof(*own));
    }
    if (code == 0 && hash != NULL) {
        hash_end(&reader->hash, hash);
    }
    yaml_parser_delete(&reader->parser);
    hash_fini(&reader->hash);
    free(own);
    return code;
}

/* Reads at most one byte more than allowed, so that a file that grows, a device or a pipe is bounded too. */
static int file_load(const char *path, char **text, size_t *length, struct error *error) {
    int code = 0;
    *length = 0;
    *text = malloc(FILE_MAX_BYTES + 1);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || *text == NULL) {
        code = error_set_errno(error, "%s", path);
    }
    while (code == 0 && *length <= FILE_MAX_BYTES) {
        ssize_t got = read(file, *text + *length, FILE_MAX_BYTES + 1 - *length);
        if (got < 0 && errno != EINTR) {
            code = error_set_errno(error, "%s", path);
        } else if (got == 0) {
            break;
        }
        *length += got > 0 ? (size_t)got : 0;
    }
    if (file >= 0) {
        close(file);
    }
    if (code != 0) {
        free(*text);
        *text = NULL;
    }
    return code;
}

/* ---- the interface ------------------------------------------------------------------------------------------------------ */

int config_read_text(const char *name, const char *text, size_t length, const struct config_key *keys, size_t count,
                     void *target, struct config_origin *origins, unsigned char *hash, struct error *error) {
    struct reader reader = {.name = name, .keys = keys, .count = count, .target = target, .error = error};
    struct root root = {.take = mapping_root};
    return text_read(&reader, text, length, origins, hash, &root);
}

int config_read(const char *path, const struct config_key *keys, size_t count, void *target, struct config_origin *origins,
                unsigned char *hash, struct error *error) {
    char *text;
    size_t length;
    int code = file_load(path, &text, &length, error);
    if (code == 0) {
        code = config_read_text(path, text, length, keys, count, target, origins, hash, error);
        free(text);
    }
    return code;
}

int config_read_list_text(const char *name, const char *text, size_t length, const char *list, const struct config_key *keys,
                          size_t count, void *target, size_t size,
                          int (*item)(void *context, const void *target, int line, struct error *error), void *context,
                          unsigned char *hash, struct error *error) {
    struct reader reader = {.name = name, .keys = keys, .count = count, .target = target, .error = error};
    struct root root = {.take = list_root, .list = list, .item_size = size, .item = item, .context = context};
    return text_read(&reader, text, length, NULL, hash, &root);
}

int config_read_list(const char *path, const char *root, const struct config_key *keys, size_t count, void *target,
                     size_t size, int (*item)(void *context, const void *target, int line, struct error *error),
                     void *context, unsigned char *hash, struct error *error) {
    char *text;
    size_t length;
    int code = file_load(path, &text, &length, error);
    if (code == 0) {
        code = config_read_list_text(path, text, length, root, keys, count, target, size, item, context, hash, error);
        free(text);
    }
    return code;
}

void config_print_schema(const struct config_key *keys, size_t count, void (*put)(void *context, const char *text),
                         void *context) {
    put(context, "| key | type | allowed | unit | default | meaning |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        char bounds[256], line[1024];
        const char *unit = keys[i].unit == NULL ? "" : keys[i].unit;
        config_value_bounds(&keys[i], bounds, sizeof(bounds));
        snprintf(line, sizeof(line), "| `%s` | %s | %s | %s | %s%s%s | %s |\n", keys[i].path, config_type_name(keys[i].type),
                 bounds, unit, keys[i].fallback == NULL ? "" : "`", keys[i].fallback == NULL ? "required" : keys[i].fallback,
                 keys[i].fallback == NULL ? "" : "`", keys[i].doc);
        put(context, line);
    }
}
