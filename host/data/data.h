/*
 * data.h - market data -> snapshot. Reads bar files, names what is wrong with them, merges them into turns, and writes the
 * market memory that slots read.
 */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/base.h"
#include "wire.h"

/* ---- instruments ---------------------------------------------------------------------------------------------------------- */

/* Fills the derived fields of an instrument (value_num/value_den reduced, decimals) and checks ranges. */
int instrument_init(struct instrument *instrument, struct error *error);

/* Reads policy/instruments.yaml; at most `max` rows. Returns the count or a negative code. */
int instruments_read(const char *path, struct instrument *rows, size_t max, unsigned char hash[HASH_BYTES], struct error *error);

/* Money of `lots` at `price_ticks`, rounded half-even to 1e-8; sign of lots. Overflow is ERROR_OVERFLOW. */
int instrument_value_wide(const struct instrument *i, int64_t price_ticks, int64_t lots, int64_t *value_e8);
static inline int instrument_value(const struct instrument *i, int64_t price_ticks, int64_t lots, int64_t *value_e8) {
    int64_t product;
    if (__builtin_mul_overflow(price_ticks, lots, &product) || __builtin_mul_overflow(product, i->value_num, &product)) {
        return instrument_value_wide(i, price_ticks, lots, value_e8);
    }
    if (i->value_den == 1) {
        *value_e8 = product;
        return 0;
    }
    int64_t quotient = product / i->value_den, rest = product % i->value_den;
    int64_t twice = rest < 0 ? -2 * rest : 2 * rest; /* value_den <= 1e16, so this cannot overflow */
    bool away = twice > i->value_den || (twice == i->value_den && (quotient & 1) != 0);
    *value_e8 = quotient + (away ? (product < 0 ? -1 : 1) : 0);
    return 0;
}

/* Fee of a fill, rounded up: notional x rate + quantity x fee_per_unit. notional_e8 may be negative; the fee is >= 0. */
int instrument_fee(const struct instrument *i, int64_t notional_e8, int64_t lots, bool maker, int64_t *fee_e8);

/* ticks -> correctly rounded double of the decimal price; e8 quantities and money likewise. */
double instrument_price(const struct instrument *i, int64_t ticks);
double instrument_quantity(const struct instrument *i, int64_t lots);
double money_double_wide(int64_t e8);
/* One division of two exact operands is correctly rounded; amounts beyond 2^53 need the long way. */
static inline double money_double(int64_t e8) {
    return e8 < (INT64_C(1) << 53) && e8 > -(INT64_C(1) << 53) ? (double)e8 / (double)E8 : money_double_wide(e8);
}
/* mantissa / 10^decimals, correctly rounded; decimals 0..18. */
double decimal_double(int64_t mantissa, int32_t decimals);

/* ---- bar files -------------------------------------------------------------------------------------------------------------- */

#define GAPS_MAX 4096

/* Bars that are missing between two neighbours. */
struct gap {
    int64_t after_ns;   /* start of the last bar before the hole */
    int64_t before_ns;  /* start of the first bar after it */
    int64_t missing;    /* bars */
};

enum time_unit { TIME_SECONDS, TIME_MILLISECONDS, TIME_MICROSECONDS, TIME_NANOSECONDS, TIME_ISO };

/* A bar file in memory: bars in ticks of its instrument. Owned by the caller until bar_file_close(). */
struct bar_file {
    char path[1024];
    char symbol[NAME_MAX_BYTES];
    struct bar *bars;              /* page-aligned mapping of `count` bars */
    size_t count, mapped_bytes;
    int64_t timeframe_ns;          /* most frequent difference of neighbours */
    int32_t price_decimals, volume_decimals; /* finest seen */
    bool has_volume;
    enum time_unit time_unit;      /* as recognised */
    unsigned char hash[HASH_BYTES];/* of the file's uncompressed bytes */
    uint32_t gap_count;            /* all; the first GAPS_MAX are kept */
    struct gap gaps[GAPS_MAX];
    int64_t missing;               /* bars missing in all gaps */
    int64_t zero_volume;           /* bars */
    int64_t volume_rounded;        /* bars whose volume has more than 8 decimals: rounded half-even to 1e-8 */
    bool zone_assumed;             /* ISO times without a zone were taken as UTC */
    bool compressed;               /* gzip */
};

