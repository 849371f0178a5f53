/*
 * tape.h - every event that entered the engine, in order, so that a run can be replayed with its strategies: market data,
 * timers, commits, venue reports, slot outcomes, operator commands, policy generations. Bounded, checksummed segments.
 *
 * Files DIR/NNNNNN.tape, from 000001 on: a head of 64 bytes
 *   { char magic[8] "bulktape", u32 version, u32 number, u8 previous[32], u64 previous_bytes, u32 reserved, u32 crc32 }
 * where `previous` is the SHA-256 of the head before and `previous_bytes` the length of that segment, so that a segment
 * that is missing or cut in the middle of a tape is noticed; then frames
 *   { u32 size, u16 kind, u16 reserved, i64 time_ns, bytes, u32 crc32 of all that }.
 * All numbers little-endian. A torn last frame is found and cut on open; what was cut is kept as DIR/NNNNNN.torn. The oldest
 * segments may be removed by whoever keeps the disk; a hole between two may not.
 */
#ifndef LEDGER_TAPE_H
#define LEDGER_TAPE_H

#include <stdbool.h>
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
    TAPE_END = 9,     /* clean end */
    TAPE_RECORD = 10  /* a record that the loop itself appended (RUN, STATE, POLICY): canonical bytes */
};

#define TAPE_FRAME_MAX (64u << 10)
#define TAPE_SEGMENT_BYTES (16u << 20)

struct tape;

/*
 * Opens DIR for appending (creates it, mode 0700); ERROR_REFUSED when another process has it open. Buffered: tape_append
 * copies, and writes only when the buffer is full or a segment ends; tape_flush writes; tape_sync also syncs, which may take
 * as long as the disk likes and is therefore never done by the others. The first error is final: every later call returns
 * it, and the tape ends with the last whole frame that was written. One thread at a time.
 */
int tape_open(struct tape **tape, const char *directory, struct error *error);
int tape_append(struct tape *tape, enum tape_kind kind, int64_t time_ns, const void *bytes, size_t size);
int tape_flush(struct tape *tape);
int tape_sync(struct tape *tape);
/* Syncs what is left; NULL is fine. Whoever wants to know whether that worked calls tape_sync before. */
void tape_close(struct tape *tape);

/*
 * Calls `frame` for every frame of every segment in order. ERROR_INTEGRITY names segment and offset of the first bad one.
 * Stops at a non-zero return, which it returns. ERROR_NOT_FOUND when there is no segment.
 */
int tape_read(const char *directory,
              int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
              void *context, struct error *error);

/* The same for a tape whose host was killed: half a frame at its very end is no damage but the place where it ended; `torn`
 * (may be NULL: damage all the same) becomes true then. The next tape_open() cuts it. */
int tape_read_killed(const char *directory,
                     int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
                     void *context, bool *torn, struct error *error);

/* The same for one segment in memory, `name` standing for its file; `good` (may be NULL) = the bytes that are in order. */
int tape_read_segment(const char *name, const unsigned char *segment, size_t length,
                      int (*frame)(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size),
                      void *context, size_t *good, struct error *error);

#endif
