/*
 * Tests of host/enforce/gate.c: the order of the table against the documented list, every rule below, at and above its
 * edge, worst case over open orders, exits, shrinking, overflow, gate_recheck(), and 100,000 random questions against an
 * oracle that is written here from the words of design §7, in 128-bit integers and without a look at the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/wide.h"
#include "data/data.h"
#include "enforce/enforce.h"

#define WORLD_INSTRUMENTS 3
#define WORLD_AGENTS 3

/* Everything a question can look at. Prices 100 ticks of 1; instrument 1 counts five times, instrument 2 is on margin. */
struct world {
    struct risk_policy risk;
    struct book book;
    struct instrument instruments[WORLD_INSTRUMENTS];
    struct order orders[64];
    struct gate_facts facts;
    struct proposal proposal;
};

static struct world *made_world(void) {
    static struct world w;
    memset(&w, 0, sizeof(w));
    for (int i = 0; i < WORLD_INSTRUMENTS; i++) {
        struct error error = {0};
        w.instruments[i] = (struct instrument){.currency = "USD", .tick_e8 = E8, .lot_e8 = E8, .multiplier_e8 = i == 1 ? 5 * E8 : E8,
                                               .quantity_min_lots = 1, .margin_per_unit_e8 = i == 2 ? 10 * E8 : 0, .market_entry = true};
        assert_int_equal(instrument_init(&w.instruments[i], &error), 0);
    }
    w.risk = (struct risk_policy){.market_entry = true, .positions_max = 5, .orders_max = 8, .data_age_max_ns = 120 * NS_PER_S};
    w.book.agent_count = WORLD_AGENTS;
    for (uint32_t k = 0; k < WORLD_AGENTS; k++) {
        w.book.agents[k].budget_e8 = 10000 * E8;
    }
    w.book.equity_e8 = w.book.equity_peak_e8 = w.book.day_start_equity_e8 = 30000 * E8;
    w.book.position_count = 12;
    for (uint16_t k = 0; k < 12; k++) {
        w.book.positions[k].agent = k / 4 % WORLD_AGENTS;
        w.book.positions[k].instrument = k % WORLD_INSTRUMENTS;
    }
    w.facts = (struct gate_facts){.risk = &w.risk, .book = &w.book, .instruments = w.instruments, .orders = w.orders, .now_ns = 1000 * NS_PER_S,
                                  .data_ns = 990 * NS_PER_S, .data_age_max_ns = 120 * NS_PER_S, .price_ticks = 100};
    w.proposal = (struct proposal){.wish_id = 1, .purpose = PURPOSE_ENTRY, .lots = 10, .stop_ticks = 90};
    return &w;
}

static void hold(struct world *w, uint16_t position, int64_t lots, int64_t mark) {
    struct position *p = &w->book.positions[position];
    p->lots = lots;
    p->mark_ticks = mark;
    assert_int_equal(instrument_value(&w->instruments[p->instrument], mark, lots, &p->value_e8), 0);
    w->book.open[w->book.open_count++] = position;
}

static struct order *ordered(struct world *w, uint16_t position, uint8_t purpose, uint8_t state, int64_t lots, int64_t limit) {
    struct order *o = &w->orders[w->facts.order_count++];
    *o = (struct order){.order_id = w->facts.order_count, .agent = w->book.positions[position].agent, .position = position,
                        .instrument = w->book.positions[position].instrument, .purpose = purpose, .state = state, .lots = lots,
                        .limit_ticks = limit, .mark_ticks = 100};
    return o;
}

static void expect_line(struct world *w, int reason, int64_t lots, int line) {
    struct verdict v;
    gate_apply(&w->facts, &w->proposal, &v);
    if (v.reason != reason || v.lots != lots) {
        fail_msg("line %d: %s, %lld lots (found %lld, allowed %lld); wanted %s, %lld", line, reason_name(v.reason), (long long)v.lots,
                 (long long)v.value, (long long)v.limit, reason_name(reason), (long long)lots);
    }
}
#define EXPECT(reason, lots) expect_line(w, REASON_##reason, lots, __LINE__)

/* ---- the table ------------------------------------------------------------------------------------------------------------------ */

static void test_the_order_of_the_rules(void **state) {
    (void)state;
    static const char *const order[] = {"kill_switch", "trading_state", "stop", "target", "market_entry", "long_only", "risk_per_trade", "data",
                                        "orders", "position_count", "trade_size", "position_max", "opposite_side", "minimum", "buying_power",
                                        "daily_loss", "drawdown"};
    assert_int_equal(gate_rule_count, sizeof(order) / sizeof(order[0]));
    for (uint32_t i = 0; i < gate_rule_count; i++) {
        assert_string_equal(gate_rules[i].name, order[i]);
        assert_false(gate_rules[i].exits);
    }
}

