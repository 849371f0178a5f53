/*
 * Tests of host/flow.c, flow_orders.c, flow_fills.c and execute/router.c: whole turns by hand (rig.h), with agents that say
 * what they are told and a venue that is either the bar matcher or an exchange that answers when the test lets it. The
 * expected prices, states and counts are worked out by hand from the design: one turn, orders, protection, silence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#define BUDGET (RIG_CASH / 2)

static struct rig *two_agents(bool external) {
    struct rig *r = rig_open(external, 1);
    rig_seat(r, "first", 0, BUDGET);
    rig_seat(r, "second", 0, BUDGET);
    rig_turn(r);
    return r;
}

static struct order_table *orders_of(struct rig *r) { return &rig_account_of(r, 0)->orders; }

/* Ends a test: nothing may be broken, and the books have to add up. */
static void done(struct rig *r) {
    assert_false(r->engine->failed);
    for (uint32_t i = 0; i < r->account_count; i++) {
        assert_true(portfolio_exact(&rig_account_of(r, (uint16_t)i)->book));
    }
    rig_close(r);
}

/* A long of 5 in T0 for agent 0 through the exchange, filled at 100 under fill id "f1". */
static struct rig *holding(void) {
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 1);
    rig_tell(r, VENUE_ACK, &r->exchange.sent[0], 0, 0, NULL);
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 5, 100, "f1");
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    return r;
}

/* ---- one account, several agents -------------------------------------------------------------------------------------------- */

static void test_two_agents_two_instruments(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_wish(r, 1, 1, 1, -3, 120);
    rig_wish(r, 1, 1, 0, 2, 95);
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 3);
    assert_int_equal(orders_of(r)->open[0].agent, 0); /* in roster order, then in the order of the answer */
    assert_int_equal(orders_of(r)->open[1].instrument, 1);
    assert_int_equal(orders_of(r)->open[2].agent, 1);
    rig_bar(r, 0, 101, 104, 100, 103);
    rig_bar(r, 1, 99, 99, 98, 98);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    assert_int_equal(rig_position(r, 1, 1)->lots, -3);
    assert_int_equal(rig_position(r, 1, 0)->lots, 2);
    const struct book *b = &rig_account_of(r, 0)->book;
    assert_true(b->agents[0].unrealised_e8 == 5 * 2 * E8);
    assert_true(b->agents[1].unrealised_e8 == (2 * 2 + 3 * 5) * E8);
    assert_true(b->equity_e8 == RIG_CASH + (10 + 4 + 15) * E8);
    rig_turn(r);
    assert_true(r->seats[0].private_memory->book.equity == 500010.0);
    assert_int_equal(r->seats[0].private_memory->book.position_count, 1);
    assert_int_equal(r->seats[1].private_memory->book.position_count, 2);
    done(r);
}

static void test_opposite_side_is_refused_on_one_account(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_wish(r, 1, 1, 0, -1, 120); /* against an order that is only submitted */
    rig_turn(r);
    assert_int_equal(r->engine->refusals[REASON_OPPOSITE_SIDE], 1);
    assert_int_equal(rig_wish_of(r, 1, 0)->end, AGENT_END_REFUSED);
    rig_turn(r);
    rig_wish(r, 1, 2, 0, -1, 120); /* against a position */
    rig_turn(r);
    assert_int_equal(r->engine->refusals[REASON_OPPOSITE_SIDE], 2);
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_turn(r);
    rig_turn(r);
    rig_wish(r, 1, 3, 0, -1, 120);
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(rig_position(r, 1, 0)->lots, -1);
    done(r);
}

static void test_the_first_in_the_roster_gets_the_last_place(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    r->risk.positions_max = 1;
    rig_wish(r, 1, 1, 1, 1, 90);
    rig_wish(r, 0, 1, 0, 1, 90);
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].agent, 0);
    assert_int_equal(r->engine->refusals[REASON_POSITION_COUNT], 1);
    done(r);
}

static void test_a_malformed_wish_ends_the_seat_and_nothing_else(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_wish(r, 0, 1, 9, 5, 90);
    rig_wish(r, 0, 1, 1, 5, 90); /* never looked at */
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_turn(r);
    assert_false(r->engine->seats[0].alive);
    assert_int_equal(r->engine->seats[0].death.reason, REASON_SLOT_MALFORMED);
    assert_int_equal(orders_of(r)->count, 1); /* its entry is taken back */
    assert_int_equal(orders_of(r)->open[0].agent, 1);
    r->seats[1].result = 10000;
    rig_turn(r);
    assert_int_equal(r->engine->seats[1].death.reason, REASON_SLOT_MALFORMED);
    done(r);
}

