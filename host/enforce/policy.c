/*
 * policy.c - the files a human signs: schema tables, and where each file is found.
 *
 * Guarantees: what is in force has one hash (comments and spelling do not change it), and every limit knows the file and
 * line it came from. It decides nothing.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enforce/enforce.h"

#define RISK struct risk_policy
#define E8_MAX (INT64_MAX / 4)
const struct config_key risk_keys[] = {
    CONFIG_BOOL(RISK, market_entry, "entries.market", "true", "an entry may come without a worst price"),
    CONFIG_BOOL(RISK, long_only, "entries.long_only", "false", "refuse short positions"),
    CONFIG_CHOICE(RISK, oversize, "entries.oversize", "refuse|shrink", "refuse", "what happens to an order above a size limit"),
    CONFIG_DURATION(RISK, ttl_ns, "entries.ttl", 0, 365 * 86400 * NS_PER_S, "0s", "lifetime of an unfilled order that names none; 0s = none"),
    CONFIG_INT(RISK, modifications_max, "entries.modifications_max", "changes", 0, 1000000, "20", "amendments of one wish"),
    CONFIG_INT(RISK, orders_max, "entries.orders_max", "orders", 1, ORDERS_MAX, "64", "open orders of the account"),
    CONFIG_E8(RISK, risk_per_trade_max_e8, "trade.risk_max", "money", 0, E8_MAX, "0", "largest loss at the stop of one order; 0 = none"),
    CONFIG_E8(RISK, trade_notional_max_e8, "trade.notional_max", "money", 0, E8_MAX, "0", "largest value of one order; 0 = none"),
    CONFIG_PERCENT(RISK, trade_fraction_max_ppm, "trade.fraction_max", 0, INT64_C(1000000000), "10%", "largest value of one order, of the agent's equity; 0% = none"),
    CONFIG_DURATION(RISK, hold_max_ns, "position.hold_max", 0, 3650 * 86400 * NS_PER_S, "0s", "longest time a position is held; 0s = none"),
    CONFIG_INT(RISK, positions_max, "position.count_max", "positions", 1, POSITIONS_MAX, "5", "positions open or ordered at once"),
    CONFIG_E8(RISK, position_notional_max_e8, "position.notional_max", "money", 0, E8_MAX, "0", "largest value of one instrument; 0 = none"),
    CONFIG_PERCENT(RISK, position_fraction_max_ppm, "position.fraction_max", 0, INT64_C(1000000000), "25%", "largest value of one instrument, of the agent's equity; 0% = none"),
    CONFIG_E8(RISK, daily_loss_max_e8, "loss.daily_max", "money", 0, E8_MAX, "0", "entries stop for the day after this loss; 0 = none"),
    CONFIG_PERCENT(RISK, daily_loss_fraction_max_ppm, "loss.daily_fraction_max", 0, 1000000, "10%", "the same, of the day's first equity; 0% = none"),
    CONFIG_PERCENT(RISK, drawdown_max_ppm, "loss.drawdown_max", 0, 1000000, "40%", "entries stop at this fall from the highest equity; 0% = none"),
    CONFIG_DURATION(RISK, day_start_ns, "loss.day_start", 0, 86399 * NS_PER_S, "0s", "UTC time of day at which a trading day begins"),
    CONFIG_DURATION(RISK, data_age_max_ns, "data.age_max", 0, 3650 * 86400 * NS_PER_S, "120s", "entries need market data younger than this, or than two bars where that is longer"),
};
const size_t risk_key_count = sizeof(risk_keys) / sizeof(risk_keys[0]);

#define HOST struct host_policy
const struct config_key host_keys[] = {
    CONFIG_DURATION(HOST, active_deadline_ns, "slots.active_deadline", NS_PER_MS, NS_PER_S, "10ms", "an active strategy that takes longer is killed"),
    CONFIG_DURATION(HOST, candidate_deadline_ns, "slots.candidate_deadline", NS_PER_MS, 10 * NS_PER_S, "50ms", "a candidate that takes longer is killed"),
    CONFIG_DURATION(HOST, start_deadline_ns, "slots.start_deadline", 10 * NS_PER_MS, 60 * NS_PER_S, "1s", "a strategy that is not ready by then is refused"),
    CONFIG_INT(HOST, save_every_turns, "slots.save_every_turns", "turns", 0, 1000000000, "1000", "how often a strategy's state is asked for; 0 = only at the end"),
    CONFIG_DURATION(HOST, intent_age_max_ns, "orders.intent_age_max", NS_PER_MS, 10 * NS_PER_S, "50ms", "an entry that was not durable by then is cancelled"),
    CONFIG_DURATION(HOST, turn_min_interval_ns, "turns.min_interval", 0, 60 * NS_PER_S, "100ms", "turns by quotes and trades come no faster"),
    CONFIG_INT(HOST, journal_reserve_bytes, "journal.reserve_bytes", "bytes", 0, INT64_C(1) << 32, "16777216", "kept free on the disk for exits"),
};
const size_t host_key_count = sizeof(host_keys) / sizeof(host_keys[0]);

_Static_assert(sizeof(risk_keys) / sizeof(risk_keys[0]) <= 64, "policy.risk_origins is too small");

/* The file in `dir`, else in `fallback`. */
static int file_find(char *to, size_t size, const char *dir, const char *fallback, const char *name, struct error *error) {
    if (dir) {
        snprintf(to, size, "%s/%s", dir, name);
        if (access(to, R_OK) == 0) {
            return 0;
        }
    }
    if (fallback) {
        snprintf(to, size, "%s/%s", fallback, name);
        if (access(to, R_OK) == 0) {
            return 0;
        }
    }
    return error_set(error, ERROR_NOT_FOUND, "%s: no such policy file in %s%s%s", name, dir ? dir : "", dir && fallback ? " or " : "",
                     fallback ? fallback : "");
}