/* Everything is wrong at once; mended one by one, the refusals come in the order of the table. */
static void test_the_first_broken_rule_decides(void **state) {
    (void)state;
    struct world *w = made_world();
    w->facts.kill_switch = true;
    w->facts.trading_state = TRADING_HALTED;
    w->proposal.lots = -1000;
    w->proposal.stop_ticks = 0;
    w->proposal.target_ticks = 101;
    w->risk.market_entry = false;
    w->risk.long_only = true;
    w->risk.risk_per_trade_max_e8 = 1;
    w->facts.data_ns = 0;
    w->risk.orders_max = 1;
    ordered(w, 3, PURPOSE_ENTRY, ORDER_ACKED, 1, 100);
    w->risk.positions_max = 1;
    w->risk.trade_notional_max_e8 = 1;
    w->risk.position_notional_max_e8 = 1;
    w->instruments[0].quantity_min_lots = 2000;
    w->risk.daily_loss_max_e8 = 1;
    w->risk.drawdown_max_ppm = 1;
    w->book.equity_e8 -= E8;
    EXPECT(KILL_SWITCH, 0);
    w->facts.kill_switch = false;
    EXPECT(TRADING_HALTED, 0);
    w->facts.trading_state = TRADING_REDUCING;
    EXPECT(TRADING_REDUCING, 0);
    w->facts.trading_state = TRADING_ACTIVE;
    EXPECT(STOP_MISSING, 0);
    w->proposal.stop_ticks = 99;
    EXPECT(STOP_SIDE, 0);
    w->proposal.stop_ticks = 110;
    EXPECT(TARGET_SIDE, 0);
    w->proposal.target_ticks = 99;
    EXPECT(MARKET_ENTRY, 0);
    w->risk.market_entry = true;
    EXPECT(LONG_ONLY, 0);
    w->risk.long_only = false;
    EXPECT(RISK_PER_TRADE, 0);
    w->risk.risk_per_trade_max_e8 = 0;
    EXPECT(DATA_MISSING, 0);
    w->facts.data_ns = 1;
    EXPECT(DATA_STALE, 0);
    w->facts.data_ns = w->facts.now_ns;
    EXPECT(ORDERS_FULL, 0);
    w->risk.orders_max = 8;
    EXPECT(POSITION_COUNT, 0);
    w->risk.positions_max = 5;
    EXPECT(TRADE_SIZE, 0);
    w->risk.trade_notional_max_e8 = 0;
    EXPECT(POSITION_MAX, 0);
    w->risk.position_notional_max_e8 = 0;
    EXPECT(OPPOSITE_SIDE, 0);
    w->facts.order_count = 0;
    EXPECT(ORDER_MINIMUM, 0);
    w->instruments[0].quantity_min_lots = 1;
    EXPECT(BUYING_POWER, 0);
    w->proposal.lots = -10;
    EXPECT(DAILY_LOSS, 0);
    w->risk.daily_loss_max_e8 = 0;
    EXPECT(DRAWDOWN, 0);
    w->risk.drawdown_max_ppm = 0;
    EXPECT(NONE, -10);
}

/* ---- edges: below, at, above ---------------------------------------------------------------------------------------------------------- */

static void test_edges_of_stop_and_target(void **state) {
    (void)state;
    struct world *w = made_world();
    w->proposal.stop_ticks = 99;
    w->proposal.target_ticks = 101;
    EXPECT(NONE, 10);
    w->proposal.stop_ticks = 100;
    EXPECT(STOP_SIDE, 0);
    w->proposal.stop_ticks = -1;
    EXPECT(STOP_MISSING, 0);
    w->proposal.stop_ticks = 99;
    w->proposal.target_ticks = 100;
    EXPECT(TARGET_SIDE, 0);
    w->proposal.worst_ticks = 99; /* the limit is the price that counts */
    EXPECT(STOP_SIDE, 0);
    w->proposal.stop_ticks = 98;
    EXPECT(NONE, 10);
    w->proposal.lots = -10;
    w->proposal.stop_ticks = 100;
    w->proposal.target_ticks = 98;
    EXPECT(NONE, -10);
    w->proposal.target_ticks = 99;
    EXPECT(TARGET_SIDE, 0);
    w->proposal.stop_ticks = 99;
    EXPECT(STOP_SIDE, 0);
}

static void test_edges_of_risk_and_data(void **state) {
    (void)state;
    struct world *w = made_world();
    w->risk.risk_per_trade_max_e8 = 100 * E8; /* 10 lots x 10 ticks */
    EXPECT(NONE, 10);
    w->risk.risk_per_trade_max_e8 = 100 * E8 - 1;
    EXPECT(RISK_PER_TRADE, 0);
    w->risk.risk_per_trade_max_e8 = 0;
    w->facts.data_ns = w->facts.now_ns - 120 * NS_PER_S;
    EXPECT(NONE, 10);
    w->facts.data_ns--;
    EXPECT(DATA_STALE, 0);
    w->facts.data_ns = w->facts.now_ns;
    w->facts.price_ticks = 0;
    w->proposal.worst_ticks = 100;
    EXPECT(DATA_MISSING, 0);
}

static void test_edges_of_market_entries_and_shorts(void **state) {
    (void)state;
    struct world *w = made_world();
    w->instruments[0].market_entry = false;
    EXPECT(MARKET_ENTRY, 0);
    w->proposal.worst_ticks = 101;
    EXPECT(NONE, 10);
    w->instruments[0].long_only = true;
    EXPECT(NONE, 10);
    w->proposal.lots = -1;
    w->proposal.stop_ticks = 110;
    EXPECT(LONG_ONLY, 0);
}

