/*
 * Tests of host/decide/wish.c: a table of whole conversations for the rules of its head, a table of malformed forms, the
 * edges of rounding, and the property that the double of every whole tick comes back as that tick. The expected numbers are
 * worked out by hand or, for the property, by instrument_price(), which is exact by construction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "decide/decide.h"

#define HUGE_TTL (NS_PER_S * 86400 * 365 * 100)

/* Tick 0.25, lot 0.001, multiplier 5: one tick of one lot is 0.00125. */
static struct instrument made_instrument(int64_t tick_e8, int64_t lot_e8) {
    struct error error = {0};
    struct instrument i = {.name = "T", .currency = "USD", .tick_e8 = tick_e8, .lot_e8 = lot_e8, .multiplier_e8 = 5 * E8,
                           .quantity_min_lots = 1};
    assert_int_equal(instrument_init(&i, &error), 0);
    return i;
}

static struct wish_context made_context(const struct instrument *i) {
    return (struct wish_context){.instrument = i, .price_ticks = 400, .equity_e8 = 100000 * E8, .now_ns = 77 * NS_PER_S,
                                 .ttl_default_ns = 60 * NS_PER_S, .modifications_max = 3};
}

static struct agent_wish made_wish(uint64_t id, double size, double stop) {
    struct agent_wish w = {.wish_id = id, .size = size, .stop = stop, .tag = "main", .reason = "because"};
    return w;
}

/* ---- malformed forms ------------------------------------------------------------------------------------------------------- */

/* Which field is spoiled, with what, and the reason. */
enum field { INSTRUMENT, UNIT, SIZE, WORST, STOP, TARGET, TTL, CONFIDENCE, EXPECTED, PROBABILITY, ID };

static const struct {
    enum field field;
    double value;
    int reason;
} forms[] = {
    {INSTRUMENT, 1, REASON_NONE},          {INSTRUMENT, 2, REASON_WISH_INSTRUMENT}, {INSTRUMENT, 4294967295.0, REASON_WISH_INSTRUMENT},
    {UNIT, 1, REASON_NONE},                {UNIT, 2, REASON_WISH_UNIT},             {UNIT, 4294967295.0, REASON_WISH_UNIT},
    {SIZE, NAN, REASON_WISH_NUMBER},       {SIZE, INFINITY, REASON_WISH_NUMBER},    {SIZE, -INFINITY, REASON_WISH_NUMBER},
    {SIZE, -1, REASON_NONE},               {SIZE, 1e300, REASON_NONE},              {WORST, NAN, REASON_WISH_NUMBER},
    {WORST, INFINITY, REASON_WISH_NUMBER}, {WORST, -0.01, REASON_WISH_NUMBER},      {WORST, -0.0, REASON_NONE},
    {STOP, NAN, REASON_WISH_NUMBER},       {STOP, -1, REASON_WISH_NUMBER},          {STOP, INFINITY, REASON_WISH_NUMBER},
    {TARGET, NAN, REASON_WISH_NUMBER},     {TARGET, -1e-300, REASON_WISH_NUMBER},   {TARGET, INFINITY, REASON_WISH_NUMBER},
    {TTL, -1, REASON_WISH_NUMBER},         {TTL, 9e18, REASON_NONE},                {CONFIDENCE, 1, REASON_NONE},
    {CONFIDENCE, 1.0000001, REASON_WISH_NUMBER}, {CONFIDENCE, -0.1, REASON_WISH_NUMBER}, {CONFIDENCE, NAN, REASON_WISH_NUMBER},
    {EXPECTED, -3, REASON_NONE},           {EXPECTED, NAN, REASON_WISH_NUMBER},     {EXPECTED, -INFINITY, REASON_WISH_NUMBER},
    {PROBABILITY, 1, REASON_NONE},         {PROBABILITY, 2, REASON_WISH_NUMBER},    {PROBABILITY, NAN, REASON_WISH_NUMBER},
    {ID, 0, REASON_WISH_ID},               {ID, 1, REASON_NONE},
};

