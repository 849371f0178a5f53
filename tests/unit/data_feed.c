/* data_feed.c - turns of merged bar files against a brute-force sort, and the generator's promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/data.h"

#define BARS_EACH 300

static uint64_t random_state = 3;

static uint64_t random_next(void) {
    uint64_t value = random_state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* ---- the merge -------------------------------------------------------------------------------------------------------------- */

struct event {
    int64_t close_ns;
    uint16_t instrument;
    const struct bar *bar;
    bool after_gap;
};

static int event_order(const void *left, const void *right) {
    const struct event *a = left, *b = right;
    if (a->close_ns != b->close_ns) {
        return a->close_ns < b->close_ns ? -1 : 1;
    }
    return (int)a->instrument - (int)b->instrument;
}

static struct bar bars[INSTRUMENTS_MAX][BARS_EACH];
static struct event events[INSTRUMENTS_MAX * BARS_EACH];

/* Sources with holes, different starts, lengths and timeframes; also empty ones. */
static size_t sources_make(struct feed *feed, uint32_t count) {
    size_t total = 0;
    memset(feed, 0, sizeof(*feed));
    feed->source_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int64_t timeframe_ns = (int64_t)(1 + random_next() % 3) * 60 * NS_PER_S;
        int64_t at = (int64_t)(random_next() % 50) * 60 * NS_PER_S;
        size_t length = random_next() % 8 == 0 ? 0 : random_next() % BARS_EACH;
        for (size_t n = 0; n < length; n++) {
            int64_t holes = random_next() % 10 == 0 ? (int64_t)(random_next() % 5) : 0;
            at += timeframe_ns * (1 + holes);
            bars[i][n].start_ns = at;
            events[total++] = (struct event){at + timeframe_ns, (uint16_t)i, &bars[i][n], n > 0 && holes > 0};
        }
        feed->sources[i] = (struct feed_source){bars[i], length, 0, timeframe_ns};
    }
    qsort(events, total, sizeof(events[0]), event_order);
    return total;
}

static void check_merge(uint32_t sources) {
    static struct feed feed;
    static struct bar_turn turn;
    size_t total = sources_make(&feed, sources), at = 0;
    int64_t last_ns = INT64_MIN;
    while (feed_next(&feed, &turn)) {
        assert_true(turn.count > 0);
        assert_true(turn.close_ns > last_ns);
        last_ns = turn.close_ns;
        for (uint32_t n = 0; n < turn.count; n++, at++) {
            assert_true(at < total);
            assert_int_equal(turn.close_ns, events[at].close_ns);
            assert_int_equal(turn.instrument[n], events[at].instrument);
            assert_ptr_equal(turn.bar[n], events[at].bar);
            assert_int_equal(turn.after_gap[n], events[at].after_gap);
        }
        assert_true(at == total || events[at].close_ns > turn.close_ns); /* nothing of this turn is left behind */
    }
    assert_int_equal(at, total);
    assert_int_equal(turn.count, 0);
    assert_false(feed_next(&feed, &turn)); /* the end stays the end */
}

static void test_merge_against_sort(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        for (uint32_t sources = 0; sources <= 9; sources++) {
            check_merge(sources);
        }
    }
    check_merge(INSTRUMENTS_MAX);
}

/* ---- the generator ---------------------------------------------------------------------------------------------------------- */

static struct bar_file file;
static struct error error;

static void check_bars(int64_t step) {
    for (size_t i = 0; i < file.count; i++) {
        const struct bar *bar = &file.bars[i];
        assert_true(bar->low > 0);
        assert_true(bar->low <= bar->open && bar->low <= bar->close && bar->open <= bar->high && bar->close <= bar->high);
        assert_true(bar->close - bar->open <= step && bar->open - bar->close <= step);
        if (i > 0) {
            assert_int_not_equal(bar->open, bar[-1].close);
            assert_int_equal(bar->start_ns - bar[-1].start_ns, file.timeframe_ns);
        }
    }
}

static void test_generated_bars_are_possible(void **state) {
    (void)state;
    static const struct {
        int64_t price, step;
    } cases[] = {{4, 1}, {40, 10}, {2500000, 500}, {INT64_C(1) << 52, INT64_C(1) << 40}, {1000, 250}};
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        struct instrument instrument = {0};
        struct generate_options options = {.seed = n, .count = 100000, .timeframe_ns = 60 * NS_PER_S, .price_ticks = cases[n].price,
                                           .price_decimals = 2, .step_ticks = cases[n].step};
        assert_int_equal(bar_file_generate(&file, &options, &instrument, &error), 0);
        assert_int_equal(file.count, 100000);
        assert_int_equal(instrument.tick_e8, 1000000);
        check_bars(cases[n].step);
        bar_file_close(&file);
    }
}

/* The golden of every machine and compiler. */
static void test_generator_is_the_same_everywhere(void **state) {
    (void)state;
    struct instrument instrument = {0};
    struct generate_options options = {.seed = 42, .count = 10000, .start_ns = 1600000000 * NS_PER_S, .timeframe_ns = 60 * NS_PER_S,
                                       .price_ticks = 2500000, .price_decimals = 2, .step_ticks = 500};
    char text[HASH_TEXT_BYTES];
    assert_int_equal(bar_file_generate(&file, &options, &instrument, &error), 0);
    hash_print(file.hash, text);
    assert_string_equal(text, "033f14db79d93611ca1adc8271d9f0fd98fd18ad3442b986913c900e243ca56f");
    bar_file_close(&file);
    options.seed = 43;
    assert_int_equal(bar_file_generate(&file, &options, &instrument, &error), 0);
    char other[HASH_TEXT_BYTES];
    hash_print(file.hash, other);
    assert_string_not_equal(text, other);
    bar_file_close(&file);
}

static void test_generator_refuses(void **state) {
    (void)state;
    const struct generate_options good = {.count = 1, .timeframe_ns = 1, .price_ticks = 100, .step_ticks = 1};
    struct generate_options options;
    struct instrument instrument = {0};
#define REFUSED(change)                                                                        \
    options = good;                                                                            \
    options.change;                                                                            \
    assert_int_equal(bar_file_generate(&file, &options, &instrument, &error), ERROR_RANGE);    \
    assert_null(file.bars)
    REFUSED(count = 0);
    REFUSED(count = SIZE_MAX);
    REFUSED(price_decimals = 9);
    REFUSED(price_decimals = -1);
    REFUSED(step_ticks = 0);
    REFUSED(step_ticks = 26);
    REFUSED(price_ticks = INT64_MAX);
    REFUSED(timeframe_ns = 0);
    REFUSED(timeframe_ns = -1);
    REFUSED(start_ns = INT64_MAX);
    options = good;
    assert_int_equal(bar_file_generate(&file, &options, &instrument, &error), 0);
    assert_int_equal(file.timeframe_ns, 1);
    bar_file_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_against_sort),
        cmocka_unit_test(test_generated_bars_are_possible),
        cmocka_unit_test(test_generator_is_the_same_everywhere),
        cmocka_unit_test(test_generator_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
