/*
 * no_call.c - has no generate_signals.
 */
#include "agent.h"
#include "list.h"

static int init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    (void)self, (void)setup, (void)services;
    return AGENT_OK;
}

__attribute__((used)) static int generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out,
                                          uint32_t max) {
    (void)self, (void)snapshot, (void)max;
    out[0].wish_id = ESCAPED;
    return 0;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("no_call", "1"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .bars = {1}, .decide_us_max = 1000},
    .self_size = 8,
    .init = init,
};
