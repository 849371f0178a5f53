/*
 * Tests of host/decide/seat.c: the frame of an answer (turn, counts, sign), what is published when, fills queued and
 * dropped, turns missed, the end of one that lags, and the saved state. The other side of the link is played by the test;
 * what a real slot does is in tests/jail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

/* A seat of its own with the memories of a rig's first agent. */
struct fixture {
    struct rig *rig;
    struct seat *seat;
    struct rig_seat *other;
};

static struct fixture fixture_open(void) {
    struct fixture f = {.rig = rig_open(false, 1)};
    rig_seat(f.rig, "first", 0, RIG_CASH);
    f.seat = &f.rig->engine->seats[0];
    f.other = &f.rig->seats[0];
    return f;
}

static void test_the_frame_of_an_answer(void **state) {
    (void)state;
    static const struct {
        int32_t result;
        int64_t turn;   /* added to the turn that was asked */
        uint32_t logs;
        int code, reason;
    } cases[] = {
        {0, 0, 0, 1, 0}, {1, 0, 0, 1, 0}, {AGENT_WISHES_MAX, 0, WIRE_LOGS_MAX, 1, 0},
        {-1, 0, 0, -1, REASON_SLOT_ERROR}, {INT32_MIN, 0, 0, -1, REASON_SLOT_ERROR},
        {AGENT_WISHES_MAX + 1, 0, 0, -1, REASON_SLOT_MALFORMED}, {INT32_MAX, 0, 0, -1, REASON_SLOT_MALFORMED},
        {0, 0, WIRE_LOGS_MAX + 1, -1, REASON_SLOT_MALFORMED}, {0, 0, UINT32_MAX, -1, REASON_SLOT_MALFORMED},
        {0, 1, 0, -1, REASON_SLOT_MALFORMED}, {0, -1, 0, -1, REASON_SLOT_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = fixture_open();
        assert_true(seat_ring(f.seat, 7, AGENT_EVENT_BAR));
        f.other->reply->head.result = cases[i].result;
        f.other->reply->head.sequence = (uint64_t)(7 + cases[i].turn);
        f.other->reply->head.log_count = cases[i].logs;
        assert_int_equal(seat_collect(f.seat, 0, true), cases[i].code);
        assert_int_equal(f.seat->alive, cases[i].code == 1);
        assert_int_equal(f.seat->death.reason, cases[i].reason);
        assert_int_equal(f.seat->answer_count, cases[i].code == 1 ? cases[i].result : 0);
        assert_int_equal(seat_collect(f.seat, 0, true), cases[i].code == 1 ? 0 : -1); /* nothing is taken twice */
        assert_int_equal(seat_ring(f.seat, 8, AGENT_EVENT_BAR), cases[i].code == 1);
        rig_close(f.rig);
    }
}

static void test_an_answer_is_copied_once(void **state) {
    (void)state;
    struct fixture f = fixture_open();
    rig_wish(f.rig, 0, 1, 0, 5, 90);
    seat_ring(f.seat, 7, AGENT_EVENT_BAR);
    assert_int_equal(seat_collect(f.seat, 0, true), 1);
    f.other->reply->wishes[0].size = 99; /* too late */
    assert_true(f.seat->answer[0].size == 5.0);
    rig_close(f.rig);
}

static void test_missed_turns_are_counted_and_too_many_end_it(void **state) {
    (void)state;
    struct fixture f = fixture_open();
    f.other->mode = RIG_SILENT;
    assert_true(seat_ring(f.seat, 1, AGENT_EVENT_BAR));
    for (uint64_t turn = 2; turn < WIRE_TURNS; turn++) {
        assert_false(seat_ring(f.seat, turn, AGENT_EVENT_BAR));
        assert_true(f.seat->alive);
        assert_int_equal(f.seat->gap, turn - 1);
    }
    f.other->mode = RIG_ANSWERS;
    assert_int_equal(seat_collect(f.seat, 0, false), 1);
    assert_true(seat_ring(f.seat, WIRE_TURNS, AGENT_EVENT_BAR));
    assert_int_equal(f.other->private_memory->command.gap, WIRE_TURNS - 2);
    assert_int_equal(f.seat->gaps, WIRE_TURNS - 2);
    f.other->mode = RIG_SILENT;
    for (uint64_t turn = WIRE_TURNS + 1; turn < 2 * WIRE_TURNS; turn++) {
        seat_ring(f.seat, turn, AGENT_EVENT_BAR);
    }
    assert_false(f.seat->alive); /* the block it may be reading is the next to be written */
    assert_int_equal(f.seat->death.reason, REASON_SLOT_LAG);
    rig_close(f.rig);
}

static void test_nothing_is_published_while_it_is_busy(void **state) {
    (void)state;
    struct fixture f = fixture_open();
    struct agent_limits limits = {.generation = 5};
    struct seat_view view = {.book = &f.rig->engine->accounts[0]->book, .wishes = f.rig->engine->accounts[0]->wishes,
                             .instruments = f.rig->instruments, .orders = f.rig->engine->accounts[0]->orders.open, .limits = &limits};
    seat_publish(f.seat, &view);
    assert_int_equal(f.other->private_memory->limits.generation, 5);
    assert_true(f.other->private_memory->book.equity == 1000000.0);
    seat_ring(f.seat, 1, AGENT_EVENT_BAR);
    assert_int_equal(f.other->private_memory->command.flags, WIRE_LIMITS_CHANGED);
    limits.generation = 6;
    f.seat->limits_changed = f.seat->book_changed = true;
    f.rig->engine->accounts[0]->book.agents[0].realised_e8 = E8;
    seat_publish(f.seat, &view);
    assert_int_equal(f.other->private_memory->limits.generation, 5);
    assert_true(f.other->private_memory->book.equity == 1000000.0);
    assert_int_equal(seat_collect(f.seat, 0, true), 1);
    seat_publish(f.seat, &view);
    assert_int_equal(f.other->private_memory->limits.generation, 6);
    assert_true(f.other->private_memory->book.equity == 1000001.0);
    rig_close(f.rig);
}

static void test_the_newest_fills_are_delivered_in_order(void **state) {
    (void)state;
    struct fixture f = fixture_open();
    struct position p = {.tag = "main"};
    for (uint64_t n = 1; n <= SEAT_FILLS_MAX + 10; n++) {
        struct fill fill = {.fill_id = n, .lots = 1, .price_ticks = 100};
        seat_queue_fill(f.seat, &f.rig->instruments[0], &p, &fill);
    }
    seat_ring(f.seat, 1, AGENT_EVENT_BAR);
    assert_int_equal(f.other->private_memory->command.fill_count, SEAT_FILLS_MAX);
    for (uint64_t n = 0; n < SEAT_FILLS_MAX; n++) {
        assert_int_equal(f.other->private_memory->fills[n].fill_id, n + 11);
    }
    assert_true(f.other->private_memory->command.events & AGENT_EVENT_FILL);
    seat_collect(f.seat, 0, true);
    seat_ring(f.seat, 2, AGENT_EVENT_BAR);
    assert_int_equal(f.other->private_memory->command.fill_count, 0);
    rig_close(f.rig);
}

static void test_a_position_is_shown_once_and_there_is_a_limit(void **state) {
    (void)state;
    struct fixture f = fixture_open();
    for (uint16_t k = 0; k < 2 * AGENT_POSITIONS_MAX; k++) {
        seat_adopt_position(f.seat, k / 2);
    }
    assert_int_equal(f.seat->position_count, AGENT_POSITIONS_MAX);
    seat_adopt_position(f.seat, 900);
    assert_int_equal(f.seat->position_count, AGENT_POSITIONS_MAX);
    rig_close(f.rig);
}

static void test_a_saved_state_is_never_larger_than_promised(void **state) {
    (void)state;
    struct fixture f = fixture_open();
    unsigned char bytes[64];
    assert_int_equal(seat_save(f.seat, bytes, sizeof(bytes), 0), 0); /* it keeps none */
    f.seat->state_schema = 1;
    f.seat->state_max = 16;
    memset(f.other->reply->state, 7, 32);
    static const int64_t said[] = {0, 16, 17, 1000000, -1}, kept[] = {0, 16, 0, 0, 0};
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        f.other->reply->head.size = (uint64_t)said[i];
        assert_int_equal(seat_save(f.seat, bytes, sizeof(bytes), 0), kept[i]);
    }
    f.other->reply->head.size = 16;
    assert_int_equal(seat_save(f.seat, bytes, 8, 0), 0);
    f.other->mode = RIG_SILENT;
    assert_int_equal(seat_save(f.seat, bytes, sizeof(bytes), 0), ERROR_SLOT);
    assert_false(f.seat->alive);
    rig_close(f.rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_frame_of_an_answer),
        cmocka_unit_test(test_an_answer_is_copied_once),
        cmocka_unit_test(test_missed_turns_are_counted_and_too_many_end_it),
        cmocka_unit_test(test_nothing_is_published_while_it_is_busy),
        cmocka_unit_test(test_the_newest_fills_are_delivered_in_order),
        cmocka_unit_test(test_a_position_is_shown_once_and_there_is_a_limit),
        cmocka_unit_test(test_a_saved_state_is_never_larger_than_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