/*
 * Reads a CSV, plain or gzip (by content). Columns are found by header name: time_ms | ts | time | timestamp | date, open,
 * high, low, close, volume (optional column or empty cells); any order, case-insensitive, others ignored. Prices become
 * ticks of `instrument`; with instrument->tick_e8 == 0 the tick is chosen as 10^-(finest decimal seen) and written there,
 * with lot 1e-8 and multiplier 1. Refused with file:line, what was found and what was wanted: a missing column, a bad
 * number, high < low or outside, price <= 0, a price off the tick grid of a given instrument, time not increasing.
 */
int bar_file_read(struct bar_file *file, const char *path, struct instrument *instrument, struct error *error);
void bar_file_close(struct bar_file *file);

/* ---- what can be said about a file beyond its being well-formed ----------------------------------------------------------- */

#define OUTLIER_PPM 50000   /* 5 % from close to close in one bar: rare enough to look at, see data/quality.c */
#define OUTLIERS_KEPT 8     /* the largest */

struct outlier {
    int64_t start_ns, before, close; /* ticks */
    int64_t move_ppm;                /* signed, saturated at +-10^15 */
};

/* What the time of a bar names; guessed from where sessions begin and end. */
enum bar_label { LABEL_UNKNOWN, LABEL_START, LABEL_END };

struct bar_quality {
    int64_t outlier_count;
    uint32_t outliers_kept;          /* of `outliers`, largest first */
    struct outlier outliers[OUTLIERS_KEPT];
    enum bar_label label;
    uint32_t label_start_votes, label_end_votes;
    int64_t longest_gap;             /* missing bars */
    int64_t irregular;               /* bars closer to the one before than the timeframe */
};

void bar_quality_find(const struct bar_file *file, struct bar_quality *quality);

/* Embedded deterministic generator (integer arithmetic only): a random walk whose opens differ from the previous close.
 * price_decimals 0..8; the same seed gives the same bars on every machine. */
struct generate_options {
    uint64_t seed;
    size_t count;
    int64_t start_ns, timeframe_ns;
    int64_t price_ticks;       /* first */
    int32_t price_decimals;
    int64_t step_ticks;        /* largest move of a bar */
};
int bar_file_generate(struct bar_file *file, const struct generate_options *options, struct instrument *instrument, struct error *error);
/* Writes bars as CSV time_ms,open,high,low,close,volume (path ending .gz = gzip). */
int bar_file_write(const struct bar_file *file, const struct instrument *instrument, const char *path, struct error *error);

/* ---- feed: several files -> turns ------------------------------------------------------------------------------------------- */

/* One turn of bars: all instruments whose bars close at the same time, ascending instrument index. */
struct bar_turn {
    int64_t close_ns;
    uint32_t count;
    uint16_t instrument[INSTRUMENTS_MAX];
    const struct bar *bar[INSTRUMENTS_MAX];
    bool after_gap[INSTRUMENTS_MAX];
};

/* A merge over bar files; index in `files` = instrument index. Sources must outlive it. */
struct feed_source {
    const struct bar *bars;
    size_t count, next;
    int64_t timeframe_ns;
};
struct feed {
    uint32_t source_count;
    struct feed_source sources[INSTRUMENTS_MAX];
};
/* The next turn, or false at the end. Never allocates. */
bool feed_next(struct feed *feed, struct bar_turn *turn);

/* ---- market memory ------------------------------------------------------------------------------------------------------------ */