static void spoil(struct agent_wish *w, enum field field, double value) {
    switch (field) {
    case INSTRUMENT: w->instrument = (uint32_t)value; break;
    case UNIT: w->unit = (uint32_t)value; break;
    case SIZE: w->size = value; break;
    case WORST: w->worst_price = value; break;
    case STOP: w->stop = value; break;
    case TARGET: w->target = value; break;
    case TTL: w->ttl_ns = (int64_t)value; break;
    case CONFIDENCE: w->confidence = value; break;
    case EXPECTED: w->expected_r = value; break;
    case PROBABILITY: w->probability_lb = value; break;
    case ID: w->wish_id = (uint64_t)value; break;
    }
}

static void test_malformed_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct agent_wish w = made_wish(1, 1, 90);
        spoil(&w, forms[i].field, forms[i].value);
        if (wish_form(&w, 2) != forms[i].reason) {
            fail_msg("form %zu (field %d, value %g): %s, wanted %s", i, (int)forms[i].field, forms[i].value,
                     reason_name(wish_form(&w, 2)), reason_name(forms[i].reason));
        }
    }
}

static void test_malformed_texts(void **state) {
    (void)state;
    static const struct {
        const char *tag;
        int reason;
    } tags[] = {{"a", REASON_NONE}, {"abc_09", REASON_NONE}, {"abcdefghijklmno", REASON_NONE}, {"", REASON_WISH_TAG}, {"A", REASON_WISH_TAG},
                {"a b", REASON_WISH_TAG}, {"a-b", REASON_WISH_TAG}, {"\xff", REASON_WISH_TAG}, {"a\n", REASON_WISH_TAG}, {"../x", REASON_WISH_TAG}};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        struct agent_wish w = made_wish(1, 1, 90);
        memset(w.tag, 0, sizeof(w.tag));
        memcpy(w.tag, tags[i].tag, strlen(tags[i].tag));
        assert_int_equal(wish_form(&w, 1), tags[i].reason);
    }
    struct agent_wish w = made_wish(1, 1, 90);
    memset(w.tag, 'a', sizeof(w.tag)); /* no end */
    assert_int_equal(wish_form(&w, 1), REASON_WISH_TAG);
    w = made_wish(1, 1, 90);
    memset(w.reason, 'a', sizeof(w.reason));
    assert_int_equal(wish_form(&w, 1), REASON_WISH_REASON);
    w.reason[AGENT_REASON_MAX - 1] = '\0';
    assert_int_equal(wish_form(&w, 1), REASON_NONE);
    for (int c = 1; c < 256; c++) { /* every byte but 0 */
        w = made_wish(1, 1, 90);
        w.reason[3] = (char)c;
        assert_int_equal(wish_form(&w, 1), c >= 0x20 && c <= 0x7e ? REASON_NONE : REASON_WISH_REASON);
    }
    w.reason[0] = '\0';
    assert_int_equal(wish_form(&w, 1), REASON_WISH_REASON);
    assert_int_equal(wish_form(&w, 0), REASON_WISH_INSTRUMENT);
}

/* ---- conversations: rules 1 to 5 and 7 ---------------------------------------------------------------------------------------- */

enum { Q = AGENT_UNIT_QUANTITY, F = AGENT_UNIT_EQUITY_FRACTION };
enum deed { SAY, SPEND, RESTART, PRICE, HOLD }; /* PRICE, HOLD: `id` is the new price or position */

/* One step of a conversation and what has to come of it. Prices 100 = 400 ticks; size 1 = 1,000 lots. */
struct step {
    enum deed deed;
    int64_t id;
    uint32_t unit;
    double size, stop;
    enum wish_outcome outcome;
    int reason;
    int64_t lots, stop_ticks;
};

#define STEPS 9
#define ALLOWED(id, unit, size, stop, outcome, lots, ticks) {SAY, id, unit, size, stop, outcome, REASON_NONE, lots, ticks}
#define REFUSED(id, unit, size, stop, why, lots, ticks) {SAY, id, unit, size, stop, WISH_REFUSAL, REASON_##why, lots, ticks}
#define DO(deed, number) {deed, number, 0, 0, 0, WISH_UNCHANGED, REASON_NONE, 0, 0}

