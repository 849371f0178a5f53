/*
 * spawn.c - exec of bulkhead-slot with exactly what wire.h lists and nothing else.
 *
 * Guarantees: the child has descriptors 0-7 as in enum wire_fd and 8 (its own program, which it closes first thing), an
 * environment of one variable, no blocked or ignored signals, the normal scheduling class. It is exec'd, not forked: no byte
 * of the host's memory is in it.
 *
 * The program is opened once and started by descriptor, so that a new file on disk cannot change what a running host starts.
 * The descriptors are first duplicated to numbers above those they shall have, because dup2 of one onto another's number
 * would close it.
 *
 * posix_spawn blocks the calling thread until exec (0.15 ms, up to 3 ms when busy): a running host calls from its helper
 * thread.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jailer/memory.h"

#define PROGRAM_FD (WIRE_FD_STRATEGY + 1)
#define PROGRAM_PATH "/proc/self/fd/8"
#define PROGRAMS_MAX 4
#define HIGH_FD 32 /* above every number in use after exec */

/* libm picks FMA and AVX2 variants by CPU, with other last digits; without them a decision is the same on every machine. */
#define ENVIRONMENT "GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"

_Static_assert(PROGRAM_FD == 8, "PROGRAM_PATH names it");

static pthread_mutex_t programs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char path[1024];
    int fd;
} programs[PROGRAMS_MAX];

static int program_path(const char *wanted, char *path, size_t size) {
    if (wanted) {
        return (size_t)snprintf(path, size, "%s", wanted) < size ? 0 : -1;
    }
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0) {
        return -1;
    }
    path[length] = '\0';
    char *name = strrchr(path, '/');
    size_t left = name ? size - (size_t)(name + 1 - path) : 0;
    return name && (size_t)snprintf(name + 1, left, "bulkhead-slot") < left ? 0 : -1;
}

static int program_open_locked(const char *path) {
    for (int i = 0; i < PROGRAMS_MAX; i++) {
        if (programs[i].fd > 0 && strcmp(programs[i].path, path) == 0) {
            return programs[i].fd;
        }
        if (programs[i].fd == 0) {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
            if (fd >= 0) {
                close(fd);
            }
            if (high >= 0) {
                programs[i].fd = high;
                snprintf(programs[i].path, sizeof(programs[i].path), "%s", path);
            }
            return high;
        }
    }
    errno = EMFILE;
    return -1;
}

static int program_open(const char *wanted, struct error *error) {
    char path[1024];
    if (program_path(wanted, path, sizeof(path)) != 0) {
        return error_set(error, ERROR_SYSTEM, "the path of bulkhead-slot is not known");
    }
    pthread_mutex_lock(&programs_lock);
    int fd = program_open_locked(path);
    pthread_mutex_unlock(&programs_lock);
    return fd >= 0 ? fd : error_set_errno(error, "%s", path);
}

/* In the order of enum wire_fd from WIRE_FD_EVENT, the program last. */
#define GIVEN 6

static int descriptors_raise(const int given[GIVEN], int high[GIVEN]) {
    for (int i = 0; i < GIVEN; i++) {
        high[i] = fcntl(given[i], F_DUPFD_CLOEXEC, HIGH_FD);
        if (high[i] < 0) {
            return -1;
        }
    }
    return 0;
}

static void descriptors_close(const int high[GIVEN]) {
    for (int i = 0; i < GIVEN; i++) {
        if (high[i] >= 0) {
            close(high[i]);
        }
    }
}

static int actions_fill(posix_spawn_file_actions_t *actions, const int high[GIVEN]) {
    int failed = 0;
    for (int fd = 0; fd < 3 && !failed; fd++) {
        failed = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
    }
    for (int i = 0; i < GIVEN && !failed; i++) {
        failed = posix_spawn_file_actions_adddup2(actions, high[i], WIRE_FD_EVENT + i);
    }
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, PROGRAM_FD + 1);
}

static int attributes_fill(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    struct sched_param normal = {.sched_priority = 0};
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    failed = failed ? failed : posix_spawnattr_setsigdefault(attributes, &all);
    failed = failed ? failed : posix_spawnattr_setschedpolicy(attributes, SCHED_OTHER);
    failed = failed ? failed : posix_spawnattr_setschedparam(attributes, &normal);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSCHEDULER;
    return failed ? failed : posix_spawnattr_setflags(attributes, flags);
}

static int process_start(pid_t *pid, const int high[GIVEN], const char *title) {
    char name[128];
    snprintf(name, sizeof(name), "bulkhead: %s", title);
    char *arguments[] = {name, NULL};
    char variable[] = ENVIRONMENT;
    char *environment[] = {variable, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int failed = actions_fill(&actions, high);
    failed = failed ? failed : attributes_fill(&attributes);
    failed = failed ? failed : posix_spawn(pid, PROGRAM_PATH, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

/* Best effort: a slot without its core or niceness decides the same, only at other times. */
static void process_place(pid_t pid, const struct slot_options *options) {
    if (options->core >= 0 && options->core < CPU_SETSIZE) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((unsigned)options->core, &cores);
        sched_setaffinity(pid, sizeof(cores), &cores);
    }
    if (options->nice > 0) {
        setpriority(PRIO_PROCESS, (id_t)pid, options->nice);
    }
}

int slot_spawn(struct slot *slot, const struct slot_options *options, struct error *error) {
    int program = program_open(options->slot_binary, error);
    if (program < 0) {
        return program;
    }
    /* opened anew: two slots of one strategy must not share a file offset, the loader reads from where it stands */
    int strategy = memfd_reopen_read_only(options->strategy->fd);
    int given[GIVEN] = {slot->event_fd, options->market->fd, slot->private_memory.fd, slot->reply_memory.fd, strategy, program};
    int high[GIVEN] = {-1, -1, -1, -1, -1, -1};
    int failed = descriptors_raise(given, high) == 0 ? process_start(&slot->pid, high, options->title) : errno;
    descriptors_close(high);
    if (strategy >= 0) {
        close(strategy);
    }
    if (failed) {
        slot->pid = 0;
        errno = failed;
        return error_set_errno(error, "start of the slot program");
    }
    process_place(slot->pid, options);
    slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
    return slot->pidfd >= 0 ? 0 : error_set_errno(error, "pidfd_open");
}
