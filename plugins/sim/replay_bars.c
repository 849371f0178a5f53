/*
 * replay_bars.c - a bar file as a market: each bar is played as twelve prices, and told as recorded when it closes.
 *
 * Guarantees: the first price is the open, the last the close, high and low are both reached: low first in a rising bar, high
 * first in a falling one. A hole in the file is a hole in time, marked on the first bar after it.
 * Deliberately not here: what really happened inside a bar. Nobody knows; backtests use host/execute/match.c instead.
 */
#include "sim/exchange.h"

#include <stdlib.h>

#include "data/data.h"

struct replay_bars {
    struct bar_file file;
    size_t next;           /* bar being played */
    uint32_t point;        /* of the next price in it */
    int64_t shift_ns;      /* added to recorded times */
};

int replay_bars_open(struct exchange *x, uint16_t market, const char *path, struct error *error) {
    struct replay_bars *replay = calloc(1, sizeof(*replay));
    if (replay == NULL) {
        return error_set(error, ERROR_SYSTEM, "sim: no memory for %s", path);
    }
    int code = bar_file_read(&replay->file, path, &x->markets[market].instrument, error);
    if (code == 0 && (replay->file.count == 0 || replay->file.timeframe_ns < EXCHANGE_PATH_POINTS)) {
        code = error_set(error, ERROR_FORMAT, "%s: found no bars to replay", path);
        bar_file_close(&replay->file);
    }
    if (code != 0) {
        free(replay);
        return code;
    }
    x->markets[market].bars = replay;
    return 0;
}

void replay_bars_close(struct replay_bars *replay) {
    if (replay != NULL) {
        bar_file_close(&replay->file);
        free(replay);
    }
}

static void schedule(struct exchange_market *m) {
    struct replay_bars *r = m->bars;
    if (r->next >= r->file.count) {
        m->next_move_ns = INT64_MAX;
        m->next_close_ns = INT64_MAX;
        return;
    }
    int64_t start = r->file.bars[r->next].start_ns + r->shift_ns, length = r->file.timeframe_ns;
    m->next_close_ns = start + length;
    m->next_move_ns =
        r->point < EXCHANGE_PATH_POINTS ? start + length / EXCHANGE_PATH_POINTS * (int64_t)r->point : INT64_MAX;
}

void replay_bars_begin(struct exchange *x, uint16_t market) {
    struct replay_bars *r = x->markets[market].bars;
    int64_t first = r->file.bars[0].start_ns;
    if (x->options.rebase && x->now_ns != 0) {
        r->shift_ns = x->now_ns - first;
    } else if (x->now_ns == 0) {
        x->now_ns = first;
    }
    schedule(&x->markets[market]);
}

/* The price of point 0..11: open, then four equal parts each to the first and second extreme, then to the close. */
static int64_t path_price(const struct bar *bar, uint32_t point) {
    bool rises = bar->close >= bar->open;
    const int64_t corners[] = {bar->open, rises ? bar->low : bar->high, rises ? bar->high : bar->low, bar->close};
    if (point >= EXCHANGE_PATH_POINTS - 1) {
        return bar->close;
    }
    uint32_t leg = point / 4, part = point % 4;
    return corners[leg] + (corners[leg + 1] - corners[leg]) / 4 * part + (corners[leg + 1] - corners[leg]) % 4 * part / 4;
}

void replay_bars_move(struct exchange *x, uint16_t market, int64_t now_ns) {
    (void)now_ns;
    struct exchange_market *m = &x->markets[market];
    struct replay_bars *r = m->bars;
    int64_t price = path_price(&r->file.bars[r->next], r->point++);
    int64_t bid = price - x->options.spread_ticks / 2;
    market_show(x, market, bid, bid + x->options.spread_ticks);
    match_print(x, market, price, 1, dice_once_in(&m->dice, 2));
    schedule(m);
}

bool replay_bars_bar(struct exchange *x, uint16_t market, int64_t now_ns) {
    struct exchange_market *m = &x->markets[market];
    struct replay_bars *r = m->bars;
    const struct bar *bar = &r->file.bars[r->next];
    bool gap = r->next > 0 && bar->start_ns - r->file.bars[r->next - 1].start_ns > r->file.timeframe_ns;
    struct venue_market event = {.kind = VENUE_BAR, .after_gap = gap, .instrument = market, .time_ns = now_ns, .bar = *bar};
    event.bar.start_ns += r->shift_ns;
    r->next++;
    r->point = 0;
    m->bar = (struct bar){.start_ns = now_ns};
    schedule(m);
    if (x->sink.market != NULL) {
        x->sink.market(x->sink.context, &event);
    }
    return true;
}
