/*
 * enter.c - step 2 of a jailed process: the order in which it gives everything up.
 *
 *   0. when memory runs out, the kernel shall kill a slot before anything else; best effort.
 *   1. root becomes nobody, or refuses. First, because a user namespace keeps kernel uid 0 for files.
 *   2. namespaces (user, net, ipc, uts, mount): a second layer; best effort, often refused in containers; reported.
 *   3. capabilities: bounding set, ambient, all of the three sets. After 2, which hands out a full set.
 *   4. no new privileges, not dumpable, dies with its host. After 1-3, because a change of credentials resets the last
 *      two; then one look whether the host is still there.
 *   5. limits. RLIMIT_NOFILE comes later, it would keep 7 and 8 from the descriptor they need. No RLIMIT_CPU: it counts a
 *      lifetime, and the deadline of each turn bounds the time.
 *   6. libc does its lazy first steps (warm.c). 7. the clock goes (clock.c). Needs /proc/self/maps, so before 8.
 *   8. Landlock: second layer, best effort, reported.
 *   9. both filters are built (libseccomp needs a pipe), then RLIMIT_NOFILE 0.
 *  10. the trap handler and the filter of stage 1. What comes after this line runs in the jail.
 *
 * 1, 3-7, 9 and 10 are mandatory: a step that fails ends the process with a note.
 */
#include "jailed.h"
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"

#define NOBODY 65534
#define STACK_MAX ((rlim_t)1 << 20)
#define CAPABILITY_LAST 63

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1ul
#endif

static void require(struct jailed *jailed, bool done, enum wire_step step, const char *text) {
    if (!done) {
        jailed_fail(jailed, step, text);
    }
}

/* Before the change of user, after which the file belongs to root. */
static void die_first(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t written = write(fd, "1000", 4);
        (void)written;
        close(fd);
    }
}

static void bounding_set_clear(void) {
    for (int i = 0; i <= CAPABILITY_LAST; i++) {
        prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* fails where there is no right to, and then nothing can be gained either */
    }
}

static void become_nobody(struct jailed *jailed) {
    if (getuid() != 0 && geteuid() != 0) {
        return;
    }
    bounding_set_clear();
    bool done = setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0;
    require(jailed, done && getuid() == NOBODY && setuid(0) != 0, WIRE_STEP_PRIVILEGES, "root could not become nobody");
    errno = 0;
}

static void capabilities_drop(struct jailed *jailed) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    bounding_set_clear();
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    require(jailed, syscall(SYS_capset, &header, none) == 0, WIRE_STEP_PRIVILEGES, "capabilities could not be dropped");
}

static void privileges_seal(struct jailed *jailed) {
    require(jailed, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, WIRE_STEP_PRIVILEGES, "no_new_privs was refused");
    require(jailed, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, WIRE_STEP_PRIVILEGES, "dumpable could not be cleared");
    require(jailed, prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, WIRE_STEP_PRIVILEGES, "pdeathsig was refused");
    require(jailed, getppid() == jailed->private_memory->setup.host_pid, WIRE_STEP_PRIVILEGES, "the host is gone");
    prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); /* Linux 6.3: memory never becomes executable; best effort */
}

static void limit(struct jailed *jailed, __rlimit_resource_t resource, rlim_t value, const char *text) {
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    require(jailed, setrlimit(resource, &both) == 0, WIRE_STEP_LIMITS, text);
}

static void limits_set(struct jailed *jailed, uint64_t address_max) {
    limit(jailed, RLIMIT_CORE, 0, "RLIMIT_CORE");
    limit(jailed, RLIMIT_FSIZE, 0, "RLIMIT_FSIZE");
    limit(jailed, RLIMIT_NPROC, 0, "RLIMIT_NPROC");
    limit(jailed, RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK");
    limit(jailed, RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE");
    limit(jailed, RLIMIT_STACK, STACK_MAX, "RLIMIT_STACK");
    limit(jailed, RLIMIT_AS, address_max, "RLIMIT_AS");
}

void jailed_enter(struct jailed *jailed, uint64_t address_max) {
    static struct filter loading_filter;
    die_first();
    become_nobody(jailed);
    int spaces = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
    jailed->reply->head.namespaces = unshare(spaces) == 0;
    capabilities_drop(jailed);
    privileges_seal(jailed);
    limits_set(jailed, address_max);
    warm_libc();
    require(jailed, clock_remove() == 0, WIRE_STEP_CLOCK, "the clock could not be removed");
    jailed->reply->head.landlock_abi = (uint32_t)landlock_deny_all();
    int failed = filter_build(&loading_filter, FILTER_LOADING);
    errno = -failed;
    require(jailed, failed == 0, WIRE_STEP_FILTER, "the filter of stage 1 could not be built");
    require(jailed, trap_install() == 0, WIRE_STEP_FILTER, "the filter of stage 2 or its trap could not be built");
    limit(jailed, RLIMIT_NOFILE, 0, "RLIMIT_NOFILE");
    failed = filter_load(&loading_filter);
    errno = -failed;
    require(jailed, failed == 0, WIRE_STEP_FILTER, "the filter of stage 1 was refused");
}
