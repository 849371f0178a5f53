/*
 * arena.h - memory that is taken before the first turn and sealed: after arena_seal() every further request is an error,
 * so the hot path cannot allocate by accident.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    unsigned char *bytes;
    size_t size, used;
    bool sealed;
};

/* One anonymous mapping of `size` bytes (rounded up to pages). */
int arena_init(struct arena *arena, size_t size);
void arena_fini(struct arena *arena);
/* Zeroed bytes aligned to 64, or NULL when sealed or full. They live until arena_fini. */
void *arena_take(struct arena *arena, size_t size);
void arena_seal(struct arena *arena);

#endif
