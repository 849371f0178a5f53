/*
 * Tests of host/flow_fold.c: the state after a restart is the fold of every record. Random sessions of three agents and a
 * candidate, at an exchange that acknowledges, fills in parts, repeats itself, cancels late, loses its link and forgets
 * orders; at many random points the records so far are folded into a fresh engine, which is compared field by field with
 * the one that lived through it. Left out of the comparison: prices and what follows from them, which no journal keeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#define SEATS 4u /* the last one is the candidate */

static uint64_t seed;

static uint32_t dice(uint32_t sides) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % sides);
}

/* ---- comparing -------------------------------------------------------------------------------------------------------------- */

#define SAME(was, is, field)                                                                                                   \
    if ((was)->field != (is)->field) {                                                                                         \
        fail_msg("%s[%u].%s: lived %lld, folded %lld (account %u, %llu records)", what, k, #field, (long long)(was)->field,     \
                 (long long)(is)->field, account, (unsigned long long)records);                                                 \
    }

static void same_book(const struct book *was, const struct book *is, int64_t peak, uint32_t account, uint64_t records) {
    const char *what = "book";
    uint32_t k = 0;
    SAME(was, is, cash_e8) SAME(was, is, deposits_e8) SAME(was, is, realised_e8) SAME(was, is, fees_e8) SAME(was, is, position_count)
    SAME(was, is, agent_count) SAME(was, is, open_count) SAME(was, is, trades_closed) SAME(was, is, day) SAME(was, is, day_start_equity_e8)
    assert_true(is->equity_peak_e8 == peak);
    assert_memory_equal(was->open, is->open, was->open_count * sizeof(was->open[0]));
    what = "agent";
    for (k = 0; k < was->agent_count; k++) {
        const struct agent_account *a = &was->agents[k], *b = &is->agents[k];
        assert_string_equal(a->name, b->name);
        SAME(a, b, realised_e8) SAME(a, b, fees_e8) SAME(a, b, loss_streak) SAME(a, b, trades_today) SAME(a, b, trades_closed) SAME(a, b, trades_won)
    }
    what = "position";
    for (k = 0; k < was->position_count; k++) {
        const struct position *a = &was->positions[k], *b = &is->positions[k];
        assert_string_equal(a->tag, b->tag);
        SAME(a, b, agent) SAME(a, b, instrument) SAME(a, b, lots) SAME(a, b, cost_e8) SAME(a, b, working_buy_lots) SAME(a, b, working_sell_lots)
        SAME(a, b, stop_ticks) SAME(a, b, target_ticks) SAME(a, b, opened_ns) SAME(a, b, trade_realised_e8) SAME(a, b, trade_fees_e8)
        SAME(a, b, trade_peak_lots) SAME(a, b, entry_ticks) SAME(a, b, wish_id) SAME(a, b, stop_wish_id)
    }
}

static void same_orders(const struct account *was, const struct account *is, uint64_t records) {
    const char *what = "order";
    uint32_t k = 0, account = was->index;
    SAME(&was->orders, &is->orders, count)
    for (k = 0; k < was->orders.count; k++) {
        const struct order *a = &was->orders.open[k], *b = &is->orders.open[k];
        assert_string_equal(a->client_id, b->client_id);
        SAME(a, b, order_id) SAME(a, b, wish_id) SAME(a, b, agent) SAME(a, b, instrument) SAME(a, b, position) SAME(a, b, purpose) SAME(a, b, state)
        SAME(a, b, lots) SAME(a, b, filled_lots) SAME(a, b, limit_ticks) SAME(a, b, mark_ticks) SAME(a, b, stop_ticks) SAME(a, b, target_ticks)
        SAME(a, b, created_ns) SAME(a, b, expires_ns) SAME(a, b, intent) SAME(a, b, verdict_id)
    }
}

