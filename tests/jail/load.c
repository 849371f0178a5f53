/*
 * Tests of many slots at one market memory, each in a jail of its own, under the real engine. They show that
 *   - 1, 4 and 16 slots see the same bars, trades and turns, and exactly those that were given;
 *   - active ones are rung, answer and have their orders submitted before any candidate is rung;
 *   - a slow candidate misses turns, is told how many, and is ended before a block or cell that it may be reading is reused:
 *     agents/watcher.c reads all it may for as long as it lives, and what it reads proves itself;
 *   - a late slot is ended at its deadline, and the others do not notice;
 *   - slots that come and go leave nothing behind.
 * How they could fail to show it: the watcher might be blind, so one test tears its bars on purpose. Latencies are printed,
 * never judged: they depend on the machine.
 */
#include "jail_test.h"

#include "agents/watcher.h"
#include "flow.h"

#define WATCHER "tests/jail/agents/watcher.so"
#define SEATS_HERE 17u
#define EVENTS_HERE 65536u
#define PATIENCE_NS (10 * SECOND)

/* ---- a desk: an engine, its seats, and what went to and fro ------------------------------------------------------------------- */

enum said { BELL, ANSWER, SUBMIT };

struct event {
    enum said said;
    uint32_t seat;
};

struct desk;

struct desk_seat {
    struct desk *desk;
    uint32_t index;
    struct slot slot;
    struct agent_param params[2];
    struct watched seen;          /* as of its last answer, or of its end */
};

struct desk {
    struct arena arena;
    struct engine *engine;
    struct shared_memory market;
    struct strategy strategy;
    struct instrument instrument;
    struct risk_policy risk;
    struct host_policy host;
    struct sink sink;
    struct desk_seat seats[SEATS_HERE];
    struct venue *matchers[ACCOUNTS_MAX];
    struct engine_account_context contexts[ACCOUNTS_MAX];
    uint32_t event_count, deaths;
    struct event events[EVENTS_HERE];
    int death_reasons[SEATS_HERE];   /* as journaled, in order */
    uint64_t appended, bars, trades;
    struct error error;
};

static void note(struct desk *d, enum said said, uint32_t seat) {
    if (d->event_count < EVENTS_HERE) {
        d->events[d->event_count++] = (struct event){said, seat};
    }
}

static void seen_copy(struct desk_seat *s) { memcpy(&s->seen, slot_reply(&s->slot)->wishes, sizeof(s->seen)); }

static void desk_ring(void *context, enum wire_command command, uint64_t sequence) {
    struct desk_seat *s = context;
    note(s->desk, BELL, s->index);
    slot_ring(&s->slot, command, sequence);
}

static enum slot_answer desk_wait(void *context, int64_t timeout_ns, bool kill_late) {
    struct desk_seat *s = context;
    enum slot_answer answer = slot_wait(&s->slot, timeout_ns, kill_late);
    if (answer == SLOT_ANSWERED) {
        note(s->desk, ANSWER, s->index);
        seen_copy(s);
    }
    return answer;
}

static void desk_end(void *context, int reason, const char *text) {
    struct desk_seat *s = context;
    seen_copy(s);
    slot_kill(&s->slot, reason, text);
}

static const struct slot_death *desk_death(void *context) { return &((struct desk_seat *)context)->slot.death; }

static uint64_t desk_append(void *context, const struct record *record, bool urgent) {
    struct desk *d = context;
    const struct body_slot *body = record_body(record, RECORD_SLOT, sizeof(*body));
    (void)urgent;
    if (body && body->event == BODY_SLOT_DIED && d->deaths < SEATS_HERE) {
        d->death_reasons[d->deaths++] = body->reason;
    }
    return ++d->appended;
}

static bool desk_submit(void *context, struct durable_token *token) {
    struct desk *d = context;
    note(d, SUBMIT, SEATS_HERE);
    *token = (struct durable_token){.through = d->appended};
    return true;
}

