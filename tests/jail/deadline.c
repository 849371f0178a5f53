/*
 * Tests of time: whatever a strategy does with it, the host gets its thread back when it said it would.
 */
#include "attack_file.h"

#include <signal.h>
#include <sys/time.h>

#include "agents/observer.h"

/* The bound is for a busy test machine; what was measured is printed. */
#define OVERSHOOT_MAX (100 * MS)

static void expect_killed_in(struct jail *jail, int64_t begin, int64_t deadline) {
    int64_t over = test_now_ns() - begin - deadline;
    assert_int_equal(jail->slot.death.reason, REASON_SLOT_DEADLINE);
    assert_int_equal(jail->slot.pid, 0); /* and reaped */
    assert_true(over >= 0);
    assert_true(over < OVERSHOOT_MAX);
}

static void start_late(const char *attack, const char *place) {
    static struct jail jail;
    attack_open(&jail, attack, place, "", "");
    jail.options.start_ns_max = 50 * MS;
    int64_t begin = test_now_ns();
    assert_int_equal(jail_start(&jail), ERROR_SLOT);
    expect_killed_in(&jail, begin, 50 * MS);
    jail_close(&jail);
}

static void test_start_has_a_deadline(void **state) {
    (void)state;
    start_late("loop", "constructor");
    start_late("wait_forever", "constructor");
    start_late("loop", "init");
    start_late("wait_forever", "init");
}

static void call_late(const char *attack, int64_t deadline, int64_t *worst) {
    static struct jail jail;
    attack_open(&jail, attack, "call", "", "");
    assert_int_equal(jail_start(&jail), 0);
    int64_t begin = test_now_ns();
    assert_int_equal(jail_turn(&jail, 0, deadline), SLOT_DEAD);
    int64_t over = test_now_ns() - begin - deadline;
    *worst = over > *worst ? over : *worst;
    expect_killed_in(&jail, begin, deadline);
    jail_close(&jail);
}

static void test_a_turn_has_a_deadline(void **state) {
    (void)state;
    int64_t worst = 0;
    for (int i = 0; i < 10; i++) {
        call_late("loop", 10 * MS, &worst);
        call_late("wait_forever", 10 * MS, &worst);
    }
    printf("# worst overshoot of 20, killed and reaped: %.2f ms\n", (double)worst / 1e6);
}

static void test_a_spinning_host_keeps_the_deadline(void **state) {
    (void)state;
    static struct jail jail;
    attack_open(&jail, "loop", "call", "", "");
    jail.options.spin = true;
    assert_int_equal(jail_start(&jail), 0);
    int64_t begin = test_now_ns();
    assert_int_equal(jail_turn(&jail, 0, 20 * MS), SLOT_DEAD);
    expect_killed_in(&jail, begin, 20 * MS);
    jail_close(&jail);
}

static void test_heap_exhaustion_is_its_own_problem(void **state) {
    (void)state;
    static struct jail jail;
    attack_open(&jail, "exhaust_heap", "call", "", "");
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 0, 5 * SECOND), SLOT_ANSWERED);
    assert_int_equal(slot_reply(&jail.slot)->head.result, 0);
    jail_close(&jail);
}

static void test_stop_has_a_deadline(void **state) {
    (void)state;
    static struct jail jail;
    attack_open(&jail, "loop", "fini", "", "");
    assert_int_equal(jail_start(&jail), 0);
    int64_t begin = test_now_ns();
    slot_stop(&jail.slot, 30 * MS);
    assert_true(test_now_ns() - begin < 30 * MS + OVERSHOOT_MAX);
    assert_int_equal(jail.slot.death.reason, REASON_SLOT_STOPPED);
    assert_non_null(strstr(jail.slot.death.text, "did not stop"));
    jail_close(&jail);
}

static void test_stop_of_a_busy_slot_has_a_deadline(void **state) {
    (void)state;
    static struct jail jail;
    attack_open(&jail, "loop", "call", "", "");
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(slot_wait(&jail.slot, 0, false), SLOT_PENDING);
    slot_ring(&jail.slot, WIRE_RUN, 0);
    assert_int_equal(slot_wait(&jail.slot, 5 * MS, false), SLOT_PENDING);
    int64_t begin = test_now_ns();
    slot_stop(&jail.slot, 30 * MS);
    assert_true(test_now_ns() - begin < 30 * MS + OVERSHOOT_MAX);
    jail_close(&jail);
}

/* A candidate may be late without being killed: the answer is taken when it comes. */
static void test_pending_is_not_dead(void **state) {
    (void)state;
    static struct jail jail;
    static struct agent_param params[1] = {{.name = "busy", .text = "30000000"}};
    jail_open(&jail, build_path("tests/jail/agents/observer.so"));
    jail.options.params = params;
    jail.options.param_count = 1;
    assert_int_equal(jail_start(&jail), 0);
    test_market_turn(jail_market(&jail), 0);
    slot_ring(&jail.slot, WIRE_RUN, 0);
    assert_int_equal(slot_wait(&jail.slot, 0, false), SLOT_PENDING);
    assert_int_equal(slot_wait(&jail.slot, MS, false), SLOT_PENDING);
    assert_int_equal(slot_wait(&jail.slot, 10 * SECOND, false), SLOT_ANSWERED);
    assert_int_equal(slot_wait(&jail.slot, 0, true), SLOT_PENDING); /* nothing asked: not late */
    jail_close(&jail);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

static void test_signals_do_not_shorten_a_wait(void **state) {
    (void)state;
    static struct jail jail;
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every = {{0, 1000}, {0, 1000}};
    struct itimerval never = {{0, 0}, {0, 0}};
    attack_open(&jail, "loop", "call", "", "");
    assert_int_equal(jail_start(&jail), 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    int64_t begin = test_now_ns();
    enum slot_answer answer = jail_turn(&jail, 0, 40 * MS);
    setitimer(ITIMER_REAL, &never, NULL);
    assert_int_equal(answer, SLOT_DEAD);
    assert_true(alarms > 5);
    expect_killed_in(&jail, begin, 40 * MS);
    jail_close(&jail);
}

/* A host with blocked and ignored signals (it reads them from a descriptor) must not hand that on. */
static void test_signals_of_the_host_are_not_inherited(void **state) {
    (void)state;
    static struct jail jail;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    signal(SIGPIPE, SIG_IGN);
    attack_open(&jail, "open_secret", "call", "", "");
    int code = jail_start(&jail);
    enum slot_answer answer = code ? SLOT_PENDING : jail_turn(&jail, 0, SECOND);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(answer, SLOT_DEAD);
    assert_int_equal(jail.slot.death.reason, REASON_SLOT_SYSCALL);
    jail_close(&jail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_has_a_deadline),
        cmocka_unit_test(test_a_turn_has_a_deadline),
        cmocka_unit_test(test_a_spinning_host_keeps_the_deadline),
        cmocka_unit_test(test_heap_exhaustion_is_its_own_problem),
        cmocka_unit_test(test_stop_has_a_deadline),
        cmocka_unit_test(test_stop_of_a_busy_slot_has_a_deadline),
        cmocka_unit_test(test_pending_is_not_dead),
        cmocka_unit_test(test_signals_do_not_shorten_a_wait),
        cmocka_unit_test(test_signals_of_the_host_are_not_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
