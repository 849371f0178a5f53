/*
 * wish.c - any bytes as a row of wishes about one (instrument, tag): nothing a strategy says may break the host's own rules.
 *
 * After every wish: no undefined conversion happened (the sanitizers watch), ids never go back, a spent id stays spent, an
 * amendment never loosens a stop or changes side, and what was accepted is in range.
 */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "decide/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check(const struct wish *before, const struct wish *now, enum wish_outcome outcome, int reason) {
    require(now->id >= before->id);
    require((outcome == WISH_REFUSAL || outcome == WISH_MALFORMED) == (reason != REASON_NONE));
    if (now->id == before->id && before->state == AGENT_WISH_SPENT) {
        require(now->state == AGENT_WISH_SPENT);
    }
    if (outcome == WISH_AMENDMENT) {
        require(now->id == before->id && (now->target_lots == 0 || (now->target_lots > 0) == (before->target_lots > 0)));
        require(now->target_lots <= 0 || now->stop_ticks >= before->stop_ticks);
        require(now->target_lots >= 0 || now->stop_ticks <= before->stop_ticks);
    }
    if (outcome == WISH_DECISION || outcome == WISH_AMENDMENT) {
        require(now->state == AGENT_WISH_LIVE && now->ttl_ns >= 0);
        require(now->stop_ticks >= 0 && now->target_ticks >= 0 && now->worst_ticks >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error error = {0};
    struct instrument instrument = {.name = "T", .currency = "USD", .tick_e8 = 25000000, .lot_e8 = 1000, .multiplier_e8 = 5 * E8,
                                    .quantity_min_lots = 1};
    struct wish wish = {0};
    require(instrument_init(&instrument, &error) == 0);
    struct wish_context context = {.instrument = &instrument, .price_ticks = 20000, .equity_e8 = 100000 * E8, .now_ns = NS_PER_S,
                                   .ttl_default_ns = 60 * NS_PER_S, .modifications_max = 5};
    for (; size >= sizeof(struct agent_wish) + 1; data += sizeof(struct agent_wish) + 1, size -= sizeof(struct agent_wish) + 1) {
        struct agent_wish raw;
        memcpy(&raw, data + 1, sizeof raw);
        if (data[0] & 1) { /* most bytes make no form: mend what would stop them at the door */
            raw.instrument = 0;
            raw.unit &= 1;
            memcpy(raw.tag, "main\0\0\0\0\0\0\0\0\0\0\0", sizeof raw.tag);
            memset(raw.reason, 0, sizeof raw.reason);
            raw.reason[0] = 'x';
            raw.wish_id = 1 + raw.wish_id % 8;
        }
        if (wish_form(&raw, 1) != REASON_NONE) {
            continue;
        }
        struct wish before = wish;
        int reason = REASON_NONE;
        enum wish_outcome outcome = wish_update(&wish, &raw, &context, &reason);
        check(&before, &wish, outcome, reason);
        if (data[0] & 2) {
            wish_spend(&wish, AGENT_END_STOP, REASON_STOP_HIT);
        }
    }
    return 0;
}
