/*
 * bodies.h - what each kind of record says, as little-endian structs without padding, and how they are made and read.
 * These bytes are on disk and under hashes: a field is never removed or moved; new ones go to the end.
 */
#ifndef LEDGER_BODIES_H
#define LEDGER_BODIES_H

#include <string.h>

#include "base/base.h"
#include "ledger/record.h"

enum body_wish_outcome { BODY_WISH_DECISION = 1, BODY_WISH_AMENDMENT = 2, BODY_WISH_REFUSED = 3, BODY_WISH_MALFORMED = 4 };

struct body_wish {
    uint64_t wish_id;
    int64_t target_lots, worst_ticks, stop_ticks, target_ticks, ttl_ns;
    int64_t confidence_ppm, expected_r_ppm, probability_lb_ppm;
    uint64_t trigger_id;
    int32_t reason;      /* enum reason when refused */
    uint32_t outcome;    /* enum body_wish_outcome */
    char tag[TAG_MAX_BYTES];
    char text[REASON_MAX_BYTES];
};

struct body_verdict {
    uint64_t wish_id;
    int64_t asked_lots, allowed_lots, value, limit;
    int32_t reason, rule;
    uint32_t purpose, reserved;
};

struct body_order {
    uint64_t order_id, wish_id, verdict_id;
    int64_t lots, limit_ticks, mark_ticks, stop_ticks, target_ticks, created_ns, expires_ns;
    int32_t reason;
    uint32_t purpose;
    char client_id[NAME_MAX_BYTES];
};

struct body_step {
    uint64_t order_id;
    int64_t filled_lots;
    int32_t reason;
    uint32_t state;
};

struct body_fill {
    uint64_t fill_id, order_id, wish_id;
    int64_t lots, price_ticks, fee_e8, realised_e8, time_ns;
    int32_t reason;
    uint32_t purpose;
    uint64_t maker;
    char venue_fill_id[NAME_MAX_BYTES * 2];
};

struct body_trade {
    uint64_t number, wish_id;
    int64_t lots, opened_ns, closed_ns, entry_ticks, exit_ticks, realised_e8, fees_e8, mae_e8, mfe_e8;
    int32_t reason;
    uint32_t purpose;
    uint64_t is_long;
};

enum body_slot_event { BODY_SLOT_STARTED = 1, BODY_SLOT_DIED = 2, BODY_SLOT_GAP = 3 };

struct body_slot {
    int32_t reason;
    uint32_t event;      /* enum body_slot_event */
    uint64_t turns, gaps;
    char name[NAME_MAX_BYTES];
    char strategy_hash[72];
    char text[200];
};

struct body_trading {
    uint32_t state, kill_switch;
    int32_t reason;
    uint32_t reserved;
    char text[REASON_MAX_BYTES];
};

struct body_protect {
    int64_t stop_ticks, target_ticks;
};

/* The account (record.position all ones) or one position. */
struct body_book {
    int64_t cash_e8, deposits_e8, realised_e8, fees_e8, equity_e8, equity_peak_e8, day_start_equity_e8, day, drawdown_worst_ppm;
    int64_t lots, cost_e8, mark_ticks, value_e8;
    uint64_t trades_closed;
    char tag[TAG_MAX_BYTES];
};

struct body_note {
    uint32_t kind;       /* enum wire_log_kind */
    int32_t level;
    double value;
    char name[NAME_MAX_BYTES];
    char text[160];
};

struct body_run {
    char mode[16];
    char policy_hash[72];
    char venue[NAME_MAX_BYTES];
    char instance[16];
    char instruments_hash[72]; /* of the `instruments` that records name by index */
    int64_t cash_e8;
    uint64_t agents, instruments, candidates;
};

struct body_venue {
    uint32_t event;      /* enum venue_report_kind, or 100 = books agree, 101 = they differ */
    uint32_t reserved;
    int64_t ours_lots, theirs_lots;
    char text[96];
};

struct body_state {
    uint64_t size, schema;
    char hash[72];
};

struct body_operator {
    char command[32];
    char text[160];
};

/* Starts a record: head filled, body copied. `agent` of a record is its account and the agent's index in it. 0xffff / all ones where there is no agent, instrument or position. */
#define RECORD_NO_INDEX 0xffffu
#define RECORD_NO_POSITION UINT64_MAX
#define RECORD_NO_AGENT 0xffu
static inline uint16_t record_agent(uint32_t account, uint32_t agent) { return (uint16_t)(account << 8 | agent); }
static inline uint16_t record_account_of(const struct record *r) { return (uint16_t)(r->agent >> 8); }
static inline uint16_t record_agent_of(const struct record *r) { return r->agent & 0xffu; }
static inline void record_fill(struct record *r, enum record_kind kind, int64_t time_ns, const void *body, size_t size) {
    r->kind = (uint16_t)kind;
    r->agent = RECORD_NO_INDEX;
    r->instrument = RECORD_NO_INDEX;
    r->body_size = (uint16_t)size;
    r->time_ns = time_ns;
    r->id = 0;
    r->parent = 0;
    r->position = RECORD_NO_POSITION;
    memcpy(r->body, body, size);
}

/* The body when the record has this kind and size, else NULL. */
const void *record_body(const struct record *record, enum record_kind kind, size_t size);

/* One line for people: "FILL buy 3 lots at 24351.25 ticks ..."; needs no instrument table. */
void record_print(const struct record *record, char *to, size_t size);

/* Only what decides is hashed: not RUN, STATE, VENUE, NOTE and OPERATOR, which name binaries, machines and people. */
static inline bool record_is_hashed(int kind) {
    return kind != RECORD_RUN && kind != RECORD_STATE && kind != RECORD_VENUE && kind != RECORD_NOTE && kind != RECORD_OPERATOR;
}

#endif
