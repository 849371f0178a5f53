/*
 * data_csv.c - bar files: spellings that must give the same bars, hostile ones that must be refused with a line, and every
 * real file that is at hand (../shared/data, or BULKHEAD_DATA).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "data/data.h"

static char folder[] = "/tmp/bulkhead-csv-XXXXXX";
static char path[64];
static struct bar_file file;
static struct instrument instrument;
static struct error error;

static int setup(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/X-Y.1m.csv", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t size) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, size), (ssize_t)size);
    close(descriptor);
}

/* Reads `text` with a tick of `tick_e8`; 0 = unknown. */
static int read_tick(const char *text, int64_t tick_e8) {
    write_bytes(text, strlen(text));
    memset(&instrument, 0, sizeof(instrument));
    memset(&error, 0, sizeof(error));
    instrument.tick_e8 = tick_e8;
    return bar_file_read(&file, path, &instrument, &error);
}

static int read_text(const char *text) {
    return read_tick(text, 0);
}

/* ---- the same bars in many spellings ------------------------------------------------------------------------------------------ */

#define HEADER "time_ms,open,high,low,close,volume\n"
#define SECOND_OF_2023 1679661540

static const char *const spellings[] = {
    HEADER "1679661540000,1.5,1.75,1.25,1.5,10\n1679661600000,1.5,1.5,1.5,1.5,0.5\n",
    HEADER "1679661540000,1.5,1.75,1.25,1.5,10\n1679661600000,1.5,1.5,1.5,1.5,0.5",
    "time_ms,open,high,low,close,volume\r\n1679661540000,1.5,1.75,1.25,1.5,10\r\n1679661600000,1.5,1.5,1.5,1.5,0.5\r\n\r\n\r\n",
    "\xef\xbb\xbf" HEADER "1679661540000,1.5,1.75,1.25,1.5,10\n1679661600000,1.5,1.5,1.5,1.5,0.5\n\n\n",
    "Volume,CLOSE,Low,High,Open,Date\n10,1.5,1.25,1.75,1.5,2023-03-24 12:39:00\n0.5,1.5,1.5,1.5,1.5,2023-03-24 12:40:00\n",
    "symbol,ts,open,high,low,close,trades,volume\n\"X,Y\",1679661540,1.5,1.75,1.25,1.5,7,10\n\"\",1679661600,1.5,1.5,1.5,1.5,,0.5\n",
    "\"Time\",\"Open\",\"High\",\"Low\",\"Close\",\"Volume\"\n\"1679661540000000\",\"1.5\",\"1.75\",\"1.25\",\"1.5\",\"10\"\n"
    "\"1679661600000000\",\" 1.5 \",\"1.5\",\"1.5\",\"1.5\",\"0.5\"\n",
    " timestamp , open , high , low , close , volume \n 1679661540000000000 , 1.5 , 1.75 , 1.25 , 1.5 , 10 \n"
    "1679661600000000000,\t1.5\t, 1.5, 1.5, 1.5, 5e-1\n",
    "date,open,high,low,close,volume\n2023-03-24T12:39:00Z,1.5,1.75,1.25,1.5,10\n2023-03-24T13:40:00+01:00,1.5,1.5,1.5,1.5,0.5\n",
    "time,open,high,low,close,volume\n1679661540.0,1.50000000,1.75000000,1.25000000,1.50000000,10.000000000\n"
    "1679661600.000,15e-1,0.15e1,+1.5,1.5,5e-1\n",
};

static void test_spellings_give_the_same_bars(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        assert_int_equal(read_text(spellings[i]), 0);
        assert_int_equal(file.count, 2);
        assert_int_equal(instrument.tick_e8, 1000000);
        assert_int_equal(file.price_decimals, 2);
        assert_int_equal(file.timeframe_ns, 60 * NS_PER_S);
        const struct bar first = {SECOND_OF_2023 * NS_PER_S, 150, 175, 125, 150, 10 * E8};
        const struct bar second = {(SECOND_OF_2023 + 60) * NS_PER_S, 150, 150, 150, 150, E8 / 2};
        assert_memory_equal(&file.bars[0], &first, sizeof(first));
        assert_memory_equal(&file.bars[1], &second, sizeof(second));
        assert_string_equal(file.symbol, "X-Y");
        bar_file_close(&file);
    }
}

