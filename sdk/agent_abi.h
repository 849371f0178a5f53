/*
 * agent_abi.h - the contract between the Bulkhead host and a strategy.
 *
 * VERSION 0: may still change; it becomes version 1, frozen, when the reference families run on it and nothing hurts.
 *
 * A strategy ("agent") is a shared object that exports exactly one symbol, `agent_entry_v1`, a constant `struct agent_vtable`.
 * Its identity is inline text and fixed-width integers, so the host reads it from the file without running a byte of it; only the
 * calls are pointers. The object is loaded in a jailed process of its own: no files, no network, no clock, no threads; libc's
 * memory, string, and math functions work (policy/imports.allow lists them). The host believes nothing that the agent says: every
 * wish is checked, limited and, where it breaks a limit, refused with a reason.
 *
 * Conventions
 *   time       int64_t nanoseconds since 1970-01-01T00:00:00Z. The snapshot's `now_ns` is the only clock there is.
 *   price      double, the correctly rounded value of the venue's decimal; `*_ticks` beside it is the same price as a whole
 *              number of ticks, exact in a double. Compare and sum ticks when the last digit matters.
 *   quantity   double, in units of the instrument (coins, contracts). money: double, in the account's currency.
 *   fraction   0.01 is one percent.
 *   text       fixed char arrays, always NUL-terminated, unused bytes zero.
 *   reserved   zero; the host refuses anything else.
 *   pointers   given to a call are valid until that call returns. The host owns every byte.
 *   threads    all calls come on one thread and never nest.
 *
 * Life cycle
 *   the host allocates self_size zeroed bytes -> init -> load (when a state is at hand)
 *   -> { on_fill* , on_limit_update? , generate_signals , save? } for every turn -> fini.
 *   A process may be killed at any point without fini; a cold start is never wrong, only slower.
 */
#ifndef AGENT_ABI_H
#define AGENT_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- limits: every array has one, and its name --------------------------------------------------------------------------- */

#define AGENT_ABI_MAGIC 0x544e454741484b42ull /* "BKHAGENT" read as a little-endian word */
#define AGENT_ABI_VERSION 0u

#define AGENT_NAME_MAX 32          /* bytes of a name, the final NUL included */
#define AGENT_TAG_MAX 16           /* bytes of a tag, the final NUL included */
#define AGENT_REASON_MAX 96        /* bytes of a reason, the final NUL included */
#define AGENT_INSTRUMENTS_MAX 64
#define AGENT_TIMEFRAMES_MAX 6
#define AGENT_BARS_MAX 4096        /* bars kept per instrument and timeframe */
#define AGENT_TICKS_MAX 4096       /* trades kept per instrument */
#define AGENT_DEPTH_MAX 32         /* book levels a side */
#define AGENT_TAGS_MAX 8           /* tags an agent may use on one instrument */
#define AGENT_POSITIONS_MAX 128    /* positions of one agent, all instruments and tags */
#define AGENT_ORDERS_MAX 128       /* open orders of one agent */
#define AGENT_WISHES_MAX 128       /* wishes in one answer */
#define AGENT_FILLS_MAX 256        /* fills queued for one turn */
#define AGENT_PARAMS_MAX 32
#define AGENT_PARAM_NAME_MAX 32
#define AGENT_PARAM_TEXT_MAX 64
#define AGENT_SELF_MAX (64u << 20) /* largest self_size */
#define AGENT_STATE_MAX (1u << 20) /* largest state_max */

/* ---- what an agent says of itself ------------------------------------------------------------------------------------------ */

/* Events that can start a turn; a bit set for agent_needs.events and agent_snapshot.events. */
enum agent_event {
    AGENT_EVENT_BAR = 1u << 0,   /* a bar of a needed timeframe closed */
    AGENT_EVENT_QUOTE = 1u << 1, /* best bid or ask changed (throttled by the host) */
    AGENT_EVENT_TRADE = 1u << 2, /* a trade printed (throttled by the host) */
    AGENT_EVENT_FILL = 1u << 3,  /* one of this agent's orders was filled; always delivered */
    AGENT_EVENT_TIMER = 1u << 4  /* the host's timer; see agent_needs.timer_ms */
};