static const struct {
    const char *name;
    struct step steps[STEPS];
} conversations[] = {
    {"1: same id, same content: no effect", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(1, Q, 1, 90, WISH_UNCHANGED, 1000, 360)}},
    {"1: also when it is spent", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(SPEND, 0), ALLOWED(1, Q, 1, 90, WISH_UNCHANGED, 1000, 360)}},
    {"1: a refused one again, and the accepted one after it", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360),
        REFUSED(1, Q, 1, 80, WISH_STOP_LOOSENED, 1000, 360), ALLOWED(1, Q, 1, 80, WISH_UNCHANGED, 1000, 360),
        ALLOWED(1, Q, 1, 90, WISH_UNCHANGED, 1000, 360), ALLOWED(1, Q, 1, 80, WISH_UNCHANGED, 1000, 360)}},
    {"2: an amendment tightens a long's stop", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(1, Q, 1, 90.25, WISH_AMENDMENT, 1000, 361),
        REFUSED(1, Q, 1, 90, WISH_STOP_LOOSENED, 1000, 361)}},
    {"2: an amendment tightens a short's stop", {ALLOWED(1, Q, -1, 110, WISH_DECISION, -1000, 440), ALLOWED(1, Q, -1, 109.75, WISH_AMENDMENT, -1000, 439),
        REFUSED(1, Q, -1, 110, WISH_STOP_LOOSENED, -1000, 439)}},
    {"2: no stop is the loosest stop", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), REFUSED(1, Q, 1, 0, WISH_STOP_LOOSENED, 1000, 360),
        ALLOWED(2, Q, -1, 110, WISH_DECISION, -1000, 440), REFUSED(2, Q, -1, 0, WISH_STOP_LOOSENED, -1000, 440)}},
    {"2: the size changes both ways under one id", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(1, Q, 2, 90, WISH_AMENDMENT, 2000, 360),
        ALLOWED(1, Q, 0.5, 90, WISH_AMENDMENT, 500, 360)}},
    {"2: a size refused with its stop is still a new size when the stop is right", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360),
        REFUSED(1, Q, 2, 80, WISH_STOP_LOOSENED, 1000, 360), ALLOWED(1, Q, 2, 91, WISH_AMENDMENT, 2000, 364)}},
    {"2: a size refused with its id is still a new size", {ALLOWED(5, Q, 1, 90, WISH_DECISION, 1000, 360),
        REFUSED(3, Q, 2, 90, WISH_ID, 1000, 360), ALLOWED(5, Q, 2, 90, WISH_AMENDMENT, 2000, 360)}},
    {"2: the cap of modifications", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(1, Q, 1, 91, WISH_AMENDMENT, 1000, 364),
        ALLOWED(1, Q, 1, 92, WISH_AMENDMENT, 1000, 368), ALLOWED(1, Q, 1, 93, WISH_AMENDMENT, 1000, 372),
        REFUSED(1, Q, 1, 94, WISH_MODIFICATIONS, 1000, 372), ALLOWED(2, Q, 1, 94, WISH_DECISION, 1000, 376),
        ALLOWED(2, Q, 1, 95, WISH_AMENDMENT, 1000, 380)}},
    {"3: a greater id is a new decision and may loosen", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(7, Q, 1, 80, WISH_DECISION, 1000, 320)}},
    {"3: a smaller id is refused", {ALLOWED(7, Q, 1, 90, WISH_DECISION, 1000, 360), REFUSED(6, Q, 0, 0, WISH_ID, 1000, 360)}},
    {"3: after a greater id that made no sense, the older one is refused", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360),
        REFUSED(2, Q, 1e300, 90, WISH_NUMBER, 1000, 360), REFUSED(1, Q, 1, 90, WISH_ID, 1000, 360), ALLOWED(2, Q, 1e300, 90, WISH_UNCHANGED, 1000, 360),
        REFUSED(2, Q, 1, 90, WISH_SPENT, 1000, 360), ALLOWED(3, Q, 1, 90, WISH_DECISION, 1000, 360)}},
    {"4: a spent id never trades again", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(SPEND, 0), REFUSED(1, Q, 2, 90, WISH_SPENT, 1000, 360),
        REFUSED(1, Q, 0, 0, WISH_SPENT, 1000, 360), ALLOWED(2, Q, 2, 90, WISH_DECISION, 2000, 360)}},
    {"5: a fraction becomes lots once", {ALLOWED(1, F, 0.01, 90, WISH_DECISION, 2000, 360), DO(PRICE, 200),
        ALLOWED(1, F, 0.01, 91, WISH_AMENDMENT, 2000, 364), ALLOWED(2, F, 0.01, 91, WISH_DECISION, 4000, 364)}},
    {"5: a short fraction, toward zero", {DO(PRICE, 333), ALLOWED(1, F, -0.01, 110, WISH_DECISION, -2402, 440)}},
    {"5: a fraction without a price is refused and uses up the id", {DO(PRICE, 0), REFUSED(1, F, 0.01, 90, WISH_NUMBER, 0, 0), DO(PRICE, 400),
        ALLOWED(1, F, 0.01, 90, WISH_UNCHANGED, 0, 0), ALLOWED(2, F, 0.01, 90, WISH_DECISION, 2000, 360)}},
    {"5: a fraction amended to another fraction", {ALLOWED(1, F, 0.01, 90, WISH_DECISION, 2000, 360), ALLOWED(1, F, 0.02, 90, WISH_AMENDMENT, 4000, 360)}},
    {"a size below one lot is refused", {REFUSED(1, Q, 0.0009, 90, WISH_SIZE_ZERO, 0, 0), REFUSED(2, F, 1e-9, 90, WISH_SIZE_ZERO, 0, 0),
        REFUSED(3, F, 1001, 90, WISH_NUMBER, 0, 0)}},
    {"size 0 closes, as a decision and as an amendment", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(1, Q, 0, 0, WISH_AMENDMENT, 0, 0),
        ALLOWED(2, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(3, F, 0, 0, WISH_DECISION, 0, 0)}},
    {"7: the side of an id never changes", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), REFUSED(1, Q, -1, 110, WISH_NUMBER, 1000, 360)}},
    {"7: not even over size 0", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), ALLOWED(1, Q, 0, 120, WISH_AMENDMENT, 0, 480),
        REFUSED(1, Q, -1, 110, WISH_NUMBER, 0, 480), REFUSED(1, Q, 1, 130, WISH_NUMBER, 0, 480)}},
    {"restart: the same wish again has no effect", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(RESTART, 0), ALLOWED(1, Q, 1, 90, WISH_UNCHANGED, 1000, 360),
        ALLOWED(1, Q, 1, 91, WISH_AMENDMENT, 1000, 364)}},
    {"restart: what is held by then does not matter", {ALLOWED(1, Q, 1, 90.1, WISH_DECISION, 1000, 361), DO(HOLD, 1000), DO(RESTART, 0),
        ALLOWED(1, Q, 1, 90.1, WISH_UNCHANGED, 1000, 361)}},
    {"restart: an amendment is one", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(RESTART, 0), ALLOWED(1, Q, 2, 90, WISH_AMENDMENT, 2000, 360)}},
    {"restart: an amendment to 0 closes", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(RESTART, 0), ALLOWED(1, Q, 0, 0, WISH_AMENDMENT, 0, 0)}},
    {"restart: 0 with the same stop closes too", {ALLOWED(1, F, 0.01, 90, WISH_DECISION, 2000, 360), DO(RESTART, 0), ALLOWED(1, F, 0, 90, WISH_AMENDMENT, 0, 360)}},
    {"restart: a fraction keeps its lots", {ALLOWED(1, F, 0.01, 90, WISH_DECISION, 2000, 360), DO(PRICE, 200), DO(RESTART, 0),
        ALLOWED(1, F, 0.01, 90, WISH_UNCHANGED, 2000, 360), ALLOWED(1, F, 0.01, 91, WISH_AMENDMENT, 2000, 364)}},
    {"restart: a fraction amended at once keeps its lots", {ALLOWED(1, F, 0.01, 90, WISH_DECISION, 2000, 360), DO(PRICE, 200), DO(RESTART, 0),
        ALLOWED(1, F, 0.01, 91, WISH_AMENDMENT, 2000, 364)}},
    {"restart: a fraction of the other side is refused", {ALLOWED(1, F, 0.01, 90, WISH_DECISION, 2000, 360), DO(RESTART, 0),
        REFUSED(1, F, -0.01, 90, WISH_NUMBER, 2000, 360)}},
    {"restart: a loosened stop is refused", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(RESTART, 0), REFUSED(1, Q, 1, 89, WISH_STOP_LOOSENED, 1000, 360)}},
    {"restart: a smaller id is refused", {ALLOWED(4, Q, 1, 90, WISH_DECISION, 1000, 360), DO(RESTART, 0), REFUSED(3, Q, 1, 90, WISH_ID, 1000, 360)}},
    {"restart: spent stays spent", {ALLOWED(1, Q, 1, 90, WISH_DECISION, 1000, 360), DO(SPEND, 0), DO(RESTART, 0), ALLOWED(1, Q, 1, 90, WISH_UNCHANGED, 1000, 360),
        REFUSED(1, Q, 2, 90, WISH_SPENT, 1000, 360)}},
};

