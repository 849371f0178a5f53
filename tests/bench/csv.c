/*
 * csv.c - reading a bar file, beside what the machine can do with the same bytes.
 *
 *     csv FILE.csv[.gz]     prints csv_bars_per_second csv_seconds bare_bars_per_second zlib_seconds (each the best of five)
 *
 * The host's reader finds columns, checks every number and hashes the bytes. The bare parser only adds digits up, at fixed
 * columns, in memory. zlib alone inflates the file (of a plain file: copies it) and looks at nothing.
 */
#include <string.h>
#include <zlib.h>

#include "base/base.h"
#include "bench.h"
#include "data/data.h"

#define TIMES 5

static double read_host(const char *path, size_t *count) {
    static struct bar_file file;
    struct instrument instrument = {0};
    struct error error = {0};
    int64_t start = bench_now_ns();
    if (bar_file_read(&file, path, &instrument, &error) != 0) {
        fprintf(stderr, "csv: %s\n", error.text);
        exit(1);
    }
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    *count = file.count;
    bar_file_close(&file);
    return seconds;
}

/* Inflates into `bytes` when that is not NULL; returns the size. */
static size_t inflate_all(const char *path, char *bytes, size_t size) {
    static char scratch[1 << 18];
    gzFile file = gzopen(path, "rb");
    size_t total = 0;
    gzbuffer(file, 1 << 18);
    for (int got = 1; got > 0; total += (size_t)(got > 0 ? got : 0)) {
        size_t room = bytes ? size - total : sizeof scratch;
        got = gzread(file, bytes ? bytes + total : scratch, (unsigned)(room < sizeof scratch ? room : sizeof scratch));
    }
    gzclose(file);
    return total;
}

/* Adds up every digit run of every line into a row of numbers; the point is skipped. */
static uint64_t parse_bare(const char *text, size_t size, size_t *rows) {
    uint64_t sum = 0, number = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit < 10) {
            number = number * 10 + digit;
        } else if (text[i] != '.') {
            sum += number;
            number = 0;
            *rows += text[i] == '\n';
        }
    }
    return sum;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        return 1;
    }
    size_t size = inflate_all(argv[1], NULL, 0), count = 0;
    char *text = malloc(size + 1);
    double host = 1e18, bare = 1e18, zlib = 1e18;
    uint64_t sum = 0;
    for (int i = 0; i < TIMES && text; i++) {
        double seconds = read_host(argv[1], &count);
        host = seconds < host ? seconds : host;
        int64_t start = bench_now_ns();
        inflate_all(argv[1], NULL, 0);
        seconds = (double)(bench_now_ns() - start) / 1e9;
        zlib = seconds < zlib ? seconds : zlib;
        inflate_all(argv[1], text, size);
        size_t rows = 0;
        start = bench_now_ns();
        sum += parse_bare(text, size, &rows);
        seconds = (double)(bench_now_ns() - start) / 1e9;
        bare = seconds < bare ? seconds : bare;
    }
    bench_figure("csv_bars_per_second", (double)count / host);
    bench_figure("csv_seconds", host);
    bench_figure("bare_bars_per_second", (double)count / bare);
    bench_figure("zlib_seconds", zlib);
    free(text);
    return sum == 0;
}
