/*
 * run_events.c - the events of a running host on their way into the engine, each on the tape before it is acted upon.
 *
 * Guarantees: what entered the engine is on the tape in the order it entered, with what slots answered; a tape that cannot
 * be written is told once and trading goes on (the journal, not the tape, carries the account).
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "run_parts.h"

void run_tape(struct run *r, enum tape_kind kind, const void *bytes, size_t size) {
    if (r->tape && !r->tape_failed && tape_append(r->tape, kind, r->engine->mono_ns, bytes, size) != 0) {
        r->tape_failed = true;
        log_warning("ledger", "the tape cannot be written: this run cannot be replayed");
    }
}

void run_record(struct run *r, struct record *record) {
    unsigned char bytes[RECORD_MAX];
    size_t size = record_encode(record, bytes);
    run_tape(r, TAPE_RECORD, bytes, size);
    engine_record(r->engine, record, false);
}

void run_tape_start(struct run *r) {
    const struct backtest_job *job = r->setup->job;
    struct tape_head head = {.part = TAPE_PART_HEAD, .mode = r->options.mode, .instrument_count = job->instrument_count,
                             .agent_count = job->agent_count, .journal_at = r->journal_at, .cash_e8 = job->cash_e8,
                             .timeframe_ns = r->market_options.timeframe_ns[0], .start_ns = r->engine->options.start_ns, .venue_flags = r->proxy.flags,
                             .clear_halt = r->options.clear_halt, .host = job->host};
    head.risk = r->risk;
    memcpy(head.instance, r->instance, sizeof(head.instance));
    snprintf(head.policy_hash, sizeof(head.policy_hash), "%s", r->setup->policy.hash_text);
    run_tape(r, TAPE_START, &head, sizeof(head));
    for (uint32_t i = 0; i < job->instrument_count; i++) {
        struct tape_instrument one = {.part = TAPE_PART_INSTRUMENT, .index = i, .instrument = job->instruments[i]};
        run_tape(r, TAPE_START, &one, sizeof(one));
    }
    for (uint32_t i = 0; i < job->agent_count; i++) {
        const struct setup_strategy *s = &r->setup->strategies[i];
        struct tape_agent one = {.part = TAPE_PART_AGENT, .index = i, .candidate = s->candidate, .param_count = s->param_count,
                                 .seed = job->agents[i].seed, .state_schema = r->state_schema[i]};
        memcpy(one.name, job->agents[i].name, sizeof(one.name));
        snprintf(one.path, sizeof(one.path), "%s", s->file.path);
        snprintf(one.strategy_hash, sizeof(one.strategy_hash), "%s", s->file.hash_text);
        snprintf(one.state_hash, sizeof(one.state_hash), "%s", r->state_hash[i]);
        memcpy(one.params, s->params, sizeof(one.params));
        run_tape(r, TAPE_START, &one, sizeof(one));
    }
}

/* ---- what venues tell ---------------------------------------------------------------------------------------------------------------- */

void run_report(void *context, const struct venue_report *report) {
    struct run *r = context;
    struct tape_report frame = {.inside = r->venue_depth > 0 ? r->venue_calls : 0, .report = *report};
    run_tape(r, TAPE_REPORT, &frame, sizeof(frame));
    engine_report(&r->contexts[0], report);
}

void run_reports(struct run *r) {
    struct tape_own_event frame = {.what = TAPE_OWN_REPORTS};
    if (r->engine->report_count != 0) {
        run_tape(r, TAPE_TIMER, &frame, sizeof(frame));
        engine_reports(r->engine);
    }
}

void run_market(void *context, const struct venue_market *event) {
    struct run *r = context;
    if (r->event_count < RUN_EVENTS_MAX) {
        r->events[r->event_count++] = *event;
    } else if (event->kind == VENUE_BAR || event->kind == VENUE_TURN_END) {
        r->events[RUN_EVENTS_MAX - 1] = *event; /* the newest counts; quotes and trades in between are dropped first */
    }
}

void run_slot(void *context, uint32_t seat, int outcome) {
    struct run *r = context;
    static struct {
        struct tape_slot head;
        struct agent_wish wishes[AGENT_WISHES_MAX];
    } frame;
    const struct seat *s = &r->engine->seats[seat];
    memset(&frame.head, 0, sizeof(frame.head));
    frame.head.seat = seat;
    frame.head.outcome = outcome;
    frame.head.sequence = s->rung_sequence;
    if (outcome > 0) {
        frame.head.count = s->answer_count;
        memcpy(frame.wishes, s->answer, (size_t)s->answer_count * sizeof(frame.wishes[0]));
    } else {
        frame.head.reason = s->death.reason;
        snprintf(frame.head.text, sizeof(frame.head.text), "%.60s", s->death.text);
    }
    run_tape(r, TAPE_SLOT, &frame, sizeof(frame.head) + (size_t)frame.head.count * sizeof(frame.wishes[0]));
}

/* ---- market events into the engine ------------------------------------------------------------------------------------------------------ */

/* Does a quote or trade at this time start a turn: some agent asked for it, and the last such turn is long enough ago? */
static bool turn_due(const struct engine *e, const struct host_policy *host, uint32_t event, int64_t time_ns, int64_t *last_ns) {
    bool wanted = false;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        wanted = wanted || (e->seats[i].needs.events & event) != 0;
    }
    bool due = wanted && time_ns - *last_ns >= host->turn_min_interval_ns;
    *last_ns = due ? time_ns : *last_ns;
    return due;
}