/* What the agent needs. Fixed for the life of the process. */
struct agent_needs {
    uint32_t events;                               /* bits of enum agent_event that start a turn; at least one */
    uint32_t timeframe_count;                      /* 1..AGENT_TIMEFRAMES_MAX */
    uint32_t timeframe_s[AGENT_TIMEFRAMES_MAX];    /* seconds; 0 = the feed's own; ascending; unused ones 0 */
    uint32_t bars[AGENT_TIMEFRAMES_MAX];           /* bars of each timeframe kept visible, 1..AGENT_BARS_MAX */
    uint32_t ticks;                                /* last trades kept visible, 0..AGENT_TICKS_MAX */
    uint32_t depth;                                /* book levels a side, 0..AGENT_DEPTH_MAX */
    uint32_t timer_ms;                             /* period of AGENT_EVENT_TIMER, 0 = none */
    uint32_t decide_us_max;                        /* promised decision time, microseconds, 1..1,000,000 */
};

/* One parameter as given by the user; text is never interpreted by the host. */
struct agent_param {
    char name[AGENT_PARAM_NAME_MAX];
    char text[AGENT_PARAM_TEXT_MAX];
};

/* ---- what an agent sees ---------------------------------------------------------------------------------------------------- */

enum agent_flag {
    AGENT_FLAG_TRADABLE = 1u << 0,     /* entries are possible at all */
    AGENT_FLAG_LONG_ONLY = 1u << 1,    /* a negative target is refused */
    AGENT_FLAG_MARKET_ENTRY = 1u << 2, /* an entry without a worst price is allowed */
    AGENT_FLAG_ASSUMED = 1u << 3       /* spread or depth is the profile's assumption, not the feed's */
};

/* Identity of an instrument; constant for the life of the process. */
struct agent_instrument {
    char name[AGENT_NAME_MAX];
    char currency[8];
    double tick;             /* smallest price step */
    double lot;              /* smallest quantity step */
    double quantity_min;     /* smallest quantity of an order */
    double notional_min;     /* smallest value of an order, money; 0 = none */
    double multiplier;       /* money per price unit and quantity unit */
    double fee_maker;        /* fraction of the notional */
    double fee_taker;        /* fraction of the notional */
    double fee_per_unit;     /* money per quantity unit, added to the fraction */
    double margin_per_unit;  /* money held per quantity unit; 0 = the whole notional */
    uint32_t tier;           /* 0 = none */
    uint32_t flags;          /* enum agent_flag */
};

/* What changes with every quote or turn. A value the feed does not carry is 0 (prices) or negative (qualities). */
struct agent_quote {
    int64_t time_ns;           /* of the newest item below; 0 = no data yet */
    double bid, ask, last;
    double bid_ticks, ask_ticks, last_ticks;
    double bid_size, ask_size;
    double volume_24h;         /* money */
    double change_24h;         /* fraction */
    double data_quality;       /* 0..1 */
    double execution_quality;  /* 0..1 */
    int32_t session_phase;     /* 0 = always open or unknown */
    int32_t minutes_since_open;/* negative = unknown */
};

/* A closed bar. */
struct agent_bar {
    int64_t start_ns; /* UTC start; it closed at start_ns + timeframe */
    double open, high, low, close;
    double volume;    /* quantity units; negative = the feed carries none */
    double trades;    /* number of trades; negative = the feed carries none */
    double open_ticks, high_ticks, low_ticks, close_ticks;
    uint64_t flags;   /* bit 0: bars are missing right before this one */
};
#define AGENT_BAR_AFTER_GAP 1u

