/*
 * Tests of host/execute/match.c: random orders and bars against a second matching, written here from the words of rules a
 * to f (match.h) over plain arrays, without the lists and flags of the first. Compared is every report in its order. The
 * branches one by one, with prices worked out by hand, are in tests/flow/branches.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "execute/match.h"

#define GROUPS 6
#define TOLD 4096

/* What one report says, as numbers. */
struct told {
    int kind, purpose, group, maker;
    long long lots, price, time;
    char id[NAME_MAX_BYTES];
};

static struct told got[TOLD], due[TOLD];
static uint32_t got_count, due_count;
static uint64_t seed;

static int64_t dice(int64_t sides) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)sides);
}

static void hear(void *context, const struct venue_report *r) {
    (void)context;
    assert_true(got_count < TOLD);
    struct told *t = &got[got_count++];
    memset(t, 0, sizeof(*t));
    *t = (struct told){.kind = r->kind, .purpose = r->purpose, .group = r->position, .maker = r->maker, .lots = r->lots, .price = r->price_ticks,
                       .time = r->time_ns};
    memcpy(t->id, r->client_id, sizeof(t->id));
    assert_int_equal(r->instrument, r->position % 2);
    assert_int_equal(r->fee_e8, -1);
}

/* ---- the second matching ------------------------------------------------------------------------------------------------------ */

struct plain_order {
    bool open;
    int group, purpose;
    long long lots, limit, stop, target, expires;
    char id[NAME_MAX_BYTES];
};

struct plain {
    struct plain_order orders[512];
    uint32_t order_count;
    long long lots[GROUPS], stop[GROUPS], target[GROUPS];
    long long opened[GROUPS];   /* when it was opened: the order of rule a */
    long long opens;
    bool touched[GROUPS], rested[GROUPS]; /* of the bar being matched */
};

static void say(const struct plain_order *o, int kind, int purpose, int group, bool maker, long long lots, long long price, long long time) {
    struct told *t = &due[due_count++];
    memset(t, 0, sizeof(*t));
    *t = (struct told){.kind = kind, .purpose = purpose, .group = group, .maker = maker, .lots = lots, .price = price, .time = time};
    if (o) {
        memcpy(t->id, o->id, sizeof(t->id));
    }
}

static void move(struct plain *p, int group, long long lots) {
    bool was_flat = p->lots[group] == 0;
    p->lots[group] += lots;
    if (was_flat && p->lots[group]) {
        p->opened[group] = ++p->opens;
    }
    if (p->lots[group] == 0) {
        p->stop[group] = p->target[group] = 0;
        p->touched[group] = p->rested[group] = false;
    }
}

/* a, c, d: what the bar does to a group that is open. */
static void guard(struct plain *p, int g, const struct bar *bar, bool stop_only, bool opened_by_resting, long long close) {
    long long side = p->lots[g] > 0 ? 1 : -1, worst = side > 0 ? bar->low : bar->high, best = side > 0 ? bar->high : bar->low;
    if (p->stop[g] && side * worst <= side * p->stop[g]) {
        bool through = side * bar->open <= side * p->stop[g] && !opened_by_resting;
        say(NULL, VENUE_FILL, PURPOSE_STOP, g, false, -p->lots[g], through ? bar->open : p->stop[g], through ? bar->start_ns : close);
        move(p, g, -p->lots[g]);
    } else if (!stop_only && p->target[g] && side * best >= side * p->target[g]) {
        say(NULL, VENUE_FILL, PURPOSE_TARGET, g, true, -p->lots[g], p->target[g], close);
        move(p, g, -p->lots[g]);
    }
}

/* Groups of the instrument that are open now, in the order they were opened. */
static int open_groups(const struct plain *p, int instrument, int list[GROUPS]) {
    int count = 0;
    for (int g = 0; g < GROUPS; g++) {
        if (g % 2 == instrument && p->lots[g]) {
            int at = count++;
            for (; at > 0 && p->opened[list[at - 1]] > p->opened[g]; at--) {
                list[at] = list[at - 1];
            }
            list[at] = g;
        }
    }
    return count;
}