/* What the journal keeps of a wish is what flow_fold.c restores. */
static void restart(struct wish *w) {
    memset(&w->raw, 0, sizeof(w->raw));
    memset(&w->refused, 0, sizeof(w->refused));
    w->refolded = true;
}

static void conversation_run(const char *name, const struct step *steps) {
    struct instrument i = made_instrument(25000000, 100000);
    struct wish_context c = made_context(&i);
    struct wish w = {0};
    for (int k = 0; k < STEPS && (steps[k].deed != SAY || steps[k].id != 0); k++) {
        const struct step *s = &steps[k];
        switch (s->deed) {
        case SPEND: wish_spend(&w, AGENT_END_STOP, REASON_STOP_HIT); continue;
        case RESTART: restart(&w); continue;
        case PRICE: c.price_ticks = s->id; continue;
        case HOLD: c.held_lots = s->id; continue;
        case SAY: break;
        }
        struct agent_wish raw = made_wish((uint64_t)s->id, s->size, s->stop);
        raw.unit = s->unit;
        int reason = -1;
        enum wish_outcome outcome = wish_update(&w, &raw, &c, &reason);
        if (outcome != s->outcome || reason != s->reason || w.target_lots != s->lots || w.stop_ticks != s->stop_ticks) {
            fail_msg("%s, step %d: outcome %d %s, %lld lots, stop %lld; wanted %d %s, %lld, %lld", name, k + 1, (int)outcome, reason_name(reason),
                     (long long)w.target_lots, (long long)w.stop_ticks, (int)s->outcome, reason_name(s->reason), (long long)s->lots, (long long)s->stop_ticks);
        }
    }
}

