/*
 * generate.c - bars out of a seed: the embedded data set for demos, tests and benchmarks.
 *
 * Guarantees: integers only (splitmix64), so the same seed makes the same bars with every compiler on every machine; every
 * open differs from the close before it, so code that confuses the two shows; the walk has no drift and is reflected at a
 * floor above zero and at a ceiling, so no length and no seed makes an impossible price.
 * It is a random walk and nothing else: no strategy can be judged by it.
 */
#include <string.h>

#include "bar_file.h"

#define VOLUME_MAX_E8 (INT64_C(1000) * E8)

struct generator {
    uint64_t state;
    int64_t floor, ceiling;
};

static uint64_t generator_next(struct generator *generator) {
    uint64_t value = generator->state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* 0..limit - 1; the bias of the remainder is below 2^-40 for every limit allowed here. */
static int64_t generator_below(struct generator *generator, int64_t limit) {
    return (int64_t)(generator_next(generator) % (uint64_t)limit);
}

/* -limit..limit */
static int64_t generator_step(struct generator *generator, int64_t limit) {
    return generator_below(generator, 2 * limit + 1) - limit;
}

/* A step that would leave the range goes the other way. */
static int64_t walk(const struct generator *generator, int64_t price, int64_t step) {
    int64_t moved = price + step;
    return moved < generator->floor || moved > generator->ceiling ? price - step : moved;
}

static void bar_generate(struct generator *generator, const struct generate_options *options, int64_t *price, struct bar *bar) {
    int64_t step = options->step_ticks;
    int64_t opening = 1 + generator_below(generator, step / 4 + 1);
    bar->open = walk(generator, *price, generator_below(generator, 2) == 0 ? opening : -opening);
    bar->close = walk(generator, bar->open, generator_step(generator, step));
    int64_t top = bar->open > bar->close ? bar->open : bar->close;
    int64_t bottom = bar->open < bar->close ? bar->open : bar->close;
    bar->high = top + generator_below(generator, step / 2 + 1);
    bar->low = bottom - generator_below(generator, step / 2 + 1);
    bar->volume_e8 = generator_below(generator, VOLUME_MAX_E8);
    *price = bar->close;
}

static int options_check(const struct generate_options *options, struct error *error) {
    if (options->count < 1 || options->count > BARS_MAX) {
        return error_set(error, ERROR_RANGE, "generator: found %zu bars, wanted 1..%zu", options->count, BARS_MAX);
    }
    if (options->price_decimals < 0 || options->price_decimals > 8) {
        return error_set(error, ERROR_RANGE, "generator: found %d decimals, wanted 0..8", (int)options->price_decimals);
    }
    if (options->step_ticks < 1 || options->step_ticks > TICKS_MAX / 64 || options->price_ticks > TICKS_MAX / 2 ||
        options->price_ticks < 4 * options->step_ticks) {
        return error_set(error, ERROR_RANGE, "generator: found price %lld and step %lld ticks, wanted a price of at least 4 steps",
                         (long long)options->price_ticks, (long long)options->step_ticks);
    }
    int64_t span, end;
    if (options->timeframe_ns < 1 || __builtin_mul_overflow((int64_t)options->count, options->timeframe_ns, &span) ||
        __builtin_add_overflow(options->start_ns, span, &end)) {
        return error_set(error, ERROR_RANGE, "generator: found a time span beyond 2262, wanted fewer or shorter bars");
    }
    return 0;
}

int bar_file_generate(struct bar_file *file, const struct generate_options *options, struct instrument *instrument,
                      struct error *error) {
    memset(file, 0, sizeof(*file));
    bar_file_set_path(file, "generated");
    int code = options_check(options, error);
    if (code == 0) {
        code = bar_file_reserve(file, options->count, error);
    }
    if (code == 0 && instrument->tick_e8 == 0) {
        code = instrument_assume(instrument, file->symbol, options->price_decimals, error);
    }
    if (code != 0) {
        bar_file_close(file);
        return code;
    }
    struct generator generator = {options->seed, 2 * options->step_ticks, TICKS_MAX - 2 * options->step_ticks};
    int64_t price = options->price_ticks;
    for (size_t i = 0; i < options->count; i++) {
        file->bars[i].start_ns = options->start_ns + (int64_t)i * options->timeframe_ns;
        bar_generate(&generator, options, &price, &file->bars[i]);
        file->zero_volume += file->bars[i].volume_e8 == 0;
    }
    file->count = options->count;
    file->has_volume = true;
    file->time_unit = TIME_NANOSECONDS;
    file->price_decimals = instrument->tick_decimals;
    file->volume_decimals = 8;
    bar_file_finish(file);
    file->timeframe_ns = options->timeframe_ns; /* also of a single bar */
    /* a generated file has no bytes: its identity is that of its bars */
    hash_bytes(file->bars, file->count * sizeof(struct bar), file->hash);
    return 0;
}
