/*
 * histogram.h - how long things took: 16 buckets per power of two, so a value is known to within 6 %. Fixed size, no allocation.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS (60 * 16)

struct histogram {
    uint64_t count, sum, largest;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

/* Counts a value in nanoseconds (negative counts as 0). */
static inline void histogram_add(struct histogram *h, int64_t ns) {
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    uint32_t index = (uint32_t)v;
    if (v >= 16) {
        uint32_t power = 63u - (uint32_t)__builtin_clzll(v);
        index = (power - 3u) * 16u + (uint32_t)((v >> (power - 4u)) & 15u);
    }
    h->buckets[index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1u]++;
    h->count++;
    h->sum += v;
    h->largest = v > h->largest ? v : h->largest;
}

/* The value below which `per_million` millionths of the counted values lie (upper edge of the bucket), 0 when empty. */
uint64_t histogram_at(const struct histogram *h, uint64_t per_million);

#endif
