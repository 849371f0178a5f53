/*
 * agent.h - what a strategy author includes: the contract, its digest, and small helpers. Header only.
 *
 *     static int generate(void *self, const struct agent_snapshot *s, struct agent_wish *out, uint32_t max) { ... }
 *     AGENT_ENTRY = { AGENT_IDENTITY("my_agent", "1.0"), .needs = {...}, .self_size = sizeof(struct my_agent),
 *                     .init = my_init, .generate_signals = generate };
 */
#ifndef AGENT_H
#define AGENT_H

#include <string.h>

#include "agent_abi.h"
#include "agent_digest.h"

#if defined(__cplusplus)
#define AGENT_ENTRY extern "C" __attribute__((visibility("default"))) const struct agent_vtable agent_entry_v1
#else
#define AGENT_ENTRY __attribute__((visibility("default"))) const struct agent_vtable agent_entry_v1
#endif

/* The first members of the entry. */
#define AGENT_IDENTITY(agent_name, agent_release)                                                                              \
    .magic = AGENT_ABI_MAGIC, .version = AGENT_ABI_VERSION, .size = sizeof(struct agent_vtable), .digest = AGENT_ABI_DIGEST,   \
    .name = agent_name, .release = agent_release

/* The bar `back` bars ago (0 = the newest), or NULL when there are not that many. */
static inline const struct agent_bar *agent_bar_back(const struct agent_series *series, uint64_t back) {
    if (back >= series->visible) {
        return 0;
    }
    return &series->ring[(series->count - 1u - back) & series->mask];
}

/* The series of an instrument; timeframe is an index into agent_needs.timeframe_s. */
static inline const struct agent_series *agent_series_of(const struct agent_snapshot *snapshot, uint32_t instrument,
                                                         uint32_t timeframe) {
    return &snapshot->series[instrument * snapshot->timeframe_count + timeframe];
}

/* This agent's position on (instrument, tag), or NULL when it never used that tag. */
static inline const struct agent_position *agent_position_of(const struct agent_snapshot *snapshot, uint32_t instrument,
                                                             const char *tag) {
    for (uint32_t i = 0; i < snapshot->book->position_count; i++) {
        const struct agent_position *p = &snapshot->positions[i];
        if (p->instrument == instrument && strncmp(p->tag, tag, AGENT_TAG_MAX) == 0) {
            return p;
        }
    }
    return 0;
}

/* Copies text into a fixed array, cut to fit, rest zero. */
static inline void agent_text(char *to, uint32_t size, const char *from) {
    uint32_t i = 0;
    for (; i + 1u < size && from[i] != '\0'; i++) {
        to[i] = from[i];
    }
    for (; i < size; i++) {
        to[i] = '\0';
    }
}

/* The text of a parameter, or `otherwise` when the user did not give it. */
static inline const char *agent_param_text(const struct agent_setup *setup, const char *name, const char *otherwise) {
    for (uint32_t i = 0; i < setup->param_count; i++) {
        if (strncmp(setup->params[i].name, name, AGENT_PARAM_NAME_MAX) == 0) {
            return setup->params[i].text;
        }
    }
    return otherwise;
}

#endif
