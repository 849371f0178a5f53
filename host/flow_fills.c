/*
 * flow_fills.c - what venues report -> orders and books.
 *
 * Guarantees: a fill changes the books exactly once, whatever is told twice; it is applied even when its order is unknown or
 * ended (a position follows every fill); silence changes nothing: a lost link makes orders UNKNOWN, and only the venue's
 * answer makes them anything else. Reports are queued while a venue speaks and applied afterwards, in order.
 */
#include <stdio.h>
#include <string.h>

#include "flow_parts.h"

static int64_t abs64(int64_t a) { return a < 0 ? -a : a; }

void engine_report(void *account_context, const struct venue_report *report) {
    const struct engine_account_context *c = account_context;
    struct engine *e = c->engine;
    if (e->report_count == REPORTS_MAX) {
        flow_fail(e, ERROR_FULL, "a venue reported more at once than the host can queue");
        return;
    }
    e->reports[e->report_count].account = c->account;
    e->reports[e->report_count++].report = *report;
}

struct seat *flow_seat_of(struct engine *e, const struct account *a, uint16_t agent) {
    for (uint32_t i = 0; i < e->seat_count; i++) {
        if (e->seats[i].account == a->index && e->seats[i].agent == agent) {
            return &e->seats[i];
        }
    }
    return NULL;
}

/* ---- each fill once -------------------------------------------------------------------------------------------------------------- */

/* FNV-1a, never 0: two ids collide once in 2^64 / FILL_IDS_MAX. */
static uint64_t fill_hash(const char *id) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *id != '\0'; id++) {
        h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
    }
    return h ? h : 1;
}

static uint64_t *fill_place(struct account *a, uint32_t half, uint64_t h) {
    uint64_t i = h & (FILL_IDS_MAX / 2 - 1);
    while (a->fill_ids[half][i] != 0 && a->fill_ids[half][i] != h) {
        i = (i + 1) & (FILL_IDS_MAX / 2 - 1);
    }
    return &a->fill_ids[half][i];
}

void flow_remember_fill(struct account *a, const char *venue_fill_id) {
    if (a->fill_id_count >= FILL_IDS_MAX / 4) {
        /* the newer half is half full: it becomes the older one. So the last FILL_IDS_MAX / 4 fills are always known, and
         * a venue that is asked again tells the last hour's only. */
        a->fill_ids_newer ^= 1u;
        memset(a->fill_ids[a->fill_ids_newer], 0, sizeof(a->fill_ids[0]));
        a->fill_id_count = 0;
    }
    uint64_t h = fill_hash(venue_fill_id), *place = fill_place(a, a->fill_ids_newer, h);
    a->fill_id_count += *place == 0;
    *place = h;
}

static bool fill_known(struct account *a, const char *venue_fill_id) {
    uint64_t h = fill_hash(venue_fill_id);
    return *fill_place(a, 0, h) != 0 || *fill_place(a, 1, h) != 0;
}

/* ---- fills ------------------------------------------------------------------------------------------------------------------------- */