/* One (instrument, timeframe): a ring. Read it with agent_bar_back() of agent.h. */
struct agent_series {
    const struct agent_bar *ring;
    uint64_t count;       /* bars closed so far, the newest has index count - 1 */
    uint64_t mask;        /* ring[index & mask] */
    uint64_t visible;     /* newest bars that may be read, at most agent_needs.bars: what lies behind is not promised to be there */
    int64_t timeframe_ns;
};

/* A trade print. */
struct agent_tick {
    int64_t time_ns;
    double price, price_ticks;
    double size;   /* positive: the buyer was the aggressor; negative: the seller was */
};

/* One level of the book. */
struct agent_level {
    double price, price_ticks, size;
};

/* The last trades and the book of one instrument. */
struct agent_depth {
    const struct agent_tick *ticks; /* a ring like agent_series */
    uint64_t tick_count, tick_mask;
    const struct agent_level *bids; /* best first */
    const struct agent_level *asks;
    uint32_t bid_count, ask_count;
};

/* State of the wish last accepted for an (instrument, tag). */
enum agent_wish_state {
    AGENT_WISH_NONE = 0,
    AGENT_WISH_LIVE = 1, /* the host works for it */
    AGENT_WISH_SPENT = 2 /* it ended; see agent_end; this id never trades again */
};

/* Why a wish is spent. */
enum agent_end {
    AGENT_END_NONE = 0,
    AGENT_END_STOP = 1,      /* stop loss */
    AGENT_END_TARGET = 2,    /* take profit */
    AGENT_END_TTL = 3,       /* lifetime over; what was filled stays, the rest is dropped */
    AGENT_END_MAX_HOLD = 4,
    AGENT_END_FLATTEN = 5,   /* the host closed it: session end, operator, kill switch */
    AGENT_END_REFUSED = 6,   /* by the gate; see reason_code */
    AGENT_END_REJECTED = 7,  /* by the venue */
    AGENT_END_CLOSED = 8     /* this agent's own wish for 0 was done */
};

/* One (instrument, tag) of this agent: what it asked for, and what it holds. */
struct agent_position {
    uint32_t instrument;   /* index into the snapshot's instruments */
    uint32_t wish_state;   /* enum agent_wish_state */
    uint32_t wish_end;     /* enum agent_end */
    uint32_t reason_code;  /* the gate's last reason for this tag, 0 = allowed */
    char tag[AGENT_TAG_MAX];
    uint64_t wish_id;      /* last id used for this pair */
    double quantity;       /* signed; 0 = flat */
    double working;        /* signed quantity of open entry and exit orders */
    double entry_price;    /* average price of the open quantity, 0 when flat */
    double stop, target;   /* in force, 0 = none */
    double unrealised;     /* money, at the last price, fees not counted */
    double mae, mfe;       /* worst and best unrealised so far, money: mae <= 0 <= mfe */
    int64_t opened_ns;     /* 0 when flat */
};

/* An open order of this agent. */
struct agent_order {
    uint64_t order_id, wish_id;
    uint32_t instrument;
    uint32_t state;        /* 0 new, 1 durable, 2 sent, 3 acknowledged, 4 partly filled, 5 unknown */
    char tag[AGENT_TAG_MAX];
    double quantity;       /* signed */
    double filled;         /* signed */
    double limit;          /* 0 = market */
    int64_t expires_ns;    /* 0 = never */
};

/* This agent's share of the account. */
struct agent_book {
    double equity;          /* its budget plus its own profit and loss, open positions at the last price */
    double cash;
    double day_pnl;
    double drawdown;        /* fraction below its own peak, 0..1 */
    double realised;        /* since start */
    double fees;            /* since start, >= 0 */
    uint32_t loss_streak;
    uint32_t trades_today;  /* entries accepted today */
    uint32_t position_count;
    uint32_t order_count;
};