int policy_read(struct policy *policy, const char *dir, const char *fallback, struct error *error) {
    memset(policy, 0, sizeof(*policy));
    policy->generation = 1;
    if (dir && access(dir, R_OK | X_OK) != 0) {
        return error_set_errno(error, "policy directory %s", dir);
    }
    int code = file_find(policy->risk_path, sizeof(policy->risk_path), dir, fallback, "risk.yaml", error);
    code = code ? code : file_find(policy->host_path, sizeof(policy->host_path), dir, fallback, "host.yaml", error);
    code = code ? code : file_find(policy->instruments_path, sizeof(policy->instruments_path), dir, fallback, "instruments.yaml", error);
    code = code ? code : file_find(policy->imports_path, sizeof(policy->imports_path), dir, fallback, "imports.allow", error);
    unsigned char hashes[2 * HASH_BYTES];
    code = code ? code : config_read(policy->risk_path, risk_keys, risk_key_count, &policy->risk, policy->risk_origins, hashes, error);
    code = code ? code : config_read(policy->host_path, host_keys, host_key_count, &policy->host, NULL, hashes + HASH_BYTES, error);
    if (code) {
        return code;
    }
    hash_bytes(hashes, sizeof(hashes), policy->hash);
    hash_print(policy->hash, policy->hash_text);
    return 0;
}

/* The smaller of two limits where 0 means none. */
static int64_t stricter(int64_t a, int64_t b) { return a == 0 ? b : b == 0 ? a : a < b ? a : b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

void risk_tighten(struct risk_policy *now, const struct risk_policy *wished) {
    now->market_entry = now->market_entry && wished->market_entry;
    now->long_only = now->long_only || wished->long_only;
    now->positions_max = smaller(now->positions_max, wished->positions_max);
    now->orders_max = smaller(now->orders_max, wished->orders_max);
    now->modifications_max = smaller(now->modifications_max, wished->modifications_max);
    now->data_age_max_ns = smaller(now->data_age_max_ns, wished->data_age_max_ns);
    now->position_notional_max_e8 = stricter(now->position_notional_max_e8, wished->position_notional_max_e8);
    now->position_fraction_max_ppm = stricter(now->position_fraction_max_ppm, wished->position_fraction_max_ppm);
    now->trade_notional_max_e8 = stricter(now->trade_notional_max_e8, wished->trade_notional_max_e8);
    now->trade_fraction_max_ppm = stricter(now->trade_fraction_max_ppm, wished->trade_fraction_max_ppm);
    now->risk_per_trade_max_e8 = stricter(now->risk_per_trade_max_e8, wished->risk_per_trade_max_e8);
    now->daily_loss_max_e8 = stricter(now->daily_loss_max_e8, wished->daily_loss_max_e8);
    now->daily_loss_fraction_max_ppm = stricter(now->daily_loss_fraction_max_ppm, wished->daily_loss_fraction_max_ppm);
    now->drawdown_max_ppm = stricter(now->drawdown_max_ppm, wished->drawdown_max_ppm);
    now->hold_max_ns = stricter(now->hold_max_ns, wished->hold_max_ns);
    now->ttl_ns = stricter(now->ttl_ns, wished->ttl_ns);
}