static void plain_bar(struct plain *p, int instrument, const struct bar *bar, long long close) {
    int list[GROUPS], count = open_groups(p, instrument, list);
    memset(p->touched, 0, sizeof(p->touched));
    memset(p->rested, 0, sizeof(p->rested));
    for (int k = 0; k < count; k++) {
        guard(p, list[k], bar, false, false, close);
    }
    for (uint32_t i = 0; i < p->order_count; i++) {
        struct plain_order *o = &p->orders[i];
        if (!o->open || o->group % 2 != instrument) {
            continue;
        }
        long long lots = o->lots, side = lots > 0 ? 1 : -1, held = p->lots[o->group];
        if (o->expires && bar->start_ns >= o->expires) { /* e */
            o->open = false;
            say(o, VENUE_EXPIRED, o->purpose, o->group, false, 0, 0, close);
            continue;
        }
        if (o->purpose != PURPOSE_ENTRY) { /* f */
            long long room = held * side < 0 ? held * -side : 0;
            lots = side * (room < lots * side ? room : lots * side);
        }
        bool at_open = o->limit == 0 || side * bar->open <= side * o->limit; /* b */
        bool through = o->limit && (side > 0 ? bar->low < o->limit : bar->high > o->limit);
        if (lots == 0 || at_open || through) {
            o->open = false;
            if (lots) {
                say(o, VENUE_FILL, o->purpose, o->group, !at_open, lots, at_open ? bar->open : o->limit, at_open ? bar->start_ns : close);
                move(p, o->group, lots);
            }
            if (lots && o->purpose == PURPOSE_ENTRY) {
                p->stop[o->group] = o->stop;
                p->target[o->group] = o->target;
                p->touched[o->group] = true;
                p->rested[o->group] = p->rested[o->group] || !at_open;
            }
            if (lots != o->lots) {
                say(o, VENUE_CANCELLED, o->purpose, o->group, false, 0, 0, close);
            }
        }
    }
    count = open_groups(p, instrument, list);
    for (int k = 0; k < count; k++) { /* c */
        if (p->touched[list[k]]) {
            guard(p, list[k], bar, p->rested[list[k]], p->rested[list[k]], close);
        }
    }
}

/* ---- both ------------------------------------------------------------------------------------------------------------------------ */

static void same(uint64_t session, int bar) {
    for (uint32_t i = 0; i < got_count || i < due_count; i++) {
        if (i >= got_count || i >= due_count || memcmp(&got[i], &due[i], sizeof(got[i])) != 0) {
            fail_msg("session %llu, bar %d, report %u of %u and %u: kind %d purpose %d group %d %lld lots at %lld time %lld (%s); by the rules "
                     "kind %d purpose %d group %d %lld lots at %lld time %lld (%s)", (unsigned long long)session, bar, i, got_count, due_count,
                     got[i].kind, got[i].purpose, got[i].group, got[i].lots, got[i].price, got[i].time, got[i].id, due[i].kind, due[i].purpose,
                     due[i].group, due[i].lots, due[i].price, due[i].time, due[i].id);
        }
    }
    got_count = due_count = 0;
}

static void give_order(struct matcher *m, struct plain *p, int64_t price, int64_t now) {
    int group = (int)dice(GROUPS);
    bool entry = p->lots[group] == 0 || dice(3) == 0;
    int64_t side = p->lots[group] ? (p->lots[group] > 0 ? 1 : -1) : dice(2) ? 1 : -1;
    struct order o = {.order_id = p->order_count + 1, .instrument = (uint16_t)(group % 2), .position = (uint16_t)group, .state = ORDER_SENT,
                      .purpose = (uint8_t)(entry ? PURPOSE_ENTRY : dice(2) ? PURPOSE_EXIT : PURPOSE_HOST), .lots = (1 + dice(9)) * (entry ? side : -side),
                      .limit_ticks = dice(2) ? price + dice(9) - 4 : 0, .expires_ns = dice(3) ? 0 : now + dice(4) * 60};
    o.stop_ticks = entry ? price - side * dice(8) : 0;
    o.target_ticks = entry && dice(2) ? price + side * dice(8) : 0;
    snprintf(o.client_id, sizeof(o.client_id), "m-%llu", (unsigned long long)o.order_id);
    struct plain_order *q = &p->orders[p->order_count++];
    *q = (struct plain_order){.open = true, .group = group, .purpose = o.purpose, .lots = o.lots, .limit = o.limit_ticks, .stop = o.stop_ticks,
                              .target = o.target_ticks, .expires = o.expires_ns};
    memcpy(q->id, o.client_id, sizeof(q->id));
    assert_int_equal(matcher_submit(m, &o, now), 0);
    say(q, VENUE_ACK, o.purpose, group, false, 0, 0, now);
}

