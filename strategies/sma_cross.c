/*
 * sma_cross.c - two moving averages of the close, on every instrument of the snapshot, compared exactly.
 *
 * The averages are integer sums of ticks, so "above" means above: a rolling double sum crosses elsewhere in up to a tenth of
 * the signals on low-priced pairs. One bar costs two additions and two subtractions, whatever the lengths.
 *
 * What it wants, decided at each closed bar once `slow` bars were seen:
 *   1. sum_fast * slow > sum_slow * fast: long `quantity` if `side` allows long, else flat.
 *   2. smaller: short `quantity` if `side` allows short, else flat. Equal: flat.
 *   3. A new wish id is used only when that target changes. So a position that its stop closed is not entered again before the
 *      averages have crossed back. Several new bars at once (missed turns) all enter the sums; the newest decides.
 *   4. Stop of a long: close * (1 - stop_pct / 100), or close - stop_ticks; of a short the mirror image. Target: close * (1 +
 *      target_pct / 100), or close + target_r * the distance to the stop. All in whole ticks, rounded toward the close, stop and
 *      target at least one tick away from it, and never below one tick.
 *   5. Worst price of an entry: close + worst_ticks (long), close - worst_ticks (short); without the parameter, the market.
 *      A wish to be flat has no worst price.
 *
 * Parameters (text in parentheses: range, default)
 *   fast (1..999, 10)  slow (2..1000, 30; fast < slow)  quantity (> 0, 1)  side (long | short | both, long)
 *   stop_pct (0 < p < 100, 90) or stop_ticks (>= 1)   target_pct (p > 0) or target_r (r > 0), none
 *   worst_ticks (whole number, may be negative, none)  exp_r (0..1000, 0)  p_lb (0..1, 0)  tag ([a-z0-9_], main)
 * Anything else is refused with a line in the log.
 *
 * State (schema 1): per instrument its name, the last target and wish id, the start of the newest bar and the closes in the sums.
 * A successor with other lengths takes what it can use of it. After a cold start an open position is recognised from the
 * snapshot, and a spent wish is not repeated.
 */
#include "agent.h"

#define SLOW_MAX 1000          /* 2^53 ticks * 1000 still fits an int64_t */
#define RING 1024u             /* closes kept per instrument, a power of two > SLOW_MAX */
#define VISIBLE 256u           /* bars asked from the host; a longer absence starts the sums anew */
#define E6 1000000
#define TICKS_MAX (INT64_C(1) << 53)
#define STATE_SCHEMA 1u

__extension__ typedef __int128 wide;

/* The sums of one instrument. */
struct lane {
    int64_t ticks[RING];       /* ticks[i % RING] = the i-th close pushed */
    uint64_t pushed;           /* closes in the sums since the last cold start */
    uint64_t seen;             /* bars of the series already looked at */
    int64_t sum_fast, sum_slow;
    int64_t last_start_ns;     /* of the newest bar pushed */
    uint64_t wish_id;          /* last used */
    int64_t direction;         /* of the last wish: 1, 0, -1 */
    uint32_t attached;         /* 0: the next turn has to find its place in the series */
    uint32_t known;            /* 0: direction and wish_id are still to be asked from the snapshot */
    double steps_per_unit;     /* 1 / tick when that is a whole number, else 0 */
    double tick;
    char name[AGENT_NAME_MAX];
};

enum relation { ABOVE = 0, BELOW = 1, EQUAL = 2 };

struct sma {
    uint64_t fast, slow;
    int64_t quantity_e8, stop_pct_e6, stop_ticks, target_pct_e6, target_r_e6, worst_ticks;
    int64_t exp_r_e6, p_lb_e6;
    uint32_t has_worst, long_allowed, short_allowed, lane_count;
    char tag[AGENT_TAG_MAX];
    char reasons[3][AGENT_REASON_MAX]; /* by enum relation */
    struct lane lanes[AGENT_INSTRUMENTS_MAX];
};

/* ---- text ------------------------------------------------------------------------------------------------------------------ */

static void text_append(char *to, uint32_t size, const char *from) {
    uint32_t used = (uint32_t)strlen(to);
    agent_text(to + used, size - used, from);
}

static void text_append_number(char *to, uint32_t size, uint64_t number) {
    char digits[24];
    uint32_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    text_append(to, size, digits + at);
}

