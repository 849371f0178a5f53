/*
 * entry.c - is what agent_entry_v1 says of itself in range? Rule 7 of the lint; every limit is one of agent_abi.h.
 *
 * Each finding names the member, what was found and what was wanted.
 */
#include "jailer/lint.h"

#include <string.h>

#include "agent_digest.h"

static void range(struct strategy *strategy, const char *member, uint64_t found, uint64_t low, uint64_t high) {
    if (found < low || found > high) {
        lint_add(strategy, "%s is %llu; wanted %llu to %llu", member, (unsigned long long)found, (unsigned long long)low,
                 (unsigned long long)high);
    }
}

/* Terminated, only allowed bytes, the unused ones zero. Returns the length, or -1. */
static int text_length(const char *text, size_t size, bool (*allowed)(char)) {
    size_t length = strnlen(text, size);
    for (size_t i = 0; i < size; i++) {
        if (i < length ? !allowed(text[i]) : text[i] != '\0') {
            return -1;
        }
    }
    return length < size ? (int)length : -1;
}

static bool name_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
}
static bool printable(char byte) {
    return byte >= ' ' && byte <= '~';
}

static void lint_names(struct strategy *strategy) {
    struct agent_vtable *entry = &strategy->entry;
    if (text_length(entry->name, sizeof(entry->name), name_byte) <= 0) {
        lint_add(strategy, "name is empty or has other bytes; wanted 1 to %d of [a-z0-9_], the rest zero", AGENT_NAME_MAX - 1);
        memset(entry->name, 0, sizeof(entry->name));
    }
    if (text_length(entry->release, sizeof(entry->release), printable) < 0) {
        lint_add(strategy, "release has other bytes; wanted at most %d printable ones, the rest zero", AGENT_NAME_MAX - 1);
        memset(entry->release, 0, sizeof(entry->release));
    }
}

static void lint_timeframes(struct strategy *strategy) {
    const struct agent_needs *needs = &strategy->entry.needs;
    uint32_t count = needs->timeframe_count;
    range(strategy, "needs.timeframe_count", count, 1, AGENT_TIMEFRAMES_MAX);
    for (uint32_t i = 0; i < AGENT_TIMEFRAMES_MAX; i++) {
        uint32_t seconds = needs->timeframe_s[i];
        if (i >= count && (seconds != 0 || needs->bars[i] != 0)) {
            lint_add(strategy, "needs.timeframe_s[%u] or bars[%u] is set; wanted 0 beyond timeframe_count", i, i);
        } else if (i < count && i > 0 && seconds <= needs->timeframe_s[i - 1]) {
            lint_add(strategy, "needs.timeframe_s[%u] is %u; wanted ascending", i, seconds);
        }
        if (i < count && (needs->bars[i] == 0 || needs->bars[i] > AGENT_BARS_MAX)) {
            lint_add(strategy, "needs.bars[%u] is %u; wanted 1 to %d", i, needs->bars[i], AGENT_BARS_MAX);
        }
    }
}

static void lint_needs(struct strategy *strategy) {
    const struct agent_needs *needs = &strategy->entry.needs;
    uint32_t known = AGENT_EVENT_BAR | AGENT_EVENT_QUOTE | AGENT_EVENT_TRADE | AGENT_EVENT_FILL | AGENT_EVENT_TIMER;
    if (needs->events == 0 || (needs->events & ~known)) {
        lint_add(strategy, "needs.events is 0x%x; wanted at least one bit of 0x%x and no other", needs->events, known);
    }
    if (!(needs->events & AGENT_EVENT_TIMER) != (needs->timer_ms == 0)) {
        lint_add(strategy, "needs.timer_ms is %u; wanted a period exactly with AGENT_EVENT_TIMER", needs->timer_ms);
    }
    lint_timeframes(strategy);
    range(strategy, "needs.ticks", needs->ticks, 0, AGENT_TICKS_MAX);
    range(strategy, "needs.depth", needs->depth, 0, AGENT_DEPTH_MAX);
    range(strategy, "needs.decide_us_max", needs->decide_us_max, 1, 1000000);
}

static void lint_state(struct strategy *strategy) {
    const struct agent_vtable *entry = &strategy->entry;
    bool saves = strategy->calls & (1u << CALL_SAVE);
    range(strategy, "self_size", entry->self_size, 1, AGENT_SELF_MAX);
    range(strategy, "state_max", entry->state_max, 0, AGENT_STATE_MAX);
    if (saves != (entry->state_schema != 0) || saves != (entry->state_max != 0)) {
        lint_add(strategy, "save is %s, state_schema %u, state_max %u; wanted all three or none", saves ? "given" : "NULL",
                 entry->state_schema, entry->state_max);
    }
}

void lint_identity(struct strategy *strategy) {
    const struct agent_vtable *entry = &strategy->entry;
    if (entry->magic != AGENT_ABI_MAGIC) {
        lint_add(strategy, "magic is 0x%llx; wanted 0x%llx", (unsigned long long)entry->magic, AGENT_ABI_MAGIC);
    }
    range(strategy, "version", entry->version, AGENT_ABI_VERSION, AGENT_ABI_VERSION);
    range(strategy, "size", entry->size, sizeof(*entry), sizeof(*entry));
    if (entry->digest != AGENT_ABI_DIGEST) {
        lint_add(strategy, "digest is 0x%llx; wanted 0x%llx (built against another agent_abi.h)",
                 (unsigned long long)entry->digest, AGENT_ABI_DIGEST);
    }
    for (size_t i = 0; i < sizeof(entry->reserved) / sizeof(entry->reserved[0]); i++) {
        if (entry->reserved[i] != 0) {
            lint_add(strategy, "reserved[%zu] is set; wanted zero", i);
        }
    }
    lint_names(strategy);
    lint_needs(strategy);
    lint_state(strategy);
    if (!(strategy->calls & (1u << CALL_INIT)) || !(strategy->calls & (1u << CALL_GENERATE_SIGNALS))) {
        lint_add(strategy, "init or generate_signals is NULL; wanted both");
    }
}
