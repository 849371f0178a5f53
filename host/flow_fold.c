/*
 * flow_fold.c - journal -> state. Guarantees: the state after a restart is the fold of every record, made by the same books
 * and the same table of order steps as the first time; nothing else is stored anywhere. Records it cannot place are an
 * integrity failure, never skipped in silence (but for candidates that are no longer at the table).
 */
#include <stdio.h>
#include <string.h>

#include "flow_parts.h"

static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

static int misplaced(struct error *error, const struct record *r) {
    char text[300];
    record_print(r, text, sizeof(text));
    return error_set(error, ERROR_INTEGRITY, "the journal does not fold: %s record %llu makes no sense here: %s", record_kind_name(r->kind),
                     (unsigned long long)r->id, text);
}

/* The position a record is about; created when the wish that needs it is folded. */
static struct position *position_of(struct account *a, const struct record *r) {
    return r->position < a->book.position_count ? &a->book.positions[r->position] : NULL;
}

static int fold_slot(struct account *a, const struct record *r, struct error *error) {
    const struct body_slot *b = record_body(r, RECORD_SLOT, sizeof(*b));
    if (!b) {
        return misplaced(error, r);
    }
    if (b->event == BODY_SLOT_DIED) {
        flow_wishes_orphaned(a, record_agent_of(r), b->reason);
        flow_entries_spent(a, record_agent_of(r), b->reason);
    }
    if (b->event != BODY_SLOT_STARTED || record_agent_of(r) < a->book.agent_count) {
        return 0;
    }
    return portfolio_agent_add(&a->book, b->name, a->index == 0, 0) == record_agent_of(r) ? 0 : misplaced(error, r);
}

/* A wish for nothing where nothing is held or on its way is done: flow_plan() writes no record of that. */
static void wish_done(struct account *a, uint16_t position) {
    struct wish *w = &a->wishes[position];
    bool done = w->state == AGENT_WISH_LIVE && w->target_lots == 0 && a->book.positions[position].lots == 0;
    for (uint32_t i = 0; done && i < a->orders.count; i++) {
        done = a->orders.open[i].position != position;
    }
    if (done) {
        wish_spend(w, AGENT_END_CLOSED, REASON_WISH_EXIT);
    }
}

static int fold_wish(struct account *a, const struct record *r, struct error *error) {
    const struct body_wish *b = record_body(r, RECORD_WISH, sizeof(*b));
    if (!b) {
        return misplaced(error, r);
    }
    if (r->position == RECORD_NO_POSITION) {
        return 0;
    }
    int position = record_agent_of(r) < a->book.agent_count ? portfolio_position(&a->book, record_agent_of(r), r->instrument, b->tag) : ERROR_RANGE;
    if (position < 0 || (uint64_t)position != r->position) {
        return misplaced(error, r);
    }
    struct wish *w = &a->wishes[position];
    if (b->outcome == BODY_WISH_DECISION || b->outcome == BODY_WISH_AMENDMENT) {
        uint16_t modifications = b->outcome == BODY_WISH_AMENDMENT ? (uint16_t)(w->modifications + 1) : 0;
        bool shrunk = b->outcome == BODY_WISH_AMENDMENT && w->shrunk && b->target_lots == w->target_lots;
        int64_t decided = b->outcome == BODY_WISH_AMENDMENT ? w->decided_ns : r->time_ns;
        *w = (struct wish){.id = b->wish_id, .record_id = r->id, .state = AGENT_WISH_LIVE, .modifications = modifications,
                           .target_lots = b->target_lots, .worst_ticks = b->worst_ticks, .stop_ticks = b->stop_ticks,
                           .target_ticks = b->target_ticks, .ttl_ns = b->ttl_ns, .decided_ns = decided,
                           .confidence_ppm = b->confidence_ppm, .expected_r_ppm = b->expected_r_ppm,
                           .probability_lb_ppm = b->probability_lb_ppm, .trigger_id = b->trigger_id, .shrunk = shrunk, .refolded = true};
        a->book.positions[position].wish_id = w->id;
        wish_done(a, (uint16_t)position);
    } else {
        if (b->wish_id > w->id) {
            w->id = b->wish_id;
            wish_spend(w, AGENT_END_REFUSED, b->reason);
        }
        w->reason = b->reason;
    }
    return 0;
}

static int fold_verdict(struct account *a, const struct record *r, struct error *error) {
    const struct body_verdict *b = record_body(r, RECORD_VERDICT, sizeof(*b));
    struct position *p = position_of(a, r);
    if (!b || !p) {
        return misplaced(error, r);
    }
    struct wish *w = &a->wishes[r->position];
    if (b->reason != REASON_NONE && b->purpose == PURPOSE_ENTRY) {
        wish_spend(w, AGENT_END_REFUSED, b->reason);
    } else if (b->purpose == PURPOSE_ENTRY && b->allowed_lots != b->asked_lots) {
        w->target_lots = p->lots + b->allowed_lots;
        w->shrunk = true;
    }
    return 0;
}

