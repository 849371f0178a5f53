/*
 * runner.c - from the three memories to the agent's calls and back.
 *
 *   1. runner_init lays out one struct agent_snapshot whose pointers lead straight into the shared memories; what never
 *      changes (rings, book, limits, positions, orders) is bound here, once.
 *   2. A turn reads the bell's cache line and the head of its turn block, moves the counts of the series, points at the
 *      quotes of the block, and calls. Nothing is copied and nothing cleared: this is the hottest path of the product.
 *   3. RUN: on_fill for each queued fill in journal order, on_limit_update when flagged, generate_signals.
 *      SAVE: save. STOP: fini.
 *   4. A refused state costs a cold start, never the slot: `self` is zeroed and init runs again.
 *
 * The host's memories are believed here (they are read-only to the agent); what this file writes is believed by nobody,
 * because the agent shares its address space. It makes no system call and allocates nothing.
 */
#include "runner.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "services.h"

static const void *market_at(const struct runner *runner, uint64_t offset) {
    return (const char *)runner->market + offset;
}

/* The agent's i-th timeframe is the market's setup.timeframe[i]-th. */
static size_t market_series(const struct runner *runner, uint32_t instrument, uint32_t timeframe) {
    uint32_t index = runner->private_memory->setup.timeframe[timeframe];
    return (size_t)instrument * runner->market->timeframe_count + index;
}

static const char *bind_fault(const struct runner *runner) {
    const struct wire_market *market = runner->market;
    const struct agent_needs *needs = &runner->agent->needs;
    if (market->magic != WIRE_MAGIC) {
        return "market memory is not of this version";
    }
    if (market->instrument_count == 0 || market->instrument_count > AGENT_INSTRUMENTS_MAX ||
        market->timeframe_count > AGENT_TIMEFRAMES_MAX || needs->timeframe_count > market->timeframe_count) {
        return "market memory does not have the instruments or timeframes";
    }
    for (uint32_t i = 0; i < needs->timeframe_count; i++) {
        if (runner->private_memory->setup.timeframe[i] >= market->timeframe_count) {
            return "a timeframe is mapped outside the market memory";
        }
    }
    return NULL;
}

static void series_bind(struct runner *runner) {
    const struct wire_series *all = market_at(runner, runner->market->series_at);
    uint32_t timeframes = runner->agent->needs.timeframe_count;
    for (uint32_t i = 0; i < runner->market->instrument_count; i++) {
        for (uint32_t t = 0; t < timeframes; t++) {
            size_t from = market_series(runner, i, t);
            struct agent_series *to = &runner->series[i * timeframes + t];
            to->ring = market_at(runner, all[from].ring_at);
            to->mask = all[from].mask;
            to->timeframe_ns = all[from].timeframe_ns;
            runner->count_at[i * timeframes + t] = (uint32_t)from;
            runner->bars[i * timeframes + t] = runner->agent->needs.bars[t];
        }
    }
    runner->series_count = runner->market->instrument_count * timeframes;
}

static void depths_bind(struct runner *runner) {
    const struct wire_depth *all = market_at(runner, runner->market->depths_at);
    for (uint32_t i = 0; i < runner->market->instrument_count; i++) {
        runner->depths[i].ticks = all[i].tick_capacity ? market_at(runner, all[i].ticks_at) : NULL;
        runner->depths[i].tick_mask = all[i].tick_mask;
    }
    runner->has_depth = runner->agent->needs.ticks > 0 || runner->agent->needs.depth > 0;
}

static void snapshot_bind(struct runner *runner) {
    struct agent_snapshot *snapshot = &runner->snapshot;
    const struct wire_private *private_memory = runner->private_memory;
    snapshot->instrument_count = runner->market->instrument_count;
    snapshot->timeframe_count = runner->agent->needs.timeframe_count;
    snapshot->instruments = market_at(runner, runner->market->instruments_at);
    snapshot->series = runner->series;
    snapshot->depths = runner->depths;
    snapshot->book = &private_memory->book;
    snapshot->positions = private_memory->positions;
    snapshot->orders = private_memory->orders;
    snapshot->limits = &private_memory->limits;
}

static int init_fail(struct runner *runner, const char *text) {
    struct wire_reply *reply = runner->reply;
    const char *said = runner->log_count ? reply->logs[runner->log_count - 1].text : "";
    snprintf(reply->failure, sizeof(reply->failure), "%s%s%.*s", text, said[0] ? ": " : "", (int)WIRE_TEXT_MAX, said);
    reply->head.step = WIRE_STEP_INIT;
    reply->head.failure_errno = 0;
    reply->head.log_count = runner->log_count;
    return -1;
}

static int agent_init(struct runner *runner) {
    const struct wire_setup *given = &runner->private_memory->setup;
    struct agent_setup setup = {
        .instruments = runner->snapshot.instruments,
        .params = given->params,
        .instrument_count = runner->snapshot.instrument_count,
        .param_count = given->param_count <= AGENT_PARAMS_MAX ? given->param_count : AGENT_PARAMS_MAX,
        .seed = given->seed,
    };
    return runner->agent->init(runner->self, &setup, &services);
}

