/*
 * gate.c - the ordered table of rules. First the whole, then the parts:
 *
 *   1. kill switch        2. trading state        3. constitution: a stop, on the right side; a target on its side; market
 *   entries, short positions, risk per trade      4. data present and fresh       5. orders and positions: count, sizes,
 *   opposite side, minimums, buying power         6. daily loss, drawdown
 *
 * Guarantees: the order is the order of the table and a test holds it; a rule reads facts and nothing else; worst case means
 * position + every open, sent or UNKNOWN order, so an order whose fate is unknown keeps using up limits; overflow refuses.
 * An exit (it must reduce the position it names) is asked only by rules that do not exist to stop new risk.
 */
#include "enforce/enforce.h"

#include <string.h>

#include "data/data.h"

static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

static const struct instrument *instrument_of(const struct gate_facts *f, const struct proposal *p) {
    return &f->instruments[p->instrument];
}

/* The price an order is asked for: its limit, or the last price for market orders. */
static int64_t price_of(const struct gate_facts *f, const struct proposal *p) { return p->worst_ticks != 0 ? p->worst_ticks : f->price_ticks; }

/* The price an order's size is valued at, worst case: a buy fills at its limit or below; a sell fills at its limit or above,
 * so a low one says nothing and the last price stands in. */
static int64_t value_price(int64_t limit_ticks, int64_t last_ticks, int64_t lots) {
    return limit_ticks == 0 || (lots < 0 && last_ticks > limit_ticks) ? last_ticks : limit_ticks;
}
static int64_t value_price_of(const struct gate_facts *f, const struct proposal *p) { return value_price(p->worst_ticks, f->price_ticks, p->lots); }

/* |value| of lots at a price; INT64_MAX when it cannot be computed, which no limit allows. */
static int64_t notional(const struct instrument *i, int64_t ticks, int64_t lots) {
    int64_t value;
    return instrument_value(i, ticks, abs64(lots), &value) ? INT64_MAX : value;
}

/* Money that holding `lots` ties up. */
static int64_t requirement(const struct instrument *i, int64_t ticks, int64_t lots) {
    if (i->margin_per_unit_e8 == 0) {
        return notional(i, ticks, lots);
    }
    int64_t quantity_e8, money;
    if (__builtin_mul_overflow(abs64(lots), i->lot_e8, &quantity_e8) || muldiv_up(quantity_e8, i->margin_per_unit_e8, E8, &money)) {
        return INT64_MAX;
    }
    return money;
}

static int64_t add_saturated(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static bool is_entry(const struct order *o) { return o->purpose == PURPOSE_ENTRY; }
static int64_t open_lots(const struct order *o) { return o->lots - o->filled_lots; }

/* Equity of the agent that proposes. */
static int64_t agent_equity(const struct gate_facts *f, const struct proposal *p) {
    const struct agent_account *a = &f->book->agents[p->agent];
    return a->budget_e8 + a->realised_e8 - a->fees_e8 + a->unrealised_e8;
}

/* The smaller of an absolute limit and a fraction of `base` (0 = none); INT64_MAX when there is neither. */
static int64_t limit_of(int64_t money_e8, int64_t fraction_ppm, int64_t base_e8) {
    int64_t limit = money_e8 != 0 ? money_e8 : INT64_MAX;
    if (fraction_ppm != 0) {
        int64_t part = 0;
        if (base_e8 > 0 && muldiv_down(base_e8, fraction_ppm, 1000000, &part)) {
            part = INT64_MAX;
        }
        limit = part < limit ? part : limit;
    }
    return limit;
}

static int refuse(int reason, int64_t found, int64_t allowed, int64_t *value, int64_t *limit) {
    *value = found;
    *limit = allowed;
    return reason;
}

/* Shrinks to what `room` allows at the order's price, or refuses when nothing is left or shrinking is not wished. */
static int shrink(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t found, int64_t allowed, int64_t room,
                  int reason, int64_t *value, int64_t *limit) {
    const struct instrument *i = instrument_of(f, p);
    if (f->risk->oversize != OVERSIZE_SHRINK || room <= 0) {
        return refuse(reason, found, allowed, value, limit);
    }
    int64_t one = max64(notional(i, value_price_of(f, p), 1), 1), fit = room / one;
    while (fit > 0 && notional(i, value_price_of(f, p), fit) > room) {
        fit--; /* rounding of a single lot */
    }
    if (fit < i->quantity_min_lots || fit >= abs64(*lots)) {
        return refuse(reason, found, allowed, value, limit);
    }
    *lots = *lots > 0 ? fit : -fit;
    return REASON_NONE;
}

/* ---- 1, 2 --------------------------------------------------------------------------------------------------------------- */

static int ask_kill_switch(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)p, (void)lots;
    return f->kill_switch ? refuse(REASON_KILL_SWITCH, 1, 0, value, limit) : REASON_NONE;
}

