/*
 * flow.c - one turn of the sentence, as a dozen calls:
 *
 *   feed -> bars reach the venue (fills) -> marks -> snapshot published -> active slots rung -> answers collected -> wishes
 *   -> gate -> intents submitted (the turn ends) ... commit done -> recheck -> sent -> candidates rung
 *
 * Guarantees: active slots are rung first and their orders submitted before any candidate is rung; agents are served in
 * roster order whatever order they answer in; nothing is read but what the events brought. The parts: flow_orders.c (wishes
 * to orders), flow_fills.c (reports to books), flow_fold.c (journal to state).
 */
#include "flow.h"

#include <stdio.h>
#include <string.h>

#include "flow_parts.h"

#define WATCHDOG_NS (10 * NS_PER_S)
#define DAY_NS (86400 * NS_PER_S)

void flow_fail(struct engine *e, int code, const char *text) {
    if (!e->failed) {
        e->failed = true;
        error_set(&e->failure, code, "%s", text);
    }
}

uint64_t engine_record(struct engine *e, struct record *record, bool urgent) {
    if (record->id == 0) {
        record->id = e->next_record;
    }
    e->next_record++;
    uint64_t sequence = e->options.sink->append(e->options.sink->context, record, urgent);
    if (sequence == 0 && e->options.runfile) {
        flow_fail(e, ERROR_FULL, "the record of this run cannot be kept");
    }
    return sequence;
}

/* ---- building ---------------------------------------------------------------------------------------------------------------- */

size_t engine_bytes(uint32_t accounts) {
    return sizeof(struct engine) + AGENTS_MAX * sizeof(struct seat) + accounts * (sizeof(struct account) + 64) + (1u << 16);
}

struct engine *engine_open(struct arena *arena, const struct engine_options *options, const struct market_options *market,
                           void *market_memory, struct error *error) {
    struct engine *e = arena_take(arena, sizeof(*e));
    struct seat *seats = e ? arena_take(arena, AGENTS_MAX * sizeof(*seats)) : NULL;
    if (!seats) {
        error_set(error, ERROR_FULL, "the arena is too small for the engine");
        return NULL;
    }
    e->options = *options;
    e->seats = seats;
    e->next_record = 1;
    e->next_order = 1;
    e->next_fill = 1;
    e->next_trade = 1;
    e->limits_generation = 1;
    e->next_day_ns = INT64_MIN;
    e->now_ns = options->start_ns;
    e->options.ticks = market->ticks != 0;
    return market_init(&e->market, market, market_memory, error) ? NULL : e;
}

int engine_account_add(struct engine *e, struct arena *arena, const char *name, int64_t deposits_e8, struct error *error) {
    struct account *a = e->account_count < ACCOUNTS_MAX ? arena_take(arena, sizeof(*a)) : NULL;
    if (!a) {
        return error_set(error, ERROR_FULL, "no room for account %u", e->account_count);
    }
    a->index = (uint16_t)e->account_count;
    snprintf(a->name, sizeof(a->name), "%s", name);
    portfolio_init(&a->book, deposits_e8);
    a->view = (struct seat_view){.book = &a->book, .wishes = a->wishes, .instruments = e->options.instruments, .orders = a->orders.open};
    a->peak_told_e8 = deposits_e8;
    e->accounts[e->account_count] = a;
    return (int)e->account_count++;
}

void engine_account_venue(struct engine *e, uint16_t account, const struct venue_vtable *vtable, struct venue *venue) {
    e->accounts[account]->vtable = vtable;
    e->accounts[account]->venue = venue;
    e->accounts[account]->matcher = vtable == &match_venue ? match_venue_matcher(venue) : NULL;
}

/* An agent that the journal knows keeps its place in the book. */
static int agent_find_or_add(struct book *b, const struct engine_seat *from) {
    for (uint32_t i = 0; i < b->agent_count; i++) {
        if (strncmp(b->agents[i].name, from->name, NAME_MAX_BYTES) == 0) {
            b->agents[i].active = from->active;
            b->agents[i].budget_e8 = from->budget_e8;
            return (int)i;
        }
    }
    return portfolio_agent_add(b, from->name, from->active, from->budget_e8);
}