static void same_wishes(const struct account *was, const struct account *is, uint64_t records) {
    const char *what = "wish";
    uint32_t account = was->index;
    for (uint32_t k = 0; k < was->book.position_count; k++) {
        const struct wish *a = &was->wishes[k], *b = &is->wishes[k];
        SAME(a, b, id) SAME(a, b, record_id) SAME(a, b, modifications) SAME(a, b, target_lots) SAME(a, b, worst_ticks) SAME(a, b, stop_ticks)
        SAME(a, b, target_ticks) SAME(a, b, ttl_ns) SAME(a, b, decided_ns) SAME(a, b, confidence_ppm) SAME(a, b, trigger_id) SAME(a, b, shrunk)
        SAME(a, b, state) SAME(a, b, end) SAME(a, b, reason)
    }
}

static struct rig *folded(const struct rig *lived, uint64_t records) {
    struct rig *r = rig_open(true, lived->account_count);
    for (uint64_t i = 0; i < records; i++) {
        struct error error = {0};
        if (engine_fold(r->engine, i + 1, &lived->records[i], &error)) {
            fail_msg("record %llu of %llu: %s", (unsigned long long)(i + 1), (unsigned long long)records, error.text);
        }
    }
    return r;
}

static void compare(const struct rig *lived) {
    uint64_t records = lived->record_count;
    struct rig *r = folded(lived, records);
    const struct engine *was = lived->engine, *is = r->engine;
    const char *what = "engine";
    uint32_t k = 0, account = 0;
    SAME(was, is, trading_state) SAME(was, is, kill_switch) SAME(was, is, next_order) SAME(was, is, next_fill) SAME(was, is, fills)
    SAME(was, is, orders) SAME(was, is, next_record)
    for (uint32_t i = 0; i < lived->account_count; i++) {
        const struct account *a = was->accounts[i], *b = is->accounts[i];
        same_book(&a->book, &b->book, a->peak_told_e8, i, records);
        same_orders(a, b, records);
        same_wishes(a, b, records);
        assert_int_equal(a->last_fill_ns, b->last_fill_ns);
        assert_true(portfolio_exact(&b->book));
    }
    rig_close(r);
}

/* ---- a random session ------------------------------------------------------------------------------------------------------------ */

struct session {
    struct rig *rig;
    uint64_t ids[SEATS][RIG_INSTRUMENTS][2];
    struct agent_wish last[SEATS][RIG_INSTRUMENTS][2];
    bool over[RIG_SENT];        /* the exchange is done with it */
    int64_t filled[RIG_SENT];
    uint32_t fills, last_sent;  /* the order of the last fill, for repeating it */
    int64_t last_lots;
    bool down;
};

static void session_wish(struct session *s) {
    struct rig *r = s->rig;
    uint32_t seat = dice(SEATS), instrument = dice(RIG_INSTRUMENTS), tag = dice(2);
    if (!r->engine->seats[seat].alive || r->seats[seat].wish_count > 6) {
        return;
    }
    struct agent_wish *last = &s->last[seat][instrument][tag];
    int64_t price = r->engine->prices[instrument];
    bool is_long = instrument == 0 ? true : dice(2) == 0;
    double size = dice(4) == 0 ? 0 : (is_long ? 1 : -1) * (double)(1 + dice(9));
    double stop = (double)(is_long ? price - 5 - dice(20) : price + 5 + dice(20));
    struct agent_wish *w = rig_wish(r, seat, 0, instrument, size, stop);
    w->tag[0] = tag ? 's' : 'm';
    w->target = dice(3) == 0 ? (double)(is_long ? price + 10 : price - 10) : 0;
    w->worst_price = dice(3) == 0 ? (double)(is_long ? price - 2 : price + 2) : 0;
    w->ttl_ns = dice(4) == 0 ? (int64_t)(1 + dice(200)) * NS_PER_S : 0;
    w->unit = size != 0 && dice(8) == 0 ? AGENT_UNIT_EQUITY_FRACTION : AGENT_UNIT_QUANTITY;
    w->size = w->unit ? size / 20000 : dice(40) == 0 ? 0.25 : size;
    if (last->wish_id != 0 && dice(3) == 0) { /* the same id, perhaps another content */
        w->wish_id = last->wish_id;
        w->stop = last->stop + (double)dice(3) * (last->size < 0 ? -1 : 1);
        w->size = dice(2) ? last->size : 0;
        w->unit = last->unit;
    } else {
        w->wish_id = dice(20) == 0 && s->ids[seat][instrument][tag] > 2 ? 1 : ++s->ids[seat][instrument][tag];
    }
    *last = *w;
}

