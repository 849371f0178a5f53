/*
 * Tests of a normal life in the jail.
 */
#include "jail_test.h"

static void test_a_thousand_turns(void **state) {
    (void)state;
    static struct jail jail;
    jail_started(&jail, build_path("strategies/flat.so"));
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(jail_turn(&jail, i, SECOND), SLOT_ANSWERED);
        assert_int_equal(slot_reply(&jail.slot)->head.sequence, i);
        assert_int_equal(slot_reply(&jail.slot)->head.result, 0);
    }
    printf("# start %ld us\n", (long)jail.slot.start_us);
    slot_stop(&jail.slot, SECOND);
    assert_int_equal(jail.slot.death.reason, REASON_SLOT_STOPPED);
    jail_close(&jail);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_thousand_turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