static int ask_trading_state(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)p, (void)lots;
    if (f->trading_state == TRADING_ACTIVE) {
        return REASON_NONE;
    }
    return refuse(f->trading_state == TRADING_REDUCING ? REASON_TRADING_REDUCING : REASON_TRADING_HALTED, f->trading_state,
                  TRADING_ACTIVE, value, limit);
}

/* ---- 3. constitution ----------------------------------------------------------------------------------------------------- */

static int ask_stop(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    if (p->stop_ticks <= 0) {
        return refuse(REASON_STOP_MISSING, 0, 1, value, limit);
    }
    int64_t price = price_of(f, p);
    if (price != 0 && (*lots > 0 ? p->stop_ticks >= price : p->stop_ticks <= price)) {
        return refuse(REASON_STOP_SIDE, p->stop_ticks, price, value, limit);
    }
    return REASON_NONE;
}

static int ask_target(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    int64_t price = price_of(f, p);
    if (p->target_ticks != 0 && price != 0 && (*lots > 0 ? p->target_ticks <= price : p->target_ticks >= price)) {
        return refuse(REASON_TARGET_SIDE, p->target_ticks, price, value, limit);
    }
    return REASON_NONE;
}

static int ask_market_entry(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)lots;
    bool allowed = f->risk->market_entry && instrument_of(f, p)->market_entry;
    return p->worst_ticks == 0 && !allowed ? refuse(REASON_MARKET_ENTRY, 0, 1, value, limit) : REASON_NONE;
}

static int ask_long_only(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    bool long_only = f->risk->long_only || instrument_of(f, p)->long_only;
    return *lots < 0 && long_only ? refuse(REASON_LONG_ONLY, *lots, 0, value, limit) : REASON_NONE;
}

static int ask_risk_per_trade(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    int64_t price = price_of(f, p);
    if (f->risk->risk_per_trade_max_e8 == 0 || price == 0) {
        return REASON_NONE;
    }
    int64_t loss = notional(instrument_of(f, p), abs64(price - p->stop_ticks), *lots);
    return loss > f->risk->risk_per_trade_max_e8 ? refuse(REASON_RISK_PER_TRADE, loss, f->risk->risk_per_trade_max_e8, value, limit)
                                                 : REASON_NONE;
}

/* ---- 4. data -------------------------------------------------------------------------------------------------------------- */

static int ask_data(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)p, (void)lots;
    if (f->data_ns == 0 || f->price_ticks <= 0) {
        return refuse(REASON_DATA_MISSING, 0, 1, value, limit);
    }
    int64_t age = f->now_ns - f->data_ns;
    return age > f->data_age_max_ns ? refuse(REASON_DATA_STALE, age, f->data_age_max_ns, value, limit) : REASON_NONE;
}

/* ---- 5. exposure ----------------------------------------------------------------------------------------------------------- */

static int ask_orders(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)p, (void)lots;
    return f->order_count >= f->risk->orders_max ? refuse(REASON_ORDERS_FULL, f->order_count + 1, f->risk->orders_max, value, limit)
                                                 : REASON_NONE;
}

/* Positions with lots or with an open entry; adding to one that counts already is free. */
static int ask_position_count(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)lots;
    int64_t count = f->book->open_count;
    bool counted = f->book->positions[p->position].lots != 0;
    for (uint32_t i = 0; i < f->order_count && !counted; i++) {
        const struct order *o = &f->orders[i];
        counted = is_entry(o) && o->position == p->position;
    }
    if (counted) {
        return REASON_NONE;
    }
    for (uint32_t i = 0; i < f->order_count; i++) {
        const struct order *o = &f->orders[i];
        bool earlier = false;
        for (uint32_t k = 0; k < i; k++) {
            earlier = earlier || (is_entry(&f->orders[k]) && f->orders[k].position == o->position);
        }
        count += is_entry(o) && !earlier && f->book->positions[o->position].lots == 0;
    }
    return count + 1 > f->risk->positions_max ? refuse(REASON_POSITION_COUNT, count + 1, f->risk->positions_max, value, limit)
                                              : REASON_NONE;
}

static int ask_trade_size(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    int64_t allowed = limit_of(f->risk->trade_notional_max_e8, f->risk->trade_fraction_max_ppm, agent_equity(f, p));
    int64_t found = notional(instrument_of(f, p), value_price_of(f, p), *lots);
    if (found == INT64_MAX) {
        return refuse(REASON_TRADE_SIZE, found, allowed, value, limit); /* more than can be counted: also where nothing limits it */
    }
    return found > allowed ? shrink(f, p, lots, found, allowed, allowed, REASON_TRADE_SIZE, value, limit) : REASON_NONE;
}

