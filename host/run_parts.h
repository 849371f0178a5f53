/* run_parts.h - the running host from inside: shared by run.c (the loop), run_open.c (building) and run_events.c. */
#ifndef RUN_PARTS_H
#define RUN_PARTS_H

#include "run.h"
#include "tape_event.h"

#define RUN_EVENTS_MAX 8192

/* Losing one record would make the later ones of its account unreadable for a fold, so after a loss nothing of its kind is
 * taken until the next start. */
enum lost { LOST_NOTHING = 0, LOST_ORDINARY, LOST_ALL };

/* A venue plug-in as loaded. */
struct run_module {
    char name[NAME_MAX_BYTES];
    const char *options;
    bool is_feed;                 /* brings the market */
    void *library;
    const struct venue_vtable *vtable;
    struct venue *venue;
};

struct run {
    struct setup *setup;
    struct run_options options;
    struct run_summary *summary;
    struct arena arena;
    struct engine *engine;
    struct market_options market_options;
    struct shared_memory market;
    struct slot slots[AGENTS_MAX];
    struct venue *candidate_venues[AGENTS_MAX];
    struct engine_account_context contexts[ACCOUNTS_MAX];
    struct run_module venue, feed;
    /* the venue as the engine sees it: every call goes through here, so that the tape knows what was told inside one */
    struct venue_vtable proxy;
    uint64_t venue_calls;         /* made so far */
    int venue_depth;
    struct journal *journal;
    struct tape *tape;
    bool tape_failed;
    struct sink sink;
    struct durable_token last_token;
    uint64_t journal_at;
    struct risk_policy risk;      /* in force: may be tightened while running */
    char instance[16];
    char state_hash[AGENTS_MAX][HASH_TEXT_BYTES];
    uint64_t state_schema[AGENTS_MAX];
    unsigned char *state_bytes;   /* AGENT_STATE_MAX, for saving and loading */
    /* market events wait here until the venue's poll has returned */
    uint32_t event_count;
    struct venue_market *events;
    /* the bars of the turn being collected */
    struct bar_turn turn;
    struct bar bars[INSTRUMENTS_MAX];
    /* data files as feed */
    struct feed file_feed;
    int64_t next_file_ns;
    int64_t feed_lag_ns;          /* wall time less the time of the newest event when it came */
    int signal_fd;
    int64_t started_ns, saved_turns, quote_turn_ns;
    bool lockstep;                /* an unpaced feed: the next turn waits for commits and candidates */
    bool journal_failed, journal_behind, ending;
    uint8_t lost[ACCOUNTS_MAX];   /* enum lost: what of an account's records is not taken any more */
    bool recovering;              /* the market waits */
    int64_t asked_ns;             /* the venue, again, for what it has not told */
    int watch_fd;
};

/* run_open.c */
int run_open(struct run *run, struct error *error);
void run_close(struct run *run);

/* run_events.c */
void run_market(void *context, const struct venue_market *event); /* venue_host.market: queues */
void run_report(void *context, const struct venue_report *report); /* venue_host.report of account 0 */
/* One market event into the engine; `turn` and `bars` collect a turn's bars. Returns the bars of a turn that it ended. */
uint32_t run_market_apply(struct engine *engine, const struct host_policy *host, struct bar_turn *turn, struct bar *bars,
                          int64_t *quote_turn_ns, const struct venue_market *event);
/* What was told since is applied now; the tape knows where, for two polls are not one. */
void run_reports(struct run *run);
void run_slot(void *context, uint32_t seat, int outcome);
void run_drain(struct run *run);                                   /* queued market events reach the engine */
void run_file_turn(struct run *run);                               /* the next turn of the data files */
void run_tape(struct run *run, enum tape_kind kind, const void *bytes, size_t size);
void run_tape_start(struct run *run);
/* A record of the loop's own: on the tape as well, so that a replay's ids stay in step. */
void run_record(struct run *run, struct record *record);
void run_trading(struct run *run, enum trading_state state, bool kill, int reason, const char *text);
void run_proxy(struct run *run);
void run_states_save(struct run *run);

/* What run_open gives and replay needs as well. */
int run_module_open(struct run_module *module, const char *spec, struct error *error);
void run_state_path(const char *home, const char *hash, char *to, size_t size);

#endif
