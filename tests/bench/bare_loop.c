/*
 * bare_loop.c - the reference for research speed: a C loop that calls generate_signals of a strategy file and nothing else.
 *
 *     bare_loop FILE.so      prints bare_bars_per_second (best of five over 1,000,000 bars already in memory)
 *
 * No host, no gate, no books, no jail: this is what the strategy itself costs. Only a benchmark may load a strategy so.
 */
#include <dlfcn.h>
#include <string.h>

#include "agent.h"
#include "bench.h"

#define BARS (1u << 20)

static int drop_log(int level, const char *text) {
    (void)level, (void)text;
    return AGENT_OK;
}
static int drop_plot(const char *name, double value) {
    (void)name, (void)value;
    return AGENT_OK;
}
static int drop_note(const char *tag, const char *text) {
    (void)tag, (void)text;
    return AGENT_OK;
}

static struct agent_bar *bars_make(void) {
    struct agent_bar *bars = calloc(BARS, sizeof *bars);
    uint64_t state = 1;
    int64_t close = 2500000;
    for (uint32_t i = 0; bars && i < BARS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        close += (int64_t)(state >> 58) - 31;
        close = close < 1000 ? 1000 : close;
        bars[i].start_ns = (int64_t)i * 60000000000;
        bars[i].close_ticks = (double)close;
        bars[i].close = (double)close / 100;
    }
    return bars;
}

/* One pass over all bars; returns seconds, adds the wishes to *wishes. */
static double pass(const struct agent_vtable *agent, const struct agent_bar *bars, uint64_t *wishes) {
    static const struct agent_services services = {drop_log, drop_plot, drop_note};
    static struct agent_wish out[AGENT_WISHES_MAX];
    struct agent_instrument instrument = {.name = "TEST", .tick = 0.01, .lot = 1e-8, .multiplier = 1};
    struct agent_series series = {.ring = bars, .mask = BARS - 1, .timeframe_ns = 60000000000};
    struct agent_book book = {0};
    struct agent_quote quote = {0};
    struct agent_setup setup = {.instruments = &instrument, .instrument_count = 1};
    struct agent_snapshot snapshot = {.events = AGENT_EVENT_BAR, .instrument_count = 1, .timeframe_count = 1,
                                      .instruments = &instrument, .quotes = &quote, .series = &series, .book = &book};
    void *self = calloc(1, agent->self_size);
    if (!self || agent->init(self, &setup, &services) != AGENT_OK) {
        exit(1);
    }
    int64_t start = bench_now_ns();
    for (uint32_t i = 0; i < BARS; i++) {
        series.count = i + 1;
        series.visible = series.count < agent->needs.bars[0] ? series.count : agent->needs.bars[0];
        snapshot.sequence = i + 1;
        snapshot.now_ns = bars[i].start_ns + series.timeframe_ns;
        *wishes += (uint64_t)agent->generate_signals(self, &snapshot, out, AGENT_WISHES_MAX);
    }
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    free(self);
    return seconds;
}

int main(int argc, char **argv) {
    void *file = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct agent_vtable *agent = file ? dlsym(file, "agent_entry_v1") : NULL;
    struct agent_bar *bars = bars_make();
    if (!agent || !bars) {
        fprintf(stderr, "bare_loop: %s\n", argc > 1 ? dlerror() : "which strategy file?");
        return 1;
    }
    double best = 1e18;
    uint64_t wishes = 0;
    for (int i = 0; i < 5; i++) {
        double seconds = pass(agent, bars, &wishes);
        best = seconds < best ? seconds : best;
    }
    bench_figure("bare_bars_per_second", BARS / best);
    bench_figure("bare_wishes", (double)wishes / 5);
    return 0;
}
