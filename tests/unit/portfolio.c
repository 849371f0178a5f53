/*
 * Tests of host/ledger/portfolio.c: random fills of several agents, instruments and tags (partial closes, adding, turning
 * around; money with and without a remainder) against an oracle that keeps every position as a 128-bit fraction and knows
 * nothing of the books' code; the invariant after every step; and round trips, extremes, streaks, days and drawdown by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/wide.h"
#include "ledger/portfolio.h"

#define INSTRUMENTS 4
#define AGENTS 3
#define PLACES (INSTRUMENTS * AGENTS * 2)
#define DEPOSITS (1000000 * E8)

static uint64_t seed;

static int64_t dice(int64_t sides) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)sides);
}

/* Ticks and lots whose product has a remainder in 1e-8, and such that have none. */
static void instruments_make(struct instrument i[INSTRUMENTS]) {
    static const int64_t made[INSTRUMENTS][3] = {{E8, E8, E8}, {25000000, E8, 5 * E8}, {1, 1, E8}, {12345, 678, 3 * E8 / 2}};
    for (int k = 0; k < INSTRUMENTS; k++) {
        struct error error = {0};
        i[k] = (struct instrument){.currency = "USD", .tick_e8 = made[k][0], .lot_e8 = made[k][1], .multiplier_e8 = made[k][2], .quantity_min_lots = 1};
        assert_int_equal(instrument_init(&i[k], &error), 0);
    }
    assert_true(i[0].value_den == 1 && i[1].value_den == 1 && i[2].value_den > 1 && i[3].value_den > 1);
}

/* num / den to the nearest, ties to the even one. */
static int128 nearest(int128 num, int128 den) {
    int128 down = num / den - (num % den < 0), twice = 2 * (num - down * den);
    return down + (twice > den || (twice == den && down % 2 != 0));
}

/* Money of lots at a price, from tick, lot and multiplier (a count of halves here); each of the three is in 1e-8. */
static int128 money(const struct instrument *i, int64_t ticks, int64_t lots) {
    return nearest((int128)ticks * lots * i->tick_e8 * i->lot_e8 * (i->multiplier_e8 / (E8 / 2)), 2 * E8);
}

/* ---- the oracle ------------------------------------------------------------------------------------------------------------------ */

/* One position: exact cost as the sum over its parts, and the round trip so far. */
struct place {
    int agent, instrument, index;
    int64_t lots, peak;
    int128 cost, realised, fees, worst, best;
};

struct oracle {
    struct place places[PLACES];
    int128 realised[AGENTS], fees[AGENTS], cash;
    uint32_t streak[AGENTS], closed[AGENTS], won[AGENTS];
};

static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

/* A round trip ends: its result decides the streak. */
static void trip_end(struct oracle *o, struct place *p) {
    int128 result = p->realised - p->fees;
    o->closed[p->agent]++;
    o->won[p->agent] += result > 0;
    o->streak[p->agent] = result < 0 ? o->streak[p->agent] + 1 : 0;
    p->realised = p->fees = p->worst = p->best = 0;
    p->peak = 0;
}

/* True when a round trip ended. `trip` is the place as it was then. */
static bool oracle_fill(struct oracle *o, struct place *p, const struct instrument *i, const struct fill *f, int128 *realised, struct place *trip) {
    int128 value = money(i, f->price_ticks, f->lots), closed_value = 0, closed_cost = 0;
    bool closes = p->lots != 0 && (p->lots > 0) != (f->lots > 0), ends = false;
    int64_t part = closes ? (abs64(f->lots) < abs64(p->lots) ? abs64(f->lots) : abs64(p->lots)) : 0;
    if (closes) {
        closed_cost = part == abs64(p->lots) ? p->cost : nearest(p->cost * part, abs64(p->lots));
        closed_value = part == abs64(f->lots) ? value : nearest(value * part, abs64(f->lots));
        int128 open = money(i, f->price_ticks, p->lots) - p->cost;
        p->worst = open < p->worst ? open : p->worst;
        p->best = open > p->best ? open : p->best;
    }
    *realised = closes ? -closed_value - closed_cost : 0;
    o->cash -= value + f->fee_e8;
    o->realised[p->agent] += *realised;
    o->fees[p->agent] += f->fee_e8;
    p->realised += *realised;
    p->fees += f->fee_e8;
    p->cost += value - closed_value - closed_cost;
    p->lots += f->lots;
    p->peak = abs64(p->lots) > p->peak ? abs64(p->lots) : p->peak;
    *trip = *p;
    if (closes && part == abs64(p->lots - f->lots)) {
        ends = true;
        trip_end(o, p);
        p->peak = abs64(p->lots);
    }
    return ends;
}