static void test_tags_have_a_limit_and_it_is_told_once(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    for (int turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i <= AGENT_TAGS_MAX; i++) {
            struct agent_wish *w = rig_wish(r, 0, 1, 0, 1, 90);
            snprintf(w->tag, sizeof(w->tag), "t%u", i);
        }
        rig_turn(r);
    }
    assert_int_equal(r->engine->refusals[REASON_WISH_TAGS_FULL], 1);
    assert_int_equal(r->engine->orders, AGENT_TAGS_MAX);
    done(r);
}

/* ---- plans --------------------------------------------------------------------------------------------------------------------- */

static void test_a_reversal_is_an_exit_then_an_entry(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_turn(r);
    rig_wish(r, 0, 2, 0, -2, 120);
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].purpose, PURPOSE_EXIT);
    assert_int_equal(orders_of(r)->open[0].lots, -5);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].purpose, PURPOSE_ENTRY);
    assert_int_equal(orders_of(r)->open[0].lots, -2);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, -2);
    assert_int_equal(rig_position(r, 0, 0)->stop_ticks, 120);
    done(r);
}

static void test_of_a_reversal_only_the_entry_can_be_refused(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_turn(r);
    engine_trading(r->engine, TRADING_REDUCING, false, REASON_OPERATOR, "test");
    rig_wish(r, 0, 2, 0, -2, 120);
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(r->engine->refusals[REASON_TRADING_REDUCING], 1);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_REFUSED);
    done(r);
}

static void test_an_unfilled_entry_ends_with_its_lifetime(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    struct agent_wish *w = rig_wish(r, 0, 1, 0, 5, 80);
    w->worst_price = 90;
    w->ttl_ns = 2 * RIG_BAR_NS;
    struct agent_wish said = *w;
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 1);
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_TTL);
    r->seats[0].wishes[0] = said; /* spent: told again, nothing happens */
    r->seats[0].wish_count = 1;
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(r->engine->wishes, 1);
    rig_wish(r, 0, 2, 0, 5, 80)->ttl_ns = INT64_MAX;
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    done(r);
}

static void test_at_an_exchange_the_host_ends_a_lifetime(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 80)->ttl_ns = 10 * NS_PER_S;
    rig_turn(r);
    const struct order *o = &r->exchange.sent[0];
    rig_tell(r, VENUE_FILL, o, 2, 100, "f1");
    engine_timer(r->engine, r->now_ns + 9 * NS_PER_S);
    assert_int_equal(r->exchange.cancel_count, 0);
    engine_timer(r->engine, r->now_ns + 10 * NS_PER_S);
    assert_true(r->exchange.cancel_count > 0);
    rig_tell(r, VENUE_CANCELLED, o, 0, 0, NULL);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_TTL);
    assert_int_equal(rig_position(r, 0, 0)->lots, 2); /* what filled stays, protected */
    assert_int_equal(rig_position(r, 0, 0)->stop_ticks, 80);
    assert_int_equal(rig_position(r, 0, 0)->working_buy_lots, 0);
    done(r);
}

static void test_the_longest_hold_closes(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    r->risk.hold_max_ns = 3 * RIG_BAR_NS;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    for (int i = 0; i < 3; i++) {
        rig_turn(r);
        assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    }
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].purpose, PURPOSE_HOST);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_MAX_HOLD);
    done(r);
}

static void test_flatten_closes_everything_and_takes_entries_back(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_wish(r, 1, 1, 1, -3, 120);
    rig_turn(r);
    rig_turn(r);
    rig_wish(r, 1, 1, 2, 4, 80)->worst_price = 90; /* rests */
    rig_wish(r, 0, 2, 0, 0, 0)->worst_price = 120; /* an exit that rests */
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 2);
    engine_flatten(r->engine, "test");
    assert_int_equal(r->engine->trading_state, TRADING_REDUCING);
    assert_int_equal(orders_of(r)->count, 2);
    assert_int_equal(orders_of(r)->open[0].purpose, PURPOSE_HOST);
    assert_int_equal(orders_of(r)->open[1].purpose, PURPOSE_HOST);
    rig_turn(r);
    assert_int_equal(rig_account_of(r, 0)->book.open_count, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->state, AGENT_WISH_SPENT);
    assert_int_equal(rig_wish_of(r, 1, 1)->end, AGENT_END_FLATTEN);
    done(r);
}

