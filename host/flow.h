/*
 * flow.h - one turn of the sentence: market data -> snapshot -> slot -> signals -> gate -> order router -> venue -> fills ->
 * portfolio -> journal. A state machine over events; clock, feed and venue are given to it, so a test drives it by hand.
 *
 * The same engine runs backtests, dry-runs, paper, live, candidates and replays. It reads no clock, no file and no
 * environment, and allocates nothing after engine_seal().
 */
#ifndef FLOW_H
#define FLOW_H

#include "data/data.h"
#include "decide/decide.h"
#include "enforce/enforce.h"
#include "execute/execute.h"
#include "ledger/ledger.h"

#define ACCOUNTS_MAX 17       /* the real one and a paper one for each candidate */
#define REPORTS_MAX 4096      /* venue reports between two looks */
#define REASONS_SEEN 1024     /* counters by reason number */
#define FILL_IDS_MAX 65536    /* places for venue fill ids, in two halves; a power of two */
#define ORDERS_ENDED_MAX 128  /* ended orders remembered for fills that come late */

/* A book with its orders and its venue. Account 0 is the one that counts; candidates trade on papers of their own. */
struct account {
    uint16_t index;
    char name[NAME_MAX_BYTES];       /* "" = the real one, else the candidate's */
    bool link_down;
    bool comparing;                  /* asked the venue for its positions, the answer is not complete, or not conclusive */
    bool compared;                   /* they have agreed, or halted trading, since the start */
    uint8_t differed;                /* comparisons in a row that an order on its way may explain */
    const struct venue_vtable *vtable;
    struct venue *venue;
    struct matcher *matcher;         /* of the venue when that is match_venue: bars need no call while it is idle */
    struct order_table orders;
    uint32_t protects;               /* positions whose new stop waits for its record to be durable */
    uint64_t protect_intent[POSITIONS_MAX]; /* sequence of that PROTECT record, 0 = none waits */
    bool replan[POSITIONS_MAX];      /* the position waits for its old orders to end */
    int32_t closing[POSITIONS_MAX];  /* the same, to be closed by the host for this reason */
    uint64_t ended_count;
    struct order ended[ORDERS_ENDED_MAX]; /* the last ones, round robin */
    struct wish wishes[POSITIONS_MAX];
    struct book book;
    struct seat_view view;           /* what its agents' pages are made of; orders and limits are set when one is made */
    uint64_t fill_ids[2][FILL_IDS_MAX / 2]; /* hashes of venue fill ids already applied: the newer and the older ones */
    uint64_t fill_id_count;          /* in the newer half */
    uint32_t fill_ids_newer;
    int64_t peak_told_e8;            /* the highest equity in a BOOK record */
    int64_t last_fill_ns;
    int64_t theirs[INSTRUMENTS_MAX]; /* net lots as the venue tells them */
};

struct engine_options {
    const struct instrument *instruments;
    uint32_t instrument_count;
    const struct risk_policy *risk;
    const struct host_policy *host;
    struct sink *sink;
    struct runfile *runfile;         /* whose result hash takes the bar times; NULL = none */
    const char *instance;            /* client order ids start with it; "bt" in backtests */
    int64_t timeframe_ns;            /* of the feed */
    bool deadlines;                  /* run modes: late slots are killed; else a 10 s watchdog that fails the run */
    int64_t start_ns;                /* engine time before the first event */
    int64_t (*clock_ns)(void);       /* monotonic, for latencies only; NULL = not measured */
    bool ticks;                      /* set by engine_open: the market memory keeps trades */
    bool marks_journaled;            /* write BOOK records when the peak moved (run modes) */
};

struct engine {
    struct engine_options options;
    struct market market;
    uint32_t seat_count, account_count, candidate_count;
    struct seat *seats;              /* AGENTS_MAX */
    struct account *accounts[ACCOUNTS_MAX];
    struct account *folded[ACCOUNTS_MAX]; /* whose the journal's account numbers are at this point of the fold; NULL = nobody's here */
    int64_t now_ns, next_day_ns;
    int64_t mono_ns;                 /* set by a run loop before each event: ages of intents; 0 in backtests */
    int64_t prices[INSTRUMENTS_MAX], data_ns[INSTRUMENTS_MAX];
    uint64_t next_record, next_order, next_fill, next_trade;
    uint64_t turns, wishes, orders, fills;
    uint64_t refusals[REASONS_SEEN];
    uint64_t limits_generation;
    uint8_t trading_state;
    bool kill_switch;
    bool adopted;                    /* a fill of nobody's order came: judged when all reports are applied */
    bool failed;                     /* an invariant broke or a watchdog fired: the run is worth nothing */
    struct error failure;
    uint32_t report_head, report_count;
    struct {
        uint16_t account;
        struct venue_report report;
    } reports[REPORTS_MAX];
    /* what a backtest does while it waits for the first answer */
    void (*idle)(void *context);
    void *idle_context;
    /* told of every closed trade and of every turn's end, for reports; may be NULL */
    void (*on_trade)(void *context, uint16_t account, const struct trade *trade);
    void *on_trade_context;
    /* told of every answer, gap and death of a slot, for the tape; may be NULL */
    void (*on_slot)(void *context, uint32_t seat, int outcome);
    void *on_slot_context;
    struct histogram gate_ns, decision_ns;
};

