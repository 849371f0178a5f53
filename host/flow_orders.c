/*
 * flow_orders.c - wishes -> gate -> intents -> venue.
 *
 * Guarantees: every order has passed gate_apply() and has its ORDER record (the intent) appended before anything else; it
 * leaves only through router_send() with the token that covers this record, after gate_recheck(). A decision first takes
 * back the orders of the one before; where the venue answers later, the position waits (replan) and nothing is doubled.
 */
#include <stdio.h>
#include <string.h>

#include "flow_parts.h"

static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

/* ---- records ------------------------------------------------------------------------------------------------------------------ */

static void record_about(struct record *r, const struct account *a, uint16_t position) {
    const struct position *p = &a->book.positions[position];
    r->agent = record_agent(a->index, p->agent);
    r->instrument = p->instrument;
    r->position = position;
}

static void refusal_count(struct engine *e, const struct account *a, int reason) {
    if (a->index == 0 && reason > 0 && reason < REASONS_SEEN) {
        e->refusals[reason]++;
    }
}

/* Text of a wish into zeroed bytes; wish_form() has looked at every character but those of malformed wishes. */
static void text_take(char *to, const char *from, size_t size, enum body_wish_outcome outcome) {
    if (outcome != BODY_WISH_MALFORMED) {
        memcpy(to, from, strnlen(from, size - 1));
        return;
    }
    for (size_t i = 0; i + 1 < size && from[i] != '\0'; i++) {
        to[i] = from[i] >= ' ' && from[i] < 127 ? from[i] : '?';
    }
}

static uint64_t wish_record(struct engine *e, const struct account *a, int position, const struct agent_wish *raw,
                            const struct wish *w, enum body_wish_outcome outcome, int reason) {
    struct body_wish body = {.wish_id = raw->wish_id, .outcome = outcome, .reason = reason};
    if (w) {
        body.target_lots = w->target_lots;
        body.worst_ticks = w->worst_ticks;
        body.stop_ticks = w->stop_ticks;
        body.target_ticks = w->target_ticks;
        body.ttl_ns = w->ttl_ns;
        body.confidence_ppm = w->confidence_ppm;
        body.expected_r_ppm = w->expected_r_ppm;
        body.probability_lb_ppm = w->probability_lb_ppm;
        body.trigger_id = w->trigger_id;
    }
    text_take(body.tag, raw->tag, sizeof(body.tag), outcome);
    text_take(body.text, raw->reason, sizeof(body.text), outcome);
    struct record record;
    record_fill(&record, RECORD_WISH, e->now_ns, &body, sizeof(body));
    if (position >= 0) {
        record_about(&record, a, (uint16_t)position);
    } else {
        record.agent = record_agent(a->index, RECORD_NO_AGENT);
        record.instrument = raw->instrument < e->options.instrument_count ? (uint16_t)raw->instrument : RECORD_NO_INDEX;
    }
    engine_record(e, &record, false);
    return record.id;
}

static void step_record(struct engine *e, const struct account *a, const struct order *o) {
    bool trivial = o->state == ORDER_DURABLE || o->state == ORDER_SENT || o->state == ORDER_ACKED || o->state == ORDER_FILLED ||
                   o->state == ORDER_PARTIAL;
    if (trivial && e->options.sink->brief) {
        return; /* a backtest takes these at once: ORDER and FILL say it all */
    }
    struct body_step body = {.order_id = o->order_id, .filled_lots = o->filled_lots, .reason = o->reason, .state = o->state};
    struct record record;
    record_fill(&record, RECORD_STEP, e->now_ns, &body, sizeof(body));
    record_about(&record, a, o->position);
    record.id = o->order_id;
    record.parent = o->order_id;
    engine_record(e, &record, o->purpose != PURPOSE_ENTRY);
}

/* ---- orders -------------------------------------------------------------------------------------------------------------------- */

void flow_working(struct account *a, const struct order *o, int64_t lots) {
    struct position *p = &a->book.positions[o->position];
    if (o->lots > 0) {
        p->working_buy_lots += lots;
    } else {
        p->working_sell_lots += lots;
    }
}

void flow_order_ended(struct account *a, const struct order *o) {
    a->ended[a->ended_count++ % ORDERS_ENDED_MAX] = *o;
    order_table_remove(&a->orders, o->order_id);
}

