/*
 * market.c - the host's writer of the market memory (wire.h): one memory that every slot reads.
 *
 * Guarantees
 *   1. History is appended, never copied: a bar is written once into its ring and seen by every slot.
 *   2. A slot sees only what the turn block it was rung for counts; bars appended later lie beyond those counts.
 *   3. A bucket of a higher timeframe is appended when its last base bar closes, or, where that bar is missing, as soon as
 *      a bar of a later bucket arrives. Buckets are aligned to the epoch (UTC). A bucket is never shown unfinished.
 *   4. Prices and sizes are the correctly rounded doubles of the decimals.
 *   5. Nothing here allocates or enters the kernel; append and publish touch only the instrument and the block they write.
 * It does not decide when a ring cell may be reused: the roster kills a slot that is too far behind.
 */
#include "data/data.h"

#include <string.h>

#define ALIGNMENT ((size_t)64)
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

/* ---- layout ----------------------------------------------------------------------------------------------------------------- */

static size_t align_up(size_t at) {
    return (at + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* Twice the need, and never less than the need plus what is appended while a slot is late (BARS_LATE or TICKS_LATE): a cell it
 * may be reading is not reused before the roster has ended it. */
#define BARS_LATE (2u * WIRE_TURNS) /* a turn may close an overdue bucket and its own */
#define TICKS_LATE 1024u            /* trades have no turns: market_tick_overtakes() tells when it is not enough */
static uint64_t ring_capacity(uint32_t need, uint32_t late) {
    uint64_t capacity = 2;
    while (capacity < 2 * (uint64_t)need || capacity < (uint64_t)need + late) {
        capacity *= 2;
    }
    return capacity;
}

/* Fills the offsets of `head`; returns the size of the memory up to the rings, which follow. */
static size_t layout_head(const struct market_options *options, struct wire_market *head) {
    size_t series = (size_t)options->instrument_count * options->timeframe_count;
    size_t at = align_up(sizeof(struct wire_market));
    head->instruments_at = at;
    at = align_up(at + options->instrument_count * sizeof(struct agent_instrument));
    head->series_at = at;
    at = align_up(at + series * sizeof(struct wire_series));
    head->depths_at = at;
    at = align_up(at + options->instrument_count * sizeof(struct wire_depth));
    head->turns_at = at;
    size_t inside = align_up(sizeof(struct wire_turn));
    head->turn_counts_at = inside;
    inside = align_up(inside + series * sizeof(uint64_t));
    head->turn_quotes_at = inside;
    inside = align_up(inside + options->instrument_count * sizeof(struct agent_quote));
    head->turn_tick_counts_at = inside;
    inside = align_up(inside + options->instrument_count * sizeof(uint64_t));
    head->turn_levels_at = inside;
    if (options->depth_levels > 0) {
        size_t levels = sizeof(struct wire_levels) + 2 * (size_t)options->depth_levels * sizeof(struct agent_level);
        inside = align_up(inside + options->instrument_count * levels);
    }
    head->turn_size = inside;
    return at + WIRE_TURNS * inside;
}

static size_t ticks_bytes(const struct market_options *options) {
    return options->ticks == 0 ? 0 : align_up(ring_capacity(options->ticks, TICKS_LATE) * sizeof(struct agent_tick));
}

size_t market_size(const struct market_options *options) {
    struct wire_market head = {0};
    size_t size = layout_head(options, &head);
    for (uint32_t t = 0; t < options->timeframe_count; t++) {
        size += options->instrument_count * align_up(ring_capacity(options->bars[t], BARS_LATE) * sizeof(struct agent_bar));
    }
    return size + options->instrument_count * ticks_bytes(options);
}

/* ---- start ------------------------------------------------------------------------------------------------------------------ */

static int options_check(const struct market_options *options, struct error *error) {
    if (options->instrument_count < 1 || options->instrument_count > INSTRUMENTS_MAX || options->timeframe_count < 1 ||
        options->timeframe_count > TIMEFRAMES_MAX || options->ticks > AGENT_TICKS_MAX ||
        options->depth_levels > AGENT_DEPTH_MAX) {
        return error_set(error, ERROR_RANGE, "market memory: found %u instruments, %u timeframes, %u ticks, %u levels, wanted "
                         "at most %d, %d, %u, %u", options->instrument_count, options->timeframe_count, options->ticks,
                         options->depth_levels, INSTRUMENTS_MAX, TIMEFRAMES_MAX, AGENT_TICKS_MAX, AGENT_DEPTH_MAX);
    }
    int64_t base_ns = options->timeframe_ns[0];
    for (uint32_t t = 0; t < options->timeframe_count; t++) {
        int64_t timeframe_ns = options->timeframe_ns[t];
        if (options->bars[t] < 1 || options->bars[t] > AGENT_BARS_MAX) {
            return error_set(error, ERROR_RANGE, "market memory: found a need of %u bars, wanted 1..%u", options->bars[t],
                             AGENT_BARS_MAX);
        }
        if (timeframe_ns <= 0 || timeframe_ns % base_ns != 0 || (t > 0 && timeframe_ns <= options->timeframe_ns[t - 1])) {
            return error_set(error, ERROR_REFUSED, "market memory: found timeframe %lld s, wanted a multiple of the feed's %lld s",
                             (long long)(timeframe_ns / NS_PER_S), (long long)(base_ns / NS_PER_S));
        }
    }
    return 0;
}

static void identity_write(const struct instrument *from, struct agent_instrument *to) {
    _Static_assert(sizeof(from->name) == sizeof(to->name), "names are copied whole");
    memcpy(to->name, from->name, sizeof(to->name));
    memcpy(to->currency, from->currency, sizeof(to->currency));
    to->tick = instrument_price(from, 1);
    to->lot = instrument_quantity(from, 1);
    to->quantity_min = instrument_quantity(from, from->quantity_min_lots);
    to->notional_min = money_double(from->notional_min_e8);
    to->multiplier = money_double(from->multiplier_e8);
    to->fee_maker = money_double(from->fee_maker_e8);
    to->fee_taker = money_double(from->fee_taker_e8);
    to->fee_per_unit = money_double(from->fee_per_unit_e8);
    to->margin_per_unit = money_double(from->margin_per_unit_e8);
    to->flags = AGENT_FLAG_TRADABLE | (from->long_only ? AGENT_FLAG_LONG_ONLY : 0u) |
                (from->market_entry ? AGENT_FLAG_MARKET_ENTRY : 0u);
}

/* price = ticks x price_num / price_den, both exact: tick 0.25 is 25 / 100. */
static void scale_init(struct market *market, uint32_t i, const struct instrument *instrument) {
    int64_t den = 1, unit = E8;
    for (int32_t n = 0; n < instrument->tick_decimals; n++) {
        den *= 10;
        unit /= 10;
    }
    market->price_den[i] = (double)den;
    market->price_num[i] = (double)(instrument->tick_e8 / unit);
    market->lot_scale[i] = (double)instrument->lot_e8;
    market->quotes[i].data_quality = -1;
    market->quotes[i].execution_quality = -1;
    market->quotes[i].minutes_since_open = -1;
    market->quotes_version = 1;
}

static void rings_init(struct market *market, const struct market_options *options, size_t at) {
    unsigned char *memory = (unsigned char *)market->memory;
    struct wire_series *series = (struct wire_series *)(void *)(memory + market->memory->series_at);
    struct wire_depth *depths = (struct wire_depth *)(void *)(memory + market->memory->depths_at);
    for (uint32_t i = 0; i < options->instrument_count; i++) {
        for (uint32_t t = 0; t < options->timeframe_count; t++) {
            uint32_t s = i * options->timeframe_count + t;
            uint64_t capacity = ring_capacity(options->bars[t], BARS_LATE);
            series[s] = (struct wire_series){at, capacity - 1, options->timeframe_ns[t], 0};
            market->rings[s] = (struct agent_bar *)(void *)(memory + at);
            market->masks[s] = capacity - 1;
            at += align_up(capacity * sizeof(struct agent_bar));
        }
        if (options->ticks > 0) {
            uint64_t capacity = ring_capacity(options->ticks, TICKS_LATE);
            depths[i] = (struct wire_depth){at, capacity - 1, capacity, 0};
            market->ticks[i] = (struct agent_tick *)(void *)(memory + at);
            market->tick_masks[i] = capacity - 1;
            at += ticks_bytes(options);
        }
    }
}

int market_init(struct market *market, const struct market_options *options, void *memory, struct error *error) {
    int code = options_check(options, error);
    if (code != 0) {
        return code;
    }
    memset(market, 0, sizeof(*market));
    struct wire_market *head = memory;
    size_t rings_at = layout_head(options, head);
    head->size = market_size(options);
    head->instrument_count = options->instrument_count;
    head->timeframe_count = options->timeframe_count;
    head->depth_levels = options->depth_levels;
    market->memory = head;
    market->instruments = options->instruments;
    market->instrument_count = options->instrument_count;
    market->timeframe_count = options->timeframe_count;
    memcpy(market->timeframe_ns, options->timeframe_ns, sizeof(market->timeframe_ns));
    struct agent_instrument *identities = (struct agent_instrument *)(void *)((unsigned char *)memory + head->instruments_at);
    for (uint32_t i = 0; i < options->instrument_count; i++) {
        identity_write(&options->instruments[i], &identities[i]);
        scale_init(market, i, &options->instruments[i]);
    }
    rings_init(market, options, rings_at);
    head->magic = WIRE_MAGIC;
    return 0;
}

/* ---- conversion --------------------------------------------------------------------------------------------------------------- */

static double size_double(int64_t size_e8) {
    double exact = (double)size_e8;
    return exact <= EXACT_MAX && exact >= -EXACT_MAX ? exact / 1e8 : money_double(size_e8);
}

static double price_double(const struct market *market, uint16_t i, int64_t ticks) {
    double scaled = (double)ticks * market->price_num[i];
    return scaled <= EXACT_MAX ? scaled / market->price_den[i] : instrument_price(&market->instruments[i], ticks);
}

void market_convert_bar(const struct market *market, uint16_t i, const struct bar *bar, bool after_gap, struct agent_bar *out) {
    double num = market->price_num[i], den = market->price_den[i];
    double open = (double)bar->open, high = (double)bar->high, low = (double)bar->low, close = (double)bar->close;
    out->start_ns = bar->start_ns;
    if (high * num <= EXACT_MAX) { /* the largest of the four: then all products are exact */
        out->open = open * num / den;
        out->high = high * num / den;
        out->low = low * num / den;
        out->close = close * num / den;
    } else {
        out->open = instrument_price(&market->instruments[i], bar->open);
        out->high = instrument_price(&market->instruments[i], bar->high);
        out->low = instrument_price(&market->instruments[i], bar->low);
        out->close = instrument_price(&market->instruments[i], bar->close);
    }
    out->volume = bar->volume_e8 < 0 ? -1.0 : size_double(bar->volume_e8);
    out->trades = -1.0;
    out->open_ticks = open;
    out->high_ticks = high;
    out->low_ticks = low;
    out->close_ticks = close;
    out->flags = after_gap ? AGENT_BAR_AFTER_GAP : 0;
}

/* ---- bars --------------------------------------------------------------------------------------------------------------------- */

/* Appends the finished bucket of series `s`; a bar is after a gap when the one before it does not touch it. */
static void bucket_close(struct market *market, uint16_t i, uint32_t s, int64_t timeframe_ns) {
    struct bar *building = &market->building[s];
    uint64_t count = market->counts[s];
    const struct agent_bar *before = &market->rings[s][(count - 1) & market->masks[s]];
    bool after_gap = count > 0 && before->start_ns + timeframe_ns != building->start_ns;
    market_convert_bar(market, i, building, after_gap, &market->rings[s][count & market->masks[s]]);
    market->counts[s] = count + 1;
    building->high = 0;
}

static void bucket_add(struct bar *building, const struct bar *bar, int64_t start_ns) {
    if (building->high == 0) {
        *building = *bar;
        building->start_ns = start_ns;
        return;
    }
    building->high = bar->high > building->high ? bar->high : building->high;
    building->low = bar->low < building->low ? bar->low : building->low;
    building->close = bar->close;
    /* one bar without volume makes the sum unknown: half a volume would look like a quiet market */
    if (building->volume_e8 < 0 || bar->volume_e8 < 0 ||
        __builtin_add_overflow(building->volume_e8, bar->volume_e8, &building->volume_e8)) {
        building->volume_e8 = -1;
    }
}

static void buckets_append(struct market *market, uint16_t i, const struct bar *bar, int64_t close_ns) {
    for (uint32_t t = 1; t < market->timeframe_count; t++) {
        uint32_t s = i * market->timeframe_count + t;
        int64_t timeframe_ns = market->timeframe_ns[t];
        int64_t inside = bar->start_ns % timeframe_ns;
        int64_t start_ns = bar->start_ns - (inside < 0 ? inside + timeframe_ns : inside);
        if (market->building[s].high != 0 && market->building[s].start_ns != start_ns) {
            bucket_close(market, i, s, timeframe_ns);
        }
        bucket_add(&market->building[s], bar, start_ns);
        if (close_ns >= start_ns + timeframe_ns) {
            bucket_close(market, i, s, timeframe_ns);
        }
    }
}

void market_append_bar(struct market *market, uint16_t i, const struct bar *bar, bool after_gap, const struct agent_bar *converted,
                       int64_t close_ns) {
    uint32_t s = i * market->timeframe_count;
    uint64_t count = market->counts[s];
    struct agent_bar *cell = &market->rings[s][count & market->masks[s]];
    if (converted) {
        *cell = *converted;
    } else {
        market_convert_bar(market, i, bar, after_gap, cell);
    }
    market->counts[s] = count + 1;
    struct agent_quote *quote = &market->quotes[i];
    quote->time_ns = close_ns;
    quote->last = cell->close;
    quote->last_ticks = cell->close_ticks;
    if (market->timeframe_count > 1) {
        buckets_append(market, i, bar, close_ns);
    }
}

/* ---- quotes, trades, levels ------------------------------------------------------------------------------------------------- */

void market_set_quote(struct market *market, uint16_t i, const struct quote *quote) {
    market->quotes_version++;
    struct agent_quote *to = &market->quotes[i];
    to->time_ns = quote->time_ns;
    to->bid = price_double(market, i, quote->bid_ticks);
    to->ask = price_double(market, i, quote->ask_ticks);
    to->last = price_double(market, i, quote->last_ticks);
    to->bid_ticks = (double)quote->bid_ticks;
    to->ask_ticks = (double)quote->ask_ticks;
    to->last_ticks = (double)quote->last_ticks;
    to->bid_size = size_double(quote->bid_size_e8);
    to->ask_size = size_double(quote->ask_size_e8);
}

void market_append_tick(struct market *market, uint16_t i, int64_t time_ns, int64_t price_ticks, int64_t size_e8) {
    market->quotes_version++;
    struct agent_quote *quote = &market->quotes[i];
    quote->time_ns = time_ns;
    quote->last = price_double(market, i, price_ticks);
    quote->last_ticks = (double)price_ticks;
    if (market->ticks[i] != NULL) {
        uint64_t count = market->tick_counts[i];
        market->ticks[i][count & market->tick_masks[i]] =
            (struct agent_tick){time_ns, quote->last, quote->last_ticks, size_double(size_e8)};
        market->tick_counts[i] = count + 1;
    }
}

bool market_tick_overtakes(const struct market *market, uint16_t i, uint64_t sequence, uint32_t ticks) {
    const struct wire_market *head = market->memory;
    const unsigned char *block = (const unsigned char *)head + head->turns_at + (sequence & (WIRE_TURNS - 1)) * head->turn_size;
    uint64_t shown = ((const uint64_t *)(const void *)(block + head->turn_tick_counts_at))[i];
    return market->ticks[i] != NULL && market->tick_counts[i] - shown + ticks > market->tick_masks[i];
}

static uint32_t levels_copy(struct market *market, uint16_t i, const struct book_level *from, uint32_t count,
                            struct agent_level *to) {
    uint32_t kept = count < market->memory->depth_levels ? count : market->memory->depth_levels;
    for (uint32_t n = 0; n < kept; n++) {
        to[n] = (struct agent_level){price_double(market, i, from[n].price_ticks), (double)from[n].price_ticks,
                                     size_double(from[n].size_e8)};
    }
    return kept;
}

void market_set_levels(struct market *market, uint16_t i, const struct book_level *bids, uint32_t bid_count,
                       const struct book_level *asks, uint32_t ask_count) {
    market->level_counts[i].bid_count = levels_copy(market, i, bids, bid_count, market->levels[i]);
    market->level_counts[i].ask_count =
        levels_copy(market, i, asks, ask_count, market->levels[i] + market->memory->depth_levels);
}

/* ---- the turn block --------------------------------------------------------------------------------------------------------- */

static void levels_publish(const struct market *market, unsigned char *to) {
    size_t levels = 2 * (size_t)market->memory->depth_levels * sizeof(struct agent_level);
    for (uint32_t i = 0; i < market->instrument_count; i++) {
        memcpy(to, &market->level_counts[i], sizeof(struct wire_levels));
        memcpy(to + sizeof(struct wire_levels), market->levels[i], levels);
        to += sizeof(struct wire_levels) + levels;
    }
}

/* Bars move three fields of a quote; the rest is copied only into blocks that have not seen its last change. */
static void quote_publish(struct market *market, struct agent_quote *to, uint64_t block) {
    const struct agent_quote *from = &market->quotes[0];
    if (market->block_versions[block] == market->quotes_version) {
        to->time_ns = from->time_ns;
        to->last = from->last;
        to->last_ticks = from->last_ticks;
        return;
    }
    *to = *from;
    market->block_versions[block] = market->quotes_version;
}

uint64_t market_publish(struct market *market, int64_t now_ns, uint32_t events) {
    const struct wire_market *head = market->memory;
    uint64_t sequence = ++market->sequence;
    unsigned char *block = (unsigned char *)market->memory + head->turns_at + (sequence & (WIRE_TURNS - 1)) * head->turn_size;
    *(struct wire_turn *)(void *)block = (struct wire_turn){sequence, now_ns, events, 0};
    if (market->instrument_count == 1 && market->timeframe_count == 1) {
        /* constant sizes: a handful of stores instead of calls */
        *(uint64_t *)(void *)(block + head->turn_counts_at) = market->counts[0];
        quote_publish(market, (void *)(block + head->turn_quotes_at), sequence & (WIRE_TURNS - 1));
        *(uint64_t *)(void *)(block + head->turn_tick_counts_at) = market->tick_counts[0];
    } else {
        size_t instruments = market->instrument_count;
        memcpy(block + head->turn_counts_at, market->counts, instruments * market->timeframe_count * sizeof(uint64_t));
        memcpy(block + head->turn_quotes_at, market->quotes, instruments * sizeof(struct agent_quote));
        memcpy(block + head->turn_tick_counts_at, market->tick_counts, instruments * sizeof(uint64_t));
    }
    if (head->depth_levels > 0) {
        levels_publish(market, block + head->turn_levels_at);
    }
    return sequence;
}
