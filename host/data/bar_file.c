/*
 * bar_file.c - bars in memory: the mapping they live in, their timeframe and their gaps.
 *
 * Guarantees: bars lie in one mapping that may be handed to another process as it is; the timeframe is the most frequent
 * distance of neighbours (of equally frequent ones the smallest), so a file with holes or cut sessions still has its own.
 * A file of one bar has no timeframe (0): nothing here guesses one.
 */
#include "bar_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_BARS ((size_t)1 << 16)
#define STEPS_MAX 1024 /* different distances that are counted; more than that is no time series */

/* ---- memory ----------------------------------------------------------------------------------------------------------------- */

static size_t page_round(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) & ~(page - 1);
}

int bar_file_reserve(struct bar_file *file, size_t count, struct error *error) {
    size_t capacity = file->mapped_bytes / sizeof(struct bar);
    if (count <= capacity) {
        return 0;
    }
    if (count > BARS_MAX) {
        return error_set(error, ERROR_FULL, "%s: found more than %zu bars, wanted at most that", file->path, BARS_MAX);
    }
    size_t wanted = capacity == 0 ? FIRST_BARS : 2 * capacity;
    size_t bytes = page_round((wanted > count ? wanted : count) * sizeof(struct bar));
    void *bars = file->bars == NULL ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                    : mremap(file->bars, file->mapped_bytes, bytes, MREMAP_MAYMOVE);
    if (bars == MAP_FAILED) {
        return error_set_errno(error, "%s: memory for %zu bars", file->path, count);
    }
    /* a refusal only costs speed */
    (void)madvise(bars, bytes, MADV_HUGEPAGE);
    file->bars = bars;
    file->mapped_bytes = bytes;
    return 0;
}

void bar_file_close(struct bar_file *file) {
    if (file != NULL && file->bars != NULL) {
        munmap(file->bars, file->mapped_bytes);
    }
    if (file != NULL) {
        file->bars = NULL;
        file->count = file->mapped_bytes = 0;
    }
}

void bar_file_set_path(struct bar_file *file, const char *path) {
    snprintf(file->path, sizeof(file->path), "%s", path);
    const char *name = strrchr(path, '/');
    name = name == NULL ? path : name + 1;
    size_t length = strcspn(name, ".");
    length = length < sizeof(file->symbol) ? length : sizeof(file->symbol) - 1;
    memset(file->symbol, 0, sizeof(file->symbol));
    memcpy(file->symbol, name, length);
}

int instrument_assume(struct instrument *instrument, const char *symbol, int32_t decimals, struct error *error) {
    int64_t tick_e8 = E8;
    for (int32_t n = 0; n < decimals; n++) {
        tick_e8 /= 10;
    }
    instrument->tick_e8 = tick_e8;
    instrument->lot_e8 = 1;
    instrument->multiplier_e8 = E8;
    instrument->quantity_min_lots = instrument->quantity_min_lots > 0 ? instrument->quantity_min_lots : 1;
    if (instrument->name[0] == '\0') {
        snprintf(instrument->name, sizeof(instrument->name), "%s", symbol);
    }
    return instrument_init(instrument, error);
}

/* ---- timeframe and gaps ----------------------------------------------------------------------------------------------------- */

struct step {
    int64_t ns;
    size_t count;
};

static void step_add(struct step steps[STEPS_MAX], int64_t ns, size_t count) {
    size_t at = (size_t)(((uint64_t)ns * UINT64_C(0x9e3779b97f4a7c15)) >> 54);
    for (size_t tries = 0; tries < STEPS_MAX && count > 0; tries++, at = (at + 1) % STEPS_MAX) {
        if (steps[at].count == 0) {
            steps[at].ns = ns;
        }
        if (steps[at].ns == ns) {
            steps[at].count += count;
            return;
        }
    }
}

static int64_t timeframe_find(const struct bar *bars, size_t count) {
    struct step steps[STEPS_MAX] = {0};
    struct step run = {0, 0}; /* neighbours mostly repeat the last distance, which then needs no looking up */
    for (size_t i = 1; i < count; i++) {
        int64_t ns = bars[i].start_ns - bars[i - 1].start_ns;
        if (ns != run.ns) {
            step_add(steps, run.ns, run.count);
            run = (struct step){ns, 0};
        }
        run.count++;
    }
    step_add(steps, run.ns, run.count);
    struct step best = {0, 0};
    for (size_t n = 0; n < STEPS_MAX; n++) {
        if (steps[n].count > best.count || (steps[n].count == best.count && steps[n].count > 0 && steps[n].ns < best.ns)) {
            best = steps[n];
        }
    }
    return best.ns;
}

void bar_file_finish(struct bar_file *file) {
    size_t bytes = page_round(file->count * sizeof(struct bar));
    if (bytes > 0 && bytes < file->mapped_bytes) {
        void *bars = mremap(file->bars, file->mapped_bytes, bytes, 0);
        if (bars != MAP_FAILED) {
            file->mapped_bytes = bytes;
        }
    }
    file->timeframe_ns = timeframe_find(file->bars, file->count);
    for (size_t i = 1; i < file->count; i++) {
        int64_t distance = file->bars[i].start_ns - file->bars[i - 1].start_ns;
        if (distance > file->timeframe_ns) {
            struct gap gap = {file->bars[i - 1].start_ns, file->bars[i].start_ns, (distance - 1) / file->timeframe_ns};
            if (file->gap_count < GAPS_MAX) {
                file->gaps[file->gap_count] = gap;
            }
            file->gap_count++;
            file->missing += gap.missing;
        }
    }
}
