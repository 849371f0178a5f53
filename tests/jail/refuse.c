/*
 * Tests that the jail fails closed. The test forbids itself one system call (a filter is inherited by the slot) and starts a
 * slot: without a mandatory step it must refuse, and name the step; without a best-effort step it must run, and say so.
 */
#include "attack_file.h"

#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

#define ANY (-1)

/* A call that fails with EPERM: for any arguments, or only with this first one. */
static int deny(int call, int first) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct scmp_arg_cmp compare = {0, SCMP_CMP_MASKED_EQ, 0xffffffff, (scmp_datum_t)(unsigned)first};
    int failed =
        !filter || seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, first != ANY, &compare) || seccomp_load(filter);
    seccomp_release(filter);
    return failed;
}

/* In a child, because a filter stays for ever. Returns its exit status. */
static int in_child(void (*test)(const void *), const void *argument) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        test(argument);
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#define CHILD_EXPECT(condition)                                                                                                \
    if (!(condition)) {                                                                                                        \
        printf("# %s: %s (%s)\n", denial->name, #condition, jail.error.text);                                                  \
        fflush(stdout);                                                                                                        \
        _exit(1);                                                                                                              \
    }

struct denial {
    const char *name;
    int call, first;
    const char *wanted; /* in the refusal; NULL = starts all the same */
    bool as_root;
};

static const struct denial denials[] = {
    {"filters", SYS_seccomp, 1, "filter", false},
    {"no new privileges", SYS_prctl, PR_SET_NO_NEW_PRIVS, "privileges", false},
    {"not dumpable", SYS_prctl, PR_SET_DUMPABLE, "privileges", false},
    {"death with the host", SYS_prctl, PR_SET_PDEATHSIG, "privileges", false},
    {"capabilities", SYS_capset, ANY, "privileges", false},
    {"limits", SYS_prlimit64, ANY, "limits", false},
    {"clock switch", SYS_prctl, PR_SET_TSC, "clock", false},
    {"trap handler", SYS_rt_sigaction, SIGSYS, "filter", false},
    {"pipe for the filters", SYS_pipe2, ANY, "filter", false},
    {"change of user", SYS_setresuid, ANY, "root could not become nobody", true},
    {"change of group", SYS_setresgid, ANY, "root could not become nobody", true},
    {"leaving groups", SYS_setgroups, ANY, "root could not become nobody", true},
    {"namespaces", SYS_unshare, ANY, NULL, false},
    {"landlock", 444, ANY, NULL, false},
    {"landlock, last step", 446, ANY, NULL, false},
    {"bounding set", SYS_prctl, PR_CAPBSET_DROP, NULL, false},
    {"executable gain", SYS_prctl, PR_SET_MDWE, NULL, false},
};

static void start_without(const void *argument) {
    const struct denial *denial = argument;
    static struct jail jail;
    int descriptors = 0;
    jail_open(&jail, build_path("strategies/flat.so"));
    CHILD_EXPECT(deny(denial->call, denial->first) == 0);
    descriptors = host_descriptors();
    int code = jail_start(&jail);
    if (denial->wanted) {
        CHILD_EXPECT(code == ERROR_SLOT);
        CHILD_EXPECT(jail.slot.death.reason == REASON_SLOT_START);
        CHILD_EXPECT(strstr(jail.slot.death.text, denial->wanted) != NULL);
        CHILD_EXPECT(jail.slot.pid == 0 && host_descriptors() == descriptors + 1); /* the slot program stays open */
    } else {
        CHILD_EXPECT(code == 0);
        CHILD_EXPECT(jail_turn(&jail, 0, SECOND) == SLOT_ANSWERED);
        CHILD_EXPECT(denial->call != SYS_unshare || jail.slot.namespaces == 0);
        CHILD_EXPECT((denial->call != 444 && denial->call != 446) || jail.slot.landlock_abi == 0);
    }
    jail_close(&jail);
}

static void test_a_missing_step_is_refused_or_reported(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(denials) / sizeof(denials[0]); i++) {
        if (!denials[i].as_root || getuid() == 0) {
            assert_int_equal(in_child(start_without, &denials[i]), 0);
        }
    }
}

/* The boundary is the filter: the same attacks fail when Landlock and namespaces are not there to help. */
static void attacks_without_help(const void *argument) {
    static const struct denial help = {"help", 0, 0, NULL, false};
    static const char *const attacks[] = {"open_secret",  "host_memory", "kill_host",    "trace_host",
                                          "read_host",    "socket_tcp",  "fork_process", "exec_shell",
                                          "unshare_user", "uring",       "map_rwx",      "shared_segment",
                                          "become_root",  "pidfd_host",  "memory_file",  "clock_call"};
    const struct denial *denial = &help;
    static struct jail jail;
    (void)argument;
    CHILD_EXPECT(deny(SYS_unshare, ANY) == 0 && deny(444, ANY) == 0);
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        attack_open(&jail, attacks[i], "call", "/tmp/none", "/tmp/none");
        CHILD_EXPECT(jail_start(&jail) == 0);
        CHILD_EXPECT(jail.slot.namespaces == 0 && jail.slot.landlock_abi == 0);
        CHILD_EXPECT(jail_turn(&jail, 0, SECOND) == SLOT_DEAD);
        CHILD_EXPECT(jail.slot.death.reason == REASON_SLOT_SYSCALL);
        jail_close(&jail);
    }
}

static void test_the_filter_alone_holds(void **state) {
    (void)state;
    assert_int_equal(in_child(attacks_without_help, NULL), 0);
}

static void test_probe(void **state) {
    (void)state;
    struct jail_support support;
    int descriptors = host_descriptors();
    jail_probe(&support);
    assert_true(support.seccomp && support.memfd_seals && support.pidfd && support.tsc_switch);
    printf("# landlock ABI %d, namespaces %d\n", support.landlock_abi, support.namespaces);
    assert_int_equal(host_descriptors(), descriptors);
    static struct jail jail;
    jail_started(&jail, build_path("strategies/flat.so"));
    assert_int_equal(jail.slot.landlock_abi, support.landlock_abi);
    assert_int_equal(jail.slot.namespaces, support.namespaces);
    jail_close(&jail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_missing_step_is_refused_or_reported),
        cmocka_unit_test(test_the_filter_alone_holds),
        cmocka_unit_test(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