static void desk_account(struct desk *d, const char *name) {
    struct venue_options none = {0};
    int n = engine_account_add(d->engine, &d->arena, name, 1000000 * E8, &d->error);
    assert_true(n >= 0);
    d->contexts[n] = (struct engine_account_context){.engine = d->engine, .account = (uint16_t)n};
    struct venue_host host = {.context = &d->contexts[n], .report = engine_report, .instruments = &d->instrument, .instrument_count = 1};
    assert_int_equal(match_venue.open(&d->matchers[n], &none, &host, &d->error), 0);
    engine_account_venue(d->engine, (uint16_t)n, &match_venue, d->matchers[n]);
}

static void desk_open(struct desk *d) {
    memset(d, 0, sizeof(*d));
    d->instrument = (struct instrument){.name = "TEST", .currency = "USD", .tick_e8 = E8 / 4, .lot_e8 = E8, .multiplier_e8 = E8,
                                        .quantity_min_lots = 1};
    struct market_options market = {.instruments = &d->instrument, .instrument_count = 1, .timeframe_count = 2,
                                    .timeframe_ns = {WATCH_BAR_NS, 2 * WATCH_BAR_NS}, .bars = {WATCH_BARS, WATCH_LONG_BARS},
                                    .ticks = WATCH_TICKS};
    if (strategy_open(&d->strategy, build_path(WATCHER), ALLOW, &d->error) != 0 || !d->strategy.admitted) {
        fail_msg("%s %s", d->error.text, d->strategy.findings[0].text);
    }
    assert_int_equal(instrument_init(&d->instrument, &d->error), 0);
    assert_int_equal(shared_memory_open(&d->market, SHARED_HOST_WRITES, market_size(&market), &d->error), 0);
    assert_int_equal(arena_init(&d->arena, engine_bytes(ACCOUNTS_MAX)), 0);
    d->risk = (struct risk_policy){.market_entry = true, .positions_max = 64, .orders_max = 64, .modifications_max = 20};
    /* deadlines that only the test of deadlines shortens: this is not about how busy the machine is with other things */
    d->host = (struct host_policy){.active_deadline_ns = PATIENCE_NS, .candidate_deadline_ns = PATIENCE_NS, .intent_age_max_ns = 50 * MS};
    d->sink = (struct sink){.context = d, .append = desk_append, .submit = desk_submit};
    struct engine_options options = {.instruments = &d->instrument, .instrument_count = 1, .risk = &d->risk, .host = &d->host,
                                     .sink = &d->sink, .instance = "load", .timeframe_ns = WATCH_BAR_NS, .deadlines = true,
                                     .clock_ns = test_now_ns};
    d->engine = engine_open(&d->arena, &options, &market, d->market.bytes, &d->error);
    assert_non_null(d->engine);
    desk_account(d, "");
}

/* Adds a watcher; `busy_turn` 0 = never busy, see agents/watcher.c. Returns its place. */
static uint32_t desk_add(struct desk *d, bool active, unsigned busy_turn, const char *how, unsigned how_much) {
    uint32_t index = d->engine->seat_count;
    struct desk_seat *s = &d->seats[index];
    char name[16];
    snprintf(name, sizeof(name), "w%u", index);
    snprintf(s->params[0].name, sizeof(s->params[0].name), "busy_turn");
    snprintf(s->params[0].text, sizeof(s->params[0].text), "%u", busy_turn);
    snprintf(s->params[1].name, sizeof(s->params[1].name), "%s", how);
    snprintf(s->params[1].text, sizeof(s->params[1].text), "%u", how_much);
    struct slot_options options = {.strategy = &d->strategy, .slot_binary = build_path("bin/bulkhead-slot"), .title = "slot load",
                                   .params = s->params, .param_count = 2, .core = -1, .nice = active ? 0 : 10,
                                   .start_ns_max = 2 * SECOND, .timeframe = {0, 1}, .market = &d->market};
    if (slot_start(&s->slot, &options, &d->error) != 0) {
        fail_msg("%s", d->error.text);
    }
    s->desk = d;
    s->index = index;
    if (!active) {
        desk_account(d, name);
    }
    struct engine_seat seat = {.name = name, .active = active, .account = (uint16_t)(active ? 0 : d->engine->account_count - 1),
                               .budget_e8 = 1000 * E8, .needs = &d->strategy.entry.needs,
                               .link = {s, desk_ring, desk_wait, desk_end, desk_death},
                               .private_memory = slot_private(&s->slot), .reply = slot_reply(&s->slot)};
    assert_int_equal(engine_seat_add(d->engine, &seat, &d->error), index);
    return index;
}