static void compare(const struct book *b, const struct oracle *o, const struct instrument *instruments) {
    int128 value = 0, realised = 0, fees = 0;
    uint32_t open = 0;
    for (int k = 0; k < PLACES; k++) {
        const struct place *p = &o->places[k];
        const struct position *q = &b->positions[p->index];
        assert_true(q->lots == p->lots && q->cost_e8 == p->cost);
        if (p->lots != 0) {
            assert_true(q->trade_realised_e8 == p->realised && q->trade_fees_e8 == p->fees && q->trade_peak_lots == p->peak);
            assert_true(q->mae_e8 == p->worst && q->mfe_e8 == p->best);
        }
        value += p->lots ? money(&instruments[p->instrument], q->mark_ticks, p->lots) : 0;
        open += p->lots != 0;
    }
    for (int a = 0; a < AGENTS; a++) {
        assert_true(b->agents[a].realised_e8 == o->realised[a] && b->agents[a].fees_e8 == o->fees[a]);
        assert_int_equal(b->agents[a].loss_streak, o->streak[a]);
        assert_int_equal(b->agents[a].trades_closed, o->closed[a]);
        assert_int_equal(b->agents[a].trades_won, o->won[a]);
        realised += o->realised[a];
        fees += o->fees[a];
    }
    assert_true(b->realised_e8 == realised && b->fees_e8 == fees && b->cash_e8 == o->cash);
    assert_true(b->equity_e8 == o->cash + value);
    assert_int_equal(b->open_count, open);
    assert_true(portfolio_exact(b));
}

/* ---- random fills ------------------------------------------------------------------------------------------------------------------- */

static int64_t random_lots(const struct place *p) {
    int64_t any = (dice(2) ? 1 : -1) * (1 + dice(dice(2) ? 9 : 100000));
    switch (dice(5)) {
    case 0: return p->lots ? -p->lots : any;                      /* close */
    case 1: return p->lots / 3 ? -p->lots / 3 : any;              /* close a part */
    case 2: return p->lots ? -p->lots - (p->lots > 0 ? 1 : -1) * (1 + dice(50)) : any; /* turn around */
    default: return any;
    }
}

static void mark_all(struct book *b, struct oracle *o, const struct instrument *instruments, int instrument, int64_t price) {
    int64_t low = price - dice(50), high = price + dice(50);
    assert_int_equal(portfolio_mark(b, instruments, (uint16_t)instrument, price, low, high), 0);
    for (int k = 0; k < PLACES; k++) {
        struct place *p = &o->places[k];
        for (int end = 0; end < 2 && p->instrument == instrument && p->lots; end++) {
            int128 open = money(&instruments[instrument], end ? high : low, p->lots) - p->cost;
            p->worst = open < p->worst ? open : p->worst;
            p->best = open > p->best ? open : p->best;
        }
    }
}

static void random_session(uint64_t number, const struct instrument *instruments) {
    static struct book b;
    static struct oracle o;
    static const char *const tags[] = {"core", "swing"};
    seed = number;
    memset(&o, 0, sizeof(o));
    portfolio_init(&b, DEPOSITS);
    o.cash = DEPOSITS;
    for (int a = 0; a < AGENTS; a++) {
        assert_int_equal(portfolio_agent_add(&b, tags[a % 2], true, DEPOSITS / AGENTS), a);
    }
    for (int k = 0; k < PLACES; k++) {
        o.places[k] = (struct place){.agent = k % AGENTS, .instrument = k / AGENTS % INSTRUMENTS};
        o.places[k].index = portfolio_position(&b, (uint16_t)o.places[k].agent, (uint16_t)o.places[k].instrument, tags[k / (AGENTS * INSTRUMENTS)]);
        assert_int_equal(o.places[k].index, k);
    }
    int64_t price[INSTRUMENTS] = {1000, 20000, 2000000, 400000};
    for (int n = 0; n < 300; n++) {
        struct place *p = &o.places[dice(PLACES)], trip;
        price[p->instrument] += dice(101) - 50;
        price[p->instrument] = price[p->instrument] < 500 ? 500 : price[p->instrument];
        struct fill f = {.fill_id = (uint64_t)n + 1, .agent = (uint16_t)p->agent, .instrument = (uint16_t)p->instrument, .position = (uint16_t)p->index,
                         .lots = random_lots(p), .price_ticks = price[p->instrument], .fee_e8 = dice(3) ? dice(E8) : 0, .time_ns = n};
        struct trade trade;
        int128 realised;
        int closed = portfolio_apply(&b, instruments, &f, &trade);
        bool due = oracle_fill(&o, p, &instruments[p->instrument], &f, &realised, &trip);
        assert_int_equal(closed, due);
        assert_true(f.realised_e8 == realised);
        if (due) {
            assert_true(trade.realised_e8 == trip.realised && trade.fees_e8 == trip.fees);
            assert_true(trade.mae_e8 == trip.worst && trade.mfe_e8 == trip.best);
            assert_true(trade.exit_ticks == f.price_ticks && trade.closed_ns == n && trade.agent == p->agent);
        }
        if (dice(3) == 0) {
            mark_all(&b, &o, instruments, p->instrument, price[p->instrument]);
        }
        portfolio_settle(&b);
        compare(&b, &o, instruments);
    }
}

