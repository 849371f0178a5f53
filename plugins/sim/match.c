/*
 * match.c - the matching engine: rules 1 to 4 of exchange.h.
 *
 * Guarantees: an incoming order never trades through a better price or an older entry of the same price; what one side buys the
 * other sells, at one price; after match_settle() every group's target rests with exactly the group's open lots, or its stop
 * is working. Integers only, no allocation.
 * Deliberately not here: prevention of trades between two agents of the account. The gate refuses such entries.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "execute/order.h"
#include "sim/exchange.h"

#define SETTLE_ROUNDS_MAX 64

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

/* Owners of ladder entries: the house, an order (its index), or the bracket of a group. */
static int32_t owner_of_group(uint32_t position) { return -2 - (int32_t)position; }
static bool owner_is_group(int32_t owner) { return owner <= -2; }
static uint32_t group_of_owner(int32_t owner) { return (uint32_t)(-2 - owner); }

/* Lots a closing order of this side may still do. */
static int64_t group_closable(const struct exchange_group *group, bool buys) {
    return (group->lots > 0) == buys ? 0 : abs64(group->lots);
}

/* Rule 4: how much of `lots` the owner may trade now. */
static int64_t owner_available(const struct exchange *x, int32_t owner, bool buys, int64_t lots) {
    if (owner == LADDER_HOUSE) {
        return lots;
    }
    if (owner_is_group(owner)) {
        return min64(lots, group_closable(&x->groups[group_of_owner(owner)], buys));
    }
    const struct order *order = &x->orders[owner].order;
    return order->purpose == PURPOSE_ENTRY ? lots : min64(lots, group_closable(&x->groups[order->position], buys));
}

/* ---- fills ---------------------------------------------------------------------------------------------------------------- */

static void group_add(struct exchange_market *m, struct exchange_group *group, int64_t lots) {
    group->lots += lots;
    m->net_lots += lots;
    if (group->lots == 0) {
        group->stop_ticks = 0;
        group->target_ticks = 0;
        group->fired = false;
    }
}

static void fill_tell(struct exchange *x, uint16_t market, struct venue_report *fill) {
    const struct instrument *instrument = &x->markets[market].instrument;
    int64_t notional = 0;
    if (instrument_value(instrument, fill->price_ticks, fill->lots, &notional) != 0 ||
        instrument_fee(instrument, notional, fill->lots, fill->maker, &fill->fee_e8) != 0) {
        fill->fee_e8 = -1;
    }
    fill->kind = VENUE_FILL;
    fill->instrument = market;
    fill->time_ns = x->now_ns;
    snprintf(fill->venue_fill_id, sizeof(fill->venue_fill_id), "%llx-%u", (unsigned long long)x->options.epoch,
             x->fill_count + 1);
    assert(x->fill_count < EXCHANGE_FILLS_MAX);
    x->fills[x->fill_count++] = *fill;
    if (x->sink.report != NULL) {
        x->sink.report(x->sink.context, fill);
    }
}

static void fill_group(struct exchange *x, uint16_t market, uint32_t position, int64_t lots, int64_t price, bool maker) {
    struct exchange_group *group = &x->groups[position];
    struct venue_report fill = {.purpose = group->fired ? PURPOSE_STOP : PURPOSE_TARGET, .maker = maker,
                                .position = (uint16_t)position, .lots = lots, .price_ticks = price};
    group_add(&x->markets[market], group, lots);
    fill_tell(x, market, &fill);
}

static void fill_order(struct exchange *x, uint16_t market, uint32_t index, int64_t lots, int64_t price, bool maker) {
    struct order *order = &x->orders[index].order;
    struct exchange_group *group = &x->groups[order->position];
    bool first = order->filled_lots == 0 || group->lots == 0;
    int code = order_fill(order, lots);
    assert(code == ORDER_FILL_OPEN);
    (void)code;
    group_add(&x->markets[market], group, lots);
    if (order->purpose == PURPOSE_ENTRY && first && group->lots != 0) {
        group->stop_ticks = order->stop_ticks;
        group->target_ticks = order->target_ticks;
    }
    struct venue_report fill = {.purpose = order->purpose, .maker = maker, .position = order->position, .lots = lots,
                                .price_ticks = price};
    memcpy(fill.client_id, order->client_id, sizeof(fill.client_id));
    fill_tell(x, market, &fill);
    if (order->state == ORDER_FILLED) {
        match_end(x, index, ORDER_FILLED, "");
    }
}

static void fill_owner(struct exchange *x, uint16_t market, int32_t owner, int64_t lots, int64_t price, bool maker) {
    if (owner == LADDER_HOUSE) {
        x->markets[market].house_lots += lots;
    } else if (owner_is_group(owner)) {
        fill_group(x, market, group_of_owner(owner), lots, price, maker);
    } else {
        fill_order(x, market, (uint32_t)owner, lots, price, maker);
    }
}

