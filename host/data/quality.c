/*
 * quality.c - what a person should know about a well-formed bar file before trusting a result that rests on it.
 *
 * Rules
 *   1. Outlier: a close more than OUTLIER_PPM from the close before it. One-minute bars of liquid markets cross 5 % a few times a
 *      year (5 August 2024: 8.4 %), a slipped decimal point does so twice in a row. It is reported, never removed.
 *   2. Label: sessions begin and end on half hours. When the first bar after a hole is labelled with the half hour itself,
 *      labels are bar starts; when it is one timeframe later, they are bar ends. The last bar before a hole says the same
 *      from the other side. Holes shorter than LABEL_HOLE bars and timeframes of half an hour and more say nothing; a
 *      majority of LABEL_MAJORITY to one decides, otherwise the label stays unknown.
 * The reader always takes labels as starts: a wrong guess here misleads a reader of the report, not the engine.
 */
#include <string.h>

#include "base/wide.h"
#include "data/data.h"

#define HALF_HOUR_NS (1800 * NS_PER_S)
#define LABEL_HOLE 10
#define LABEL_MAJORITY 3
#define MOVE_MAX_PPM INT64_C(1000000000000000)

static int64_t magnitude(int64_t value) {
    return value < 0 ? -value : value;
}

static int64_t move_ppm(int64_t before, int64_t close) {
    int128 move = ((int128)close - before) * 1000000 / before;
    return move > MOVE_MAX_PPM ? MOVE_MAX_PPM : (int64_t)move;
}

/* Keeps the largest, sorted; of equal ones the earlier. */
static void outlier_keep(struct bar_quality *quality, const struct outlier *outlier) {
    uint32_t at = quality->outliers_kept;
    while (at > 0 && magnitude(quality->outliers[at - 1].move_ppm) < magnitude(outlier->move_ppm)) {
        at--;
    }
    if (at == OUTLIERS_KEPT) {
        return;
    }
    if (quality->outliers_kept < OUTLIERS_KEPT) {
        quality->outliers_kept++;
    }
    memmove(&quality->outliers[at + 1], &quality->outliers[at], (quality->outliers_kept - at - 1) * sizeof(*outlier));
    quality->outliers[at] = *outlier;
}

static void label_vote(struct bar_quality *quality, const struct gap *gap, int64_t timeframe_ns) {
    if (gap->missing < LABEL_HOLE || timeframe_ns <= 0 || timeframe_ns >= HALF_HOUR_NS) {
        return;
    }
    quality->label_start_votes += gap->before_ns % HALF_HOUR_NS == 0;
    quality->label_start_votes += (gap->after_ns + timeframe_ns) % HALF_HOUR_NS == 0;
    quality->label_end_votes += (gap->before_ns - timeframe_ns) % HALF_HOUR_NS == 0;
    quality->label_end_votes += gap->after_ns % HALF_HOUR_NS == 0;
}

static enum bar_label label_decide(uint32_t start, uint32_t end) {
    if (start > LABEL_MAJORITY * end) {
        return LABEL_START;
    }
    return end > LABEL_MAJORITY * start ? LABEL_END : LABEL_UNKNOWN;
}

void bar_quality_find(const struct bar_file *file, struct bar_quality *quality) {
    memset(quality, 0, sizeof(*quality));
    for (size_t i = 1; i < file->count; i++) {
        const struct bar *bar = &file->bars[i];
        struct outlier outlier = {bar->start_ns, bar[-1].close, bar->close, move_ppm(bar[-1].close, bar->close)};
        if (magnitude(outlier.move_ppm) > OUTLIER_PPM) {
            quality->outlier_count++;
            outlier_keep(quality, &outlier);
        }
        quality->irregular += bar->start_ns - bar[-1].start_ns < file->timeframe_ns;
    }
    for (uint32_t n = 0; n < file->gap_count && n < GAPS_MAX; n++) {
        int64_t missing = file->gaps[n].missing;
        quality->longest_gap = missing > quality->longest_gap ? missing : quality->longest_gap;
        label_vote(quality, &file->gaps[n], file->timeframe_ns);
    }
    quality->label = label_decide(quality->label_start_votes, quality->label_end_votes);
}
