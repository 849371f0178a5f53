/*
 * Tests of the simulated exchange's core: determinism, the matching engine against a brute-force oracle that knows nothing of
 * ladders, and the rules of brackets as invariants after every event of random sessions.
 */
#include "venue_test.h"

#include "sim/exchange.h"

#define ORACLE_ORDERS 4000

static struct exchange *make(const struct exchange_options *options, const struct exchange_sink *sink, int instruments) {
    struct exchange *x = NULL;
    struct error error = {0};
    static const char *const names[] = {"AAA-USD", "BBB-USD", "CCC-USD"};
    assert_int_equal(exchange_open(&x, options, sink, &error), 0);
    for (int i = 0; i < instruments; i++) {
        struct instrument instrument = test_instrument(names[i]);
        assert_int_equal(exchange_add(x, &instrument, NULL, &error), i);
    }
    return x;
}

static struct exchange *make_manual(struct told *told) {
    struct exchange_options options = exchange_options_default();
    struct exchange_sink sink = {told, told_report, told_market};
    options.manual = true;
    options.start_ns = START_NS;
    return make(&options, &sink, 1);
}

/* ---- determinism ------------------------------------------------------------------------------------------------------------ */

/* A session with orders at fixed times; `chunk_ns` is how far each call lets time pass. */
static void session(uint64_t seed, int64_t chunk_ns, char text[HASH_TEXT_BYTES], struct told *told) {
    struct exchange_options options = exchange_options_default();
    struct exchange_sink sink = {told, told_report, told_market};
    unsigned char hash[HASH_BYTES];
    options.seed = seed;
    options.start_ns = START_NS;
    struct exchange *x = make(&options, &sink, 3);
    for (int i = 0; i < 400; i++) {
        int64_t at = START_NS + (i + 1) * 700 * NS_PER_MS;
        for (int64_t t = x->now_ns + chunk_ns; t < at; t += chunk_ns) {
            exchange_advance(x, t);
        }
        exchange_advance(x, at);
        char id[NAME_MAX_BYTES];
        snprintf(id, sizeof(id), "t-%d", i);
        int64_t lots = i % 2 == 0 ? 30 + i % 500 : -40 - i % 300, mid = x->markets[i % 3].quote.bid_ticks;
        struct order o = test_order(id, (uint16_t)(i % 3), (uint16_t)(i % 12), PURPOSE_ENTRY, lots, mid + (i % 7 - 3));
        o.stop_ticks = lots > 0 ? mid - 40 : mid + 40;
        o.target_ticks = lots > 0 ? mid + 60 : mid - 60;
        o.expires_ns = at + 5 * NS_PER_S;
        exchange_submit(x, &o, exchange_kind_of(x, &o));
    }
    hash_end(&told->hash, hash);
    hash_print(hash, text);
    exchange_close(x);
}

static void test_same_seed_same_stream(void **state) {
    (void)state;
    struct told *told[4];
    char text[4][HASH_TEXT_BYTES];
    for (int i = 0; i < 4; i++) {
        told[i] = told_make();
    }
    session(7, NS_PER_S, text[0], told[0]);
    session(7, NS_PER_S, text[1], told[1]);
    session(7, 13 * NS_PER_MS, text[2], told[2]);
    session(8, NS_PER_S, text[3], told[3]);
    assert_string_equal(text[0], text[1]);
    assert_string_equal(text[0], text[2]); /* how often the clock is asked changes nothing */
    assert_string_not_equal(text[0], text[3]);
    print_message("# stream of seed 7: %s, fills %u, bars %u\n", text[0], told[0]->kinds[VENUE_FILL], told[0]->bars);
    assert_true(told[0]->kinds[VENUE_FILL] > 100 && told[0]->kinds[VENUE_EXPIRED] > 0 && told[0]->bars >= 3 * 279);
    /* the same on every machine and compiler */
    assert_string_equal(text[0], "9b1001dce6f150c2e8bc054ef878b296fb1870da191df953449d6d61820ab3ee");
    for (int i = 0; i < 4; i++) {
        told_free(told[i]);
    }
}