/* The limits in force for this agent. Read only; on_limit_update says when they changed. 0 = none. */
struct agent_limits {
    uint64_t generation;
    uint32_t trading_state;    /* 0 active, 1 reducing, 2 halted */
    uint32_t positions_max;
    double position_notional_max; /* money, per instrument */
    double trade_notional_max;    /* money, per order */
    double position_fraction_max; /* of equity, per instrument */
    double trade_fraction_max;    /* of equity, per order */
    double daily_loss_max;        /* money */
    double daily_loss_fraction_max;
    double drawdown_fraction_max;
    double risk_per_trade_max;    /* money */
};

/* All there is to know at `now_ns`. Whether the money is real is not part of it. */
struct agent_snapshot {
    uint64_t sequence;          /* grows by one with each turn of the host; a jump means missed turns */
    int64_t now_ns;
    uint32_t events;            /* enum agent_event: why this turn */
    uint32_t gap;               /* turns missed by this agent since its last one */
    uint32_t instrument_count;
    uint32_t timeframe_count;   /* as in agent_needs */
    const struct agent_instrument *instruments;
    const struct agent_quote *quotes;        /* one per instrument */
    const struct agent_series *series;       /* instrument * timeframe_count + timeframe */
    const struct agent_depth *depths;        /* one per instrument */
    const struct agent_book *book;
    const struct agent_position *positions;  /* book->position_count */
    const struct agent_order *orders;        /* book->order_count */
    const struct agent_limits *limits;
};

/* A fill of one of this agent's orders. */
struct agent_fill {
    uint64_t fill_id, order_id, wish_id;
    int64_t time_ns;
    uint32_t instrument;
    uint32_t cause;        /* 0 entry, 1 exit by wish, 2 stop, 3 target, 4 host (flatten, maximum hold, time) */
    char tag[AGENT_TAG_MAX];
    double quantity;       /* signed: positive bought */
    double price, price_ticks;
    double fee;            /* money */
    double realised;       /* money, of the part closed by this fill, fees not counted */
};

/* ---- what an agent wants --------------------------------------------------------------------------------------------------- */

/*
 * A wish is about one (instrument, tag) and says what the agent wants to hold there, not what to do.
 *
 *   1. A tag that is not in the answer is unchanged.
 *   2. Same wish_id, same content: no effect. Same wish_id, changed content: an amendment (stops only tighten).
 *   3. A greater wish_id: a new decision. A smaller one is refused.
 *   4. A wish is spent when its stop, target, lifetime, maximum hold, a flatten or a refusal ended it. A spent id never trades again.
 *   5. size 0 closes. An entry without a stop has no encoding that the gate accepts.
 *   6. A change of sign is an exit and, after its fill, an entry through the gate. Only the entry can be refused.
 */
enum agent_unit {
    AGENT_UNIT_QUANTITY = 0,       /* size is a signed quantity */
    AGENT_UNIT_EQUITY_FRACTION = 1 /* size is a signed fraction of this agent's equity; becomes lots once, when the id is new */
};

struct agent_wish {
    uint64_t wish_id;     /* > 0; greater than the last used for this (instrument, tag) = a new decision */
    uint32_t instrument;  /* index */
    uint32_t unit;        /* enum agent_unit */
    char tag[AGENT_TAG_MAX];       /* [a-z0-9_], not empty */
    double size;          /* the target: positive long, negative short, 0 flat */
    double worst_price;   /* limit of the entry or exit; 0 = market */
    double stop;          /* stop price; required when size is not 0 */
    double target;        /* take-profit price; 0 = none */
    int64_t ttl_ns;       /* lifetime of the unfilled part; 0 = the host's default */
    double confidence;    /* 0..1 */
    double expected_r;    /* expected profit in multiples of the risk taken */
    double probability_lb;/* lower bound of the probability behind expected_r, 0..1 */
    uint64_t trigger_id;  /* of the trigger that led here, 0 = none */
    char reason[AGENT_REASON_MAX]; /* why, for the human who reads the journal; not empty */
};

/* ---- the calls ------------------------------------------------------------------------------------------------------------- */

enum agent_result { AGENT_OK = 0, AGENT_ERROR = -1 };