static void trade_record(struct engine *e, const struct account *a, const struct trade *t, uint64_t fill_id) {
    struct body_trade body = {.number = t->number, .wish_id = t->wish_id, .lots = t->lots, .opened_ns = t->opened_ns,
                              .closed_ns = t->closed_ns, .entry_ticks = t->entry_ticks, .exit_ticks = t->exit_ticks,
                              .realised_e8 = t->realised_e8, .fees_e8 = t->fees_e8, .mae_e8 = t->mae_e8, .mfe_e8 = t->mfe_e8,
                              .reason = t->reason, .purpose = t->purpose, .is_long = t->is_long};
    struct record record;
    record_fill(&record, RECORD_TRADE, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(a->index, t->agent);
    record.instrument = t->instrument;
    record.position = t->position;
    record.id = t->number;
    record.parent = fill_id;
    engine_record(e, &record, false);
}

static void fill_record(struct engine *e, const struct account *a, const struct fill *f) {
    struct body_fill body = {.fill_id = f->fill_id, .order_id = f->order_id, .wish_id = f->wish_id, .lots = f->lots,
                             .price_ticks = f->price_ticks, .fee_e8 = f->fee_e8, .realised_e8 = f->realised_e8, .time_ns = f->time_ns,
                             .reason = f->reason, .purpose = f->purpose, .maker = f->maker};
    memcpy(body.venue_fill_id, f->venue_fill_id, sizeof(body.venue_fill_id));
    struct record record;
    record_fill(&record, RECORD_FILL, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(a->index, f->agent);
    record.instrument = f->instrument;
    record.position = f->position;
    record.id = f->fill_id;
    record.parent = f->order_id;
    engine_record(e, &record, true);
}

static int reason_of_purpose(uint8_t purpose) {
    return purpose == PURPOSE_STOP ? REASON_STOP_HIT : purpose == PURPOSE_TARGET ? REASON_TARGET_HIT : REASON_NONE;
}

static void venue_record(struct engine *e, const struct account *a, uint32_t event, uint16_t instrument, int64_t ours, int64_t theirs, const char *text) {
    struct body_venue body = {.event = event, .ours_lots = ours, .theirs_lots = theirs};
    snprintf(body.text, sizeof(body.text), "%.90s", text);
    struct record record;
    record_fill(&record, RECORD_VENUE, e->now_ns, &body, sizeof(body));
    record.agent = record_agent(a->index, RECORD_NO_AGENT);
    record.instrument = instrument;
    engine_record(e, &record, false);
}

/* An order that this host never made: another program trades on the account. A bracket names no order. */
static bool order_is_foreign(const struct engine *e, const char *client_id) {
    char instance[ORDER_INSTANCE_MAX + 1];
    uint64_t sequence;
    return client_id[0] != '\0' &&
           (order_client_id_parse(client_id, instance, &sequence) != 0 || strcmp(instance, e->options.instance) != 0);
}

static bool is_adopted(const struct position *p) { return strncmp(p->tag, FLOW_TAG_ADOPTED, TAG_MAX_BYTES) == 0; }

/* Nobody's wish protects an adopted position: while one is open the host takes no new risk until an operator says so. Asked
 * when the venue has told everything and positions were compared: what was opened may have been closed again since. */
static void adoption_judge(struct engine *e) {
    const struct account *a = e->accounts[0];
    bool open = false;
    for (uint32_t k = 0; k < a->book.open_count; k++) {
        open = open || is_adopted(&a->book.positions[a->book.open[k]]);
    }
    e->adopted = false;
    if (open && e->trading_state == TRADING_ACTIVE) {
        engine_trading(e, TRADING_REDUCING, e->kill_switch, REASON_POSITION_DESYNC, "a position of nobody's order was adopted");
    }
}

/* Makes the host's own fill out of the report. False when it cannot be placed at all. */
static bool fill_make(struct engine *e, struct account *a, const struct venue_report *r, const struct order *o, struct fill *f) {
    if (r->instrument >= e->options.instrument_count || r->lots == 0 || r->price_ticks <= 0) {
        return false;
    }
    bool known = o || (r->position < a->book.position_count && !order_is_foreign(e, r->client_id));
    int position = o ? o->position : known ? r->position : -1;
    if (position < 0 || (!o && a->book.positions[position].instrument != r->instrument)) {
        position = portfolio_position(&a->book, 0, r->instrument, FLOW_TAG_ADOPTED);
    }
    if (position < 0) {
        return false;
    }
    const struct position *p = &a->book.positions[position];
    const struct instrument *i = &e->options.instruments[p->instrument];
    *f = (struct fill){.fill_id = e->next_fill++, .order_id = o ? o->order_id : 0, .wish_id = o ? o->wish_id : p->stop_wish_id,
                       .agent = p->agent, .instrument = p->instrument, .position = (uint16_t)position,
                       .purpose = o ? o->purpose : r->purpose, .maker = r->maker, .lots = r->lots, .price_ticks = r->price_ticks,
                       .time_ns = r->time_ns};
    f->reason = o && o->reason && order_is_open(o) ? o->reason : reason_of_purpose(f->purpose);
    memcpy(f->venue_fill_id, r->venue_fill_id, sizeof(f->venue_fill_id));
    int64_t notional;
    f->fee_e8 = r->fee_e8;
    return r->fee_e8 >= 0 || (instrument_value(i, r->price_ticks, r->lots, &notional) == 0 &&
                              instrument_fee(i, notional, r->lots, r->maker, &f->fee_e8) == 0);
}

static void order_filled(struct engine *e, struct account *a, uint64_t order_id, const struct fill *f) {
    struct order *o = order_table_find(&a->orders, order_id);
    struct position *p = &a->book.positions[f->position];
    if (o->purpose == PURPOSE_ENTRY) {
        p->stop_ticks = o->stop_ticks;
        p->target_ticks = o->target_ticks;
        p->stop_wish_id = o->wish_id;
    }
    int64_t open = abs64(order_remaining_lots(o)), lots = abs64(f->lots);
    flow_working(a, o, -(lots < open ? lots : open));
    int code = order_fill(o, f->lots);
    if (code < 0) {
        char text[96];
        snprintf(text, sizeof(text), "fill %.40s of order %llu: %s", f->venue_fill_id, (unsigned long long)order_id, error_text(code));
        flow_halt(e, a, REASON_ILLEGAL_STEP, text);
    }
    o = order_table_find(&a->orders, order_id);
    if (o && !order_is_open(o)) {
        flow_order_ended(a, o);
    }
}

int flow_late_fill(struct order *ended, struct position *p, int64_t lots) {
    if (ended->purpose == PURPOSE_ENTRY && p->lots != 0 && p->stop_ticks == 0) {
        p->stop_ticks = ended->stop_ticks;
        p->target_ticks = ended->target_ticks;
        p->stop_wish_id = ended->wish_id;
    }
    return order_fill(ended, lots);
}

static void order_filled_late(struct engine *e, struct account *a, struct order *ended, const struct fill *f) {
    int code = flow_late_fill(ended, &a->book.positions[f->position], f->lots);
    if (code < 0) {
        char text[96];
        snprintf(text, sizeof(text), "late fill %.40s of order %llu: %s", f->venue_fill_id, (unsigned long long)f->order_id, error_text(code));
        flow_halt(e, a, REASON_ILLEGAL_STEP, text);
    }
}

void flow_wish_flat(struct wish *w, const struct position *p, uint8_t purpose, int reason) {
    bool bracket = purpose == PURPOSE_STOP || purpose == PURPOSE_TARGET;
    if (bracket && p->stop_wish_id != w->id) {
        return; /* the wish that came after it goes on */
    }
    if (purpose == PURPOSE_STOP) {
        wish_spend(w, AGENT_END_STOP, REASON_STOP_HIT);
    } else if (purpose == PURPOSE_TARGET) {
        wish_spend(w, AGENT_END_TARGET, REASON_TARGET_HIT);
    } else if (purpose == PURPOSE_HOST) {
        wish_spend(w, reason == REASON_MAX_HOLD ? AGENT_END_MAX_HOLD : AGENT_END_FLATTEN, reason);
    } else if (w->target_lots == 0) {
        wish_spend(w, AGENT_END_CLOSED, REASON_WISH_EXIT);
    }
}

static void apply_fill(struct engine *e, struct account *a, const struct venue_report *r) {
    bool remembered = a->vtable != &match_venue; /* which never tells a fill twice */
    if (remembered && fill_known(a, r->venue_fill_id)) {
        return;
    }
    struct order *o = r->client_id[0] ? order_table_find_client(&a->orders, r->client_id) : NULL;
    struct order *ended = r->client_id[0] && !o ? flow_ended_find(a, 0, r->client_id) : NULL;
    struct fill f;
    struct trade trade;
    if (!fill_make(e, a, r, o ? o : ended, &f)) {
        flow_halt(e, a, REASON_POSITION_DESYNC, "the venue reported a fill that makes no sense");
        return;
    }
    int closed = portfolio_apply(&a->book, e->options.instruments, &f, &trade);
    if (closed < 0) {
        flow_fail(e, closed, "a fill is larger than the books can count");
        return;
    }
    if (remembered) {
        flow_remember_fill(a, r->venue_fill_id);
    }
    a->last_fill_ns = r->time_ns > a->last_fill_ns ? r->time_ns : a->last_fill_ns;
    e->fills += a->index == 0;
    fill_record(e, a, &f);
    if (o) {
        order_filled(e, a, f.order_id, &f);
    } else if (ended) {
        order_filled_late(e, a, ended, &f);
    } else if (is_adopted(&a->book.positions[f.position])) {
        venue_record(e, a, 102, f.instrument, f.lots, 0, "a fill of nobody's order: adopted under the tag external");
        e->adopted = e->adopted || a->index == 0;
    }
    if (closed) {
        trade.number = e->next_trade++; /* one sequence for all accounts, so that an id names one trade */
        trade_record(e, a, &trade, f.fill_id);
        if (e->on_trade) {
            e->on_trade(e->on_trade_context, a->index, &trade);
        }
    }
    portfolio_settle(&a->book);
    struct seat *s = flow_seat_of(e, a, f.agent);
    if (s) {
        seat_adopt_position(s, f.position);
        seat_queue_fill(s, &e->options.instruments[f.instrument], &a->book.positions[f.position], &f);
    }
    if (closed && a->book.positions[f.position].lots == 0) {
        flow_wish_flat(&a->wishes[f.position], &a->book.positions[f.position], f.purpose, f.reason);
        a->closing[f.position] = REASON_NONE;
        flow_plan(e, a, f.position);
    } else if (o && !order_table_find(&a->orders, f.order_id)) {
        flow_resume(e, a, f.position); /* a fill that was faster than the cancel */
    }
}

/* ---- orders ---------------------------------------------------------------------------------------------------------------------------- */

static enum order_state state_of_kind(uint8_t kind) {
    return kind == VENUE_REJECT ? ORDER_REJECTED : kind == VENUE_EXPIRED ? ORDER_EXPIRED : ORDER_CANCELLED;
}

static void apply_end(struct engine *e, struct account *a, const struct venue_report *r) {
    struct order *o = order_table_find_client(&a->orders, r->client_id);
    if (!o) {
        return; /* told again, or ended by its fill */
    }
    uint16_t position = o->position;
    int reason = r->kind == VENUE_REJECT ? REASON_VENUE_REJECTED : r->kind == VENUE_EXPIRED ? REASON_ORDER_TTL : REASON_NONE;
    flow_step(e, a, o, state_of_kind(r->kind), o->reason == REASON_ORDER_SUPERSEDED ? REASON_NONE : reason);
    flow_resume(e, a, position);
}

static void apply_ack(struct engine *e, struct account *a, const struct venue_report *r) {
    struct order *o = order_table_find_client(&a->orders, r->client_id);
    if (o && order_step_is_legal(o->state, ORDER_ACKED)) {
        flow_step(e, a, o, ORDER_ACKED, REASON_NONE);
    }
}

/* The answer to a query, or to a cancel that came too late. An order that filled more than we know stays as it is until its
 * fills have been told. */
static void apply_state(struct engine *e, struct account *a, const struct venue_report *r) {
    struct order *o = order_table_find_client(&a->orders, r->client_id);
    if (!o || !order_is_at_venue(o)) {
        return;
    }
    if (r->lots != o->filled_lots) {
        (void)a->vtable->fills_since(a->venue, a->last_fill_ns > 0 ? a->last_fill_ns - 3600 * NS_PER_S : 0);
        return;
    }
    uint16_t position = o->position;
    enum order_state to = r->order_state == ORDER_PARTIAL || r->order_state <= ORDER_SENT ? ORDER_ACKED : (enum order_state)r->order_state;
    to = to == ORDER_ACKED && o->filled_lots != 0 ? ORDER_PARTIAL : to;
    if (to <= ORDER_UNKNOWN && (to == o->state || !order_step_is_legal(o->state, to))) {
        return; /* nothing new */
    }
    flow_step(e, a, o, to, REASON_NONE);
    flow_resume(e, a, position);
    if (a->index == 0 && (e->kill_switch || e->trading_state != TRADING_ACTIVE)) {
        flow_cancel_entries(e, a, -1, e->kill_switch ? REASON_KILL_SWITCH : REASON_TRADING_REDUCING); /* asked for while it was UNKNOWN */
    }
}

/* The venue never saw it. An entry's moment is over; an exit is still needed and goes out again with the next commit. */
static void apply_absent(struct engine *e, struct account *a, const struct venue_report *r) {
    struct order *o = order_table_find_client(&a->orders, r->client_id);
    if (!o || o->state != ORDER_UNKNOWN) {
        return;
    }
    uint64_t id = o->order_id;
    uint16_t position = o->position;
    flow_step(e, a, o, ORDER_DURABLE, REASON_NONE);
    o = order_table_find(&a->orders, id);
    if (o && o->state == ORDER_DURABLE && o->purpose == PURPOSE_ENTRY) {
        flow_step(e, a, o, ORDER_CANCELLED, REASON_STALE_INTENT);
    }
    flow_resume(e, a, position);
}

/* ---- the link --------------------------------------------------------------------------------------------------------------------------- */

static void link_down(struct engine *e, struct account *a, const struct venue_report *r) {
    a->link_down = true;
    venue_record(e, a, VENUE_LINK_DOWN, RECORD_NO_INDEX, 0, 0, r->text);
    for (uint32_t i = 0; i < a->orders.count; i++) {
        struct order *o = &a->orders.open[i];
        if (order_is_at_venue(o) && o->state != ORDER_UNKNOWN) {
            flow_step(e, a, o, ORDER_UNKNOWN, REASON_VENUE_UNREACHABLE);
        }
    }
}

/* A dry run and the papers of candidates have no positions to compare. */
static bool has_positions(const struct account *a) { return a->vtable && (a->vtable->flags & (VENUE_EXTERNAL | VENUE_NEEDS_MARKET)) != 0; }

/* Asks for everything that silence may have hidden: fills, fates, positions. */
static void ask_everything(struct engine *e, struct account *a) {
    (void)a->vtable->fills_since(a->venue, a->last_fill_ns > 0 ? a->last_fill_ns - 3600 * NS_PER_S : 0);
    engine_reports(e);
    for (uint32_t i = 0; i < a->orders.count;) {
        struct order *o = &a->orders.open[i];
        uint64_t id = o->order_id;
        if (o->state == ORDER_UNKNOWN) {
            (void)a->vtable->query(a->venue, o->client_id, o->instrument, e->now_ns);
            engine_reports(e);
        }
        i += order_table_find(&a->orders, id) != NULL;
    }
    if (has_positions(a)) {
        memset(a->theirs, 0, sizeof(a->theirs));
        a->comparing = a->vtable->positions(a->venue) == 0;
    }
    engine_reports(e);
}

static void link_up(struct engine *e, struct account *a, const struct venue_report *r) {
    a->link_down = false;
    venue_record(e, a, VENUE_LINK_UP, RECORD_NO_INDEX, 0, 0, r->text);
    ask_everything(e, a);
}

/* Ours against theirs over the union of instruments. A difference halts; nobody trades it away. While orders work, a fill that
 * one side has not heard of may explain it: then it has to be told within so many questions. */
#define COMPARISONS_MAX 5
static void positions_compare(struct engine *e, struct account *a) {
    bool differs = false, unsure = false;
    a->comparing = false;
    for (uint32_t i = 0; i < a->orders.count; i++) {
        unsure = unsure || order_is_at_venue(&a->orders.open[i]);
    }
    for (uint16_t i = 0; i < e->options.instrument_count; i++) {
        int64_t ours = 0;
        for (uint32_t k = 0; k < a->book.position_count; k++) {
            ours += a->book.positions[k].instrument == i ? a->book.positions[k].lots : 0;
        }
        if (ours != a->theirs[i]) {
            differs = true;
            venue_record(e, a, 101, i, ours, a->theirs[i], "net position differs");
        }
    }
    a->differed = (uint8_t)(differs && unsure ? a->differed + 1 : 0);
    a->comparing = a->differed != 0 && a->differed < COMPARISONS_MAX; /* a fill may be on its way: asked again */
    bool first = !a->compared;
    a->compared = a->compared || !a->comparing;
    if (!differs && first) {
        /* after a start the venue may still have the stop of before a crash: the books' is told again */
        for (uint32_t k = 0; k < a->book.open_count; k++) {
            flow_protect_again(e, a, a->book.open[k]);
        }
    }
    if (!differs) {
        venue_record(e, a, 100, RECORD_NO_INDEX, 0, 0, "positions agree");
    } else if (!a->comparing) {
        a->differed = 0;
        flow_halt(e, a, REASON_POSITION_DESYNC, "the venue's net position differs from the books");
    }
}

static void apply(struct engine *e, struct account *a, const struct venue_report *r) {
    switch (r->kind) {
    case VENUE_ACK: apply_ack(e, a, r); break;
    case VENUE_FILL: apply_fill(e, a, r); break;
    case VENUE_REJECT:
    case VENUE_CANCELLED:
    case VENUE_EXPIRED: apply_end(e, a, r); break;
    case VENUE_STATE: apply_state(e, a, r); break;
    case VENUE_ABSENT: apply_absent(e, a, r); break;
    case VENUE_POSITION:
        if (r->instrument < INSTRUMENTS_MAX) {
            a->theirs[r->instrument] = r->lots;
        }
        break;
    case VENUE_POSITIONS_END: positions_compare(e, a); break;
    case VENUE_LINK_UP: link_up(e, a, r); break;
    case VENUE_LINK_DOWN: link_down(e, a, r); break;
    default: break; /* VENUE_FILLS_END: what it ends has been applied */
    }
}

void engine_reports(struct engine *e) {
    while (e->report_head < e->report_count) {
        uint16_t account = e->reports[e->report_head].account;
        struct venue_report report = e->reports[e->report_head++].report;
        apply(e, e->accounts[account], &report);
    }
    e->report_head = 0;
    e->report_count = 0;
    if (e->adopted && e->accounts[0]->compared && !e->accounts[0]->comparing) {
        adoption_judge(e);
    }
}

/* What the host had decided and not yet ordered when it ended: a flatten, an exit, a newer wish behind an older order. */
static void recover_plan(struct engine *e, struct account *a, uint16_t position) {
    const struct position *p = &a->book.positions[position];
    const struct wish *w = &a->wishes[position];
    bool open = false;
    for (uint32_t i = 0; i < a->orders.count; i++) {
        const struct order *o = &a->orders.open[i];
        open = open || o->position == position;
        a->replan[position] = a->replan[position] || (o->position == position && o->wish_id != w->id && w->state == AGENT_WISH_LIVE);
    }
    bool smaller = w->target_lots == 0 || (p->lots > 0) != (w->target_lots > 0) || abs64(w->target_lots) < abs64(p->lots);
    if (p->lots != 0 && w->state == AGENT_WISH_SPENT && w->reason == REASON_FLATTEN) {
        flow_close(e, a, position, REASON_FLATTEN);
    } else if (p->lots != 0 && !open && w->state == AGENT_WISH_LIVE && smaller) {
        flow_plan(e, a, position);
    }
}

void engine_doubt(struct engine *e) {
    for (uint32_t n = 0; n < e->account_count; n++) {
        struct account *a = e->accounts[n];
        for (uint32_t i = 0; i < a->orders.count; i++) {
            struct order *o = &a->orders.open[i];
            if (o->state == ORDER_NEW) {
                flow_step(e, a, o, ORDER_DURABLE, REASON_NONE); /* its record was read from the disk */
            }
            if (o->state != ORDER_UNKNOWN) {
                flow_step(e, a, o, ORDER_UNKNOWN, REASON_NONE);
            }
        }
    }
}

void engine_recover(struct engine *e) {
    engine_doubt(e);
    for (uint32_t n = 0; n < e->account_count; n++) {
        struct account *a = e->accounts[n];
        for (uint32_t k = 0; a->vtable == &match_venue && k < a->book.position_count; k++) {
            const struct position *p = &a->book.positions[k];
            matcher_adopt(match_venue_matcher(a->venue), p->instrument, (uint16_t)k, p->lots, p->stop_ticks, p->target_ticks);
        }
        ask_everything(e, a);
        for (uint32_t k = 0; k < a->book.position_count; k++) {
            recover_plan(e, a, (uint16_t)k);
        }
    }
}

static bool orders_in_doubt(const struct account *a) {
    bool doubt = a->comparing;
    for (uint32_t i = 0; i < a->orders.count; i++) {
        doubt = doubt || a->orders.open[i].state == ORDER_UNKNOWN;
    }
    return doubt;
}

bool engine_orders_settled(const struct engine *e) {
    for (uint32_t n = 0; n < e->account_count; n++) {
        if (orders_in_doubt(e->accounts[n])) {
            return false;
        }
    }
    return true;
}

bool engine_orders_known(const struct engine *e) {
    bool known = engine_orders_settled(e);
    for (uint32_t n = 0; n < e->account_count; n++) {
        known = known && (e->accounts[n]->compared || !has_positions(e->accounts[n]));
    }
    return known;
}

void engine_ask(struct engine *e) {
    for (uint32_t n = 0; n < e->account_count; n++) {
        struct account *a = e->accounts[n];
        if (!a->link_down && (orders_in_doubt(a) || (has_positions(a) && !a->compared))) {
            ask_everything(e, a);
        }
    }
}
