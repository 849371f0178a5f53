/*
 * wish.c - any bytes as wishes: nothing a strategy says may break the host's own rules.
 *
 * The bytes are a list of acts: whole wishes as they are or mended (most bytes make no form), wishes of small numbers, turns,
 * stops of the market, deaths, operator commands. Every wish goes through wish_form() and wish_update() alone, and through an
 * engine with three seats and the bar matcher. After every act: ids never go back, spent stays spent, an amendment never
 * loosens a stop or changes side; the books are exact, nothing failed or halted, every open position has a stop, one side per
 * instrument, and no limit is exceeded: count, orders, size of a trade, size of an instrument. The market stands at 100, so
 * what was allowed cannot grow by itself. The sanitizers watch the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/rig.h"

#define POSITIONS_ALLOWED 4
#define ORDERS_ALLOWED 6
#define POSITION_ALLOWED (5000 * E8)
#define TRADE_ALLOWED (3000 * E8)
#define SEATS 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(holds) rig_require(holds, #holds, __LINE__)

/* ---- a wish alone ---------------------------------------------------------------------------------------------------------- */

static void check(const struct wish *before, const struct wish *now, enum wish_outcome outcome, int reason) {
    require(now->id >= before->id);
    require((outcome == WISH_REFUSAL || outcome == WISH_MALFORMED) == (reason != REASON_NONE));
    if (now->id == before->id && before->state == AGENT_WISH_SPENT) {
        require(now->state == AGENT_WISH_SPENT);
    }
    if (outcome == WISH_AMENDMENT) {
        bool turned = (now->target_lots > 0 && before->target_lots <= 0) || (now->target_lots < 0 && before->target_lots >= 0);
        require(now->id == before->id && !turned);
        require(now->target_lots <= 0 || now->stop_ticks >= before->stop_ticks);
        require(now->target_lots >= 0 || now->stop_ticks <= before->stop_ticks);
    }
    if (outcome == WISH_DECISION || outcome == WISH_AMENDMENT) {
        require(now->state == AGENT_WISH_LIVE && now->ttl_ns >= 0 && now->ttl_ns < INT64_MAX / 2);
        require(now->stop_ticks >= 0 && now->target_ticks >= 0 && now->worst_ticks >= 0);
    }
}

