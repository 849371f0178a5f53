/*
 * jailer.h - the host's side of the jail: read a strategy file without running it, start it in a process of its own,
 * ring it, take its answer, kill it.
 *
 *   1. strategy_open()    reads the file into a sealed memory, hashes it, lints it, reads its identity
 *   2. market_memory_*()  the one market memory of all slots
 *   3. slot_start()       posix_spawn of bulkhead-slot; returns when it is READY, or says why not
 *   4. slot_ring(), slot_wait(), then the reply is valid to copy; slot_kill() always works
 *
 * A slot dies with the thread that started it (the kernel's parent-death signal is per thread): start slots from a thread
 * that lives as long as the host, such as its main or its helper thread.
 *
 * Errors: negative codes of base/error.h, with text. No call blocks longer than the deadline it is given.
 * Ownership: each open/start has its close/stop; NULL and zeroed things are accepted by the second.
 */
#ifndef SANDBOX_JAILER_H
#define SANDBOX_JAILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "wire.h"

/* ---- the strategy file ------------------------------------------------------------------------------------------------------ */

#define STRATEGY_FILE_MAX (64u << 20)
#define LINT_FINDINGS_MAX 64
#define IMPORTS_MAX 256

/* One reason why a file is refused. */
struct lint_finding {
    char text[200];
};

/* The call pointers of struct agent_vtable, in their order. */
enum strategy_call {
    CALL_INIT, CALL_FINI, CALL_GENERATE_SIGNALS, CALL_ON_FILL, CALL_ON_LIMIT_UPDATE, CALL_SAVE, CALL_LOAD, CALL_EXTENSION,
    CALL_COUNT
};

/* A strategy file as read: nothing of it was executed. */
struct strategy {
    char path[1024];
    int fd;                        /* sealed memfd, opened read-only; -1 = closed */
    size_t size;
    unsigned char hash[32];        /* SHA-256 of the sealed bytes */
    char hash_text[65];
    struct agent_vtable entry;     /* identity copied out of the file; the call pointers are cleared */
    uint32_t calls;                /* bit i: the i-th call pointer is present, see enum strategy_call */
    bool admitted;                 /* no finding: slot_start() takes nothing else */
    uint32_t finding_count;
    struct lint_finding findings[LINT_FINDINGS_MAX];
    uint32_t import_count;
    char imports[IMPORTS_MAX][64];
};

/*
 * Reads, seals, hashes and lints. `imports_allow` is the path of policy/imports.allow. Returns 0 also for a refused file
 * (look at `admitted` and the findings); a negative code only when one of the files could not be read at all.
 */
int strategy_open(struct strategy *strategy, const char *path, const char *imports_allow, struct error *error);
void strategy_close(struct strategy *strategy);

/* ---- shared memories -------------------------------------------------------------------------------------------------------- */

/* A memfd: the host's mapping (read-only where the slot writes), and the descriptor a slot gets. */
struct shared_memory {
    void *bytes;
    size_t size;
    int fd;         /* read-only and write-sealed for market and private, size-sealed for reply */
};

enum shared_kind { SHARED_HOST_WRITES, SHARED_SLOT_WRITES };

int shared_memory_open(struct shared_memory *memory, enum shared_kind kind, size_t size, struct error *error);
void shared_memory_close(struct shared_memory *memory);

/* ---- a slot ------------------------------------------------------------------------------------------------------------------ */

/* How a slot ended or is. Maps one to one to REASON_SLOT_* of base/reason.h. */
struct slot_death {
    int reason;      /* enum reason, REASON_NONE = alive */
    int signal;      /* that killed it, 0 = none */
    int exit_code;
    char text[256];  /* e.g. "SIGSYS", "answered turn 7 when asked 8" */
};

struct slot_options {
    const struct strategy *strategy;
    const char *slot_binary;     /* path of bulkhead-slot, NULL = beside the running executable; opened once per process */
    const char *title;           /* for ps, after "bulkhead: ": e.g. "slot sma_cross [active]" */
    const struct agent_param *params;
    uint32_t param_count;
    uint64_t seed;
    const void *state;           /* a saved state, NULL = cold */
    size_t state_size;
    uint32_t state_schema;
    bool spin;                   /* both sides spin: needs two free cores */
    int core;                    /* pin to this core, -1 = no */
    int nice;                    /* 10 in run modes, 0 in backtests */
    int64_t start_ns_max;        /* deadline of the start, default 1 s when 0 */
    uint32_t timeframe[AGENT_TIMEFRAMES_MAX]; /* see wire_setup */
    const struct shared_memory *market;
    uint64_t address_max;        /* RLIMIT_AS; 0 = 256 MiB + the shared memories + self_size */
    /* for bulkhead-worker; zero for slots. See wire_setup */
    bool direct;
    const void *extra;           /* copied into the private memory */
    size_t extra_size;
    size_t reply_extra_size;     /* room in the reply memory */
};

struct slot {
    pid_t pid;                   /* 0 = not running */
    int pidfd, event_fd;         /* event_fd becomes readable with the answer (not when spinning) */
    bool spin, asked;
    uint32_t bell;
    struct shared_memory private_memory, reply_memory;
    struct slot_death death;
    int64_t start_us;            /* from spawn to READY */
    int64_t rung_ns;             /* monotonic, of the last bell; 0 when spinning, which reads no clock */
    uint32_t landlock_abi, namespaces;
};

static inline struct wire_private *slot_private(const struct slot *slot) { return slot->private_memory.bytes; }
static inline const struct wire_reply *slot_reply(const struct slot *slot) { return slot->reply_memory.bytes; }

/* Starts a slot and waits until it is READY. On failure slot->death says why and nothing is left running. Blocks up to
 * start_ns_max: the running host calls it from its helper thread. */
int slot_start(struct slot *slot, const struct slot_options *options, struct error *error);

/* Gives the command that private_memory already describes (all of wire_bell but `bell`). One may be outstanding. */
void slot_ring(struct slot *slot, enum wire_command command, uint64_t sequence);

enum slot_answer { SLOT_ANSWERED = 1, SLOT_PENDING = 0, SLOT_DEAD = -1 };

/*
 * Waits up to `timeout_ns` (0 = look once) for the answer to the last ring. SLOT_DEAD: it died, overran `timeout_ns` with
 * `kill_late` set, or broke the protocol; it is then killed and reaped, and slot->death is filled. After SLOT_ANSWERED
 * the reply may be copied (once) by the caller; result, sequence and sizes in it are still the slot's word only, except
 * that the bell matched.
 */
enum slot_answer slot_wait(struct slot *slot, int64_t timeout_ns, bool kill_late);

/*
 * Both end the process and free everything but slot->death, which says how it ended. On a slot that is not running they
 * only free. slot_kill: kills and reaps, remembering `reason` unless it was dead already.
 */
void slot_kill(struct slot *slot, int reason, const char *text);
/* Asks it to stop (fini runs, at most `timeout_ns`), else kills. */
void slot_stop(struct slot *slot, int64_t timeout_ns);

/* What this kernel offers, for `doctor` and `version --full`. */
struct jail_support {
    bool seccomp, memfd_seals, pidfd, tsc_switch, namespaces;
    int landlock_abi;
};
void jail_probe(struct jail_support *support);

#endif
