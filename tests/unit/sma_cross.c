/*
 * sma_cross.c - the strategy as a plain object, so that sanitizers see it: they cannot run in the jail.
 *
 * The strategy's source is part of this program. Its wishes are compared with averages added up anew at every bar, over
 * prices large enough that a double sum would be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../strategies/sma_cross.c"

#define BARS 4000u
#define MASK 511u

static char last_log[256];

static int keep_log(int level, const char *text) {
    (void)level;
    agent_text(last_log, sizeof last_log, text);
    return AGENT_OK;
}

static const struct agent_services services = {.log = keep_log};

/* A one-instrument world that grows bar by bar. */
struct world {
    struct agent_instrument instrument;
    struct agent_bar ring[MASK + 1];
    struct agent_series series;
    struct agent_book book;
    struct agent_position position;
    struct agent_snapshot snapshot;
    struct agent_setup setup;
    struct agent_param params[4];
    int64_t closes[BARS];
    struct sma *agent;
    struct agent_wish wish;
};

static void world_param(struct world *w, const char *name, const char *text) {
    struct agent_param *param = &w->params[w->setup.param_count++];
    agent_text(param->name, sizeof param->name, name);
    agent_text(param->text, sizeof param->text, text);
}

static struct world *world_open(void) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->agent = calloc(1, sizeof *w->agent);
    assert_non_null(w->agent);
    agent_text(w->instrument.name, sizeof w->instrument.name, "TEST");
    w->instrument.tick = 1e-8;
    w->series = (struct agent_series){.ring = w->ring, .mask = MASK, .timeframe_ns = 60};
    w->setup = (struct agent_setup){.instruments = &w->instrument, .params = w->params, .instrument_count = 1};
    w->snapshot = (struct agent_snapshot){.instrument_count = 1, .timeframe_count = 1, .instruments = &w->instrument,
                                          .series = &w->series, .book = &w->book, .positions = &w->position};
    return w;
}

static void world_close(struct world *w) {
    free(w->agent);
    free(w);
}

static void world_append(struct world *w, int64_t close) {
    uint64_t n = w->series.count++;
    w->series.visible = n + 1 < VISIBLE ? n + 1 : VISIBLE;
    w->closes[n] = close;
    w->ring[n & MASK] = (struct agent_bar){.start_ns = (int64_t)n * 60, .close_ticks = (double)close};
}

static int world_start(struct world *w) { return sma_init(w->agent, &w->setup, &services); }
static int world_turn(struct world *w) { return sma_generate(w->agent, &w->snapshot, &w->wish, 1); }

static int64_t walk(int64_t close, uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return close + (int64_t)(*state >> 60) - 7 - (close > INT64_C(1) << 52);
}

static int64_t sum_back(const struct world *w, uint64_t length) {
    int64_t sum = 0;
    for (uint64_t i = w->series.count - length; i < w->series.count; i++) {
        sum += w->closes[i];
    }
    return sum;
}

/* 1 above, -1 below, 0 equal. */
static int relation_of(const struct world *w, int64_t fast, int64_t slow) {
    wide a = (wide)sum_back(w, (uint64_t)fast) * slow, b = (wide)sum_back(w, (uint64_t)slow) * fast;
    return (a > b) - (a < b);
}

static void wishes_follow_the_exact_averages(void **state) {
    (void)state;
    struct world *w = world_open();
    world_param(w, "side", "both");
    assert_int_equal(world_start(w), AGENT_OK);
    uint64_t seed = 7;
    int64_t close = INT64_C(1) << 52;
    int before = 0, wishes = 0;
    for (uint32_t i = 0; i < BARS; i++) {
        close = walk(close, &seed);
        world_append(w, close);
        int written = world_turn(w), now = i + 1 < 30 ? 0 : relation_of(w, 10, 30);
        assert_int_equal(written, now != before);
        if (written) {
            wishes++;
            assert_int_equal((int)w->wish.size, now);
            assert_int_equal(w->wish.wish_id, wishes);
        }
        before = now;
    }
    assert_true(wishes > 100);
    world_close(w);
}

static void missed_turns_enter_the_sums(void **state) {
    (void)state;
    struct world *w = world_open();
    assert_int_equal(world_start(w), AGENT_OK);
    uint64_t seed = 9;
    int64_t close = 1000000;
    for (uint32_t i = 0; i < BARS; i++) {
        close = walk(close, &seed);
        world_append(w, close);
        if (seed % 5 != 0) {
            world_turn(w);
            if (i >= 30) {
                assert_true(w->agent->lanes[0].sum_slow == sum_back(w, 30));
                assert_true(w->agent->lanes[0].sum_fast == sum_back(w, 10));
            }
        }
    }
    world_close(w);
}