static void alone(struct wish *wish, const struct agent_wish *raw, const struct instrument *instruments) {
    if (wish_form(raw, RIG_INSTRUMENTS) != REASON_NONE) {
        return;
    }
    struct wish_context context = {.instrument = &instruments[raw->instrument], .price_ticks = 100, .equity_e8 = 100000 * E8, .now_ns = RIG_START_NS,
                                   .ttl_default_ns = 60 * NS_PER_S, .modifications_max = 5};
    struct wish before = *wish;
    int reason = REASON_NONE;
    enum wish_outcome outcome = wish_update(wish, raw, &context, &reason);
    check(&before, wish, outcome, reason);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------- */

static int64_t value_of(const struct rig *r, uint16_t instrument, int64_t ticks, int64_t lots) {
    int64_t value;
    require(instrument_value(&r->instruments[instrument], ticks, lots < 0 ? -lots : lots, &value) == 0);
    return value;
}

static void check_instrument(const struct rig *r, const struct account *a, uint16_t instrument) {
    bool long_side = false, short_side = false;
    int64_t value = 0;
    for (uint32_t k = 0; k < a->book.position_count; k++) {
        const struct position *p = &a->book.positions[k];
        if (p->instrument == instrument && p->lots != 0) {
            require(p->stop_ticks > 0);
            value += value_of(r, instrument, 100, p->lots);
            *(p->lots > 0 ? &long_side : &short_side) = true;
        }
    }
    for (uint32_t i = 0; i < a->orders.count; i++) {
        const struct order *o = &a->orders.open[i];
        if (o->instrument == instrument && o->purpose == PURPOSE_ENTRY) {
            bool market = o->limit_ticks == 0 || (o->lots < 0 && o->limit_ticks < 100);
            int64_t asked = value_of(r, instrument, market ? 100 : o->limit_ticks, o->lots);
            require(asked <= TRADE_ALLOWED && o->stop_ticks > 0);
            value += asked;
            *(o->lots > 0 ? &long_side : &short_side) = true;
        }
    }
    require(value <= POSITION_ALLOWED && !(long_side && short_side));
}

static void check_account(const struct rig *r, const struct account *a) {
    uint32_t used = 0, entries = 0;
    int64_t working[POSITIONS_MAX] = {0};
    for (uint32_t i = 0; i < a->orders.count; i++) {
        const struct order *o = &a->orders.open[i];
        require(order_is_open(o) && o->position < a->book.position_count);
        entries += o->purpose == PURPOSE_ENTRY;
        working[o->position] += o->lots - o->filled_lots;
    }
    for (uint32_t k = 0; k < a->book.position_count; k++) {
        const struct position *p = &a->book.positions[k];
        require(p->working_buy_lots - p->working_sell_lots == working[k] && p->working_buy_lots >= 0 && p->working_sell_lots >= 0);
        require(p->lots == 0 || working[k] == 0 || (working[k] > 0) == (p->lots > 0) || llabs(working[k]) <= llabs(p->lots));
        used += p->lots != 0 || (working[k] != 0);
    }
    for (uint16_t i = 0; i < RIG_INSTRUMENTS; i++) {
        check_instrument(r, a, i);
    }
    require(used <= POSITIONS_ALLOWED && entries <= ORDERS_ALLOWED && portfolio_exact(&a->book));
}

/* ---- acts ------------------------------------------------------------------------------------------------------------------------ */

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint8_t next(struct input *in) {
    return in->left ? in->left--, *in->bytes++ : 0;
}

/* A whole wish out of the bytes; mended where they would stop it at the door. */
static void wish_of_bytes(struct input *in, struct agent_wish *w, bool mended) {
    memset(w, 0, sizeof(*w));
    size_t size = in->left < sizeof(*w) ? in->left : sizeof(*w);
    memcpy(w, in->bytes, size);
    in->bytes += size;
    in->left -= size;
    if (mended) {
        w->instrument %= RIG_INSTRUMENTS;
        w->unit &= 1;
        memcpy(w->tag, "main\0\0\0\0\0\0\0\0\0\0\0", sizeof(w->tag));
        memset(w->reason, 0, sizeof(w->reason));
        w->reason[0] = 'x';
        w->wish_id = 1 + w->wish_id % 8;
    }
}

/* A wish of small numbers around the market. */
static void wish_of_numbers(struct input *in, struct agent_wish *w) {
    uint8_t what = next(in), id = next(in), size = next(in), stop = next(in);
    memset(w, 0, sizeof(*w));
    w->wish_id = 1u + id % 16;
    w->instrument = what % RIG_INSTRUMENTS;
    w->tag[0] = (char)('a' + what / 3 % 3);
    w->unit = what & 64 ? AGENT_UNIT_EQUITY_FRACTION : AGENT_UNIT_QUANTITY;
    w->size = w->unit ? (int8_t)size / 10000.0 : (int8_t)size / 4.0;
    w->stop = stop;
    w->target = what & 32 ? next(in) : 0;
    w->worst_price = what & 128 ? next(in) : 0;
    w->ttl_ns = what & 16 ? next(in) * 10 * NS_PER_S : 0;
    w->reason[0] = 'x';
}

static void operate(struct rig *r, uint8_t deed) {
    switch (deed % 6) {
    case 0: engine_trading(r->engine, TRADING_ACTIVE, true, REASON_OPERATOR, "fuzz"); break;
    case 1: engine_trading(r->engine, TRADING_REDUCING, false, REASON_OPERATOR, "fuzz"); break;
    case 2: engine_trading(r->engine, TRADING_ACTIVE, false, REASON_OPERATOR, "fuzz"); break;
    case 3: engine_flatten(r->engine, "fuzz"); break;
    case 4: r->now_ns += deed * NS_PER_S; engine_timer(r->engine, r->now_ns); break;
    default: r->hold_commits = !r->hold_commits; break;
    }
}

static void act(struct rig *r, struct input *in, struct wish *single) {
    uint8_t what = next(in);
    uint32_t seat = what / 8 % SEATS;
    struct rig_seat *s = &r->seats[seat];
    struct agent_wish raw;
    if (what % 8 <= 3 && s->wish_count < AGENT_WISHES_MAX) {
        if (what % 8 <= 1) {
            wish_of_bytes(in, &raw, what % 8 == 1);
        } else {
            wish_of_numbers(in, &raw);
        }
        alone(single, &raw, r->instruments);
        s->wishes[s->wish_count++] = raw;
    } else if (what % 8 <= 5) {
        rig_turn(r);
    } else if (what % 8 == 6) {
        operate(r, what / 8);
    } else if (what & 128) {
        s->mode = what & 64 ? RIG_DIES : RIG_ANSWERS;
        wish_spend(single, AGENT_END_STOP, REASON_STOP_HIT);
    } else {
        rig_commit(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {.bytes = data, .left = size};
    struct wish single = {0};
    struct rig *r = rig_open(false, 1);
    r->risk.positions_max = POSITIONS_ALLOWED;
    r->risk.orders_max = ORDERS_ALLOWED;
    r->risk.position_notional_max_e8 = POSITION_ALLOWED;
    r->risk.trade_notional_max_e8 = TRADE_ALLOWED;
    r->risk.oversize = size & 1 ? OVERSIZE_SHRINK : OVERSIZE_REFUSE;
    r->risk.hold_max_ns = size & 2 ? 5 * RIG_BAR_NS : 0;
    static const char *const names[SEATS] = {"first", "second", "third"};
    for (uint32_t i = 0; i < SEATS; i++) {
        rig_seat(r, names[i], 0, RIG_CASH / SEATS);
    }
    rig_turn(r);
    while (in.left > 0) {
        act(r, &in, &single);
        require(!r->engine->failed && r->engine->trading_state != TRADING_HALTED);
        check_account(r, rig_account_of(r, 0));
    }
    rig_close(r);
    return 0;
}