/* Written before the agent's first turn: the fold learns from it which agent a number means. */
static void seat_record(struct engine *e, const struct seat *s) {
    struct body_slot body = {.event = BODY_SLOT_STARTED};
    memcpy(body.name, s->name, sizeof(body.name));
    snprintf(body.text, sizeof(body.text), "%s", s->active ? "active" : "candidate");
    struct record record;
    record_fill(&record, RECORD_SLOT, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(s->account, s->agent);
    engine_record(e, &record, false);
}

int engine_seat_add(struct engine *e, const struct engine_seat *from, struct error *error) {
    if (e->seat_count == AGENTS_MAX) {
        return error_set(error, ERROR_FULL, "more than %d agents", AGENTS_MAX);
    }
    int agent = agent_find_or_add(&e->accounts[from->account]->book, from);
    if (agent < 0) {
        return error_set(error, agent, "no room for agent %s in its account", from->name);
    }
    struct seat *s = &e->seats[e->seat_count];
    snprintf(s->name, sizeof(s->name), "%s", from->name);
    s->active = from->active;
    e->candidate_count += !from->active;
    s->alive = true;
    s->account = from->account;
    s->agent = (uint16_t)agent;
    s->needs = *from->needs;
    s->state_max = from->state_max;
    s->state_schema = from->state_schema;
    s->link = from->link;
    s->private_memory = from->private_memory;
    s->reply = from->reply;
    s->book_changed = true;
    s->limits_changed = true;
    for (uint32_t k = 0; k < e->accounts[s->account]->book.position_count; k++) {
        if (e->accounts[s->account]->book.positions[k].agent == s->agent) {
            seat_adopt_position(s, (uint16_t)k);
        }
    }
    seat_record(e, s);
    return (int)e->seat_count++;
}

/* ---- the turn ------------------------------------------------------------------------------------------------------------------ */

static struct agent_limits limits_of(const struct engine *e) {
    const struct risk_policy *r = e->options.risk;
    return (struct agent_limits){
        .generation = e->limits_generation,
        .trading_state = e->kill_switch ? TRADING_HALTED : e->trading_state,
        .positions_max = (uint32_t)r->positions_max,
        .position_notional_max = money_double(r->position_notional_max_e8),
        .trade_notional_max = money_double(r->trade_notional_max_e8),
        .position_fraction_max = (double)r->position_fraction_max_ppm / 1e6,
        .trade_fraction_max = (double)r->trade_fraction_max_ppm / 1e6,
        .daily_loss_max = money_double(r->daily_loss_max_e8),
        .daily_loss_fraction_max = (double)r->daily_loss_fraction_max_ppm / 1e6,
        .drawdown_fraction_max = (double)r->drawdown_max_ppm / 1e6,
        .risk_per_trade_max = money_double(r->risk_per_trade_max_e8),
    };
}

static void publish(struct engine *e, struct seat *s) {
    if (!s->book_changed && !s->marks_changed && !s->limits_changed) {
        return;
    }
    struct account *a = e->accounts[s->account];
    struct agent_limits limits;
    a->view.order_count = a->orders.count;
    if (s->limits_changed) {
        limits = limits_of(e);
        a->view.limits = &limits;
    }
    seat_publish(s, &a->view);
    a->view.limits = NULL;
}

static void ring(struct engine *e, struct seat *s, uint64_t sequence, uint32_t events) {
    uint32_t wanted = events & (s->needs.events | AGENT_EVENT_FILL);
    if (!s->alive) {
        return;
    }
    if (wanted == 0 && s->fill_count == 0) {
        seat_lag(s, sequence);
    } else {
        publish(e, s);
        int64_t now = e->options.clock_ns ? e->options.clock_ns() : 0;
        if (seat_ring(s, sequence, wanted)) {
            s->rung_ns = now;
        }
    }
    if (!s->alive) {
        flow_seat_died(e, s);
    }
}

static void collect(struct engine *e, struct seat *s, int64_t timeout_ns, bool kill_late) {
    int answer = seat_collect(s, timeout_ns, kill_late);
    if (answer > 0 && e->options.clock_ns) {
        histogram_add(&s->latency, e->options.clock_ns() - s->rung_ns);
    }
    if (e->on_slot && answer != 0) {
        e->on_slot(e->on_slot_context, (uint32_t)(s - e->seats), answer);
    }
    if (answer > 0) {
        if (s->answer_count != 0 || s->log_count != 0) {
            flow_answer(e, s);
        }
    } else if (answer < 0) {
        flow_seat_died(e, s);
    } else if (!e->options.deadlines && timeout_ns >= WATCHDOG_NS) {
        seat_end(s, REASON_SLOT_DEADLINE, "no answer within the watchdog's 10 s");
        flow_seat_died(e, s);
        flow_fail(e, ERROR_SLOT, "a strategy did not answer within 10 s: the run is void");
    }
}

static bool orders_open(const struct engine *e) {
    for (uint32_t i = 0; i < e->account_count; i++) {
        if (e->accounts[i]->orders.count != 0 || e->accounts[i]->protects != 0) {
            return true;
        }
    }
    return false;
}

/* A deadline runs from the bell: several late seats cost the turn one deadline, not one each. */
static int64_t time_left(const struct engine *e, const struct seat *s, int64_t timeout_ns) {
    int64_t left = e->options.deadlines && e->options.clock_ns ? timeout_ns - (e->options.clock_ns() - s->rung_ns) : timeout_ns;
    return left > 0 ? left : 0;
}

/* Rings the active seats, lets the caller use the waiting time, collects in roster order, submits what they want. */
static void decide_active(struct engine *e, uint64_t sequence, uint32_t events) {
    int64_t start = e->options.clock_ns ? e->options.clock_ns() : 0;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        if (e->seats[i].active) {
            ring(e, &e->seats[i], sequence, events);
        }
    }
    if (e->idle) {
        e->idle(e->idle_context);
    }
    int64_t timeout = e->options.deadlines ? e->options.host->active_deadline_ns : WATCHDOG_NS;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        struct seat *s = &e->seats[i];
        if (s->active && s->asked) {
            collect(e, s, time_left(e, s, timeout), e->options.deadlines);
        }
    }
    if (!e->options.sink->brief || orders_open(e)) {
        flow_submit(e);
    }
    if (e->options.clock_ns) {
        histogram_add(&e->decision_ns, e->options.clock_ns() - start);
    }
}