static void session_turn(struct session *s) {
    struct rig *r = s->rig;
    for (uint32_t n = dice(5); n > 0; n--) {
        session_wish(s);
    }
    for (uint32_t i = 0; i < RIG_INSTRUMENTS; i++) {
        int64_t was = r->bars[i].close ? r->bars[i].close : 100, open = was + dice(7) - 3, close = open + dice(7) - 3;
        open = open < 50 ? 50 : open;
        close = close < 50 ? 50 : close;
        int64_t high = (open > close ? open : close) + dice(3), low = (open < close ? open : close) - dice(3);
        rig_bar(r, i, open, high, low, close);
    }
    if (dice(50) == 0) {
        r->now_ns += dice(3) * 43200 * NS_PER_S;
    }
    if (dice(400) == 0) {
        r->seats[dice(SEATS)].mode = RIG_DIES;
    }
    rig_turn(r);
    engine_candidates(r->engine);
}

/* The exchange does something with one of its open orders. */
static void session_exchange(struct session *s) {
    struct rig *r = s->rig;
    struct venue *v = &r->exchange;
    uint32_t i = v->sent_count ? v->sent_count - 1 - dice(v->sent_count < 12 ? v->sent_count : 12) : 0;
    if (v->sent_count == 0 || s->down || s->over[i]) {
        return;
    }
    struct order o = v->sent[i];
    int64_t left = o.lots - s->filled[i];
    char id[32];
    snprintf(id, sizeof(id), "f%u", s->fills);
    uint32_t deed = v->cancel_asked[i] && dice(2) ? 3 : dice(12);
    if (deed == 0) {
        rig_tell(r, VENUE_ACK, &o, 0, 0, NULL);
    } else if (deed == 1 && s->filled[i] == 0) {
        s->over[i] = true;
        rig_tell(r, VENUE_REJECT, &o, 0, 0, NULL);
    } else if (deed == 2 || deed == 3) {
        s->over[i] = true;
        rig_tell(r, deed == 2 && o.expires_ns ? VENUE_EXPIRED : VENUE_CANCELLED, &o, 0, 0, NULL);
        if (dice(8) == 0) { /* a fill that was on its way */
            rig_tell(r, VENUE_FILL, &o, left > 0 ? 1 : -1, r->engine->prices[o.instrument], id);
            s->fills++;
        }
    } else {
        int64_t lots = dice(2) ? left : left / (int64_t)(1 + dice(3));
        lots = lots == 0 ? left : lots;
        s->filled[i] += lots;
        s->over[i] = s->filled[i] == o.lots;
        s->fills++;
        s->last_sent = i;
        s->last_lots = lots;
        rig_tell(r, VENUE_FILL, &o, lots, r->engine->prices[o.instrument] + dice(3), id);
    }
}

/* A bracket fires at the exchange. */
static void session_bracket(struct session *s) {
    struct rig *r = s->rig;
    struct book *b = &rig_account_of(r, 0)->book;
    if (b->open_count == 0 || s->down) {
        return;
    }
    uint16_t index = b->open[dice(b->open_count)];
    const struct position *p = &b->positions[index];
    bool stop = dice(2) || p->target_ticks == 0;
    struct venue_report report = {.kind = VENUE_FILL, .purpose = stop ? PURPOSE_STOP : PURPOSE_TARGET, .instrument = p->instrument, .position = index,
                                  .time_ns = r->now_ns, .lots = dice(4) && p->lots / 2 ? -p->lots / 2 : -p->lots,
                                  .price_ticks = r->engine->prices[p->instrument], .fee_e8 = -1};
    snprintf(report.venue_fill_id, sizeof(report.venue_fill_id), "f%u", s->fills++);
    engine_report(&r->contexts[0], &report);
    engine_reports(r->engine);
}

