/*
 * keeper.c - a test agent that buys once, holds, and says every turn what it sees of its own book.
 *
 * It exists to compare a book before and after a restart. It enters at its third bar when its tag was never used: a book that
 * forgot would make it enter again. Its saved state is the number of turns it has lived ("age"). Parameters: enter (yes | no), leave (no | reducing: closes
 * when it is told that trading is reducing), stop (far | near).
 */
#include "agent.h"

struct keeper {
    const struct agent_services *services;
    uint64_t age;
    int enters, leaves, near;
};

static int keeper_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct keeper *k = self;
    k->services = services;
    k->enters = strcmp(agent_param_text(setup, "enter", "yes"), "yes") == 0;
    k->leaves = strcmp(agent_param_text(setup, "leave", "no"), "reducing") == 0;
    k->near = strcmp(agent_param_text(setup, "stop", "far"), "near") == 0;
    return AGENT_OK;
}

static void tell(const struct keeper *k, const struct agent_snapshot *s, const struct agent_position *p, double close) {
    k->services->plot("age", (double)k->age);
    k->services->plot("close", close);
    k->services->plot("cash", s->book->cash);
    k->services->plot("equity", s->book->equity);
    k->services->plot("trades_today", (double)s->book->trades_today);
    k->services->plot("trading_state", (double)s->limits->trading_state);
    k->services->plot("trade_max", s->limits->trade_notional_max);
    if (p) {
        k->services->plot("held", p->quantity);
        k->services->plot("entry", p->entry_price);
        k->services->plot("stop", p->stop);
        k->services->plot("wish", (double)p->wish_id * 10 + (double)p->wish_state);
    }
}

static int keeper_generate(void *self, const struct agent_snapshot *s, struct agent_wish *out, uint32_t max) {
    struct keeper *k = self;
    const struct agent_bar *bar = agent_bar_back(agent_series_of(s, 0, 0), 0);
    const struct agent_position *p = agent_position_of(s, 0, "main");
    k->age++;
    tell(k, s, p, bar ? bar->close : 0);
    int leaves = k->leaves && p && p->quantity != 0 && s->limits->trading_state == 1;
    if (max == 0 || !bar || (!leaves && (!k->enters || p || k->age < 3))) {
        return 0;
    }
    memset(out, 0, sizeof *out);
    out->wish_id = leaves ? 2 : 1;
    out->size = leaves ? 0 : 1;
    out->stop = leaves ? 0 : bar->close * (k->near ? 0.998 : 0.5);
    agent_text(out->tag, sizeof out->tag, "main");
    agent_text(out->reason, sizeof out->reason, "once and for all");
    return 1;
}

static int64_t keeper_save(const void *self, void *bytes, uint64_t max) {
    const struct keeper *k = self;
    if (max < sizeof k->age) {
        return AGENT_ERROR;
    }
    memcpy(bytes, &k->age, sizeof k->age);
    return (int64_t)sizeof k->age;
}

static int keeper_load(void *self, uint32_t schema, const void *bytes, uint64_t size) {
    struct keeper *k = self;
    if (schema != 1 || size != sizeof k->age) {
        return AGENT_ERROR;
    }
    memcpy(&k->age, bytes, sizeof k->age);
    return AGENT_OK;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("keeper", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {8}, .decide_us_max = 1000},
    .self_size = sizeof(struct keeper),
    .state_schema = 1,
    .state_max = 64,
    .init = keeper_init,
    .generate_signals = keeper_generate,
    .save = keeper_save,
    .load = keeper_load,
};