void engine_candidates(struct engine *e) {
    bool any = false;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        struct seat *s = &e->seats[i];
        if (!s->active && s->asked) {
            collect(e, s, e->options.deadlines ? 0 : WATCHDOG_NS, false);
            any = any || !s->asked;
        }
    }
    if (any) {
        flow_submit(e);
    }
}

void engine_late(struct engine *e, uint32_t seat) {
    struct seat *s = &e->seats[seat];
    seat_end(s, REASON_SLOT_DEADLINE, "no answer in time");
    if (e->on_slot) {
        e->on_slot(e->on_slot_context, seat, -1);
    }
    flow_seat_died(e, s);
    flow_submit(e);
}

void engine_candidate(struct engine *e, uint32_t seat, int64_t timeout_ns) {
    struct seat *s = &e->seats[seat];
    if (!s->active && s->asked) {
        collect(e, s, timeout_ns, false);
        flow_submit(e);
    }
}

static void ring_candidates(struct engine *e, uint64_t sequence, uint32_t events) {
    for (uint32_t i = 0; i < e->seat_count; i++) {
        if (!e->seats[i].active) {
            ring(e, &e->seats[i], sequence, events);
        }
    }
    if (!e->options.deadlines) {
        engine_candidates(e);
    }
}

/* The highest equity so far is what the drawdown limit is counted from: a restart must find it. */
static void peaks_record(struct engine *e) {
    for (uint32_t i = 0; i < e->account_count && e->options.marks_journaled; i++) {
        if (e->accounts[i]->book.equity_peak_e8 != e->accounts[i]->peak_told_e8) {
            flow_book_record(e, e->accounts[i]);
        }
    }
}