static void test_time_units(void **state) {
    (void)state;
    static const struct {
        const char *row;
        enum time_unit unit;
        bool zone_assumed;
    } cases[] = {{"1679661540", TIME_SECONDS, false},          {"1679661540000", TIME_MILLISECONDS, false},
                 {"1679661540000000", TIME_MICROSECONDS, false}, {"1679661540000000000", TIME_NANOSECONDS, false},
                 {"2023-03-24 12:39", TIME_ISO, true},         {"2023-03-24T12:39Z", TIME_ISO, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "ts,open,high,low,close\n%s,1,1,1,1\n", cases[i].row);
        assert_int_equal(read_text(text), 0);
        assert_int_equal(file.time_unit, cases[i].unit);
        assert_int_equal(file.zone_assumed, cases[i].zone_assumed);
        assert_int_equal(file.bars[0].start_ns, SECOND_OF_2023 * NS_PER_S);
        assert_int_equal(file.timeframe_ns, 0); /* one bar has none */
        bar_file_close(&file);
    }
    /* a column called time_ms is milliseconds, however small */
    assert_int_equal(read_text(HEADER "0,1,1,1,1,\n60000,1,1,1,1,\n"), 0);
    assert_int_equal(file.bars[1].start_ns, 60 * NS_PER_S);
    bar_file_close(&file);
    assert_int_equal(read_text("date,open,high,low,close\n1960-01-04,1,1,1,1\n1960-01-05,1,1,1,1\n"), 0);
    assert_int_equal(file.timeframe_ns, 86400 * NS_PER_S);
    bar_file_close(&file);
}

static void test_volume(void **state) {
    (void)state;
    assert_int_equal(read_text(HEADER "0,1,1,1,1,\n1,1,1,1,1,3\n2,1,1,1,1,0\n"), 0);
    assert_int_equal(file.bars[0].volume_e8, -1);
    assert_int_equal(file.bars[1].volume_e8, 3 * E8);
    assert_true(file.has_volume);
    assert_int_equal(file.zero_volume, 1);
    bar_file_close(&file);
    assert_int_equal(read_text("time_ms,open,high,low,close\n0,1,1,1,1\n"), 0);
    assert_int_equal(file.bars[0].volume_e8, -1);
    assert_false(file.has_volume);
    bar_file_close(&file);
    assert_int_equal(read_text(HEADER "0,1,1,1,1,293.13711000000003\n1,1,1,1,1,92233720368.54775807\n2,1,1,1,1,1e-12\n"), 0);
    assert_int_equal(file.bars[0].volume_e8, 29313711000);
    assert_int_equal(file.bars[1].volume_e8, INT64_MAX);
    assert_int_equal(file.bars[2].volume_e8, 0);
    assert_int_equal(file.volume_rounded, 2);
    bar_file_close(&file);
}

/* Finer decimals further down move everything before them to the finer tick. */
static void test_tick_from_the_finest_decimal(void **state) {
    (void)state;
    assert_int_equal(read_text(HEADER "0,1,4,1,2,1\n1,2.5,2.50,2.5,2.5,1\n2,2,2.125,2,2,1\n3,3.00000000000,3,3,3,1\n4,1,2,1,1.00000001,1\n"), 0);
    assert_int_equal(instrument.tick_e8, 1);
    assert_int_equal(instrument.lot_e8, 1);
    assert_int_equal(instrument.multiplier_e8, E8);
    assert_int_equal(instrument.quantity_min_lots, 1);
    assert_string_equal(instrument.name, "X-Y");
    const int64_t opens[] = {E8, 250000000, 2 * E8, 3 * E8, E8};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(file.bars[i].open, opens[i]);
    }
    assert_int_equal(file.bars[0].high, 4 * E8);
    assert_int_equal(file.bars[2].high, 212500000);
    assert_int_equal(file.bars[4].close, 100000001);
    bar_file_close(&file);
    assert_int_equal(read_text(HEADER "0,10,20,10,20,1\n"), 0);
    assert_int_equal(instrument.tick_e8, E8);
    assert_int_equal(file.bars[0].open, 10);
    bar_file_close(&file);
}

static void test_given_tick(void **state) {
    (void)state;
    assert_int_equal(read_tick(HEADER "0,6507.5,6512.50,6502.75,6506.750000,\n", 25000000), 0);
    assert_int_equal(file.bars[0].open, 26030);
    assert_int_equal(file.bars[0].low, 26011);
    assert_int_equal(file.bars[0].close, 26027);
    bar_file_close(&file);
    assert_int_equal(read_tick(HEADER "0,100,200,100,150,\n", 50 * E8), 0);
    assert_int_equal(file.bars[0].close, 3);
    bar_file_close(&file);
}

