/* bench.h - what the benchmarks share: a clock, pinning, percentiles, and one line per figure ("name value"). */
#ifndef BENCH_H
#define BENCH_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t bench_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Best effort: a machine with one core runs everything on it. */
static inline void bench_pin(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static inline int bench_compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts. percent 50, 99, ... */
static inline int64_t bench_percentile(int64_t *samples, size_t count, double percent) {
    qsort(samples, count, sizeof *samples, bench_compare);
    size_t at = (size_t)((double)count * percent / 100.0);
    return samples[at < count ? at : count - 1];
}

static inline void bench_figure(const char *name, double value) { printf("%s %.3f\n", name, value); }

#endif
