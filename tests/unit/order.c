/*
 * Tests of host/execute/order.c: every pair of states against a table written from the rules by hand, fills in every state,
 * and the client id both ways. Does not test what the router does with a step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/reason.h"
#include "execute/order.h"

/* Columns in the order of enum order_state: New Durable Sent Acked Partial Unknown Filled Cancelled Rejected Expired. */
static const char *const expected[ORDER_STATES] = {
    /*           NDSAPUFCRE */
    /* NEW */       ".y.....y..",
    /* DURABLE */   "..y..y.y..",
    /* SENT */      "...yyyyyyy",
    /* ACKED */     "....yyyyyy",
    /* PARTIAL */   "....yyyy.y",
    /* UNKNOWN */   ".y.yy.yyyy",
    /* FILLED */    "..........",
    /* CANCELLED */ "..........",
    /* REJECTED */  "..........",
    /* EXPIRED */   "..........",
};

static void test_every_pair_of_states(void **state) {
    (void)state;
    for (int from = 0; from < ORDER_STATES; from++) {
        for (int to = 0; to < ORDER_STATES; to++) {
            struct order order = {.state = (uint8_t)from, .lots = 5, .reason = REASON_NONE};
            int code = order_step(&order, (enum order_state)to, 7);
            assert_int_equal(code, expected[from][to] == 'y' ? 0 : ERROR_REFUSED);
            assert_int_equal(order.state, code == 0 ? to : from);
            assert_int_equal(order.reason, code == 0 ? 7 : REASON_NONE);
            assert_int_equal(order_step_is_legal((enum order_state)from, (enum order_state)to), code == 0);
        }
        struct order order = {.state = (uint8_t)from};
        assert_int_equal(order_is_open(&order), from <= ORDER_UNKNOWN);
        assert_int_equal(order_is_at_venue(&order), from >= ORDER_SENT && from <= ORDER_UNKNOWN);
        assert_int_equal(order_state_find(order_state_name(from)), from);
    }
    assert_false(order_step_is_legal((enum order_state)-1, ORDER_NEW));
    assert_false(order_step_is_legal(ORDER_SENT, ORDER_STATES));
    assert_int_equal(order_state_find("LOST"), -1);
}

static void test_rule_3_a_filled_order_is_never_absent(void **state) {
    (void)state;
    struct order order = {.state = ORDER_UNKNOWN, .lots = -4, .filled_lots = -1};
    assert_int_equal(order_step(&order, ORDER_DURABLE, REASON_NONE), ERROR_REFUSED);
    assert_int_equal(order_step(&order, ORDER_CANCELLED, REASON_NONE), 0);
}

static void test_fills_in_every_state(void **state) {
    (void)state;
    for (int from = 0; from < ORDER_STATES; from++) {
        struct order order = {.state = (uint8_t)from, .lots = 10};
        int code = order_fill(&order, 4);
        int wanted = from <= ORDER_DURABLE ? (int)ERROR_REFUSED : from >= ORDER_FILLED ? ORDER_FILL_LATE : ORDER_FILL_OPEN;
        assert_int_equal(code, wanted);
        assert_int_equal(order.filled_lots, 4);
        assert_int_equal(order.state, code == ORDER_FILL_OPEN && from != ORDER_UNKNOWN ? ORDER_PARTIAL : from);
    }
}

static void test_fills_add_up(void **state) {
    (void)state;
    struct order order = {.state = ORDER_SENT, .lots = -10};
    assert_int_equal(order_fill(&order, 3), ERROR_RANGE);
    assert_int_equal(order_fill(&order, 0), ERROR_RANGE);
    assert_int_equal(order.state, ORDER_SENT);
    assert_int_equal(order_fill(&order, -4), ORDER_FILL_OPEN);
    assert_int_equal(order_remaining_lots(&order), -6);
    assert_int_equal(order_fill(&order, -6), ORDER_FILL_OPEN);
    assert_int_equal(order.state, ORDER_FILLED);
    assert_int_equal(order_remaining_lots(&order), 0);
    struct order over = {.state = ORDER_ACKED, .lots = 2};
    assert_int_equal(order_fill(&over, 3), ERROR_INTEGRITY);
    assert_int_equal(over.state, ORDER_FILLED);
    assert_int_equal(over.filled_lots, 3);
    assert_int_equal(order_remaining_lots(&over), 0);
    assert_int_equal(order_fill(&over, INT64_MAX), ERROR_RANGE);
}

static void test_client_id_both_ways(void **state) {
    (void)state;
    const uint64_t sequences[] = {0, 1, 9, 10, 123456789, UINT64_MAX};
    char text[NAME_MAX_BYTES], instance[ORDER_INSTANCE_MAX + 1];
    uint64_t sequence;
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        assert_int_equal(order_client_id(text, "abc123def0", sequences[i]), 0);
        assert_int_equal(order_client_id_parse(text, instance, &sequence), 0);
        assert_string_equal(instance, "abc123def0");
        assert_true(sequence == sequences[i]);
    }
    assert_int_equal(order_client_id(text, "b7", 42), 0);
    assert_string_equal(text, "b7-42");
    assert_int_equal(order_client_id(text, "", 1), ERROR_FORMAT);
    assert_int_equal(order_client_id(text, "abc123def01", 1), ERROR_FORMAT);
    assert_int_equal(order_client_id(text, "A", 1), ERROR_FORMAT);
    assert_int_equal(order_client_id(text, "a-b", 1), ERROR_FORMAT);
}

static void test_client_id_refuses_what_it_would_not_write(void **state) {
    (void)state;
    const char *const bad[] = {"", "-", "a", "a-", "-1", "a-01", "a--1", "a- 1", "a-1 ", "a-+1", "a-18446744073709551616",
                               "B-1", "abc123def01-1", "a-1-1", "a-00", "a-99999999999999999999999999999999"};
    char instance[ORDER_INSTANCE_MAX + 1];
    uint64_t sequence;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(order_client_id_parse(bad[i], instance, &sequence), ERROR_FORMAT);
    }
}

static void test_purpose_names(void **state) {
    (void)state;
    assert_string_equal(order_purpose_name(PURPOSE_ENTRY), "entry");
    assert_string_equal(order_purpose_name(PURPOSE_HOST), "host");
    assert_string_equal(order_purpose_name(99), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_of_states),
        cmocka_unit_test(test_rule_3_a_filled_order_is_never_absent),
        cmocka_unit_test(test_fills_in_every_state),
        cmocka_unit_test(test_fills_add_up),
        cmocka_unit_test(test_client_id_both_ways),
        cmocka_unit_test(test_client_id_refuses_what_it_would_not_write),
        cmocka_unit_test(test_purpose_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
