/*
 * Tests of sandbox/jailed/runner.c without a jail: two instruments, three timeframes of which the agent asked for two in
 * another order, ticks and levels; what the agent is shown is compared with what was written.
 */
#include "jail_test.h"

#include "runner.h"

#define INSTRUMENTS 2u
#define TIMEFRAMES 3u
#define LEVELS 4u
#define RING 16u

struct market {
    struct wire_market head;
    struct agent_instrument instruments[INSTRUMENTS];
    struct wire_series series[INSTRUMENTS * TIMEFRAMES];
    struct wire_depth depths[INSTRUMENTS];
    struct agent_bar rings[INSTRUMENTS * TIMEFRAMES][RING];
    struct agent_tick ticks[INSTRUMENTS][RING];
    struct turn {
        struct wire_turn head;
        uint64_t counts[INSTRUMENTS * TIMEFRAMES];
        struct agent_quote quotes[INSTRUMENTS];
        uint64_t tick_counts[INSTRUMENTS];
        struct side {
            struct wire_levels counts;
            struct agent_level bids[LEVELS], asks[LEVELS];
        } levels[INSTRUMENTS];
    } turns[WIRE_TURNS];
};

static struct market market;
static struct wire_private given;
static union {
    struct wire_reply reply;
    unsigned char bytes[sizeof(struct wire_reply) + 4096];
} answer;
static struct runner runner;
static char self[64];

static void market_fill(void) {
    memset(&market, 0, sizeof(market));
    market.head = (struct wire_market){
        .magic = WIRE_MAGIC,
        .size = sizeof(market),
        .instrument_count = INSTRUMENTS,
        .timeframe_count = TIMEFRAMES,
        .depth_levels = LEVELS,
        .instruments_at = offsetof(struct market, instruments),
        .series_at = offsetof(struct market, series),
        .depths_at = offsetof(struct market, depths),
        .turns_at = offsetof(struct market, turns),
        .turn_size = sizeof(struct turn),
        .turn_counts_at = offsetof(struct turn, counts),
        .turn_quotes_at = offsetof(struct turn, quotes),
        .turn_tick_counts_at = offsetof(struct turn, tick_counts),
        .turn_levels_at = offsetof(struct turn, levels),
    };
    for (uint32_t i = 0; i < INSTRUMENTS * TIMEFRAMES; i++) {
        market.series[i] = (struct wire_series){.ring_at = offsetof(struct market, rings) + i * sizeof(market.rings[0]),
                                                .mask = RING - 1,
                                                .timeframe_ns = (i % TIMEFRAMES + 1) * 60};
    }
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        market.depths[i] = (struct wire_depth){.ticks_at = offsetof(struct market, ticks) + i * sizeof(market.ticks[0]),
                                               .tick_mask = RING - 1,
                                               .tick_capacity = RING};
    }
}

/* ---- the agent
 * ------------------------------------------------------------------------------------------------------------------- */

static struct {
    int inits, loads, finis, fills, limits, turns;
    int order[8], order_count;
    int result;
    const struct agent_services *services;
} did;

static int init(void *state, const struct agent_setup *setup, const struct agent_services *services) {
    assert_true(setup->instruments == market.instruments);
    assert_int_equal(setup->instrument_count, INSTRUMENTS);
    for (size_t i = 0; i < sizeof(self); i++) {
        assert_int_equal(((char *)state)[i], 0);
    }
    ((char *)state)[0] = 1;
    did.services = services;
    did.inits++;
    return did.result;
}

static void fini(void *state) {
    (void)state;
    did.finis++;
}

static void on_fill(void *state, const struct agent_fill *fill) {
    (void)state;
    assert_int_equal(fill->fill_id, ++did.fills);
    did.order[did.order_count++] = 'f';
}

static void on_limit_update(void *state, const struct agent_limits *limits) {
    (void)state;
    assert_true(limits == &given.limits);
    did.limits++;
    did.order[did.order_count++] = 'l';
}

