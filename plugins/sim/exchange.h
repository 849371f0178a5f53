/*
 * exchange.h - a seeded exchange: markets that move by themselves or replay recorded data, a price-time matching engine, and
 * brackets that guard a group of the account with exactly its open lots.
 *
 * It is a state machine over exchange time: the same options, instruments, orders and times give the same events, byte for
 * byte. It reads no clock, opens no socket and starts no thread; sim.c and the exchange process drive it.
 *
 * Rules
 *   1. Incoming orders meet the best price first, then the oldest entry, at the resting entry's price.
 *   2. Market and immediate orders fill against what is displayed, the rest is cancelled; but a market order that closes
 *      (exit, stop, target, host) goes on sweeping until it is done, for protection never gives up.
 *   3. A bracket belongs to a group (order.position). It is set by the first fill of an entry that carries one, and by
 *      protect. The target rests in the book with exactly the group's open lots; the stop fires when the last trade or the
 *      best price it would sell to (buy from) is at or through it. One cancels the other.
 *   4. Closing orders never turn a group around: they are cut to the open lots, and cancelled when there are none.
 *   5. A client id is good for one order ever. The same id again changes nothing and is answered with that order's state.
 *   6. An order lives while exchange time is before its expiry.
 *   7. A replayed book is the house's; trades of the record fill a resting order only when they went strictly through it.
 */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/types.h"
#include "sim/dice.h"
#include "sim/ladder.h"
#include "venue.h"

#define EXCHANGE_ORDERS_MAX (1u << 17) /* ever; a client id is remembered for the life of the exchange */
#define EXCHANGE_FILLS_MAX (1u << 18)  /* ever; new orders are refused at seven eighths */
#define EXCHANGE_LEVELS_MAX 64         /* house levels a side in generated markets */
#define EXCHANGE_PATH_POINTS 12        /* prices played in one replayed bar */

enum exchange_source {
    EXCHANGE_MANUAL,    /* only what exchange_house() puts there (tests) */
    EXCHANGE_GENERATED,
    EXCHANGE_BARS,      /* a bar file */
    EXCHANGE_TICKS      /* a recording of depth, trades and best prices */
};

enum exchange_kind { EXCHANGE_LIMIT, EXCHANGE_MARKET, EXCHANGE_IMMEDIATE, EXCHANGE_STOP };

struct exchange_options {
    uint64_t seed;
    int64_t start_ns;      /* exchange time at the beginning; 0 = of the replay, else 2023-11-14T22:13:20Z */
    int64_t step_ns;       /* a generated market moves this often */
    int64_t bar_ns;        /* length of the bars it tells */
    int64_t start_ticks;   /* first price of a generated market */
    int64_t spread_ticks;
    int64_t level_lots;    /* mean size of a house level */
    int64_t levels;        /* house levels a side */
    int64_t turns_max;     /* the market ends after so many bar turns; 0 = never */
    bool manual;           /* no market of its own */
    bool immediate;        /* entries with a limit are immediate-or-cancel */
    bool rebase;           /* replays begin at start_ns, not at their recorded time */
    int64_t reject_every;  /* fault: refuse every n-th order; 0 = none */
    uint64_t epoch;        /* first part of every fill id: differs between two lives of an exchange */
};

/* What the caller is told, in order. Both may be NULL. */
struct exchange_sink {
    void *context;
    void (*report)(void *context, const struct venue_report *report);
    void (*market)(void *context, const struct venue_market *event);
};

struct exchange_order {
    struct order order;    /* state, filled_lots and client id are kept up to date */
    uint8_t kind;          /* enum exchange_kind; a fired STOP becomes MARKET or LIMIT */
    bool sweeping;         /* rule 2: a closing market order that is not done */
    uint32_t entry;        /* in the ladder, 0 = not resting */
    uint32_t next_same_hash;
};

/* What the venue knows of one position of the account. */
struct exchange_group {
    uint16_t instrument;
    bool fired;            /* the stop is working */
    int64_t lots;          /* signed */
    int64_t stop_ticks, target_ticks;
    uint32_t target_entry; /* in the ladder, 0 = none */
};

struct replay_bars;
struct replay_ticks;

struct exchange_market {
    struct instrument instrument;
    enum exchange_source source;
    struct ladder ladder;
    struct dice dice;
    int64_t next_move_ns, next_close_ns; /* INT64_MAX = never */
    int64_t middle_x16, anchor_x16;      /* generated: price in 1/16 tick */
    uint32_t regime;
    int64_t last_ticks;                  /* last trade, 0 = none */
    int64_t net_lots, house_lots;        /* of the account and of the house: always opposite */
    struct bar bar;                      /* being built; open 0 = nothing yet */
    struct quote quote;                  /* as last told */
    struct replay_bars *bars;
    struct replay_ticks *ticks;
};

