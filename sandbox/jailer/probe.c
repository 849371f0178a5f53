/*
 * probe.c - what this kernel offers to a jail, for `doctor`. Asks without changing anything in this process: what can only
 * be tried (namespaces, the clock switch) is tried in a child that exits at once.
 */
#include "jailer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jailer/memory.h"

#define CALL_LANDLOCK_CREATE_RULESET 444

static bool probe_seccomp(void) {
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static bool probe_seals(void) {
    int fd = memfd_sealable("probe");
    bool works = fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return works;
}

static bool probe_pidfd(void) {
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static int landlock_level(void) {
    long abi = syscall(CALL_LANDLOCK_CREATE_RULESET, NULL, 0, 1u);
    return abi > 0 ? (int)abi : 0;
}

static bool namespaces_work(void) {
    return unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS) == 0;
}
static bool clock_can_go(void) {
    return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0;
}

static bool in_child(bool (*question)(void)) {
    pid_t child = fork();
    if (child == 0) {
        _exit(question() ? 0 : 1);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void jail_probe(struct jail_support *support) {
    *support = (struct jail_support){
        .seccomp = probe_seccomp(),
        .memfd_seals = probe_seals(),
        .pidfd = probe_pidfd(),
        .tsc_switch = in_child(clock_can_go),
        .namespaces = in_child(namespaces_work),
        .landlock_abi = landlock_level(),
    };
}