static void test_rules_1_to_7_as_conversations(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++) {
        conversation_run(conversations[i].name, conversations[i].steps);
    }
}

static void test_rule_2_a_refusal_changes_nothing_else(void **state) {
    (void)state;
    struct instrument i = made_instrument(25000000, 100000);
    struct wish_context c = made_context(&i);
    struct wish w = {0};
    int reason;
    struct agent_wish raw = made_wish(3, 1, 90);
    raw.ttl_ns = 5;
    assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_DECISION);
    assert_int_equal(w.decided_ns, 77 * NS_PER_S);
    struct wish before = w;
    raw.size = 2;
    raw.stop = 80;
    raw.ttl_ns = 99;
    c.now_ns += 1;
    assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_REFUSAL);
    before.refused = w.refused;
    before.reason = REASON_WISH_STOP_LOOSENED;
    assert_memory_equal(&w, &before, sizeof(w));
    raw.stop = 95;
    assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_AMENDMENT);
    assert_int_equal(w.decided_ns, 77 * NS_PER_S); /* a lifetime is not prolonged by an amendment's moment */
    assert_int_equal(w.modifications, 1);
    assert_int_equal(w.ttl_ns, 99);
}

static void test_spending_is_once_and_for_all(void **state) {
    (void)state;
    struct wish w = {.id = 1, .state = AGENT_WISH_LIVE};
    wish_spend(&w, AGENT_END_TARGET, REASON_TARGET_HIT);
    wish_spend(&w, AGENT_END_STOP, REASON_STOP_HIT);
    assert_int_equal(w.state, AGENT_WISH_SPENT);
    assert_int_equal(w.end, AGENT_END_TARGET);
    assert_int_equal(w.reason, REASON_TARGET_HIT);
}

