/*
 * Tests of a normal life in the jail: start, turns, fills, limits, save and load, spinning, stop; and what the kernel says of
 * the process: title, environment, descriptors, maps, limits, user.
 */
#include "jail_test.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agents/observer.h"

#define OBSERVER "tests/jail/agents/observer.so"
#define TUNABLES "GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"

static struct observed observed_of(const struct jail *jail) {
    struct observed seen;
    memcpy(&seen, slot_reply(&jail->slot)->wishes, sizeof(seen));
    return seen;
}

static void param_add(struct jail *jail, struct agent_param *params, const char *name, const char *text) {
    struct agent_param *param = &params[jail->options.param_count++];
    snprintf(param->name, sizeof(param->name), "%s", name);
    snprintf(param->text, sizeof(param->text), "%s", text);
    jail->options.params = params;
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

static void test_a_thousand_turns(void **state) {
    (void)state;
    static struct jail jail;
    jail_started(&jail, build_path(OBSERVER));
    slot_private(&jail.slot)->book.equity = 12345.5;
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(jail_turn(&jail, i, SECOND), SLOT_ANSWERED);
        struct observed seen = observed_of(&jail);
        assert_int_equal(slot_reply(&jail.slot)->head.sequence, i);
        assert_int_equal(slot_reply(&jail.slot)->head.result, 2);
        assert_int_equal(seen.turns, i + 1);
        assert_int_equal(seen.sequence, i);
        assert_int_equal(seen.bars, i + 1);
        assert_int_equal(seen.now_ns, (int64_t)(i + 1) * 60 * SECOND);
        assert_int_equal(seen.events, AGENT_EVENT_BAR);
        assert_true(seen.close == 100.0 + 0.25 * (double)(i % 40) && seen.last == seen.close && seen.equity == 12345.5);
    }
    slot_stop(&jail.slot, SECOND);
    assert_int_equal(jail.slot.death.reason, REASON_SLOT_STOPPED);
    jail_close(&jail);
}

static void test_fills_in_order_then_limits_then_the_decision(void **state) {
    (void)state;
    static struct jail jail;
    jail_started(&jail, build_path(OBSERVER));
    struct wire_private *given = slot_private(&jail.slot);
    for (uint32_t i = 0; i < AGENT_FILLS_MAX; i++) {
        given->fills[i].fill_id = i + 1;
    }
    given->limits.generation = 4;
    given->command.fill_count = AGENT_FILLS_MAX;
    given->command.flags = WIRE_LIMITS_CHANGED;
    given->command.gap = 3;
    assert_int_equal(jail_turn(&jail, 1, SECOND), SLOT_ANSWERED);
    given->command.fill_count = 0;
    given->command.flags = 0;
    given->limits.generation = 5; /* not flagged: not told */
    assert_int_equal(jail_turn(&jail, 2, SECOND), SLOT_ANSWERED);
    struct observed seen = observed_of(&jail);
    assert_int_equal(seen.fills, AGENT_FILLS_MAX);
    assert_int_equal(seen.fills_out_of_order, 0);
    assert_int_equal(seen.limit_updates, 1);
    assert_int_equal(seen.limit_generation, 4);
    assert_int_equal(seen.gap, 3);
    jail_close(&jail);
}

static void test_logs_are_limited_each_turn(void **state) {
    (void)state;
    static struct jail jail;
    static struct agent_param params[1];
    jail_open(&jail, build_path(OBSERVER));
    param_add(&jail, params, "shout", "20");
    assert_int_equal(jail_start(&jail), 0);
    const struct wire_reply *reply = slot_reply(&jail.slot);
    assert_int_equal(reply->head.log_count, 1); /* of init */
    assert_int_equal(reply->logs[0].kind, WIRE_NOTE);
    assert_string_equal(reply->logs[0].name, "tag");
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(jail_turn(&jail, i, SECOND), SLOT_ANSWERED);
        assert_int_equal(reply->head.log_count, WIRE_LOGS_MAX);
        assert_int_equal(reply->head.log_dropped, 20 - WIRE_LOGS_MAX);
        assert_string_equal(reply->logs[WIRE_LOGS_MAX - 1].text, "shout");
    }
    jail_close(&jail);
}