static void give(struct matcher *m, struct plain *p, int64_t price, int64_t now) {
    for (int64_t n = dice(4); n > 0 && p->order_count < 500; n--) {
        give_order(m, p, price, now);
    }
    if (p->order_count != 0 && dice(6) == 0) {
        struct plain_order *o = &p->orders[dice(p->order_count)];
        assert_int_equal(matcher_cancel(m, o->id, now), o->open ? 0 : ERROR_NOT_FOUND);
        if (o->open) {
            o->open = false;
            say(o, VENUE_CANCELLED, o->purpose, o->group, false, 0, 0, now);
        }
    }
    int group = (int)dice(GROUPS);
    if (dice(6) == 0 && p->lots[group]) {
        p->stop[group] = price + dice(9) - 4;
        p->target[group] = dice(2) ? 0 : price + dice(9) - 4;
        matcher_protect(m, (uint16_t)(group % 2), (uint16_t)group, p->stop[group], p->target[group]);
    }
}

static void test_random_bars_and_orders_against_rules_a_to_f(void **state) {
    (void)state;
    static struct matcher m;
    static struct plain p;
    uint64_t fills = 0, kinds[16] = {0}, purposes[8] = {0};
    for (uint64_t session = 1; session <= 1500; session++) {
        seed = session;
        matcher_init(&m, NULL, hear, NULL);
        memset(&p, 0, sizeof(p));
        int64_t price[2] = {100, 100}, now = 0;
        for (int n = 0; n < 60; n++) {
            give(&m, &p, price[n % 2], now);
            for (int i = 0; i < 2; i++) {
                int64_t open = price[i] + dice(7) - 3, close = open + dice(7) - 3;
                int64_t high = (open > close ? open : close) + dice(4), low = (open < close ? open : close) - dice(4);
                struct bar bar = {.start_ns = now, .open = open, .high = high, .low = low, .close = close};
                matcher_on_bar(&m, (uint16_t)i, &bar, now + 60);
                plain_bar(&p, i, &bar, now + 60);
                price[i] = close < 50 ? 50 : close;
            }
            for (uint32_t i = 0; i < due_count; i++) {
                kinds[due[i].kind]++;
                purposes[due[i].purpose] += due[i].kind == VENUE_FILL;
                fills += due[i].kind == VENUE_FILL;
            }
            same(session, n);
            now += 60;
        }
    }
    assert_true(fills > 50000 && kinds[VENUE_EXPIRED] > 1000 && kinds[VENUE_CANCELLED] > 1000);
    for (int k = PURPOSE_ENTRY; k <= PURPOSE_HOST; k++) {
        assert_true(purposes[k] > 1000);
    }
}

static void test_a_full_table_refuses(void **state) {
    (void)state;
    static struct matcher m;
    matcher_init(&m, NULL, hear, NULL);
    struct order o = {.lots = 1, .stop_ticks = 1};
    got_count = 0;
    for (int i = 0; i < ORDERS_MAX; i++) {
        assert_int_equal(matcher_submit(&m, &o, 0), 0);
    }
    assert_int_equal(matcher_submit(&m, &o, 0), ERROR_FULL);
    assert_int_equal(got_count, ORDERS_MAX);
    assert_false(matcher_idle(&m));
    got_count = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_bars_and_orders_against_rules_a_to_f),
        cmocka_unit_test(test_a_full_table_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