static void test_an_order_changes_no_price(void **state) {
    (void)state;
    struct exchange_options options = exchange_options_default();
    struct exchange_sink none = {0};
    options.start_ns = START_NS;
    struct exchange *a = make(&options, &none, 1), *b = make(&options, &none, 1);
    struct order o = test_order("x-1", 0, 0, PURPOSE_ENTRY, 100000, 0);
    exchange_submit(a, &o, EXCHANGE_MARKET);
    exchange_advance(a, START_NS + 100 * NS_PER_S);
    exchange_advance(b, START_NS + 100 * NS_PER_S);
    assert_true(a->groups[0].lots > 0);
    assert_true(a->markets[0].middle_x16 == b->markets[0].middle_x16);
    exchange_close(a);
    exchange_close(b);
}

/* ---- the oracle: a flat list of orders, searched from end to end for every match ---------------------------------------------- */

struct oracle_order {
    int64_t lots, limit; /* left, signed; 0 = gone */
    uint64_t arrival;
    int32_t id;
};

struct oracle {
    uint32_t count, fills;
    uint64_t arrivals;
    struct oracle_order orders[ORACLE_ORDERS];
    struct { int32_t id; int64_t lots, price; } told[ORACLE_ORDERS * 4];
};

static struct oracle_order *oracle_best(struct oracle *o, bool buys, int64_t limit) {
    struct oracle_order *best = NULL;
    for (uint32_t i = 0; i < o->count; i++) {
        struct oracle_order *r = &o->orders[i];
        if (r->lots == 0 || (r->lots > 0) == buys || (limit != 0 && (buys ? r->limit > limit : r->limit < limit))) {
            continue;
        }
        bool better = best == NULL || (buys ? r->limit < best->limit : r->limit > best->limit) ||
                      (r->limit == best->limit && r->arrival < best->arrival);
        best = better ? r : best;
    }
    return best;
}

static void oracle_fill(struct oracle *o, int32_t id, int64_t lots, int64_t price) {
    o->told[o->fills].id = id;
    o->told[o->fills].lots = lots;
    o->told[o->fills++].price = price;
}

static void oracle_submit(struct oracle *o, int32_t id, int64_t lots, int64_t limit, bool rests) {
    bool buys = lots > 0;
    int64_t left = buys ? lots : -lots;
    struct oracle_order *best;
    while (left > 0 && (best = oracle_best(o, buys, limit)) != NULL) {
        int64_t theirs = best->lots > 0 ? best->lots : -best->lots, done = left < theirs ? left : theirs;
        best->lots -= best->lots > 0 ? done : -done;
        left -= done;
        oracle_fill(o, best->id, buys ? -done : done, best->limit);
        oracle_fill(o, id, buys ? done : -done, best->limit);
    }
    if (left > 0 && rests) {
        o->orders[o->count++] = (struct oracle_order){buys ? left : -left, limit, o->arrivals++, id};
    }
}

/* The account's fills in the order they were told must be the oracle's; the house's are not told. */
static void oracle_compare(const struct oracle *o, const struct told *told) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < told->count; i++) {
        const struct venue_report *r = &told->reports[i];
        if (r->kind != VENUE_FILL) {
            continue;
        }
        while (at < o->fills && o->told[at].id < 0) {
            at++;
        }
        assert_true(at < o->fills);
        assert_int_equal(strtol(r->client_id, NULL, 10), o->told[at].id);
        assert_true(r->lots == o->told[at].lots && r->price_ticks == o->told[at].price);
        at++;
    }
    while (at < o->fills && o->told[at].id < 0) {
        at++;
    }
    assert_int_equal(at, o->fills);
}