/* ---- what is refused ---------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t tick_e8;
    int code;
    const char *message; /* after the path */
} hostile[] = {
    {"", 0, ERROR_FORMAT, ":1: found an empty file, wanted a header"},
    {HEADER, 0, ERROR_FORMAT, ":1: found no rows after the header, wanted bars"},
    {HEADER "\n\n", 0, ERROR_FORMAT, ":3: found no rows after the header, wanted bars"},
    {"1679661540000,1,1,1,1,1\n", 0, ERROR_FORMAT, ":1: header: found \"1679661540000,1,1,1,1,1\", wanted a column named open"},
    {"time_ms;open;high;low;close\n0;1;1;1;1\n", 0, ERROR_FORMAT, ":1: header: found \"time_ms;open;high;low;close\", wanted a column named open"},
    {"time_ms,open,high,low\n0,1,1,1\n", 0, ERROR_FORMAT, ":1: header: found \"time_ms,open,high,low\", wanted a column named close"},
    {"open,high,low,close\n1,1,1,1\n", 0, ERROR_FORMAT, ":1: header: found \"open,high,low,close\", wanted a column named time_ms, ts, time, timestamp or date"},
    {"time,date,open,high,low,close\n", 0, ERROR_FORMAT, ":1: header: found \"date\", wanted one time column"},
    {"time,open,open,high,low,close\n", 0, ERROR_FORMAT, ":1: header: found \"open\", wanted each column once"},
    {HEADER "0,1,1,1,1\n", 0, ERROR_FORMAT, ":2: row: found \"0,1,1,1,1\", wanted 6 fields as in the header, not 5"},
    {HEADER "0,1,1,1,1,1,1\n", 0, ERROR_FORMAT, ":2: row: found \"0,1,1,1,1,1,1\", wanted 6 fields as in the header, not at least 7"},
    {HEADER "0,1,1,1,1,1\n\n1,1,1,1,1,1\n", 0, ERROR_FORMAT, ":3: found a blank line in the middle, wanted a row"},
    {HEADER "0,,1,1,1,1\n", 0, ERROR_FORMAT, ":2: open: found \"\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,abc,1\n", 0, ERROR_FORMAT, ":2: close: found \"abc\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,1.5.5,1\n", 0, ERROR_FORMAT, ":2: close: found \"1.5.5\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,nan,1\n", 0, ERROR_FORMAT, ":2: close: found \"nan\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,1.,1\n", 0, ERROR_FORMAT, ":2: close: found \"1.\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,-1,1\n", 0, ERROR_RANGE, ":2: close: found \"-1\", wanted a price above 0"},
    {HEADER "0,1,1,0,1,1\n", 0, ERROR_RANGE, ":2: low: found \"0\", wanted a price above 0"},
    {HEADER "0,1,1,0.0,1,1\n", 0, ERROR_RANGE, ":2: low: found \"0.0\", wanted a price above 0"},
    {HEADER "0,1,1,1,1.123456789,1\n", 0, ERROR_RANGE, ":2: price: found \"1.123456789\", wanted at most 8 decimals"},
    {HEADER "0,1,1,1,1234567890123456789,1\n", 0, ERROR_RANGE, ":2: close: found \"1234567890123456789\", wanted at most 18 significant digits"},
    {HEADER "0,1,9007199254740993,1,1,1\n", 0, ERROR_RANGE, ":2: price: found \"9007199254740993\", wanted at most 2^53 ticks"},
    {HEADER "0,1,100000000,1,1,1\n1,1,1,1,1.00000001,1\n", 0, ERROR_RANGE, ":3: price: found \"1.00000001\", wanted fewer decimals: an earlier price is too large for so fine a tick"},
    {HEADER "0,1,1.1,1,1,1\n", 25000000, ERROR_RANGE, ":2: price: found \"1.1\", wanted a multiple of the tick 0.25"},
    {HEADER "0,1,1,1,1,1\n1,1,1.255,1,1,1\n", 1000000, ERROR_RANGE, ":3: price: found \"1.255\", wanted a multiple of the tick 0.01"},
    {HEADER "0,1,1,2,1,1\n", 0, ERROR_FORMAT, ":2: found high below low, wanted low <= open, close <= high"},
    {HEADER "0,1,3,2,2,1\n", 0, ERROR_FORMAT, ":2: found open below low, wanted low <= open, close <= high"},
    {HEADER "0,4,3,2,2,1\n", 0, ERROR_FORMAT, ":2: found open above high, wanted low <= open, close <= high"},
    {HEADER "0,2,3,2,1,1\n", 0, ERROR_FORMAT, ":2: found close below low, wanted low <= open, close <= high"},
    {HEADER "0,2,3,2,4,1\n", 0, ERROR_FORMAT, ":2: found close above high, wanted low <= open, close <= high"},
    {HEADER "60000,1,1,1,1,1\n60000,1,1,1,1,1\n", 0, ERROR_FORMAT, ":3: time: found 1970-01-01T00:01:00Z as in the row before, wanted a time after 1970-01-01T00:01:00Z"},
    {HEADER "60000,1,1,1,1,1\n0,1,1,1,1,1\n", 0, ERROR_FORMAT, ":3: time: found 1970-01-01T00:00:00Z after the row before, wanted a time after 1970-01-01T00:01:00Z"},
    {HEADER "1679661540,1,1,1,1,1\n", 0, ERROR_FORMAT, ":2: time_ms: found \"1679661540\", wanted milliseconds as the header says; this looks like seconds"},
    {"ts,open,high,low,close\n1679661540,1,1,1,1\n1679661600000,1,1,1,1\n", 0, ERROR_RANGE, ":3: time: found \"1679661600000\", wanted seconds as on line 2, between 1677 and 2262"},
    {"ts,open,high,low,close\n1679661540,1,1,1,1\n2023-03-24,1,1,1,1\n", 0, ERROR_FORMAT, ":3: time: found \"2023-03-24\", wanted seconds as on line 2, between 1677 and 2262"},
    {"ts,open,high,low,close\n2023-03-24,1,1,1,1\n1679661600,1,1,1,1\n", 0, ERROR_FORMAT, ":3: time: found \"1679661600\", wanted ISO 8601 as on line 2, between 1677 and 2262"},
    {"ts,open,high,low,close\n24.03.2023,1,1,1,1\n", 0, ERROR_FORMAT, ":2: time: found \"24.03.2023\", wanted a count of s, ms, us or ns since 1970, or ISO 8601"},
    {"ts,open,high,low,close\n,1,1,1,1\n", 0, ERROR_FORMAT, ":2: time: found \"\", wanted a count of s, ms, us or ns since 1970, or ISO 8601"},
    {"date,open,high,low,close\n2023-02-30,1,1,1,1\n", 0, ERROR_FORMAT, ":2: time: found \"2023-02-30\", wanted ISO 8601 as on line 2, between 1677 and 2262"},
    {"date,open,high,low,close\n2500-01-01,1,1,1,1\n", 0, ERROR_RANGE, ":2: time: found \"2500-01-01\", wanted ISO 8601 as on line 2, between 1677 and 2262"},
    {HEADER "0.0000001,1,1,1,1,1\n", 0, ERROR_RANGE, ":2: time: found \"0.0000001\", wanted milliseconds as on line 2, between 1677 and 2262"},
    {HEADER "0,1,1,1,1,-1\n", 0, ERROR_RANGE, ":2: volume: found \"-1\", wanted 0..92,233,720,368 units"},
    {HEADER "0,1,1,1,1,1e12\n", 0, ERROR_RANGE, ":2: volume: found \"1e12\", wanted 0..92,233,720,368 units"},
    {HEADER "0,1,1,1,1,many\n", 0, ERROR_FORMAT, ":2: volume: found \"many\", wanted a volume in decimal digits or nothing"},
    {HEADER "0,\"1,1,1,1,1\n", 0, ERROR_FORMAT, ":2: row: found \"\"1,1,1,1,1\", wanted a closing quote before the next comma"},
    {HEADER "0,\"1\"2,1,1,1,1\n", 0, ERROR_FORMAT, ":2: row: found \"\"1\", wanted a closing quote before the next comma"},
    {HEADER "0,1 2,1,1,1,1\n", 0, ERROR_FORMAT, ":2: open: found \"1 2\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,1,1\r1,1,1,1,1,1\r", 0, ERROR_FORMAT, ":2: volume: found \"1?1\", wanted a volume in decimal digits or nothing"},
    {HEADER "0,\x1b[31m,1,1,1,1\n", 0, ERROR_FORMAT, ":2: open: found \"?[31m\", wanted a price in decimal digits"},
    {HEADER "0,1,1,1,1,1\n1,1,1,1,1", 0, ERROR_FORMAT, ":3: row: found \"1,1,1,1,1\", wanted 6 fields as in the header, not 5"},
};

