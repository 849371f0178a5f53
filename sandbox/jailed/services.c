/*
 * services.c - what an agent may call: log, plot, note.
 *
 * Guarantees: at most WIRE_LOGS_MAX entries a turn, each cut to its fixed size and terminated; what is over is counted and
 * dropped, and nothing else happens. No call leaves the process.
 * The functions have no context argument, so there is one runner in a process and one static pointer to it.
 */
#include "services.h"

#include <stddef.h>

static struct runner *bound;

/* Unlike strncpy it does not fill the rest: an entry is written in every turn that logs. */
static void text_copy(char *to, size_t size, const char *from) {
    size_t i = 0;
    for (; from && i + 1 < size && from[i] != '\0'; i++) {
        to[i] = from[i];
    }
    to[i] = '\0';
}

static struct wire_log *entry_next(enum wire_log_kind kind) {
    if (!bound || bound->log_count >= WIRE_LOGS_MAX) {
        if (bound) {
            bound->log_dropped++;
        }
        return NULL;
    }
    struct wire_log *entry = &bound->reply->logs[bound->log_count++];
    entry->kind = kind;
    entry->level = 0;
    entry->value = 0;
    entry->name[0] = '\0';
    entry->text[0] = '\0';
    return entry;
}

static int service_log(int level, const char *text) {
    struct wire_log *entry = entry_next(WIRE_LOG);
    if (!entry) {
        return AGENT_ERROR;
    }
    entry->level = level;
    text_copy(entry->text, sizeof(entry->text), text);
    return AGENT_OK;
}

static int service_plot(const char *name, double value) {
    struct wire_log *entry = entry_next(WIRE_PLOT);
    if (!entry) {
        return AGENT_ERROR;
    }
    entry->value = value;
    text_copy(entry->name, sizeof(entry->name), name);
    return AGENT_OK;
}

static int service_note(const char *tag, const char *text) {
    struct wire_log *entry = entry_next(WIRE_NOTE);
    if (!entry) {
        return AGENT_ERROR;
    }
    text_copy(entry->name, sizeof(entry->name), tag);
    text_copy(entry->text, sizeof(entry->text), text);
    return AGENT_OK;
}

const struct agent_services services = {.log = service_log, .plot = service_plot, .note = service_note};

void services_bind(struct runner *runner) {
    bound = runner;
}