static void oracle_action(struct exchange *x, struct oracle *o, struct dice *dice, int32_t n) {
    int64_t lots = dice_between(dice, 1, 20) * (dice_once_in(dice, 2) ? 1 : -1), price = dice_between(dice, 990, 1010);
    uint64_t what = dice_below(dice, 20);
    char id[NAME_MAX_BYTES];
    snprintf(id, sizeof(id), "%d", n);
    struct order order = test_order(id, 0, (uint16_t)n, PURPOSE_ENTRY, lots, price);
    if (what < 9) {
        exchange_submit(x, &order, EXCHANGE_LIMIT);
        oracle_submit(o, n, lots, price, true);
    } else if (what < 11) {
        exchange_submit(x, &order, EXCHANGE_IMMEDIATE);
        oracle_submit(o, n, lots, price, false);
    } else if (what < 13) {
        order.limit_ticks = 0;
        exchange_submit(x, &order, EXCHANGE_MARKET);
        oracle_submit(o, n, lots, 0, false);
    } else if (what < 17) {
        exchange_house(x, 0, lots, price, true);
        oracle_submit(o, -1 - n, lots, price, true);
    } else if (o->count > 0) {
        struct oracle_order *gone = &o->orders[dice_below(dice, o->count)];
        if (gone->id >= 0) {
            snprintf(id, sizeof(id), "%d", gone->id);
            exchange_cancel(x, id);
            gone->lots = 0;
        }
    }
}

static void test_rule_1_price_then_time_against_the_oracle(void **state) {
    (void)state;
    uint32_t fills = 0;
    struct oracle *o = malloc(sizeof(*o));
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct told *told = told_make();
        struct exchange *x = make_manual(told);
        struct dice dice = dice_init(seed);
        memset(o, 0, sizeof(*o));
        for (int32_t n = 0; n < 1000; n++) {
            oracle_action(x, o, &dice, n);
            const struct ladder_level *bid = ladder_best(&x->markets[0].ladder, LADDER_BID);
            const struct ladder_level *ask = ladder_best(&x->markets[0].ladder, LADDER_ASK);
            assert_true(bid == NULL || ask == NULL || bid->price < ask->price);
        }
        oracle_compare(o, told);
        assert_true(x->markets[0].net_lots + x->markets[0].house_lots == 0);
        fills += told->kinds[VENUE_FILL];
        exchange_close(x);
        told_free(told);
    }
    free(o);
    print_message("# 20 sessions of 1,000 actions: %u fills equal the oracle's\n", fills);
}

/* ---- brackets: invariants after every event ------------------------------------------------------------------------------------ */

#define GROUPS 16

struct bracket_watch {
    struct exchange *x;
    int64_t lots[GROUPS];
    uint32_t stops, targets, exits, told;
    bool turned;
};

static void watch_report(void *context, const struct venue_report *r) {
    struct bracket_watch *w = context;
    if (r->kind != VENUE_FILL) {
        return;
    }
    int64_t before = w->lots[r->position], after = before + r->lots;
    if (r->purpose != PURPOSE_ENTRY && (before == 0 || (r->lots > 0) == (before > 0) || (after != 0 && (after > 0) != (before > 0)))) {
        w->turned = true; /* a closing fill opened or turned the group */
    }
    w->stops += r->purpose == PURPOSE_STOP;
    w->targets += r->purpose == PURPOSE_TARGET;
    w->exits += r->purpose == PURPOSE_EXIT;
    w->lots[r->position] = after;
    w->told++;
}

static void watch_market(void *context, const struct venue_market *e) {
    struct bracket_watch *w = context;
    if (e->kind == VENUE_TRADE && w->x != NULL) { /* no trade through a better price of the same side */
        const struct ladder *ladder = &w->x->markets[0].ladder;
        const struct ladder_level *best = ladder_best(ladder, e->trade_size_e8 > 0 ? LADDER_ASK : LADDER_BID);
        assert_true(best == NULL || (e->trade_size_e8 > 0 ? best->price >= e->trade_ticks : best->price <= e->trade_ticks));
    }
}