/* Bytes for an arena that takes one engine with its accounts. */
size_t engine_bytes(uint32_t accounts);
/* NULL when the arena is too small. `market_memory` is market_size() zeroed bytes, owned by the caller. */
struct engine *engine_open(struct arena *arena, const struct engine_options *options, const struct market_options *market,
                           void *market_memory, struct error *error);

/* Adds an account; `vtable` is opened by the caller with engine_venue_host() as its host. Returns its index. */
int engine_account_add(struct engine *engine, struct arena *arena, const char *name, int64_t deposits_e8, struct error *error);
void engine_account_venue(struct engine *engine, uint16_t account, const struct venue_vtable *vtable, struct venue *venue);
/* The context for venue_host.report: fits one account. */
struct engine_account_context {
    struct engine *engine;
    uint16_t account;
};
void engine_report(void *account_context, const struct venue_report *report);

/* Adds an agent; link and memories are the caller's. Returns the seat index. */
struct engine_seat {
    const char *name;
    bool active;
    uint16_t account;
    int64_t budget_e8;
    const struct agent_needs *needs;
    uint32_t state_max, state_schema;
    struct seat_link link;
    struct wire_private *private_memory;
    const struct wire_reply *reply;
};
int engine_seat_add(struct engine *engine, const struct engine_seat *seat, struct error *error);

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

/* Closed bars of one close time: a whole turn. `converted` (may be NULL) are the same bars as slots see them. */
void engine_bars(struct engine *engine, const struct bar_turn *turn, const struct agent_bar *converted);
/* A quote or trade: moves prices and protection; starts a turn for agents that asked for it when `start_turn`. */
void engine_quote(struct engine *engine, uint16_t instrument, const struct quote *quote, bool start_turn);
/* A trade print, for venues that fill from the market and for agents that asked for it when `start_turn`. */
void engine_trade(struct engine *engine, uint16_t instrument, int64_t price_ticks, int64_t size_e8, int64_t time_ns,
                  bool start_turn);
/* A commit is done: what it covers may leave. */
void engine_durable(struct engine *engine, const struct durable_token *token);
/* Intents that the journal gave up (`lost` says which): entries are cancelled. */
void engine_lost(struct engine *engine, bool (*lost)(void *context, uint64_t sequence), void *context);
/* What engine_report queued is applied. Called by the loop after every poll of a venue. */
void engine_reports(struct engine *engine);
/* Time passed: lifetimes, maximum holds, late candidates. */
void engine_timer(struct engine *engine, int64_t now_ns);
/* Candidates that were rung after the orders left: collects those that have answered by now. */
void engine_candidates(struct engine *engine);
/* A candidate that is over its deadline: its slot is ended. */
void engine_late(struct engine *engine, uint32_t seat);
/* One candidate, waiting for it: replays, where the tape says when an answer was taken. */
void engine_candidate(struct engine *engine, uint32_t seat, int64_t timeout_ns);
/* Trading state and kill switch; journaled. `text` says who or what. */
void engine_trading(struct engine *engine, enum trading_state state, bool kill_switch, int reason, const char *text);
/* Closes every position of account 0 at the market and cancels entries. */
void engine_flatten(struct engine *engine, const char *text);
/* Tightened limits reach gate and agents. */
void engine_limits(struct engine *engine, const struct risk_policy *risk);

/* One record of an earlier run: the state is the fold of all of them. After the accounts, before the seats. Records of a
 * candidate that is not the account's any more are left out. */
int engine_fold(struct engine *engine, uint64_t sequence, const struct record *record, struct error *error);
/* Whose a record is at this point of the fold: candidates are known by name, their place at the table may change from run to run.
 * NULL = a candidate's that is no longer here. */
struct account *engine_folded(const struct engine *engine, const struct record *record);
/* After the fold and before a venue is opened, which may tell fills at once: every open order may have left, so it is UNKNOWN. */
void engine_doubt(struct engine *engine);
/* After the fold and before the first event: orders that may have left are UNKNOWN and queried, fills are asked for again. */
void engine_recover(struct engine *engine);
/* False while an order's fate is still to be told, or positions have not been compared: a start has to wait. */
bool engine_orders_known(const struct engine *engine);
/* True when nothing but the first comparison is missing: the venue has not been there yet, and no order is in doubt. */
bool engine_orders_settled(const struct engine *engine);
/* Asks again for what is still to be told, where the link is up: an answer may have been lost. */
void engine_ask(struct engine *engine);

/* Writes the final book into the records. */
void engine_finish(struct engine *engine);

/* The reason why there were no trades; REASON_NONE when there were. */
int engine_no_trade_reason(const struct engine *engine);

/* Appends a record (sequence in its id when that is 0 and `own_id`). For run loops: RUN, STATE, OPERATOR records. */
uint64_t engine_record(struct engine *engine, struct record *record, bool urgent);

#endif