static void test_edges_of_counts(void **state) {
    (void)state;
    struct world *w = made_world();
    w->risk.orders_max = 3;
    ordered(w, 1, PURPOSE_EXIT, ORDER_ACKED, -1, 0);
    ordered(w, 2, PURPOSE_HOST, ORDER_UNKNOWN, -1, 0);
    EXPECT(NONE, 10);
    ordered(w, 4, PURPOSE_ENTRY, ORDER_NEW, 1, 100);
    EXPECT(ORDERS_FULL, 0);
    w->risk.orders_max = 64;
    w->risk.positions_max = 3;
    hold(w, 1, 1, 100);
    EXPECT(NONE, 10); /* one held, one ordered, this one */
    ordered(w, 1, PURPOSE_ENTRY, ORDER_NEW, 1, 100);
    ordered(w, 4, PURPOSE_ENTRY, ORDER_UNKNOWN, 1, 100);
    EXPECT(NONE, 10); /* both count already */
    ordered(w, 5, PURPOSE_ENTRY, ORDER_UNKNOWN, 1, 100);
    EXPECT(POSITION_COUNT, 0);
    w->proposal.position = 5; /* adding to one that counts is free */
    w->proposal.instrument = 2;
    w->proposal.agent = 1;
    EXPECT(NONE, 10);
    w->risk.positions_max = 1;
    EXPECT(NONE, 10);
}

static void test_edges_of_sizes(void **state) {
    (void)state;
    struct world *w = made_world();
    w->risk.trade_notional_max_e8 = 1000 * E8;
    EXPECT(NONE, 10);
    w->risk.trade_notional_max_e8 = 1000 * E8 - 1;
    EXPECT(TRADE_SIZE, 0);
    w->risk.trade_notional_max_e8 = 0;
    w->risk.trade_fraction_max_ppm = 100000; /* of the agent's 10,000 */
    EXPECT(NONE, 10);
    w->book.agents[0].realised_e8 = -1;
    EXPECT(TRADE_SIZE, 0);
    w->book.agents[0].realised_e8 = -10001 * E8; /* less than nothing allows nothing */
    EXPECT(TRADE_SIZE, 0);
    w->book.agents[0].realised_e8 = 0;
    w->risk.trade_fraction_max_ppm = 0;
    w->risk.position_notional_max_e8 = 4000 * E8;
    hold(w, 0, 10, 100);                                     /* its own, 1,000 */
    ordered(w, 3, PURPOSE_ENTRY, ORDER_UNKNOWN, 10, 100);    /* its own, another tag, fate unknown */
    ordered(w, 6, PURPOSE_ENTRY, ORDER_SENT, 10, 0)->filled_lots = 5; /* another agent's, 500 left */
    hold(w, 9, 5, 100);                                      /* another agent's, 500 */
    EXPECT(NONE, 10);
    w->risk.position_notional_max_e8--;
    EXPECT(POSITION_MAX, 0);
    w->risk.position_notional_max_e8 = 0;
    w->risk.position_fraction_max_ppm = 300000; /* of 10,000: 3,000 for the agent; of 30,000: 9,000 for the account */
    EXPECT(NONE, 10);
    w->risk.position_fraction_max_ppm--;
    EXPECT(POSITION_MAX, 0);
}

/* Without this a strategy could sell any size: "at 1 or better" is worth next to nothing, and fills at the market. */
static void test_a_sell_below_the_market_counts_at_the_market(void **state) {
    (void)state;
    struct world *w = made_world();
    w->proposal.lots = -10;
    w->proposal.worst_ticks = 1;
    w->proposal.stop_ticks = 110;
    w->risk.trade_notional_max_e8 = 1000 * E8;
    EXPECT(NONE, -10);
    w->risk.trade_notional_max_e8--;
    EXPECT(TRADE_SIZE, 0);
    w->risk.trade_notional_max_e8 = 0;
    w->risk.position_notional_max_e8 = 2000 * E8;
    ordered(w, 3, PURPOSE_ENTRY, ORDER_ACKED, -10, 1);
    EXPECT(NONE, -10);
    w->risk.position_notional_max_e8--;
    EXPECT(POSITION_MAX, 0);
    w->risk.position_notional_max_e8 = 0;
    w->proposal.lots = -90;
    EXPECT(NONE, -90);
    w->proposal.lots = -91;
    EXPECT(BUYING_POWER, 0);
    w->proposal.worst_ticks = 120; /* above the market it counts at its limit */
    w->proposal.stop_ticks = 130;
    w->proposal.lots = -75;
    EXPECT(NONE, -75);
    w->proposal.lots = -76;
    EXPECT(BUYING_POWER, 0);
}

static void test_edges_of_minimums(void **state) {
    (void)state;
    struct world *w = made_world();
    w->instruments[0].quantity_min_lots = 10;
    w->instruments[0].notional_min_e8 = 1000 * E8;
    EXPECT(NONE, 10);
    w->instruments[0].notional_min_e8++;
    EXPECT(ORDER_MINIMUM, 0);
    w->instruments[0].notional_min_e8 = 0;
    w->instruments[0].quantity_min_lots = 11;
    EXPECT(ORDER_MINIMUM, 0);
}