static void test_flatten_waits_for_an_exchange_that_cancels_later(void **state) {
    (void)state;
    struct rig *r = holding();
    rig_wish(r, 0, 2, 0, 0, 0)->worst_price = 120;
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 2);
    rig_tell(r, VENUE_ACK, &r->exchange.sent[1], 0, 0, NULL);
    engine_flatten(r->engine, "test");
    assert_int_equal(r->exchange.cancel_count, 1);
    assert_int_equal(r->exchange.sent_count, 2); /* never two exits for the same lots */
    rig_tell(r, VENUE_FILL, &r->exchange.sent[1], -1, 120, "f2");
    rig_tell(r, VENUE_CANCELLED, &r->exchange.sent[1], 0, 0, NULL);
    engine_timer(r->engine, r->now_ns + 1);
    assert_int_equal(r->exchange.sent_count, 3);
    assert_int_equal(r->exchange.sent[2].purpose, PURPOSE_HOST);
    assert_int_equal(r->exchange.sent[2].lots, -4);
    rig_tell(r, VENUE_FILL, &r->exchange.sent[2], -4, 99, "f3");
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    done(r);
}

static void test_flatten_again_when_the_exchange_rejects(void **state) {
    (void)state;
    struct rig *r = holding();
    engine_flatten(r->engine, "test");
    assert_int_equal(r->exchange.sent_count, 2);
    rig_tell(r, VENUE_REJECT, &r->exchange.sent[1], 0, 0, NULL);
    engine_flatten(r->engine, "again");
    assert_int_equal(r->exchange.sent_count, 3);
    done(r);
}

static void test_the_kill_switch_takes_entries_back_and_lets_exits_out(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_turn(r);
    rig_wish(r, 1, 1, 1, 4, 80)->worst_price = 90;
    rig_turn(r);
    engine_trading(r->engine, TRADING_ACTIVE, true, REASON_OPERATOR, "test");
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(rig_wish_of(r, 1, 1)->state, AGENT_WISH_SPENT);
    rig_wish(r, 1, 2, 1, 4, 80);
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_turn(r);
    assert_int_equal(r->engine->refusals[REASON_KILL_SWITCH], 1);
    assert_int_equal(orders_of(r)->count, 1);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_int_equal(r->seats[0].private_memory->limits.trading_state, TRADING_HALTED);
    done(r);
}

/* ---- protection outlives the strategy ------------------------------------------------------------------------------------------- */

static void test_a_dead_slot_loses_its_entries_and_keeps_its_stop(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_turn(r);
    rig_wish(r, 0, 1, 1, 4, 70)->worst_price = 80;
    rig_wish(r, 1, 1, 2, 4, 70)->worst_price = 80;
    rig_turn(r);
    r->seats[0].mode = RIG_DIES;
    rig_turn(r);
    assert_false(r->engine->seats[0].alive);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].agent, 1);
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    rig_turn(r);
    rig_bar(r, 0, 95, 96, 85, 87);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_true(rig_account_of(r, 0)->book.agents[0].realised_e8 == -50 * E8);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_STOP);
    done(r);
}

static void test_a_dead_slot_does_not_turn_around(void **state) {
    (void)state;
    struct rig *r = holding();
    rig_wish(r, 0, 2, 0, -5, 120); /* its exit is on its way when it dies */
    rig_turn(r);
    assert_int_equal(r->exchange.sent[1].purpose, PURPOSE_EXIT);
    r->seats[0].mode = RIG_DIES;
    rig_turn(r);
    assert_int_equal(r->exchange.cancel_count, 0);
    rig_tell(r, VENUE_FILL, &r->exchange.sent[1], -5, 100, "f2");
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->state, AGENT_WISH_SPENT);
    done(r);
}

static void test_a_dead_slot_does_not_enter_behind_a_cancel(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_wish(r, 0, 2, 0, 3, 90); /* waits for the cancel of the first */
    rig_turn(r);
    r->seats[0].mode = RIG_DIES;
    rig_turn(r);
    rig_tell(r, VENUE_CANCELLED, &r->exchange.sent[0], 0, 0, NULL);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 1);
    assert_int_equal(orders_of(r)->count, 0);
    done(r);
}

static void test_a_late_slot_is_killed_and_the_other_goes_on(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    r->seats[0].mode = RIG_SILENT;
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_turn(r);
    assert_int_equal(r->engine->seats[0].death.reason, REASON_SLOT_DEADLINE);
    rig_turn(r);
    assert_int_equal(rig_position(r, 1, 1)->lots, 2);
    assert_int_equal(r->seats[0].rings, 2);
    done(r);
}

