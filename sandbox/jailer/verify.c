/*
 * verify.c - after READY the host asks the kernel, not the slot, whether the jail is closed.
 *
 * What /proc/PID/status must say: no new privileges, filter mode with exactly two filters more than the host has, one thread,
 * no capabilities, and a user that is not root. A slot that only pretends to be ready (a constructor that never returned and
 * speaks the protocol itself) is still in stage 1 and fails here.
 * It is a regression check, not a proof: the proof is in tests/jail.
 */
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOBODY 65534u

static bool status_read(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, size - 1); /* one read gives the whole */
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The text after "\nNAME:\t", or NULL. */
static const char *status_field(const char *text, const char *name) {
    char label[40];
    snprintf(label, sizeof(label), "\n%s:\t", name);
    const char *at = strstr(text, label);
    return at ? at + strlen(label) : NULL;
}

static bool status_is(const char *text, const char *name, int base, unsigned long long wanted, char *fault, size_t fault_size) {
    const char *field = status_field(text, name);
    if (field && strtoull(field, NULL, base) == wanted) {
        return true;
    }
    snprintf(fault, fault_size, "not jailed: %s is %.16s, wanted %llu", name, field ? field : "missing", wanted);
    fault[strcspn(fault, "\n")] = '\0';
    return false;
}

static unsigned long long host_filters(void) {
    char text[4096];
    const char *field = status_read("/proc/self/status", text, sizeof(text)) ? status_field(text, "Seccomp_filters") : NULL;
    return field ? strtoull(field, NULL, 10) : 0;
}

/* Real, effective, saved and file system user are one, and it is not root. */
static bool user_is(const char *text, char *fault, size_t fault_size) {
    unsigned long long wanted = getuid() == 0 || geteuid() == 0 ? NOBODY : getuid();
    unsigned long long found[4] = {0, 0, 0, 0};
    const char *field = status_field(text, "Uid");
    int count = field ? sscanf(field, "%llu %llu %llu %llu", &found[0], &found[1], &found[2], &found[3]) : 0;
    for (int i = 0; i < 4; i++) {
        if (count != 4 || found[i] != wanted || found[i] == 0) {
            snprintf(fault, fault_size, "not jailed: user id %llu, wanted %llu", found[i], wanted);
            return false;
        }
    }
    return true;
}

bool slot_is_jailed(const struct slot *slot, char *fault, size_t fault_size) {
    char path[40];
    char text[4096];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)slot->pid);
    if (!status_read(path, text, sizeof(text))) {
        snprintf(fault, fault_size, "%s cannot be read (is /proc hidden?)", path);
        return false;
    }
    return status_is(text, "NoNewPrivs", 10, 1, fault, fault_size) && status_is(text, "Seccomp", 10, 2, fault, fault_size) &&
           status_is(text, "Seccomp_filters", 10, host_filters() + 2, fault, fault_size) &&
           status_is(text, "Threads", 10, 1, fault, fault_size) && status_is(text, "CapEff", 16, 0, fault, fault_size) &&
           status_is(text, "CapPrm", 16, 0, fault, fault_size) && user_is(text, fault, fault_size);
}
