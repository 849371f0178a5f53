/*
 * observer.h - what the observer agent reports, laid over its wishes, and the arithmetic it shares with the test.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Carried in wishes[0] and up; sizes fit AGENT_WISHES_MAX wishes. */
struct observed {
    uint64_t inits, loads, turns;       /* calls so far */
    uint64_t fills, fills_out_of_order; /* on_fill so far; ids must grow by one */
    uint64_t last_fill;
    uint64_t limit_updates, limit_generation;
    uint64_t sequence, events, gap, bars;
    int64_t now_ns;
    double close, last, equity;
    uint64_t seed, param_count;
    char param[64];
    uint64_t libm;  /* hash over many results, when asked by the parameter "libm" */
    uint64_t pages; /* readable pages seen, when asked by "needle" */
    uint64_t hits;  /* of needles in them */
};

/* Functions whose last digits depend on whether FMA variants are chosen. */
static inline uint64_t libm_hash(void) {
    uint64_t hash = 1469598103934665603u;
    double x = 1e-3;
    for (int i = 0; i < 20000; i++, x += 0.0013) {
        double value = sin(x) + exp(x / 50) + pow(x, 1.37) + log(x) + tan(x) + atan(x);
        uint64_t bits;
        memcpy(&bits, &value, sizeof(bits));
        hash = (hash ^ bits) * 1099511628211u;
    }
    return hash;
}

#endif
