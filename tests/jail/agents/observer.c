/*
 * observer.c - an honest agent that reports what it was told, for the tests of a normal life and of secrets.
 *
 * Parameter "libm": also a hash over results of libm. Parameter "needle": also a search of its whole address space for that
 * text, turned by one in each letter so that the parameter itself is no hit. "shout": that many log lines each turn. "busy":
 * that many empty steps each turn.
 */
#include "agent.h"
#include "observer.h"

#include <stdlib.h>

struct observer {
    struct observed seen;
    char needle[AGENT_PARAM_TEXT_MAX];
    uint64_t shouts, busy;
    int cold;
    int (*log)(int level, const char *text);
};

static int init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct observer *o = self;
    o->seen.inits++;
    o->seen.seed = setup->seed;
    o->seen.param_count = setup->param_count;
    o->log = services->log;
    agent_text(o->seen.param, sizeof(o->seen.param), agent_param_text(setup, "text", ""));
    agent_text(o->needle, sizeof(o->needle), agent_param_text(setup, "needle", ""));
    o->shouts = strtoul(agent_param_text(setup, "shout", "0"), NULL, 10);
    o->busy = strtoul(agent_param_text(setup, "busy", "0"), NULL, 10);
    if (*agent_param_text(setup, "libm", "") != '\0') {
        o->seen.libm = libm_hash();
    }
    services->note("tag", "init was called");
    return AGENT_OK;
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

static long call(long number, long a, long b, long c, long d) {
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

/* A wake on a shared futex has to look at the page: an error when there is none. */
static int readable(uintptr_t page) {
    return call(202, (long)page, 1, 0, 0) >= 0;
}

static int begins(const char *at, const char *needle) {
    for (size_t i = 0; needle[i] != '\0'; i++) {
        if (at[i] != needle[i] - 1) { /* the needle is kept turned by one */
            return 0;
        }
    }
    return 1;
}

static void page_search(struct observer *o, uintptr_t page) {
    size_t length = strlen(o->needle);
    o->seen.pages++;
    for (uintptr_t at = page; at + length <= page + 4096; at++) {
        o->seen.hits += (uint64_t)begins((const char *)at, o->needle);
    }
}

/* From an address that is known to be mapped, up and down as far as 64 MiB without a page. */
static void region_search(struct observer *o, uintptr_t from) {
    for (int direction = -1; direction <= 1; direction += 2) {
        int missing = 0;
        uintptr_t page = from & ~(uintptr_t)4095;
        for (page += direction > 0 ? 4096 : 0; missing < 16384 && page >= 65536; page += (uintptr_t)(direction * 4096)) {
            missing++;
            if (readable(page)) {
                missing = 0;
                page_search(o, page);
            }
        }
    }
}

/* Program, heap, libraries, stack, own memory, the shared memories: everything a pointer leads to. */
static void search(struct observer *o, const struct agent_snapshot *snapshot, const struct agent_wish *out) {
    uintptr_t on_stack = (uintptr_t)__builtin_frame_address(0);
    region_search(o, on_stack);
    region_search(o, (uintptr_t)o->log); /* the program, and its heap behind it */
    region_search(o, (uintptr_t)strtoul);
    region_search(o, (uintptr_t)init);
    region_search(o, (uintptr_t)snapshot->instruments);
    region_search(o, (uintptr_t)snapshot->book);
    region_search(o, (uintptr_t)out);
    void *heap = malloc(64);
    region_search(o, (uintptr_t)heap);
    free(heap);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static int generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct observer *o = self;
    const struct agent_bar *bar = agent_bar_back(agent_series_of(snapshot, 0, 0), 0);
    (void)max;
    o->seen.turns++;
    o->seen.sequence = snapshot->sequence;
    o->seen.events = snapshot->events;
    o->seen.gap = snapshot->gap;
    o->seen.now_ns = snapshot->now_ns;
    o->seen.bars = snapshot->series[0].count;
    o->seen.close = bar ? bar->close : 0;
    o->seen.last = snapshot->quotes[0].last;
    o->seen.equity = snapshot->book->equity;
    if (o->needle[0] != '\0' && o->seen.turns == 1) {
        search(o, snapshot, out);
    }
    for (uint64_t i = 0; i < o->shouts; i++) {
        o->log(1, "shout");
    }
    for (volatile uint64_t i = 0; i < o->busy; i++) {
    }
    memcpy(out, &o->seen, sizeof(o->seen));
    return 2;
}

static void on_fill(void *self, const struct agent_fill *fill) {
    struct observer *o = self;
    o->seen.fills_out_of_order += fill->fill_id != o->seen.last_fill + 1;
    o->seen.last_fill = fill->fill_id;
    o->seen.fills++;
}

static void on_limit_update(void *self, const struct agent_limits *limits) {
    struct observer *o = self;
    o->seen.limit_updates++;
    o->seen.limit_generation = limits->generation;
}

static int64_t save(const void *self, void *bytes, uint64_t max) {
    const struct observer *o = self;
    if (max < sizeof(o->seen)) {
        return AGENT_ERROR;
    }
    memcpy(bytes, &o->seen, sizeof(o->seen));
    return sizeof(o->seen);
}

static int load(void *self, uint32_t schema, const void *bytes, uint64_t size) {
    struct observer *o = self;
    if (size != sizeof(o->seen) || schema != 7) {
        o->seen.loads = 99; /* must be gone after the cold start */
        return AGENT_ERROR;
    }
    memcpy(&o->seen, bytes, sizeof(o->seen));
    o->seen.loads++;
    return AGENT_OK;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("observer", "1"),
    .needs = {.events = AGENT_EVENT_BAR | AGENT_EVENT_FILL, .timeframe_count = 1, .bars = {8}, .decide_us_max = 1000000},
    .self_size = sizeof(struct observer),
    .state_schema = 7,
    .state_max = sizeof(struct observed),
    .init = init,
    .generate_signals = generate,
    .on_fill = on_fill,
    .on_limit_update = on_limit_update,
    .save = save,
    .load = load,
};