static void test_edges_of_buying_power(void **state) {
    (void)state;
    struct world *w = made_world();
    w->proposal.lots = 100; /* the whole 10,000 */
    EXPECT(NONE, 100);
    w->book.agents[0].fees_e8 = 1;
    EXPECT(BUYING_POWER, 0);
    w->book.agents[0].fees_e8 = 0;
    w->instruments[0].fee_taker_e8 = 1;
    EXPECT(BUYING_POWER, 0);
    w->instruments[0].fee_taker_e8 = 0;
    w->book.equity_e8 = w->book.day_start_equity_e8 = 10000 * E8 - 1; /* the account as a whole has less */
    EXPECT(BUYING_POWER, 0);
    w->book.equity_e8 = w->book.day_start_equity_e8 = 30000 * E8;
    ordered(w, 1, PURPOSE_ENTRY, ORDER_UNKNOWN, 1, 100); /* five times: 500 */
    w->proposal.lots = 95;
    EXPECT(NONE, 95);
    w->proposal.lots = 96;
    EXPECT(BUYING_POWER, 0);
    w->proposal = (struct proposal){.purpose = PURPOSE_ENTRY, .instrument = 2, .position = 2, .lots = 950, .stop_ticks = 90};
    EXPECT(NONE, 950); /* on margin: 10 each */
    w->proposal.lots = 951;
    EXPECT(BUYING_POWER, 0);
}

static void test_edges_of_losses(void **state) {
    (void)state;
    struct world *w = made_world();
    w->risk.daily_loss_max_e8 = 100 * E8;
    w->book.equity_e8 -= 100 * E8 - 1;
    EXPECT(NONE, 10);
    w->book.equity_e8--;
    EXPECT(DAILY_LOSS, 0);
    w->risk.daily_loss_max_e8 = 0;
    w->risk.daily_loss_fraction_max_ppm = 3334; /* of 30,000: 100.02 */
    EXPECT(NONE, 10);
    w->risk.daily_loss_fraction_max_ppm = 3333;
    EXPECT(DAILY_LOSS, 0);
    w->risk.daily_loss_fraction_max_ppm = 0;
    w->risk.drawdown_max_ppm = 3334;
    EXPECT(NONE, 10);
    w->risk.drawdown_max_ppm = 3333;
    EXPECT(DRAWDOWN, 0);
}

static void test_opposite_side_looks_at_positions_and_entries_only(void **state) {
    (void)state;
    struct world *w = made_world();
    ordered(w, 6, PURPOSE_EXIT, ORDER_ACKED, -5, 0);
    EXPECT(NONE, 10);
    ordered(w, 7, PURPOSE_ENTRY, ORDER_ACKED, -5, 0); /* another instrument */
    EXPECT(NONE, 10);
    ordered(w, 6, PURPOSE_ENTRY, ORDER_UNKNOWN, -5, 0);
    EXPECT(OPPOSITE_SIDE, 0);
    w->facts.order_count = 0;
    hold(w, 9, -1, 100);
    EXPECT(OPPOSITE_SIDE, 0);
}

static void test_overflow_refuses(void **state) {
    (void)state;
    struct world *w = made_world();
    w->facts.price_ticks = INT64_C(4000000000000000000);
    w->proposal.lots = INT64_C(4000000000000000000);
    EXPECT(TRADE_SIZE, 0);
    w->proposal.instrument = 2; /* margin makes the requirement small; the value still cannot be counted */
    w->proposal.position = 2;
    w->instruments[2].margin_per_unit_e8 = 1;
    w->book.agents[0].budget_e8 = w->book.equity_e8 = INT64_MAX / 4;
    w->proposal.lots = 1000000;
    EXPECT(TRADE_SIZE, 0);
}

/* ---- shrinking ---------------------------------------------------------------------------------------------------------------------------- */

static void test_shrinking_to_the_limit_and_never_above(void **state) {
    (void)state;
    struct world *w = made_world();
    w->risk.oversize = OVERSIZE_SHRINK;
    w->risk.trade_notional_max_e8 = 750 * E8;
    EXPECT(NONE, 7);
    w->proposal.lots = -10;
    w->proposal.stop_ticks = 110;
    EXPECT(NONE, -7);
    w->risk.position_notional_max_e8 = 1000 * E8;
    hold(w, 0, -4, 100);
    EXPECT(NONE, -6); /* by the second limit */
    hold(w, 3, -6, 100);
    EXPECT(POSITION_MAX, 0);
    w->book.open_count = 0;
    w->instruments[0].quantity_min_lots = 8;
    EXPECT(TRADE_SIZE, 0); /* what fits is below the minimum */
    for (int64_t lots = 1; lots <= 40; lots++) {
        for (int64_t limit = 1; limit <= 4200; limit += 7) {
            w = made_world();
            w->risk.oversize = OVERSIZE_SHRINK;
            w->risk.trade_notional_max_e8 = limit * E8;
            w->proposal.lots = lots;
            int64_t fits = limit / 100 < lots ? limit / 100 : lots;
            expect_line(w, fits == 0 ? REASON_TRADE_SIZE : REASON_NONE, fits, __LINE__);
        }
    }
}

/* ---- exits ------------------------------------------------------------------------------------------------------------------------------------ */

