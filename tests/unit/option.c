/* Tests of host/execute/option.c: every type, every refusal, nothing written for what is not named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/types.h"
#include "execute/option.h"

struct target {
    int64_t count, wait_ns;
    bool on;
    char text[8];
    int32_t choice;
};

static const struct option_key keys[] = {
    {"count", OPTION_INT, offsetof(struct target, count), sizeof(int64_t), -5, 100, NULL},
    {"wait_ms", OPTION_MS, offsetof(struct target, wait_ns), sizeof(int64_t), 0, 1000, NULL},
    {"on", OPTION_BOOL, offsetof(struct target, on), sizeof(bool), 0, 1, NULL},
    {"text", OPTION_TEXT, offsetof(struct target, text), sizeof(((struct target *)0)->text), 0, 0, NULL},
    {"choice", OPTION_CHOICE, offsetof(struct target, choice), sizeof(int32_t), 0, 0, "one|two|three"},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void test_reads_what_is_named(void **state) {
    (void)state;
    struct target t = {.count = 9, .choice = 7, .wait_ns = 3};
    struct error error = {0};
    assert_int_equal(options_read("v", NULL, keys, KEYS, &t, &error), 0);
    assert_int_equal(options_read("v", "", keys, KEYS, &t, &error), 0);
    assert_true(t.count == 9 && t.choice == 7 && !t.on);
    assert_int_equal(options_read("v", "count=-5,wait_ms=250,on,text=a=b,choice=three", keys, KEYS, &t, &error), 0);
    assert_true(t.count == -5 && t.wait_ns == 250 * NS_PER_MS && t.on && t.choice == 2);
    assert_string_equal(t.text, "a=b");
    assert_int_equal(options_read("v", "on=false", keys, KEYS, &t, &error), 0);
    assert_false(t.on);
}

static void test_refuses_with_the_name(void **state) {
    (void)state;
    const char *const bad[] = {"cound=1", "count", "count=", "count=x", "count=101", "count=-6", "count=1,count=2", "wait_ms=1001",
                               "on=yes", "text", "text=12345678", "choice=four", "choice", "choice=", "=1", ",", "count=1,,on",
                               "count=99999999999999999999", "count=1 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct target t = {0};
        struct error error = {0};
        assert_int_equal(options_read("venue-name", bad[i], keys, KEYS, &t, &error), ERROR_CONFIG);
        assert_non_null(strstr(error.text, "venue-name"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_is_named),
        cmocka_unit_test(test_refuses_with_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