static void test_candidates_trade_on_their_own_account(void **state) {
    (void)state;
    struct rig *r = rig_open(false, 2);
    rig_seat(r, "active", 0, RIG_CASH);
    rig_seat(r, "paper", 1, RIG_CASH);
    rig_turn(r);
    engine_candidates(r->engine);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_wish(r, 1, 1, 0, -5, 120); /* the other side: another account */
    rig_turn(r);
    engine_candidates(r->engine);
    rig_turn(r);
    engine_candidates(r->engine);
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    assert_int_equal(rig_position(r, 1, 0)->lots, -5);
    assert_int_equal(r->engine->orders, 1); /* counts what counts */
    r->seats[1].mode = RIG_SILENT;
    for (int i = 0; i < 4; i++) {
        rig_turn(r);
    }
    assert_true(r->engine->seats[1].alive);
    assert_true(r->engine->seats[1].gaps > 0);
    for (int i = 0; i < 8; i++) {
        rig_turn(r);
    }
    assert_int_equal(r->engine->seats[1].death.reason, REASON_SLOT_LAG);
    assert_true(r->engine->seats[0].alive);
    rig_bar(r, 0, 121, 121, 121, 121);
    rig_turn(r);
    assert_int_equal(rig_position(r, 1, 0)->lots, 0); /* its stop fired without it */
    done(r);
}

/* ---- promise 2: nothing leaves before its intent is durable ------------------------------------------------------------------------ */

static void test_nothing_leaves_before_the_commit(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->hold_commits = true;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 0);
    struct durable_token early = {.through = orders_of(r)->open[0].intent - 1, .full = true};
    engine_durable(r->engine, &early);
    assert_int_equal(r->exchange.sent_count, 0);
    assert_int_equal(orders_of(r)->open[0].state, ORDER_NEW);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 1);
    assert_int_equal(orders_of(r)->open[0].state, ORDER_SENT);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 1);
    done(r);
}

static void test_an_exchange_takes_only_full_commits(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->full = false;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 0);
    assert_true(r->engine->failed); /* such a host must not go on */
    rig_close(r);
}

static void test_the_router_wants_cover_state_and_fullness(void **state) {
    (void)state;
    struct venue v = {0};
    struct venue_vtable inside = rig_exchange;
    inside.flags = 0;
    static const struct {
        uint64_t intent, through;
        bool token, full, external;
        enum order_state state;
        int code;
    } cases[] = {
        {7, 7, true, true, true, ORDER_DURABLE, 0},
        {7, 9, true, true, true, ORDER_DURABLE, 0},
        {7, 6, true, true, true, ORDER_DURABLE, ERROR_REFUSED},
        {0, 9, true, true, true, ORDER_DURABLE, ERROR_REFUSED},
        {7, 7, false, true, true, ORDER_DURABLE, ERROR_REFUSED},
        {7, 7, true, false, true, ORDER_DURABLE, ERROR_REFUSED},
        {7, 7, true, false, false, ORDER_DURABLE, 0},
        {7, 7, true, true, true, ORDER_NEW, ERROR_REFUSED},
        {7, 7, true, true, true, ORDER_SENT, ERROR_REFUSED},
        {7, 7, true, true, true, ORDER_UNKNOWN, ERROR_REFUSED},
        {7, 7, true, true, true, ORDER_FILLED, ERROR_REFUSED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct order o = {.intent = cases[i].intent, .state = (uint8_t)cases[i].state, .lots = 1};
        struct durable_token token = {.through = cases[i].through, .full = cases[i].full};
        uint32_t before = v.sent_count;
        int code = router_send(&o, cases[i].token ? &token : NULL, cases[i].external ? &rig_exchange : &inside, &v, 0);
        assert_int_equal(code, cases[i].code);
        assert_int_equal(v.sent_count - before, code == 0);
        assert_int_equal(o.state, code == 0 ? ORDER_SENT : cases[i].state);
    }
}

static void test_a_stale_entry_never_leaves_and_an_exit_does(void **state) {
    (void)state;
    struct rig *r = holding();
    r->hold_commits = true;
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_turn(r);
    r->engine->mono_ns += 51 * NS_PER_MS;
    rig_commit(r);
    assert_int_equal(r->engine->refusals[REASON_STALE_INTENT], 1);
    assert_int_equal(r->exchange.sent_count, 2);
    assert_int_equal(r->exchange.sent[1].purpose, PURPOSE_EXIT);
    assert_int_equal(rig_wish_of(r, 1, 1)->end, AGENT_END_REFUSED);
    done(r);
}

static void test_an_intent_of_exactly_the_age_still_leaves(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->hold_commits = true;
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_turn(r);
    r->engine->mono_ns += 50 * NS_PER_MS;
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 1);
    done(r);
}

