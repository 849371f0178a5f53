/*
 * memory.c - memories shared between host and slot: sealed memfds.
 *
 * Guarantees: no holder of the descriptor can change the size (a host reading beyond a shrunk file would die of SIGBUS), add
 * or remove seals, or, where the host writes, write or map it writable. O_RDONLY alone would not hold: /proc/self/fd/N
 * reopens a memfd for writing; F_SEAL_FUTURE_WRITE does. The host's own mapping exists before the seal and stays writable.
 * Where the slot writes, the host's mapping is read-only, so that no slip of the host can answer for a slot.
 */
#include "jailer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jailer/memory.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

int memfd_sealable(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) { /* before Linux 6.3 */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    return fd;
}

int memfd_reopen_read_only(int fd) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int memory_map(struct shared_memory *memory, enum shared_kind kind) {
    if (ftruncate(memory->fd, (off_t)memory->size) != 0) {
        return -1;
    }
    int protection = kind == SHARED_HOST_WRITES ? PROT_READ | PROT_WRITE : PROT_READ;
    void *bytes = mmap(NULL, memory->size, protection, MAP_SHARED, memory->fd, 0);
    memory->bytes = bytes == MAP_FAILED ? NULL : bytes;
    return memory->bytes ? 0 : -1;
}

static int memory_seal(struct shared_memory *memory, enum shared_kind kind) {
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (kind == SHARED_SLOT_WRITES) {
        return fcntl(memory->fd, F_ADD_SEALS, seals);
    }
    if (fcntl(memory->fd, F_ADD_SEALS, seals | F_SEAL_FUTURE_WRITE) != 0) {
        return -1;
    }
    int fd = memfd_reopen_read_only(memory->fd);
    if (fd < 0) {
        return -1;
    }
    close(memory->fd);
    memory->fd = fd;
    return 0;
}

int shared_memory_open(struct shared_memory *memory, enum shared_kind kind, size_t size, struct error *error) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *memory = (struct shared_memory){.size = (size + page - 1) / page * page, .fd = memfd_sealable("bulkhead")};
    if (memory->size == 0 || memory->fd < 0 || memory_map(memory, kind) != 0 || memory_seal(memory, kind) != 0) {
        error_set_errno(error, "shared memory of %zu bytes", size);
        shared_memory_close(memory);
        return error->code;
    }
    return 0;
}

void shared_memory_close(struct shared_memory *memory) {
    if (!memory) {
        return;
    }
    if (memory->bytes) {
        munmap(memory->bytes, memory->size);
    }
    if (memory->fd > 0) {
        close(memory->fd);
    }
    *memory = (struct shared_memory){.fd = -1};
}