static void desk_close(struct desk *d) {
    for (uint32_t i = 0; i < SEATS_HERE; i++) {
        slot_kill(&d->seats[i].slot, REASON_SLOT_STOPPED, "end of test");
    }
    for (uint32_t n = 0; n < ACCOUNTS_MAX; n++) {
        if (d->matchers[n]) {
            match_venue.close(d->matchers[n]);
        }
    }
    arena_fini(&d->arena);
    shared_memory_close(&d->market);
    strategy_close(&d->strategy);
}

/* ---- its day ------------------------------------------------------------------------------------------------------------------- */

static struct bar bar_of(uint64_t n) {
    struct watch_bar w = watch_bar_of((int64_t)n * WATCH_BAR_NS);
    return (struct bar){.start_ns = (int64_t)n * WATCH_BAR_NS, .open = w.open, .high = w.high, .low = w.low, .close = w.close, .volume_e8 = E8};
}

/* Trade number n at time n. */
static void trade(struct desk *d) {
    int64_t time_ns = (int64_t)d->trades++;
    engine_trade(d->engine, 0, watch_trade_price(time_ns), watch_trade_size(time_ns) * E8, time_ns, false);
}

static void turn(struct desk *d) {
    struct bar bar = bar_of(d->bars);
    struct bar_turn t = {.close_ns = (int64_t)++d->bars * WATCH_BAR_NS, .count = 1, .bar = {&bar}};
    engine_bars(d->engine, &t, NULL);
    assert_false(d->engine->failed);
}

/* Candidates are collected as the running host does it, until none is asked any more. */
static void settle(struct desk *d) {
    int64_t start = test_now_ns();
    for (bool asked = true; asked;) {
        asked = false;
        engine_candidates(d->engine);
        for (uint32_t i = 0; i < d->engine->seat_count; i++) {
            const struct seat *s = &d->engine->seats[i];
            if (s->asked && test_now_ns() - d->seats[i].slot.rung_ns > d->host.candidate_deadline_ns) {
                engine_late(d->engine, i);
            }
            asked = asked || s->asked;
        }
        assert_true(test_now_ns() - start < 2 * PATIENCE_NS);
        usleep(asked ? 20 : 0);
    }
}

/* What every agent has to have seen now, computed from what was given alone. */
static uint64_t due_hash(const struct desk *d) {
    uint64_t hash = WATCH_HASH_START, n = d->bars;
    struct agent_bar shown;
    for (uint64_t back = 1; back <= WATCH_BARS && back <= n; back++) {
        struct bar b = bar_of(n - back);
        shown = (struct agent_bar){.start_ns = b.start_ns, .close = (double)b.close / 4, .open_ticks = (double)b.open,
                                   .high_ticks = (double)b.high, .low_ticks = (double)b.low, .close_ticks = (double)b.close};
        hash = watch_hash_bar(hash, &shown);
    }
    for (uint64_t back = 1; back <= WATCH_LONG_BARS && back <= n / 2; back++) {
        struct bar a = bar_of(2 * (n / 2 - back)), b = bar_of(2 * (n / 2 - back) + 1);
        shown = (struct agent_bar){.start_ns = a.start_ns, .close = (double)b.close / 4, .open_ticks = (double)a.open,
                                   .high_ticks = (double)(a.high > b.high ? a.high : b.high),
                                   .low_ticks = (double)(a.low < b.low ? a.low : b.low), .close_ticks = (double)b.close};
        hash = watch_hash_bar(hash, &shown);
    }
    for (uint64_t back = 1; back <= WATCH_TICKS && back <= d->trades; back++) {
        int64_t time_ns = (int64_t)(d->trades - back);
        struct agent_tick tick = {.time_ns = time_ns, .price_ticks = (double)watch_trade_price(time_ns), .size = (double)watch_trade_size(time_ns)};
        hash = watch_hash_trade(hash, &tick);
    }
    return watch_hash_number(hash, (double)bar_of(n - 1).close);
}

