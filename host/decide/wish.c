/*
 * wish.c - what a wish means.
 *
 *   1. Same id, same content: no effect.                     2. Same id, changed content: an amendment; stops only tighten.
 *   3. A greater id: a new decision. A smaller one: refused. 4. A spent id never trades again.
 *   5. A fraction of equity becomes lots once, when the id is new.
 *   6. Numbers: within 1e-6 of a whole tick or lot = that one (where doubles lie further apart: within their spacing, so
 *      that the double of a decimal is always its own tick); else a buy's worst price goes down, a sell's up, stop and
 *      target go toward the entry, quantities toward zero.
 *   7. The side of an id never changes, not even over size 0: another side is a new decision.
 *
 * Guarantees: after this file there is no double left. It does not look at limits: that is the gate's.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/wide.h"
#include "decide/decide.h"

#define WHOLE 1e-6
#define SPACING 0x1p-51  /* of the value, its scaling and its division: at most three halves of 2^-52 of the result */
#define TICKS_MAX 9.0e15 /* whole numbers up to here are exact in a double */
#define TTL_MAX_NS (NS_PER_S * 86400 * 365 * 100) /* a longer lifetime is this one: now + lifetime always fits */

enum rounding { ROUND_DOWN, ROUND_UP, ROUND_ZERO };

/* ---- form ------------------------------------------------------------------------------------------------------------------ */