/* The link comes back and every question about an order is answered. */
static void session_answers(struct session *s) {
    struct rig *r = s->rig;
    rig_tell(r, VENUE_LINK_UP, NULL, 0, 0, NULL);
    for (uint32_t i = 0; i < r->exchange.sent_count; i++) {
        struct order o = r->exchange.sent[i];
        const struct order *open = order_table_find(&rig_account_of(r, 0)->orders, o.order_id);
        if (!open || open->state != ORDER_UNKNOWN || s->over[i]) {
            continue;
        }
        if (open->filled_lots == 0 && dice(3) == 0) {
            s->over[i] = true;
            rig_tell(r, VENUE_ABSENT, &o, 0, 0, NULL);
        } else if (dice(3) == 0) {
            s->over[i] = true;
            rig_tell_state(r, &o, ORDER_CANCELLED, s->filled[i]);
        } else {
            rig_tell_state(r, &o, ORDER_ACKED, s->filled[i]);
        }
    }
}

static void session_step(struct session *s) {
    struct rig *r = s->rig;
    switch (dice(24)) {
    case 0: session_bracket(s); break;
    case 1: rig_tell(r, s->down ? VENUE_ACK : VENUE_LINK_DOWN, s->down ? &r->exchange.sent[0] : NULL, 0, 0, NULL); s->down = true; break;
    case 2: case 3: if (s->down) { s->down = false; session_answers(s); } break;
    case 4: r->hold_commits = dice(3) == 0; break;
    case 5: r->engine->mono_ns += dice(80) * NS_PER_MS; break;
    case 6: r->now_ns += dice(30) * NS_PER_S; engine_timer(r->engine, r->now_ns); break;
    case 7: if (dice(6) == 0) { engine_trading(r->engine, (enum trading_state)dice(3), dice(3) == 0, REASON_OPERATOR, "dice"); } break;
    case 8: if (r->engine->trading_state || r->engine->kill_switch) { engine_trading(r->engine, TRADING_ACTIVE, false, REASON_OPERATOR, "dice"); } break;
    case 9: if (dice(12) == 0) { engine_flatten(r->engine, "dice"); } break;
    case 10: if (s->fills && !s->down) { char id[32]; snprintf(id, sizeof(id), "f%u", s->fills - 1);
                 rig_tell(r, VENUE_FILL, &r->exchange.sent[s->last_sent], s->last_lots, 100, id); } break;
    case 11: case 12: case 13: rig_commit(r); break;
    case 14: case 15: case 16: case 17: session_turn(s); break;
    default: session_exchange(s); break;
    }
}

/* Returns the number of fills. */
static uint64_t session_run(uint64_t number, uint32_t steps) {
    static struct session s;
    memset(&s, 0, sizeof(s));
    seed = number;
    struct rig *r = s.rig = rig_open(true, 2);
    r->risk.oversize = dice(2) ? OVERSIZE_SHRINK : OVERSIZE_REFUSE;
    r->risk.position_notional_max_e8 = 1500 * E8;
    r->risk.hold_max_ns = dice(2) ? 3600 * NS_PER_S : 0;
    r->risk.modifications_max = 3;
    static const char *const names[SEATS] = {"first", "second", "third", "paper"};
    for (uint32_t i = 0; i < SEATS; i++) {
        rig_seat(r, names[i], i == SEATS - 1, RIG_CASH / 3);
    }
    rig_turn(r);
    for (uint32_t n = 0; n < steps && r->exchange.sent_count + 64 < RIG_SENT; n++) {
        session_step(&s);
        assert_false(r->engine->failed);
        assert_true(portfolio_exact(&rig_account_of(r, 0)->book));
        if (dice(25) == 0 || n + 1 == steps) {
            compare(r);
        }
    }
    uint64_t fills = rig_records_of(r, RECORD_FILL);
    rig_close(r);
    return fills;
}

static void test_state_is_the_fold_of_the_records(void **state) {
    (void)state;
    uint64_t fills = 0;
    for (uint64_t number = 1; number <= 24; number++) {
        fills += session_run(number, 500);
    }
    assert_true(fills > 700); /* it shows something */
}