static void test_params_and_seed_arrive(void **state) {
    (void)state;
    static struct jail jail;
    static struct agent_param params[2];
    jail_open(&jail, build_path(OBSERVER));
    param_add(&jail, params, "text", "hello");
    param_add(&jail, params, "other", "x");
    jail.options.seed = 0x1234567890abcdef;
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 0, SECOND), SLOT_ANSWERED);
    struct observed seen = observed_of(&jail);
    assert_string_equal(seen.param, "hello");
    assert_int_equal(seen.param_count, 2);
    assert_int_equal(seen.seed, 0x1234567890abcdef);
    jail_close(&jail);
}

static void test_a_saved_state_comes_back(void **state) {
    (void)state;
    static struct jail jail;
    static unsigned char bytes[sizeof(struct observed)];
    jail_started(&jail, build_path(OBSERVER));
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(jail_turn(&jail, i, SECOND), SLOT_ANSWERED);
    }
    slot_ring(&jail.slot, WIRE_SAVE, 4);
    assert_int_equal(slot_wait(&jail.slot, SECOND, true), SLOT_ANSWERED);
    assert_int_equal(slot_reply(&jail.slot)->head.result, AGENT_OK);
    assert_int_equal(slot_reply(&jail.slot)->head.size, sizeof(bytes));
    memcpy(bytes, slot_reply(&jail.slot)->state, sizeof(bytes));
    slot_stop(&jail.slot, SECOND);
    jail.options.state = bytes;
    jail.options.state_size = sizeof(bytes);
    jail.options.state_schema = 7;
    assert_int_equal(jail_start(&jail), 0); /* the same strategy, started again */
    assert_int_equal(jail_turn(&jail, 5, SECOND), SLOT_ANSWERED);
    struct observed seen = observed_of(&jail);
    assert_int_equal(seen.turns, 6);
    assert_int_equal(seen.loads, 1);
    slot_stop(&jail.slot, SECOND);
    jail.options.state_schema = 8; /* refused: a cold start, with self zeroed and init again */
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 6, SECOND), SLOT_ANSWERED);
    seen = observed_of(&jail);
    assert_int_equal(seen.turns, 1);
    assert_int_equal(seen.inits, 1);
    assert_int_equal(seen.loads, 0);
    jail_close(&jail);
}

static void test_two_slots_of_one_strategy(void **state) {
    (void)state;
    static struct jail jail;
    static struct slot second;
    jail_started(&jail, build_path(OBSERVER));
    assert_int_equal(slot_start(&second, &jail.options, &jail.error), 0);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(jail_turn(&jail, i, SECOND), SLOT_ANSWERED);
        slot_ring(&second, WIRE_RUN, i);
        assert_int_equal(slot_wait(&second, SECOND, true), SLOT_ANSWERED);
        assert_int_equal(slot_reply(&second)->head.sequence, i);
    }
    slot_kill(&second, REASON_OPERATOR, "enough");
    assert_int_equal(second.death.reason, REASON_OPERATOR);
    assert_string_equal(second.death.text, "enough");
    assert_int_equal(jail_turn(&jail, 21, SECOND), SLOT_ANSWERED);
    jail_close(&jail);
}

static void test_a_strategy_with_findings_is_not_started(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path("tests/jail/attacks/executable_stack.so"));
    assert_false(jail.strategy.admitted);
    assert_int_equal(jail_start(&jail), ERROR_ABI);
    assert_int_equal(jail.slot.pid, 0);
    assert_non_null(strstr(jail.error.text, "stack"));
    jail_close(&jail);
}

