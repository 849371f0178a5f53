/*
 * histogram.c - reading quantiles back. Guarantees an upper bound: the true quantile is never above what is returned.
 */
#include "base/histogram.h"

/* Upper edge of a bucket. */
static uint64_t bucket_edge(uint32_t index) {
    if (index < 16) {
        return index;
    }
    uint32_t power = index / 16u + 3u;
    uint64_t step = UINT64_C(1) << (power - 4u);
    return (UINT64_C(1) << power) + (index % 16u + 1u) * step - 1u;
}

uint64_t histogram_at(const struct histogram *h, uint64_t per_million) {
    uint64_t wanted = (h->count * per_million + 999999u) / 1000000u, seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t edge = bucket_edge(i);
            return edge < h->largest ? edge : h->largest;
        }
    }
    return h->largest;
}
