/*
 * Tests of the replays: recorded depth, trades and best prices of a real venue (skipped where the data is absent), small
 * recordings made here with holes and damage, and bar files.
 */
#include "venue_test.h"

#include "sim/exchange.h"

static struct exchange *open_replay(const char *path, const char *name, struct told *told, int64_t spread) {
    struct exchange_options options = exchange_options_default();
    struct exchange_sink sink = {told, told_report, told_market};
    struct instrument instrument = test_instrument(name);
    struct exchange *x = NULL;
    struct error error = {0};
    instrument.lot_e8 = 1000;
    options.bar_ns = 60 * NS_PER_S;
    options.spread_ticks = spread;
    assert_int_equal(instrument_init(&instrument, &error), 0);
    assert_int_equal(exchange_open(&x, &options, &sink, &error), 0);
    if (exchange_add(x, &instrument, path, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return x;
}

/* ---- recordings ------------------------------------------------------------------------------------------------------------------ */

static void real_recording(const char *file, char text[HASH_TEXT_BYTES]) {
    char path[1024];
    if (access(data_path(file, path), R_OK) != 0) {
        print_message("# skipped: %s is not there\n", path);
        skip();
    }
    unsigned char hash[HASH_BYTES];
    struct told *told = told_make();
    struct exchange *x = open_replay(path, "REAL-USD", told, 1);
    exchange_advance(x, INT64_MAX - 1);
    const struct replay_ticks_statistics *s = replay_ticks_statistics(x->markets[0].ticks);
    print_message("# %s: %llu lines, %llu of %llu depth changes applied (%llu old), %llu trades, %llu best prices, book compared "
                  "with them %llu times, %llu differ, %llu gaps, %llu crossed, %u bars\n", file, (unsigned long long)s->lines,
                  (unsigned long long)s->depths_applied, (unsigned long long)s->depths, (unsigned long long)s->depths_old,
                  (unsigned long long)s->trades, (unsigned long long)s->tickers, (unsigned long long)s->tickers_compared,
                  (unsigned long long)s->tickers_differing, (unsigned long long)s->sequence_gaps, (unsigned long long)s->crossed,
                  told->bars);
    assert_true(s->sequence_gaps == 0 && s->crossed == 0 && s->bad_lines == 0 && s->has_snapshot);
    assert_true(s->depths_applied + s->depths_old == s->depths && s->depths_applied > 3000);
    assert_true(s->tickers_compared > 1000 && s->tickers_differing == 0);
    assert_true(told->bars >= 5 && told->trades >= s->trades && x->ended);
    hash_end(&told->hash, hash);
    hash_print(hash, text);
    exchange_close(x);
    told_free(told);
}

static void test_real_btc(void **state) {
    (void)state;
    char first[HASH_TEXT_BYTES], second[HASH_TEXT_BYTES];
    real_recording("books/btcusdt_20240808.gz", first);
    real_recording("books/btcusdt_20240808.gz", second);
    assert_string_equal(first, second);
}

static void test_real_eth(void **state) {
    (void)state;
    char text[HASH_TEXT_BYTES];
    real_recording("books/ethusdt_20240808.gz", text);
}

/* A small recording written to a file of its own. */
static void write_recording(char path[64], const char *const *lines, size_t count) {
    snprintf(path, 64, "/tmp/bulkhead-ticks-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%lld %s\n", (long long)(START_NS + (int64_t)i * NS_PER_S), lines[i]);
    }
    fclose(file);
}

#define DEPTH(U, u, b, a) "{\"stream\":\"x@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"U\":" U ",\"u\":" u ",\"b\":[" b "],\"a\":[" a "]}}"
#define TRADE(p, q, m) "{\"stream\":\"x@trade\",\"data\":{\"e\":\"trade\",\"p\":\"" p "\",\"q\":\"" q "\",\"m\":" m "}}"

static const char *const small[] = {
    DEPTH("1", "5", "[\"9.00\",\"1\"]", ""),                                     /* old */
    DEPTH("6", "11", "[\"10.00\",\"3\"]", "[\"10.05\",\"0\"]"),                  /* kept back */
    "{\"lastUpdateId\":10,\"bids\":[[\"10.00\",\"2\"]],\"asks\":[[\"10.05\",\"1\"],[\"10.06\",\"4\"]]}",
    DEPTH("12", "12", "", "[\"10.04\",\"0.5\"]"),
    TRADE("10.00", "0.25", "true"),
    TRADE("9.99", "0.25", "true"),                                               /* through a bid at 10.00 or better */
    DEPTH("13", "14", "[\"10.00\",\"0\"],[\"9.98\",\"1\"]", "[\"10.01\",\"2\"]"), /* offers come down through 10.02 */
    "{\"oops\":1}",
    DEPTH("20", "21", "[\"10.00\",\"1\"]", ""),                                  /* a hole */
    DEPTH("22", "23", "[\"10.00\",\"1\"]", ""),
    "{\"lastUpdateId\":30,\"bids\":[[\"8.00\",\"2\"]],\"asks\":[[\"8.05\",\"1\"]]}",
};

static void test_rule_7_resting_orders_in_a_replayed_book(void **state) {
    (void)state;
    char path[64];
    struct told *told = told_make();
    write_recording(path, small, sizeof(small) / sizeof(small[0]));
    struct exchange *x = open_replay(path, "TINY-USD", told, 1);
    exchange_advance(x, START_NS + 3 * NS_PER_S);
    const struct ladder *ladder = &x->markets[0].ladder;
    assert_true(ladder_best(ladder, LADDER_BID)->price == 1000 && ladder_best(ladder, LADDER_BID)->lots == 300000);
    assert_true(ladder_best(ladder, LADDER_ASK)->price == 1004 && ladder_best(ladder, LADDER_ASK)->lots == 50000);
    struct order at = test_order("a-1", 0, 0, PURPOSE_ENTRY, 1000, 1000), better = test_order("a-2", 0, 1, PURPOSE_ENTRY, 1000, 1002);
    exchange_submit(x, &at, EXCHANGE_LIMIT);
    exchange_advance(x, START_NS + 4 * NS_PER_S); /* a trade at 10.00 fills nobody who rests at 10.00 */
    assert_int_equal(told->kinds[VENUE_FILL], 0);
    exchange_advance(x, START_NS + 5 * NS_PER_S); /* one at 9.99 does */
    assert_true(told->kinds[VENUE_FILL] == 1 && told_last(told, VENUE_FILL)->price_ticks == 1000 && told_last(told, VENUE_FILL)->maker);
    exchange_submit(x, &better, EXCHANGE_LIMIT);
    exchange_advance(x, START_NS + 6 * NS_PER_S); /* offers at 10.01 meet the bid at 10.02 at its price */
    assert_true(told->kinds[VENUE_FILL] == 2 && told_last(told, VENUE_FILL)->price_ticks == 1002);
    struct order take = test_order("a-3", 0, 2, PURPOSE_ENTRY, 1000, 0);
    exchange_submit(x, &take, EXCHANGE_MARKET);
    assert_true(told_last(told, VENUE_FILL)->price_ticks == 1001 && !told_last(told, VENUE_FILL)->maker);
    exchange_advance(x, START_NS + 9 * NS_PER_S); /* after the hole there is no book */
    assert_true(ladder_best(ladder, LADDER_BID) == NULL && ladder_best(ladder, LADDER_ASK) == NULL);
    exchange_advance(x, START_NS + 10 * NS_PER_S);
    const struct replay_ticks_statistics *s = replay_ticks_statistics(x->markets[0].ticks);
    assert_true(s->sequence_gaps == 1 && s->bad_lines == 1 && s->depths_old == 2 && s->crossed == 0);
    assert_true(ladder_best(ladder, LADDER_BID)->price == 800);
    unlink(path);
    exchange_close(x);
    told_free(told);
}

/* Damaged recordings: any byte changed, any length. Counted or refused, never a crash. */
static void test_damaged_recordings(void **state) {
    (void)state;
    char path[64], text[4096], damaged[4096];
    size_t length = 0;
    struct dice dice = dice_init(5);
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%lld %s\n", (long long)(START_NS + (int64_t)i), small[i]);
    }
    snprintf(path, sizeof(path), "/tmp/bulkhead-ticks-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct exchange_options options = exchange_options_default();
    struct exchange_sink none = {0};
    struct instrument instrument = test_instrument("DMG-USD");
    for (int round = 0; round < 1000; round++) {
        struct exchange *x = NULL;
        struct error error = {0};
        memcpy(damaged, text, length);
        for (int n = 0; n < 8; n++) {
            damaged[dice_below(&dice, length)] = (char)dice_below(&dice, 128);
        }
        size_t cut = dice_once_in(&dice, 3) ? dice_below(&dice, length) : length;
        assert_true(ftruncate(fd, 0) == 0 && pwrite(fd, damaged, cut, 0) == (ssize_t)cut);
        assert_int_equal(exchange_open(&x, &options, &none, &error), 0);
        if (replay_ticks_recognise(path) && exchange_add(x, &instrument, path, &error) == 0) {
            exchange_advance(x, x->now_ns + 60 * NS_PER_S);
        }
        exchange_close(x);
    }
    close(fd);
    unlink(path);
}

/* ---- bars ------------------------------------------------------------------------------------------------------------------------- */

static void test_bars_are_told_as_recorded(void **state) {
    (void)state;
    char path[64] = "/tmp/bulkhead-bars-XXXXXX";
    int fd = mkstemp(path);
    const char *csv = "time_ms,open,high,low,close,volume\n1700000040000,100.00,101.00,99.00,100.50,5\n"
                      "1700000100000,100.50,100.60,98.00,98.10,6\n1700000160000,98.10,98.10,98.10,98.10,0\n"
                      "1700000400000,98.10,103.00,98.00,102.00,7\n";
    assert_true(fd >= 0 && write(fd, csv, strlen(csv)) == (ssize_t)strlen(csv));
    close(fd);
    struct told *told = told_make();
    struct exchange *x = open_replay(path, "BARS-USD", told, 2);
    const int64_t closes[] = {10050, 9810, 9810, 10200}, highs[] = {10100, 10060, 9810, 10300}, lows[] = {9900, 9800, 9810, 9800};
    for (int i = 0; i < 4; i++) {
        assert_true(exchange_advance_turn(x, INT64_MAX));
        assert_true(told->last_bar.bar.close == closes[i] && told->last_bar.bar.high == highs[i] && told->last_bar.bar.low == lows[i]);
        assert_true(told->last_bar.after_gap == (i == 3) && told->turns == (uint32_t)i + 1);
        if (i == 0) { /* rests below; the second bar falls through it and through its stop */
            struct order o = test_order("a-1", 0, 0, PURPOSE_ENTRY, 1000, 9990);
            o.stop_ticks = 9850;
            exchange_submit(x, &o, EXCHANGE_LIMIT);
        }
    }
    assert_true(told->kinds[VENUE_FILL] >= 2 && x->groups[0].lots == 0 && x->fills[0].price_ticks == 9990);
    assert_true(told_last(told, VENUE_FILL)->purpose == PURPOSE_STOP && told_last(told, VENUE_FILL)->price_ticks <= 9850);
    assert_false(exchange_advance_turn(x, INT64_MAX));
    assert_true(x->ended);
    unlink(path);
    exchange_close(x);
    told_free(told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_btc),
        cmocka_unit_test(test_real_eth),
        cmocka_unit_test(test_rule_7_resting_orders_in_a_replayed_book),
        cmocka_unit_test(test_damaged_recordings),
        cmocka_unit_test(test_bars_are_told_as_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