/* ---- one market, many slots ------------------------------------------------------------------------------------------------------ */

static void slots_see_the_same(uint32_t count) {
    static struct desk d;
    desk_open(&d);
    for (uint32_t i = 0; i < count; i++) {
        desk_add(&d, i % 3 == 0, 0, "until", 0);
    }
    for (uint64_t n = 1; n <= 200; n++) {
        for (uint64_t k = 0; k < n % 4; k++) {
            trade(&d);
        }
        turn(&d);
        settle(&d);
        uint64_t hash = due_hash(&d);
        for (uint32_t i = 0; i < count; i++) {
            const struct watched *seen = &d.seats[i].seen;
            assert_true(seen->sequence == n && seen->turns == n && seen->gap == 0 && seen->events == AGENT_EVENT_BAR);
            assert_true(seen->now_ns == (int64_t)n * WATCH_BAR_NS);
            assert_true(seen->torn == 0 && seen->bars == (n < 2 ? 1 : 2) + (n / 2 < 4 ? n / 2 : 4));
            assert_true(seen->trades == (d.trades < WATCH_TICKS ? d.trades : WATCH_TICKS));
            assert_true(seen->hash == hash);
        }
    }
    assert_int_equal(d.deaths, 0);
    desk_close(&d);
}

static void test_one_slot_sees_what_was_given(void **state) {
    (void)state;
    slots_see_the_same(1);
}

static void test_four_slots_see_the_same(void **state) {
    (void)state;
    slots_see_the_same(4);
}

static void test_sixteen_slots_see_the_same(void **state) {
    (void)state;
    slots_see_the_same(16);
}

/* ---- who is served first ----------------------------------------------------------------------------------------------------------- */

/* The next events have to be `said` of every seat of that role, in roster order. */
static uint32_t expect(const struct desk *d, uint32_t at, enum said said, bool active) {
    for (uint32_t i = 0; i < d->engine->seat_count; i++) {
        if (d->engine->seats[i].active == active) {
            assert_true(at < d->event_count);
            assert_int_equal(d->events[at].said, said);
            assert_int_equal(d->events[at].seat, i);
            at++;
        }
    }
    return at;
}

static void test_active_ones_are_done_before_candidates_begin(void **state) {
    (void)state;
    static struct desk d;
    desk_open(&d);
    for (uint32_t i = 0; i < 4; i++) { /* candidates sit first: it is not the roster that decides */
        desk_add(&d, false, 0, "until", 0);
    }
    desk_add(&d, true, 7, "steps", 2000); /* slower than the one behind it */
    desk_add(&d, true, 0, "until", 0);
    for (uint32_t n = 0; n < 100; n++) {
        d.event_count = 0;
        turn(&d);
        uint32_t at = expect(&d, 0, BELL, true);
        at = expect(&d, at, ANSWER, true);
        assert_int_equal(d.events[at].said, SUBMIT);
        at = expect(&d, at + 1, BELL, false);
        assert_int_equal(at, d.event_count); /* nobody waited for a candidate */
        settle(&d);
    }
    assert_int_equal(d.deaths, 0);
    desk_close(&d);
}

/* ---- a slow candidate --------------------------------------------------------------------------------------------------------------- */

