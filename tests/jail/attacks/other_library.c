/*
 * other_library.c - needs a library that is not in the process.
 */
#include "agent.h"
#include "list.h"

unsigned long zlibCompileFlags(void);

static int init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    (void)self, (void)setup, (void)services;
    return AGENT_OK;
}

static int generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    (void)self, (void)snapshot, (void)max;
    out[0].wish_id = ESCAPED;
    return (int)zlibCompileFlags();
}

AGENT_ENTRY = {
    AGENT_IDENTITY("other_library", "1"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .bars = {1}, .decide_us_max = 1000},
    .self_size = 8,
    .init = init,
    .generate_signals = generate,
};