static void test_random_fills_against_the_oracle(void **state) {
    (void)state;
    struct instrument instruments[INSTRUMENTS];
    instruments_make(instruments);
    for (uint64_t number = 1; number <= 400; number++) {
        random_session(number, instruments);
    }
}

/* ---- by hand --------------------------------------------------------------------------------------------------------------------------- */

static struct book *one_agent(struct instrument instruments[INSTRUMENTS]) {
    static struct book b;
    instruments_make(instruments);
    portfolio_init(&b, 1000 * E8);
    assert_int_equal(portfolio_agent_add(&b, "first", true, 1000 * E8), 0);
    assert_int_equal(portfolio_position(&b, 0, 0, "main"), 0);
    return &b;
}

static int filled(struct book *b, const struct instrument *i, int64_t lots, int64_t price, int64_t fee_e8, struct trade *trade) {
    struct fill f = {.lots = lots, .price_ticks = price, .fee_e8 = fee_e8, .time_ns = 5, .purpose = PURPOSE_EXIT, .reason = REASON_WISH_EXIT};
    int closed = portfolio_apply(b, i, &f, trade);
    portfolio_settle(b);
    assert_true(portfolio_exact(b));
    return closed;
}

static void test_a_round_trip_and_its_extremes(void **state) {
    (void)state;
    struct instrument i[INSTRUMENTS];
    struct book *b = one_agent(i);
    struct trade t;
    b->positions[0].wish_id = 42;
    assert_int_equal(filled(b, i, 3, 100, E8, &t), 0);
    portfolio_mark(b, i, 0, 101, 95, 103);
    portfolio_settle(b);
    assert_true(b->equity_e8 == 1002 * E8); /* 3 - 1 */
    assert_int_equal(filled(b, i, -1, 104, 0, &t), 0);
    assert_true(b->positions[0].cost_e8 == 200 * E8);
    assert_int_equal(filled(b, i, -2, 99, E8, &t), 1);
    assert_true(t.realised_e8 == 2 * E8 && t.fees_e8 == 2 * E8);
    assert_true(t.mae_e8 == -15 * E8 && t.mfe_e8 == 12 * E8); /* the exit at 104 was better than the bar */
    assert_int_equal(t.lots, 3);
    assert_int_equal(t.entry_ticks, 100);
    assert_int_equal(t.exit_ticks, 99);
    assert_int_equal(t.wish_id, 42);
    assert_int_equal(t.number, 1);
    assert_true(t.is_long);
    assert_int_equal(b->agents[0].trades_won, 0);
    assert_int_equal(b->agents[0].loss_streak, 0); /* nothing won, nothing lost */
}

static void test_streaks_of_losses(void **state) {
    (void)state;
    struct instrument i[INSTRUMENTS];
    struct book *b = one_agent(i);
    struct trade t;
    static const int64_t exits[] = {99, 99, 100, 101, 99, 99, 99};
    static const uint32_t streaks[] = {1, 2, 0, 0, 1, 2, 3};
    for (size_t k = 0; k < sizeof(exits) / sizeof(exits[0]); k++) {
        filled(b, i, 1, 100, 0, &t);
        assert_int_equal(filled(b, i, -1, exits[k], 0, &t), 1);
        assert_int_equal(b->agents[0].loss_streak, streaks[k]);
    }
    assert_int_equal(b->agents[0].trades_won, 1);
    assert_int_equal(b->trades_closed, 7);
}

