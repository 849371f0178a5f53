/*
 * gate.c - one signal through every rule of the gate, for an account with open positions and orders.
 *
 * Prints gate_p50_ns gate_p99_ns, of the mean of 32 calls each (a clock reading costs as much as a rule). The limits are the
 * schema's defaults; the entry passes all of them, so no rule is spared.
 */
#include <string.h>

#include "bench.h"
#include "enforce/enforce.h"
#include "data/data.h"
#include "ledger/portfolio.h"

#define SAMPLES 20000u
#define CALLS 32u
#define INSTRUMENTS 8u
#define HELD 4u

static struct book book;
static struct instrument instruments[INSTRUMENTS];
static struct order orders[HELD];
static struct risk_policy risk;
static const char tag[TAG_MAX_BYTES] = "main";

static void world_make(void) {
    struct error error = {0};
    static const char text[] = "position:\n  count_max: 64\n";
    if (config_read_text("defaults", text, sizeof text - 1, risk_keys, risk_key_count, &risk, NULL, NULL, &error) != 0) {
        fprintf(stderr, "gate: %s\n", error.text);
        exit(1);
    }
    portfolio_init(&book, 1000000 * E8);
    (void)portfolio_agent_add(&book, "one", true, 1000000 * E8);
    for (uint16_t i = 0; i < INSTRUMENTS; i++) {
        instruments[i] = (struct instrument){.name = "TEST", .currency = "USD", .tick_e8 = 1000000, .lot_e8 = 1000000, .multiplier_e8 = E8,
                                             .quantity_min_lots = 1, .fee_taker_e8 = 100000, .market_entry = true};
        if (instrument_init(&instruments[i], &error) != 0) {
            fprintf(stderr, "gate: %s\n", error.text);
            exit(1);
        }
        int position = portfolio_position(&book, 0, i, tag);
        if (i < HELD) {
            struct trade trade;
            struct fill fill = {.fill_id = i + 1u, .instrument = i, .position = (uint16_t)position, .lots = 100, .price_ticks = 10000};
            (void)portfolio_apply(&book, instruments, &fill, &trade);
            orders[i] = (struct order){.order_id = i + 1u, .instrument = (uint16_t)(i + 2), .position = (uint16_t)(i + 2), .lots = 50,
                                       .state = i == 0 ? ORDER_UNKNOWN : ORDER_ACKED, .limit_ticks = 9900, .stop_ticks = 9000};
        }
    }
    portfolio_settle(&book);
}

int main(void) {
    static int64_t samples[SAMPLES];
    world_make();
    struct gate_facts facts = {.risk = &risk, .book = &book, .instruments = instruments, .orders = orders, .order_count = HELD,
                               .now_ns = 1000 * NS_PER_S, .data_ns = 1000 * NS_PER_S, .data_age_max_ns = 120 * NS_PER_S,
                               .price_ticks = 10000};
    struct proposal proposal = {.wish_id = 1, .instrument = INSTRUMENTS - 1, .position = INSTRUMENTS - 1, .purpose = PURPOSE_ENTRY,
                                .lots = 100, .stop_ticks = 9500, .target_ticks = 11000};
    struct verdict verdict;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        int64_t start = bench_now_ns();
        for (uint32_t k = 0; k < CALLS; k++) {
            proposal.wish_id++;
            gate_apply(&facts, &proposal, &verdict);
            if (verdict.reason != REASON_NONE) {
                fprintf(stderr, "gate: refused by %s: %lld, limit %lld\n", reason_name(verdict.reason), (long long)verdict.value,
                        (long long)verdict.limit);
                return 1;
            }
        }
        samples[i] = (bench_now_ns() - start) / CALLS;
    }
    bench_figure("gate_p50_ns", (double)bench_percentile(samples, SAMPLES, 50));
    bench_figure("gate_p99_ns", (double)bench_percentile(samples, SAMPLES, 99));
    return 0;
}