static void check_group(const struct exchange *x, uint32_t position) {
    const struct exchange_group *g = &x->groups[position];
    const struct exchange_market *m = &x->markets[0];
    int64_t open = g->lots < 0 ? -g->lots : g->lots;
    int64_t resting = g->target_entry != 0 ? m->ladder.entries[g->target_entry].lots : 0;
    assert_true(resting == (g->target_ticks != 0 && !g->fired ? open : 0));
    assert_true(resting == 0 || m->ladder.entries[g->target_entry].price == g->target_ticks);
    if (open != 0 && g->stop_ticks != 0 && !g->fired) { /* an armed stop is not through */
        const struct ladder_level *best = ladder_best(&m->ladder, g->lots > 0 ? LADDER_BID : LADDER_ASK);
        assert_true(best == NULL || (g->lots > 0 ? best->price > g->stop_ticks : best->price < g->stop_ticks));
    }
    if (g->fired) { /* a fired one has taken all there was */
        assert_true(open != 0 && ladder_best(&m->ladder, g->lots > 0 ? LADDER_BID : LADDER_ASK) == NULL);
    }
}

static void check_all(const struct bracket_watch *w) {
    const struct exchange *x = w->x;
    int64_t net = 0;
    for (uint32_t i = 0; i < GROUPS; i++) {
        check_group(x, i);
        assert_true(w->lots[i] == x->groups[i].lots);
        net += x->groups[i].lots;
    }
    assert_true(net == x->markets[0].net_lots && net + x->markets[0].house_lots == 0);
    assert_false(w->turned);
}

static void bracket_action(struct exchange *x, struct dice *dice, int n) {
    uint16_t position = (uint16_t)dice_below(dice, GROUPS);
    int64_t lots = dice_between(dice, 1, 20) * (dice_once_in(dice, 2) ? 1 : -1), price = dice_between(dice, 980, 1020);
    const struct exchange_group *g = &x->groups[position];
    char id[NAME_MAX_BYTES];
    snprintf(id, sizeof(id), "b-%d", n);
    struct order o = test_order(id, 0, position, PURPOSE_ENTRY, lots, dice_once_in(dice, 4) ? 0 : price);
    switch (dice_below(dice, 10)) {
    case 0: case 1: case 2: case 3:
        exchange_house(x, 0, lots * 3, price, true);
        return;
    case 4: case 5: case 6:
        o.stop_ticks = lots > 0 ? price - dice_between(dice, 1, 15) : price + dice_between(dice, 1, 15);
        o.target_ticks = dice_once_in(dice, 3) ? 0 : lots > 0 ? price + dice_between(dice, 1, 15) : price - dice_between(dice, 1, 15);
        break;
    case 7:
        o.purpose = dice_once_in(dice, 3) ? PURPOSE_HOST : PURPOSE_EXIT;
        o.lots = g->lots != 0 ? -g->lots / (dice_once_in(dice, 2) ? 1 : 2) : lots;
        o.lots = o.lots != 0 ? o.lots : 1;
        break;
    case 8:
        o.purpose = PURPOSE_STOP;
        o.lots = g->lots != 0 ? -g->lots : lots;
        o.stop_ticks = o.lots < 0 ? price - 5 : price + 5;
        o.limit_ticks = 0;
        break;
    default:
        exchange_protect(x, 0, position, g->lots >= 0 ? price - 10 : price + 10, g->lots >= 0 ? price + 10 : price - 10);
        return;
    }
    exchange_submit(x, &o, exchange_kind_of(x, &o));
}

