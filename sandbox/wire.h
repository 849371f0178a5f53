/*
 * wire.h - the three memories between the host and a slot, byte for byte.
 *
 *   market   one for all slots. The host appends, a slot reads (sealed: F_SEAL_FUTURE_WRITE, mapped read-only in the slot).
 *   private  one per slot. The host writes, the slot reads (sealed the same way).
 *   reply    one per slot. The slot writes, the host copies once and believes nothing (sealed in size).
 *
 * One conversation: the host writes market and private, stores private->command.bell (a new number, release order) and wakes
 * the slot; the slot does the command, writes its answer, stores reply->head.bell = that number (release) and, unless it
 * was told to spin, adds 1 to the eventfd. A spinning slot that finds no bell for about 2 ms sets reply->head.sleeping,
 * looks at the bell once more and waits in the kernel; the host looks at `sleeping` after its store (both in the order
 * seq_cst, so one of them always sees the other) and makes the waking system call only then. Nothing in the market memory is ever later than the turn being decided.
 *
 * Turn blocks are written round robin, so a slot that is late still sees the turn it was rung for; the host kills a slot
 * before it reuses a block or a bar cell the slot may be reading.
 */
#ifndef SANDBOX_WIRE_H
#define SANDBOX_WIRE_H

#include <stdatomic.h>
#include <stdint.h>

#include "agent_abi.h"

#define WIRE_MAGIC 0x3145524957484b42ull /* "BKHWIRE1" */
#define WIRE_TURNS 8u                    /* turn blocks, a power of two */

/* Descriptors of a slot after exec. 0-2 are /dev/null. */
enum wire_fd { WIRE_FD_EVENT = 3, WIRE_FD_MARKET = 4, WIRE_FD_PRIVATE = 5, WIRE_FD_REPLY = 6, WIRE_FD_STRATEGY = 7 };

/* ---- market --------------------------------------------------------------------------------------------------------------- */

/* A ring of bars; constant after start-up. */
struct wire_series {
    uint64_t ring_at;     /* offset of the first struct agent_bar */
    uint64_t mask;        /* capacity - 1 */
    int64_t timeframe_ns;
    uint64_t reserved;
};

/* Rings and blocks of ticks and depth of one instrument; constant after start-up. Capacity 0 = not kept. */
struct wire_depth {
    uint64_t ticks_at;    /* ring of struct agent_tick */
    uint64_t tick_mask;
    uint64_t tick_capacity;
    uint64_t reserved;
};

struct wire_market {
    uint64_t magic;
    uint64_t size;               /* of the whole memory */
    uint32_t instrument_count;
    uint32_t timeframe_count;    /* of the market: the union of what all agents need */
    uint32_t depth_levels;       /* book levels a side kept in each turn block */
    uint32_t reserved;
    uint64_t instruments_at;     /* struct agent_instrument[instrument_count] */
    uint64_t series_at;          /* struct wire_series[instrument_count * timeframe_count] */
    uint64_t depths_at;          /* struct wire_depth[instrument_count] */
    uint64_t turns_at;           /* WIRE_TURNS blocks of turn_size bytes */
    uint64_t turn_size;
    /* offsets inside a turn block */
    uint64_t turn_counts_at;     /* uint64_t[instrument_count * timeframe_count]: bars visible in this turn */
    uint64_t turn_quotes_at;     /* struct agent_quote[instrument_count] */
    uint64_t turn_tick_counts_at;/* uint64_t[instrument_count] */
    uint64_t turn_levels_at;     /* per instrument: struct wire_levels, then agent_level bids[depth_levels], asks[depth_levels] */
};

struct wire_levels {
    uint32_t bid_count, ask_count;
};

/* Head of a turn block; block index = sequence & (WIRE_TURNS - 1). */
struct wire_turn {
    uint64_t sequence;
    int64_t now_ns;
    uint32_t events;
    uint32_t reserved;
};

/* ---- private -------------------------------------------------------------------------------------------------------------- */

enum wire_command { WIRE_RUN = 1, WIRE_SAVE = 2, WIRE_STOP = 3 };

enum wire_flag {
    WIRE_LIMITS_CHANGED = 1u << 0 /* deliver on_limit_update in this turn */
};