static void turn(struct engine *e, uint32_t events) {
    e->turns++;
    peaks_record(e);
    uint64_t sequence = market_publish(&e->market, e->now_ns, events);
    decide_active(e, sequence, events);
    if (e->candidate_count != 0) {
        ring_candidates(e, sequence, events);
    }
}

/* ---- bars ---------------------------------------------------------------------------------------------------------------------- */

static void day_check(struct engine *e) {
    if (e->now_ns < e->next_day_ns) {
        return;
    }
    int64_t shifted = e->now_ns - e->options.risk->day_start_ns;
    int64_t day = shifted / DAY_NS - (shifted % DAY_NS < 0);
    e->next_day_ns = (day + 1) * DAY_NS + e->options.risk->day_start_ns;
    for (uint32_t i = 0; i < e->account_count; i++) {
        if (portfolio_day(&e->accounts[i]->book, day)) {
            flow_book_record(e, e->accounts[i]);
        }
    }
}

/* The bar reaches an account's venue; nothing happens there when nothing is open. */
static void bar_to_venue(struct account *a, const struct bar_turn *t, uint32_t k) {
    if (a->matcher) {
        if (!matcher_idle(a->matcher)) {
            matcher_on_bar(a->matcher, t->instrument[k], t->bar[k], t->close_ns);
        }
    } else if (a->vtable->flags & VENUE_NEEDS_MARKET) {
        struct venue_market event = {.kind = VENUE_BAR, .after_gap = t->after_gap[k], .instrument = t->instrument[k],
                                     .time_ns = t->close_ns, .bar = *t->bar[k]};
        a->vtable->on_market(a->venue, &event);
    }
}

/* Values what is held; true when anything is. */
static void mark(struct engine *e, const struct bar_turn *t) {
    for (uint32_t i = 0; i < e->account_count; i++) {
        struct account *a = e->accounts[i];
        if (a->book.open_count == 0) {
            continue; /* nothing held: nothing moves */
        }
        for (uint32_t k = 0; k < t->count; k++) {
            const struct bar *b = t->bar[k];
            if (portfolio_mark(&a->book, e->options.instruments, t->instrument[k], b->close, b->low, b->high)) {
                flow_fail(e, ERROR_OVERFLOW, "a position is worth more than the books can count");
            }
        }
        portfolio_settle(&a->book);
        for (uint32_t s = 0; s < e->seat_count; s++) {
            e->seats[s].marks_changed = e->seats[s].marks_changed || e->seats[s].account == i;
        }
    }
}

void engine_bars(struct engine *e, const struct bar_turn *t, const struct agent_bar *converted) {
    e->now_ns = t->close_ns;
    if (e->options.runfile) {
        runfile_bar(e->options.runfile, t->close_ns);
    }
    day_check(e);
    for (uint32_t k = 0; k < t->count; k++) {
        e->prices[t->instrument[k]] = t->bar[k]->close;
        e->data_ns[t->instrument[k]] = t->close_ns;
        for (uint32_t i = 0; i < e->account_count; i++) {
            bar_to_venue(e->accounts[i], t, k);
        }
    }
    if (e->report_count != 0) {
        engine_reports(e);
    }
    mark(e, t);
    for (uint32_t k = 0; k < t->count; k++) {
        market_append_bar(&e->market, t->instrument[k], t->bar[k], t->after_gap[k], converted ? &converted[k] : NULL, t->close_ns);
    }
    if (e->options.risk->hold_max_ns != 0 || orders_open(e)) {
        flow_expire(e);
    }
    turn(e, AGENT_EVENT_BAR);
}

