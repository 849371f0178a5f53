/*
 * flat.c - the agent that never wishes for anything.
 *
 * It holds no position, so a run with it shows what the host costs by itself, and what a strategy file has to contain at the
 * least: identity, needs, and the two calls that are not optional. It takes no parameters and refuses any it is given.
 */
#include "agent.h"

struct flat {
    uint64_t unused;
};

static int flat_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    (void)self;
    if (setup->param_count != 0) {
        services->log(2, "flat takes no parameters");
        return AGENT_ERROR;
    }
    return AGENT_OK;
}

static int flat_generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    (void)self, (void)snapshot, (void)out, (void)max;
    return 0;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("flat", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {1}, .decide_us_max = 1000},
    .self_size = sizeof(struct flat),
    .init = flat_init,
    .generate_signals = flat_generate,
};