struct order *flow_ended_find(struct account *a, uint64_t order_id, const char *client_id) {
    uint64_t kept = a->ended_count < ORDERS_ENDED_MAX ? a->ended_count : ORDERS_ENDED_MAX;
    for (uint64_t i = 0; i < kept; i++) {
        struct order *o = &a->ended[i];
        if (client_id ? strncmp(o->client_id, client_id, NAME_MAX_BYTES) == 0 : o->order_id == order_id) {
            return o;
        }
    }
    return NULL;
}

/* The host took it back, for a reason that lies outside of the order. */
static bool taken_back(int reason) {
    return reason == REASON_KILL_SWITCH || reason == REASON_TRADING_REDUCING || reason == REASON_TRADING_HALTED || reason == REASON_FLATTEN ||
           reason >= REASON_SLOT_DEADLINE;
}

void flow_wish_hears(struct wish *w, const struct order *o) {
    int reason = o->reason;
    if (w->id != o->wish_id || reason == REASON_ORDER_SUPERSEDED || o->state == ORDER_FILLED) {
        return;
    }
    if (o->state == ORDER_EXPIRED || reason == REASON_ORDER_TTL) {
        wish_spend(w, AGENT_END_TTL, REASON_ORDER_TTL);
    } else if (o->state == ORDER_REJECTED) {
        wish_spend(w, AGENT_END_REJECTED, REASON_VENUE_REJECTED);
    } else if (reason == REASON_VENUE_UNREACHABLE) {
        wish_spend(w, AGENT_END_REJECTED, reason);
    } else if (reason == REASON_JOURNAL_FAILED || (o->purpose == PURPOSE_ENTRY && reason == REASON_STALE_INTENT) ||
               (o->purpose == PURPOSE_ENTRY && (reason == REASON_DATA_MISSING || reason == REASON_DATA_STALE))) {
        wish_spend(w, AGENT_END_REFUSED, reason);
    } else if (o->purpose == PURPOSE_ENTRY) {
        wish_spend(w, taken_back(reason) ? AGENT_END_FLATTEN : AGENT_END_REJECTED, taken_back(reason) ? reason : REASON_VENUE_REJECTED);
    }
}

void flow_step(struct engine *e, struct account *a, struct order *o, enum order_state to, int reason) {
    int64_t open = abs64(order_remaining_lots(o));
    if (order_step(o, to, reason) != 0) {
        char text[96];
        snprintf(text, sizeof(text), "order %llu: %s -> %s", (unsigned long long)o->order_id, order_state_name(o->state), order_state_name((int)to));
        flow_halt(e, a, REASON_ILLEGAL_STEP, text);
        return;
    }
    step_record(e, a, o);
    struct seat *s = flow_seat_of(e, a, o->agent);
    if (s) {
        s->book_changed = true;
    }
    if (!order_is_open(o)) {
        flow_wish_hears(&a->wishes[o->position], o);
        flow_working(a, o, -open);
        flow_order_ended(a, o);
    }
}

/* Makes an order out of an allowed proposal; its record is the intent. */
static struct order *order_make(struct engine *e, struct account *a, const struct proposal *p, int64_t lots, uint64_t verdict, int reason) {
    struct order o = {.order_id = e->next_order, .wish_id = p->wish_id, .agent = p->agent, .instrument = p->instrument,
                      .position = p->position, .purpose = p->purpose, .state = ORDER_NEW, .reason = reason, .lots = lots,
                      .limit_ticks = p->worst_ticks, .mark_ticks = e->prices[p->instrument], .stop_ticks = p->stop_ticks,
                      .target_ticks = p->target_ticks, .created_ns = e->now_ns, .created_mono_ns = e->mono_ns,
                      .expires_ns = p->expires_ns, .verdict_id = verdict};
    order_client_id(o.client_id, e->options.instance, o.order_id);
    struct order *kept = order_table_add(&a->orders, &o);
    if (!kept) {
        return NULL;
    }
    e->next_order++;
    e->orders += a->index == 0;
    struct body_order body = {.order_id = o.order_id, .wish_id = o.wish_id, .verdict_id = verdict, .lots = o.lots,
                              .limit_ticks = o.limit_ticks, .mark_ticks = o.mark_ticks, .stop_ticks = o.stop_ticks,
                              .target_ticks = o.target_ticks, .created_ns = o.created_ns, .expires_ns = o.expires_ns,
                              .reason = o.reason, .purpose = o.purpose};
    memcpy(body.client_id, o.client_id, sizeof(body.client_id));
    struct record record;
    record_fill(&record, RECORD_ORDER, e->now_ns, &body, sizeof(body));
    record_about(&record, a, o.position);
    record.id = o.order_id;
    record.parent = verdict;
    kept->intent = engine_record(e, &record, o.purpose != PURPOSE_ENTRY);
    flow_working(a, kept, abs64(lots));
    if (kept->intent == 0) {
        flow_step(e, a, kept, ORDER_CANCELLED, REASON_JOURNAL_FAILED);
        return NULL;
    }
    return kept;
}