/* Exact decimal text times 10^places; 0 when it is not one, has more places than that, or more than 15 digits. */
static int decimal_parse(const char *text, int places, int64_t *out) {
    int negative = *text == '-', digits = 0, decimals = -1;
    int64_t value = 0;
    for (text += negative; *text != '\0'; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
        } else if (*text >= '0' && *text <= '9' && digits < 15 && decimals < places) {
            value = value * 10 + (*text - '0');
            digits++;
            decimals += decimals >= 0;
        } else {
            return 0;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < places; i++) {
        value *= 10;
    }
    *out = negative ? -value : value;
    return digits > 0 && value <= INT64_C(1000000000000000);
}

/* ---- parameters ------------------------------------------------------------------------------------------------------------ */

struct number_rule {
    const char *name;
    int places;               /* decimals allowed; the stored value is times 10^places */
    int64_t minimum, maximum; /* of the stored value */
};

enum { FAST, SLOW, QUANTITY, STOP_PCT, STOP_TICKS, TARGET_PCT, TARGET_R, WORST_TICKS, EXP_R, P_LB, NUMBERS };

#define TICKS_RANGE INT64_C(1000000000000)
static const struct number_rule number_rules[NUMBERS] = {
    [FAST] = {"fast", 0, 1, SLOW_MAX - 1},
    [SLOW] = {"slow", 0, 2, SLOW_MAX},
    [QUANTITY] = {"quantity", 8, 1, INT64_C(1000000000000000)},
    [STOP_PCT] = {"stop_pct", 6, 1, 100 * E6 - 1},
    [STOP_TICKS] = {"stop_ticks", 0, 1, TICKS_RANGE},
    [TARGET_PCT] = {"target_pct", 6, 1, INT64_C(10000) * E6},
    [TARGET_R] = {"target_r", 6, 1, INT64_C(10000) * E6},
    [WORST_TICKS] = {"worst_ticks", 0, -TICKS_RANGE, TICKS_RANGE},
    [EXP_R] = {"exp_r", 6, 0, INT64_C(1000) * E6},
    [P_LB] = {"p_lb", 6, 0, E6},
};

static int refuse(const struct agent_services *services, const char *what, const char *why) {
    char line[160] = "parameter ";
    text_append(line, sizeof line, what);
    text_append(line, sizeof line, ": ");
    text_append(line, sizeof line, why);
    services->log(2, line);
    return AGENT_ERROR;
}

static int set_side(struct sma *sma, const char *text) {
    int both = strcmp(text, "both") == 0;
    sma->long_allowed = both || strcmp(text, "long") == 0;
    sma->short_allowed = both || strcmp(text, "short") == 0;
    return sma->long_allowed || sma->short_allowed;
}

static int set_tag(struct sma *sma, const char *text) {
    uint32_t length = 0;
    for (; text[length] != '\0'; length++) {
        char c = text[length];
        if (length + 1 >= AGENT_TAG_MAX || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return 0;
        }
    }
    agent_text(sma->tag, sizeof sma->tag, text);
    return length > 0;
}

/* One parameter; `values` and `given` are by number rule. */
static int param_set(struct sma *sma, const struct agent_param *param, int64_t *values, uint32_t *given,
                     const struct agent_services *services) {
    if (strcmp(param->name, "side") == 0) {
        return set_side(sma, param->text) ? AGENT_OK : refuse(services, "side", "long, short or both is wanted");
    }
    if (strcmp(param->name, "tag") == 0) {
        return set_tag(sma, param->text) ? AGENT_OK : refuse(services, "tag", "1 to 15 of [a-z0-9_] are wanted");
    }
    for (int i = 0; i < NUMBERS; i++) {
        const struct number_rule *rule = &number_rules[i];
        if (strcmp(param->name, rule->name) != 0) {
            continue;
        }
        if (!decimal_parse(param->text, rule->places, &values[i])) {
            return refuse(services, rule->name, rule->places > 0 ? "not a decimal number" : "not a whole number");
        }
        given[i] = 1;
        return values[i] >= rule->minimum && values[i] <= rule->maximum ? AGENT_OK : refuse(services, rule->name, "out of range");
    }
    return refuse(services, param->name, "unknown; known are fast slow quantity side stop_pct stop_ticks target_pct target_r "
                                         "worst_ticks exp_r p_lb tag");
}