/* What this agent (or, agent < 0, the account) holds and has ordered of an instrument, all sub-positions by absolute value. */
static int64_t instrument_exposure(const struct gate_facts *f, uint16_t instrument, int agent) {
    int64_t sum = 0;
    for (uint32_t k = 0; k < f->book->open_count; k++) {
        const struct position *q = &f->book->positions[f->book->open[k]];
        if (q->instrument == instrument && (agent < 0 || q->agent == agent)) {
            sum = add_saturated(sum, abs64(q->value_e8));
        }
    }
    for (uint32_t i = 0; i < f->order_count; i++) {
        const struct order *o = &f->orders[i];
        if (o->instrument == instrument && is_entry(o) && (agent < 0 || o->agent == agent)) {
            int64_t ticks = value_price(o->limit_ticks, f->price_ticks, o->lots);
            sum = add_saturated(sum, notional(&f->instruments[instrument], ticks, open_lots(o)));
        }
    }
    return sum;
}

static int ask_position_max(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    int64_t more = notional(instrument_of(f, p), value_price_of(f, p), *lots);
    int64_t own = instrument_exposure(f, p->instrument, p->agent), all = instrument_exposure(f, p->instrument, -1);
    int64_t own_max = limit_of(f->risk->position_notional_max_e8, f->risk->position_fraction_max_ppm, agent_equity(f, p));
    int64_t all_max = limit_of(f->risk->position_notional_max_e8, f->risk->position_fraction_max_ppm, f->book->equity_e8);
    if (add_saturated(own, more) > own_max) {
        int reason = shrink(f, p, lots, add_saturated(own, more), own_max, own_max - own, REASON_POSITION_MAX, value, limit);
        if (reason != REASON_NONE) {
            return reason;
        }
        more = notional(instrument_of(f, p), value_price_of(f, p), *lots); /* what is left has to fit the account as well */
    }
    if (add_saturated(all, more) > all_max) {
        return shrink(f, p, lots, add_saturated(all, more), all_max, all_max - all, REASON_POSITION_MAX, value, limit);
    }
    return REASON_NONE;
}

/* A netting account would silently close one agent's position with another's entry. */
static int ask_opposite_side(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    for (uint32_t k = 0; k < f->book->open_count; k++) {
        const struct position *q = &f->book->positions[f->book->open[k]];
        if (q->instrument == p->instrument && (q->lots > 0) != (*lots > 0)) {
            return refuse(REASON_OPPOSITE_SIDE, *lots, q->lots, value, limit);
        }
    }
    for (uint32_t i = 0; i < f->order_count; i++) {
        const struct order *o = &f->orders[i];
        if (o->instrument == p->instrument && is_entry(o) && (o->lots > 0) != (*lots > 0)) {
            return refuse(REASON_OPPOSITE_SIDE, *lots, open_lots(o), value, limit);
        }
    }
    return REASON_NONE;
}

static int ask_minimum(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    const struct instrument *i = instrument_of(f, p);
    if (abs64(*lots) < i->quantity_min_lots) {
        return refuse(REASON_ORDER_MINIMUM, abs64(*lots), i->quantity_min_lots, value, limit);
    }
    int64_t found = notional(i, price_of(f, p), *lots);
    return found < i->notional_min_e8 ? refuse(REASON_ORDER_MINIMUM, found, i->notional_min_e8, value, limit) : REASON_NONE;
}

/* Money tied up by positions and open entries of one agent, or of all. Orders without a limit are valued at their stop's
 * far side only when no better price is known: the last price of the position's instrument. */
static int64_t money_tied(const struct gate_facts *f, const struct proposal *p, int agent) {
    int64_t sum = 0;
    for (uint32_t k = 0; k < f->book->open_count; k++) {
        const struct position *q = &f->book->positions[f->book->open[k]];
        if (agent < 0 || q->agent == agent) {
            sum = add_saturated(sum, requirement(&f->instruments[q->instrument], q->mark_ticks, q->lots));
        }
    }
    for (uint32_t i = 0; i < f->order_count; i++) {
        const struct order *o = &f->orders[i];
        if (is_entry(o) && (agent < 0 || o->agent == agent)) {
            int64_t ticks = value_price(o->limit_ticks, o->instrument == p->instrument ? f->price_ticks : o->mark_ticks, o->lots);
            sum = add_saturated(sum, requirement(&f->instruments[o->instrument], ticks, open_lots(o)));
        }
    }
    return sum;
}