static uint64_t seed = 20240101;

static int64_t dice(int64_t sides) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)sides);
}

/* A world of which nothing may be assumed but that its numbers are counts. */
static struct world *random_world(void) {
    struct world *w = made_world();
    w->risk.market_entry = dice(8) != 0;
    w->risk.long_only = dice(8) == 0;
    w->risk.oversize = (int32_t)dice(2);
    w->risk.positions_max = 1 + dice(8);
    w->risk.orders_max = 1 + dice(12);
    w->risk.position_notional_max_e8 = dice(2) ? 0 : dice(8000) * E8 + dice(E8);
    w->risk.position_fraction_max_ppm = dice(2) ? 0 : dice(600000);
    w->risk.trade_notional_max_e8 = dice(2) ? 0 : dice(4000) * E8;
    w->risk.trade_fraction_max_ppm = dice(2) ? 0 : dice(400000);
    w->risk.risk_per_trade_max_e8 = dice(2) ? 0 : dice(600) * E8;
    w->risk.daily_loss_max_e8 = dice(3) ? 0 : dice(4000) * E8;
    w->risk.daily_loss_fraction_max_ppm = dice(3) ? 0 : dice(200000);
    w->risk.drawdown_max_ppm = dice(3) ? 0 : dice(300000);
    w->facts.price_ticks = dice(20) ? 50 + dice(100) : 0;
    w->facts.data_ns = dice(20) ? w->facts.now_ns - dice(125) * NS_PER_S : 0;
    w->facts.kill_switch = dice(20) == 0;
    w->facts.trading_state = (uint8_t)(dice(12) ? 0 : 1 + dice(2));
    w->book.equity_e8 += (dice(8000) - 4000) * E8;
    w->book.equity_peak_e8 += dice(4000) * E8;
    for (int k = 0; k < WORLD_AGENTS; k++) {
        w->book.agents[k].realised_e8 = (dice(4000) - 2000) * E8 + dice(E8);
        w->book.agents[k].unrealised_e8 = (dice(1000) - 500) * E8;
        w->book.agents[k].fees_e8 = dice(100) * E8;
    }
    for (int i = 0; i < WORLD_INSTRUMENTS; i++) {
        w->instruments[i].quantity_min_lots = 1 + dice(3);
        w->instruments[i].notional_min_e8 = dice(3) ? 0 : dice(400) * E8;
        w->instruments[i].fee_taker_e8 = dice(3) * 100000;
        w->instruments[i].fee_per_unit_e8 = dice(2) * E8 / 4;
        w->instruments[i].long_only = dice(10) == 0;
        w->instruments[i].market_entry = dice(10) != 0;
    }
    for (uint16_t k = 0; k < 12; k++) {
        if (dice(4) == 0) {
            hold(w, k, (dice(8) ? 1 : -1) * (1 + dice(20)), 50 + dice(100));
        }
    }
    for (int64_t n = dice(6); n > 0; n--) {
        struct order *o = ordered(w, (uint16_t)dice(12), (uint8_t)(dice(3) ? PURPOSE_ENTRY : PURPOSE_EXIT), (uint8_t)dice(ORDER_FILLED),
                                  (dice(8) ? 1 : -1) * (1 + dice(20)), dice(2) ? 0 : 50 + dice(100));
        o->filled_lots = o->lots / (1 + dice(4));
        o->mark_ticks = 50 + dice(100);
    }
    uint16_t position = (uint16_t)dice(12);
    bool is_long = dice(8) != 0;
    int64_t price = 50 + dice(100);
    w->proposal = (struct proposal){.agent = w->book.positions[position].agent, .instrument = w->book.positions[position].instrument,
                                    .position = position, .purpose = PURPOSE_ENTRY, .lots = (is_long ? 1 : -1) * (1 + dice(60)),
                                    .worst_ticks = dice(2) ? price : 0};
    price = w->proposal.worst_ticks ? price : w->facts.price_ticks;
    w->proposal.stop_ticks = dice(15) ? price + (is_long ? -1 : 1) * (1 + dice(20)) : price + dice(5);
    w->proposal.target_ticks = dice(2) ? 0 : price + (dice(15) ? (is_long ? 1 : -1) * (1 + dice(20)) : 0);
    return w;
}

static void test_a_reducing_exit_is_never_blocked(void **state) {
    (void)state;
    uint32_t asked = 0;
    while (asked < 50000) {
        struct world *w = random_world();
        int64_t held = w->book.positions[w->proposal.position].lots;
        if (held == 0) {
            continue;
        }
        w->proposal.lots = held > 0 ? -(1 + dice(held)) : 1 + dice(-held);
        w->proposal.purpose = (uint8_t)(PURPOSE_EXIT + dice(4));
        w->proposal.stop_ticks = 0;
        struct verdict v;
        gate_apply(&w->facts, &w->proposal, &v);
        assert_int_equal(v.reason, REASON_NONE);
        assert_true(v.lots == w->proposal.lots);
        assert_int_equal(v.rule, -1);
        asked++;
    }
}