static void test_hostile_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        char expected[512];
        int code = read_tick(hostile[i].text, hostile[i].tick_e8);
        snprintf(expected, sizeof(expected), "%s%s", path, hostile[i].message);
        assert_string_equal(error.text, expected);
        assert_int_equal(code, hostile[i].code);
        assert_null(file.bars);
    }
}

static void test_nul_bytes_are_no_digits(void **state) {
    (void)state;
    static const char text[] = HEADER "0,1\0001,1,1,1,1\n";
    write_bytes(text, sizeof(text) - 1);
    memset(&instrument, 0, sizeof(instrument));
    assert_int_equal(bar_file_read(&file, path, &instrument, &error), ERROR_FORMAT);
    assert_non_null(strstr(error.text, ":2: open: found \"1?1\""));
}

static void test_endless_lines(void **state) {
    (void)state;
    size_t size = (size_t)1 << 20;
    char *text = malloc(size + 1);
    memset(text, '1', size);
    text[size] = '\0';
    assert_int_equal(read_text(text), ERROR_FORMAT);
    assert_non_null(strstr(error.text, ":1: found a line longer than 65536 bytes"));
    memcpy(text, HEADER, strlen(HEADER));
    assert_int_equal(read_text(text), ERROR_FORMAT);
    memset(text, ',', size); /* more columns than any file has */
    text[1000] = '\n';
    text[1001] = '\0';
    assert_int_equal(read_text(text), ERROR_FORMAT);
    assert_non_null(strstr(error.text, "wanted at most 256 columns"));
    free(text);
}