static void test_nothing_is_a_valid_slot_to_end(void **state) {
    (void)state;
    static struct slot zeroed;
    static struct strategy strategy;
    slot_kill(NULL, REASON_OPERATOR, NULL);
    slot_stop(NULL, SECOND);
    slot_kill(&zeroed, REASON_OPERATOR, NULL);
    slot_stop(&zeroed, SECOND);
    slot_ring(&zeroed, WIRE_RUN, 1);
    assert_int_equal(slot_wait(&zeroed, SECOND, true), SLOT_DEAD);
    strategy_close(NULL);
    strategy_close(&strategy);
    assert_true(fcntl(0, F_GETFD) >= 0); /* descriptor 0 is not theirs */
}

/* ---- spinning ---------------------------------------------------------------------------------------------------- */

static void test_spinning_and_falling_asleep_lose_no_bell(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path(OBSERVER));
    jail.options.spin = true;
    assert_int_equal(jail_start(&jail), 0);
    unsigned slept = 0;
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(jail_turn(&jail, i, 5 * SECOND), SLOT_ANSWERED);
        assert_int_equal(slot_reply(&jail.slot)->head.sequence, i);
        if (i % 20 == 0) { /* pauses around the time a spinning slot gives up */
            struct timespec pause = {.tv_nsec = (long)(i / 20 % 10) * 400000};
            nanosleep(&pause, NULL);
            slept += slot_reply(&jail.slot)->head.sleeping;
        }
    }
    printf("# asleep in %u of 100 pauses\n", slept);
    int64_t end = test_now_ns() + 5 * SECOND;
    while (!slot_reply(&jail.slot)->head.sleeping && test_now_ns() < end) {
        usleep(1000);
    }
    assert_int_equal(slot_reply(&jail.slot)->head.sleeping, 1); /* an idle slot does not burn a core */
    assert_int_equal(jail_turn(&jail, 2000, 5 * SECOND), SLOT_ANSWERED);
    slot_stop(&jail.slot, SECOND);
    assert_int_equal(jail.slot.death.reason, REASON_SLOT_STOPPED);
    jail_close(&jail);
}

static void test_a_spinning_host_notices_a_dead_slot(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path(OBSERVER));
    jail.options.spin = true;
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 0, 5 * SECOND), SLOT_ANSWERED);
    kill(jail.slot.pid, SIGKILL);
    int64_t begin = test_now_ns();
    assert_int_equal(jail_turn(&jail, 1, 10 * SECOND), SLOT_DEAD);
    assert_true(test_now_ns() - begin < SECOND);
    assert_int_equal(jail.slot.death.signal, SIGKILL);
    jail_close(&jail);
}

/* ---- what the kernel says of it ---------------------------------------------------------------------------------- */

static size_t proc_read(const struct jail *jail, const char *name, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)jail->slot.pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t have = 0;
    ssize_t got = 0;
    while (fd >= 0 && have + 1 < size && (got = read(fd, text + have, size - 1 - have)) > 0) {
        have += (size_t)got;
    }
    if (fd >= 0) {
        close(fd);
    }
    text[have] = '\0';
    return have;
}

static void test_title(void **state) {
    (void)state;
    static struct jail jail;
    char text[256];
    jail_started(&jail, build_path(OBSERVER));
    size_t size = proc_read(&jail, "cmdline", text, sizeof(text));
    assert_string_equal(text, "bulkhead: slot test [active]");
    assert_int_equal(size, strlen(text) + 1); /* no other argument */
    proc_read(&jail, "comm", text, sizeof(text));
    assert_string_equal(text, "bulkhead-slot\n");
    jail_close(&jail);
}

static void test_environment_is_one_variable(void **state) {
    (void)state;
    static struct jail jail;
    char text[4096];
    jail_started(&jail, build_path(OBSERVER));
    size_t size = proc_read(&jail, "environ", text, sizeof(text));
    jail_close(&jail);
    if (size == 0) {
        skip(); /* only root may read it of a process that is not dumpable */
    }
    assert_int_equal(size, sizeof(TUNABLES));
    assert_string_equal(text, TUNABLES);
}