static void test_an_exit_that_does_not_reduce_is_asked_everything(void **state) {
    (void)state;
    struct world *w = made_world();
    w->facts.kill_switch = true;
    w->proposal.purpose = PURPOSE_EXIT;
    EXPECT(KILL_SWITCH, 0); /* nothing is held */
    hold(w, 0, 10, 100);
    EXPECT(KILL_SWITCH, 0); /* the same side */
    w->proposal.lots = -11;
    EXPECT(KILL_SWITCH, 0); /* more than is held */
    w->proposal.lots = -10;
    EXPECT(NONE, -10);
    w->proposal.purpose = PURPOSE_ENTRY;
    EXPECT(KILL_SWITCH, 0);
}

/* ---- before it leaves --------------------------------------------------------------------------------------------------------------------------- */

static void test_recheck(void **state) {
    (void)state;
    struct world *w = made_world();
    struct order *o = ordered(w, 0, PURPOSE_ENTRY, ORDER_DURABLE, 10, 0);
    o->created_mono_ns = 7;
    w->facts.mono_ns = 7 + 50 * NS_PER_MS;
    assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_NONE);
    w->facts.mono_ns++;
    assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_STALE_INTENT);
    w->facts.data_ns = w->facts.now_ns - w->facts.data_age_max_ns - 1;
    assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_DATA_STALE);
    w->facts.trading_state = TRADING_REDUCING;
    assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_TRADING_REDUCING);
    w->facts.trading_state = TRADING_HALTED;
    assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_TRADING_HALTED);
    w->facts.kill_switch = true;
    assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_KILL_SWITCH);
    for (uint8_t purpose = PURPOSE_EXIT; purpose <= PURPOSE_HOST; purpose++) {
        o->purpose = purpose;
        assert_int_equal(gate_recheck(&w->facts, o, 50 * NS_PER_MS), REASON_NONE);
    }
}

/* ---- the oracle ------------------------------------------------------------------------------------------------------------------------------------ */

static int128 wide_abs(int128 a) { return a < 0 ? -a : a; }
static int128 value_of(const struct world *w, int instrument, int64_t ticks, int64_t lots) {
    return wide_abs((int128)ticks * lots) * w->instruments[instrument].multiplier_e8; /* tick and lot are 1 */
}
static int128 tied_by(const struct world *w, int instrument, int64_t ticks, int64_t lots) {
    return instrument == 2 ? wide_abs(lots) * w->instruments[2].margin_per_unit_e8 : value_of(w, instrument, ticks, lots);
}
static int128 fee_of(const struct world *w, int instrument, int64_t ticks, int64_t lots) {
    const struct instrument *i = &w->instruments[instrument];
    return (value_of(w, instrument, ticks, lots) * i->fee_taker_e8 + E8 - 1) / E8 + wide_abs(lots) * i->fee_per_unit_e8;
}
static int128 own_equity(const struct world *w, int agent) {
    const struct agent_account *a = &w->book.agents[agent];
    return (int128)a->budget_e8 + a->realised_e8 - a->fees_e8 + a->unrealised_e8;
}
/* The limit that money and fraction give together; -1 = none. */
static int128 cap_of(int64_t money, int64_t ppm, int128 base) {
    int128 part = base > 0 ? base * ppm / 1000000 : 0;
    return money && ppm ? (money < part ? money : part) : money ? money : ppm ? part : -1;
}
/* A sell below the market is worth what the market gives for it. */
static int64_t counted_at(int64_t limit, int64_t last, int64_t lots) { return limit == 0 || (lots < 0 && limit < last) ? last : limit; }
static bool fresh_entry(const struct order *o) { return o->purpose == PURPOSE_ENTRY; }

/* What is held and ordered of an instrument (-1: of all, as money tied) by an agent (-1: by all). */
static int128 exposed(const struct world *w, int instrument, int agent, bool tied) {
    int128 sum = 0;
    for (uint32_t k = 0; k < w->book.open_count; k++) {
        const struct position *p = &w->book.positions[w->book.open[k]];
        if ((tied || p->instrument == instrument) && (agent < 0 || p->agent == agent)) {
            sum += tied ? tied_by(w, p->instrument, p->mark_ticks, p->lots) : value_of(w, p->instrument, p->mark_ticks, p->lots);
        }
    }
    for (uint32_t k = 0; k < w->facts.order_count; k++) {
        const struct order *o = &w->orders[k];
        if (fresh_entry(o) && (tied || o->instrument == instrument) && (agent < 0 || o->agent == agent)) {
            int64_t ticks = counted_at(o->limit_ticks, o->instrument == instrument ? w->facts.price_ticks : o->mark_ticks, o->lots);
            int64_t left = o->lots - o->filled_lots;
            sum += tied ? tied_by(w, o->instrument, ticks, left) : value_of(w, o->instrument, ticks, left);
        }
    }
    return sum;
}

static int64_t positions_after(const struct world *w) {
    bool counted[12] = {false};
    int64_t count = 0;
    counted[w->proposal.position] = true;
    for (uint32_t k = 0; k < w->book.open_count; k++) {
        counted[w->book.open[k]] = true;
    }
    for (uint32_t k = 0; k < w->facts.order_count; k++) {
        counted[w->orders[k].position] = counted[w->orders[k].position] || fresh_entry(&w->orders[k]);
    }
    for (int k = 0; k < 12; k++) {
        count += counted[k];
    }
    return count;
}