/* Busy until the host has gone on by `missed` turns. */
static void missed_turns_are_counted(uint32_t missed) {
    static struct desk d;
    desk_open(&d);
    uint32_t active = desk_add(&d, true, 0, "until", 0), slow = desk_add(&d, false, 10, "until", missed), other = desk_add(&d, false, 0, "until", 0);
    for (uint32_t n = 1; n < 10; n++) {
        turn(&d);
        settle(&d);
    }
    turn(&d); /* the tenth: it begins to be busy */
    for (uint32_t n = 0; n < missed; n++) {
        while (d.engine->seats[other].asked) {
            engine_candidate(d.engine, other, SECOND);
        }
        turn(&d);
    }
    settle(&d);
    assert_int_equal(d.seats[slow].seen.sequence, 10);
    assert_int_equal(d.seats[slow].seen.torn, 0);
    assert_true(d.seats[slow].seen.looks > 10);
    turn(&d);
    settle(&d);
    assert_int_equal(d.seats[slow].seen.gap, missed);
    assert_int_equal(d.seats[slow].seen.sequence, 10 + missed + 1);
    assert_int_equal(d.seats[slow].seen.turns, 11);
    assert_true(d.seats[slow].seen.hash == due_hash(&d) && d.seats[slow].seen.torn == 0);
    assert_int_equal(d.engine->seats[slow].gaps, missed);
    turn(&d);
    settle(&d);
    assert_int_equal(d.seats[slow].seen.gap, 0); /* told once */
    for (uint32_t i = active; i <= other; i += other - active) {
        assert_int_equal(d.seats[i].seen.turns, 12 + missed);
        assert_int_equal(d.engine->seats[i].gaps, 0);
    }
    assert_int_equal(d.deaths, 0);
    desk_close(&d);
}

static void test_missed_turns_are_counted_and_told(void **state) {
    (void)state;
    missed_turns_are_counted(1);
    missed_turns_are_counted(3);
    missed_turns_are_counted(WIRE_TURNS - 2);
}

/* A desk with an active slot, a candidate that is busy for ever since its fifth turn (seat 1), and another candidate. */
static void busy_desk(struct desk *d) {
    desk_open(d);
    desk_add(d, true, 0, "until", 0);
    desk_add(d, false, 5, "until", 0);
    desk_add(d, false, 0, "until", 0);
    for (uint32_t n = 1; n <= 5; n++) {
        for (uint32_t k = 0; k < WATCH_TICKS; k++) {
            trade(d);
        }
        turn(d);
        for (uint32_t i = 1; i <= 2; i++) {
            while (d->engine->seats[i].asked && !(n == 5 && i == 1)) {
                engine_candidate(d->engine, i, SECOND);
            }
        }
    }
    int64_t start = test_now_ns();
    while (((const volatile struct watched *)(const volatile void *)slot_reply(&d->seats[1].slot)->wishes)->turns != 5) {
        assert_true(test_now_ns() - start < PATIENCE_NS);
    }
}

/* It lagged, it was ended in time, it read a lot until then and nothing of it was wrong. */
static void lagged_unharmed(const struct desk *d) {
    const struct desk_seat *s = &d->seats[1];
    assert_false(d->engine->seats[1].alive);
    assert_int_equal(d->engine->seats[1].death.reason, REASON_SLOT_LAG);
    assert_int_equal(d->deaths, 1);
    assert_int_equal(d->death_reasons[0], REASON_SLOT_LAG);
    assert_int_equal(s->seen.turns, 5);
    assert_true(s->seen.looks > 1000);
    assert_int_equal(s->seen.torn, 0);
    assert_int_equal(s->slot.pid, 0);
}

static void test_a_candidate_too_far_behind_is_ended_before_its_bars_go(void **state) {
    (void)state;
    static struct desk d;
    busy_desk(&d);
    for (uint32_t n = 1; n < WIRE_TURNS; n++) {
        assert_true(d.engine->seats[1].alive);
        usleep(2000);
        turn(&d);
        engine_candidate(d.engine, 2, SECOND);
    }
    lagged_unharmed(&d);
    turn(&d);
    settle(&d);
    assert_int_equal(d.seats[0].seen.turns, 5 + WIRE_TURNS);
    assert_int_equal(d.seats[2].seen.turns, 5 + WIRE_TURNS);
    assert_true(d.seats[2].seen.hash == due_hash(&d) && d.seats[0].seen.torn + d.seats[2].seen.torn == 0);
    desk_close(&d);
}

static void test_turns_of_other_agents_count_as_well(void **state) {
    (void)state;
    static struct desk d;
    busy_desk(&d);
    struct quote quote = {.bid_ticks = 400, .ask_ticks = 404, .last_ticks = 402};
    for (uint32_t n = 1; n < WIRE_TURNS; n++) {
        assert_true(d.engine->seats[1].alive);
        usleep(2000);
        quote.time_ns = (int64_t)d.bars * WATCH_BAR_NS + n;
        engine_quote(d.engine, 0, &quote, true); /* nobody here wants a turn for it, but the blocks go round */
    }
    lagged_unharmed(&d);
    desk_close(&d);
}

