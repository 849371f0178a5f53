/*
 * enforce.h - signals -> approved orders: the policy a human signs, and the gate: an ordered table of pure functions.
 *
 * A rule gets the proposal and the facts and allows, shrinks or refuses with a reason code and the number that broke it.
 * The order is fixed (see gate.c). Exits that reduce risk pass every rule that exists to stop new risk.
 */
#ifndef ENFORCE_ENFORCE_H
#define ENFORCE_ENFORCE_H

#include "base/base.h"
#include "base/config.h"

enum trading_state { TRADING_ACTIVE = 0, TRADING_REDUCING = 1, TRADING_HALTED = 2 };
enum oversize { OVERSIZE_REFUSE = 0, OVERSIZE_SHRINK = 1 };

/* risk.yaml. Fractions in ppm, money in 1e-8; 0 = no limit where the schema says so. */
struct risk_policy {
    bool market_entry, long_only;
    int32_t oversize;                  /* enum oversize: what happens to an order above a size limit */
    int64_t positions_max;
    int64_t position_notional_max_e8, position_fraction_max_ppm;
    int64_t trade_notional_max_e8, trade_fraction_max_ppm;
    int64_t risk_per_trade_max_e8;
    int64_t daily_loss_max_e8, daily_loss_fraction_max_ppm;
    int64_t drawdown_max_ppm;
    int64_t orders_max;
    int64_t data_age_max_ns;
    int64_t day_start_ns;              /* UTC time of day at which a trading day begins */
    int64_t ttl_ns;                    /* of entries that do not say */
    int64_t modifications_max;         /* of one wish */
    int64_t hold_max_ns;               /* 0 = none */
};

/* host.yaml. */
struct host_policy {
    int64_t active_deadline_ns, candidate_deadline_ns, start_deadline_ns;
    int64_t intent_age_max_ns;
    int64_t save_every_turns;
    int64_t turn_min_interval_ns;
    int64_t journal_reserve_bytes;
};

/* Everything that was read, with hashes and the places the values came from. */
struct policy {
    struct risk_policy risk;
    struct host_policy host;
    char risk_path[1024], host_path[1024], instruments_path[1024], imports_path[1024];
    unsigned char hash[HASH_BYTES];    /* over the canonical forms of all */
    char hash_text[HASH_TEXT_BYTES];
    uint64_t generation;
    struct config_origin risk_origins[64];
};

/*
 * Reads DIR/risk.yaml, host.yaml, instruments.yaml; a file that DIR lacks comes from `fallback_dir` (the shipped policy).
 * `dir` NULL = fallback only.
 */
int policy_read(struct policy *policy, const char *dir, const char *fallback_dir, struct error *error);
/* Applies a newly read policy to a running host: every limit may become stricter, none looser. */
void risk_tighten(struct risk_policy *now, const struct risk_policy *wished);
extern const struct config_key risk_keys[];
extern const size_t risk_key_count;
extern const struct config_key host_keys[];
extern const size_t host_key_count;

/* What the gate may look at. Pure data: the same facts give the same verdict. */
struct gate_facts {
    const struct risk_policy *risk;
    const struct book *book;
    const struct instrument *instruments;
    const struct order *orders;        /* open orders of the account, UNKNOWN ones included */
    uint32_t order_count;
    int64_t now_ns, mono_ns;           /* engine time; monotonic time of the run loop */
    int64_t data_ns;                   /* time of the newest market data of the instrument, 0 = none */
    int64_t data_age_max_ns;           /* for this feed: the policy's or two bars, whichever is longer */
    int64_t price_ticks;               /* last price, 0 = none */
    uint8_t trading_state;             /* enum trading_state */
    bool kill_switch;
};

/* One rule of the table. */
struct gate_rule {
    const char *name;                  /* as `gates` shows it */
    bool exits;                        /* also asked for exits */
    const char *unit;                  /* of value and limit: "e8", "ppm", "ns", "ticks", "count", "" */
    /* REASON_NONE or a refusal; may lower *lots (same sign). value and limit are filled for a refusal. */
    int (*ask)(const struct gate_facts *facts, const struct proposal *proposal, int64_t *lots, int64_t *value, int64_t *limit);
};
extern const struct gate_rule gate_rules[];
extern const uint32_t gate_rule_count;

/* Asks every rule in order; the first refusal decides. */
void gate_apply(const struct gate_facts *facts, const struct proposal *proposal, struct verdict *verdict);

/* Before an order leaves: kill switch, trading state, freshness and the age of the intent, again. */
int gate_recheck(const struct gate_facts *facts, const struct order *order, int64_t intent_age_max_ns);

#endif