static void test_the_kill_switch_between_intent_and_commit(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->hold_commits = true;
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_turn(r);
    engine_trading(r->engine, TRADING_ACTIVE, true, REASON_OPERATOR, "test");
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 0);
    assert_int_equal(orders_of(r)->count, 0);
    done(r);
}

static void test_a_wish_changed_before_the_commit_sends_only_the_last(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->hold_commits = true;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_wish(r, 0, 2, 0, 3, 90);
    rig_turn(r);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 1);
    assert_int_equal(r->exchange.sent[0].lots, 3);
    assert_int_equal(rig_position(r, 0, 0)->working_buy_lots, 3);
    done(r);
}

static void test_a_journal_that_takes_nothing(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->refuse_records = true;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 0);
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->state, AGENT_WISH_SPENT);
    assert_int_equal(rig_position(r, 0, 0)->working_buy_lots, 0);
    done(r);
}

static void test_a_submit_that_fails_sent_nothing(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->exchange.submit_code = ERROR_VENUE;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    assert_int_equal(orders_of(r)->count, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_REJECTED);
    assert_int_equal(rig_position(r, 0, 0)->working_buy_lots, 0);
    done(r);
}

/* ---- promise 3: fills once, silence means nothing ------------------------------------------------------------------------------------ */

static void test_a_fill_told_twice_counts_once(void **state) {
    (void)state;
    struct rig *r = holding();
    const struct order *o = &r->exchange.sent[0];
    rig_tell(r, VENUE_FILL, o, 5, 100, "f1");
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    rig_wish(r, 0, 2, 0, 8, 90);
    rig_turn(r);
    o = &r->exchange.sent[1];
    assert_int_equal(o->lots, 3);
    rig_tell(r, VENUE_FILL, o, 1, 101, "f2");
    rig_tell(r, VENUE_FILL, o, 1, 101, "f3"); /* the same content, another fill */
    rig_tell(r, VENUE_FILL, o, 1, 101, "f2");
    assert_int_equal(rig_position(r, 0, 0)->lots, 7);
    assert_int_equal(orders_of(r)->open[0].filled_lots, 2);
    assert_int_equal(rig_position(r, 0, 0)->working_buy_lots, 1);
    assert_int_equal(rig_records_of(r, RECORD_FILL), 3);
    done(r);
}

/* The table of fill ids is bounded; the newest have to be remembered whatever came before. */
static void test_fill_ids_are_remembered_across_a_full_table(void **state) {
    (void)state;
    struct rig *r = holding();
    struct venue_report report = {.kind = VENUE_FILL, .instrument = 0, .position = rig_index(r, 0, 0), .time_ns = r->now_ns, .price_ticks = 100, .fee_e8 = 0};
    for (int i = 0; i < FILL_IDS_MAX; i++) {
        snprintf(report.venue_fill_id, sizeof(report.venue_fill_id), "n%d", i);
        report.lots = i % 2 ? -1 : 1;
        for (int twice = 0; twice < 2; twice++) {
            engine_report(&r->contexts[0], &report);
            engine_reports(r->engine);
        }
        if (i >= 10000 && i % 1000 == 0) { /* an hour's fills told again */
            for (int k = i - 8000; k <= i; k += 7) {
                struct venue_report again = report;
                snprintf(again.venue_fill_id, sizeof(again.venue_fill_id), "n%d", k);
                engine_report(&r->contexts[0], &again);
                engine_reports(r->engine);
            }
        }
    }
    assert_int_equal(rig_records_of(r, RECORD_FILL), 1 + FILL_IDS_MAX);
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    done(r);
}

static void test_a_fill_after_the_cancel_is_a_position_with_a_stop(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    struct order o = r->exchange.sent[0];
    rig_tell(r, VENUE_CANCELLED, &o, 0, 0, NULL);
    assert_int_equal(orders_of(r)->count, 0);
    rig_tell(r, VENUE_FILL, &o, 2, 100, "f1");
    assert_int_equal(rig_position(r, 0, 0)->lots, 2);
    assert_int_equal(rig_position(r, 0, 0)->stop_ticks, 90);
    assert_int_equal(r->engine->trading_state, TRADING_ACTIVE);
    done(r);
}

static void test_a_fill_of_an_order_nobody_knows_is_adopted(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    struct venue_report report = {.kind = VENUE_FILL, .instrument = 2, .position = 900, .time_ns = r->now_ns, .lots = 3, .price_ticks = 100, .fee_e8 = 0,
                                  .client_id = "other-1", .venue_fill_id = "x1"};
    engine_report(&r->contexts[0], &report);
    engine_reports(r->engine);
    const struct book *b = &rig_account_of(r, 0)->book;
    assert_int_equal(b->open_count, 1);
    assert_string_equal(b->positions[b->open[0]].tag, "external");
    assert_int_equal(b->positions[b->open[0]].instrument, 2);
    done(r);
}

