/*
 * market.c - generated markets: a price that wanders through regimes, quotes of several levels around it, takers that trade.
 *
 * Guarantees: integers and seeded dice only; prices stay positive; a market does not depend on the orders of the account or
 * on how often its clock is asked. Bars are made of the trades; a bar without any repeats the last price with no volume.
 * Deliberately not here: realism beyond that. Regimes exist so that stops, targets and partial fills all happen.
 */
#include "sim/exchange.h"

#include <string.h>

enum regime { REGIME_CALM, REGIME_TREND_UP, REGIME_TREND_DOWN, REGIME_VOLATILE, REGIME_CHOP, REGIMES };

#define REGIME_LENGTH 200  /* mean number of moves until the dice choose another */
#define X16 16

static const struct {
    int64_t swing_ppm, drift_ppm; /* of the price, each move */
} regimes[REGIMES] = {
    [REGIME_CALM] = {60, 0},       [REGIME_TREND_UP] = {120, 25}, [REGIME_TREND_DOWN] = {120, -25},
    [REGIME_VOLATILE] = {500, 0},  [REGIME_CHOP] = {150, 0},
};

void market_begin(struct exchange *x, uint16_t market) {
    struct exchange_market *m = &x->markets[market];
    m->middle_x16 = x->options.start_ticks * X16;
    m->anchor_x16 = m->middle_x16;
    m->next_move_ns = x->now_ns - x->now_ns % x->options.step_ns + x->options.step_ns;
    m->next_close_ns = x->now_ns - x->now_ns % x->options.bar_ns + x->options.bar_ns;
    m->bar.start_ns = m->next_close_ns - x->options.bar_ns;
    market_show(x, market, x->options.start_ticks - x->options.spread_ticks / 2,
                x->options.start_ticks - x->options.spread_ticks / 2 + x->options.spread_ticks);
    market_tell_quote(x, market);
}

/* Half the level's mean up to one and a half. */
static int64_t level_size(struct exchange *x, struct exchange_market *m) {
    int64_t mean = x->options.level_lots;
    return dice_between(&m->dice, mean / 2 > 0 ? mean / 2 : 1, mean + mean / 2);
}

void market_show(struct exchange *x, uint16_t market, int64_t bid_ticks, int64_t ask_ticks) {
    struct exchange_market *m = &x->markets[market];
    ladder_remove_house(&m->ladder);
    for (int64_t i = 0; i < x->options.levels; i++) {
        int64_t bid = bid_ticks - i, ask = ask_ticks + i;
        int64_t bid_lots = level_size(x, m), ask_lots = level_size(x, m);
        if (bid > 0) {
            exchange_house(x, market, bid_lots, bid, true);
        }
        if (ask > 0) {
            exchange_house(x, market, -ask_lots, ask, true);
        }
    }
}

static int64_t ppm_of(int64_t value, int64_t ppm) {
    int64_t part = value / 1000000 * ppm + value % 1000000 * ppm / 1000000;
    return part != 0 ? part : ppm > 0 ? 1 : ppm < 0 ? -1 : 0;
}

static void price_move(struct exchange_market *m, int64_t floor_x16) {
    if (dice_once_in(&m->dice, REGIME_LENGTH)) {
        m->regime = (uint32_t)dice_below(&m->dice, REGIMES);
        m->anchor_x16 = m->middle_x16;
    }
    int64_t swing = ppm_of(m->middle_x16, regimes[m->regime].swing_ppm);
    int64_t move = dice_between(&m->dice, -swing, swing) + ppm_of(m->middle_x16, regimes[m->regime].drift_ppm);
    if (m->regime == REGIME_CHOP) {
        move += (m->anchor_x16 - m->middle_x16) / 8;
    }
    m->middle_x16 += move;
    if (m->middle_x16 < floor_x16) { /* reflected, so that prices stay positive for ever */
        m->middle_x16 = floor_x16 + (floor_x16 - m->middle_x16);
    }
}

void market_move(struct exchange *x, uint16_t market, int64_t now_ns) {
    struct exchange_market *m = &x->markets[market];
    int64_t spread = x->options.spread_ticks;
    price_move(m, (spread + EXCHANGE_LEVELS_MAX + 1) * X16);
    int64_t wide = m->regime == REGIME_VOLATILE ? spread : 0;
    int64_t bid = m->middle_x16 / X16 - (spread + wide) / 2;
    market_show(x, market, bid, bid + spread + wide);
    if (!dice_once_in(&m->dice, 3)) {
        int64_t lots = dice_between(&m->dice, 1, x->options.level_lots);
        exchange_house(x, market, dice_once_in(&m->dice, 2) ? lots : -lots, 0, false);
    }
    m->next_move_ns = now_ns + x->options.step_ns;
}

bool market_close_bar(struct exchange *x, uint16_t market, int64_t now_ns) {
    struct exchange_market *m = &x->markets[market];
    struct bar bar = m->bar;
    if (bar.open == 0 && m->last_ticks != 0) {
        bar.open = bar.high = bar.low = bar.close = m->last_ticks;
    }
    m->bar = (struct bar){.start_ns = now_ns};
    m->next_close_ns = m->next_move_ns == INT64_MAX ? INT64_MAX : now_ns + x->options.bar_ns; /* a record may be over */
    if (bar.open == 0) {
        return false; /* nothing ever traded */
    }
    if (x->sink.market != NULL) {
        struct venue_market event = {.kind = VENUE_BAR, .instrument = market, .time_ns = now_ns, .bar = bar};
        x->sink.market(x->sink.context, &event);
    }
    return true;
}

static int64_t size_e8(const struct instrument *instrument, const struct ladder_level *level) {
    int64_t size;
    return level == NULL || __builtin_mul_overflow(level->lots, instrument->lot_e8, &size) ? 0 : size;
}

void market_tell_quote(struct exchange *x, uint16_t market) {
    struct exchange_market *m = &x->markets[market];
    const struct ladder_level *bid = ladder_best(&m->ladder, LADDER_BID), *ask = ladder_best(&m->ladder, LADDER_ASK);
    struct quote quote = {.bid_ticks = bid != NULL ? bid->price : 0, .ask_ticks = ask != NULL ? ask->price : 0,
                          .last_ticks = m->last_ticks, .bid_size_e8 = size_e8(&m->instrument, bid),
                          .ask_size_e8 = size_e8(&m->instrument, ask)};
    quote.time_ns = m->quote.time_ns;
    if (memcmp(&quote, &m->quote, sizeof(quote)) == 0) {
        return;
    }
    quote.time_ns = x->now_ns;
    m->quote = quote;
    if (x->sink.market != NULL) {
        struct venue_market event = {.kind = VENUE_QUOTE, .instrument = market, .time_ns = x->now_ns, .quote = quote};
        x->sink.market(x->sink.context, &event);
    }
}