static int params_read(struct sma *sma, const struct agent_setup *setup, const struct agent_services *services) {
    int64_t values[NUMBERS] = {[FAST] = 10, [SLOW] = 30, [QUANTITY] = INT64_C(100000000)};
    uint32_t given[NUMBERS] = {0};
    set_side(sma, "long");
    set_tag(sma, "main");
    for (uint32_t i = 0; i < setup->param_count; i++) {
        if (param_set(sma, &setup->params[i], values, given, services) != AGENT_OK) {
            return AGENT_ERROR;
        }
    }
    if (values[FAST] >= values[SLOW]) {
        return refuse(services, "fast", "has to be smaller than slow");
    }
    if (given[STOP_PCT] && given[STOP_TICKS]) {
        return refuse(services, "stop_ticks", "stop_pct is given as well");
    }
    if (given[TARGET_PCT] && given[TARGET_R]) {
        return refuse(services, "target_r", "target_pct is given as well");
    }
    sma->fast = (uint64_t)values[FAST];
    sma->slow = (uint64_t)values[SLOW];
    sma->quantity_e8 = values[QUANTITY];
    sma->stop_pct_e6 = given[STOP_PCT] ? values[STOP_PCT] : INT64_C(90) * E6;
    sma->stop_ticks = values[STOP_TICKS];
    sma->target_pct_e6 = values[TARGET_PCT];
    sma->target_r_e6 = values[TARGET_R];
    sma->worst_ticks = values[WORST_TICKS];
    sma->has_worst = given[WORST_TICKS];
    sma->exp_r_e6 = values[EXP_R];
    sma->p_lb_e6 = values[P_LB];
    return AGENT_OK;
}

/* ---- start ----------------------------------------------------------------------------------------------------------------- */

static void reasons_write(struct sma *sma) {
    static const char words[3][16] = {" above slow ", " below slow ", " equals slow "};
    for (int i = 0; i < 3; i++) {
        char *reason = sma->reasons[i];
        agent_text(reason, AGENT_REASON_MAX, "fast ");
        text_append_number(reason, AGENT_REASON_MAX, sma->fast);
        text_append(reason, AGENT_REASON_MAX, words[i]);
        text_append_number(reason, AGENT_REASON_MAX, sma->slow);
    }
}

static int sma_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct sma *sma = self;
    if (params_read(sma, setup, services) != AGENT_OK) {
        return AGENT_ERROR;
    }
    reasons_write(sma);
    sma->lane_count = setup->instrument_count;
    for (uint32_t i = 0; i < sma->lane_count && i < AGENT_INSTRUMENTS_MAX; i++) {
        struct lane *lane = &sma->lanes[i];
        double steps = 1.0 / setup->instruments[i].tick;
        double whole = steps < 1e15 ? (double)(int64_t)(steps + 0.5) : 0.0;
        lane->tick = setup->instruments[i].tick;
        lane->steps_per_unit = whole >= 1.0 && steps - whole < 1e-6 * whole && whole - steps < 1e-6 * whole ? whole : 0.0;
        memcpy(lane->name, setup->instruments[i].name, sizeof lane->name);
    }
    return AGENT_OK;
}

/* ---- the sums -------------------------------------------------------------------------------------------------------------- */

static void lane_push(struct lane *lane, const struct sma *sma, int64_t ticks) {
    uint64_t n = lane->pushed++;
    /* a ring that is not yet full holds zeros there, which leaves the sums as they are */
    lane->sum_fast += ticks - lane->ticks[(n - sma->fast) & (RING - 1)];
    lane->sum_slow += ticks - lane->ticks[(n - sma->slow) & (RING - 1)];
    lane->ticks[n & (RING - 1)] = ticks;
}

static void lane_restart(struct lane *lane) {
    memset(lane->ticks, 0, sizeof lane->ticks);
    lane->pushed = 0;
    lane->sum_fast = lane->sum_slow = 0;
}

/* How many of the newest bars are not in the sums yet. Starts the sums anew when some bars can no longer be seen. */
static uint64_t lane_fresh(struct lane *lane, const struct agent_series *series) {
    uint64_t visible = series->visible;
    if (lane->attached) {
        uint64_t fresh = series->count - lane->seen;
        if (fresh <= visible) {
            return fresh;
        }
        lane_restart(lane);
        return visible;
    }
    lane->attached = 1;
    for (uint64_t back = 0; lane->pushed > 0 && back < visible; back++) {
        const struct agent_bar *bar = agent_bar_back(series, back);
        if (bar->start_ns <= lane->last_start_ns) {
            return back;
        }
        if (bar->start_ns == lane->last_start_ns + series->timeframe_ns) {
            return back + 1;
        }
    }
    lane_restart(lane);
    return visible;
}