static void market_to_venues(struct engine *e, const struct venue_market *event) {
    for (uint32_t i = 0; i < e->account_count; i++) {
        struct account *a = e->accounts[i];
        if (a->vtable != &match_venue && a->vtable->flags & VENUE_NEEDS_MARKET) {
            a->vtable->on_market(a->venue, event);
        }
    }
    engine_reports(e);
}

/* Trades come between turns as well: a slot still reading the cell that the next one takes is ended before. */
static void overtaken_end(struct engine *e, uint16_t instrument) {
    for (uint32_t i = 0; i < e->seat_count; i++) {
        struct seat *s = &e->seats[i];
        if (s->asked && s->needs.ticks != 0 && market_tick_overtakes(&e->market, instrument, s->rung_sequence, s->needs.ticks)) {
            seat_end(s, REASON_SLOT_LAG, "too many trades behind");
            flow_seat_died(e, s);
        }
    }
}

void engine_trade(struct engine *e, uint16_t instrument, int64_t price_ticks, int64_t size_e8, int64_t time_ns, bool start_turn) {
    e->now_ns = time_ns > e->now_ns ? time_ns : e->now_ns;
    struct venue_market event = {.kind = VENUE_TRADE, .instrument = instrument, .time_ns = time_ns, .trade_ticks = price_ticks,
                                 .trade_size_e8 = size_e8};
    if (e->options.ticks) {
        overtaken_end(e, instrument);
        market_append_tick(&e->market, instrument, time_ns, price_ticks, size_e8);
    }
    market_to_venues(e, &event);
    if (start_turn) {
        turn(e, AGENT_EVENT_TRADE);
    }
}

void engine_quote(struct engine *e, uint16_t instrument, const struct quote *q, bool start_turn) {
    e->now_ns = q->time_ns > e->now_ns ? q->time_ns : e->now_ns;
    day_check(e);
    int64_t price = q->last_ticks ? q->last_ticks : q->bid_ticks && q->ask_ticks ? (q->bid_ticks + q->ask_ticks) / 2 : 0;
    if (price != 0) {
        e->prices[instrument] = price;
        e->data_ns[instrument] = q->time_ns;
        for (uint32_t i = 0; i < e->account_count; i++) {
            struct account *a = e->accounts[i];
            if (a->book.open_count != 0) {
                if (portfolio_mark(&a->book, e->options.instruments, instrument, price, 0, 0)) {
                    flow_fail(e, ERROR_OVERFLOW, "a position is worth more than the books can count");
                }
                portfolio_settle(&a->book);
            }
        }
        for (uint32_t s = 0; s < e->seat_count; s++) {
            e->seats[s].marks_changed = true;
        }
    }
    struct venue_market event = {.kind = VENUE_QUOTE, .instrument = instrument, .time_ns = q->time_ns, .quote = *q};
    market_to_venues(e, &event);
    market_set_quote(&e->market, instrument, q);
    flow_expire(e);
    if (start_turn) {
        turn(e, AGENT_EVENT_QUOTE);
    }
}

/* ---- the rest of the events ------------------------------------------------------------------------------------------------------ */

void engine_timer(struct engine *e, int64_t now_ns) {
    e->now_ns = now_ns > e->now_ns ? now_ns : e->now_ns;
    day_check(e);
    peaks_record(e);
    flow_expire(e);
    flow_submit(e);
}

static void trading_record(struct engine *e, int reason, const char *text) {
    struct body_trading body = {.state = e->trading_state, .kill_switch = e->kill_switch, .reason = reason};
    snprintf(body.text, sizeof(body.text), "%s", text ? text : "");
    struct record record;
    record_fill(&record, RECORD_TRADING, e->now_ns, &body, sizeof(body));
    engine_record(e, &record, true);
}

void engine_trading(struct engine *e, enum trading_state state, bool kill_switch, int reason, const char *text) {
    if (state == e->trading_state && kill_switch == e->kill_switch) {
        return;
    }
    e->trading_state = (uint8_t)state;
    e->kill_switch = kill_switch;
    trading_record(e, reason, text);
    for (uint32_t i = 0; i < e->seat_count; i++) {
        e->seats[i].limits_changed = true;
    }
    if (state != TRADING_ACTIVE || kill_switch) {
        flow_cancel_entries(e, e->accounts[0], -1, flow_trading_reason(reason, kill_switch));
    }
    flow_submit(e);
}

