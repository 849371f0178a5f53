/*
 * runner.h - calls a loaded agent out of the three memories. Used by bulkhead-slot behind a doorbell and by the research
 * worker directly; it makes no system call and knows nothing of jails.
 */
#ifndef SANDBOX_RUNNER_H
#define SANDBOX_RUNNER_H

#include "wire.h"

struct runner {
    const struct agent_vtable *agent;
    const struct wire_market *market;
    const struct wire_private *private_memory;
    struct wire_reply *reply;
    void *self;                       /* self_size bytes, page aligned, owned by the caller */
    struct agent_snapshot snapshot;   /* what generate_signals gets */
    struct agent_series series[AGENT_INSTRUMENTS_MAX * AGENT_TIMEFRAMES_MAX];
    struct agent_depth depths[AGENT_INSTRUMENTS_MAX];
    uint32_t log_count, log_dropped;
    /* bound by runner_init */
    const char *turns;                /* the first turn block */
    uint32_t series_count;
    uint32_t has_depth;               /* the agent asked for ticks or levels */
    uint32_t count_at[AGENT_INSTRUMENTS_MAX * AGENT_TIMEFRAMES_MAX]; /* series i's count in the turn block */
    uint32_t bars[AGENT_INSTRUMENTS_MAX * AGENT_TIMEFRAMES_MAX]; /* what the agent asked for: it sees no more */
};

/*
 * Binds the memories and prepares the snapshot, then calls init and, when setup.state_size is not 0, load (a refused state
 * = zeroed self and init again). `self` must be zeroed. Returns 0, or -1 with reply->head.step and reply->failure set.
 * Only one runner may exist in a process: the services an agent gets have no context argument.
 */
int runner_init(struct runner *runner, const struct agent_vtable *agent, const struct wire_market *market,
                const struct wire_private *private_memory, struct wire_reply *reply, void *self);

/* Does private->command (RUN, SAVE or STOP) and writes the answer except head.bell. Returns 1 when the command was STOP. */
int runner_turn(struct runner *runner);

#endif
