/*
 * strategy.c - from a path to sealed bytes with a hash and an identity.
 *
 * Guarantees: what is hashed, what is linted and what a slot later loads are the same sealed bytes, whatever happens to the
 * file; nothing of them is executed here; the descriptor that leaves is read-only.
 * A path that is not a plain file (a FIFO would block, a device never ends) is refused.
 */
#include "jailer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/lint.h"
#include "jailer/memory.h"

static int bytes_copy(int from, int to, size_t *size) {
    char buffer[65536];
    ssize_t got;
    *size = 0;
    while ((got = read(from, buffer, sizeof(buffer))) > 0) {
        *size += (size_t)got;
        if (*size > STRATEGY_FILE_MAX || write(to, buffer, (size_t)got) != got) {
            errno = *size > STRATEGY_FILE_MAX ? EFBIG : errno;
            return -1;
        }
    }
    return got == 0 ? 0 : -1;
}

/* Returns the sealed memory, opened read-only. */
static int file_seal(int from, size_t *size) {
    int memory = memfd_sealable("strategy");
    if (memory < 0) {
        return -1;
    }
    int result = -1;
    if (bytes_copy(from, memory, size) == 0 &&
        fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        result = memfd_reopen_read_only(memory);
    }
    int saved = errno;
    close(memory);
    errno = saved;
    return result;
}

static int strategy_seal(struct strategy *strategy, struct error *error) {
    struct stat status;
    int from = open(strategy->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0) {
        return error_set_errno(error, "%s", strategy->path);
    }
    int code = 0;
    if (fstat(from, &status) != 0 || !S_ISREG(status.st_mode)) {
        code = error_set(error, ERROR_FORMAT, "%s: not a plain file", strategy->path);
    } else if ((strategy->fd = file_seal(from, &strategy->size)) < 0) {
        code = error_set_errno(error, "%s: reading (at most %u bytes) into a sealed memory", strategy->path, STRATEGY_FILE_MAX);
    }
    close(from);
    return code;
}

static int strategy_hash(struct strategy *strategy, const unsigned char *bytes, struct error *error) {
    unsigned length = 0;
    if (EVP_Digest(bytes, strategy->size, strategy->hash, &length, EVP_sha256(), NULL) != 1 ||
        length != sizeof(strategy->hash)) {
        return error_set(error, ERROR_GENERAL, "%s: SHA-256 failed", strategy->path);
    }
    for (size_t i = 0; i < sizeof(strategy->hash); i++) {
        snprintf(strategy->hash_text + 2 * i, 3, "%02x", strategy->hash[i]);
    }
    return 0;
}

static int strategy_read(struct strategy *strategy, const char *imports_allow, struct error *error) {
    struct imports_allowed *allowed = malloc(sizeof(*allowed));
    if (!allowed) {
        return error_set_errno(error, "%s", imports_allow);
    }
    int code = imports_load(allowed, imports_allow, error);
    if (!code && strategy->size == 0) {
        lint_add(strategy, "the file is empty; wanted an ELF64 shared object for x86-64");
    } else if (!code) {
        void *bytes = mmap(NULL, strategy->size, PROT_READ, MAP_PRIVATE, strategy->fd, 0);
        code = bytes == MAP_FAILED ? error_set_errno(error, "%s", strategy->path) : strategy_hash(strategy, bytes, error);
        if (!code) {
            lint(strategy, bytes, strategy->size, allowed);
        }
        if (bytes != MAP_FAILED) {
            munmap(bytes, strategy->size);
        }
    }
    free(allowed);
    return code;
}

int strategy_open(struct strategy *strategy, const char *path, const char *imports_allow, struct error *error) {
    memset(strategy, 0, sizeof(*strategy));
    strategy->fd = -1;
    if ((size_t)snprintf(strategy->path, sizeof(strategy->path), "%s", path) >= sizeof(strategy->path)) {
        return error_set(error, ERROR_RANGE, "%.80s...: a path is at most %zu bytes", path, sizeof(strategy->path) - 1);
    }
    int code = strategy_seal(strategy, error);
    if (!code) {
        code = strategy_read(strategy, imports_allow, error);
    }
    if (code) {
        strategy_close(strategy);
    }
    return code;
}

void strategy_close(struct strategy *strategy) {
    if (!strategy) {
        return;
    }
    if (strategy->fd > 0) {
        close(strategy->fd);
    }
    strategy->fd = -1;
    strategy->admitted = false;
}
