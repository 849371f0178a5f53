/*
 * types.h - the nouns that several stages share: instrument, bar, position, book, proposal, verdict, order, fill, token.
 *
 * Numbers. A price is a count of ticks, a quantity a count of lots (both int64_t, `*_ticks`, `*_lots`); money is int64_t in
 * 1e-8 of its currency (`*_e8`), and so is every other decimal named `*_e8`. Rates are in ppm or e8 as named. Time is UTC
 * nanoseconds (`*_ns`). Nothing here is a double: doubles live at the strategy's edge only.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#define E8 INT64_C(100000000)
#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* ---- limits ------------------------------------------------------------------------------------------------------------- */

#define NAME_MAX_BYTES 32     /* names of agents, instruments, venues; NUL included */
#define TAG_MAX_BYTES 16      /* AGENT_TAG_MAX */
#define REASON_MAX_BYTES 96   /* AGENT_REASON_MAX */
#define INSTRUMENTS_MAX 64
#define TIMEFRAMES_MAX 6
#define AGENTS_MAX 32         /* active and candidates together */
#define POSITIONS_MAX 1024    /* (agent, instrument, tag) of the whole account */
#define ORDERS_MAX 1024       /* open orders of the whole account */
#define FILLS_PER_TURN_MAX 1024

/* ---- market ------------------------------------------------------------------------------------------------------------- */

/* A traded instrument; constant after start-up. Made by instrument_init() of data.h, which fills the derived part. */
struct instrument {
    char name[NAME_MAX_BYTES];     /* as orders and reports show it */
    char row[NAME_MAX_BYTES];      /* the row of instruments.yaml it is bound to, "" = assumed */
    char currency[8];
    char calendar[NAME_MAX_BYTES]; /* trading calendar by name, "" = always open */
    int64_t tick_e8;               /* price units x 1e-8, > 0 */
    int64_t lot_e8;                /* quantity units x 1e-8, > 0 */
    int64_t multiplier_e8;         /* money per price unit and quantity unit x 1e-8, > 0 */
    int64_t quantity_min_lots;     /* >= 1 */
    int64_t notional_min_e8;       /* 0 = none */
    int64_t fee_maker_e8;          /* fraction of the notional x 1e-8: 0.1 % = 100,000 */
    int64_t fee_taker_e8;
    int64_t fee_per_unit_e8;       /* money per quantity unit */
    int64_t margin_per_unit_e8;    /* money per quantity unit; 0 = the whole notional */
    bool market_entry;             /* entries without a worst price are possible at the venue */
    bool long_only;
    /* derived: money of one tick of one lot = value_num / value_den in 1e-8, reduced */
    int64_t value_num, value_den;
    int32_t tick_decimals;         /* digits after the point needed to print a price */
    int32_t lot_decimals;
};

/* A closed bar. */
struct bar {
    int64_t start_ns;
    int64_t open, high, low, close; /* ticks, low <= open, close <= high, low > 0 */
    int64_t volume_e8;              /* quantity units x 1e-8; -1 = the feed carries none */
};

/* The best bid and ask and the last trade of one instrument; 0 = unknown. */
struct quote {
    int64_t time_ns;
    int64_t bid_ticks, ask_ticks, last_ticks;
    int64_t bid_size_e8, ask_size_e8;
};

/* ---- decisions ---------------------------------------------------------------------------------------------------------- */

enum order_purpose {
    PURPOSE_ENTRY = 0,  /* opens or adds: new risk */
    PURPOSE_EXIT = 1,   /* closes or reduces by the strategy's wish */
    PURPOSE_STOP = 2,   /* protective, stop loss */
    PURPOSE_TARGET = 3, /* protective, take profit */
    PURPOSE_HOST = 4    /* the host closes: flatten, maximum hold, kill switch */
};

/*
 * What the gate is asked: one order to be. `position` is the index of the (agent, instrument, tag) in the book.
 * Lots are signed: positive buys.
 */
struct proposal {
    uint64_t wish_id;
    uint16_t agent, instrument, position;
    uint8_t purpose;           /* enum order_purpose */
    int64_t lots;              /* signed, never 0 */
    int64_t worst_ticks;       /* limit; 0 = market */
    int64_t stop_ticks;        /* 0 = none */
    int64_t target_ticks;      /* 0 = none */
    int64_t expires_ns;        /* 0 = never */
};

/* The gate's answer: allowed lots (same sign as proposed, possibly fewer) or a refusal with the number that broke the limit. */
struct verdict {
    int32_t reason;            /* enum reason; REASON_NONE = allowed */
    int32_t rule;              /* index of the rule that decided, -1 = none */
    int64_t lots;              /* allowed, 0 when refused */
    int64_t value, limit;      /* what was found and what is allowed, in the rule's unit */
};

/* ---- orders ------------------------------------------------------------------------------------------------------------- */

enum order_state {
    ORDER_NEW = 0,
    ORDER_DURABLE,
    ORDER_SENT,
    ORDER_ACKED,
    ORDER_PARTIAL,
    ORDER_UNKNOWN,   /* its fate is not known: counts as open until the venue answers a query */
    ORDER_FILLED,    /* from here on terminal */
    ORDER_CANCELLED,
    ORDER_REJECTED,
    ORDER_EXPIRED,
    ORDER_STATES
};

