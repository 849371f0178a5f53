/*
 * decide.h - snapshot -> slots -> signals: the roster of seats (one agent each, active or candidate), the conversation with
 * a slot as the host sees it, and the meaning of a wish.
 */
#ifndef DECIDE_DECIDE_H
#define DECIDE_DECIDE_H

#include <stdbool.h>

#include "base/base.h"
#include "base/histogram.h"
#include "data/data.h"
#include "jailer.h"
#include "wire.h"

/* ---- wishes ------------------------------------------------------------------------------------------------------------------ */

/* The wish of one (agent, instrument, tag) in whole ticks and lots, and what became of it. */
struct wish {
    uint64_t id;               /* 0 = never wished */
    uint64_t record_id;        /* of its WISH record */
    uint8_t state;             /* enum agent_wish_state */
    uint8_t end;               /* enum agent_end */
    uint16_t modifications;
    int32_t reason;            /* last refusal, enum reason */
    int64_t target_lots, worst_ticks, stop_ticks, target_ticks;
    int64_t ttl_ns, decided_ns;
    int64_t confidence_ppm, expected_r_ppm, probability_lb_ppm;
    uint64_t trigger_id;
    bool shrunk;               /* the gate allowed fewer lots: target_lots is not what `size` says */
    bool refolded;             /* came from the journal, which keeps ticks and lots but not `raw` */
    struct agent_wish raw;     /* as last accepted; an identical repetition has no effect */
    struct agent_wish refused; /* as last refused; the same */
};

enum wish_outcome {
    WISH_UNCHANGED,  /* nothing to do, nothing to journal */
    WISH_DECISION,   /* a new id */
    WISH_AMENDMENT,  /* same id, changed content */
    WISH_REFUSAL,    /* makes sense, but is not allowed: `reason` says why */
    WISH_MALFORMED   /* makes no sense: the slot is closed */
};

/* What turning a wish into ticks and lots needs to know. */
struct wish_context {
    const struct instrument *instrument;
    int64_t price_ticks;       /* last price, 0 = none */
    int64_t held_lots;         /* of the position: a target below it sells */
    int64_t equity_e8;         /* of the agent */
    int64_t now_ns;
    int64_t ttl_default_ns;
    int64_t modifications_max;
};

/* Is the form right: finite numbers, known unit, printable text, an existing instrument? REASON_NONE or REASON_WISH_*. */
int wish_form(const struct agent_wish *raw, uint32_t instrument_count);

/*
 * Compares with what was wished before and converts. On WISH_DECISION and WISH_AMENDMENT `wish` holds the new content; on
 * WISH_REFUSAL only `refused` and `reason` (and, for a new id, id and the spent state) changed; `reason` is filled.
 */
enum wish_outcome wish_update(struct wish *wish, const struct agent_wish *raw, const struct wish_context *context, int *reason);

/* Ends a wish: its id never trades again. */
void wish_spend(struct wish *wish, enum agent_end end, int reason);

/* ---- seats ------------------------------------------------------------------------------------------------------------------- */

/* How the host talks to what runs the agent: a slot process, or the runner in the same process (research mode). */
struct seat_link {
    void *context;
    void (*ring)(void *context, enum wire_command command, uint64_t sequence);
    enum slot_answer (*wait)(void *context, int64_t timeout_ns, bool kill_late);
    /* Ends it for `reason`; fills nothing. */
    void (*end)(void *context, int reason, const char *text);
    const struct slot_death *(*death)(void *context);
};
extern const struct seat_link slot_link_template; /* context = struct slot */

#define SEAT_FILLS_MAX AGENT_FILLS_MAX

/* One agent at the table. */
struct seat {
    char name[NAME_MAX_BYTES];
    bool active;
    bool alive;                /* false: its slot is gone, `death` says why */
    bool asked;                /* rung, answer not collected yet */
    bool book_changed, marks_changed, limits_changed;
    uint16_t account;          /* index of the engine's account it trades on */
    uint16_t agent;            /* index in that account's book */
    struct agent_needs needs;
    uint32_t state_max, state_schema;
    struct seat_link link;
    struct wire_private *private_memory;
    const struct wire_reply *reply;
    uint64_t rung_sequence;
    int64_t rung_ns;           /* when; only where a clock is given */
    uint64_t turns, gaps;      /* answered, missed */
    uint32_t gap;              /* missed since the last ring */
    uint32_t fill_count;
    uint32_t position_count;
    uint16_t positions[AGENT_POSITIONS_MAX]; /* book indices, in the order the agent sees them */
    int64_t mae_told_e8[AGENT_POSITIONS_MAX], mfe_told_e8[AGENT_POSITIONS_MAX]; /* as its page has them */
    struct agent_fill fills[SEAT_FILLS_MAX]; /* waiting for the next ring */
    int32_t answer_count;      /* wishes copied out of the last answer */
    struct agent_wish answer[AGENT_WISHES_MAX];
    uint32_t log_count;        /* not beside answer_count: both are written and then tested each turn, and compilers would
                                  test two neighbours with one wide load that waits for both stores */
    struct wire_log logs[WIRE_LOGS_MAX];
    struct agent_wish refused; /* last refused wish that had no place to be kept */
    struct slot_death death;
    struct histogram latency;  /* ring to answer, ns; only where a clock is given */
};

/* Remembers that the agent uses a position, so that it shows in its book. */
void seat_adopt_position(struct seat *seat, uint16_t position);
/* Queues a fill for on_fill. When the queue is full the oldest is dropped: the book, not the queue, is the truth. */
void seat_queue_fill(struct seat *seat, const struct instrument *instrument, const struct position *position, const struct fill *fill);

/* What the agent's own page shows. */
struct seat_view {
    const struct book *book;
    const struct wish *wishes;          /* by book position */
    const struct instrument *instruments;
    const struct order *orders;
    uint32_t order_count;
    const struct agent_limits *limits;  /* read only when limits_changed */
};
/* Writes book, positions, orders and limits where they changed. Only while the slot is not busy. */
void seat_publish(struct seat *seat, const struct seat_view *view);

/* Rings for a turn. A seat that is still busy gets a gap instead (or is ended when it is too far behind). */
bool seat_ring(struct seat *seat, uint64_t sequence, uint32_t events);
/* For turns that bring nothing for the seat: ends it when its block is the next to be reused. seat_ring() does so itself. */
void seat_lag(struct seat *seat, uint64_t sequence);

/*
 * Waits for the answer, copies it once, then checks the copy's frame (turn, counts). 1 = answered, 0 = still busy,
 * -1 = dead: alive is false and `death` says why.
 */
int seat_collect(struct seat *seat, int64_t timeout_ns, bool kill_late);
/* Asks an idle seat for its state and copies it (at most `max` bytes). Bytes written, 0 = it has none, negative = it died. */
int64_t seat_save(struct seat *seat, void *bytes, size_t max, int64_t timeout_ns);
/* Ends a seat whose answer made no sense. */
void seat_end(struct seat *seat, int reason, const char *text);

#endif