/* The turn block of sequence s carries numbers that tell where they came from. */
static void snapshot_check(const struct agent_snapshot *s) {
    const struct turn *turn = &market.turns[s->sequence % WIRE_TURNS];
    assert_int_equal(s->now_ns, 1000 + (int64_t)s->sequence);
    assert_int_equal(s->timeframe_count, 2);
    assert_true(s->quotes == turn->quotes && s->instruments == market.instruments);
    assert_true(s->book == &given.book && s->positions == given.positions && s->orders == given.orders &&
                s->limits == &given.limits);
    static const uint32_t mapped[2] = {2, 0};
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        for (uint32_t t = 0; t < 2; t++) {
            const struct agent_series *series = &s->series[i * 2 + t];
            uint32_t from = i * TIMEFRAMES + mapped[t];
            assert_true(series->ring == market.rings[from]);
            assert_int_equal(series->count, 100 * s->sequence + from);
            assert_int_equal(series->timeframe_ns, (mapped[t] + 1) * 60);
            assert_int_equal(series->mask, RING - 1);
        }
        const struct agent_depth *depth = &s->depths[i];
        assert_true(depth->ticks == market.ticks[i] && depth->bids == turn->levels[i].bids &&
                    depth->asks == turn->levels[i].asks);
        assert_int_equal(depth->tick_count, 10 * s->sequence + i);
        assert_int_equal(depth->bid_count, i + 1);
        assert_int_equal(depth->ask_count, i + 2);
    }
}

static int generate(void *state, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    (void)state;
    assert_int_equal(max, AGENT_WISHES_MAX);
    assert_true(out == answer.reply.wishes);
    snapshot_check(snapshot);
    did.turns++;
    did.order[did.order_count++] = 'g';
    return 3;
}

static int64_t save(const void *state, void *bytes, uint64_t max) {
    memcpy(bytes, state, 8);
    return max == 8 ? 8 : AGENT_ERROR;
}

static int load(void *state, uint32_t schema, const void *bytes, uint64_t size) {
    (void)bytes;
    did.loads++;
    ((char *)state)[1] = 2;
    return schema == 1 && size == 8 ? AGENT_OK : AGENT_ERROR;
}

static struct agent_vtable agent = {
    .needs = {.timeframe_count = 2, .ticks = 1, .depth = 1},
    .self_size = sizeof(self),
    .state_max = 8,
    .init = init,
    .fini = fini,
    .generate_signals = generate,
    .on_fill = on_fill,
    .on_limit_update = on_limit_update,
    .save = save,
    .load = load,
};

static int begin(void) {
    memset(&did, 0, sizeof(did));
    memset(self, 0, sizeof(self));
    memset(&given, 0, sizeof(given));
    memset(&answer, 0, sizeof(answer));
    market_fill();
    given.setup.timeframe[0] = 2;
    given.setup.timeframe[1] = 0;
    return 0;
}

static void turn_write(uint64_t sequence) {
    struct turn *turn = &market.turns[sequence % WIRE_TURNS];
    turn->head = (struct wire_turn){.sequence = sequence, .now_ns = 1000 + (int64_t)sequence};
    for (uint32_t i = 0; i < INSTRUMENTS * TIMEFRAMES; i++) {
        turn->counts[i] = 100 * sequence + i;
    }
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        turn->tick_counts[i] = 10 * sequence + i;
        turn->levels[i].counts = (struct wire_levels){.bid_count = i + 1, .ask_count = i + 2};
    }
    given.command.sequence = sequence;
    given.command.command = WIRE_RUN;
}

static int start(void) {
    return runner_init(&runner, &agent, &market.head, &given, &answer.reply, self);
}

/* ---- tests
 * ------------------------------------------------------------------------------------------------------------------------- */

static void test_the_snapshot_shows_the_turn(void **state) {
    (void)state;
    begin();
    assert_int_equal(start(), 0);
    for (uint64_t i = 1; i < 3 * WIRE_TURNS; i++) {
        turn_write(i);
        did.order_count = 0;
        assert_int_equal(runner_turn(&runner), 0);
        assert_int_equal(answer.reply.head.result, 3);
        assert_int_equal(answer.reply.head.sequence, i);
    }
    assert_int_equal(did.turns, 3 * WIRE_TURNS - 1);
}

static void test_fills_then_limits_then_signals(void **state) {
    (void)state;
    begin();
    assert_int_equal(start(), 0);
    turn_write(1);
    given.fills[0].fill_id = 1;
    given.fills[1].fill_id = 2;
    given.command.fill_count = 2;
    given.command.flags = WIRE_LIMITS_CHANGED;
    runner_turn(&runner);
    static const int wanted[] = {'f', 'f', 'l', 'g'};
    assert_int_equal(did.order_count, 4);
    assert_memory_equal(did.order, wanted, sizeof(wanted));
}