static struct gate_facts facts_of(const struct engine *e, const struct account *a, uint16_t instrument) {
    int64_t two_bars = 2 * e->options.timeframe_ns, age = e->options.risk->data_age_max_ns;
    return (struct gate_facts){.risk = e->options.risk, .book = &a->book, .instruments = e->options.instruments,
                               .orders = a->orders.open, .order_count = a->orders.count, .now_ns = e->now_ns,
                               .mono_ns = e->mono_ns,
                               .data_ns = e->data_ns[instrument], .data_age_max_ns = age > two_bars ? age : two_bars,
                               .price_ticks = e->prices[instrument], .trading_state = e->trading_state, .kill_switch = e->kill_switch};
}

static uint64_t verdict_record(struct engine *e, const struct account *a, const struct proposal *p, const struct verdict *v, uint64_t wish_record_id) {
    struct body_verdict body = {.wish_id = p->wish_id, .asked_lots = p->lots, .allowed_lots = v->lots, .value = v->value,
                                .limit = v->limit, .reason = v->reason, .rule = v->rule, .purpose = p->purpose};
    struct record record;
    record_fill(&record, RECORD_VERDICT, e->now_ns, &body, sizeof(body));
    record_about(&record, a, p->position);
    record.parent = wish_record_id;
    engine_record(e, &record, false);
    return record.id;
}

/* Asks the gate and makes the order. Returns the lots allowed, 0 when refused. */
static int64_t propose(struct engine *e, struct account *a, const struct proposal *p, int reason) {
    struct verdict v;
    int64_t start = e->options.clock_ns ? e->options.clock_ns() : 0;
    struct gate_facts facts = facts_of(e, a, p->instrument);
    gate_apply(&facts, p, &v);
    if (e->options.clock_ns) {
        histogram_add(&e->gate_ns, e->options.clock_ns() - start);
    }
    struct wish *w = &a->wishes[p->position];
    uint64_t id = verdict_record(e, a, p, &v, w->record_id);
    if (v.reason != REASON_NONE) {
        refusal_count(e, a, v.reason);
        if (p->purpose == PURPOSE_ENTRY) {
            wish_spend(w, AGENT_END_REFUSED, v.reason);
        }
        return 0;
    }
    if (!order_make(e, a, p, v.lots, id, reason)) {
        wish_spend(w, AGENT_END_REFUSED, REASON_JOURNAL_FAILED); /* there may be no order that could tell it */
        return 0;
    }
    if (p->purpose == PURPOSE_ENTRY) {
        a->book.agents[p->agent].trades_today++;
    }
    return v.lots;
}

/* ---- plans: from what is held to what is wished -------------------------------------------------------------------------------------- */

/* Takes back working entries and exits of a position. True when none is left. */
static bool orders_taken_back(struct engine *e, struct account *a, uint16_t position, int reason) {
    bool left = false;
    uint64_t id = 0;
    for (struct order *o; (o = order_table_after(&a->orders, id)) != NULL;) {
        id = o->order_id;
        if (o->position != position) {
            continue;
        }
        if (o->state <= ORDER_DURABLE) {
            flow_step(e, a, o, ORDER_CANCELLED, reason);
            continue;
        }
        if (o->state != ORDER_UNKNOWN) {
            o->reason = reason;
            (void)a->vtable->cancel(a->venue, o, e->now_ns);
            engine_reports(e);
        }
        left = left || order_table_find(&a->orders, id);
    }
    return !left;
}