/* The doorbell's cache line. `bell` is the futex word. */
struct wire_bell {
    _Alignas(64) _Atomic uint32_t bell;
    uint32_t command;       /* enum wire_command */
    uint64_t sequence;      /* which turn */
    uint32_t fill_count;    /* fills to deliver, first in `fills` */
    uint32_t flags;         /* enum wire_flag */
    uint32_t gap;           /* turns missed since the last one */
    uint32_t events;        /* for this agent in this turn */
    uint64_t reserved[4];
};

/* Written before start, constant then. */
struct wire_setup {
    uint64_t magic;
    uint64_t size;          /* of the whole private memory */
    uint64_t seed;
    uint32_t spin;          /* 1: wait for the bell and answer without the kernel */
    uint32_t direct;        /* 1: called in-process (research mode), no bell at all */
    uint32_t timeframe[AGENT_TIMEFRAMES_MAX]; /* the agent's i-th timeframe is the market's timeframe[i]-th */
    uint32_t state_schema;  /* of the state to load */
    uint32_t param_count;
    uint64_t state_size;    /* 0 = cold start */
    uint64_t state_at;      /* offset in the private memory */
    uint64_t address_max;   /* RLIMIT_AS, bytes */
    uint64_t extra_at;      /* bytes for the research worker, offset in the private memory; 0 = none */
    uint64_t extra_size;
    uint64_t reply_extra_at;   /* where it may write its results, offset in the reply memory; 0 = none */
    uint64_t reply_extra_size;
    int32_t host_pid;       /* the slot ends with this process */
    uint32_t reserved;
    struct agent_param params[AGENT_PARAMS_MAX];
};

struct wire_private {
    struct wire_bell command;
    _Alignas(64) struct agent_book book;
    _Alignas(64) struct agent_limits limits;
    _Alignas(64) struct agent_position positions[AGENT_POSITIONS_MAX];
    struct agent_order orders[AGENT_ORDERS_MAX];
    struct agent_fill fills[AGENT_FILLS_MAX];
    _Alignas(64) struct wire_setup setup;
    /* state bytes follow at setup.state_at, the worker's at setup.extra_at */
};

/* ---- reply ---------------------------------------------------------------------------------------------------------------- */

enum wire_status { WIRE_STARTING = 0, WIRE_READY = 1, WIRE_FAILED = 2 };

/* What kept a slot from starting: the step, for the message. */
enum wire_step {
    WIRE_STEP_NONE = 0, WIRE_STEP_MAP, WIRE_STEP_PRIVILEGES, WIRE_STEP_LIMITS, WIRE_STEP_FILTER, WIRE_STEP_DLOPEN,
    WIRE_STEP_ENTRY, WIRE_STEP_INIT, WIRE_STEP_CLOCK
};

/* Rate limits of the extensions, per turn. */
#define WIRE_LOGS_MAX 16u
#define WIRE_TEXT_MAX 160u

enum wire_log_kind { WIRE_LOG = 0, WIRE_PLOT = 1, WIRE_NOTE = 2 };

struct wire_log {
    uint32_t kind;          /* enum wire_log_kind */
    int32_t level;
    double value;           /* plot */
    char name[AGENT_NAME_MAX]; /* plot: series; note: tag */
    char text[WIRE_TEXT_MAX];
};

struct wire_answer {
    _Alignas(64) _Atomic uint32_t bell; /* the bell number this answers */
    int32_t result;         /* RUN: number of wishes or negative; SAVE: see size */
    uint64_t sequence;      /* the turn it answers */
    uint64_t size;          /* SAVE: bytes of state written */
    uint32_t log_count;     /* entries of `logs` written in this turn */
    uint32_t log_dropped;
    uint32_t status;        /* enum wire_status */
    uint32_t step;          /* enum wire_step */
    int32_t failure_errno;
    uint32_t landlock_abi;  /* 0 = not available */
    uint32_t namespaces;    /* 1 = unshared */
    _Atomic uint32_t sleeping; /* spinning slots: 1 = it gave up spinning and waits in the kernel; a hint, safe when it lies */
};

struct wire_reply {
    struct wire_answer head;
    char failure[256];
    _Alignas(64) struct agent_wish wishes[AGENT_WISHES_MAX];
    struct wire_log logs[WIRE_LOGS_MAX];
    _Alignas(64) unsigned char state[]; /* state_max bytes */
};

/* Layout is part of the contract: host and slot are two programs. */
_Static_assert(sizeof(struct wire_bell) == 64 && sizeof(struct wire_answer) == 64, "one cache line each");
_Static_assert(sizeof(struct wire_log) == 208 && sizeof(struct wire_turn) == 24, "wire");

#endif