void match_print(struct exchange *x, uint16_t market, int64_t price, int64_t lots, bool buys) {
    struct exchange_market *m = &x->markets[market];
    struct bar *bar = &m->bar;
    int64_t size_e8;
    if (__builtin_mul_overflow(lots, m->instrument.lot_e8, &size_e8)) {
        size_e8 = 0;
    }
    m->last_ticks = price;
    if (bar->open == 0) {
        *bar = (struct bar){.start_ns = bar->start_ns, .open = price, .high = price, .low = price};
    }
    bar->high = price > bar->high ? price : bar->high;
    bar->low = price < bar->low ? price : bar->low;
    bar->close = price;
    if (__builtin_add_overflow(bar->volume_e8, size_e8, &bar->volume_e8)) {
        bar->volume_e8 = INT64_MAX;
    }
    if (x->sink.market != NULL) {
        struct venue_market event = {.kind = VENUE_TRADE, .instrument = market, .time_ns = x->now_ns, .trade_ticks = price,
                                     .trade_size_e8 = buys ? size_e8 : -size_e8};
        x->sink.market(x->sink.context, &event);
    }
}

/* ---- one incoming order --------------------------------------------------------------------------------------------------- */

/* An entry whose owner has nothing left to close. */
static void entry_withdraw(struct exchange *x, uint16_t market, uint32_t entry) {
    int32_t owner = x->markets[market].ladder.entries[entry].owner;
    if (owner_is_group(owner)) {
        ladder_remove(&x->markets[market].ladder, entry);
        x->groups[group_of_owner(owner)].target_entry = 0;
    } else {
        match_end(x, (uint32_t)owner, ORDER_CANCELLED, "nothing left to close");
    }
}

static void trade(struct exchange *x, uint16_t market, struct incoming *in, uint32_t entry, int64_t lots) {
    struct ladder *ladder = &x->markets[market].ladder;
    struct ladder_entry resting = ladder->entries[entry];
    bool gone = lots == resting.lots;
    ladder_reduce(ladder, entry, lots);
    if (gone && owner_is_group(resting.owner)) {
        x->groups[group_of_owner(resting.owner)].target_entry = 0;
    } else if (gone && resting.owner >= 0) {
        x->orders[resting.owner].entry = 0;
    }
    in->lots -= lots;
    match_print(x, market, resting.price, lots, in->buys);
    fill_owner(x, market, resting.owner, in->buys ? -lots : lots, resting.price, true);
    fill_owner(x, market, in->owner, in->buys ? lots : -lots, resting.price, false);
}

void match_run(struct exchange *x, uint16_t market, struct incoming *in) {
    struct ladder *ladder = &x->markets[market].ladder;
    enum ladder_side side = in->buys ? LADDER_ASK : LADDER_BID;
    while (in->lots > 0) {
        uint32_t entry = ladder_first(ladder, side, in->limit_ticks, in->skip_house);
        int64_t mine = owner_available(x, in->owner, in->buys, in->lots);
        if (entry == 0 || mine == 0 || x->fill_count + 2 > EXCHANGE_FILLS_MAX) {
            return; /* with its fill table full the exchange is closed */
        }
        const struct ladder_entry *resting = &ladder->entries[entry];
        int64_t theirs = owner_available(x, resting->owner, !in->buys, resting->lots);
        if (theirs == 0) {
            entry_withdraw(x, market, entry);
        } else {
            trade(x, market, in, entry, min64(mine, theirs));
        }
    }
}

void match_end(struct exchange *x, uint32_t index, enum order_state state, const char *text) {
    struct exchange_order *kept = &x->orders[index];
    static const uint8_t kinds[ORDER_STATES] = {
        [ORDER_CANCELLED] = VENUE_CANCELLED, [ORDER_REJECTED] = VENUE_REJECT, [ORDER_EXPIRED] = VENUE_EXPIRED};
    if (kept->entry != 0) {
        ladder_remove(&x->markets[kept->order.instrument].ladder, kept->entry);
        kept->entry = 0;
    }
    kept->sweeping = false;
    kept->order.state = (uint8_t)state;
    for (uint32_t i = 0; i < x->open_count; i++) {
        if (x->open[i] == index) {
            memmove(&x->open[i], &x->open[i + 1], (x->open_count - i - 1) * sizeof(x->open[0]));
            x->open_count--;
            break;
        }
    }
    if (state == ORDER_FILLED || x->sink.report == NULL) {
        return; /* the last fill said it */
    }
    struct venue_report end = {.kind = kinds[state], .purpose = kept->order.purpose, .order_state = (uint8_t)state,
                               .instrument = kept->order.instrument, .position = kept->order.position, .time_ns = x->now_ns,
                               .lots = kept->order.filled_lots, .fee_e8 = -1};
    memcpy(end.client_id, kept->order.client_id, sizeof(end.client_id));
    snprintf(end.text, sizeof(end.text), "%s", text);
    x->sink.report(x->sink.context, &end);
}

/* ---- brackets and stop orders --------------------------------------------------------------------------------------------- */