static void test_missing_and_unreadable(void **state) {
    (void)state;
    memset(&instrument, 0, sizeof(instrument));
    assert_int_equal(bar_file_read(&file, "/nowhere/at/all.csv", &instrument, &error), ERROR_NOT_FOUND);
    assert_int_equal(bar_file_read(&file, "/", &instrument, &error), ERROR_SYSTEM);
    bar_file_close(&file);
    bar_file_close(NULL);
}

/* ---- blocks and gzip ---------------------------------------------------------------------------------------------------------- */

/* A file of `rows` minutes, long enough to cross block borders in every phase. */
static char *long_text(size_t rows, size_t *size) {
    char *text = malloc(64 + rows * 64);
    size_t used = (size_t)snprintf(text, 64, "%s", HEADER);
    for (size_t i = 0; i < rows; i++) {
        used += (size_t)snprintf(text + used, 64, "%zu,%zu.%zu,%zu,1,%zu,%zu\n", i * 60000, i % 977 + 1, i % 10, i % 977 + 2,
                                 i % 977 + 1, i * i % 100003);
    }
    *size = used;
    return text;
}

static void check_long(size_t rows) {
    assert_int_equal(file.count, rows);
    for (size_t i = 0; i < rows; i++) {
        assert_int_equal(file.bars[i].start_ns, (int64_t)i * 60 * NS_PER_S);
        assert_int_equal(file.bars[i].open, (i % 977 + 1) * 10 + i % 10);
        assert_int_equal(file.bars[i].volume_e8, (int64_t)(i * i % 100003) * E8);
    }
    assert_int_equal(file.gap_count, 0);
}