static void test_nonsense_of_a_venue_halts(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    struct venue_report report = {.kind = VENUE_FILL, .instrument = 999, .time_ns = r->now_ns, .lots = 3, .price_ticks = 100, .venue_fill_id = "x1"};
    engine_report(&r->contexts[0], &report);
    engine_reports(r->engine);
    assert_int_equal(r->engine->trading_state, TRADING_HALTED);
    assert_int_equal(rig_account_of(r, 0)->book.open_count, 0);
    done(r);
}

/* Nothing left, so nothing is known to the venue: an entry's moment is over, an exit is still needed. */
static void test_an_exit_the_venue_did_not_take_goes_with_the_next_commit(void **state) {
    (void)state;
    struct rig *r = holding();
    uint32_t sent = r->exchange.sent_count;
    r->exchange.submit_code = ERROR_VENUE;
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, sent);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].state, ORDER_DURABLE);
    r->exchange.submit_code = 0;
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, sent + 1);
    assert_int_equal(r->exchange.sent[sent].lots, -5);
    done(r);
}

static void test_a_trade_starts_a_turn_for_those_who_asked(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->engine->seats[0].needs.events = AGENT_EVENT_TRADE;
    uint64_t first = r->seats[0].rings, second = r->seats[1].rings;
    engine_trade(r->engine, 0, 100, E8, r->now_ns, true);
    engine_trade(r->engine, 0, 100, E8, r->now_ns, false);
    assert_int_equal(r->seats[0].rings, first + 1);
    assert_int_equal(r->seats[1].rings, second);
    done(r);
}

static void test_a_lost_link_makes_orders_unknown_and_they_keep_using_limits(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    r->risk.positions_max = 1;
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    assert_int_equal(orders_of(r)->open[0].state, ORDER_UNKNOWN);
    assert_false(engine_orders_known(r->engine));
    rig_wish(r, 1, 1, 0, -1, 120);
    rig_turn(r);
    assert_int_equal(r->engine->refusals[REASON_POSITION_COUNT], 1);
    r->risk.positions_max = 64;
    rig_wish(r, 1, 2, 0, -1, 120);
    rig_turn(r);
    assert_int_equal(r->engine->refusals[REASON_OPPOSITE_SIDE], 1);
    engine_timer(r->engine, r->now_ns + 86400 * NS_PER_S); /* a timeout is never a reject */
    assert_int_equal(orders_of(r)->open[0].state, ORDER_UNKNOWN);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    assert_int_equal(r->exchange.query_count, 1);
    assert_int_equal(r->exchange.fills_since_count, 1);
    struct order o = r->exchange.sent[0];
    rig_tell_state(r, &o, ORDER_PARTIAL, 2); /* filled more than we know: its fills first */
    assert_int_equal(orders_of(r)->open[0].state, ORDER_UNKNOWN);
    assert_int_equal(r->exchange.fills_since_count, 2);
    rig_tell(r, VENUE_FILL, &o, 2, 100, "f1");
    assert_int_equal(orders_of(r)->open[0].state, ORDER_UNKNOWN); /* a fill does not say what became of the rest */
    assert_int_equal(rig_position(r, 0, 0)->lots, 2);
    engine_ask(r->engine);
    assert_int_equal(r->exchange.query_count, 2);
    rig_tell_state(r, &o, ORDER_PARTIAL, 2);
    assert_int_equal(orders_of(r)->open[0].state, ORDER_PARTIAL);
    engine_ask(r->engine);
    rig_tell_state(r, &o, ORDER_CANCELLED, 2); /* the answer to a cancel that came too late */
    assert_int_equal(orders_of(r)->count, 0);
    done(r);
}

static void test_entries_do_not_leave_while_the_link_is_down_and_exits_wait(void **state) {
    (void)state;
    struct rig *r = holding();
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 1);
    assert_int_equal(r->engine->refusals[REASON_VENUE_UNREACHABLE], 1);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(orders_of(r)->open[0].state, ORDER_DURABLE);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 2);
    assert_int_equal(r->engine->trading_state, TRADING_ACTIVE);
    rig_tell(r, VENUE_FILL, &r->exchange.sent[1], -5, 100, "f2");
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    done(r);
}