/* Rule 3: a sell (buy) stop fires when the last trade or the best bid (ask) is at or through it. */
static bool stop_is_hit(const struct exchange_market *m, int64_t stop, bool buys) {
    const struct ladder_level *best = ladder_best(&m->ladder, buys ? LADDER_ASK : LADDER_BID);
    if (buys) {
        return (m->last_ticks != 0 && m->last_ticks >= stop) || (best != NULL && best->price >= stop);
    }
    return (m->last_ticks != 0 && m->last_ticks <= stop) || (best != NULL && best->price <= stop);
}

/* Takes the resting target away where it no longer says what the group needs. Returns the lots that rest right. */
static int64_t target_trim(struct ladder *ladder, struct exchange_group *group, int64_t want) {
    if (group->target_entry == 0) {
        return 0;
    }
    const struct ladder_entry *entry = &ladder->entries[group->target_entry];
    enum ladder_side side = group->lots > 0 ? LADDER_ASK : LADDER_BID;
    if (want == 0 || entry->price != group->target_ticks || entry->side != side || entry->lots < want) {
        ladder_remove(ladder, group->target_entry); /* more lots queue again at the end, as a replaced order would */
        group->target_entry = 0;
        return 0;
    }
    if (entry->lots > want) {
        ladder_reduce(ladder, group->target_entry, entry->lots - want);
    }
    return want;
}

/* The target rests with exactly the open lots. */
static void target_settle(struct exchange *x, uint16_t market, uint32_t position) {
    struct exchange_group *group = &x->groups[position];
    struct ladder *ladder = &x->markets[market].ladder;
    int64_t want = group->target_ticks != 0 && !group->fired ? abs64(group->lots) : 0;
    if (target_trim(ladder, group, want) == want) {
        return;
    }
    struct incoming in = {.lots = want, .limit_ticks = group->target_ticks, .owner = owner_of_group(position),
                          .buys = group->lots < 0};
    match_run(x, market, &in);
    int64_t rest = owner_available(x, in.owner, in.buys, in.lots);
    if (rest > 0 && group->target_ticks != 0) {
        group->target_entry = ladder_add(ladder, in.buys ? LADDER_BID : LADDER_ASK, group->target_ticks, rest, in.owner);
    }
}

static void group_settle(struct exchange *x, uint16_t market, uint32_t position) {
    struct exchange_group *group = &x->groups[position];
    bool hit = group->lots != 0 && group->stop_ticks != 0 && stop_is_hit(&x->markets[market], group->stop_ticks, group->lots < 0);
    group->fired = group->fired || hit;
    target_settle(x, market, position);
    if (group->fired) {
        struct incoming in = {.lots = abs64(group->lots), .owner = owner_of_group(position), .buys = group->lots < 0};
        match_run(x, market, &in);
    }
}

/* A closing order with nothing to close ends; a stop order may fire; a closing market order goes on. */
static void order_settle(struct exchange *x, uint16_t market, uint32_t index) {
    struct exchange_order *kept = &x->orders[index];
    struct order *order = &kept->order;
    bool buys = order->lots > 0;
    if (order->purpose != PURPOSE_ENTRY && group_closable(&x->groups[order->position], buys) == 0) {
        match_end(x, index, ORDER_CANCELLED, "nothing left to close");
        return;
    }
    bool fires = kept->kind == EXCHANGE_STOP && stop_is_hit(&x->markets[market], order->stop_ticks, buys);
    if (fires) {
        kept->kind = order->limit_ticks != 0 ? EXCHANGE_LIMIT : EXCHANGE_MARKET;
        kept->sweeping = kept->kind == EXCHANGE_MARKET;
    }
    if (!fires && !kept->sweeping) {
        return;
    }
    struct incoming in = {.lots = abs64(order_remaining_lots(order)), .limit_ticks = order->limit_ticks, .owner = (int32_t)index,
                          .buys = buys};
    match_run(x, market, &in);
    if (order_is_open(order) && kept->kind == EXCHANGE_LIMIT && in.lots > 0) {
        kept->entry = ladder_add(&x->markets[market].ladder, buys ? LADDER_BID : LADDER_ASK, order->limit_ticks, in.lots,
                                 (int32_t)index);
    }
}

static void settle_round(struct exchange *x, uint16_t market) {
    for (uint32_t position = 0; position < x->group_end; position++) {
        if (x->groups[position].instrument == market && (x->groups[position].lots != 0 || x->groups[position].target_entry != 0)) {
            group_settle(x, market, position);
        }
    }
    for (uint32_t i = 0; i < x->open_count;) {
        uint32_t index = x->open[i];
        if (x->orders[index].order.instrument == market) {
            order_settle(x, market, index);
        }
        i += i < x->open_count && x->open[i] == index; /* else it ended and the next one moved here */
    }
}

/* Whatever changes the book may fire the next stop: again until a round changed nothing. */
void match_settle(struct exchange *x, uint16_t market) {
    const struct ladder *ladder = &x->markets[market].ladder;
    uint64_t before;
    int round = 0;
    do {
        before = ladder->changes;
        settle_round(x, market);
    } while (ladder->changes != before && ++round < SETTLE_ROUNDS_MAX);
}