static void test_rules_3_and_4_brackets_guard_exactly_the_open_lots(void **state) {
    (void)state;
    uint32_t stops = 0, targets = 0, exits = 0, told = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bracket_watch w = {0};
        struct exchange_options options = exchange_options_default();
        struct exchange_sink sink = {&w, watch_report, watch_market};
        options.manual = true;
        options.start_ns = START_NS;
        struct exchange *x = make(&options, &sink, 1);
        struct dice dice = dice_init(seed);
        w.x = x;
        for (int n = 0; n < 1500; n++) {
            bracket_action(x, &dice, n);
            check_all(&w);
        }
        stops += w.stops, targets += w.targets, exits += w.exits, told += w.told;
        assert_int_equal(w.told, x->fill_count);
        exchange_close(x);
    }
    print_message("# 40 sessions of 1,500 events: %u fills, %u by stops, %u by targets, %u by exits\n", told, stops, targets, exits);
    assert_true(stops > 500 && targets > 500 && exits > 200);
}

/* ---- single rules ------------------------------------------------------------------------------------------------------------------ */

static void test_bracket_one_cancels_the_other(void **state) {
    (void)state;
    struct told *told = told_make();
    struct exchange *x = make_manual(told);
    exchange_house(x, 0, -4, 1000, true);
    exchange_house(x, 0, 50, 998, true);
    struct order o = test_order("a-1", 0, 3, PURPOSE_ENTRY, 10, 1000);
    o.stop_ticks = 990;
    o.target_ticks = 1010;
    exchange_submit(x, &o, EXCHANGE_LIMIT);
    assert_true(x->groups[3].lots == 4); /* partly filled: 4 guarded, 6 rest */
    assert_true(x->markets[0].ladder.entries[x->groups[3].target_entry].lots == 4);
    exchange_house(x, 0, -6, 1000, true);
    assert_true(x->markets[0].ladder.entries[x->groups[3].target_entry].lots == 10);
    exchange_house(x, 0, 3, 1010, true); /* takes 3 of the target */
    const struct venue_report *fill = told_last(told, VENUE_FILL);
    assert_true(fill->purpose == PURPOSE_TARGET && fill->lots == -3 && fill->price_ticks == 1010 && fill->maker);
    assert_string_equal(fill->client_id, "");
    exchange_house(x, 0, -50, 998, true); /* the bid goes */
    exchange_house(x, 0, 20, 985, true);  /* and the next one is through the stop */
    fill = told_last(told, VENUE_FILL);
    assert_true(fill->purpose == PURPOSE_STOP && fill->lots == -7 && fill->price_ticks == 985 && !fill->maker);
    assert_true(x->groups[3].lots == 0 && x->groups[3].target_entry == 0 && x->groups[3].stop_ticks == 0);
    exchange_close(x);
    told_free(told);
}

static void test_rule_2_what_is_displayed(void **state) {
    (void)state;
    struct told *told = told_make();
    struct exchange *x = make_manual(told);
    exchange_house(x, 0, -5, 1000, true);
    struct order o = test_order("a-1", 0, 0, PURPOSE_ENTRY, 8, 0);
    exchange_submit(x, &o, EXCHANGE_MARKET);
    assert_true(told_last(told, VENUE_FILL)->lots == 5 && told->kinds[VENUE_CANCELLED] == 1);
    struct order close = test_order("a-2", 0, 0, PURPOSE_HOST, -5, 0);
    exchange_submit(x, &close, EXCHANGE_MARKET); /* no bids at all: it goes on sweeping */
    assert_int_equal(told->kinds[VENUE_CANCELLED], 1);
    exchange_house(x, 0, 2, 995, true);
    exchange_house(x, 0, 9, 990, true);
    assert_true(x->groups[0].lots == 0 && told->kinds[VENUE_FILL] == 3);
    struct venue_report answer;
    exchange_query(x, "a-2", &answer);
    assert_true(answer.kind == VENUE_STATE && answer.order_state == ORDER_FILLED && answer.lots == -5);
    exchange_close(x);
    told_free(told);
}