/* ---- rule 6 -------------------------------------------------------------------------------------------------------------------- */

/* Everything in units of a tick (0.25) or a lot (0.001); held: lots in the book. */
static const struct {
    double size, worst, stop, target;
    int64_t held, lots, worst_ticks, stop_ticks, target_ticks;
} roundings[] = {
    /* long: worst down, stop up, target down */
    {1000, 400, 360, 440, 0, 1000, 400, 360, 440},
    {1000, 400.5, 360.5, 440.5, 0, 1000, 400, 361, 440},
    {1000, 400.9999, 360.0001, 440.9999, 0, 1000, 400, 361, 440},
    {1000, 400.9999995, 360.0000005, 440.9999995, 0, 1000, 401, 360, 441},
    {1000, 400.0000005, 359.9999995, 440.0000005, 0, 1000, 400, 360, 440},
    {1000, 400.000002, 359.999998, 440.000002, 0, 1000, 400, 360, 440},
    {1000, 399.999998, 360.000002, 439.999998, 0, 1000, 399, 361, 439},
    /* short: worst up, stop down, target up */
    {-1000, 400.5, 440.5, 360.5, 0, -1000, 401, 440, 361},
    {-1000, 400.0001, 440.9999, 360.0001, 0, -1000, 401, 440, 361},
    {-1000, 399.9999995, 440.0000005, 359.9999995, 0, -1000, 400, 440, 360},
    {-1000, 400.000002, 439.999998, 360.000002, 0, -1000, 401, 439, 361},
    /* quantities toward zero */
    {1000.9999, 0, 360, 0, 0, 1000, 0, 360, 0},
    {1000.9999995, 0, 360, 0, 0, 1001, 0, 360, 0},
    {-1000.9999, 0, 440, 0, 0, -1000, 0, 440, 0},
    {-1000.9999995, 0, 440, 0, 0, -1001, 0, 440, 0},
    {1.0000005, 0, 360, 0, 0, 1, 0, 360, 0},
    /* the worst price is that of the order: closing or reducing a long sells, of a short buys */
    {0, 400.5, 0, 0, 1000, 0, 401, 0, 0},
    {0, 400.5, 0, 0, -1000, 0, 400, 0, 0},
    {500, 400.5, 360.5, 440.5, 1000, 500, 401, 361, 440},
    {-500, 400.5, 440.5, 360.5, -1000, -500, 400, 440, 361},
    {1500, 400.5, 360.5, 440.5, 1000, 1500, 400, 361, 440},
};

static void test_rule_6_rounding(void **state) {
    (void)state;
    struct instrument i = made_instrument(25000000, 100000);
    for (size_t k = 0; k < sizeof(roundings) / sizeof(roundings[0]); k++) {
        struct wish_context c = made_context(&i);
        struct wish w = {0};
        struct agent_wish raw = made_wish(1, roundings[k].size / 1000, roundings[k].stop / 4);
        raw.worst_price = roundings[k].worst / 4;
        raw.target = roundings[k].target / 4;
        c.held_lots = roundings[k].held;
        int reason;
        assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_DECISION);
        if (w.target_lots != roundings[k].lots || w.worst_ticks != roundings[k].worst_ticks || w.stop_ticks != roundings[k].stop_ticks ||
            w.target_ticks != roundings[k].target_ticks) {
            fail_msg("row %zu: %lld lots, worst %lld, stop %lld, target %lld", k, (long long)w.target_lots, (long long)w.worst_ticks,
                     (long long)w.stop_ticks, (long long)w.target_ticks);
        }
    }
}