void engine_flatten(struct engine *e, const char *text) {
    if (e->trading_state == TRADING_ACTIVE) {
        engine_trading(e, TRADING_REDUCING, e->kill_switch, REASON_FLATTEN, text);
    } else {
        trading_record(e, REASON_FLATTEN, text); /* a restart must find it: see fold_trading() */
    }
    struct account *a = e->accounts[0];
    for (uint32_t k = 0; k < a->book.position_count; k++) {
        if (a->book.positions[k].lots != 0) {
            wish_spend(&a->wishes[k], AGENT_END_FLATTEN, REASON_FLATTEN);
            flow_close(e, a, (uint16_t)k, REASON_FLATTEN);
        }
    }
    flow_submit(e);
}

void engine_limits(struct engine *e, const struct risk_policy *risk) {
    e->options.risk = risk;
    e->limits_generation++;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        e->seats[i].limits_changed = true;
    }
}

void flow_halt(struct engine *e, const struct account *a, int reason, const char *text) {
    if (a->index == 0) {
        engine_trading(e, TRADING_HALTED, e->kill_switch, reason, text);
        return;
    }
    struct body_note body = {.kind = WIRE_LOG, .level = 2};
    snprintf(body.text, sizeof(body.text), "paper account of a candidate: %.100s", text);
    struct record record;
    record_fill(&record, RECORD_NOTE, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(a->index, RECORD_NO_AGENT);
    engine_record(e, &record, false);
}

void flow_book_record(struct engine *e, struct account *a) {
    const struct book *b = &a->book;
    a->peak_told_e8 = b->equity_peak_e8;
    struct body_book body = {.cash_e8 = b->cash_e8, .deposits_e8 = b->deposits_e8, .realised_e8 = b->realised_e8, .fees_e8 = b->fees_e8,
                             .equity_e8 = b->equity_e8, .equity_peak_e8 = b->equity_peak_e8,
                             .day_start_equity_e8 = b->day_start_equity_e8, .day = b->day, .drawdown_worst_ppm = b->drawdown_worst_ppm,
                             .trades_closed = b->trades_closed};
    struct record record;
    record_fill(&record, RECORD_BOOK, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(a->index, RECORD_NO_AGENT);
    engine_record(e, &record, false);
}

static void position_record(struct engine *e, const struct account *a, uint32_t index) {
    const struct position *p = &a->book.positions[index];
    struct body_book body = {.lots = p->lots, .cost_e8 = p->cost_e8, .mark_ticks = p->mark_ticks, .value_e8 = p->value_e8};
    memcpy(body.tag, p->tag, sizeof(body.tag));
    struct record record;
    record_fill(&record, RECORD_BOOK, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(a->index, p->agent);
    record.instrument = p->instrument;
    record.position = index;
    engine_record(e, &record, false);
}

void engine_finish(struct engine *e) {
    for (uint32_t i = 0; i < e->account_count; i++) {
        struct account *a = e->accounts[i];
        for (uint32_t k = 0; k < a->book.position_count; k++) {
            position_record(e, a, k);
        }
        flow_book_record(e, a);
        if (!portfolio_exact(&a->book)) {
            flow_fail(e, ERROR_INTEGRITY, "the books do not add up: cash + cost differs from deposits + realised - fees");
        }
    }
    flow_submit(e);
}

int engine_no_trade_reason(const struct engine *e) {
    if (e->fills != 0) {
        return REASON_NONE;
    }
    int most = REASON_NONE;
    for (int i = 1; i < REASONS_SEEN; i++) {
        if (e->refusals[i] > (most == REASON_NONE ? 0 : e->refusals[most])) {
            most = i;
        }
    }
    if (most != REASON_NONE) {
        return most;
    }
    return e->orders != 0 ? REASON_NEVER_FILLED : REASON_NO_SIGNAL;
}
