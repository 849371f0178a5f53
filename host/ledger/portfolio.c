/*
 * portfolio.c - fills -> books.
 *
 * Guarantees: after any sequence of fills, cash + sum of cost = deposits + realised - fees, to the last 1e-8. A partial
 * close takes cost x lots / total rounded half-even and leaves the remainder, so nothing is lost between the parts. No
 * average price is ever stored. It does not know orders, prices beyond the mark, or why a fill happened.
 */
#include "ledger/portfolio.h"

#include <string.h>

#include "base/wide.h"

static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

void portfolio_init(struct book *b, int64_t deposits_e8) {
    memset(b, 0, sizeof(*b));
    b->deposits_e8 = deposits_e8;
    b->cash_e8 = deposits_e8;
    b->equity_e8 = deposits_e8;
    b->equity_peak_e8 = deposits_e8;
    b->day_start_equity_e8 = deposits_e8;
    b->day = INT64_MIN;
}

int portfolio_agent_add(struct book *b, const char *name, bool active, int64_t budget_e8) {
    if (b->agent_count == AGENTS_MAX) {
        return ERROR_FULL;
    }
    struct agent_account *a = &b->agents[b->agent_count];
    memset(a, 0, sizeof(*a));
    memccpy(a->name, name, 0, sizeof(a->name) - 1);
    a->active = active;
    a->budget_e8 = budget_e8;
    a->equity_peak_e8 = budget_e8;
    a->day_start_equity_e8 = budget_e8;
    return (int)b->agent_count++;
}

int portfolio_position(struct book *b, uint16_t agent, uint16_t instrument, const char *tag) {
    uint32_t tags = 0, of_agent = 0;
    for (uint32_t i = 0; i < b->position_count; i++) {
        struct position *p = &b->positions[i];
        of_agent += p->agent == agent;
        if (p->agent == agent && p->instrument == instrument) {
            if (strncmp(p->tag, tag, TAG_MAX_BYTES) == 0) {
                return (int)i;
            }
            tags++;
        }
    }
    if (b->position_count == POSITIONS_MAX || tags == AGENT_TAGS_MAX || of_agent == AGENT_POSITIONS_MAX) {
        return ERROR_FULL;
    }
    struct position *p = &b->positions[b->position_count];
    memset(p, 0, sizeof(*p));
    p->agent = agent;
    p->instrument = instrument;
    memccpy(p->tag, tag, 0, TAG_MAX_BYTES - 1);
    return (int)b->position_count++;
}

/* Keeps `open` equal to the positions with lots, in the order they were opened. */
static void open_list(struct book *b, uint16_t position, bool was_open) {
    bool is_open = b->positions[position].lots != 0;
    if (is_open && !was_open) {
        b->open[b->open_count++] = position;
    } else if (!is_open && was_open) {
        uint32_t i = 0;
        while (b->open[i] != position) {
            i++;
        }
        memmove(&b->open[i], &b->open[i + 1], (b->open_count - i - 1) * sizeof(b->open[0]));
        b->open_count--;
    }
}

/* What one fill does to one position, computed before anything is changed. */
struct effect {
    int64_t value_e8;       /* signed notional of the whole fill */
    int64_t cost_closed_e8; /* cost that leaves the position */
    int64_t cost_opened_e8;
    int64_t realised_e8;
    int64_t lots_closed;    /* absolute */
};

static int effect_compute(const struct instrument *i, const struct position *p, const struct fill *f, struct effect *e) {
    memset(e, 0, sizeof(*e));
    int error = instrument_value(i, f->price_ticks, f->lots, &e->value_e8);
    if (error) {
        return error;
    }
    bool closes = p->lots != 0 && (p->lots > 0) != (f->lots > 0);
    if (!closes) {
        e->cost_opened_e8 = e->value_e8;
        return 0;
    }
    int64_t held = abs64(p->lots), filled = abs64(f->lots);
    e->lots_closed = filled < held ? filled : held;
    int64_t value_closed = e->value_e8;
    e->cost_closed_e8 = p->cost_e8;
    if (e->lots_closed < held) {
        error = muldiv_half_even(p->cost_e8, e->lots_closed, held, &e->cost_closed_e8);
    } else if (e->lots_closed < filled) {
        error = muldiv_half_even(e->value_e8, e->lots_closed, filled, &value_closed);
    }
    e->cost_opened_e8 = e->value_e8 - value_closed;
    e->realised_e8 = -value_closed - e->cost_closed_e8;
    return error;
}