/* Given to init. */
struct agent_setup {
    const struct agent_instrument *instruments;
    const struct agent_param *params;
    uint32_t instrument_count;
    uint32_t param_count;
    uint64_t seed;  /* for agents that want randomness: the same in every replay */
};

/* Services of the slot, given to init; valid until fini. Each is rate-limited: AGENT_ERROR = dropped, nothing else happens. */
struct agent_services {
    /* Appends one line to the journal's log of this agent. level: 0 debug, 1 info, 2 warning. */
    int (*log)(int level, const char *text);
    /* A named series for chart and report: one value per turn and name. */
    int (*plot)(const char *name, double value);
    /* Journaled evidence for the next wish on `tag`. */
    int (*note)(const char *tag, const char *text);
};

/*
 * The one exported object. Identity first, calls last; no pointer but the calls.
 * Every call but generate_signals may be NULL where marked optional.
 */
struct agent_vtable {
    uint64_t magic;          /* AGENT_ABI_MAGIC */
    uint32_t version;        /* AGENT_ABI_VERSION */
    uint32_t size;           /* sizeof(struct agent_vtable) */
    uint64_t digest;         /* AGENT_ABI_DIGEST of agent_digest.h */
    char name[AGENT_NAME_MAX];     /* [a-z0-9_], not empty */
    char release[AGENT_NAME_MAX];  /* the author's version text */
    struct agent_needs needs;
    uint64_t self_size;      /* bytes of `self`, 1..AGENT_SELF_MAX */
    uint32_t state_schema;   /* of what save writes; 0 = no state */
    uint32_t state_max;      /* bytes save may write, 0..AGENT_STATE_MAX */
    uint64_t reserved[8];    /* zero */

    /* Prepares `self` (zeroed). Returns AGENT_OK, or AGENT_ERROR after services->log() said why: the slot is refused. */
    int (*init)(void *self, const struct agent_setup *setup, const struct agent_services *services);
    /* Optional. */
    void (*fini)(void *self);
    /* The decision. Writes at most `max` wishes to `out`; returns how many (0 = nothing changes), or AGENT_ERROR: the slot is closed. */
    int (*generate_signals)(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max);
    /* Optional. One of this agent's orders was filled; called before the turn's generate_signals, in journal order. */
    void (*on_fill)(void *self, const struct agent_fill *fill);
    /* Optional. The limits changed; called at most once a turn. */
    void (*on_limit_update)(void *self, const struct agent_limits *limits);
    /* Optional (state_schema 0). Writes at most `max` bytes of state; returns the number, or AGENT_ERROR. */
    int64_t (*save)(const void *self, void *bytes, uint64_t max);
    /* Optional. Reads a state written under `schema`, possibly by a predecessor. AGENT_ERROR = start cold; `self` is zeroed and init runs again. */
    int (*load)(void *self, uint32_t schema, const void *bytes, uint64_t size);
    /* Optional. Returns a constant interface of the agent by name, or NULL. For growth; the host knows none yet. */
    const void *(*extension)(const char *name);
};

/* Layout is part of the contract. */
#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct agent_needs) == 72, "agent_needs");
_Static_assert(sizeof(struct agent_instrument) == 120, "agent_instrument");
_Static_assert(sizeof(struct agent_quote) == 112, "agent_quote");
_Static_assert(sizeof(struct agent_bar) == 96, "agent_bar");
_Static_assert(sizeof(struct agent_position) == 112, "agent_position");
_Static_assert(sizeof(struct agent_order) == 72, "agent_order");
_Static_assert(sizeof(struct agent_book) == 64, "agent_book");
_Static_assert(sizeof(struct agent_limits) == 80, "agent_limits");
_Static_assert(sizeof(struct agent_fill) == 96, "agent_fill");
_Static_assert(sizeof(struct agent_wish) == 200, "agent_wish");
_Static_assert(sizeof(struct agent_vtable) == 304, "agent_vtable");
#endif

#ifdef __cplusplus
}
#endif
#endif