static void test_trades_do_not_overtake_who_reads_them(void **state) {
    (void)state;
    static struct desk d;
    busy_desk(&d);
    uint64_t before = d.trades;
    while (d.engine->seats[1].alive && d.trades - before < 100000) {
        trade(&d);
        usleep(d.trades % 128 == 0 ? 1000 : 0);
    }
    print_message("# %llu trades came while it read\n", (unsigned long long)(d.trades - before));
    assert_true(d.trades - before > 500); /* a burst is no reason */
    lagged_unharmed(&d);
    turn(&d);
    settle(&d);
    assert_int_equal(d.seats[2].seen.torn, 0);
    assert_true(d.seats[2].seen.hash == due_hash(&d));
    desk_close(&d);
}

/* Without the rule the watcher does see it: past the engine, bars are appended until its cells are reused. */
static void test_a_torn_bar_would_be_seen(void **state) {
    (void)state;
    static struct desk d;
    busy_desk(&d);
    for (uint64_t n = d.bars; n < d.bars + 64; n++) {
        struct bar bar = bar_of(n);
        market_append_bar(&d.engine->market, 0, &bar, false, NULL, (int64_t)(n + 1) * WATCH_BAR_NS);
    }
    usleep(20000);
    seen_copy(&d.seats[1]);
    assert_true(d.seats[1].seen.torn > 0);
    desk_close(&d);
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------------------------- */

/* Sixty turns, two slots that stop answering. False: the machine was so busy that another one was late as well. */
static bool late_slots_alone_are_ended(int64_t scale) {
    static struct desk d;
    desk_open(&d);
    d.host.active_deadline_ns = scale * 10 * MS;
    d.host.candidate_deadline_ns = scale * 50 * MS;
    for (uint32_t i = 0; i < 5; i++) { /* 0 and 1 are active, 1 and 3 go silent */
        desk_add(&d, i < 2, i == 1 ? 20 : i == 3 ? 30 : 0, "until", 0);
    }
    for (uint32_t n = 1; n <= 60; n++) {
        int64_t start = test_now_ns();
        turn(&d);
        int64_t decided = test_now_ns();
        settle(&d);
        assert_true(n != 20 || decided - start >= d.host.active_deadline_ns);
        assert_true(n != 30 || test_now_ns() - start >= d.host.candidate_deadline_ns);
        assert_false((d.engine->seats[1].alive && n >= 20) || (d.engine->seats[3].alive && n >= 30));
        if (n == 20 || n == 30) {
            print_message("# ended %.1f ms after its bell\n", (double)((n == 20 ? decided : test_now_ns()) - start) / 1e6);
        }
    }
    assert_int_equal(d.engine->seats[1].death.reason, REASON_SLOT_DEADLINE);
    assert_int_equal(d.engine->seats[3].death.reason, REASON_SLOT_DEADLINE);
    bool undisturbed = d.deaths == 2;
    for (uint32_t k = 0; k < d.deaths; k++) {
        assert_int_equal(d.death_reasons[k], REASON_SLOT_DEADLINE);
    }
    for (uint32_t i = 0; i <= 4 && undisturbed; i += 2) {
        assert_int_equal(d.engine->seats[i].turns, 60);
        assert_int_equal(d.engine->seats[i].gaps, 0);
        assert_int_equal(d.seats[i].seen.torn, 0);
        assert_true(d.seats[i].seen.hash == due_hash(&d));
    }
    desk_close(&d);
    return undisturbed;
}

static void test_late_slots_are_ended_and_the_others_do_not_notice(void **state) {
    (void)state;
    bool undisturbed = false;
    for (int64_t scale = 1; scale <= 16 && !undisturbed; scale *= 4) {
        undisturbed = late_slots_alone_are_ended(scale);
        print_message("# deadlines of %d and %d ms: the others %s\n", (int)scale * 10, (int)scale * 50, undisturbed ? "did not notice" : "were late too");
    }
    assert_true(undisturbed);
}

/* ---- figures ------------------------------------------------------------------------------------------------------------------------------ */

static void latency_print(const struct desk *d) {
    uint32_t candidates = d->engine->seat_count - 1;
    const struct histogram *h = &d->engine->decision_ns, *last = &d->engine->seats[candidates].latency;
    print_message("# active decision beside %2u candidates: p50 %.1f us, p99 %.1f us; last seat's answer p50 %.1f us, p99 %.1f us\n", candidates,
                  (double)histogram_at(h, 500000) / 1e3, (double)histogram_at(h, 990000) / 1e3, (double)histogram_at(last, 500000) / 1e3,
                  (double)histogram_at(last, 990000) / 1e3);
}

/* Three desks take turns, so that what else the machine does hits all of them. */
static void test_latency_of_decisions(void **state) {
    (void)state;
    static struct desk desks[3];
    static const uint32_t candidates[3] = {0, 3, 15};
    for (uint32_t k = 0; k < 3; k++) {
        desk_open(&desks[k]);
        for (uint32_t i = 0; i <= candidates[k]; i++) {
            desk_add(&desks[k], i == 0, 0, "until", 0);
        }
    }
    for (uint32_t n = 0; n < 3 * 1000; n++) {
        struct desk *d = &desks[n / 50 % 3];
        turn(d);
        settle(d);
        usleep(1000);
    }
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(desks[k].engine->decision_ns.count, 1000);
        for (uint32_t i = 0; i < desks[k].engine->seat_count; i++) {
            const struct seat *s = &desks[k].engine->seats[i];
            assert_int_equal(s->latency.count, s->turns); /* candidates are measured too */
            assert_int_equal(s->turns, 1000);
        }
        latency_print(&desks[k]);
        desk_close(&desks[k]);
    }
}