static int ask_buying_power(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    const struct instrument *i = instrument_of(f, p);
    int64_t ticks = value_price_of(f, p), fee = 0;
    int64_t more = requirement(i, ticks, *lots);
    if (instrument_fee(i, notional(i, ticks, *lots), *lots, false, &fee)) {
        fee = INT64_MAX;
    }
    more = add_saturated(more, fee);
    int64_t own = add_saturated(money_tied(f, p, p->agent), more), all = add_saturated(money_tied(f, p, -1), more);
    if (own > agent_equity(f, p)) {
        return refuse(REASON_BUYING_POWER, own, agent_equity(f, p), value, limit);
    }
    return all > f->book->equity_e8 ? refuse(REASON_BUYING_POWER, all, f->book->equity_e8, value, limit) : REASON_NONE;
}

/* ---- 6. losses ------------------------------------------------------------------------------------------------------------- */

static int ask_daily_loss(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)p, (void)lots;
    int64_t loss = f->book->day_start_equity_e8 - f->book->equity_e8;
    int64_t allowed = limit_of(f->risk->daily_loss_max_e8, f->risk->daily_loss_fraction_max_ppm, f->book->day_start_equity_e8);
    return loss >= allowed ? refuse(REASON_DAILY_LOSS, loss, allowed, value, limit) : REASON_NONE;
}

static int ask_drawdown(const struct gate_facts *f, const struct proposal *p, int64_t *lots, int64_t *value, int64_t *limit) {
    (void)p, (void)lots;
    int64_t allowed = limit_of(0, f->risk->drawdown_max_ppm, f->book->equity_peak_e8);
    int64_t fall = f->book->equity_peak_e8 - f->book->equity_e8;
    return fall >= allowed ? refuse(REASON_DRAWDOWN, fall, allowed, value, limit) : REASON_NONE;
}

/* The order is part of the contract with the user: a test compares it with the list in the head of this file. */
const struct gate_rule gate_rules[] = {
    {"kill_switch", false, "", ask_kill_switch},
    {"trading_state", false, "", ask_trading_state},
    {"stop", false, "ticks", ask_stop},
    {"target", false, "ticks", ask_target},
    {"market_entry", false, "", ask_market_entry},
    {"long_only", false, "lots", ask_long_only},
    {"risk_per_trade", false, "e8", ask_risk_per_trade},
    {"data", false, "ns", ask_data},
    {"orders", false, "count", ask_orders},
    {"position_count", false, "count", ask_position_count},
    {"trade_size", false, "e8", ask_trade_size},
    {"position_max", false, "e8", ask_position_max},
    {"opposite_side", false, "lots", ask_opposite_side},
    {"minimum", false, "e8", ask_minimum},
    {"buying_power", false, "e8", ask_buying_power},
    {"daily_loss", false, "e8", ask_daily_loss},
    {"drawdown", false, "e8", ask_drawdown},
};
const uint32_t gate_rule_count = sizeof(gate_rules) / sizeof(gate_rules[0]);

/* An exit that does not reduce is new risk under a false name. */
static bool reduces(const struct gate_facts *f, const struct proposal *p) {
    int64_t held = f->book->positions[p->position].lots;
    return held != 0 && (held > 0) != (p->lots > 0) && abs64(p->lots) <= abs64(held);
}

void gate_apply(const struct gate_facts *f, const struct proposal *p, struct verdict *v) {
    memset(v, 0, sizeof(*v));
    v->rule = -1;
    v->lots = p->lots;
    bool exit_order = p->purpose != PURPOSE_ENTRY && reduces(f, p);
    for (uint32_t i = 0; i < gate_rule_count; i++) {
        if (exit_order && !gate_rules[i].exits) {
            continue;
        }
        int64_t before = v->lots;
        v->reason = gate_rules[i].ask(f, p, &v->lots, &v->value, &v->limit);
        if (v->reason != REASON_NONE) {
            v->rule = (int32_t)i;
            v->lots = 0;
            return;
        }
        if (v->lots != before) {
            v->rule = (int32_t)i;
        }
    }
}

int gate_recheck(const struct gate_facts *f, const struct order *order, int64_t intent_age_max_ns) {
    if (!is_entry(order)) {
        return REASON_NONE;
    }
    struct proposal p = {.agent = order->agent, .instrument = order->instrument, .position = order->position, .lots = order->lots};
    int64_t lots = order->lots, value, limit;
    int reason = ask_kill_switch(f, &p, &lots, &value, &limit);
    reason = reason ? reason : ask_trading_state(f, &p, &lots, &value, &limit);
    reason = reason ? reason : ask_data(f, &p, &lots, &value, &limit);
    if (reason == REASON_NONE && f->mono_ns - order->created_mono_ns > intent_age_max_ns) {
        reason = REASON_STALE_INTENT;
    }
    return reason;
}
