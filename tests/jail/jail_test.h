/*
 * jail_test.h - what the jail tests share: a small market, an admitted strategy, a started slot, a look at the host itself.
 *
 * Tests run from the repository root. $BUILD names the folder of the build under test ("build").
 */
#ifndef JAIL_TEST_H
#define JAIL_TEST_H

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/reason.h"
#include "jailer.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define ALLOW "policy/imports.allow"
#define RING_BARS 64u

static inline const char *build_path(const char *name) {
    static char paths[4][512];
    static int next;
    const char *build = getenv("BUILD");
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", build ? build : "build", name);
    return path;
}

static inline int64_t test_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* ---- a market of one instrument and one timeframe ---------------------------------------------------------------- */

struct test_market {
    struct wire_market head;
    struct agent_instrument instrument;
    struct wire_series series;
    struct wire_depth depth;
    struct agent_bar ring[RING_BARS];
    struct test_turn {
        struct wire_turn head;
        uint64_t bars;
        struct agent_quote quote;
        uint64_t ticks;
        struct wire_levels levels;
    } turns[WIRE_TURNS];
};

static inline void test_market_fill(struct test_market *market, size_t size) {
    market->head = (struct wire_market){
        .magic = WIRE_MAGIC,
        .size = size,
        .instrument_count = 1,
        .timeframe_count = 1,
        .instruments_at = offsetof(struct test_market, instrument),
        .series_at = offsetof(struct test_market, series),
        .depths_at = offsetof(struct test_market, depth),
        .turns_at = offsetof(struct test_market, turns),
        .turn_size = sizeof(struct test_turn),
        .turn_counts_at = offsetof(struct test_turn, bars),
        .turn_quotes_at = offsetof(struct test_turn, quote),
        .turn_tick_counts_at = offsetof(struct test_turn, ticks),
        .turn_levels_at = offsetof(struct test_turn, levels),
    };
    snprintf(market->instrument.name, sizeof(market->instrument.name), "TEST");
    market->instrument.tick = 0.25;
    market->instrument.lot = 1;
    market->series =
        (struct wire_series){.ring_at = offsetof(struct test_market, ring), .mask = RING_BARS - 1, .timeframe_ns = 60 * SECOND};
}

/* Turn `sequence`: one bar more, a new time. */
static inline void test_market_turn(struct test_market *market, uint64_t sequence) {
    struct test_turn *turn = &market->turns[sequence & (WIRE_TURNS - 1)];
    struct agent_bar *bar = &market->ring[sequence & (RING_BARS - 1)];
    double price = 100.0 + 0.25 * (double)(sequence % 40);
    *bar = (struct agent_bar){.start_ns = (int64_t)sequence * 60 * SECOND,
                              .open = price,
                              .high = price,
                              .low = price,
                              .close = price,
                              .open_ticks = price * 4,
                              .high_ticks = price * 4,
                              .low_ticks = price * 4,
                              .close_ticks = price * 4};
    turn->head =
        (struct wire_turn){.sequence = sequence, .now_ns = (int64_t)(sequence + 1) * 60 * SECOND, .events = AGENT_EVENT_BAR};
    turn->bars = sequence + 1;
    turn->quote = (struct agent_quote){.time_ns = turn->head.now_ns, .last = price, .last_ticks = price * 4};
}

/* ---- one strategy in one slot ------------------------------------------------------------------------------------ */

struct jail {
    struct strategy strategy;
    struct shared_memory market;
    struct slot slot;
    struct slot_options options;
    struct error error;
};

static inline struct test_market *jail_market(struct jail *jail) {
    return jail->market.bytes;
}

/* The file must be readable; whether the lint likes it is the test's business. */
static inline void jail_open(struct jail *jail, const char *path) {
    memset(jail, 0, sizeof(*jail));
    int code = strategy_open(&jail->strategy, path, ALLOW, &jail->error);
    if (code) {
        fail_msg("%s: %s", path, jail->error.text);
    }
    assert_int_equal(shared_memory_open(&jail->market, SHARED_HOST_WRITES, sizeof(struct test_market), &jail->error), 0);
    test_market_fill(jail_market(jail), jail->market.size);
    jail->options = (struct slot_options){
        .strategy = &jail->strategy,
        .title = "slot test [active]",
        .core = -1,
        .market = &jail->market,
        .slot_binary = build_path("bin/bulkhead-slot"),
        .start_ns_max = 2 * SECOND,
    };
}

/* Past the lint, as if a hostile file had found a way. Only a test can: it sets what strategy_open() alone sets elsewhere. */
static inline void jail_force(struct jail *jail) {
    jail->strategy.admitted = true;
}

static inline int jail_start(struct jail *jail) {
    return slot_start(&jail->slot, &jail->options, &jail->error);
}

static inline void jail_started(struct jail *jail, const char *path) {
    jail_open(jail, path);
    if (!jail->strategy.admitted) {
        fail_msg("%s: %s", path, jail->strategy.findings[0].text);
    }
    if (jail_start(jail) != 0) {
        fail_msg("%s", jail->error.text);
    }
}

static inline enum slot_answer jail_turn(struct jail *jail, uint64_t sequence, int64_t timeout_ns) {
    test_market_turn(jail_market(jail), sequence);
    slot_private(&jail->slot)->command.events = AGENT_EVENT_BAR;
    slot_ring(&jail->slot, WIRE_RUN, sequence);
    return slot_wait(&jail->slot, timeout_ns, true);
}

static inline void jail_close(struct jail *jail) {
    slot_kill(&jail->slot, REASON_SLOT_STOPPED, "end of test");
    shared_memory_close(&jail->market);
    strategy_close(&jail->strategy);
}

/* ---- the host looks at itself ------------------------------------------------------------------------------------ */

static inline int entries_of(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    while (folder && readdir(folder)) {
        count++;
    }
    if (folder) {
        closedir(folder);
    }
    return count;
}

static inline int host_descriptors(void) {
    return entries_of("/proc/self/fd");
}
static inline int host_threads(void) {
    return entries_of("/proc/self/task");
}

#endif