struct order {
    uint64_t order_id;         /* grows by one; the client order id derives from it */
    uint64_t wish_id;
    uint16_t agent, instrument, position;
    uint8_t purpose;           /* enum order_purpose */
    uint8_t state;             /* enum order_state */
    int32_t reason;            /* why it was made or ended, enum reason */
    int64_t lots;              /* signed */
    int64_t filled_lots;       /* signed, towards lots */
    int64_t limit_ticks;       /* 0 = market */
    int64_t mark_ticks;        /* last price when it was made: values a market order */
    int64_t stop_ticks;        /* bracket that the venue shall keep, or trigger of a stop order; 0 = none */
    int64_t target_ticks;
    int64_t created_ns;
    int64_t created_mono_ns;   /* of the run loop's monotonic clock, 0 in backtests and after a restart */
    int64_t expires_ns;        /* 0 = never */
    uint64_t intent;           /* sequence of its ORDER record: durable before it may leave */
    uint64_t verdict_id;       /* the VERDICT record that approved it, 0 = the host's own */
    char client_id[NAME_MAX_BYTES];
};

/* A fill as it changes the books. */
struct fill {
    uint64_t fill_id;          /* the host's own, grows by one */
    uint64_t order_id;
    uint64_t wish_id;
    uint16_t agent, instrument, position;
    uint8_t purpose;           /* enum order_purpose of the order, or what the bracket did */
    uint8_t maker;             /* 1 = the maker's fee */
    int32_t reason;            /* STOP_HIT, TARGET_HIT, ... or NONE */
    int64_t lots;              /* signed */
    int64_t price_ticks;
    int64_t fee_e8;            /* rounded up */
    int64_t time_ns;
    int64_t realised_e8;       /* filled in by portfolio_apply: of the part closed, fees not counted */
    char venue_fill_id[NAME_MAX_BYTES * 2]; /* as the venue names it: each is applied exactly once */
};

/*
 * Proof that every record up to `through` is written: `full` after a full commit with sync, else by the buffered writer of
 * a backtest. Only host/ledger makes one; router_send() wants one. An external venue takes only full tokens.
 */
struct durable_token {
    uint64_t through;
    bool full;
};

/* ---- books -------------------------------------------------------------------------------------------------------------- */

/* One (agent, instrument, tag). The cost is exact money, never an average price. */
struct position {
    uint16_t agent, instrument;
    char tag[TAG_MAX_BYTES];
    int64_t lots;              /* signed, 0 = flat */
    int64_t cost_e8;           /* signed like lots: what the open lots cost (short: what they brought, negative) */
    int64_t working_buy_lots;  /* open, sent or UNKNOWN orders that buy, >= 0 */
    int64_t working_sell_lots; /* >= 0 */
    int64_t stop_ticks, target_ticks;
    int64_t mark_ticks;        /* last price used for the value */
    int64_t mae_e8, mfe_e8;    /* worst and best unrealised since opened, mae <= 0 <= mfe */
    int64_t value_e8;          /* signed notional at mark_ticks; not beside it: two stores, not a wide one across cache lines */
    int64_t opened_ns;
    int64_t trade_realised_e8; /* of the current round trip so far */
    int64_t trade_fees_e8;
    int64_t trade_peak_lots;   /* largest absolute size of the current round trip */
    int64_t entry_ticks;       /* of the first fill of the current round trip */
    int64_t tick_lots, tick_value_e8; /* money of one tick of this many lots, where that is whole: marks need no division */
    int64_t lowest_ticks, highest_ticks; /* range since the last fill: only a new extreme can move MAE or MFE */
    uint64_t wish_id;          /* last decision about it */
    uint64_t stop_wish_id;     /* the wish that stop and target belong to: the one they spend */
};

/* A round trip, told when a position becomes flat. */
struct trade {
    uint64_t number;           /* 1, 2, ... of the run, all accounts */
    uint16_t agent, instrument, position;
    uint8_t is_long;
    uint8_t purpose;           /* enum order_purpose of the fill that closed it */
    int32_t reason;            /* of that fill */
    int64_t lots;              /* largest absolute size */
    int64_t opened_ns, closed_ns;
    int64_t entry_ticks, exit_ticks; /* of the first and of the last fill */
    int64_t realised_e8, fees_e8;    /* result = realised - fees */
    int64_t mae_e8, mfe_e8;
    uint64_t wish_id;
};

/* One agent's share of the account. */
struct agent_account {
    char name[NAME_MAX_BYTES];
    bool active;               /* false: candidate, on paper */
    int64_t budget_e8;         /* what it was given */
    int64_t realised_e8, fees_e8;
    int64_t unrealised_e8;
    int64_t equity_peak_e8;
    int64_t day_start_equity_e8;
    uint32_t loss_streak, trades_today;
    uint32_t trades_closed, trades_won;
};

/*
 * The account. Invariant: cash + sum of cost = deposits + realised - fees, exactly, after any sequence of fills.
 * equity = cash + sum of value.
 */
struct book {
    int64_t deposits_e8, cash_e8, realised_e8, fees_e8;
    int64_t equity_e8, equity_peak_e8, day_start_equity_e8;
    int64_t drawdown_worst_ppm;
    int64_t day;               /* number of the trading day, -1 = not started */
    uint32_t position_count;
    uint32_t agent_count;
    uint32_t open_count;       /* positions with lots, in `open`, in the order they were opened */
    uint32_t reserved;
    uint64_t trades_closed;
    uint16_t open[POSITIONS_MAX];
    struct agent_account agents[AGENTS_MAX];
    struct position positions[POSITIONS_MAX];
};

#endif