static int fold_order(struct engine *e, struct account *a, const struct record *r, uint64_t sequence, struct error *error) {
    const struct body_order *b = record_body(r, RECORD_ORDER, sizeof(*b));
    struct position *p = position_of(a, r);
    if (!b || !p) {
        return misplaced(error, r);
    }
    struct order o = {.order_id = b->order_id, .wish_id = b->wish_id, .agent = p->agent, .instrument = p->instrument,
                      .position = (uint16_t)r->position, .purpose = (uint8_t)b->purpose, .state = ORDER_NEW, .reason = b->reason,
                      .lots = b->lots, .limit_ticks = b->limit_ticks, .mark_ticks = b->mark_ticks, .stop_ticks = b->stop_ticks,
                      .target_ticks = b->target_ticks, .created_ns = b->created_ns, .expires_ns = b->expires_ns,
                      .intent = sequence, .verdict_id = b->verdict_id};
    memcpy(o.client_id, b->client_id, sizeof(o.client_id));
    o.client_id[sizeof(o.client_id) - 1] = '\0';
    struct order *kept = order_table_add(&a->orders, &o);
    if (!kept) {
        return misplaced(error, r);
    }
    flow_working(a, kept, abs64(o.lots));
    e->next_order = o.order_id >= e->next_order ? o.order_id + 1 : e->next_order;
    e->orders += a->index == 0;
    if (o.purpose == PURPOSE_ENTRY) {
        a->book.agents[p->agent].trades_today++;
    } else if (o.purpose == PURPOSE_HOST) {
        wish_spend(&a->wishes[r->position], o.reason == REASON_MAX_HOLD ? AGENT_END_MAX_HOLD : AGENT_END_FLATTEN, o.reason);
    }
    return 0;
}

static int fold_step(struct account *a, const struct record *r, struct error *error) {
    const struct body_step *b = record_body(r, RECORD_STEP, sizeof(*b));
    struct order *o = b ? order_table_find(&a->orders, b->order_id) : NULL;
    if (!b) {
        return misplaced(error, r);
    }
    if (!o || o->state == b->state) {
        return 0; /* ended by its fill, or PARTIAL again */
    }
    int64_t open = abs64(order_remaining_lots(o));
    if (order_step(o, (enum order_state)b->state, b->reason) != 0) {
        return misplaced(error, r);
    }
    if (!order_is_open(o)) {
        uint16_t position = o->position;
        flow_wish_hears(&a->wishes[position], o);
        flow_working(a, o, -open);
        flow_order_ended(a, o);
        wish_done(a, position);
    }
    return 0;
}

static int fold_fill(struct engine *e, struct account *a, const struct record *r, struct error *error) {
    const struct body_fill *b = record_body(r, RECORD_FILL, sizeof(*b));
    if (b && !position_of(a, r) && r->position == a->book.position_count) {
        (void)portfolio_position(&a->book, record_agent_of(r), r->instrument, FLOW_TAG_ADOPTED);
    }
    struct position *p = position_of(a, r);
    if (!b || !p) {
        return misplaced(error, r);
    }
    struct fill f = {.fill_id = b->fill_id, .order_id = b->order_id, .wish_id = b->wish_id, .agent = p->agent,
                     .instrument = p->instrument, .position = (uint16_t)r->position, .purpose = (uint8_t)b->purpose,
                     .maker = (uint8_t)b->maker, .reason = b->reason, .lots = b->lots, .price_ticks = b->price_ticks,
                     .fee_e8 = b->fee_e8, .time_ns = b->time_ns};
    struct trade trade;
    int closed = portfolio_apply(&a->book, e->options.instruments, &f, &trade);
    if (closed < 0 || f.realised_e8 != b->realised_e8) {
        return misplaced(error, r);
    }
    e->next_fill = b->fill_id >= e->next_fill ? b->fill_id + 1 : e->next_fill;
    e->fills += a->index == 0;
    a->last_fill_ns = b->time_ns > a->last_fill_ns ? b->time_ns : a->last_fill_ns;
    char id[sizeof(b->venue_fill_id) + 1];
    memcpy(id, b->venue_fill_id, sizeof(b->venue_fill_id));
    id[sizeof(id) - 1] = '\0';
    flow_remember_fill(a, id);
    struct order *o = order_table_find(&a->orders, b->order_id);
    if (o) {
        if (o->purpose == PURPOSE_ENTRY) {
            p->stop_ticks = o->stop_ticks;
            p->target_ticks = o->target_ticks;
            p->stop_wish_id = o->wish_id;
        }
        int64_t open = abs64(order_remaining_lots(o)), lots = abs64(f.lots);
        flow_working(a, o, -(lots < open ? lots : open));
        (void)order_fill(o, f.lots);
        if (!order_is_open(o)) {
            flow_order_ended(a, o);
        }
    } else if (b->order_id != 0 && (o = flow_ended_find(a, b->order_id, NULL)) != NULL) {
        (void)flow_late_fill(o, p, f.lots);
    }
    int64_t peak = a->book.equity_peak_e8;
    portfolio_settle(&a->book);
    a->book.equity_peak_e8 = peak; /* other positions are not marked here: peaks come from BOOK records */
    if (closed && p->lots == 0) {
        flow_wish_flat(&a->wishes[r->position], p, f.purpose, f.reason);
    }
    wish_done(a, (uint16_t)r->position);
    return 0;
}