static void test_turning_around_is_two_round_trips(void **state) {
    (void)state;
    struct instrument i[INSTRUMENTS];
    struct book *b = one_agent(i);
    struct trade t;
    filled(b, i, 2, 100, 0, &t);
    assert_int_equal(filled(b, i, -5, 110, 0, &t), 1);
    assert_true(t.realised_e8 == 20 * E8 && t.is_long);
    assert_int_equal(b->positions[0].lots, -3);
    assert_true(b->positions[0].cost_e8 == -330 * E8);
    assert_int_equal(b->positions[0].entry_ticks, 110);
    assert_int_equal(filled(b, i, 3, 100, 0, &t), 1);
    assert_true(t.realised_e8 == 30 * E8 && !t.is_long);
    assert_int_equal(t.lots, 3);
    assert_int_equal(b->open_count, 0);
}

static void test_the_day_and_the_drawdown(void **state) {
    (void)state;
    struct instrument i[INSTRUMENTS];
    struct book *b = one_agent(i);
    struct trade t;
    assert_true(portfolio_day(b, 10));
    assert_false(portfolio_day(b, 10));
    filled(b, i, 10, 50, 0, &t);
    b->agents[0].trades_today = 3;
    portfolio_mark(b, i, 0, 70, 70, 70); /* 1,200 */
    portfolio_settle(b);
    assert_true(b->equity_peak_e8 == 1200 * E8);
    portfolio_mark(b, i, 0, 40, 40, 40); /* 900: a quarter less */
    portfolio_settle(b);
    assert_int_equal(b->drawdown_worst_ppm, 250000);
    portfolio_mark(b, i, 0, 60, 60, 60);
    portfolio_settle(b);
    assert_int_equal(b->drawdown_worst_ppm, 250000);
    assert_true(b->day_start_equity_e8 == 1000 * E8);
    assert_true(portfolio_day(b, 11));
    assert_true(b->day_start_equity_e8 == 1100 * E8 && b->agents[0].day_start_equity_e8 == 1100 * E8);
    assert_int_equal(b->agents[0].trades_today, 0);
    assert_true(portfolio_day(b, 9)); /* another day, not a later one */
}

static void test_what_cannot_be_counted_changes_nothing(void **state) {
    (void)state;
    struct instrument i[INSTRUMENTS];
    struct book *b = one_agent(i), before;
    struct trade t;
    filled(b, i, 10, 50, 0, &t);
    before = *b;
    struct fill f = {.lots = INT64_MAX / 2, .price_ticks = INT64_MAX / 2};
    assert_int_equal(portfolio_apply(b, i, &f, &t), ERROR_OVERFLOW);
    assert_memory_equal(b, &before, sizeof(before));
    /* each fill fits, their sum does not */
    f = (struct fill){.lots = 900, .price_ticks = 100000000};
    assert_int_equal(portfolio_apply(b, i, &f, &t), 0);
    before = *b;
    assert_int_equal(portfolio_apply(b, i, &f, &t), ERROR_OVERFLOW);
    assert_memory_equal(b, &before, sizeof(before));
}

static void test_places_have_limits(void **state) {
    (void)state;
    struct instrument i[INSTRUMENTS];
    struct book *b = one_agent(i);
    char tag[TAG_MAX_BYTES];
    for (int k = 1; k < (int)AGENT_TAGS_MAX; k++) {
        snprintf(tag, sizeof(tag), "t%d", k);
        assert_int_equal(portfolio_position(b, 0, 0, tag), k);
    }
    assert_int_equal(portfolio_position(b, 0, 0, "more"), ERROR_FULL);
    assert_int_equal(portfolio_position(b, 0, 0, "main"), 0);
    for (int k = (int)AGENT_TAGS_MAX; k < (int)AGENT_POSITIONS_MAX; k++) {
        snprintf(tag, sizeof(tag), "t%d", k);
        assert_int_equal(portfolio_position(b, 0, (uint16_t)(k / (int)AGENT_TAGS_MAX), tag), k);
    }
    assert_int_equal(portfolio_position(b, 0, 50, "main"), ERROR_FULL);
    for (int k = 1; k < AGENTS_MAX; k++) {
        assert_int_equal(portfolio_agent_add(b, "more", false, 0), k);
    }
    assert_int_equal(portfolio_agent_add(b, "more", false, 0), ERROR_FULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_fills_against_the_oracle),
        cmocka_unit_test(test_a_round_trip_and_its_extremes),
        cmocka_unit_test(test_streaks_of_losses),
        cmocka_unit_test(test_turning_around_is_two_round_trips),
        cmocka_unit_test(test_the_day_and_the_drawdown),
        cmocka_unit_test(test_what_cannot_be_counted_changes_nothing),
        cmocka_unit_test(test_places_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