/* What the snapshot shows of a tick or a lot, said back, is that tick or lot: up to 10^15 of them. */
static void test_rule_6_the_double_of_a_tick_is_that_tick(void **state) {
    (void)state;
    static const int64_t steps[] = {1, 3, 7, 10, 25, 1000, 12345, 25000000, 31250000, 100000000, 333333333, 1000000007};
    uint64_t seed = 9;
    for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
        struct instrument i = made_instrument(steps[k], steps[k]);
        struct wish_context c = made_context(&i);
        for (int n = 0; n < 20000; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            int64_t room = INT64_C(1000000000000000) / (steps[k] > 1000 ? steps[k] / 1000 : 1);
            int64_t ticks = 2 + (int64_t)(seed >> 12) % (room >> (n % 50) > 8 ? room >> (n % 50) : 8);
            struct wish w = {0};
            struct agent_wish raw = made_wish(1, (n & 1 ? -1 : 1) * instrument_quantity(&i, ticks), instrument_price(&i, ticks - 1));
            raw.worst_price = instrument_price(&i, ticks);
            raw.target = instrument_price(&i, ticks + 1);
            int reason;
            assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_DECISION);
            if (w.worst_ticks != ticks || w.stop_ticks != ticks - 1 || w.target_ticks != ticks + 1 || w.target_lots != (n & 1 ? -ticks : ticks)) {
                fail_msg("step %lld: %lld became worst %lld, stop %lld + 1, target %lld - 1, %lld lots", (long long)steps[k], (long long)ticks,
                         (long long)w.worst_ticks, (long long)w.stop_ticks, (long long)w.target_ticks, (long long)w.target_lots);
            }
        }
    }
}

static void test_numbers_out_of_range_are_refused(void **state) {
    (void)state;
    struct instrument i = made_instrument(25000000, 100000);
    struct wish_context c = made_context(&i);
    static const enum field fields[] = {SIZE, WORST, STOP, TARGET};
    for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
        struct wish w = {0};
        struct agent_wish raw = made_wish(1, 1, 90);
        spoil(&raw, fields[k], 1e16);
        int reason;
        assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_REFUSAL);
        assert_int_equal(reason, REASON_WISH_NUMBER);
        assert_int_equal(w.id, 1);
        assert_int_equal(w.state, AGENT_WISH_SPENT);
    }
}

static void test_lifetimes(void **state) {
    (void)state;
    struct instrument i = made_instrument(25000000, 100000);
    struct wish_context c = made_context(&i);
    static const int64_t said[] = {0, 1, HUGE_TTL, HUGE_TTL + 1, INT64_MAX};
    static const int64_t kept[] = {60 * NS_PER_S, 1, HUGE_TTL, HUGE_TTL, HUGE_TTL};
    for (size_t k = 0; k < sizeof(said) / sizeof(said[0]); k++) {
        struct wish w = {0};
        struct agent_wish raw = made_wish(1, 1, 90);
        raw.ttl_ns = said[k];
        int reason;
        assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_DECISION);
        assert_true(w.ttl_ns == kept[k]);
    }
    struct wish w = {0};
    struct agent_wish raw = made_wish(1, 1, 90);
    raw.confidence = 0.25;
    raw.expected_r = -1e300;
    raw.probability_lb = 1;
    int reason;
    assert_int_equal(wish_update(&w, &raw, &c, &reason), WISH_DECISION);
    assert_int_equal(w.confidence_ppm, 250000);
    assert_true(w.expected_r_ppm == -INT64_C(1000000000000000));
    assert_int_equal(w.probability_lb_ppm, 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_numbers),
        cmocka_unit_test(test_malformed_texts),
        cmocka_unit_test(test_rules_1_to_7_as_conversations),
        cmocka_unit_test(test_rule_2_a_refusal_changes_nothing_else),
        cmocka_unit_test(test_spending_is_once_and_for_all),
        cmocka_unit_test(test_rule_6_rounding),
        cmocka_unit_test(test_rule_6_the_double_of_a_tick_is_that_tick),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_lifetimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