static void link_expect(const struct jail *jail, int fd, const char *wanted) {
    char path[64];
    char target[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)jail->slot.pid, fd);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    assert_true(length > 0);
    assert_string_equal(target, wanted);
}

static void test_descriptors(void **state) {
    (void)state;
    static struct jail jail;
    jail_started(&jail, build_path(OBSERVER));
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)jail.slot.pid);
    int count = entries_of(path);
    if (count == 0) {
        jail_close(&jail);
        skip(); /* only root may look */
    }
    assert_int_equal(count, 2 + 4); /* . and .. */
    for (int fd = 0; fd < 3; fd++) {
        link_expect(&jail, fd, "/dev/null");
    }
    link_expect(&jail, WIRE_FD_EVENT, "anon_inode:[eventfd]");
    jail_close(&jail);
}

static const char *line_of(const char *text, const char *label) {
    static char line[256];
    const char *at = strstr(text, label);
    snprintf(line, sizeof(line), "%.*s", at ? (int)strcspn(at, "\n") : 0, at ? at : "");
    return line;
}

static void test_status_and_limits(void **state) {
    (void)state;
    static struct jail jail;
    static char text[8192];
    jail_started(&jail, build_path(OBSERVER));
    proc_read(&jail, "status", text, sizeof(text));
    if (getuid() == 0) {
        assert_string_equal(line_of(text, "Uid:"), "Uid:\t65534\t65534\t65534\t65534");
        assert_string_equal(line_of(text, "Gid:"), "Gid:\t65534\t65534\t65534\t65534");
        assert_string_equal(line_of(text, "Groups:"), "Groups:\t ");
    }
    static const char *const lines[] = {"NoNewPrivs:\t1",
                                        "Seccomp:\t2",
                                        "Threads:\t1",
                                        "CapInh:\t0000000000000000",
                                        "CapPrm:\t0000000000000000",
                                        "CapEff:\t0000000000000000",
                                        "CapBnd:\t0000000000000000",
                                        "CapAmb:\t0000000000000000",
                                        "SigBlk:\t0000000000000000"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char label[16];
        snprintf(label, sizeof(label), "%.*s", (int)strcspn(lines[i], "\t"), lines[i]);
        assert_string_equal(line_of(text, label), lines[i]);
    }
    proc_read(&jail, "oom_score_adj", text, sizeof(text));
    assert_string_equal(text, "1000\n");
    proc_read(&jail, "limits", text, sizeof(text));
    static const char *const zero[] = {"Max core file size", "Max file size",     "Max processes",
                                       "Max open files",     "Max locked memory", "Max msgqueue size"};
    for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
        unsigned long long soft = 1, hard = 1;
        assert_int_equal(sscanf(line_of(text, zero[i]) + strlen(zero[i]), "%llu %llu", &soft, &hard), 2);
        assert_true(soft == 0 && hard == 0);
    }
    assert_non_null(strstr(line_of(text, "Max cpu time"), "unlimited"));
    jail_close(&jail);
}

static void test_no_time_pages_and_no_writable_code(void **state) {
    (void)state;
    static struct jail jail;
    static char text[65536];
    jail_started(&jail, build_path(OBSERVER));
    size_t size = proc_read(&jail, "maps", text, sizeof(text));
    jail_close(&jail);
    if (size == 0) {
        skip(); /* only root may look */
    }
    assert_null(strstr(text, "[vvar"));
    assert_null(strstr(text, " rwx"));
    assert_null(strstr(text, " -wx"));
    assert_non_null(strstr(text, " r--s")); /* market and private */
}

