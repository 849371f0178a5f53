/* venue_test.h - what the venue tests share: an instrument, a recorder of everything a venue tells, paths of the build. */
#ifndef VENUE_TEST_H
#define VENUE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "data/data.h"
#include "execute/order.h"
#include "venue.h"

#define START_NS INT64_C(1700000000000000000)

static inline struct instrument test_instrument(const char *name) {
    struct instrument i = {.tick_e8 = 1000000, .lot_e8 = 1000000, .multiplier_e8 = E8, .quantity_min_lots = 1,
                           .fee_maker_e8 = 50000, .fee_taker_e8 = 100000, .market_entry = true};
    struct error error = {0};
    snprintf(i.name, sizeof(i.name), "%s", name);
    snprintf(i.currency, sizeof(i.currency), "USD");
    if (instrument_init(&i, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return i;
}

static inline struct order test_order(const char *id, uint16_t instrument, uint16_t position, int purpose, int64_t lots, int64_t limit) {
    struct order o = {.instrument = instrument, .position = position, .purpose = (uint8_t)purpose, .lots = lots,
                      .limit_ticks = limit, .state = ORDER_SENT};
    snprintf(o.client_id, sizeof(o.client_id), "%s", id);
    return o;
}

/* Everything told, kept up to a limit, counted and hashed. */
#define TOLD_MAX 65536
struct told {
    uint32_t count, kinds[VENUE_LINK_DOWN + 1], bars, quotes, trades, turns;
    struct venue_report reports[TOLD_MAX];
    struct venue_market last_bar, last_quote;
    struct hash hash;
};

static inline void told_report(void *context, const struct venue_report *r) {
    struct told *t = context;
    const int64_t numbers[] = {r->kind, r->purpose, r->order_state, r->maker, r->instrument, r->position,
                               r->time_ns, r->lots, r->price_ticks, r->fee_e8};
    hash_add(&t->hash, numbers, sizeof(numbers));
    hash_add(&t->hash, r->client_id, strlen(r->client_id));
    hash_add(&t->hash, r->venue_fill_id, strlen(r->venue_fill_id));
    t->kinds[r->kind]++;
    if (t->count < TOLD_MAX) {
        t->reports[t->count++] = *r;
    }
}

static inline void told_market(void *context, const struct venue_market *e) {
    struct told *t = context;
    const int64_t numbers[] = {e->kind, e->after_gap, e->instrument, e->time_ns, e->bar.start_ns, e->bar.open, e->bar.high,
                               e->bar.low, e->bar.close, e->bar.volume_e8, e->quote.bid_ticks, e->quote.ask_ticks,
                               e->quote.last_ticks, e->quote.bid_size_e8, e->quote.ask_size_e8, e->trade_ticks, e->trade_size_e8};
    hash_add(&t->hash, numbers, sizeof(numbers));
    if (e->kind == VENUE_BAR) {
        t->bars++;
        t->last_bar = *e;
    } else if (e->kind == VENUE_QUOTE) {
        t->quotes++;
        t->last_quote = *e;
    }
    t->trades += e->kind == VENUE_TRADE;
    t->turns += e->kind == VENUE_TURN_END;
}

static inline struct told *told_make(void) {
    struct told *t = calloc(1, sizeof(*t));
    if (t == NULL || hash_init(&t->hash) != 0) {
        abort();
    }
    return t;
}

static inline void told_free(struct told *t) {
    hash_fini(&t->hash);
    free(t);
}

static inline void told_clear(struct told *t) {
    t->count = 0;
    memset(t->kinds, 0, sizeof(t->kinds));
}

/* The last report of a kind, or NULL. */
static inline const struct venue_report *told_last(const struct told *t, int kind) {
    for (uint32_t i = t->count; i-- > 0;) {
        if (t->reports[i].kind == kind) {
            return &t->reports[i];
        }
    }
    return NULL;
}

/* A path beside this test program: "plugins/sim.so", "bin/bulkhead-exchange". */
static inline const char *build_path(const char *name, char out[1024]) {
    char self[512];
    ssize_t got = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (got < 0) {
        abort();
    }
    self[got] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(self, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    snprintf(out, 1024, "%s/%s", self, name);
    return out;
}

static inline const char *data_path(const char *name, char out[1024]) {
    const char *data = getenv("BULKHEAD_DATA");
    snprintf(out, 1024, "%s/%s", data != NULL ? data : "../shared/data", name);
    return out;
}

#endif