void flow_protect(struct engine *e, struct account *a, uint16_t position, int64_t stop, int64_t target, bool tell_venue) {
    struct position *p = &a->book.positions[position];
    bool same = p->stop_ticks == stop && p->target_ticks == target;
    if (same && p->stop_wish_id == a->wishes[position].id) {
        return; /* else it is told, for the fold: whose stop this is decides whether the wish is spent with it */
    }
    p->stop_ticks = stop;
    p->target_ticks = target;
    p->stop_wish_id = a->wishes[position].id;
    struct body_protect body = {.stop_ticks = stop, .target_ticks = target};
    struct record record;
    record_fill(&record, RECORD_PROTECT, e->now_ns, &body, sizeof(body));
    record_about(&record, a, position);
    record.parent = a->wishes[position].record_id;
    uint64_t intent = engine_record(e, &record, true);
    if (tell_venue && !same && intent != 0) {
        a->protects += a->protect_intent[position] == 0;
        a->protect_intent[position] = intent;
    }
}

/* New stops leave like orders do: after their record. */
static void protects_release(struct engine *e, struct account *a, const struct durable_token *token) {
    for (uint32_t k = 0; a->protects != 0 && k < a->book.position_count; k++) {
        if (a->protect_intent[k] != 0 && a->protect_intent[k] <= token->through) {
            a->protect_intent[k] = 0;
            a->protects--;
            flow_protect_again(e, a, (uint16_t)k);
        }
    }
}

void flow_protect_again(struct engine *e, struct account *a, uint16_t position) {
    const struct position *p = &a->book.positions[position];
    if (p->lots != 0 && (p->stop_ticks != 0 || p->target_ticks != 0)) {
        (void)a->vtable->protect(a->venue, p->instrument, position, p->stop_ticks, p->target_ticks, e->now_ns);
    }
}

/* What one order has to do next for this wish; lots 0 = nothing. */
static struct proposal proposal_of(const struct account *a, uint16_t position) {
    const struct position *p = &a->book.positions[position];
    const struct wish *w = &a->wishes[position];
    int64_t held = p->lots, wanted = w->target_lots;
    bool turns = held != 0 && wanted != 0 && (held > 0) != (wanted > 0);
    int64_t delta = turns ? -held : wanted - held;
    bool exits = held != 0 && (held > 0) != (delta > 0);
    struct proposal q = {.wish_id = w->id, .agent = p->agent, .instrument = p->instrument, .position = position,
                         .purpose = exits ? PURPOSE_EXIT : PURPOSE_ENTRY, .lots = delta};
    q.worst_ticks = turns ? 0 : w->worst_ticks; /* the worst price of a wish that turns is its entry's */
    q.expires_ns = w->ttl_ns != 0 ? w->decided_ns + w->ttl_ns : 0;
    if (!exits) {
        q.stop_ticks = w->stop_ticks;
        q.target_ticks = w->target_ticks;
    }
    return q;
}

void flow_plan(struct engine *e, struct account *a, uint16_t position) {
    struct wish *w = &a->wishes[position];
    struct position *p = &a->book.positions[position];
    if (!orders_taken_back(e, a, position, REASON_ORDER_SUPERSEDED)) {
        a->replan[position] = true;
        return;
    }
    a->replan[position] = false;
    if (w->state != AGENT_WISH_LIVE) {
        return;
    }
    if (p->lots == w->target_lots && p->lots == 0) {
        wish_spend(w, AGENT_END_CLOSED, REASON_WISH_EXIT);
        return;
    }
    struct proposal q = proposal_of(a, position);
    bool same_side = p->lots != 0 && w->target_lots != 0 && (p->lots > 0) == (w->target_lots > 0);
    int64_t allowed = 0;
    if (q.lots != 0) {
        allowed = propose(e, a, &q, q.purpose == PURPOSE_EXIT ? REASON_WISH_EXIT : REASON_NONE);
        if (q.purpose == PURPOSE_ENTRY && allowed != 0 && allowed != q.lots) {
            w->target_lots = p->lots + allowed;
            w->shrunk = true;
        }
    }
    if (same_side && w->state == AGENT_WISH_LIVE) {
        flow_protect(e, a, position, w->stop_ticks, w->target_ticks, true);
    }
}