static void test_an_absent_entry_is_stale_and_an_absent_exit_goes_out_again(void **state) {
    (void)state;
    struct rig *r = holding();
    rig_wish(r, 1, 1, 1, 2, 90);
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_turn(r);
    struct order exit = r->exchange.sent[1], entry = r->exchange.sent[2];
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    assert_int_equal(r->exchange.query_count, 2);
    r->hold_commits = true;
    rig_tell(r, VENUE_ABSENT, &entry, 0, 0, NULL);
    rig_tell(r, VENUE_ABSENT, &exit, 0, 0, NULL);
    assert_int_equal(orders_of(r)->count, 1);
    assert_int_equal(rig_wish_of(r, 1, 1)->end, AGENT_END_REFUSED);
    assert_int_equal(rig_wish_of(r, 1, 1)->reason, REASON_STALE_INTENT);
    assert_int_equal(r->exchange.sent_count, 3); /* only with a token */
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 4);
    assert_string_equal(r->exchange.sent[3].client_id, exit.client_id); /* the same id: the exchange would know a double */
    assert_int_equal(r->engine->trading_state, TRADING_ACTIVE);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 4);
    done(r);
}

static void test_a_cancel_is_never_asked_for_an_unknown_order_and_never_doubled(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_wish(r, 0, 2, 0, 3, 90);
    rig_turn(r);
    assert_int_equal(r->exchange.cancel_count, 0);
    assert_int_equal(r->exchange.sent_count, 1);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    struct order o = r->exchange.sent[0];
    rig_tell_state(r, &o, ORDER_CANCELLED, 0);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 2);
    assert_int_equal(r->exchange.sent[1].lots, 3);
    assert_int_equal(rig_wish_of(r, 0, 0)->state, AGENT_WISH_LIVE);
    done(r);
}

static void test_an_order_found_alive_after_a_newer_wish_is_taken_back(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_wish(r, 0, 2, 0, 0, 0); /* it wants out of what it may have */
    rig_turn(r);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    struct order o = r->exchange.sent[0];
    rig_tell_state(r, &o, ORDER_ACKED, 0);
    assert_int_equal(r->exchange.cancel_count, 1);
    rig_tell(r, VENUE_FILL, &o, 2, 100, "f1");
    rig_tell(r, VENUE_CANCELLED, &o, 0, 0, NULL);
    rig_commit(r);
    assert_int_equal(r->exchange.sent_count, 2);
    assert_int_equal(r->exchange.sent[1].lots, -2);
    done(r);
}

static void test_a_fill_faster_than_the_cancel_is_closed_by_the_newer_wish(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_turn(r);
    assert_int_equal(r->exchange.cancel_count, 1);
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 5, 100, "f1"); /* too late: no cancel will be told */
    engine_timer(r->engine, r->now_ns + 1);
    assert_int_equal(r->exchange.sent_count, 2);
    assert_int_equal(r->exchange.sent[1].purpose, PURPOSE_EXIT);
    assert_int_equal(r->exchange.sent[1].lots, -5);
    done(r);
}

static void test_an_absent_order_ends_only_its_own_wish(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_wish(r, 0, 2, 0, 3, 90);
    rig_turn(r);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    struct order o = r->exchange.sent[0];
    rig_tell(r, VENUE_ABSENT, &o, 0, 0, NULL);
    engine_timer(r->engine, r->now_ns + 1);
    assert_int_equal(rig_wish_of(r, 0, 0)->state, AGENT_WISH_LIVE);
    assert_int_equal(r->exchange.sent_count, 2);
    assert_int_equal(r->exchange.sent[1].lots, 3);
    done(r);
}

static void test_a_newer_wish_with_the_same_stop_is_spent_by_it(void **state) {
    (void)state;
    struct rig *r = two_agents(false);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_turn(r);
    rig_wish(r, 0, 2, 0, 5, 90);
    rig_turn(r);
    rig_bar(r, 0, 100, 100, 85, 95);
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(rig_position(r, 0, 0)->lots, 0);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_STOP);
    assert_int_equal(orders_of(r)->count, 0);
    done(r);
}

static void test_positions_that_differ_halt(void **state) {
    (void)state;
    struct rig *r = holding();
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    rig_tell(r, VENUE_POSITION, &r->exchange.sent[0], 5, 0, NULL);
    rig_tell(r, VENUE_POSITIONS_END, NULL, 0, 0, NULL);
    assert_int_equal(r->engine->trading_state, TRADING_ACTIVE);
    assert_true(engine_orders_known(r->engine));
    rig_tell(r, VENUE_LINK_DOWN, NULL, 0, 0, NULL);
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    rig_tell(r, VENUE_POSITION, &r->exchange.sent[0], 4, 0, NULL);
    rig_tell(r, VENUE_POSITIONS_END, NULL, 0, 0, NULL);
    assert_int_equal(r->engine->trading_state, TRADING_HALTED);
    assert_int_equal(rig_position(r, 0, 0)->lots, 5); /* nobody trades the difference away */
    done(r);
}