/* ---- what a restart has to find, one by one ----------------------------------------------------------------------------------------- */

static struct rig *restart(struct rig *lived) {
    struct rig *r = folded(lived, lived->record_count);
    r->now_ns = lived->now_ns;
    r->record_count = lived->record_count; /* its journal goes on */
    r->record_max = lived->record_max;
    r->records = calloc(r->record_max, sizeof(r->records[0]));
    assert_non_null(r->records);
    memcpy(r->records, lived->records, lived->record_count * sizeof(r->records[0]));
    rig_seat(r, "first", 0, RIG_CASH);
    rig_close(lived);
    return r;
}

static struct rig *entered(void) {
    struct rig *r = rig_open(true, 1);
    rig_seat(r, "first", 0, RIG_CASH);
    rig_turn(r);
    rig_wish(r, 0, 1, 0, 5, 90);
    rig_turn(r);
    return r;
}

static void test_orders_that_may_have_left_are_unknown_and_asked_for(void **state) {
    (void)state;
    struct rig *r = restart(entered());
    engine_recover(r->engine);
    assert_false(engine_orders_known(r->engine));
    assert_int_equal(r->exchange.query_count, 1);
    assert_int_equal(r->exchange.fills_since_count, 1);
    assert_int_equal(r->exchange.positions_count, 1);
    assert_int_equal(r->exchange.sent_count, 0);
    struct order o = rig_account_of(r, 0)->orders.open[0];
    assert_int_equal(o.state, ORDER_UNKNOWN);
    rig_tell(r, VENUE_FILL, &o, 5, 100, "f1");
    rig_tell(r, VENUE_POSITION, &o, 5, 0, NULL);
    rig_tell(r, VENUE_POSITIONS_END, NULL, 0, 0, NULL);
    assert_true(engine_orders_known(r->engine));
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    assert_int_equal(rig_position(r, 0, 0)->stop_ticks, 90);
    assert_int_equal(r->engine->trading_state, TRADING_ACTIVE);
    rig_close(r);
}

static void test_fills_known_before_the_restart_count_once(void **state) {
    (void)state;
    struct rig *r = entered();
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 2, 100, "f1");
    struct order o = r->exchange.sent[0];
    r = restart(r);
    engine_recover(r->engine);
    rig_tell(r, VENUE_FILL, &o, 2, 100, "f1");
    rig_tell(r, VENUE_FILL, &o, 3, 100, "f2");
    assert_int_equal(rig_position(r, 0, 0)->lots, 5);
    rig_close(r);
}

static void test_a_newer_wish_behind_an_older_order_goes_on(void **state) {
    (void)state;
    struct rig *r = entered();
    rig_wish(r, 0, 2, 0, 0, 0);
    rig_turn(r);
    struct order o = r->exchange.sent[0];
    r = restart(r);
    engine_recover(r->engine);
    rig_tell_state(r, &o, ORDER_ACKED, 0);
    assert_int_equal(r->exchange.cancel_count, 1);
    rig_tell(r, VENUE_FILL, &o, 5, 100, "f1");
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 1);
    assert_int_equal(r->exchange.sent[0].lots, -5);
    rig_close(r);
}

static void test_a_flatten_goes_on(void **state) {
    (void)state;
    struct rig *r = entered();
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 5, 100, "f1");
    rig_wish(r, 0, 2, 0, 0, 0)->worst_price = 120;
    rig_turn(r);
    engine_flatten(r->engine, "test"); /* waits for the cancel of the exit */
    assert_int_equal(r->exchange.sent_count, 2);
    struct order o = r->exchange.sent[1];
    r = restart(r);
    engine_recover(r->engine);
    rig_tell_state(r, &o, ORDER_CANCELLED, 0);
    rig_turn(r);
    assert_int_equal(r->engine->trading_state, TRADING_REDUCING);
    assert_int_equal(r->exchange.sent_count, 1);
    assert_int_equal(r->exchange.sent[0].purpose, PURPOSE_HOST);
    rig_close(r);
}

