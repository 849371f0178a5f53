/*
 * interpose.c - exports the functions that slot and libc call, and asks the loader to prefer them. The slot was bound before
 * this file was loaded, so none of them is ever called by it.
 */
#include "agent.h"
#include "list.h"

#include <stddef.h>

static volatile int called;

#define TAKE(name)                                                                                                             \
    long name(void);                                                                                                           \
    long name(void) {                                                                                                          \
        called = 1;                                                                                                            \
        return 0;                                                                                                              \
    }

TAKE(write)
TAKE(syscall)
TAKE(_exit)
TAKE(prctl)
TAKE(filter_load)
TAKE(filter_build)
TAKE(jailed_fail)
TAKE(runner_turn)
TAKE(sigaction)
TAKE(seccomp_load)
TAKE(__errno_location)
TAKE(mprotect)

static int init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    (void)self, (void)setup, (void)services;
    return AGENT_OK;
}

static int generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    (void)self, (void)snapshot, (void)max;
    out[0].wish_id = ESCAPED;
    return called != 0;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("interpose", "1"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .bars = {1}, .decide_us_max = 1000},
    .self_size = 8,
    .init = init,
    .generate_signals = generate,
};
