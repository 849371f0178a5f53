/*
 * jailed.h - how a process shuts itself in. Two programs do: bulkhead-slot, and bulkhead-worker (research speed).
 * Order and reasons are told in jailed/enter.c. Every mandatory step that fails ends the process with a note in the reply.
 */
#ifndef SANDBOX_JAILED_H
#define SANDBOX_JAILED_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* Step 1, first thing in main: maps the descriptors WIRE_FD_MARKET, _PRIVATE (read-only) and _REPLY and closes them. */
struct jailed {
    const void *market;
    size_t market_size;
    const struct wire_private *private_memory;
    struct wire_reply *reply;
    const struct agent_vtable *agent; /* after jailed_load */
};
void jailed_map(struct jailed *jailed);

/* Step 2: privileges, limits (address space `address_max` bytes), landlock, namespaces, no clock, filter of stage 1. */
void jailed_enter(struct jailed *jailed, uint64_t address_max);

/* Step 3: dlopen of WIRE_FD_STRATEGY under stage 1, entry symbol, then the filter of stage 2. */
void jailed_load(struct jailed *jailed);

/* Ends the process; the note goes to reply->failure. Never returns. */
_Noreturn void jailed_fail(struct jailed *jailed, enum wire_step step, const char *text);

#endif