static void test_an_entry_open_under_a_kill_switch_is_taken_back(void **state) {
    (void)state;
    struct rig *r = entered();
    engine_trading(r->engine, TRADING_ACTIVE, true, REASON_OPERATOR, "test");
    struct order o = r->exchange.sent[0];
    r = restart(r);
    engine_recover(r->engine);
    rig_tell_state(r, &o, ORDER_ACKED, 0);
    assert_int_equal(r->exchange.cancel_count, 1);
    rig_close(r);
}

static void test_a_stop_after_the_restart_spends_the_wish_it_belongs_to(void **state) {
    (void)state;
    struct rig *r = entered();
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 5, 100, "f1");
    rig_wish(r, 0, 2, 0, 5, 90); /* the same again as a new decision: nothing is ordered */
    rig_turn(r);
    assert_int_equal(r->exchange.sent_count, 1);
    r = restart(r);
    engine_recover(r->engine);
    struct venue_report report = {.kind = VENUE_FILL, .purpose = PURPOSE_STOP, .instrument = 0, .position = 0, .time_ns = r->now_ns, .lots = -5,
                                  .price_ticks = 90, .fee_e8 = 0, .venue_fill_id = "f2"};
    engine_report(&r->contexts[0], &report);
    engine_reports(r->engine);
    rig_turn(r);
    assert_int_equal(rig_wish_of(r, 0, 0)->end, AGENT_END_STOP);
    assert_int_equal(r->exchange.sent_count, 0);
    rig_close(r);
}

static void test_the_highest_equity_survives_when_quotes_made_it(void **state) {
    (void)state;
    struct rig *r = entered();
    rig_tell(r, VENUE_FILL, &r->exchange.sent[0], 5, 100, "f1");
    struct quote quote = {.time_ns = r->now_ns + 1, .last_ticks = 300};
    engine_quote(r->engine, 0, &quote, true);
    quote = (struct quote){.time_ns = r->now_ns + 2, .last_ticks = 100};
    engine_quote(r->engine, 0, &quote, true);
    r = restart(r);
    assert_true(rig_account_of(r, 0)->book.equity_peak_e8 == RIG_CASH + 1000 * E8);
    rig_close(r);
}

static void test_records_that_make_no_sense_are_an_integrity_failure(void **state) {
    (void)state;
    struct rig *lived = entered();
    rig_tell(lived, VENUE_FILL, &lived->exchange.sent[0], 5, 100, "f1");
    rig_turn(lived);
    engine_finish(lived->engine);
    for (uint64_t gone = 0; gone < lived->record_count; gone++) {
        uint16_t kind = lived->records[gone].kind;
        struct rig *r = rig_open(true, 1);
        int code = 0;
        for (uint64_t i = 0; i < lived->record_count && code == 0; i++) {
            struct error error = {0};
            code = i == gone ? 0 : engine_fold(r->engine, i + 1, &lived->records[i], &error);
        }
        /* the agent and the position that later ones name; the fill that the next BOOK counts */
        bool needed = kind == RECORD_SLOT || kind == RECORD_WISH || kind == RECORD_FILL;
        if (code != ERROR_INTEGRITY && (needed || code != 0)) {
            fail_msg("without record %llu (%s): %d", (unsigned long long)gone, record_kind_name(kind), code);
        }
        rig_close(r);
    }
    rig_close(lived);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_is_the_fold_of_the_records),
        cmocka_unit_test(test_orders_that_may_have_left_are_unknown_and_asked_for),
        cmocka_unit_test(test_fills_known_before_the_restart_count_once),
        cmocka_unit_test(test_a_newer_wish_behind_an_older_order_goes_on),
        cmocka_unit_test(test_a_flatten_goes_on),
        cmocka_unit_test(test_an_entry_open_under_a_kill_switch_is_taken_back),
        cmocka_unit_test(test_a_stop_after_the_restart_spends_the_wish_it_belongs_to),
        cmocka_unit_test(test_the_highest_equity_survives_when_quotes_made_it),
        cmocka_unit_test(test_records_that_make_no_sense_are_an_integrity_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