/* One or several gzip members, each of `piece` bytes of text. */
static size_t pack(const char *text, size_t size, size_t piece, char *to, size_t room) {
    size_t used = 0;
    for (size_t at = 0; at < size; at += piece) {
        z_stream deflater = {0};
        assert_int_equal(deflateInit2(&deflater, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        deflater.next_in = (unsigned char *)(uintptr_t)(text + at);
        deflater.avail_in = (unsigned)(size - at < piece ? size - at : piece);
        deflater.next_out = (unsigned char *)to + used;
        deflater.avail_out = (unsigned)(room - used);
        assert_int_equal(deflate(&deflater, Z_FINISH), Z_STREAM_END);
        used += deflater.total_out;
        deflateEnd(&deflater);
    }
    return used;
}

static int read_again(void) {
    memset(&instrument, 0, sizeof(instrument));
    memset(&error, 0, sizeof(error));
    return bar_file_read(&file, path, &instrument, &error);
}

static void test_long_files(void **state) {
    (void)state;
    size_t size, rows = 70000;
    char *text = long_text(rows, &size);
    unsigned char expected[HASH_BYTES];
    hash_bytes(text, size, expected);
    write_bytes(text, size);
    assert_int_equal(read_again(), 0);
    check_long(rows);
    assert_memory_equal(file.hash, expected, HASH_BYTES);
    assert_false(file.compressed);
    bar_file_close(&file);
    char *packed = malloc(size + 4096);
    const size_t pieces[] = {size, 100000};
    for (size_t n = 0; n < 2; n++) {
        size_t packed_size = pack(text, size, pieces[n], packed, size);
        memset(packed + packed_size, 0, 512); /* zero padding at the end is nothing */
        write_bytes(packed, packed_size + n * 512);
        assert_int_equal(read_again(), 0);
        check_long(rows);
        assert_memory_equal(file.hash, expected, HASH_BYTES);
        assert_true(file.compressed);
        bar_file_close(&file);
    }
    free(packed);
    free(text);
}

static void test_damaged_gzip(void **state) {
    (void)state;
    size_t size;
    char *text = long_text(20000, &size), *packed = malloc(size);
    size_t packed_size = pack(text, size, size, packed, size - 16);
    const size_t cuts[] = {1, 8, 9, packed_size / 2, packed_size - 3};
    for (size_t n = 0; n < sizeof(cuts) / sizeof(cuts[0]); n++) {
        write_bytes(packed, packed_size - cuts[n]);
        assert_int_equal(read_again(), ERROR_INTEGRITY);
        assert_non_null(strstr(error.text, "inside gzip data"));
    }
    memcpy(packed + packed_size, "garbage", 7);
    write_bytes(packed, packed_size + 7);
    assert_int_equal(read_again(), ERROR_INTEGRITY);
    packed[packed_size - 6] ^= 1; /* the checksum */
    write_bytes(packed, packed_size);
    assert_int_equal(read_again(), ERROR_INTEGRITY);
    assert_non_null(strstr(error.text, "damaged gzip data (incorrect data check)"));
    free(packed);
    free(text);
}

/* ---- timeframe and gaps ------------------------------------------------------------------------------------------------------- */

static void test_gaps(void **state) {
    (void)state;
    assert_int_equal(read_text(HEADER "0,1,1,1,1,\n60000,1,1,1,1,\n120000,1,1,1,1,\n150000,1,1,1,1,\n240000,1,1,1,1,\n"
                                      "300000,1,1,1,1,\n540000,1,1,1,1,\n"), 0);
    assert_int_equal(file.timeframe_ns, 60 * NS_PER_S);
    assert_int_equal(file.gap_count, 2);
    assert_int_equal(file.gaps[0].after_ns, 150 * NS_PER_S);
    assert_int_equal(file.gaps[0].missing, 1);
    assert_int_equal(file.gaps[1].before_ns, 540 * NS_PER_S);
    assert_int_equal(file.gaps[1].missing, 3);
    assert_int_equal(file.missing, 4);
    struct bar_quality quality;
    bar_quality_find(&file, &quality);
    assert_int_equal(quality.irregular, 1);
    assert_int_equal(quality.longest_gap, 3);
    bar_file_close(&file);
}

static void test_more_gaps_than_are_kept(void **state) {
    (void)state;
    size_t rows = 3 * (GAPS_MAX + 10), used = 0;
    char *text = malloc(64 + rows * 32);
    used = (size_t)snprintf(text, 64, "%s", HEADER);
    for (size_t i = 0; i < rows; i++) {
        used += (size_t)snprintf(text + used, 32, "%zu,1,1,1,1,\n", (i + i / 3) * 1000);
    }
    assert_int_equal(read_text(text), 0);
    assert_int_equal(file.gap_count, GAPS_MAX + 9);
    assert_int_equal(file.missing, GAPS_MAX + 9);
    bar_file_close(&file);
    free(text);
}

static void test_outliers_and_labels(void **state) {
    (void)state;
    /* two sessions labelled by bar ends: 09:31 ... 10:00 after a night */
    char text[8192];
    size_t used = (size_t)snprintf(text, sizeof(text), "date,open,high,low,close\n");
    for (int day = 1; day < 6; day++) {
        for (int minute = 1; minute <= 30; minute++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "2024-01-%02d %02d:%02d,1,9,1,%d\n", day,
                                     minute == 30 ? 10 : 9, minute == 30 ? 0 : 30 + minute, day == 3 && minute == 5 ? 9 : 1);
        }
    }
    struct bar_quality quality;
    assert_int_equal(read_text(text), 0);
    bar_quality_find(&file, &quality);
    assert_int_equal(quality.label, LABEL_END);
    assert_int_equal(quality.outlier_count, 2);
    assert_int_equal(quality.outliers[0].move_ppm, 8000000);
    assert_int_equal(quality.outliers[1].move_ppm, -888888);
    bar_file_close(&file);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------ */

static void test_write_and_read_back(void **state) {
    (void)state;
    struct generate_options options = {.seed = 7, .count = 5000, .start_ns = 1600000000 * NS_PER_S, .timeframe_ns = 60 * NS_PER_S,
                                       .price_ticks = 250000, .price_decimals = 3, .step_ticks = 50};
    static struct bar_file made;
    char out[80];
    for (int packed = 0; packed < 2; packed++) {
        struct instrument first = {0}, second = {0};
        assert_int_equal(bar_file_generate(&made, &options, &first, &error), 0);
        made.bars[10].volume_e8 = -1;
        snprintf(out, sizeof(out), "%s/out.csv%s", folder, packed ? ".gz" : "");
        assert_int_equal(bar_file_write(&made, &first, out, &error), 0);
        second = first;
        assert_int_equal(bar_file_read(&file, out, &second, &error), 0);
        assert_int_equal(file.compressed, packed);
        assert_int_equal(file.count, made.count);
        assert_memory_equal(file.bars, made.bars, made.count * sizeof(struct bar));
        bar_file_close(&file);
        bar_file_close(&made);
        unlink(out);
    }
}

/* A disk that is full in the middle leaves the old file and nothing else. */
static void test_full_disk_keeps_the_old_file(void **state) {
    (void)state;
    struct generate_options options = {.seed = 7, .count = 20000, .timeframe_ns = NS_PER_S, .price_ticks = 1000, .step_ticks = 5};
    static struct bar_file made;
    struct instrument row = {0};
    struct rlimit old, small = {100000, RLIM_INFINITY};
    struct stat status;
    write_bytes("old", 3);
    assert_int_equal(bar_file_generate(&made, &options, &row, &error), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    int code = bar_file_write(&made, &row, path, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(code, ERROR_SYSTEM); /* EFBIG here stands for ENOSPC */
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 3);
    assert_int_equal(bar_file_write(&made, &row, "/nowhere/x.csv", &error), ERROR_NOT_FOUND);
    bar_file_close(&made);
}

static void test_times_finer_than_the_format(void **state) {
    (void)state;
    struct generate_options options = {.seed = 7, .count = 3, .timeframe_ns = 1500, .price_ticks = 1000, .step_ticks = 5};
    static struct bar_file made;
    struct instrument row = {0};
    char out[80];
    snprintf(out, sizeof(out), "%s/out.csv", folder);
    assert_int_equal(bar_file_generate(&made, &options, &row, &error), 0);
    assert_int_equal(bar_file_write(&made, &row, out, &error), ERROR_RANGE);
    assert_int_equal(access(out, F_OK), -1);
    bar_file_close(&made);
}

/* ---- real files --------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *row;
    size_t rows;
    int64_t timeframe_s;
    bool has_volume;
    const char *first, *last;
} real[] = {
    {"spot_1m_2023/BTC-USDT", "BTC-USDT", 66087, 60, true, "2023-03-16T22:15:00Z", "2023-05-01T21:01:00Z"},
    {"spot_1m_2023/ETH-USDT", "ETH-USDT", 66087, 60, true, "2023-03-16T22:15:00Z", "2023-05-01T21:01:00Z"},
    {"spot_1m_2023/SOL-USDT", "SOL-USDT", 66088, 60, true, "2023-03-16T22:15:00Z", "2023-05-01T21:02:00Z"},
    {"spot_1m_2023/DOGE-USDT", "DOGE-USDT", 66088, 60, true, "2023-03-16T22:15:00Z", "2023-05-01T21:02:00Z"},
    {"spot_1m_2023/ADA-USDT", "ADA-USDT", 66087, 60, true, "2023-03-16T22:15:00Z", "2023-05-01T21:01:00Z"},
    {"spot_1m_2023/XRP-USDT", "XRP-USDT", 43199, 60, true, "2023-04-01T21:03:00Z", "2023-05-01T21:01:00Z"},
    {"spot_1m_2023/LINK-USDT", "LINK-USDT", 43199, 60, true, "2023-04-01T21:04:00Z", "2023-05-01T21:02:00Z"},
    {"spot_1m_2023/AVAX-USDT", "AVAX-USDT", 43199, 60, true, "2023-04-01T21:04:00Z", "2023-05-01T21:02:00Z"},
    {"spot_1m_2023/DOT-USDT", "DOT-USDT", 43199, 60, true, "2023-04-01T21:04:00Z", "2023-05-01T21:02:00Z"},
    {"spot_1m_2024_crash/BTC-USDT", "BTC-USDT", 43209, 60, true, "2024-07-26T14:15:00Z", "2024-08-25T14:23:00Z"},
    {"spot_1m_2024_crash/ETH-USDT", "ETH-USDT", 43208, 60, true, "2024-07-26T14:16:00Z", "2024-08-25T14:23:00Z"},
    {"futures/ES_1m_2025", "MES", 105825, 60, false, "2025-07-27T22:00:00Z", "2025-12-03T14:53:00Z"},
    {"futures/ES_5m_2025", "ES", 70616, 300, true, "2024-12-03T00:00:00Z", "2025-12-15T23:05:00Z"},
    {"futures/MNQ_1m_2026", "MNQ", 54015, 60, true, "2026-06-08T03:02:00Z", "2026-07-31T20:09:00Z"},
};

static struct instrument rows[INSTRUMENTS_MAX];
static int row_count;

static const struct instrument *row_find(const char *name) {
    for (int n = 0; n < row_count; n++) {
        if (strcmp(rows[n].name, name) == 0) {
            return &rows[n];
        }
    }
    fail_msg("no row %s", name);
    return NULL;
}

static int real_read(const char *name, const char *row) {
    char full[512];
    const char *data = getenv("BULKHEAD_DATA");
    snprintf(full, sizeof(full), "%s/bars/%s.csv.gz", data == NULL ? "../shared/data" : data, name);
    if (access(full, R_OK) != 0) {
        return -1;
    }
    instrument = *row_find(row);
    int code = bar_file_read(&file, full, &instrument, &error);
    assert_string_equal(code == 0 ? "" : error.text, "");
    return 0;
}

static void test_real_files(void **state) {
    (void)state;
    char when[40];
    row_count = instruments_read("policy/instruments.yaml", rows, INSTRUMENTS_MAX, NULL, &error);
    assert_true(row_count > 0);
    for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++) {
        if (real_read(real[i].name, real[i].row) != 0) {
            print_message("skipped: no real bar files beside the project\n");
            skip();
        }
        assert_int_equal(file.count, real[i].rows);
        assert_int_equal(file.timeframe_ns, real[i].timeframe_s * NS_PER_S);
        assert_int_equal(file.has_volume, real[i].has_volume);
        assert_string_equal(clock_print(file.bars[0].start_ns, when, sizeof(when)), real[i].first);
        assert_string_equal(clock_print(file.bars[file.count - 1].start_ns, when, sizeof(when)), real[i].last);
        bar_file_close(&file);
    }
}

/* 24 March 2023: the exchange was halted; five files have the hole, and no other. */
static void test_real_hole(void **state) {
    (void)state;
    static const char *const halted[] = {"BTC-USDT", "ETH-USDT", "SOL-USDT", "DOGE-USDT", "ADA-USDT"};
    for (size_t i = 0; i < sizeof(halted) / sizeof(halted[0]); i++) {
        char name[64], when[40];
        snprintf(name, sizeof(name), "spot_1m_2023/%s", halted[i]);
        if (real_read(name, halted[i]) != 0) {
            skip();
        }
        assert_int_equal(file.gap_count, 1);
        assert_int_equal(file.gaps[0].missing, 80);
        assert_string_equal(clock_print(file.gaps[0].after_ns, when, sizeof(when)), "2023-03-24T12:39:00Z");
        assert_string_equal(clock_print(file.gaps[0].before_ns, when, sizeof(when)), "2023-03-24T14:00:00Z");
        bar_file_close(&file);
    }
}

static void test_real_crash_and_labels(void **state) {
    (void)state;
    struct bar_quality quality;
    if (real_read("spot_1m_2024_crash/ETH-USDT", "ETH-USDT") != 0) {
        skip();
    }
    bar_quality_find(&file, &quality);
    assert_int_equal(quality.outlier_count, 1);
    assert_int_equal(quality.outliers[0].move_ppm, -84043);
    bar_file_close(&file);
    assert_int_equal(real_read("futures/MNQ_1m_2026", "MNQ"), 0);
    bar_quality_find(&file, &quality);
    assert_int_equal(quality.label, LABEL_START);
    bar_file_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings_give_the_same_bars),
        cmocka_unit_test(test_time_units),
        cmocka_unit_test(test_volume),
        cmocka_unit_test(test_tick_from_the_finest_decimal),
        cmocka_unit_test(test_given_tick),
        cmocka_unit_test(test_hostile_files),
        cmocka_unit_test(test_nul_bytes_are_no_digits),
        cmocka_unit_test(test_endless_lines),
        cmocka_unit_test(test_missing_and_unreadable),
        cmocka_unit_test(test_long_files),
        cmocka_unit_test(test_damaged_gzip),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_more_gaps_than_are_kept),
        cmocka_unit_test(test_outliers_and_labels),
        cmocka_unit_test(test_write_and_read_back),
        cmocka_unit_test(test_full_disk_keeps_the_old_file),
        cmocka_unit_test(test_times_finer_than_the_format),
        cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_real_hole),
        cmocka_unit_test(test_real_crash_and_labels),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