static int fold_book(struct account *a, const struct record *r, struct error *error) {
    const struct body_book *b = record_body(r, RECORD_BOOK, sizeof(*b));
    if (!b) {
        return misplaced(error, r);
    }
    if (r->position != RECORD_NO_POSITION) {
        return 0;
    }
    struct book *k = &a->book;
    if (k->cash_e8 - k->deposits_e8 != b->cash_e8 - b->deposits_e8) {
        return misplaced(error, r); /* the fold and the books of that time disagree */
    }
    k->cash_e8 = b->cash_e8;
    k->deposits_e8 = b->deposits_e8;
    k->equity_peak_e8 = b->equity_peak_e8;
    a->peak_told_e8 = b->equity_peak_e8;
    k->drawdown_worst_ppm = b->drawdown_worst_ppm;
    if (k->day != b->day) {
        portfolio_day(k, b->day);
        k->day_start_equity_e8 = b->day_start_equity_e8;
    }
    return 0;
}

static int fold_trading(struct engine *e, const struct record *r, struct error *error) {
    const struct body_trading *b = record_body(r, RECORD_TRADING, sizeof(*b));
    if (!b) {
        return misplaced(error, r);
    }
    e->trading_state = (uint8_t)(b->state <= TRADING_HALTED ? b->state : TRADING_HALTED);
    e->kill_switch = b->kill_switch != 0;
    struct account *a = e->accounts[0];
    if (e->trading_state != TRADING_ACTIVE || e->kill_switch) {
        flow_entries_spent(a, -1, flow_trading_reason(b->reason, e->kill_switch));
    }
    for (uint32_t k = 0; k < a->book.position_count && b->reason == REASON_FLATTEN; k++) {
        if (a->book.positions[k].lots != 0) {
            wish_spend(&a->wishes[k], AGENT_END_FLATTEN, REASON_FLATTEN);
        }
    }
    return 0;
}

static int fold_protect(struct account *a, const struct record *r, struct error *error) {
    const struct body_protect *b = record_body(r, RECORD_PROTECT, sizeof(*b));
    struct position *p = position_of(a, r);
    if (!b || !p) {
        return misplaced(error, r);
    }
    p->stop_ticks = b->stop_ticks;
    p->target_ticks = b->target_ticks;
    p->stop_wish_id = p->wish_id;
    return 0;
}

struct account *engine_folded(const struct engine *e, const struct record *r) {
    uint16_t n = r->agent == RECORD_NO_INDEX ? 0 : record_account_of(r);
    return n == 0 ? e->accounts[0] : n < ACCOUNTS_MAX ? e->folded[n] : NULL;
}

/* A candidate took its place in that run: from here on the number means the account of that name. */
static void place_taken(struct engine *e, const struct record *r) {
    uint16_t n = r->agent == RECORD_NO_INDEX ? 0 : record_account_of(r);
    const struct body_slot *b = record_body(r, RECORD_SLOT, sizeof(*b));
    if (n == 0 || n >= ACCOUNTS_MAX || !b || b->event != BODY_SLOT_STARTED) {
        return;
    }
    e->folded[n] = NULL;
    for (uint32_t i = 1; i < e->account_count; i++) {
        if (strncmp(b->name, e->accounts[i]->name, NAME_MAX_BYTES) == 0) {
            e->folded[n] = e->accounts[i];
        }
    }
}

int engine_fold(struct engine *e, uint64_t sequence, const struct record *r, struct error *error) {
    e->next_record = sequence + 1;
    e->now_ns = r->time_ns > e->now_ns ? r->time_ns : e->now_ns;
    place_taken(e, r);
    struct account *a = engine_folded(e, r);
    if (!a) {
        return 0;
    }
    switch (r->kind) {
    case RECORD_SLOT: return fold_slot(a, r, error);
    case RECORD_WISH: return fold_wish(a, r, error);
    case RECORD_VERDICT: return fold_verdict(a, r, error);
    case RECORD_ORDER: return fold_order(e, a, r, sequence, error);
    case RECORD_STEP: return fold_step(a, r, error);
    case RECORD_FILL: return fold_fill(e, a, r, error);
    case RECORD_TRADE:
        e->next_trade = r->id >= e->next_trade ? r->id + 1 : e->next_trade;
        return 0;
    case RECORD_BOOK: return fold_book(a, r, error);
    case RECORD_TRADING: return fold_trading(e, r, error);
    case RECORD_PROTECT: return fold_protect(a, r, error);
    default: return 0; /* told for people: no state in it */
    }
}
