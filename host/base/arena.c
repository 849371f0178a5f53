/*
 * arena.c - one anonymous mapping handed out from the front, then sealed.
 *
 * Guarantees: pieces are zeroed, aligned to a cache line and never move. There is no free: what lives as long as the
 * process needs none, and what does not live that long must not come from here. A request after the seal is a programming
 * error that shows itself as NULL at the place that made it.
 */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

#define ALIGNMENT ((size_t)64)

static bool size_round_up(size_t size, size_t unit, size_t *rounded) {
    return !__builtin_add_overflow(size, unit - 1, rounded) && (*rounded &= ~(unit - 1), true);
}

int arena_init(struct arena *arena, size_t size) {
    *arena = (struct arena){0};
    size_t rounded;
    if (size == 0 || !size_round_up(size, (size_t)sysconf(_SC_PAGESIZE), &rounded)) {
        return ERROR_RANGE;
    }
    void *bytes = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return ERROR_SYSTEM;
    }
    memset(bytes, 0, rounded); /* every page is present now: nothing grows while the host runs, and no turn waits for one */
    arena->bytes = bytes;
    arena->size = rounded;
    return 0;
}

void arena_fini(struct arena *arena) {
    if (arena != NULL && arena->bytes != NULL) {
        munmap(arena->bytes, arena->size);
        *arena = (struct arena){0};
    }
}

void *arena_take(struct arena *arena, size_t size) {
    size_t rounded;
    if (arena->sealed || !size_round_up(size, ALIGNMENT, &rounded) || rounded > arena->size - arena->used) {
        return NULL;
    }
    void *piece = arena->bytes + arena->used;
    arena->used += rounded;
    return piece;
}

void arena_seal(struct arena *arena) {
    arena->sealed = true;
}