static void test_core_and_nice(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path(OBSERVER));
    jail.options.core = 0;
    jail.options.nice = 10;
    assert_int_equal(jail_start(&jail), 0);
    cpu_set_t cores;
    assert_int_equal(sched_getaffinity(jail.slot.pid, sizeof(cores), &cores), 0);
    assert_true(CPU_COUNT(&cores) == 1 && CPU_ISSET(0, &cores));
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)jail.slot.pid), 10);
    jail_close(&jail);
}

/* ---- with its host ----------------------------------------------------------------------------------------------- */

static void test_a_slot_ends_with_its_host(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t host = fork();
    if (host == 0) {
        static struct jail jail;
        jail_started(&jail, build_path(OBSERVER));
        pid_t pid = jail.slot.pid;
        if (write(ends[1], &pid, sizeof(pid)) != sizeof(pid)) {
            _exit(1);
        }
        pause(); /* killed: nothing of it gets to say goodbye */
    }
    pid_t slot = 0;
    assert_int_equal(read(ends[0], &slot, sizeof(slot)), sizeof(slot));
    int fd = (int)syscall(SYS_pidfd_open, slot, 0);
    assert_true(fd >= 0);
    kill(host, SIGKILL);
    assert_int_equal(waitpid(host, NULL, 0), host);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 2000), 1);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

/* ---- libm -------------------------------------------------------------------------------------------------------- */

/* This program's own libm with an environment: what the slot must agree with, and what it would be without the setting. */
static uint64_t hash_with(char *variable) {
    int ends[2];
    assert_int_equal(pipe2(ends, 0), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char name[] = "life", argument[] = "--libm";
    char *arguments[] = {name, argument, NULL}, *environment[] = {variable, NULL};
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    uint64_t hash = 0;
    assert_int_equal(read(ends[0], &hash, sizeof(hash)), sizeof(hash));
    waitpid(pid, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    return hash;
}

static void test_libm_is_the_same_on_every_machine(void **state) {
    (void)state;
    static struct jail jail;
    static struct agent_param params[1];
    static char pinned[] = TUNABLES;
    jail_open(&jail, build_path(OBSERVER));
    param_add(&jail, params, "libm", "1");
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 0, SECOND), SLOT_ANSWERED);
    struct observed seen = observed_of(&jail);
    jail_close(&jail);
    assert_int_equal(seen.libm, hash_with(pinned));
    bool fma = __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
    bool differs = hash_with(NULL) != seen.libm;
    printf("# FMA here: %d, results without the setting differ: %d\n", fma, differs);
    assert_int_equal(differs, fma); /* so the setting is what made them equal */
}

static int libm_print(void) {
    uint64_t hash = libm_hash();
    return write(1, &hash, sizeof(hash)) == sizeof(hash) ? 0 : 1;
}

int main(int argument_count, char **arguments) {
    if (argument_count == 2 && strcmp(arguments[1], "--libm") == 0) {
        return libm_print();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_turns),
        cmocka_unit_test(test_fills_in_order_then_limits_then_the_decision),
        cmocka_unit_test(test_logs_are_limited_each_turn),
        cmocka_unit_test(test_params_and_seed_arrive),
        cmocka_unit_test(test_a_saved_state_comes_back),
        cmocka_unit_test(test_two_slots_of_one_strategy),
        cmocka_unit_test(test_a_strategy_with_findings_is_not_started),
        cmocka_unit_test(test_nothing_is_a_valid_slot_to_end),
        cmocka_unit_test(test_spinning_and_falling_asleep_lose_no_bell),
        cmocka_unit_test(test_a_spinning_host_notices_a_dead_slot),
        cmocka_unit_test(test_title),
        cmocka_unit_test(test_environment_is_one_variable),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_status_and_limits),
        cmocka_unit_test(test_no_time_pages_and_no_writable_code),
        cmocka_unit_test(test_core_and_nice),
        cmocka_unit_test(test_a_slot_ends_with_its_host),
        cmocka_unit_test(test_libm_is_the_same_on_every_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
