/*
 * watcher.c - an honest agent that reads all it is shown, again and again, and counts what is not what it says.
 *
 * Parameters: "busy_turn": its turn (from 1) in which it is slow; 0 = never. In that turn it reads everything over and over,
 * "until": until the host has appended that many bars more, or for ever when 0; "steps": that many times instead.
 */
#include "agent.h"
#include "watcher.h"

#include <stdlib.h>

struct watcher {
    struct watched seen;
    uint64_t busy_turn, until, steps;
};

static uint64_t number(const struct agent_setup *setup, const char *name) {
    return strtoull(agent_param_text(setup, name, "0"), NULL, 10);
}

static int init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct watcher *w = self;
    (void)services;
    w->busy_turn = number(setup, "busy_turn");
    w->until = number(setup, "until");
    w->steps = number(setup, "steps");
    return AGENT_OK;
}

/* The compiler must not keep what it read the last time. */
static void forget(void) { __asm__ volatile("" ::: "memory"); }

/* A bar of the feed's own timeframe, as its start says. */
static int bar_wrong(const struct agent_bar *bar, int64_t start_ns) {
    struct watch_bar due = watch_bar_of(start_ns);
    return bar->start_ns != start_ns || bar->open_ticks != (double)due.open || bar->high_ticks != (double)due.high ||
           bar->low_ticks != (double)due.low || bar->close_ticks != (double)due.close;
}

/* One of two bars: the open of the first, the close of the second. */
static int long_bar_wrong(const struct agent_bar *bar, int64_t start_ns) {
    struct watch_bar first = watch_bar_of(start_ns), second = watch_bar_of(start_ns + WATCH_BAR_NS);
    int64_t high = first.high > second.high ? first.high : second.high, low = first.low < second.low ? first.low : second.low;
    return bar->start_ns != start_ns || bar->open_ticks != (double)first.open || bar->close_ticks != (double)second.close ||
           bar->high_ticks != (double)high || bar->low_ticks != (double)low;
}

/* Every bar that may be read; their starts follow from the turn's newest bar, not from the bars themselves. */
static void bars_look(struct watched *seen, const struct agent_snapshot *snapshot, int64_t newest_ns) {
    for (uint32_t t = 0; t < snapshot->timeframe_count; t++) {
        const struct agent_series *series = agent_series_of(snapshot, 0, t);
        int64_t last = t == 0 ? newest_ns : (newest_ns + WATCH_BAR_NS) / (2 * WATCH_BAR_NS) * 2 * WATCH_BAR_NS - 2 * WATCH_BAR_NS;
        for (uint64_t back = 0; back < series->visible; back++) {
            const struct agent_bar *bar = agent_bar_back(series, back);
            int64_t start_ns = last - (int64_t)back * series->timeframe_ns;
            seen->torn += (uint64_t)(t == 0 ? bar_wrong(bar, start_ns) : long_bar_wrong(bar, start_ns));
            seen->hash = watch_hash_bar(seen->hash, bar);
            seen->bars++;
        }
    }
}

static void trades_look(struct watched *seen, const struct agent_depth *depth) {
    for (uint64_t back = 1; back <= WATCH_TICKS && back <= depth->tick_count; back++) {
        const struct agent_tick *tick = &depth->ticks[(depth->tick_count - back) & depth->tick_mask];
        int wrong = tick->price_ticks != (double)watch_trade_price(tick->time_ns) ||
                    tick->size != (double)watch_trade_size(tick->time_ns) || (uint64_t)tick->time_ns != depth->tick_count - back;
        seen->torn += (uint64_t)wrong;
        seen->hash = watch_hash_trade(seen->hash, tick);
        seen->trades++;
    }
}

static void look(struct watched *seen, const struct agent_snapshot *snapshot, int64_t newest_ns) {
    forget();
    seen->hash = WATCH_HASH_START;
    seen->bars = seen->trades = 0;
    bars_look(seen, snapshot, newest_ns);
    trades_look(seen, &snapshot->depths[0]);
    seen->hash = watch_hash_number(seen->hash, snapshot->quotes[0].last_ticks);
    seen->looks++;
}

/* The newest bar closed when the turn's newest bar turn was: nothing of the ring is believed for that. */
static int64_t newest_of(const struct agent_snapshot *snapshot) {
    return ((int64_t)snapshot->series[0].count - 1) * WATCH_BAR_NS;
}

/* Bars beyond what the turn shows are none of its business; here they tell that the host has gone on. */
static int host_is_on(const struct agent_snapshot *snapshot, uint64_t bars) {
    const struct agent_series *series = &snapshot->series[0];
    uint64_t index = series->count - 1 + bars;
    forget();
    return series->ring[index & series->mask].start_ns == (int64_t)index * WATCH_BAR_NS;
}

/* What it sees stays what it saw; `out` is written all the while, because it may not live to answer. */
static void be_busy(struct watcher *w, const struct agent_snapshot *snapshot, struct agent_wish *out) {
    uint64_t first = w->seen.hash;
    double last = snapshot->quotes[0].last_ticks;
    for (uint64_t step = 0; w->steps == 0 || step < w->steps; step++) {
        look(&w->seen, snapshot, newest_of(snapshot));
        w->seen.torn += w->seen.hash != first || snapshot->quotes[0].last_ticks != last;
        memcpy(out, &w->seen, sizeof(w->seen));
        if (w->steps == 0 && w->until != 0 && host_is_on(snapshot, w->until)) {
            return;
        }
    }
}

static int generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct watcher *w = self;
    (void)max;
    w->seen.turns++;
    w->seen.sequence = snapshot->sequence;
    w->seen.now_ns = snapshot->now_ns;
    w->seen.gap = snapshot->gap;
    w->seen.events = snapshot->events;
    look(&w->seen, snapshot, newest_of(snapshot));
    if (w->seen.turns == w->busy_turn) {
        be_busy(w, snapshot, out);
    }
    memcpy(out, &w->seen, sizeof(w->seen));
    return 0;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("watcher", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 2, .timeframe_s = {0, 120}, .bars = {WATCH_BARS, WATCH_LONG_BARS},
              .ticks = WATCH_TICKS, .decide_us_max = 1000},
    .self_size = sizeof(struct watcher),
    .init = init,
    .generate_signals = generate,
};