static bool tag_valid(const char tag[AGENT_TAG_MAX]) {
    uint32_t i = 0;
    for (; i < AGENT_TAG_MAX && tag[i] != '\0'; i++) {
        char c = tag[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return i > 0 && i < AGENT_TAG_MAX;
}

static bool text_valid(const char *text, uint32_t size) {
    uint32_t i = 0;
    for (; i < size && text[i] != '\0'; i++) {
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e) {
            return false;
        }
    }
    return i > 0 && i < size;
}

static bool positive_or_zero(double x) { return isfinite(x) && x >= 0; }

int wish_form(const struct agent_wish *raw, uint32_t instrument_count) {
    if (raw->instrument >= instrument_count) {
        return REASON_WISH_INSTRUMENT;
    }
    if (!tag_valid(raw->tag)) {
        return REASON_WISH_TAG;
    }
    if (raw->unit != AGENT_UNIT_QUANTITY && raw->unit != AGENT_UNIT_EQUITY_FRACTION) {
        return REASON_WISH_UNIT;
    }
    if (!isfinite(raw->size) || !positive_or_zero(raw->worst_price) || !positive_or_zero(raw->stop) || !positive_or_zero(raw->target) ||
        raw->ttl_ns < 0 || !positive_or_zero(raw->confidence) || raw->confidence > 1 || !isfinite(raw->expected_r) ||
        !positive_or_zero(raw->probability_lb) || raw->probability_lb > 1) {
        return REASON_WISH_NUMBER;
    }
    if (!text_valid(raw->reason, AGENT_REASON_MAX)) {
        return REASON_WISH_REASON;
    }
    return raw->wish_id == 0 ? REASON_WISH_ID : REASON_NONE;
}

/* ---- numbers --------------------------------------------------------------------------------------------------------------- */

/* A value in units of step (step = step_e8 / 1e8) as a whole number, rule 6. */
static bool whole(double value, int64_t step_e8, enum rounding rounding, int64_t *out) {
    if (value == 0) { /* most wishes leave some of them out */
        *out = 0;
        return true;
    }
    double units = value * (double)E8 / (double)step_e8;
    if (!(fabs(units) < TICKS_MAX)) {
        return false;
    }
    double nearest = nearbyint(units), near = fabs(units) * SPACING;
    if (fabs(units - nearest) > (near > WHOLE ? near : WHOLE)) {
        nearest = rounding == ROUND_DOWN ? floor(units) : rounding == ROUND_UP ? ceil(units) : trunc(units);
    }
    *out = (int64_t)nearest;
    return true;
}

/* A fraction of equity in lots at the last price, toward zero. */
static bool fraction_lots(double fraction, const struct wish_context *c, int64_t *lots) {
    if (c->price_ticks <= 0 || fabs(fraction) > 1000) {
        return false;
    }
    int64_t ppb = (int64_t)nearbyint(fraction * 1e9);
    int128 equity = c->equity_e8 > 0 ? c->equity_e8 : 0;
    int128 money = equity * (ppb < 0 ? -ppb : ppb) / 1000000000;
    int128 one = (int128)c->price_ticks * c->instrument->value_num; /* of one lot, x value_den */
    int128 whole_lots = one > 0 ? money * c->instrument->value_den / one : 0;
    if (whole_lots > INT64_MAX / 4) {
        return false;
    }
    *lots = ppb < 0 ? -(int64_t)whole_lots : (int64_t)whole_lots;
    return true;
}

static int64_t ppm(double x) {
    if (x == 0) {
        return 0;
    }
    double scaled = x * 1e6;
    return fabs(scaled) < 1e15 ? (int64_t)nearbyint(scaled) : scaled > 0 ? INT64_C(1000000000000000) : -INT64_C(1000000000000000);
}

/* Fills prices and sizes of `to` from the raw wish. `lots_known`: keep target_lots (an amendment of a fraction). */
static int convert(struct wish *to, const struct agent_wish *raw, const struct wish_context *c, bool lots_known) {
    const struct instrument *i = c->instrument;
    if (!lots_known) {
        bool ok = raw->unit == AGENT_UNIT_QUANTITY ? whole(raw->size, i->lot_e8, ROUND_ZERO, &to->target_lots)
                                                   : fraction_lots(raw->size, c, &to->target_lots);
        if (!ok) {
            return REASON_WISH_NUMBER;
        }
    }
    if (raw->size != 0 && to->target_lots == 0) {
        return REASON_WISH_SIZE_ZERO;
    }
    bool is_long = raw->size >= 0; /* of what shall be held; the worst price is that of the order that leads there */
    bool buys = to->target_lots != c->held_lots ? to->target_lots > c->held_lots : is_long;
    if (!whole(raw->worst_price, i->tick_e8, buys ? ROUND_DOWN : ROUND_UP, &to->worst_ticks) ||
        !whole(raw->stop, i->tick_e8, is_long ? ROUND_UP : ROUND_DOWN, &to->stop_ticks) ||
        !whole(raw->target, i->tick_e8, is_long ? ROUND_DOWN : ROUND_UP, &to->target_ticks)) {
        return REASON_WISH_NUMBER;
    }
    to->ttl_ns = raw->ttl_ns != 0 ? raw->ttl_ns : c->ttl_default_ns;
    to->ttl_ns = to->ttl_ns < TTL_MAX_NS ? to->ttl_ns : TTL_MAX_NS;
    to->confidence_ppm = ppm(raw->confidence);
    to->expected_r_ppm = ppm(raw->expected_r);
    to->probability_lb_ppm = ppm(raw->probability_lb);
    to->trigger_id = raw->trigger_id;
    return REASON_NONE;
}

/* ---- rules 1 to 5, 7 --------------------------------------------------------------------------------------------------------- */

static enum wish_outcome refusal(struct wish *w, const struct agent_wish *raw, int why, int *reason) {
    w->refused = *raw;
    w->reason = why;
    *reason = why;
    return WISH_REFUSAL;
}

/* Rule 5. An amendment that leaves the size alone leaves the lots alone. After a restart the size is not known; then a
 * fraction is taken for the same fraction, and a size that the gate shrank for the same size. */
static bool lots_stay(const struct wish *w, const struct agent_wish *raw) {
    bool known = w->raw.wish_id == w->id;
    return known ? raw->size == w->raw.size && raw->unit == w->raw.unit
                 : raw->size != 0 && (raw->unit == AGENT_UNIT_EQUITY_FRACTION || w->shrunk);
}

static bool side_changes(int64_t from_lots, double size) { return size != 0 && (from_lots == 0 || (size > 0) != (from_lots > 0)); }

/* Rules 2 and 7. */
static enum wish_outcome amend(struct wish *w, const struct agent_wish *raw, const struct wish_context *c, int *reason) {
    if (w->state == AGENT_WISH_SPENT) {
        return refusal(w, raw, REASON_WISH_SPENT, reason);
    }
    if (w->modifications >= c->modifications_max) {
        return refusal(w, raw, REASON_WISH_MODIFICATIONS, reason);
    }
    struct wish next = *w;
    int why = side_changes(w->target_lots, raw->size) ? REASON_WISH_NUMBER : convert(&next, raw, c, lots_stay(w, raw));
    if (why == REASON_NONE && next.target_lots != 0 &&
        (next.stop_ticks == 0 || (w->target_lots > 0 ? next.stop_ticks < w->stop_ticks : next.stop_ticks > w->stop_ticks))) {
        why = REASON_WISH_STOP_LOOSENED;
    }
    if (why != REASON_NONE) {
        return refusal(w, raw, why, reason);
    }
    next.modifications++;
    next.shrunk = w->shrunk && next.target_lots == w->target_lots;
    next.raw = *raw;
    *w = next;
    return WISH_AMENDMENT;
}

/* After a restart `raw` is not known: what converts to the same ticks and lots is the same wish. */
static bool refold_matches(struct wish *w, const struct agent_wish *raw, const struct wish_context *c) {
    struct wish again = *w;
    bool same = !side_changes(w->target_lots, raw->size) && convert(&again, raw, c, lots_stay(w, raw)) == REASON_NONE &&
                again.target_lots == w->target_lots && again.stop_ticks == w->stop_ticks && again.target_ticks == w->target_ticks;
    int64_t worst = again.worst_ticks - w->worst_ticks; /* what is held by now may round it the other way */
    same = same && worst >= -1 && worst <= 1;
    w->refolded = false;
    if (same || w->state == AGENT_WISH_SPENT) {
        w->raw = *raw;
    }
    return same || w->state == AGENT_WISH_SPENT;
}

enum wish_outcome wish_update(struct wish *w, const struct agent_wish *raw, const struct wish_context *c, int *reason) {
    *reason = REASON_NONE;
    if (w->id != 0 && (memcmp(raw, &w->raw, sizeof(*raw)) == 0 || memcmp(raw, &w->refused, sizeof(*raw)) == 0)) {
        return WISH_UNCHANGED;
    }
    if (w->refolded && raw->wish_id == w->id && refold_matches(w, raw, c)) {
        return WISH_UNCHANGED;
    }
    if (raw->wish_id < w->id) {
        return refusal(w, raw, REASON_WISH_ID, reason);
    }
    if (raw->wish_id == w->id) {
        return amend(w, raw, c, reason);
    }
    struct wish next; /* its head only: the texts are copied when it counts */
    memset(&next, 0, offsetof(struct wish, raw));
    next.id = raw->wish_id;
    next.state = AGENT_WISH_LIVE;
    next.decided_ns = c->now_ns;
    int why = convert(&next, raw, c, false);
    if (why != REASON_NONE) {
        /* the id is used up; what the older wish holds stays as it is and stays protected */
        w->id = raw->wish_id;
        w->raw = *raw;
        wish_spend(w, AGENT_END_REFUSED, why);
        return refusal(w, raw, why, reason);
    }
    memcpy(w, &next, offsetof(struct wish, raw));
    w->raw = *raw;
    memset(&w->refused, 0, sizeof(w->refused));
    return WISH_DECISION;
}

void wish_spend(struct wish *w, enum agent_end end, int reason) {
    if (w->state != AGENT_WISH_SPENT) {
        w->state = AGENT_WISH_SPENT;
        w->end = (uint8_t)end;
        w->reason = reason;
    }
}