/* Layout chosen from what the agents need. */
struct market_options {
    const struct instrument *instruments;
    uint32_t instrument_count;
    uint32_t timeframe_count;
    int64_t timeframe_ns[TIMEFRAMES_MAX];
    uint32_t bars[TIMEFRAMES_MAX];   /* largest need of any agent */
    uint32_t ticks, depth_levels;
};

/* The host's writer. */
struct market {
    struct wire_market *memory;
    const struct instrument *instruments;
    uint32_t instrument_count, timeframe_count;
    uint64_t sequence;                                   /* of the last published turn */
    uint64_t quotes_version;                             /* grows when a quote changes by more than a bar's close */
    uint64_t block_versions[WIRE_TURNS];                 /* what each turn block has seen; one instrument only */
    uint64_t counts[INSTRUMENTS_MAX * TIMEFRAMES_MAX];   /* bars appended */
    uint64_t tick_counts[INSTRUMENTS_MAX];
    struct agent_quote quotes[INSTRUMENTS_MAX];          /* as of now */
    double price_den[INSTRUMENTS_MAX], price_num[INSTRUMENTS_MAX], lot_scale[INSTRUMENTS_MAX];
    /* higher timeframes being built from the feed's own */
    struct bar building[INSTRUMENTS_MAX * TIMEFRAMES_MAX];  /* high == 0: none */
    /* the layout, resolved once: rings by instrument * timeframe_count + timeframe */
    struct agent_bar *rings[INSTRUMENTS_MAX * TIMEFRAMES_MAX];
    uint64_t masks[INSTRUMENTS_MAX * TIMEFRAMES_MAX];
    int64_t timeframe_ns[TIMEFRAMES_MAX];
    struct agent_tick *ticks[INSTRUMENTS_MAX];              /* NULL: not kept */
    uint64_t tick_masks[INSTRUMENTS_MAX];
    struct wire_levels level_counts[INSTRUMENTS_MAX];
    struct agent_level levels[INSTRUMENTS_MAX][2 * AGENT_DEPTH_MAX]; /* bids, then asks from depth_levels on */
};

/* One level of a book as a feed gives it. */
struct book_level {
    int64_t price_ticks, size_e8;
};

size_t market_size(const struct market_options *options);
/* Writes head, identities and rings into `memory` (zeroed, market_size bytes, 64-aligned). */
int market_init(struct market *market, const struct market_options *options, void *memory, struct error *error);
/* A bar as a slot sees it. */
void market_convert_bar(const struct market *market, uint16_t instrument, const struct bar *bar, bool after_gap, struct agent_bar *out);
/* Appends a closed bar of the first timeframe (and closes higher timeframes that end with it), updates the quote's last.
 * `converted` is the bar as market_convert_bar() made it, NULL = convert it now. */
void market_append_bar(struct market *market, uint16_t instrument, const struct bar *bar, bool after_gap,
                       const struct agent_bar *converted, int64_t close_ns);
/* Sets best bid, ask and last; what is 0 in `quote` becomes unknown (0). */
void market_set_quote(struct market *market, uint16_t instrument, const struct quote *quote);
/* Appends a trade (size positive: the buyer was the aggressor) and makes it the last price. */
void market_append_tick(struct market *market, uint16_t instrument, int64_t time_ns, int64_t price_ticks, int64_t size_e8);
/* Would the next trade reuse a cell of the last `ticks` trades that turn `sequence` (its block not reused yet) shows? */
bool market_tick_overtakes(const struct market *market, uint16_t instrument, uint64_t sequence, uint32_t ticks);
/* Sets the book, best first; levels beyond depth_levels are dropped. Does not touch the quote. */
void market_set_levels(struct market *market, uint16_t instrument, const struct book_level *bids, uint32_t bid_count,
                       const struct book_level *asks, uint32_t ask_count);
/* Writes the turn block of the next sequence: from here on slots may be rung for it. Returns the sequence. */
uint64_t market_publish(struct market *market, int64_t now_ns, uint32_t events);

#endif
