/*
 * landlock.c - shuts files, TCP, abstract sockets and signals off by Landlock, as far as the running kernel goes.
 *
 * The filter already forbids every call that could reach any of them. This layer is independent of it: a mistake in one
 * does not open the other. It is best effort, because the boundary does not rest on it, and its level is reported.
 *
 * The structures are written out here: Debian 12's kernel headers end at ABI 2. Some kernels claim ABI 6 and refuse
 * `scoped` with EINVAL, so the call is repeated without it.
 */
#include "landlock.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL_CREATE_RULESET 444
#define CALL_RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1u

/* struct landlock_ruleset_attr: fs since ABI 1, net since 4, scoped since 6. */
struct ruleset {
    uint64_t files;
    uint64_t network;
    uint64_t scoped;
};

int landlock_abi(void) {
    long abi = syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static struct ruleset ruleset_of(int abi) {
    struct ruleset ruleset = {.files = (1ull << 13) - 1};
    ruleset.files |= abi >= 2 ? 1ull << 13 : 0; /* refer */
    ruleset.files |= abi >= 3 ? 1ull << 14 : 0; /* truncate */
    ruleset.files |= abi >= 5 ? 1ull << 15 : 0; /* ioctl on devices */
    ruleset.network = abi >= 4 ? 3 : 0;         /* bind, connect */
    ruleset.scoped = abi >= 6 ? 3 : 0;          /* abstract sockets, signals */
    return ruleset;
}

static size_t ruleset_size(int abi) {
    if (abi >= 6) {
        return sizeof(struct ruleset);
    }
    return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, network);
}

int landlock_deny_all(void) {
    int abi = landlock_abi();
    if (abi == 0) {
        return 0;
    }
    struct ruleset ruleset = ruleset_of(abi);
    long fd = syscall(CALL_CREATE_RULESET, &ruleset, ruleset_size(abi), 0);
    if (fd < 0 && ruleset.scoped) {
        ruleset.scoped = 0;
        abi = 5;
        fd = syscall(CALL_CREATE_RULESET, &ruleset, ruleset_size(abi), 0);
    }
    if (fd < 0) {
        return 0;
    }
    long failed = syscall(CALL_RESTRICT_SELF, (int)fd, 0);
    close((int)fd);
    return failed ? 0 : abi;
}