static void a_long_absence_starts_anew(void **state) {
    (void)state;
    struct world *w = world_open();
    world_param(w, "slow", "300");
    assert_int_equal(world_start(w), AGENT_OK);
    for (uint32_t i = 0; i < 400; i++) {
        world_append(w, 1000 + i);
        world_turn(w);
    }
    assert_int_equal(w->agent->lanes[0].pushed, 400);
    for (uint32_t i = 0; i < 300; i++) {
        world_append(w, 2000 + i);
    }
    assert_int_equal(world_turn(w), 0);
    assert_int_equal(w->agent->lanes[0].pushed, VISIBLE);
    world_close(w);
}

static void a_saved_state_goes_on_where_it_was(void **state) {
    (void)state;
    struct world *w = world_open();
    world_param(w, "side", "both");
    assert_int_equal(world_start(w), AGENT_OK);
    uint64_t seed = 11;
    int64_t close = 1000000;
    unsigned char *bytes = malloc(AGENT_STATE_MAX);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < BARS; i++) {
        close = walk(close, &seed);
        world_append(w, close);
        if (i % 37 == 36) {
            struct agent_wish expected;
            struct sma *heir = calloc(1, sizeof *heir);
            assert_non_null(heir);
            int64_t size = sma_save(w->agent, bytes, AGENT_STATE_MAX);
            assert_true(size > 0);
            assert_int_equal(sma_init(heir, &w->setup, &services), AGENT_OK);
            assert_int_equal(sma_load(heir, 1, bytes, (uint64_t)size), AGENT_OK);
            int written = sma_generate(w->agent, &w->snapshot, &expected, 1);
            assert_int_equal(sma_generate(heir, &w->snapshot, &w->wish, 1), written);
            assert_true(!written || memcmp(&expected, &w->wish, sizeof expected) == 0);
            free(w->agent);
            w->agent = heir;
        } else {
            world_turn(w);
        }
    }
    assert_int_equal(sma_load(w->agent, 2, bytes, 0), AGENT_ERROR);
    assert_int_equal(sma_load(w->agent, 1, bytes, 40), AGENT_ERROR);
    free(bytes);
    world_close(w);
}

static void a_cold_start_keeps_an_open_position(void **state) {
    (void)state;
    struct world *w = world_open();
    assert_int_equal(world_start(w), AGENT_OK);
    w->book.position_count = 1;
    agent_text(w->position.tag, sizeof w->position.tag, "main");
    w->position.wish_id = 41;
    w->position.quantity = 1;
    for (uint32_t i = 0; i < 60; i++) {
        world_append(w, 1000 + i);
        assert_int_equal(world_turn(w), 0);
    }
    world_append(w, 1);
    assert_int_equal(world_turn(w), 1);
    assert_int_equal(w->wish.wish_id, 42);
    assert_true(w->wish.size >= 0.0 && w->wish.size <= 0.0);
    world_close(w);
}

static void levels_are_whole_ticks_toward_the_close(void **state) {
    (void)state;
    struct world *w = world_open();
    w->instrument.tick = 0.25;
    world_param(w, "stop_pct", "33.3");
    world_param(w, "target_r", "1.5");
    world_param(w, "worst_ticks", "-3");
    assert_int_equal(world_start(w), AGENT_OK);
    for (uint32_t i = 0; i < 30; i++) {
        world_append(w, 100 + i);
        world_turn(w);
    }
    /* close 129 ticks: 33.3 % = 42.957, so 42; stop 87; target 129 + 63; worst 126 */
    assert_int_equal((int)(w->wish.stop * 4), 87);
    assert_int_equal((int)(w->wish.target * 4), 192);
    assert_int_equal((int)(w->wish.worst_price * 4), 126);
    assert_string_equal(w->wish.reason, "fast 10 above slow 30");
    world_close(w);
}

static void bad_parameters_are_refused_with_a_reason(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"fast", "30"}, {"fast", "0"}, {"fast", "1.5"}, {"fast", ""}, {"fast", "9 "}, {"slow", "1001"}, {"quantity", "0"},
        {"quantity", "-1"}, {"quantity", "0.000000001"}, {"side", "up"}, {"tag", "Main"}, {"tag", ""}, {"tag", "abcdefghijklmnop"},
        {"stop_pct", "100"}, {"stop_ticks", "0"}, {"target_r", "nan"}, {"p_lb", "1.1"}, {"exp_r", "-"}, {"speed", "1"},
        {"quantity", "99999999999999999999"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *w = world_open();
        world_param(w, cases[i][0], cases[i][1]);
        last_log[0] = '\0';
        if (world_start(w) != AGENT_ERROR || strstr(last_log, cases[i][0]) == NULL) {
            fail_msg("%s=%s: log '%s'", cases[i][0], cases[i][1], last_log);
        }
        world_close(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wishes_follow_the_exact_averages),   cmocka_unit_test(missed_turns_enter_the_sums),
        cmocka_unit_test(a_long_absence_starts_anew),         cmocka_unit_test(a_saved_state_goes_on_where_it_was),
        cmocka_unit_test(a_cold_start_keeps_an_open_position), cmocka_unit_test(levels_are_whole_ticks_toward_the_close),
        cmocka_unit_test(bad_parameters_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests_name("sma_cross", tests, NULL, NULL);
}
