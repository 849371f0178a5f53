/*
 * map.c - step 1 of a jailed process: take the three memories and let their descriptors go.
 *
 * Guarantees: afterwards only 0-2 (null), the event and the strategy are open; market and private can never be written
 * from here, nor any of the three change its size under the host (the seals are checked, not assumed).
 * Until the reply is mapped there is nowhere to tell a reason; the exit code stands in.
 */
#include "jailed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define EXIT_NO_REPLY 100
#define POPULATE_MAX ((size_t)8 << 20)

void jailed_fail(struct jailed *jailed, enum wire_step step, const char *text) {
    int code = errno;
    if (jailed->reply) {
        struct wire_reply *reply = jailed->reply;
        reply->head.step = step;
        reply->head.failure_errno = code;
        strncpy(reply->failure, text, sizeof(reply->failure) - 1);
        reply->failure[sizeof(reply->failure) - 1] = '\0';
        reply->head.status = WIRE_FAILED;
    }
    _exit(1);
}

static bool sealed(int fd, int wanted) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & wanted) == wanted;
}

/* Small memories are made present at once, so that no first turn pays for page faults. */
static void *map(int fd, int protection, size_t *size) {
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size <= 0) {
        return NULL;
    }
    *size = (size_t)status.st_size;
    void *bytes = mmap(NULL, *size, protection, MAP_SHARED | (*size <= POPULATE_MAX ? MAP_POPULATE : 0), fd, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

void jailed_map(struct jailed *jailed) {
    memset(jailed, 0, sizeof(*jailed));
    close_range(WIRE_FD_STRATEGY + 1, ~0u, 0);
    size_t reply_size = 0;
    void *reply = sealed(WIRE_FD_REPLY, SIZE_SEALS) ? map(WIRE_FD_REPLY, PROT_READ | PROT_WRITE, &reply_size) : NULL;
    if (!reply || reply_size < sizeof(struct wire_reply)) {
        _exit(EXIT_NO_REPLY);
    }
    jailed->reply = reply;
    if (!sealed(WIRE_FD_MARKET, SIZE_SEALS | F_SEAL_FUTURE_WRITE) ||
        !sealed(WIRE_FD_PRIVATE, SIZE_SEALS | F_SEAL_FUTURE_WRITE) || !sealed(WIRE_FD_STRATEGY, SIZE_SEALS | F_SEAL_WRITE)) {
        jailed_fail(jailed, WIRE_STEP_MAP, "market, private or strategy memory is not sealed");
    }
    size_t private_size = 0;
    jailed->market = map(WIRE_FD_MARKET, PROT_READ, &jailed->market_size);
    jailed->private_memory = map(WIRE_FD_PRIVATE, PROT_READ, &private_size);
    if (!jailed->market || !jailed->private_memory) {
        jailed_fail(jailed, WIRE_STEP_MAP, "market or private memory cannot be mapped");
    }
    const struct wire_setup *setup = &jailed->private_memory->setup;
    if (private_size < sizeof(struct wire_private) || setup->magic != WIRE_MAGIC || setup->size != private_size) {
        jailed_fail(jailed, WIRE_STEP_MAP, "private memory is not of this version");
    }
    /* the name the kernel chose is a descriptor number */
    prctl(PR_SET_NAME, setup->direct ? "bulkhead-worker" : "bulkhead-slot");
    close(WIRE_FD_MARKET);
    close(WIRE_FD_PRIVATE);
    close(WIRE_FD_REPLY);
}