static void bar_collect(struct bar_turn *turn, struct bar *bars, const struct venue_market *m) {
    if (turn->count < INSTRUMENTS_MAX) {
        bars[turn->count] = m->bar;
        turn->bar[turn->count] = &bars[turn->count];
        turn->instrument[turn->count] = m->instrument;
        turn->after_gap[turn->count++] = m->after_gap;
    }
}

uint32_t run_market_apply(struct engine *e, const struct host_policy *host, struct bar_turn *turn, struct bar *bars,
                          int64_t *quote_turn_ns, const struct venue_market *m) {
    uint32_t count = 0;
    if (m->kind == VENUE_BAR) {
        bar_collect(turn, bars, m);
    } else if (m->kind == VENUE_TURN_END && turn->count != 0) {
        turn->close_ns = m->time_ns;
        count = turn->count;
        engine_bars(e, turn, NULL);
        turn->count = 0;
    } else if (m->kind == VENUE_QUOTE) {
        bool starts = turn_due(e, host, AGENT_EVENT_QUOTE, m->time_ns, quote_turn_ns);
        engine_quote(e, m->instrument, &m->quote, starts);
    } else if (m->kind == VENUE_TRADE) {
        bool starts = turn_due(e, host, AGENT_EVENT_TRADE, m->time_ns, quote_turn_ns);
        engine_trade(e, m->instrument, m->trade_ticks, m->trade_size_e8, m->time_ns, starts);
    }
    return count;
}

static void event_apply(struct run *r, const struct venue_market *m) {
    struct tape_market frame;
    r->engine->mono_ns = clock_monotonic_ns();
    r->feed_lag_ns = clock_utc_ns() - m->time_ns;
    tape_market_encode(m, &frame);
    run_tape(r, TAPE_MARKET, &frame, sizeof(frame));
    if (m->instrument < r->engine->options.instrument_count) {
        r->summary->bars += run_market_apply(r->engine, &r->setup->policy.host, &r->turn, r->bars, &r->quote_turn_ns, m);
    }
}

void run_drain(struct run *r) {
    for (uint32_t i = 0; i < r->event_count; i++) {
        event_apply(r, &r->events[i]);
    }
    r->event_count = 0;
}

void run_file_turn(struct run *r) {
    struct bar_turn turn;
    if (!feed_next(&r->file_feed, &turn)) {
        r->ending = true;
        snprintf(r->summary->ended_by, sizeof(r->summary->ended_by), "end of data");
        return;
    }
    for (uint32_t k = 0; k < turn.count; k++) {
        struct venue_market e = {.kind = VENUE_BAR, .after_gap = turn.after_gap[k], .instrument = turn.instrument[k],
                                 .time_ns = turn.close_ns, .bar = *turn.bar[k]};
        run_market(r, &e);
    }
    struct venue_market end = {.kind = VENUE_TURN_END, .time_ns = turn.close_ns};
    run_market(r, &end);
}

void run_trading(struct run *r, enum trading_state state, bool kill, int reason, const char *text) {
    struct tape_operator frame = {.state = state, .kill_switch = kill, .reason = reason};
    if (r->engine->trading_state == state && r->engine->kill_switch == kill) {
        return;
    }
    snprintf(frame.text, sizeof(frame.text), "%s", text);
    run_tape(r, TAPE_OPERATOR, &frame, sizeof(frame));
    engine_trading(r->engine, state, kill, reason, text);
    log_warning("enforce", "trading %s%s: %s", state == TRADING_ACTIVE ? "ACTIVE" : state == TRADING_REDUCING ? "REDUCING" : "HALTED",
                kill ? ", kill switch ON" : "", text);
}

/* ---- the venue behind a glass ------------------------------------------------------------------------------------------------------------ */

/* There is one running host in a process; a venue's vtable has no room for a second context. */
static struct run *glass;

static void glass_enter(void) {
    glass->venue_calls++;
    glass->venue_depth++;
}

static int glass_submit(struct venue *v, const struct order *order, int64_t now_ns) {
    glass_enter();
    int code = glass->venue.vtable->submit(v, order, now_ns);
    glass->venue_depth--;
    return code;
}

static int glass_cancel(struct venue *v, const struct order *order, int64_t now_ns) {
    glass_enter();
    int code = glass->venue.vtable->cancel(v, order, now_ns);
    glass->venue_depth--;
    return code;
}

static int glass_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    glass_enter();
    int code = glass->venue.vtable->protect(v, instrument, position, stop, target, now_ns);
    glass->venue_depth--;
    return code;
}

static int glass_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    glass_enter();
    int code = glass->venue.vtable->query(v, client_id, instrument, now_ns);
    glass->venue_depth--;
    return code;
}

static int glass_fills_since(struct venue *v, int64_t since_ns) {
    glass_enter();
    int code = glass->venue.vtable->fills_since(v, since_ns);
    glass->venue_depth--;
    return code;
}

static int glass_positions(struct venue *v) {
    glass_enter();
    int code = glass->venue.vtable->positions(v);
    glass->venue_depth--;
    return code;
}

static void glass_on_market(struct venue *v, const struct venue_market *event) {
    glass_enter();
    glass->venue.vtable->on_market(v, event);
    glass->venue_depth--;
}

void run_proxy(struct run *r) {
    glass = r;
    r->proxy = *r->venue.vtable;
    r->proxy.submit = glass_submit;
    r->proxy.cancel = glass_cancel;
    r->proxy.protect = glass_protect;
    r->proxy.query = glass_query;
    r->proxy.fills_since = glass_fills_since;
    r->proxy.positions = glass_positions;
    r->proxy.on_market = r->venue.vtable->on_market ? glass_on_market : NULL;
}