static void test_more_filled_than_ordered_halts_and_counts(void **state) {
    (void)state;
    struct rig *r = two_agents(true);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 7, 100, "f1");
    assert_int_equal(r->engine->trading_state, TRADING_HALTED);
    assert_int_equal(rig_position(r, 0, 0)->lots, 7);
    assert_int_equal(rig_position(r, 0, 0)->working_buy_lots, 0);
    done(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_agents_two_instruments),
        cmocka_unit_test(test_opposite_side_is_refused_on_one_account),
        cmocka_unit_test(test_the_first_in_the_roster_gets_the_last_place),
        cmocka_unit_test(test_a_malformed_wish_ends_the_seat_and_nothing_else),
        cmocka_unit_test(test_tags_have_a_limit_and_it_is_told_once),
        cmocka_unit_test(test_a_reversal_is_an_exit_then_an_entry),
        cmocka_unit_test(test_of_a_reversal_only_the_entry_can_be_refused),
        cmocka_unit_test(test_an_unfilled_entry_ends_with_its_lifetime),
        cmocka_unit_test(test_at_an_exchange_the_host_ends_a_lifetime),
        cmocka_unit_test(test_the_longest_hold_closes),
        cmocka_unit_test(test_flatten_closes_everything_and_takes_entries_back),
        cmocka_unit_test(test_flatten_waits_for_an_exchange_that_cancels_later),
        cmocka_unit_test(test_flatten_again_when_the_exchange_rejects),
        cmocka_unit_test(test_the_kill_switch_takes_entries_back_and_lets_exits_out),
        cmocka_unit_test(test_a_dead_slot_loses_its_entries_and_keeps_its_stop),
        cmocka_unit_test(test_a_dead_slot_does_not_turn_around),
        cmocka_unit_test(test_a_dead_slot_does_not_enter_behind_a_cancel),
        cmocka_unit_test(test_a_late_slot_is_killed_and_the_other_goes_on),
        cmocka_unit_test(test_candidates_trade_on_their_own_account),
        cmocka_unit_test(test_nothing_leaves_before_the_commit),
        cmocka_unit_test(test_an_exchange_takes_only_full_commits),
        cmocka_unit_test(test_the_router_wants_cover_state_and_fullness),
        cmocka_unit_test(test_a_stale_entry_never_leaves_and_an_exit_does),
        cmocka_unit_test(test_an_intent_of_exactly_the_age_still_leaves),
        cmocka_unit_test(test_the_kill_switch_between_intent_and_commit),
        cmocka_unit_test(test_a_wish_changed_before_the_commit_sends_only_the_last),
        cmocka_unit_test(test_a_journal_that_takes_nothing),
        cmocka_unit_test(test_a_submit_that_fails_sent_nothing),
        cmocka_unit_test(test_a_fill_told_twice_counts_once),
        cmocka_unit_test(test_fill_ids_are_remembered_across_a_full_table),
        cmocka_unit_test(test_a_fill_after_the_cancel_is_a_position_with_a_stop),
        cmocka_unit_test(test_a_fill_of_an_order_nobody_knows_is_adopted),
        cmocka_unit_test(test_nonsense_of_a_venue_halts),
        cmocka_unit_test(test_an_exit_the_venue_did_not_take_goes_with_the_next_commit),
        cmocka_unit_test(test_a_trade_starts_a_turn_for_those_who_asked),
        cmocka_unit_test(test_a_lost_link_makes_orders_unknown_and_they_keep_using_limits),
        cmocka_unit_test(test_entries_do_not_leave_while_the_link_is_down_and_exits_wait),
        cmocka_unit_test(test_an_absent_entry_is_stale_and_an_absent_exit_goes_out_again),
        cmocka_unit_test(test_a_cancel_is_never_asked_for_an_unknown_order_and_never_doubled),
        cmocka_unit_test(test_an_order_found_alive_after_a_newer_wish_is_taken_back),
        cmocka_unit_test(test_a_newer_wish_with_the_same_stop_is_spent_by_it),
        cmocka_unit_test(test_an_absent_order_ends_only_its_own_wish),
        cmocka_unit_test(test_a_fill_faster_than_the_cancel_is_closed_by_the_newer_wish),
        cmocka_unit_test(test_positions_that_differ_halt),
        cmocka_unit_test(test_more_filled_than_ordered_halts_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
