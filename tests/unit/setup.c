/*
 * Tests of host/cli/setup.c: which strategy or file an option belongs to, and every text it must refuse. What a setup loads
 * is tested by whole backtests in tests/flow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cli/setup.h"

static struct setup s;
static struct error error;

static void test_parameters_belong_to_the_strategy_before_them(void **state) {
    (void)state;
    setup_init(&s);
    assert_int_equal(setup_add_param(&s, "fast=5", &error), 0); /* before any: for all */
    assert_int_equal(setup_add_strategy(&s, "a.so", false, &error), 0);
    assert_int_equal(setup_add_param(&s, "slow=30", &error), 0);
    assert_int_equal(setup_add_strategy(&s, "b.so", true, &error), 0);
    assert_int_equal(setup_add_param(&s, "fast=7", &error), 0); /* the last one counts */
    assert_int_equal(s.strategies[0].param_count, 2);
    assert_string_equal(s.strategies[0].params[0].text, "5");
    assert_string_equal(s.strategies[0].params[1].name, "slow");
    assert_int_equal(s.strategies[1].param_count, 1);
    assert_string_equal(s.strategies[1].params[0].text, "7");
    assert_true(s.strategies[1].candidate && !s.strategies[0].candidate);
    setup_close(&s);
}

static void test_texts_of_parameters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"a=b", 0}, {"a=", 0}, {"a=b=c", 0}, {"a", ERROR_USAGE}, {"", ERROR_USAGE}, {"=b", ERROR_USAGE},
                 {"a123456789012345678901234567890=x", 0}, {"a1234567890123456789012345678901=x", ERROR_USAGE},
                 {"n=123456789012345678901234567890123456789012345678901234567890123", 0},
                 {"n=1234567890123456789012345678901234567890123456789012345678901234", ERROR_USAGE}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup_init(&s);
        assert_int_equal(setup_add_param(&s, cases[i].text, &error), cases[i].code);
        assert_int_equal(s.param_count, cases[i].code == 0);
        setup_close(&s);
    }
    setup_init(&s);
    char text[16];
    for (unsigned i = 0; i <= AGENT_PARAMS_MAX; i++) {
        snprintf(text, sizeof(text), "p%u=1", i);
        assert_int_equal(setup_add_param(&s, text, &error), i < AGENT_PARAMS_MAX ? 0 : ERROR_USAGE);
    }
    assert_int_equal(setup_add_param(&s, "p0=2", &error), 0); /* a known name is not one more */
    assert_int_equal(setup_add_param(&s, "p=2", &error), ERROR_USAGE); /* and a part of a name is another name */
    setup_close(&s);
}

static void test_symbol_and_instrument_belong_to_the_file_before_them(void **state) {
    (void)state;
    setup_init(&s);
    assert_int_equal(setup_set_symbol(&s, "A", &error), ERROR_USAGE);
    assert_int_equal(setup_set_instrument(&s, "MES", &error), ERROR_USAGE);
    assert_int_equal(setup_add_data(&s, "a.csv", &error), 0);
    assert_int_equal(setup_add_data(&s, "b.csv", &error), 0);
    assert_int_equal(setup_set_symbol(&s, "B", &error), 0);
    assert_int_equal(setup_set_instrument(&s, "MES", &error), 0);
    assert_null(s.data[0].symbol);
    assert_string_equal(s.data[1].symbol, "B");
    assert_string_equal(s.data[1].row, "MES");
    assert_int_equal(setup_set_symbol(&s, "", &error), ERROR_USAGE);
    assert_int_equal(setup_set_symbol(&s, "12345678901234567890123456789012", &error), ERROR_USAGE);
    for (int i = 2; i < INSTRUMENTS_MAX; i++) {
        assert_int_equal(setup_add_data(&s, "c.csv", &error), 0);
    }
    assert_int_equal(setup_add_data(&s, "c.csv", &error), ERROR_USAGE);
    setup_close(&s);
}

static void test_money_and_fees(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t cash_e8, fee_e8; /* -1 = refused */
    } cases[] = {{"1", E8, 10000}, {"10", 10 * E8, 100000}, {"0.00000001", 1, -1}, {"0.0001", 10000, 1}, {"0", -1, 0}, {"10000", 10000 * E8, E8},
                 {"10000.0001", INT64_C(1000000010000), -1}, {"-1", -1, -1}, {"0.000000001", -1, -1}, {"1e3", 1000 * E8, 10000000},
                 {"99999999999", -1, -1}, {"nan", -1, -1}, {"1,5", -1, -1}, {"", -1, -1}, {" 1", -1, -1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup_init(&s);
        int cash = setup_set_cash(&s, cases[i].text, &error), fee = setup_set_fee(&s, cases[i].text, &error);
        if ((cash == 0) != (cases[i].cash_e8 >= 0) || (fee == 0) != (cases[i].fee_e8 >= 0)) {
            fail_msg("'%s': cash %d, fee %d", cases[i].text, cash, fee);
        }
        assert_true(cash != 0 || s.cash_e8 == cases[i].cash_e8);
        assert_true(fee != 0 || s.fee_e8 == cases[i].fee_e8);
        setup_close(&s);
    }
}

static void test_strategies_have_a_limit(void **state) {
    (void)state;
    setup_init(&s);
    for (int i = 0; i < AGENTS_MAX; i++) {
        assert_int_equal(setup_add_strategy(&s, "a.so", false, &error), 0);
    }
    assert_int_equal(setup_add_strategy(&s, "a.so", false, &error), ERROR_USAGE);
    setup_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_belong_to_the_strategy_before_them),
        cmocka_unit_test(test_texts_of_parameters),
        cmocka_unit_test(test_symbol_and_instrument_belong_to_the_file_before_them),
        cmocka_unit_test(test_money_and_fees),
        cmocka_unit_test(test_strategies_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