static void test_optional_calls_may_be_missing(void **state) {
    (void)state;
    begin();
    struct agent_vtable whole = agent;
    agent.on_fill = NULL;
    agent.on_limit_update = NULL;
    agent.fini = NULL;
    agent.save = NULL;
    agent.load = NULL;
    given.setup.state_size = 8;
    assert_int_equal(start(), 0);
    turn_write(1);
    given.command.fill_count = AGENT_FILLS_MAX;
    given.command.flags = WIRE_LIMITS_CHANGED;
    assert_int_equal(runner_turn(&runner), 0);
    assert_int_equal(did.turns, 1);
    given.command.command = WIRE_SAVE;
    assert_int_equal(runner_turn(&runner), 0);
    assert_int_equal(answer.reply.head.result, AGENT_ERROR);
    assert_int_equal(answer.reply.head.size, 0);
    given.command.command = WIRE_STOP;
    assert_int_equal(runner_turn(&runner), 1);
    agent = whole;
}

static void test_save_and_stop(void **state) {
    (void)state;
    begin();
    assert_int_equal(start(), 0);
    given.command.command = WIRE_SAVE;
    assert_int_equal(runner_turn(&runner), 0);
    assert_int_equal(answer.reply.head.result, AGENT_OK);
    assert_int_equal(answer.reply.head.size, 8);
    assert_int_equal(answer.reply.state[0], 1);
    given.command.command = WIRE_STOP;
    assert_int_equal(runner_turn(&runner), 1);
    assert_int_equal(did.finis, 1);
}

static void test_a_refused_state_starts_cold(void **state) {
    (void)state;
    begin();
    given.setup.state_size = 8;
    given.setup.state_schema = 1;
    assert_int_equal(start(), 0);
    assert_true(did.inits == 1 && did.loads == 1 && self[1] == 2);
    begin();
    given.setup.state_size = 8;
    given.setup.state_schema = 9;
    assert_int_equal(start(), 0);
    assert_true(did.inits == 2 && did.loads == 1 && self[0] == 1 && self[1] == 0);
}

static void test_a_refusing_init_says_why(void **state) {
    (void)state;
    begin();
    did.result = AGENT_ERROR;
    assert_int_equal(start(), -1);
    assert_int_equal(answer.reply.head.step, WIRE_STEP_INIT);
    assert_string_equal(answer.reply.failure, "init refused");
}

static void test_wrong_memories_are_refused(void **state) {
    (void)state;
    begin();
    market.head.magic = 1;
    assert_int_equal(start(), -1);
    begin();
    market.head.instrument_count = AGENT_INSTRUMENTS_MAX + 1;
    assert_int_equal(start(), -1);
    begin();
    given.setup.timeframe[1] = TIMEFRAMES;
    assert_int_equal(start(), -1);
    assert_int_equal(did.inits, 0);
}

static void test_services_cut_and_count(void **state) {
    (void)state;
    begin();
    assert_int_equal(start(), 0);
    char text[1000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    runner.log_count = runner.log_dropped = 0;
    assert_int_equal(did.services->log(2, text), AGENT_OK);
    assert_int_equal(did.services->plot(text, 1.5), AGENT_OK);
    assert_int_equal(did.services->note(text, NULL), AGENT_OK);
    assert_int_equal(strlen(answer.reply.logs[0].text), WIRE_TEXT_MAX - 1);
    assert_int_equal(strlen(answer.reply.logs[1].name), AGENT_NAME_MAX - 1);
    assert_true(answer.reply.logs[1].value == 1.5 && answer.reply.logs[0].level == 2);
    assert_int_equal(answer.reply.logs[2].text[0], 0);
    for (uint32_t i = 3; i < WIRE_LOGS_MAX; i++) {
        assert_int_equal(did.services->log(0, "more"), AGENT_OK);
    }
    assert_int_equal(did.services->log(0, "too many"), AGENT_ERROR);
    assert_int_equal(runner.log_count, WIRE_LOGS_MAX);
    assert_int_equal(runner.log_dropped, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_snapshot_shows_the_turn),   cmocka_unit_test(test_fills_then_limits_then_signals),
        cmocka_unit_test(test_optional_calls_may_be_missing), cmocka_unit_test(test_save_and_stop),
        cmocka_unit_test(test_a_refused_state_starts_cold),   cmocka_unit_test(test_a_refusing_init_says_why),
        cmocka_unit_test(test_wrong_memories_are_refused),    cmocka_unit_test(test_services_cut_and_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