static void test_rule_5_one_client_id_one_order(void **state) {
    (void)state;
    struct told *told = told_make();
    struct exchange *x = make_manual(told);
    struct order o = test_order("a-1", 0, 0, PURPOSE_ENTRY, 8, 900);
    assert_int_equal(exchange_submit(x, &o, EXCHANGE_LIMIT), 0);
    assert_int_equal(exchange_submit(x, &o, EXCHANGE_LIMIT), ERROR_REFUSED);
    assert_int_equal(told->kinds[VENUE_ACK], 1);
    assert_int_equal(told->kinds[VENUE_REJECT], 0);
    assert_int_equal(told_last(told, VENUE_STATE)->order_state, ORDER_ACKED);
    exchange_cancel(x, "a-1");
    assert_int_equal(exchange_submit(x, &o, EXCHANGE_LIMIT), ERROR_REFUSED);
    assert_int_equal(told_last(told, VENUE_STATE)->order_state, ORDER_CANCELLED);
    assert_int_equal(x->order_count, 1);
    exchange_cancel(x, "a-9");
    assert_int_equal(told->kinds[VENUE_ABSENT], 1);
    exchange_close(x);
    told_free(told);
}

static void test_rule_6_expiry(void **state) {
    (void)state;
    struct told *told = told_make();
    struct exchange *x = make_manual(told);
    struct order o = test_order("a-1", 0, 0, PURPOSE_ENTRY, 8, 900);
    o.expires_ns = START_NS + NS_PER_S;
    exchange_submit(x, &o, EXCHANGE_LIMIT);
    exchange_advance(x, START_NS + NS_PER_S - 1);
    assert_int_equal(told->kinds[VENUE_EXPIRED], 0);
    exchange_advance(x, START_NS + NS_PER_S);
    assert_int_equal(told->kinds[VENUE_EXPIRED], 1);
    o = test_order("a-2", 0, 0, PURPOSE_ENTRY, 8, 900);
    o.expires_ns = START_NS;
    exchange_submit(x, &o, EXCHANGE_LIMIT);
    assert_int_equal(told->kinds[VENUE_EXPIRED], 2);
    exchange_house(x, 0, -8, 900, true);
    assert_int_equal(told->kinds[VENUE_FILL], 0);
    exchange_close(x);
    told_free(told);
}

static void test_refusals(void **state) {
    (void)state;
    struct told *told = told_make();
    struct exchange *x = make_manual(told);
    struct order bad[8];
    for (int i = 0; i < 8; i++) {
        char id[NAME_MAX_BYTES];
        snprintf(id, sizeof(id), "r-%d", i);
        bad[i] = test_order(id, 0, 0, PURPOSE_ENTRY, 5, 1000);
    }
    bad[0].lots = 0;
    bad[1].instrument = 9;
    bad[2].position = POSITIONS_MAX;
    bad[3].limit_ticks = -1;
    bad[4].stop_ticks = 1010, bad[4].target_ticks = 990;
    bad[5].purpose = 77;
    bad[6].lots = INT64_MIN;
    bad[7].client_id[0] = '\0';
    for (uint32_t i = 0; i < 8; i++) {
        exchange_submit(x, &bad[i], EXCHANGE_LIMIT);
        assert_int_equal(told->kinds[VENUE_REJECT], i + 1);
        assert_true(told_last(told, VENUE_REJECT)->text[0] != '\0');
    }
    assert_int_equal(x->open_count, 0);
    exchange_close(x);
    told_free(told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_stream),
        cmocka_unit_test(test_an_order_changes_no_price),
        cmocka_unit_test(test_rule_1_price_then_time_against_the_oracle),
        cmocka_unit_test(test_rules_3_and_4_brackets_guard_exactly_the_open_lots),
        cmocka_unit_test(test_bracket_one_cancels_the_other),
        cmocka_unit_test(test_rule_2_what_is_displayed),
        cmocka_unit_test(test_rule_5_one_client_id_one_order),
        cmocka_unit_test(test_rule_6_expiry),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