/* After the fill every sum still fits: lots, cost, value, cash and what was realised. */
static bool sums_fit(const struct instrument *i, const struct book *b, const struct position *p, const struct fill *f, const struct effect *e) {
    int64_t lots, cost, value, cash, sum;
    return !__builtin_add_overflow(p->lots, f->lots, &lots) && !__builtin_sub_overflow(e->cost_opened_e8, e->cost_closed_e8, &cost) &&
           !__builtin_add_overflow(p->cost_e8, cost, &cost) && instrument_value(i, f->price_ticks, lots, &value) == 0 &&
           !__builtin_sub_overflow(value, cost, &sum) && !__builtin_add_overflow(e->value_e8, f->fee_e8, &sum) &&
           !__builtin_sub_overflow(b->cash_e8, sum, &cash) && !__builtin_add_overflow(cash, value, &sum) &&
           !__builtin_add_overflow(b->realised_e8, e->realised_e8, &sum) && !__builtin_add_overflow(b->fees_e8, f->fee_e8, &sum);
}

static void trade_start(struct position *p, const struct fill *f) {
    p->opened_ns = f->time_ns;
    p->entry_ticks = f->price_ticks;
    p->trade_realised_e8 = 0;
    p->trade_fees_e8 = 0;
    p->trade_peak_lots = 0;
    p->mae_e8 = 0;
    p->mfe_e8 = 0;
}

static void trade_finish(struct book *b, struct position *p, const struct fill *f, bool was_long, struct trade *t) {
    struct agent_account *a = &b->agents[p->agent];
    int64_t result = p->trade_realised_e8 - p->trade_fees_e8;
    *t = (struct trade){.number = ++b->trades_closed, .agent = p->agent, .instrument = p->instrument, .position = f->position,
                        .is_long = was_long, .purpose = f->purpose, .reason = f->reason, .lots = p->trade_peak_lots,
                        .opened_ns = p->opened_ns, .closed_ns = f->time_ns, .entry_ticks = p->entry_ticks,
                        .exit_ticks = f->price_ticks, .realised_e8 = p->trade_realised_e8, .fees_e8 = p->trade_fees_e8,
                        .mae_e8 = p->mae_e8, .mfe_e8 = p->mfe_e8, .wish_id = p->wish_id};
    a->trades_closed++;
    a->trades_won += result > 0;
    a->loss_streak = result < 0 ? a->loss_streak + 1 : 0;
    p->opened_ns = 0;
    p->stop_ticks = 0;
    p->target_ticks = 0;
}

/* An exit at a price beyond the worst seen so far is itself an extreme of the round trip. */
static void extremes_include(struct position *p, int64_t unrealised_e8) {
    if (unrealised_e8 < p->mae_e8) {
        p->mae_e8 = unrealised_e8;
    }
    if (unrealised_e8 > p->mfe_e8) {
        p->mfe_e8 = unrealised_e8;
    }
}

/* Kept with the lots it was made for, so it can be old but never wrong; lots 0 = it is not whole. */
static void tick_value_keep(struct position *p, const struct instrument *i) {
    int64_t product;
    bool whole = !__builtin_mul_overflow(p->lots, i->value_num, &product) && product % i->value_den == 0;
    p->tick_lots = whole ? p->lots : 0;
    p->tick_value_e8 = whole ? product / i->value_den : 0;
}

/* instrument_value() of the open lots. */
static inline int position_value(const struct position *p, const struct instrument *i, int64_t ticks, int64_t *value_e8) {
    if (p->tick_lots == p->lots && !__builtin_mul_overflow(ticks, p->tick_value_e8, value_e8)) {
        return 0;
    }
    return instrument_value(i, ticks, p->lots, value_e8);
}

int portfolio_apply(struct book *b, const struct instrument *instruments, struct fill *f, struct trade *trade) {
    struct position *p = &b->positions[f->position];
    struct effect e;
    int error = effect_compute(&instruments[f->instrument], p, f, &e);
    if (error || !sums_fit(&instruments[f->instrument], b, p, f, &e)) {
        return error ? error : ERROR_OVERFLOW;
    }
    struct agent_account *a = &b->agents[p->agent];
    bool was_open = p->lots != 0, was_long = p->lots > 0;
    int64_t unrealised_before = p->value_e8 - p->cost_e8;
    if (!was_open) {
        trade_start(p, f);
    } else if (e.lots_closed != 0) {
        /* the whole position valued at this price, not only the part that closed */
        int64_t at_exit = 0;
        if (instrument_value(&instruments[f->instrument], f->price_ticks, p->lots, &at_exit) == 0) {
            extremes_include(p, at_exit - p->cost_e8);
        }
    }
    f->realised_e8 = e.realised_e8;
    p->lots += f->lots;
    p->cost_e8 += e.cost_opened_e8 - e.cost_closed_e8;
    p->trade_realised_e8 += e.realised_e8;
    p->trade_fees_e8 += f->fee_e8;
    if (abs64(p->lots) > p->trade_peak_lots) {
        p->trade_peak_lots = abs64(p->lots);
    }
    b->cash_e8 -= e.value_e8 + f->fee_e8;
    b->realised_e8 += e.realised_e8;
    b->fees_e8 += f->fee_e8;
    a->realised_e8 += e.realised_e8;
    a->fees_e8 += f->fee_e8;
    open_list(b, f->position, was_open);
    bool turned = was_open && p->lots != 0 && (p->lots > 0) != was_long;
    bool closed = was_open && (p->lots == 0 || turned);
    if (closed) {
        trade_finish(b, p, f, was_long, trade);
    }
    if (turned) {
        trade_start(p, f);
        p->trade_peak_lots = abs64(p->lots);
    }
    tick_value_keep(p, &instruments[f->instrument]);
    p->mark_ticks = f->price_ticks;
    p->lowest_ticks = INT64_MAX;
    p->highest_ticks = 0;
    (void)position_value(p, &instruments[f->instrument], p->mark_ticks, &p->value_e8);
    a->unrealised_e8 += (p->value_e8 - p->cost_e8) - unrealised_before;
    return closed;
}