/* Takes the new bars in; returns the newest, or NULL when there is none or a price is beyond exact arithmetic. */
static const struct agent_bar *lane_follow(struct lane *lane, const struct sma *sma, const struct agent_series *series) {
    const struct agent_bar *bar = 0;
    uint64_t fresh = lane_fresh(lane, series);
    lane->seen = series->count;
    while (fresh > 0) {
        bar = agent_bar_back(series, --fresh);
        if (!(bar->close_ticks >= 1.0 && bar->close_ticks <= (double)TICKS_MAX)) {
            lane_restart(lane);
            bar = 0;
            continue;
        }
        lane_push(lane, sma, (int64_t)bar->close_ticks);
        lane->last_start_ns = bar->start_ns;
    }
    return bar;
}

/* ---- the wish -------------------------------------------------------------------------------------------------------------- */

static double lane_price(const struct lane *lane, int64_t ticks) {
    double count = (double)ticks;
    return lane->steps_per_unit > 0.0 ? count / lane->steps_per_unit : count * lane->tick;
}

/* close moved by fraction_e6 / 1e8 (a percentage) in `direction`, in whole ticks, rounded toward the close. */
static int64_t distance_of(int64_t close, int64_t pct_e6) { return (int64_t)((wide)close * pct_e6 / (INT64_C(100) * E6)); }

static int64_t at_least_one(int64_t value) { return value < 1 ? 1 : value; }

static void wish_protect(const struct sma *sma, const struct lane *lane, int64_t close, int64_t direction, struct agent_wish *wish) {
    int64_t risk = at_least_one(sma->stop_ticks > 0 ? sma->stop_ticks : distance_of(close, sma->stop_pct_e6));
    int64_t stop = at_least_one(close - direction * risk);
    wish->stop = lane_price(lane, stop);
    int64_t gain = 0;
    if (sma->target_r_e6 > 0) {
        int64_t distance = stop < close ? close - stop : stop - close;
        gain = at_least_one((int64_t)((wide)distance * sma->target_r_e6 / E6));
    } else if (sma->target_pct_e6 > 0) {
        gain = at_least_one(distance_of(close, sma->target_pct_e6));
    }
    wish->target = gain > 0 ? lane_price(lane, at_least_one(close + direction * gain)) : 0.0;
    wish->worst_price = sma->has_worst ? lane_price(lane, at_least_one(close + direction * sma->worst_ticks)) : 0.0;
}

static void wish_write(const struct sma *sma, const struct lane *lane, uint32_t instrument, int64_t close, enum relation relation,
                       struct agent_wish *wish) {
    memset(wish, 0, sizeof *wish);
    wish->wish_id = lane->wish_id;
    wish->instrument = instrument;
    wish->unit = AGENT_UNIT_QUANTITY;
    memcpy(wish->tag, sma->tag, sizeof wish->tag);
    memcpy(wish->reason, sma->reasons[relation], sizeof wish->reason);
    wish->confidence = 1.0;
    wish->expected_r = (double)sma->exp_r_e6 / E6;
    wish->probability_lb = (double)sma->p_lb_e6 / E6;
    wish->size = (double)(lane->direction * sma->quantity_e8) / 1e8;
    if (lane->direction != 0) {
        wish_protect(sma, lane, close, lane->direction, wish);
    }
}

/* After a start: what this agent held and asked for before, as the host remembers it. A spent wish is not repeated. */
static void lane_recall(struct lane *lane, const struct sma *sma, const struct agent_snapshot *snapshot, uint32_t instrument,
                        int64_t wanted) {
    const struct agent_position *position = agent_position_of(snapshot, instrument, sma->tag);
    int had_state = lane->wish_id > 0;
    lane->known = 1;
    if (position == 0 || position->wish_id == 0) {
        return;
    }
    if (position->wish_id > lane->wish_id) {
        lane->wish_id = position->wish_id;
    }
    double held = position->quantity + position->working;
    if (held > 0.0 || held < 0.0) {
        lane->direction = held > 0.0 ? 1 : -1;
    } else if (!had_state) {
        lane->direction = wanted;
    }
}

/* Rules 1 to 3 for one instrument with news; writes at most one wish. */
static uint32_t lane_decide(struct lane *lane, const struct sma *sma, const struct agent_snapshot *snapshot, uint32_t instrument,
                            int64_t close, struct agent_wish *out) {
    wide fast = (wide)lane->sum_fast * (int64_t)sma->slow;
    wide slow = (wide)lane->sum_slow * (int64_t)sma->fast;
    enum relation relation = fast > slow ? ABOVE : fast < slow ? BELOW : EQUAL;
    int64_t wanted = relation == ABOVE ? (int64_t)sma->long_allowed : relation == BELOW ? -(int64_t)sma->short_allowed : 0;
    if (!lane->known) {
        lane_recall(lane, sma, snapshot, instrument, wanted);
    }
    if (wanted == lane->direction) {
        return 0;
    }
    lane->direction = wanted;
    lane->wish_id++;
    wish_write(sma, lane, instrument, close, relation, out);
    return 1;
}

