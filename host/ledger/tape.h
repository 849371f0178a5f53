/*
 * tape.h - every event that entered the engine, in order, so that a run can be replayed with its strategies: market data,
 * timers, commits, venue reports, slot outcomes, operator commands, policy generations. Bounded, checksummed segments.
 *
 * Files DIR/NNNNNN.tape: a head (magic, version, number, hash of the previous segment's head) and frames
 * { u32 size, u16 kind, u16 reserved, i64 time_ns, bytes, u32 crc32 }. A torn last frame is found and cut on open.
 */
#ifndef LEDGER_TAPE_H
#define LEDGER_TAPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

enum tape_kind {
    TAPE_START = 1,   /* what the run was: mode, config hash, strategies with hash and parameters, instruments, state hash */
    TAPE_MARKET = 2,  /* struct venue_market, canonical */
    TAPE_TIMER = 3,
    TAPE_DURABLE = 4, /* commit done, through which sequence */
    TAPE_REPORT = 5,  /* struct venue_report, canonical */
    TAPE_SLOT = 6,    /* outcome of a ring: answered with these wishes, or gap, or death and reason */
    TAPE_OPERATOR = 7,
    TAPE_POLICY = 8,
    TAPE_END = 9      /* clean end: result hash */
};

#define TAPE_FRAME_MAX (64u << 10)
#define TAPE_SEGMENT_BYTES (16u << 20)

struct tape;

/* Opens DIR for appending (creates it). Buffered; tape_flush writes, tape_sync also syncs. */
int tape_open(struct tape **tape, const char *directory, struct error *error);
int tape_append(struct tape *tape, enum tape_kind kind, int64_t time_ns, const void *bytes, size_t size);
int tape_flush(struct tape *tape);
int tape_sync(struct tape *tape);
void tape_close(struct tape *tape);

/* Calls `frame` for every frame of every segment in order. ERROR_INTEGRITY names segment and offset of the first bad one. */
int tape_read(const char *directory,
              int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
              void *context, struct error *error);

#endif