/* A new low or high since the last fill can be a new worst or best of the round trip; nothing else can. */
static int extremes_range(struct position *p, const struct instrument *i, int64_t low, int64_t high) {
    int64_t value;
    if (low < p->lowest_ticks) {
        p->lowest_ticks = low;
        if (position_value(p, i, low, &value)) {
            return ERROR_OVERFLOW;
        }
        extremes_include(p, value - p->cost_e8);
    }
    if (high > p->highest_ticks) {
        p->highest_ticks = high;
        if (position_value(p, i, high, &value)) {
            return ERROR_OVERFLOW;
        }
        extremes_include(p, value - p->cost_e8);
    }
    return 0;
}

static int position_mark(struct book *b, const struct instrument *i, struct position *p, int64_t price, int64_t low, int64_t high) {
    int64_t value;
    if (position_value(p, i, price, &value) || extremes_range(p, i, low ? low : price, high ? high : price)) {
        return ERROR_OVERFLOW;
    }
    b->agents[p->agent].unrealised_e8 += value - p->value_e8;
    p->value_e8 = value;
    p->mark_ticks = price;
    return 0;
}

int portfolio_mark(struct book *b, const struct instrument *instruments, uint16_t instrument, int64_t price, int64_t low, int64_t high) {
    for (uint32_t k = 0; k < b->open_count; k++) {
        struct position *p = &b->positions[b->open[k]];
        if (p->instrument == instrument) {
            int error = position_mark(b, &instruments[instrument], p, price, low, high);
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

/* Asked at every mark below the peak: two products instead of a division. */
static bool drawdown_may_be_worse(const struct book *b) {
    return (int128)(b->equity_peak_e8 - b->equity_e8) * 1000000 >= b->equity_peak_e8 * ((int128)b->drawdown_worst_ppm + 1);
}

void portfolio_settle(struct book *b) {
    int64_t equity = b->cash_e8;
    for (uint32_t k = 0; k < b->open_count; k++) {
        equity += b->positions[b->open[k]].value_e8;
    }
    b->equity_e8 = equity;
    if (equity >= b->equity_peak_e8) {
        b->equity_peak_e8 = equity;
    } else if (drawdown_may_be_worse(b)) {
        int64_t fall_ppm = 0;
        if (muldiv_down(b->equity_peak_e8 - equity, 1000000, b->equity_peak_e8, &fall_ppm) == 0 && fall_ppm > b->drawdown_worst_ppm) {
            b->drawdown_worst_ppm = fall_ppm;
        }
    }
    for (uint32_t i = 0; i < b->agent_count; i++) {
        int64_t own = agent_equity_e8(&b->agents[i]);
        if (own > b->agents[i].equity_peak_e8) {
            b->agents[i].equity_peak_e8 = own;
        }
    }
}

bool portfolio_day(struct book *b, int64_t day) {
    if (day == b->day) {
        return false;
    }
    b->day = day;
    b->day_start_equity_e8 = b->equity_e8;
    for (uint32_t i = 0; i < b->agent_count; i++) {
        b->agents[i].day_start_equity_e8 = agent_equity_e8(&b->agents[i]);
        b->agents[i].trades_today = 0;
    }
    return true;
}

bool portfolio_exact(const struct book *b) {
    int64_t cost = 0, realised = 0, fees = 0, unrealised = 0, agents_unrealised = 0;
    for (uint32_t i = 0; i < b->position_count; i++) {
        cost += b->positions[i].cost_e8;
        unrealised += b->positions[i].value_e8 - b->positions[i].cost_e8;
        if (b->positions[i].lots == 0 && b->positions[i].cost_e8 != 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < b->agent_count; i++) {
        realised += b->agents[i].realised_e8;
        fees += b->agents[i].fees_e8;
        agents_unrealised += b->agents[i].unrealised_e8;
    }
    return b->cash_e8 + cost == b->deposits_e8 + b->realised_e8 - b->fees_e8 && realised == b->realised_e8 && fees == b->fees_e8 &&
           unrealised == agents_unrealised;
}
