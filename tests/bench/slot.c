/*
 * slot.c - what a slot costs: its start, one paced round trip on the host's own core, and whether candidates slow the active
 * one down.
 *
 *     slot FILE.so     prints start_p50_ms start_p99_ms paced_p50_us paced_p99_us alone_p99_us crowd_p99_us
 *
 * Paced means one turn a millisecond with sleep between, as in a live session: both processes have gone cold. The crowd is
 * three candidates, rung after the active slot has answered, as the engine does. Stretches with and without them alternate.
 */
#include <string.h>

#include "base/base.h"
#include "bench.h"
#include "data/data.h"
#include "jailer.h"

#define STARTS 200u
#define TURNS 4000u
#define STRETCH 250u
#define CANDIDATES 3u
#define PACE_NS INT64_C(1000000)

struct bench {
    struct strategy strategy;
    struct shared_memory memory;
    struct instrument instrument;
    struct market market;
    struct slot active, candidates[CANDIDATES];
    char binary[512];
    const char *path;
    int64_t next_ns;
    int64_t start_ns;
};

static void die(const char *what, const struct error *error) {
    fprintf(stderr, "slot: %s: %s\n", what, error->text);
    exit(1);
}

static void market_make(struct bench *b, struct error *error) {
    b->instrument = (struct instrument){.name = "TEST", .currency = "USD", .tick_e8 = 1000000, .lot_e8 = 1, .multiplier_e8 = E8,
                                        .quantity_min_lots = 1};
    struct market_options options = {.instruments = &b->instrument, .instrument_count = 1, .timeframe_count = 1,
                                     .timeframe_ns = {60 * NS_PER_S}, .bars = {256}};
    if (instrument_init(&b->instrument, error) != 0 ||
        shared_memory_open(&b->memory, SHARED_HOST_WRITES, market_size(&options), error) != 0 ||
        market_init(&b->market, &options, b->memory.bytes, error) != 0) {
        die("market", error);
    }
}

/* Reads the file anew for every slot, outside the time that is measured: a slot owns its descriptor's position. */
static void slot_up(struct bench *b, struct slot *slot, int core, int nice, struct error *error) {
    strategy_close(&b->strategy);
    if (strategy_open(&b->strategy, b->path, "policy/imports.allow", error) != 0) {
        die("strategy", error);
    }
    struct slot_options options = {.strategy = &b->strategy, .slot_binary = b->binary, .title = "slot bench", .core = core,
                                   .nice = nice, .market = &b->memory};
    memset(slot, 0, sizeof *slot);
    if (slot_start(slot, &options, error) != 0) {
        die("start", error);
    }
}

/* The next turn is in the market memory, one bar later, at its time. */
static uint64_t turn_prepare(struct bench *b) {
    struct bar bar = {.start_ns = b->start_ns, .open = 100, .high = 101, .low = 99, .close = 100, .volume_e8 = E8};
    struct agent_bar converted;
    market_convert_bar(&b->market, 0, &bar, false, &converted);
    b->start_ns += 60 * NS_PER_S;
    market_append_bar(&b->market, 0, &bar, false, &converted, b->start_ns);
    uint64_t sequence = market_publish(&b->market, b->start_ns, AGENT_EVENT_BAR);
    struct timespec until = {.tv_sec = b->next_ns / NS_PER_S, .tv_nsec = b->next_ns % NS_PER_S};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    b->next_ns += PACE_NS;
    return sequence;
}

static int64_t round_trip(struct slot *slot, uint64_t sequence) {
    int64_t start = bench_now_ns();
    slot_private(slot)->command.events = AGENT_EVENT_BAR;
    slot_ring(slot, WIRE_RUN, sequence);
    if (slot_wait(slot, NS_PER_S, true) != SLOT_ANSWERED) {
        fprintf(stderr, "slot: died: %s\n", slot->death.text);
        exit(1);
    }
    return bench_now_ns() - start;
}

static void bench_starts(struct bench *b, struct error *error) {
    static int64_t samples[STARTS];
    for (uint32_t i = 0; i < STARTS; i++) {
        slot_up(b, &b->active, -1, 0, error);
        samples[i] = b->active.start_us;
        slot_stop(&b->active, NS_PER_S);
    }
    bench_figure("start_p50_ms", (double)bench_percentile(samples, STARTS, 50) / 1e3);
    bench_figure("start_p99_ms", (double)bench_percentile(samples, STARTS, 99) / 1e3);
}

static void bench_paced(struct bench *b, struct error *error) {
    static int64_t samples[TURNS];
    slot_up(b, &b->active, 0, 0, error);
    b->next_ns = bench_now_ns() + PACE_NS;
    for (uint32_t i = 0; i < TURNS; i++) {
        samples[i] = round_trip(&b->active, turn_prepare(b));
    }
    slot_stop(&b->active, NS_PER_S);
    bench_figure("paced_p50_us", (double)bench_percentile(samples, TURNS, 50) / 1e3);
    bench_figure("paced_p99_us", (double)bench_percentile(samples, TURNS, 99) / 1e3);
}

static void candidates_run(struct bench *b, uint64_t sequence) {
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        slot_private(&b->candidates[i])->command.events = AGENT_EVENT_BAR;
        slot_ring(&b->candidates[i], WIRE_RUN, sequence);
    }
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        if (slot_wait(&b->candidates[i], NS_PER_S, true) != SLOT_ANSWERED) {
            fprintf(stderr, "slot: candidate died: %s\n", b->candidates[i].death.text);
            exit(1);
        }
    }
}

static void bench_crowd(struct bench *b, struct error *error) {
    static int64_t samples[2][TURNS];
    uint32_t used[2] = {0, 0};
    slot_up(b, &b->active, 0, 0, error);
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        slot_up(b, &b->candidates[i], -1, 10, error);
    }
    b->next_ns = bench_now_ns() + PACE_NS;
    for (uint32_t i = 0; i < 2 * TURNS; i++) {
        uint32_t crowd = i / STRETCH % 2;
        uint64_t sequence = turn_prepare(b);
        samples[crowd][used[crowd]++] = round_trip(&b->active, sequence);
        if (crowd) {
            candidates_run(b, sequence);
        }
    }
    slot_stop(&b->active, NS_PER_S);
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        slot_stop(&b->candidates[i], NS_PER_S);
    }
    bench_figure("alone_p99_us", (double)bench_percentile(samples[0], used[0], 99) / 1e3);
    bench_figure("crowd_p99_us", (double)bench_percentile(samples[1], used[1], 99) / 1e3);
    bench_figure("alone_p50_us", (double)bench_percentile(samples[0], used[0], 50) / 1e3);
    bench_figure("crowd_p50_us", (double)bench_percentile(samples[1], used[1], 50) / 1e3);
}

int main(int argc, char **argv) {
    static struct bench b;
    struct error error = {0};
    const char *build = getenv("BUILD");
    if (argc < 2) {
        return 1;
    }
    b.path = argv[1];
    b.strategy.fd = -1;
    snprintf(b.binary, sizeof b.binary, "%s/bin/bulkhead-slot", build ? build : "build");
    market_make(&b, &error);
    bench_pin(0);
    bench_starts(&b, &error);
    bench_paced(&b, &error);
    bench_crowd(&b, &error);
    shared_memory_close(&b.memory);
    strategy_close(&b.strategy);
    return 0;
}
