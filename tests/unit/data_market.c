/*
 * data_market.c - the market memory as a slot reads it: only through the offsets in its head, never through the writer's
 * own pointers. What a turn block shows is compared with the input, also after the rings wrapped, and higher timeframes
 * with a brute-force aggregation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/data.h"

static struct market market;
static struct error error;
static uint64_t random_state = 11;

static uint64_t random_next(void) {
    uint64_t value = random_state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static struct instrument instrument_of(const char *name, int64_t tick_e8) {
    struct instrument i = {.tick_e8 = tick_e8, .lot_e8 = 1000, .multiplier_e8 = E8, .quantity_min_lots = 2, .currency = "USD"};
    memcpy(i.name, name, strlen(name));
    assert_int_equal(instrument_init(&i, &error), 0);
    return i;
}

/* ---- a reader --------------------------------------------------------------------------------------------------------------- */

static const void *at(const struct wire_market *memory, uint64_t offset) {
    assert_true(offset < memory->size);
    return (const unsigned char *)memory + offset;
}

static const unsigned char *block_of(const struct wire_market *memory, uint64_t sequence) {
    return at(memory, memory->turns_at + (sequence & (WIRE_TURNS - 1)) * memory->turn_size);
}

static uint64_t count_of(const struct wire_market *memory, uint64_t sequence, uint32_t instrument, uint32_t timeframe) {
    const uint64_t *counts = (const void *)(block_of(memory, sequence) + memory->turn_counts_at);
    return counts[instrument * memory->timeframe_count + timeframe];
}

static const struct agent_quote *quote_of(const struct wire_market *memory, uint64_t sequence, uint32_t instrument) {
    return (const struct agent_quote *)(const void *)(block_of(memory, sequence) + memory->turn_quotes_at) + instrument;
}

static const struct agent_bar *bar_of(const struct wire_market *memory, uint32_t instrument, uint32_t timeframe, uint64_t index) {
    const struct wire_series *series = at(memory, memory->series_at);
    series += instrument * memory->timeframe_count + timeframe;
    return (const struct agent_bar *)at(memory, series->ring_at) + (index & series->mask);
}

static void *memory_open(const struct market_options *options) {
    size_t size = market_size(options);
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0, size);
    assert_int_equal(market_init(&market, options, memory, &error), 0);
    assert_int_equal(market.memory->size, size);
    return memory;
}

static void append(uint16_t instrument, const struct bar *bar, int64_t timeframe_ns, bool after_gap) {
    struct agent_bar converted;
    market_convert_bar(&market, instrument, bar, after_gap, &converted);
    market_append_bar(&market, instrument, bar, after_gap, &converted, bar->start_ns + timeframe_ns);
}

static void check_bar(const struct instrument *i, const struct bar *bar, const struct agent_bar *seen) {
    assert_int_equal(seen->start_ns, bar->start_ns);
    assert_true(seen->open == instrument_price(i, bar->open) && seen->high == instrument_price(i, bar->high));
    assert_true(seen->low == instrument_price(i, bar->low) && seen->close == instrument_price(i, bar->close));
    assert_true(seen->open_ticks == (double)bar->open && seen->high_ticks == (double)bar->high);
    assert_true(seen->low_ticks == (double)bar->low && seen->close_ticks == (double)bar->close);
    assert_true(seen->volume == (bar->volume_e8 < 0 ? -1.0 : money_double(bar->volume_e8)));
    assert_true(seen->trades == -1.0);
}

/* ---- head and identities ---------------------------------------------------------------------------------------------------- */

