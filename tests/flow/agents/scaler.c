/*
 * scaler.c - a test agent that grows and shrinks two positions ("core", "swing") of every instrument on fixed schedules.
 *
 * It exists to make partial closes, additions and two tags on one instrument happen often. Both tags are always on the same
 * side. class Scaler of tests/flow/oracle.py promises the same. Parameters: quantity (whole units, 1), side (long | short).
 */
#include "agent.h"

struct tag_state {
    int64_t goal;
    uint64_t wish_id;
};

struct scaler {
    uint64_t seen[AGENT_INSTRUMENTS_MAX];
    struct tag_state tags[AGENT_INSTRUMENTS_MAX][2];
    double steps_per_unit[AGENT_INSTRUMENTS_MAX];
    int64_t quantity, sign;
};

struct schedule {
    char tag[AGENT_TAG_MAX];
    uint64_t period, count;
    int64_t stop_percent;
    int64_t sizes[9];
};

static const struct schedule schedules[2] = {
    {"core", 7, 9, 20, {0, 1, 3, 2, 5, 4, 1, 0, 2}},
    {"swing", 11, 8, 40, {0, 2, 1, 0, 1, 0, 3, 7}},
};

static int scaler_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct scaler *s = self;
    (void)services;
    s->quantity = 0;
    for (const char *c = agent_param_text(setup, "quantity", "1"); *c >= '0' && *c <= '9'; c++) {
        s->quantity = s->quantity * 10 + (*c - '0');
    }
    s->sign = strcmp(agent_param_text(setup, "side", "long"), "short") == 0 ? -1 : 1;
    for (uint32_t i = 0; i < setup->instrument_count; i++) {
        s->steps_per_unit[i] = (double)(int64_t)(1.0 / setup->instruments[i].tick + 0.5);
    }
    return s->quantity > 0 ? AGENT_OK : AGENT_ERROR;
}

/* One tag of one instrument at a closed bar; returns 1 when a wish was written. */
static uint32_t step(struct scaler *s, uint32_t instrument, uint32_t which, int64_t close, struct agent_wish *wish) {
    const struct schedule *plan = &schedules[which];
    struct tag_state *state = &s->tags[instrument][which];
    uint64_t seen = s->seen[instrument];
    int64_t goal = s->sign * plan->sizes[seen / plan->period % plan->count] * s->quantity;
    if (seen % plan->period != 0 || goal == state->goal) {
        return 0;
    }
    state->goal = goal;
    memset(wish, 0, sizeof *wish);
    wish->wish_id = ++state->wish_id;
    wish->instrument = instrument;
    wish->size = (double)goal;
    memcpy(wish->tag, plan->tag, sizeof wish->tag);
    agent_text(wish->reason, sizeof wish->reason, "as scheduled");
    if (goal != 0) {
        int64_t distance = close * plan->stop_percent / 100;
        int64_t stop = close - s->sign * (distance > 1 ? distance : 1);
        wish->stop = (double)(stop > 1 ? stop : 1) / s->steps_per_unit[instrument];
    }
    return 1;
}

static int scaler_generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct scaler *s = self;
    uint32_t written = 0;
    for (uint32_t i = 0; i < snapshot->instrument_count; i++) {
        const struct agent_series *series = agent_series_of(snapshot, i, 0);
        if (series->count == s->seen[i] || written + 2 > max) {
            continue;
        }
        s->seen[i]++;
        int64_t close = (int64_t)agent_bar_back(series, series->count - s->seen[i])->close_ticks;
        written += step(s, i, 0, close, &out[written]);
        written += step(s, i, 1, close, &out[written]);
    }
    return (int)written;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("scaler", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {8}, .decide_us_max = 1000},
    .self_size = sizeof(struct scaler),
    .init = scaler_init,
    .generate_signals = scaler_generate,
};