static bool position_counted(const struct world *w) {
    bool found = w->book.positions[w->proposal.position].lots != 0;
    for (uint32_t k = 0; k < w->facts.order_count; k++) {
        found = found || (fresh_entry(&w->orders[k]) && w->orders[k].position == w->proposal.position);
    }
    return found;
}

static bool opposite(const struct world *w) {
    bool found = false;
    for (uint32_t k = 0; k < w->book.open_count; k++) {
        const struct position *p = &w->book.positions[w->book.open[k]];
        found = found || (p->instrument == w->proposal.instrument && (p->lots > 0) != (w->proposal.lots > 0));
    }
    for (uint32_t k = 0; k < w->facts.order_count; k++) {
        const struct order *o = &w->orders[k];
        found = found || (fresh_entry(o) && o->instrument == w->proposal.instrument && (o->lots > 0) != (w->proposal.lots > 0));
    }
    return found;
}

/* What is in the way of an entry whatever its size. */
static int blocked(const struct world *w) {
    const struct proposal *p = &w->proposal;
    const struct risk_policy *r = &w->risk;
    const struct instrument *i = &w->instruments[p->instrument];
    int64_t price = p->worst_ticks ? p->worst_ticks : w->facts.price_ticks;
    bool is_long = p->lots > 0;
    if (w->facts.kill_switch) { return REASON_KILL_SWITCH; }
    if (w->facts.trading_state) { return w->facts.trading_state == TRADING_REDUCING ? REASON_TRADING_REDUCING : REASON_TRADING_HALTED; }
    if (p->stop_ticks <= 0) { return REASON_STOP_MISSING; }
    if (price && (is_long ? p->stop_ticks >= price : p->stop_ticks <= price)) { return REASON_STOP_SIDE; }
    if (price && p->target_ticks && (is_long ? p->target_ticks <= price : p->target_ticks >= price)) { return REASON_TARGET_SIDE; }
    if (!p->worst_ticks && !(r->market_entry && i->market_entry)) { return REASON_MARKET_ENTRY; }
    if (!is_long && (r->long_only || i->long_only)) { return REASON_LONG_ONLY; }
    if (price && r->risk_per_trade_max_e8 && value_of(w, p->instrument, price - p->stop_ticks, p->lots) > r->risk_per_trade_max_e8) { return REASON_RISK_PER_TRADE; }
    if (!w->facts.data_ns || !w->facts.price_ticks) { return REASON_DATA_MISSING; }
    if (w->facts.now_ns - w->facts.data_ns > w->facts.data_age_max_ns) { return REASON_DATA_STALE; }
    if (w->facts.order_count + 1 > r->orders_max) { return REASON_ORDERS_FULL; }
    return !position_counted(w) && positions_after(w) > r->positions_max ? REASON_POSITION_COUNT : REASON_NONE;
}

/* The largest size that the size limits leave, in 1-lot steps: the slow way. */
static int64_t largest(const struct world *w, int *why) {
    const struct proposal *p = &w->proposal;
    const struct risk_policy *r = &w->risk;
    int64_t price = counted_at(p->worst_ticks, w->facts.price_ticks, p->lots), lots = p->lots < 0 ? -p->lots : p->lots;
    int128 own = exposed(w, p->instrument, p->agent, false), all = exposed(w, p->instrument, -1, false);
    int128 caps[3] = {cap_of(r->trade_notional_max_e8, r->trade_fraction_max_ppm, own_equity(w, p->agent)),
                      cap_of(r->position_notional_max_e8, r->position_fraction_max_ppm, own_equity(w, p->agent)),
                      cap_of(r->position_notional_max_e8, r->position_fraction_max_ppm, w->book.equity_e8)};
    int128 before[3] = {0, own, all};
    for (int k = 0; k < 3; k++) {
        int64_t fits = lots;
        while (caps[k] >= 0 && fits > 0 && before[k] + value_of(w, p->instrument, price, fits) > caps[k]) {
            fits--;
        }
        if (fits < lots && (r->oversize != OVERSIZE_SHRINK || fits < w->instruments[p->instrument].quantity_min_lots || fits == 0)) {
            *why = k == 0 ? REASON_TRADE_SIZE : REASON_POSITION_MAX;
            return 0;
        }
        lots = fits;
    }
    *why = REASON_NONE;
    return lots;
}