static void test_identities(void **state) {
    (void)state;
    struct instrument list[2] = {instrument_of("A", 25000000), instrument_of("B", 1000000)};
    list[1].long_only = list[1].market_entry = true;
    list[1].fee_taker_e8 = 100000;
    struct market_options options = {.instruments = list, .instrument_count = 2, .timeframe_count = 1, .timeframe_ns = {60 * NS_PER_S}, .bars = {30}};
    struct wire_market *memory = memory_open(&options);
    const struct agent_instrument *seen = at(memory, memory->instruments_at);
    assert_int_equal(memory->magic, WIRE_MAGIC);
    assert_string_equal(seen[0].name, "A");
    assert_true(seen[0].tick == 0.25 && seen[0].lot == 0.00001 && seen[0].quantity_min == 0.00002);
    assert_int_equal(seen[0].flags, AGENT_FLAG_TRADABLE);
    assert_true(seen[1].tick == 0.01 && seen[1].fee_taker == 0.001 && seen[1].multiplier == 1.0);
    assert_int_equal(seen[1].flags, AGENT_FLAG_TRADABLE | AGENT_FLAG_LONG_ONLY | AGENT_FLAG_MARKET_ENTRY);
    assert_int_equal(market_publish(&market, 5, 0), 1);
    const struct agent_quote *quote = quote_of(memory, 1, 0);
    assert_true(quote->time_ns == 0 && quote->last == 0 && quote->data_quality < 0 && quote->minutes_since_open < 0);
    free(memory);
}

/* Every part lies inside the memory, aligned, and none overlaps another. */
static void check_layout(const struct market_options *options) {
    struct wire_market *memory = memory_open(options);
    const struct wire_series *series = at(memory, memory->series_at);
    const struct wire_depth *depths = at(memory, memory->depths_at);
    uint64_t end = memory->turns_at + WIRE_TURNS * memory->turn_size;
    assert_true(memory->instruments_at >= sizeof(struct wire_market) && memory->series_at > memory->instruments_at);
    assert_true(memory->depths_at > memory->series_at && memory->turns_at > memory->depths_at);
    for (uint32_t s = 0; s < options->instrument_count * options->timeframe_count; s++) {
        uint64_t capacity = series[s].mask + 1;
        assert_int_equal(series[s].ring_at % 64, 0);
        assert_int_equal(capacity & series[s].mask, 0);
        assert_true(capacity >= 2 * options->bars[s % options->timeframe_count]);
        assert_true(series[s].ring_at >= end);
        end = series[s].ring_at + capacity * sizeof(struct agent_bar);
        if ((s + 1) % options->timeframe_count == 0 && options->ticks > 0) {
            const struct wire_depth *depth = &depths[s / options->timeframe_count];
            assert_true(depth->ticks_at >= end && depth->tick_capacity == depth->tick_mask + 1);
            end = depth->ticks_at + depth->tick_capacity * sizeof(struct agent_tick);
        }
    }
    assert_true(end <= memory->size);
    free(memory);
}

static void test_layouts(void **state) {
    (void)state;
    static struct instrument list[INSTRUMENTS_MAX];
    for (int i = 0; i < INSTRUMENTS_MAX; i++) {
        list[i] = instrument_of("X", 1);
    }
    struct market_options options = {.instruments = list, .timeframe_ns = {60, 300, 900, 3600, 14400, 86400}};
    const uint32_t needs[] = {1, 2, 3, 30, 64, 200};
    for (uint32_t instruments = 1; instruments <= INSTRUMENTS_MAX; instruments += 21) {
        for (uint32_t timeframes = 1; timeframes <= TIMEFRAMES_MAX; timeframes++) {
            options.instrument_count = instruments;
            options.timeframe_count = timeframes;
            memcpy(options.bars, needs, sizeof(needs));
            options.ticks = timeframes % 2 * 100;
            options.depth_levels = timeframes % 3 * 10;
            check_layout(&options);
        }
    }
}