void flow_close(struct engine *e, struct account *a, uint16_t position, int reason) {
    struct position *p = &a->book.positions[position];
    for (uint32_t i = 0; i < a->orders.count; i++) {
        const struct order *o = &a->orders.open[i];
        if (o->position == position && o->purpose == PURPOSE_HOST) {
            return; /* already on its way */
        }
    }
    struct wish *w = &a->wishes[position];
    bool free = orders_taken_back(e, a, position, reason);
    a->closing[position] = free ? REASON_NONE : reason;
    if (free && p->lots == 0 && a->replan[position]) {
        flow_plan(e, a, position);
    }
    if (free && p->lots != 0) {
        wish_spend(w, reason == REASON_MAX_HOLD ? AGENT_END_MAX_HOLD : AGENT_END_FLATTEN, reason); /* the fold: with the order */
        struct proposal q = {.wish_id = w->id, .agent = p->agent, .instrument = p->instrument, .position = position,
                             .purpose = PURPOSE_HOST, .lots = -p->lots};
        propose(e, a, &q, reason);
    }
}

void flow_resume(struct engine *e, struct account *a, uint16_t position) {
    if (a->closing[position] != REASON_NONE) {
        flow_close(e, a, position, a->closing[position]);
    } else if (a->replan[position]) {
        flow_plan(e, a, position);
    }
}

void flow_entries_spent(struct account *a, int agent, int reason) {
    for (uint32_t i = 0; i < a->orders.count; i++) {
        const struct order *o = &a->orders.open[i];
        if (o->purpose == PURPOSE_ENTRY && (agent < 0 || o->agent == agent) && a->wishes[o->position].id == o->wish_id) {
            wish_spend(&a->wishes[o->position], AGENT_END_FLATTEN, reason);
        }
    }
}

int flow_trading_reason(int reason, bool kill_switch) {
    return reason == REASON_FLATTEN ? REASON_FLATTEN : kill_switch ? REASON_KILL_SWITCH : REASON_TRADING_REDUCING;
}