static int oracle(const struct world *w, int64_t *lots) {
    const struct proposal *p = &w->proposal;
    int64_t price = counted_at(p->worst_ticks, w->facts.price_ticks, p->lots), asked = p->worst_ticks ? p->worst_ticks : w->facts.price_ticks;
    int why = blocked(w);
    *lots = 0;
    int64_t fits = why ? 0 : largest(w, &why);
    if (why) { return why; }
    if (opposite(w)) { return REASON_OPPOSITE_SIDE; }
    const struct instrument *i = &w->instruments[p->instrument];
    if (fits < i->quantity_min_lots || value_of(w, p->instrument, asked, fits) < i->notional_min_e8) { return REASON_ORDER_MINIMUM; }
    int128 more = tied_by(w, p->instrument, price, fits) + fee_of(w, p->instrument, price, fits);
    if (exposed(w, p->instrument, p->agent, true) + more > own_equity(w, p->agent) || exposed(w, p->instrument, -1, true) + more > w->book.equity_e8) {
        return REASON_BUYING_POWER;
    }
    int128 daily = cap_of(w->risk.daily_loss_max_e8, w->risk.daily_loss_fraction_max_ppm, w->book.day_start_equity_e8);
    if (daily >= 0 && w->book.day_start_equity_e8 - w->book.equity_e8 >= daily) { return REASON_DAILY_LOSS; }
    int128 fall = cap_of(0, w->risk.drawdown_max_ppm, w->book.equity_peak_e8);
    if (fall >= 0 && w->book.equity_peak_e8 - w->book.equity_e8 >= fall) { return REASON_DRAWDOWN; }
    *lots = p->lots > 0 ? fits : -fits;
    return REASON_NONE;
}

static void test_random_questions_against_the_oracle(void **state) {
    (void)state;
    uint32_t seen[1024] = {0}, shrunk = 0;
    for (int n = 0; n < 100000; n++) {
        struct world *w = random_world();
        struct verdict v;
        int64_t lots;
        gate_apply(&w->facts, &w->proposal, &v);
        int reason = oracle(w, &lots);
        if (v.reason != reason || v.lots != lots) {
            fail_msg("question %d: %s, %lld lots (found %lld, allowed %lld); the oracle says %s, %lld", n, reason_name(v.reason), (long long)v.lots,
                     (long long)v.value, (long long)v.limit, reason_name(reason), (long long)lots);
        }
        assert_true(v.reason != REASON_NONE || v.rule == -1 || v.lots != w->proposal.lots);
        seen[reason]++;
        shrunk += reason == REASON_NONE && lots != w->proposal.lots;
    }
    static const int all[] = {REASON_NONE, REASON_KILL_SWITCH, REASON_TRADING_HALTED, REASON_TRADING_REDUCING, REASON_STOP_SIDE, REASON_TARGET_SIDE,
                              REASON_MARKET_ENTRY, REASON_LONG_ONLY, REASON_RISK_PER_TRADE, REASON_DATA_MISSING, REASON_DATA_STALE, REASON_ORDERS_FULL,
                              REASON_POSITION_COUNT, REASON_TRADE_SIZE, REASON_POSITION_MAX, REASON_OPPOSITE_SIDE, REASON_ORDER_MINIMUM,
                              REASON_BUYING_POWER, REASON_DAILY_LOSS, REASON_DRAWDOWN};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (seen[all[i]] < 20) {
            fail_msg("%s came up %u times only: the questions show nothing of it", reason_name(all[i]), seen[all[i]]);
        }
    }
    assert_true(shrunk > 100);
}

/* ---- limits that only tighten ------------------------------------------------------------------------------------------------------------------------ */

static void test_a_running_host_only_tightens(void **state) {
    (void)state;
    struct risk_policy now = {.market_entry = true, .positions_max = 5, .orders_max = 9, .modifications_max = 3, .data_age_max_ns = 10,
                              .trade_notional_max_e8 = 0, .drawdown_max_ppm = 100};
    struct risk_policy looser = {.market_entry = true, .positions_max = 50, .orders_max = 90, .modifications_max = 30, .data_age_max_ns = 100};
    struct risk_policy before = now;
    risk_tighten(&now, &looser);
    assert_memory_equal(&now, &before, sizeof(now));
    struct risk_policy tighter = {.long_only = true, .positions_max = 1, .orders_max = 1, .modifications_max = 1, .data_age_max_ns = 1,
                                  .trade_notional_max_e8 = 5, .drawdown_max_ppm = 50};
    risk_tighten(&now, &tighter);
    assert_false(now.market_entry);
    assert_true(now.long_only);
    assert_int_equal(now.positions_max, 1);
    assert_int_equal(now.trade_notional_max_e8, 5);
    assert_int_equal(now.drawdown_max_ppm, 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_order_of_the_rules),
        cmocka_unit_test(test_the_first_broken_rule_decides),
        cmocka_unit_test(test_edges_of_stop_and_target),
        cmocka_unit_test(test_edges_of_risk_and_data),
        cmocka_unit_test(test_edges_of_market_entries_and_shorts),
        cmocka_unit_test(test_edges_of_counts),
        cmocka_unit_test(test_edges_of_sizes),
        cmocka_unit_test(test_a_sell_below_the_market_counts_at_the_market),
        cmocka_unit_test(test_edges_of_minimums),
        cmocka_unit_test(test_edges_of_buying_power),
        cmocka_unit_test(test_edges_of_losses),
        cmocka_unit_test(test_opposite_side_looks_at_positions_and_entries_only),
        cmocka_unit_test(test_overflow_refuses),
        cmocka_unit_test(test_shrinking_to_the_limit_and_never_above),
        cmocka_unit_test(test_a_reducing_exit_is_never_blocked),
        cmocka_unit_test(test_an_exit_that_does_not_reduce_is_asked_everything),
        cmocka_unit_test(test_recheck),
        cmocka_unit_test(test_random_questions_against_the_oracle),
        cmocka_unit_test(test_a_running_host_only_tightens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