static void test_refused_layouts(void **state) {
    (void)state;
    struct instrument one = instrument_of("A", 1);
    const struct market_options good = {.instruments = &one, .instrument_count = 1, .timeframe_count = 2, .timeframe_ns = {60, 300}, .bars = {1, 1}};
    struct market_options bad;
    static unsigned char memory[1 << 16];
#define REFUSED(change, code)                                               \
    bad = good;                                                             \
    bad.change;                                                             \
    assert_int_equal(market_init(&market, &bad, memory, &error), code)
    REFUSED(instrument_count = 0, ERROR_RANGE);
    REFUSED(instrument_count = 65, ERROR_RANGE);
    REFUSED(timeframe_count = 0, ERROR_RANGE);
    REFUSED(timeframe_count = 7, ERROR_RANGE);
    REFUSED(bars[1] = 0, ERROR_RANGE);
    REFUSED(bars[0] = 4097, ERROR_RANGE);
    REFUSED(ticks = 4097, ERROR_RANGE);
    REFUSED(depth_levels = 33, ERROR_RANGE);
    REFUSED(timeframe_ns[1] = 90, ERROR_REFUSED);
    REFUSED(timeframe_ns[1] = 60, ERROR_REFUSED);
    REFUSED(timeframe_ns[0] = 0, ERROR_REFUSED);
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------ */

#define TURNS 1000

static struct bar input[3][TURNS];

static void input_make(uint32_t instruments, bool holes) {
    for (uint32_t i = 0; i < instruments; i++) {
        int64_t minute = 1000000 + i;
        for (int n = 0; n < TURNS; n++) {
            int64_t price = (int64_t)(100 + random_next() % 1000000), up = (int64_t)(random_next() % 100);
            minute += holes && random_next() % 12 == 0 ? (int64_t)(1 + random_next() % 9) : 1;
            input[i][n] = (struct bar){minute * 60 * NS_PER_S, price, price + up, price - up, price + up / 2, random_next() % 50 == 0 ? -1 : (int64_t)(random_next() % 1000000) * 1000};
        }
    }
}

/* Each of the last WIRE_TURNS blocks shows exactly what had been appended when it was published. */
static void test_turns_and_ring_wrap(void **state) {
    (void)state;
    struct instrument list[3] = {instrument_of("A", 25000000), instrument_of("B", 1000), instrument_of("C", 1)};
    struct market_options options = {.instruments = list, .timeframe_count = 1, .timeframe_ns = {60 * NS_PER_S}, .bars = {20}};
    for (uint32_t instruments = 1; instruments <= 3; instruments += 2) {
        options.instrument_count = instruments;
        struct wire_market *memory = memory_open(&options);
        input_make(instruments, false);
        for (uint64_t n = 0; n < TURNS; n++) {
            for (uint16_t i = 0; i < instruments; i++) {
                append(i, &input[i][n], 60 * NS_PER_S, n % 7 == 0);
            }
            assert_int_equal(market_publish(&market, (int64_t)n * 10, AGENT_EVENT_BAR), n + 1);
            for (uint64_t back = 0; back < WIRE_TURNS && back <= n; back++) {
                uint64_t turn = n - back;
                const struct wire_turn *head = (const void *)block_of(memory, turn + 1);
                assert_true(head->sequence == turn + 1 && head->now_ns == (int64_t)turn * 10 && head->events == AGENT_EVENT_BAR);
                for (uint32_t i = 0; i < instruments; i++) {
                    assert_int_equal(count_of(memory, turn + 1, i, 0), turn + 1);
                    assert_true(quote_of(memory, turn + 1, i)->last == instrument_price(&list[i], input[i][turn].close));
                    assert_int_equal(quote_of(memory, turn + 1, i)->time_ns, input[i][turn].start_ns + 60 * NS_PER_S);
                }
            }
            for (uint64_t back = 0; back < 40 && back <= n; back++) {
                check_bar(&list[0], &input[0][n - back], bar_of(memory, 0, 0, n - back));
                assert_int_equal(bar_of(memory, 0, 0, n - back)->flags, (n - back) % 7 == 0);
            }
        }
        free(memory);
    }
}

/* ---- higher timeframes ------------------------------------------------------------------------------------------------------ */

/* All finished buckets after the first `count` base bars, by the rule's words. Returns how many. */
static size_t aggregate(const struct bar *bars, size_t count, int64_t timeframe_ns, struct bar *out) {
    size_t made = 0;
    for (size_t first = 0; first < count;) {
        int64_t start = bars[first].start_ns / timeframe_ns * timeframe_ns;
        size_t next = first;
        struct bar bucket = {start, bars[first].open, 0, INT64_MAX, 0, 0};
        for (; next < count && bars[next].start_ns < start + timeframe_ns; next++) {
            bucket.high = bars[next].high > bucket.high ? bars[next].high : bucket.high;
            bucket.low = bars[next].low < bucket.low ? bars[next].low : bucket.low;
            bucket.close = bars[next].close;
            bucket.volume_e8 = bucket.volume_e8 < 0 || bars[next].volume_e8 < 0 ? -1 : bucket.volume_e8 + bars[next].volume_e8;
        }
        bool complete = bars[next - 1].start_ns + 60 * NS_PER_S == start + timeframe_ns;
        if (complete || next < count) {
            out[made++] = bucket;
        }
        first = next;
    }
    return made;
}

static void check_aggregation(bool holes) {
    static struct bar expected[TURNS];
    struct instrument list[2] = {instrument_of("A", 25000000), instrument_of("B", 1000)};
    struct market_options options = {.instruments = list, .instrument_count = 2, .timeframe_count = 3,
                                     .timeframe_ns = {60 * NS_PER_S, 300 * NS_PER_S, 3600 * NS_PER_S}, .bars = {10, 500, 50}};
    struct wire_market *memory = memory_open(&options);
    input_make(2, holes);
    for (size_t n = 0; n < TURNS; n++) {
        for (uint16_t i = 0; i < 2; i++) {
            append(i, &input[i][n], 60 * NS_PER_S, false);
        }
        uint64_t sequence = market_publish(&market, 0, 0);
        for (uint32_t i = 0; n % 37 == 0 && i < 2; i++) {
            for (uint32_t t = 1; t < 3; t++) {
                size_t made = aggregate(input[i], n + 1, options.timeframe_ns[t], expected);
                assert_int_equal(count_of(memory, sequence, i, t), made);
                for (size_t k = made > 30 ? made - 30 : 0; k < made; k++) {
                    const struct agent_bar *seen = bar_of(memory, i, t, k);
                    check_bar(&list[i], &expected[k], seen);
                    bool gap = k > 0 && expected[k].start_ns != expected[k - 1].start_ns + options.timeframe_ns[t];
                    assert_int_equal(seen->flags, gap);
                }
            }
        }
    }
    free(memory);
}

static void test_aggregation_against_brute_force(void **state) {
    (void)state;
    check_aggregation(false);
    check_aggregation(true);
}

/* A bucket whose last bar is missing becomes visible with the first bar of a later one, not before. */
static void test_bucket_ends(void **state) {
    (void)state;
    struct instrument one = instrument_of("A", E8);
    struct market_options options = {.instruments = &one, .instrument_count = 1, .timeframe_count = 2,
                                     .timeframe_ns = {60 * NS_PER_S, 300 * NS_PER_S}, .bars = {5, 5}};
    struct wire_market *memory = memory_open(&options);
    const struct {
        int64_t minute;
        uint64_t visible;
    } steps[] = {{-7, 0}, {-6, 1}, {-5, 1}, {0, 2}, {3, 2}, {9, 4}, {10, 4}, {14, 5}};
    for (size_t n = 0; n < sizeof(steps) / sizeof(steps[0]); n++) {
        struct bar bar = {steps[n].minute * 60 * NS_PER_S, 5, 6, 4, 5, 1};
        append(0, &bar, 60 * NS_PER_S, false);
        assert_int_equal(count_of(memory, market_publish(&market, 0, 0), 0, 1), steps[n].visible);
    }
    assert_int_equal(bar_of(memory, 0, 1, 0)->start_ns, -600 * NS_PER_S); /* before 1970 buckets are aligned alike */
    free(memory);
}

/* ---- quotes, trades, levels ------------------------------------------------------------------------------------------------- */

static void test_quotes_trades_and_levels(void **state) {
    (void)state;
    struct instrument list[2] = {instrument_of("A", 25000000), instrument_of("B", 1000)};
    struct market_options options = {.instruments = list, .instrument_count = 2, .timeframe_count = 1, .timeframe_ns = {60 * NS_PER_S},
                                     .bars = {5}, .ticks = 3, .depth_levels = 2};
    struct wire_market *memory = memory_open(&options);
    struct quote quote = {.time_ns = 9, .bid_ticks = 400, .ask_ticks = 401, .bid_size_e8 = E8 / 2, .ask_size_e8 = 2 * E8};
    market_set_quote(&market, 1, &quote);
    for (int n = 0; n < 10; n++) {
        market_append_tick(&market, 1, n, 500 + n, n % 2 == 0 ? E8 : -E8);
    }
    const struct book_level bids[] = {{400, E8}, {399, 2 * E8}, {398, 3 * E8}}, asks[] = {{401, E8}};
    market_set_levels(&market, 1, bids, 3, asks, 1);
    uint64_t sequence = market_publish(&market, 0, AGENT_EVENT_TRADE);
    market_set_levels(&market, 1, asks, 0, asks, 0); /* after the publish: the block does not change */
    market_append_tick(&market, 1, 99, 999, E8);
    const struct agent_quote *seen = quote_of(memory, sequence, 1);
    assert_true(seen->bid == 0.004 && seen->ask == 0.00401 && seen->bid_size == 0.5 && seen->ask_size == 2.0);
    assert_true(seen->last == 0.00509 && seen->last_ticks == 509 && seen->time_ns == 9);
    const uint64_t *ticks = (const void *)(block_of(memory, sequence) + memory->turn_tick_counts_at);
    assert_true(ticks[0] == 0 && ticks[1] == 10);
    const struct wire_depth *depth = (const struct wire_depth *)at(memory, memory->depths_at) + 1;
    const struct agent_tick *tick = (const struct agent_tick *)at(memory, depth->ticks_at) + (9 & depth->tick_mask);
    assert_true(tick->price_ticks == 509 && tick->size == -1.0 && tick->time_ns == 9);
    const unsigned char *levels = block_of(memory, sequence) + memory->turn_levels_at;
    levels += sizeof(struct wire_levels) + 4 * sizeof(struct agent_level); /* over instrument 0 */
    const struct wire_levels *counts = (const void *)levels;
    const struct agent_level *level = (const void *)(levels + sizeof(*counts));
    assert_true(counts->bid_count == 2 && counts->ask_count == 1);
    assert_true(level[0].price_ticks == 400 && level[1].size == 2.0 && level[2].price == 0.00401);
    free(memory);
}

/* Beyond 2^53 the fast conversion would round twice; the slow one must take over. */
static void test_conversion_at_its_edges(void **state) {
    (void)state;
    struct instrument list[2] = {instrument_of("A", 25000000), instrument_of("B", 1)};
    struct market_options options = {.instruments = list, .instrument_count = 2, .timeframe_count = 1, .timeframe_ns = {60}, .bars = {5}};
    struct wire_market *memory = memory_open(&options);
    for (int round = 0; round < 100000; round++) {
        uint16_t i = (uint16_t)(random_next() % 2);
        int64_t low = (int64_t)(random_next() >> (11 + random_next() % 50)) + 1;
        int64_t high = low + (int64_t)(random_next() % 3);
        struct bar bar = {0, low, high, low, high, (int64_t)(random_next() >> (1 + random_next() % 40))};
        struct agent_bar out;
        market_convert_bar(&market, i, &bar, true, &out);
        check_bar(&list[i], &bar, &out);
        assert_int_equal(out.flags, AGENT_BAR_AFTER_GAP);
    }
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_refused_layouts),
        cmocka_unit_test(test_turns_and_ring_wrap),
        cmocka_unit_test(test_aggregation_against_brute_force),
        cmocka_unit_test(test_bucket_ends),
        cmocka_unit_test(test_quotes_trades_and_levels),
        cmocka_unit_test(test_conversion_at_its_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
