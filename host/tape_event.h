/*
 * tape_event.h - what the frames of a run's tape say (see ledger/tape.h for the file itself): canonical structs without
 * padding, written by run.c and read by replay.c.
 */
#ifndef TAPE_EVENT_H
#define TAPE_EVENT_H

#include "backtest.h"
#include "venue.h"

/* TAPE_START comes as one head, then one frame per instrument and agent; `part` says which. */
enum tape_part { TAPE_PART_HEAD = 1, TAPE_PART_INSTRUMENT = 2, TAPE_PART_AGENT = 3 };

struct tape_head {
    uint32_t part, mode;
    uint32_t instrument_count, agent_count;
    uint64_t journal_at;         /* last journal sequence before this run: the state at start is its fold */
    int64_t cash_e8, timeframe_ns, start_ns;
    uint32_t venue_flags, clear_halt;
    char instance[16];
    char policy_hash[72];
    struct risk_policy risk;
    struct host_policy host;
};

struct tape_instrument {
    uint32_t part, index;
    struct instrument instrument;
};

struct tape_agent {
    uint32_t part, index;
    uint32_t candidate, param_count;
    uint64_t seed;
    char name[NAME_MAX_BYTES];
    char path[1024];
    char strategy_hash[72];
    char state_hash[72];         /* loaded at start, "" = cold */
    uint64_t state_schema;
    struct agent_param params[AGENT_PARAMS_MAX];
};

struct tape_market {
    uint32_t kind, instrument;
    uint64_t after_gap;
    int64_t time_ns;
    struct bar bar;
    struct quote quote;
    int64_t trade_ticks, trade_size_e8;
};

struct tape_durable {
    uint64_t through, full;
};

struct tape_report {
    uint64_t inside;             /* number of the host's call to the venue within which it was told; 0 = by itself */
    struct venue_report report;
};

/* Head of a TAPE_SLOT frame; `count` wishes follow. */
struct tape_slot {
    uint32_t seat;
    int32_t outcome;             /* 1 answered, -1 died */
    int32_t reason;              /* of the death */
    int32_t count;
    uint64_t sequence;
    char text[64];
};

/* TAPE_TIMER: the loop's own doing. */
enum tape_own { TAPE_OWN_RECOVER = 1, TAPE_OWN_ASK = 2, TAPE_OWN_TIME = 3, TAPE_OWN_DOUBT = 4, TAPE_OWN_REPORTS = 5 };

struct tape_own_event {
    uint64_t what;
    int64_t now_ns;              /* TIME: engine time moves here, for the feed is silent */
};

struct tape_operator {
    uint32_t state, kill_switch;
    int32_t reason;
    uint32_t flatten;
    char text[96];
};

void tape_market_encode(const struct venue_market *event, struct tape_market *out);
void tape_market_decode(const struct tape_market *frame, struct venue_market *out);

#endif