void flow_cancel_entries(struct engine *e, struct account *a, int agent, int reason) {
    flow_entries_spent(a, agent, reason);
    uint64_t id = 0;
    for (struct order *o; (o = order_table_after(&a->orders, id)) != NULL;) {
        id = o->order_id;
        if (o->purpose != PURPOSE_ENTRY || (agent >= 0 && o->agent != agent)) {
            continue;
        }
        if (o->state <= ORDER_DURABLE) {
            flow_step(e, a, o, ORDER_CANCELLED, reason);
        } else if (o->state != ORDER_UNKNOWN && a->vtable) {
            o->reason = reason;
            (void)a->vtable->cancel(a->venue, o, e->now_ns);
            engine_reports(e);
        }
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------ */

static void notes_record(struct engine *e, const struct seat *s) {
    for (uint32_t i = 0; i < s->log_count; i++) {
        const struct wire_log *l = &s->logs[i];
        struct body_note body = {.kind = l->kind, .level = l->level, .value = l->value};
        for (size_t k = 0; k + 1 < sizeof(body.name) && l->name[k] != '\0'; k++) {
            body.name[k] = l->name[k] >= ' ' && l->name[k] < 127 ? l->name[k] : '?';
        }
        for (size_t k = 0; k + 1 < sizeof(body.text) && l->text[k] != '\0'; k++) {
            body.text[k] = l->text[k] >= ' ' && l->text[k] < 127 ? l->text[k] : '?';
        }
        struct record record;
        record_fill(&record, RECORD_NOTE, e->now_ns, &body, sizeof(body));
        record.agent = record_agent(s->account, s->agent);
        engine_record(e, &record, false);
    }
}

/* A refusal that has no position to be kept with: told once, not every turn. */
static void refuse_placeless(struct engine *e, struct seat *s, struct account *a, const struct agent_wish *raw, int reason) {
    if (memcmp(&s->refused, raw, sizeof(*raw)) != 0) {
        s->refused = *raw;
        wish_record(e, a, -1, raw, NULL, BODY_WISH_REFUSED, reason);
        refusal_count(e, a, reason);
    }
}

static void entries_of_position_back(struct engine *e, struct account *a, uint16_t position) {
    uint64_t id = 0;
    for (struct order *o; (o = order_table_after(&a->orders, id)) != NULL;) {
        id = o->order_id;
        if (o->position != position || o->purpose != PURPOSE_ENTRY || o->state == ORDER_UNKNOWN) {
            continue;
        }
        if (o->state <= ORDER_DURABLE) {
            flow_step(e, a, o, ORDER_CANCELLED, REASON_ORDER_SUPERSEDED);
        } else {
            o->reason = REASON_ORDER_SUPERSEDED;
            (void)a->vtable->cancel(a->venue, o, e->now_ns);
            engine_reports(e);
        }
    }
}

static void wish_apply(struct engine *e, struct seat *s, struct account *a, const struct agent_wish *raw) {
    int found = portfolio_position(&a->book, s->agent, (uint16_t)raw->instrument, raw->tag);
    if (found < 0) {
        refuse_placeless(e, s, a, raw, REASON_WISH_TAGS_FULL);
        return;
    }
    uint16_t position = (uint16_t)found;
    struct wish *w = &a->wishes[position];
    const struct agent_account *own = &a->book.agents[s->agent];
    struct wish_context context = {.instrument = &e->options.instruments[raw->instrument], .price_ticks = e->prices[raw->instrument],
                                   .held_lots = a->book.positions[position].lots, .equity_e8 = agent_equity_e8(own), .now_ns = e->now_ns,
                                   .ttl_default_ns = e->options.risk->ttl_ns, .modifications_max = e->options.risk->modifications_max};
    seat_adopt_position(s, position);
    int reason;
    enum wish_outcome outcome = wish_update(w, raw, &context, &reason);
    if (outcome == WISH_UNCHANGED) {
        return;
    }
    s->book_changed = true;
    e->wishes += a->index == 0;
    if (outcome == WISH_REFUSAL) {
        wish_record(e, a, position, raw, NULL, BODY_WISH_REFUSED, reason);
        refusal_count(e, a, reason);
        if (w->id == raw->wish_id && w->state == AGENT_WISH_SPENT) {
            entries_of_position_back(e, a, position); /* a used-up id leaves nothing of the older wish on its way in */
        }
        return;
    }
    a->book.positions[position].wish_id = w->id;
    w->record_id = wish_record(e, a, position, raw, w, outcome == WISH_DECISION ? BODY_WISH_DECISION : BODY_WISH_AMENDMENT, REASON_NONE);
    flow_plan(e, a, position);
}

void flow_answer(struct engine *e, struct seat *s) {
    struct account *a = e->accounts[s->account];
    notes_record(e, s);
    for (int32_t i = 0; i < s->answer_count; i++) {
        const struct agent_wish *raw = &s->answer[i];
        int reason = wish_form(raw, e->options.instrument_count);
        if (reason != REASON_NONE) {
            wish_record(e, a, -1, raw, NULL, BODY_WISH_MALFORMED, reason);
            refusal_count(e, a, reason);
            seat_end(s, REASON_SLOT_MALFORMED, reason_text(reason));
            flow_seat_died(e, s);
            return;
        }
        wish_apply(e, s, a, raw);
    }
}

void flow_wishes_orphaned(struct account *a, uint16_t agent, int reason) {
    for (uint32_t k = 0; k < a->book.position_count; k++) {
        const struct position *p = &a->book.positions[k];
        struct wish *w = &a->wishes[k];
        bool same_side = w->target_lots == 0 || (p->lots != 0 && (p->lots > 0) == (w->target_lots > 0));
        if (p->agent == agent && w->state == AGENT_WISH_LIVE && !(same_side && abs64(w->target_lots) <= abs64(p->lots))) {
            wish_spend(w, AGENT_END_FLATTEN, reason);
        }
    }
}

void flow_seat_died(struct engine *e, struct seat *s) {
    struct account *a = e->accounts[s->account];
    struct body_slot body = {.reason = s->death.reason, .event = BODY_SLOT_DIED, .turns = s->turns, .gaps = s->gaps};
    memcpy(body.name, s->name, sizeof(body.name));
    snprintf(body.text, sizeof(body.text), "%.190s", s->death.text);
    struct record record;
    record_fill(&record, RECORD_SLOT, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(s->account, s->agent);
    engine_record(e, &record, true);
    flow_wishes_orphaned(a, s->agent, s->death.reason);
    flow_cancel_entries(e, a, s->agent, s->death.reason);
}

/* ---- intents become durable, orders leave ---------------------------------------------------------------------------------------------- */

void flow_submit(struct engine *e) {
    struct durable_token token;
    bool waiting = false;
    for (uint32_t i = 0; i < e->account_count && !waiting; i++) {
        struct order_table *t = &e->accounts[i]->orders;
        waiting = e->accounts[i]->protects != 0;
        for (uint32_t k = 0; k < t->count && !waiting; k++) {
            waiting = t->open[k].state == ORDER_NEW;
        }
    }
    if ((waiting || !e->options.sink->brief) && e->options.sink->submit(e->options.sink->context, &token)) {
        engine_durable(e, &token);
    }
}

void engine_lost(struct engine *e, bool (*lost)(void *context, uint64_t sequence), void *context) {
    for (uint32_t n = 0; n < e->account_count; n++) {
        struct account *a = e->accounts[n];
        for (uint32_t i = 0; i < a->orders.count;) {
            struct order *o = &a->orders.open[i];
            bool gone = o->state == ORDER_NEW && lost(context, o->intent);
            if (gone) {
                flow_step(e, a, o, ORDER_CANCELLED, REASON_JOURNAL_FAILED);
            }
            i += !gone;
        }
    }
}

static void order_release(struct engine *e, struct account *a, uint64_t id, const struct durable_token *token) {
    struct order *o = order_table_find(&a->orders, id);
    if (o->state == ORDER_NEW) {
        flow_step(e, a, o, ORDER_DURABLE, REASON_NONE);
    }
    struct gate_facts facts = facts_of(e, a, o->instrument);
    int reason = gate_recheck(&facts, o, e->options.host->intent_age_max_ns);
    if (reason == REASON_NONE && a->link_down) {
        reason = o->purpose == PURPOSE_ENTRY ? REASON_VENUE_UNREACHABLE : REASON_NONE;
        if (reason == REASON_NONE) {
            return; /* an exit waits for the link */
        }
    }
    if (reason != REASON_NONE) {
        refusal_count(e, a, reason);
        flow_step(e, a, o, ORDER_CANCELLED, reason);
        return;
    }
    int code = router_send(o, token, a->vtable, a->venue, e->now_ns);
    if (code == 0) {
        step_record(e, a, o);
    } else if (code == ERROR_REFUSED) {
        flow_fail(e, code, "the router refused an order whose intent is not durable");
    } else if (o->purpose == PURPOSE_ENTRY) {
        flow_step(e, a, o, ORDER_CANCELLED, REASON_VENUE_UNREACHABLE);
    } /* else nothing left, and the exit is still needed: held back, it goes with the next commit */
}

void engine_durable(struct engine *e, const struct durable_token *token) {
    for (uint32_t n = 0; n < e->account_count; n++) {
        struct account *a = e->accounts[n];
        uint64_t id = 0;
        protects_release(e, a, token);
        for (struct order *o; (o = order_table_after(&a->orders, id)) != NULL;) {
            id = o->order_id;
            bool held_back = o->state == ORDER_DURABLE && !a->link_down && o->purpose != PURPOSE_ENTRY;
            if ((o->state == ORDER_NEW && o->intent <= token->through) || held_back) {
                order_release(e, a, id, token);
            }
        }
    }
    engine_reports(e);
}

/* ---- time --------------------------------------------------------------------------------------------------------------------------------- */

static void orders_expire(struct engine *e, struct account *a) {
    uint64_t id = 0;
    for (struct order *o; (o = order_table_after(&a->orders, id)) != NULL;) {
        id = o->order_id;
        if (o->expires_ns != 0 && e->now_ns >= o->expires_ns && o->state < ORDER_UNKNOWN) {
            if (o->state <= ORDER_DURABLE) {
                flow_step(e, a, o, ORDER_CANCELLED, REASON_ORDER_TTL);
            } else if (a->vtable->flags & VENUE_EXTERNAL) {
                o->reason = REASON_ORDER_TTL;
                (void)a->vtable->cancel(a->venue, o, e->now_ns);
                engine_reports(e);
            }
        }
    }
}

void flow_expire(struct engine *e) {
    int64_t hold = e->options.risk->hold_max_ns;
    for (uint32_t n = 0; n < e->account_count; n++) {
        struct account *a = e->accounts[n];
        if (a->orders.count != 0) {
            orders_expire(e, a);
        }
        for (uint32_t k = 0; hold != 0 && k < a->book.open_count; k++) {
            const struct position *p = &a->book.positions[a->book.open[k]];
            if (e->now_ns - p->opened_ns >= hold) {
                flow_close(e, a, a->book.open[k], REASON_MAX_HOLD);
            }
        }
    }
}