static long resident_pages(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return resident;
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void test_slots_that_come_and_go_leave_nothing(void **state) {
    (void)state;
    static struct jail jail;
    static int64_t start_us[1000];
    uint32_t count = 0;
    int descriptors = 0, threads = 0;
    long pages = 0;
    jail_open(&jail, build_path("tests/jail/agents/observer.so"));
    for (int64_t end = test_now_ns() + 10 * SECOND; count < 1000 && test_now_ns() < end; count++) {
        if (count == 50) { /* what is allocated once is there by now */
            descriptors = host_descriptors();
            threads = host_threads();
            pages = resident_pages();
        }
        assert_int_equal(jail_start(&jail), 0);
        start_us[count] = jail.slot.start_us;
        assert_int_equal(jail_turn(&jail, count, SECOND), SLOT_ANSWERED);
        if (count % 2) {
            slot_stop(&jail.slot, SECOND);
        } else {
            slot_kill(&jail.slot, REASON_OPERATOR, "enough");
        }
    }
    assert_true(count > 100);
    qsort(start_us, count, sizeof(start_us[0]), by_value);
    print_message("# %u slots came and went: start p50 %.2f ms, p99 %.2f ms; %+ld pages\n", count, (double)start_us[count / 2] / 1e3,
                  (double)start_us[count * 99 / 100] / 1e3, resident_pages() - pages);
    assert_int_equal(host_descriptors(), descriptors);
    assert_int_equal(host_threads(), threads);
    assert_true(resident_pages() - pages < 64);
    jail_close(&jail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_slot_sees_what_was_given),
        cmocka_unit_test(test_four_slots_see_the_same),
        cmocka_unit_test(test_sixteen_slots_see_the_same),
        cmocka_unit_test(test_active_ones_are_done_before_candidates_begin),
        cmocka_unit_test(test_missed_turns_are_counted_and_told),
        cmocka_unit_test(test_a_candidate_too_far_behind_is_ended_before_its_bars_go),
        cmocka_unit_test(test_turns_of_other_agents_count_as_well),
        cmocka_unit_test(test_trades_do_not_overtake_who_reads_them),
        cmocka_unit_test(test_a_torn_bar_would_be_seen),
        cmocka_unit_test(test_late_slots_are_ended_and_the_others_do_not_notice),
        cmocka_unit_test(test_latency_of_decisions),
        cmocka_unit_test(test_slots_that_come_and_go_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