struct exchange {
    struct exchange_options options;
    struct exchange_sink sink;
    int64_t now_ns;
    bool ended;
    int64_t turns;
    uint64_t submitted, rejected_by_fault;
    uint32_t market_count, order_count, fill_count, open_count, group_end;
    struct exchange_market markets[INSTRUMENTS_MAX];
    struct exchange_order *orders;       /* EXCHANGE_ORDERS_MAX */
    uint32_t *order_hash;
    struct venue_report *fills;          /* EXCHANGE_FILLS_MAX */
    uint32_t open[ORDERS_MAX];           /* orders that are open, by arrival */
    struct exchange_group groups[POSITIONS_MAX];
};

/* Options as they are without any given. */
struct exchange_options exchange_options_default(void);

int exchange_open(struct exchange **exchange, const struct exchange_options *options, const struct exchange_sink *sink,
                  struct error *error);
void exchange_close(struct exchange *exchange);

/*
 * Adds an instrument, with a generated market unless `replay` names a file: CSV bars, or a recording (found by content).
 * The dice of a market depend on seed and name only. Returns its index or a negative code.
 */
int exchange_add(struct exchange *exchange, const struct instrument *instrument, const char *replay, struct error *error);
int exchange_find(const struct exchange *exchange, const char *name);

/* The time of the next thing that happens by itself; INT64_MAX = nothing. */
int64_t exchange_next_ns(const struct exchange *exchange);
/* Lets time pass up to and including `to_ns`. */
void exchange_advance(struct exchange *exchange, int64_t to_ns);
/* Lets time pass until one turn of bars was told, at most up to `to_ns`; false = the market has ended or `to_ns` was met. */
bool exchange_advance_turn(struct exchange *exchange, int64_t to_ns);

/* How an order of the host is meant. */
enum exchange_kind exchange_kind_of(const struct exchange *exchange, const struct order *order);
/* Answers by report: ACK or REJECT, then what follows at once. ERROR_REFUSED for a client id that was used before. */
int exchange_submit(struct exchange *exchange, const struct order *order, enum exchange_kind kind);
void exchange_cancel(struct exchange *exchange, const char *client_id);
int exchange_protect(struct exchange *exchange, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks);
/* Fills in STATE or ABSENT; nothing is told to the sink. */
void exchange_query(const struct exchange *exchange, const char *client_id, struct venue_report *answer);
/* The first fill at or after `since_ns`: fills[i .. fill_count) are the answer. */
uint32_t exchange_fills_since(const struct exchange *exchange, int64_t since_ns);

/* An order of the house (tests and generated markets): signed lots; limit 0 = market; `rest` keeps what is left. */
void exchange_house(struct exchange *exchange, uint16_t instrument, int64_t lots, int64_t limit_ticks, bool rest);

/* ---- between the files of the exchange ------------------------------------------------------------------------------------- */

/* match.c */
struct incoming {
    int64_t lots;          /* left, > 0 */
    int64_t limit_ticks;   /* 0 = market */
    int32_t owner;
    bool buys;
    bool skip_house;       /* meets orders of the account only */
};
void match_run(struct exchange *exchange, uint16_t market, struct incoming *incoming);
/* Works brackets, stop orders and closing market orders until nothing moves. */
void match_settle(struct exchange *exchange, uint16_t market);
/* Takes an order off the open list and tells how it ended. */
void match_end(struct exchange *exchange, uint32_t order, enum order_state state, const char *text);
void match_print(struct exchange *exchange, uint16_t market, int64_t price, int64_t lots, bool buys);

/* market.c */
void market_begin(struct exchange *exchange, uint16_t market);
void market_move(struct exchange *exchange, uint16_t market, int64_t now_ns);
bool market_close_bar(struct exchange *exchange, uint16_t market, int64_t now_ns);
void market_tell_quote(struct exchange *exchange, uint16_t market);
/* House quotes around a price. */
void market_show(struct exchange *exchange, uint16_t market, int64_t bid_ticks, int64_t ask_ticks);

/* replay_bars.c */
int replay_bars_open(struct exchange *exchange, uint16_t market, const char *path, struct error *error);
void replay_bars_close(struct replay_bars *replay);
void replay_bars_begin(struct exchange *exchange, uint16_t market);
void replay_bars_move(struct exchange *exchange, uint16_t market, int64_t now_ns);
bool replay_bars_bar(struct exchange *exchange, uint16_t market, int64_t now_ns);

/* replay_ticks.c */
struct replay_ticks_statistics {
    uint64_t lines, depths, depths_applied, depths_old, trades, tickers;
    uint64_t tickers_compared, tickers_differing; /* best price told for exactly the update the book stands at */
    uint64_t sequence_gaps, crossed, bad_lines;
    bool has_snapshot;
};
bool replay_ticks_recognise(const char *path);
int replay_ticks_open(struct exchange *exchange, uint16_t market, const char *path, struct error *error);
void replay_ticks_close(struct replay_ticks *replay);
void replay_ticks_begin(struct exchange *exchange, uint16_t market);
void replay_ticks_move(struct exchange *exchange, uint16_t market, int64_t now_ns);
const struct replay_ticks_statistics *replay_ticks_statistics(const struct replay_ticks *replay);

#endif