/* Returns whether the state was taken; without one, or without a load, the agent stays as init left it. */
static int agent_load(struct runner *runner) {
    const struct wire_setup *given = &runner->private_memory->setup;
    if (given->state_size == 0 || !runner->agent->load) {
        return AGENT_OK;
    }
    const void *bytes = (const char *)runner->private_memory + given->state_at;
    if (runner->agent->load(runner->self, given->state_schema, bytes, given->state_size) == AGENT_OK) {
        return AGENT_OK;
    }
    memset(runner->self, 0, runner->agent->self_size);
    return agent_init(runner);
}

int runner_init(struct runner *runner, const struct agent_vtable *agent, const struct wire_market *market,
                const struct wire_private *private_memory, struct wire_reply *reply, void *self) {
    memset(runner, 0, sizeof(*runner));
    runner->agent = agent;
    runner->market = market;
    runner->private_memory = private_memory;
    runner->reply = reply;
    runner->self = self;
    const char *fault = bind_fault(runner);
    if (fault) {
        return init_fail(runner, fault);
    }
    runner->turns = market_at(runner, market->turns_at);
    series_bind(runner);
    depths_bind(runner);
    snapshot_bind(runner);
    services_bind(runner);
    if (agent_init(runner) != AGENT_OK || agent_load(runner) != AGENT_OK) {
        return init_fail(runner, "init refused");
    }
    reply->head.log_count = runner->log_count;
    reply->head.log_dropped = runner->log_dropped;
    return 0;
}

static void depths_update(struct runner *runner, const char *turn) {
    const struct wire_market *market = runner->market;
    const uint64_t *ticks = (const uint64_t *)(const void *)(turn + market->turn_tick_counts_at);
    const char *levels = turn + market->turn_levels_at;
    size_t side = market->depth_levels * sizeof(struct agent_level);
    for (uint32_t i = 0; i < market->instrument_count; i++) {
        struct agent_depth *depth = &runner->depths[i];
        const struct wire_levels *counts = (const void *)levels;
        depth->tick_count = ticks[i];
        depth->bids = (const void *)(levels + sizeof(*counts));
        depth->asks = (const void *)(levels + sizeof(*counts) + side);
        depth->bid_count = counts->bid_count;
        depth->ask_count = counts->ask_count;
        levels += sizeof(*counts) + 2 * side;
    }
}

static void snapshot_update(struct runner *runner) {
    const struct wire_bell *command = &runner->private_memory->command;
    const struct wire_market *market = runner->market;
    const char *block = runner->turns + (command->sequence & (WIRE_TURNS - 1)) * market->turn_size;
    const struct wire_turn *turn = (const void *)block;
    const uint64_t *counts = (const void *)(block + market->turn_counts_at);
    struct agent_snapshot *snapshot = &runner->snapshot;
    snapshot->sequence = command->sequence;
    snapshot->now_ns = turn->now_ns;
    snapshot->events = command->events;
    snapshot->gap = command->gap;
    snapshot->quotes = (const void *)(block + market->turn_quotes_at);
    for (uint32_t i = 0; i < runner->series_count; i++) {
        uint64_t count = counts[runner->count_at[i]];
        runner->series[i].count = count;
        runner->series[i].visible = count < runner->bars[i] ? count : runner->bars[i];
    }
    if (runner->has_depth) {
        depths_update(runner, block);
    }
}

static int32_t run(struct runner *runner) {
    const struct agent_vtable *agent = runner->agent;
    const struct wire_private *given = runner->private_memory;
    snapshot_update(runner);
    uint32_t fills = given->command.fill_count <= AGENT_FILLS_MAX ? given->command.fill_count : AGENT_FILLS_MAX;
    if (agent->on_fill) {
        for (uint32_t i = 0; i < fills; i++) {
            agent->on_fill(runner->self, &given->fills[i]);
        }
    }
    if ((given->command.flags & WIRE_LIMITS_CHANGED) && agent->on_limit_update) {
        agent->on_limit_update(runner->self, &given->limits);
    }
    return agent->generate_signals(runner->self, &runner->snapshot, runner->reply->wishes, AGENT_WISHES_MAX);
}

static int32_t save(struct runner *runner) {
    const struct agent_vtable *agent = runner->agent;
    int64_t size = agent->save ? agent->save(runner->self, runner->reply->state, agent->state_max) : AGENT_ERROR;
    runner->reply->head.size = size > 0 ? (uint64_t)size : 0;
    return size < 0 ? AGENT_ERROR : AGENT_OK;
}

int runner_turn(struct runner *runner) {
    const struct wire_bell *command = &runner->private_memory->command;
    struct wire_answer *head = &runner->reply->head;
    bool stop = false;
    runner->log_count = 0;
    runner->log_dropped = 0;
    if (command->command == WIRE_RUN) {
        head->result = run(runner);
    } else if (command->command == WIRE_SAVE) {
        head->result = save(runner);
    } else {
        if (runner->agent->fini) {
            runner->agent->fini(runner->self);
        }
        head->result = AGENT_OK;
        stop = true;
    }
    head->sequence = command->sequence;
    head->log_count = runner->log_count;
    head->log_dropped = runner->log_dropped;
    return stop;
}
