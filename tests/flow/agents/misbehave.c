/*
 * misbehave.c - a test agent that buys once and then, in its turn number `turn`, does what `how` says:
 * spin (never answers), slow (`steps` empty steps, in every turn divisible by `turn`), crash, nan (a wish of no number),
 * error (reports one), save (never comes back from saving its state; `turn` is nothing to it).
 */
#include "agent.h"

struct misbehave {
    uint64_t turns, turn, steps;
    char how[8];
    void *volatile nowhere;
};

static volatile uint64_t counter;

static uint64_t number(const struct agent_setup *setup, const char *name, const char *otherwise) {
    uint64_t value = 0;
    for (const char *c = agent_param_text(setup, name, otherwise); *c >= '0' && *c <= '9'; c++) {
        value = value * 10 + (uint64_t)(*c - '0');
    }
    return value;
}

static int misbehave_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct misbehave *m = self;
    (void)services;
    m->turn = number(setup, "turn", "1");
    m->steps = number(setup, "steps", "0");
    agent_text(m->how, sizeof m->how, agent_param_text(setup, "how", ""));
    return m->turn > 0 ? AGENT_OK : AGENT_ERROR;
}

static int is(const struct misbehave *m, const char *how) { return strcmp(m->how, how) == 0; }

static void spin(uint64_t steps) {
    for (uint64_t i = 0; i < steps; i++) {
        counter++;
    }
}

static uint32_t buy(const struct agent_snapshot *snapshot, double size, struct agent_wish *wish) {
    const struct agent_bar *bar = agent_bar_back(agent_series_of(snapshot, 0, 0), 0);
    memset(wish, 0, sizeof *wish);
    wish->wish_id = snapshot->sequence;
    wish->size = size;
    wish->stop = (double)(int64_t)(bar->close_ticks / 2.0) * snapshot->instruments[0].tick;
    agent_text(wish->tag, sizeof wish->tag, "main");
    agent_text(wish->reason, sizeof wish->reason, "while it is well");
    return 1;
}

static int misbehave_generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct misbehave *m = self;
    (void)max;
    m->turns++;
    if (is(m, "slow") && m->turns % m->turn == 0) {
        spin(m->steps);
    }
    if (m->turns == m->turn && is(m, "spin")) {
        spin(UINT64_MAX);
    } else if (m->turns == m->turn && is(m, "crash")) {
        *(volatile int *)m->nowhere = 1;
    } else if (m->turns == m->turn && is(m, "nan")) {
        return (int)buy(snapshot, __builtin_nan(""), out);
    } else if (m->turns == m->turn && is(m, "error")) {
        return AGENT_ERROR;
    }
    const struct agent_position *held = agent_position_of(snapshot, 0, "main");
    return m->turns == 1 && held == 0 ? (int)buy(snapshot, 0.1, out) : 0;
}

static int64_t misbehave_save(const void *self, void *bytes, uint64_t max) {
    (void)bytes, (void)max;
    if (is(self, "save")) {
        spin(UINT64_MAX);
    }
    return 0;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("misbehave", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {1}, .decide_us_max = 1000},
    .self_size = sizeof(struct misbehave),
    .state_schema = 1,
    .state_max = 8,
    .init = misbehave_init,
    .generate_signals = misbehave_generate,
    .save = misbehave_save,
};