static int sma_generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct sma *sma = self;
    uint32_t written = 0;
    for (uint32_t i = 0; i < sma->lane_count; i++) {
        struct lane *lane = &sma->lanes[i];
        const struct agent_series *series = agent_series_of(snapshot, i, 0);
        if (series->count == lane->seen) {
            continue;
        }
        const struct agent_bar *bar = lane_follow(lane, sma, series);
        /* a full answer leaves the direction as it was, so the wish comes with the next bar */
        if (bar != 0 && lane->pushed >= sma->slow && written < max) {
            written += lane_decide(lane, sma, snapshot, i, (int64_t)bar->close_ticks, &out[written]);
        }
    }
    return (int)written;
}

/* ---- state ----------------------------------------------------------------------------------------------------------------- */

/* One instrument in a saved state; `count` closes follow it, oldest first. */
struct saved {
    char name[AGENT_NAME_MAX];
    int64_t last_start_ns;
    uint64_t wish_id;
    int64_t direction;
    uint64_t count;
};

static int64_t sma_save(const void *self, void *bytes, uint64_t max) {
    const struct sma *sma = self;
    unsigned char *to = bytes;
    uint64_t used = 0;
    for (uint32_t i = 0; i < sma->lane_count; i++) {
        const struct lane *lane = &sma->lanes[i];
        struct saved saved = {.last_start_ns = lane->last_start_ns, .wish_id = lane->wish_id, .direction = lane->direction};
        memcpy(saved.name, lane->name, sizeof saved.name);
        saved.count = lane->pushed < sma->slow ? lane->pushed : sma->slow;
        if (max - used < sizeof saved + saved.count * sizeof(int64_t)) {
            return AGENT_ERROR;
        }
        memcpy(to + used, &saved, sizeof saved);
        used += sizeof saved;
        for (uint64_t n = lane->pushed - saved.count; n < lane->pushed; n++, used += sizeof(int64_t)) {
            memcpy(to + used, &lane->ticks[n & (RING - 1)], sizeof(int64_t));
        }
    }
    return (int64_t)used;
}

static struct lane *lane_named(struct sma *sma, const char *name) {
    for (uint32_t i = 0; i < sma->lane_count; i++) {
        if (strncmp(sma->lanes[i].name, name, AGENT_NAME_MAX) == 0) {
            return &sma->lanes[i];
        }
    }
    return 0;
}

static void lane_load(struct lane *lane, const struct sma *sma, const struct saved *saved, const unsigned char *closes) {
    lane->last_start_ns = saved->last_start_ns;
    lane->wish_id = saved->wish_id;
    lane->direction = saved->direction;
    for (uint64_t n = 0; n < saved->count; n++) {
        int64_t ticks;
        memcpy(&ticks, closes + n * sizeof ticks, sizeof ticks);
        lane_push(lane, sma, ticks);
    }
}

/* Instruments that are no longer there are skipped; those that are new start cold. */
static int sma_load(void *self, uint32_t schema, const void *bytes, uint64_t size) {
    struct sma *sma = self;
    const unsigned char *from = bytes;
    if (schema != STATE_SCHEMA) {
        return AGENT_ERROR;
    }
    while (size > 0) {
        struct saved saved;
        if (size < sizeof saved) {
            return AGENT_ERROR;
        }
        memcpy(&saved, from, sizeof saved);
        from += sizeof saved;
        size -= sizeof saved;
        if (saved.count > SLOW_MAX || saved.count * sizeof(int64_t) > size || saved.direction < -1 || saved.direction > 1) {
            return AGENT_ERROR;
        }
        struct lane *lane = lane_named(sma, saved.name);
        if (lane != 0) {
            lane_load(lane, sma, &saved, from);
        }
        from += saved.count * sizeof(int64_t);
        size -= saved.count * sizeof(int64_t);
    }
    return AGENT_OK;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("sma_cross", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {VISIBLE}, .decide_us_max = 1000},
    .self_size = sizeof(struct sma),
    .state_schema = STATE_SCHEMA,
    .state_max = AGENT_INSTRUMENTS_MAX * (sizeof(struct saved) + SLOW_MAX * sizeof(int64_t)),
    .init = sma_init,
    .generate_signals = sma_generate,
    .save = sma_save,
    .load = sma_load,
};
