/*
 * rig.h - an engine driven by hand: seats answer what a test tells them, records go to an array, commits come when asked
 * for, and the venue is the bar matcher or an exchange that says only what the test says. No process, no clock, no file.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

#define RIG_INSTRUMENTS 3u
#define RIG_SEATS 6u
#define RIG_SENT 4096u
#define RIG_START_NS (1000 * 86400 * NS_PER_S)
#define RIG_BAR_NS (60 * NS_PER_S)
#define RIG_CASH (1000000 * E8)

enum rig_mode { RIG_ANSWERS, RIG_SILENT, RIG_DIES };

/* An agent without a process. */
struct rig_seat {
    enum rig_mode mode;
    uint64_t rings;
    uint32_t events;                 /* of the last ring */
    int32_t result;                  /* 0 = the number of wishes below */
    uint32_t wish_count;             /* said at the next ring, once */
    struct agent_wish wishes[AGENT_WISHES_MAX];
    struct wire_private *private_memory;
    struct wire_reply *reply;
    struct slot_death death;
};

/* What the host asked of the scripted exchange. */
struct venue {
    struct order sent[RIG_SENT];
    uint32_t sent_count, cancel_count, query_count, fills_since_count, positions_count, protect_count;
    bool cancel_asked[RIG_SENT];     /* of `sent` */
    int64_t protect_stop, protect_target;
    int submit_code;                 /* what submit returns */
};

struct rig {
    struct arena arena;
    struct engine *engine;
    void *market_memory;
    struct risk_policy risk;
    struct host_policy host;
    struct instrument instruments[RIG_INSTRUMENTS];
    struct sink sink;
    struct record *records;
    uint64_t record_count, record_max, committed;
    bool hold_commits, refuse_records, external;
    bool full;                       /* tokens are of full commits */
    struct venue exchange;
    struct engine_account_context contexts[2];
    struct venue *matchers[2];
    uint32_t account_count, seat_count;
    struct rig_seat seats[RIG_SEATS];
    int64_t now_ns;
    struct bar bars[RIG_INSTRUMENTS];
    uint64_t trades;
};

static inline void rig_require(bool holds, const char *what, int line) {
    if (!holds) {
        fprintf(stderr, "line %d: %s does not hold\n", line, what);
        abort();
    }
}
#define RIG_REQUIRE(x) rig_require(x, #x, __LINE__)

/* ---- records and commits -------------------------------------------------------------------------------------------------- */

static inline uint64_t rig_append(void *context, const struct record *record, bool urgent) {
    struct rig *r = context;
    (void)urgent;
    if (r->refuse_records) {
        return 0;
    }
    if (r->record_count == r->record_max) {
        r->record_max = r->record_max ? 2 * r->record_max : 1024;
        r->records = realloc(r->records, r->record_max * sizeof(r->records[0]));
        RIG_REQUIRE(r->records != NULL);
    }
    r->records[r->record_count++] = *record;
    return r->record_count;
}

static inline bool rig_submit(void *context, struct durable_token *token) {
    struct rig *r = context;
    *token = (struct durable_token){.through = r->record_count, .full = r->full};
    r->committed = r->hold_commits ? r->committed : r->record_count;
    return !r->hold_commits;
}

/* A commit of everything so far is done. */
static inline void rig_commit(struct rig *r) {
    struct durable_token token = {.through = r->record_count, .full = r->full};
    r->committed = r->record_count;
    engine_durable(r->engine, &token);
}

/* ---- the scripted exchange ------------------------------------------------------------------------------------------------ */

static inline int rig_venue_submit(struct venue *v, const struct order *order, int64_t now_ns) {
    (void)now_ns;
    RIG_REQUIRE(v->sent_count < RIG_SENT && order->state == ORDER_SENT);
    if (v->submit_code == 0) {
        v->sent[v->sent_count++] = *order;
    }
    return v->submit_code;
}

static inline int rig_venue_cancel(struct venue *v, const struct order *order, int64_t now_ns) {
    (void)now_ns;
    v->cancel_count++;
    for (uint32_t i = 0; i < v->sent_count; i++) {
        v->cancel_asked[i] = v->cancel_asked[i] || v->sent[i].order_id == order->order_id;
    }
    return 0;
}

static inline int rig_venue_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    (void)instrument, (void)position, (void)now_ns;
    v->protect_count++;
    v->protect_stop = stop;
    v->protect_target = target;
    return 0;
}

static inline int rig_venue_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    (void)client_id, (void)instrument, (void)now_ns;
    v->query_count++;
    return 0;
}

static inline int rig_venue_fills_since(struct venue *v, int64_t since_ns) {
    (void)since_ns;
    v->fills_since_count++;
    return 0;
}

static inline int rig_venue_positions(struct venue *v) {
    v->positions_count++;
    return 0;
}

static const struct venue_vtable rig_exchange = {
    .version = VENUE_VERSION, .size = sizeof(struct venue_vtable), .name = "scripted", .flags = VENUE_EXTERNAL | VENUE_NATIVE_BRACKET,
    .submit = rig_venue_submit, .cancel = rig_venue_cancel, .protect = rig_venue_protect, .query = rig_venue_query,
    .fills_since = rig_venue_fills_since, .positions = rig_venue_positions,
};

/* The exchange says something about an order it was sent. `lots`: of a fill, or filled so far. */
static inline void rig_tell(struct rig *r, enum venue_report_kind kind, const struct order *order, int64_t lots, int64_t price, const char *fill_id) {
    struct venue_report report = {.kind = (uint8_t)kind, .purpose = order ? order->purpose : 0, .instrument = order ? order->instrument : 0,
                                  .position = order ? order->position : 0, .time_ns = r->now_ns, .lots = lots, .price_ticks = price, .fee_e8 = 0};
    if (order) {
        memcpy(report.client_id, order->client_id, sizeof(report.client_id));
    }
    snprintf(report.venue_fill_id, sizeof(report.venue_fill_id), "%s", fill_id ? fill_id : "");
    engine_report(&r->contexts[0], &report);
    engine_reports(r->engine);
}

static inline void rig_tell_state(struct rig *r, const struct order *order, enum order_state state, int64_t filled) {
    struct venue_report report = {.kind = VENUE_STATE, .instrument = order->instrument, .time_ns = r->now_ns, .lots = filled, .order_state = (uint8_t)state};
    memcpy(report.client_id, order->client_id, sizeof(report.client_id));
    engine_report(&r->contexts[0], &report);
    engine_reports(r->engine);
}

/* ---- seats ------------------------------------------------------------------------------------------------------------------ */

static inline void rig_ring(void *context, enum wire_command command, uint64_t sequence) {
    struct rig_seat *s = context;
    s->rings += command == WIRE_RUN;
    s->events = s->private_memory->command.events;
    s->reply->head.sequence = sequence;
    s->reply->head.result = s->result ? s->result : (int32_t)s->wish_count;
    memcpy(s->reply->wishes, s->wishes, s->wish_count * sizeof(s->wishes[0]));
    s->wish_count = s->mode == RIG_ANSWERS ? 0 : s->wish_count;
}

static inline enum slot_answer rig_wait(void *context, int64_t timeout_ns, bool kill_late) {
    struct rig_seat *s = context;
    (void)timeout_ns;
    if (s->mode == RIG_DIES || (s->mode == RIG_SILENT && kill_late)) {
        s->death = (struct slot_death){.reason = s->mode == RIG_DIES ? REASON_SLOT_CRASHED : REASON_SLOT_DEADLINE, .text = "as told"};
        return SLOT_DEAD;
    }
    return s->mode == RIG_SILENT ? SLOT_PENDING : SLOT_ANSWERED;
}

static inline void rig_end(void *context, int reason, const char *text) {
    struct rig_seat *s = context;
    s->death.reason = reason;
    snprintf(s->death.text, sizeof(s->death.text), "%s", text);
}

static inline const struct slot_death *rig_death(void *context) { return &((struct rig_seat *)context)->death; }

/* Adds an agent; returns its number. */
static inline uint32_t rig_seat(struct rig *r, const char *name, uint16_t account, int64_t budget_e8) {
    struct rig_seat *s = &r->seats[r->seat_count];
    struct error error = {0};
    static const struct agent_needs needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .bars = {8}, .decide_us_max = 1000};
    s->private_memory = aligned_alloc(64, (sizeof(struct wire_private) + 63) & ~(size_t)63);
    s->reply = aligned_alloc(64, (sizeof(struct wire_reply) + 4096 + 63) & ~(size_t)63);
    RIG_REQUIRE(s->private_memory && s->reply);
    memset(s->private_memory, 0, sizeof(struct wire_private));
    memset(s->reply, 0, sizeof(struct wire_reply));
    struct engine_seat seat = {.name = name, .active = account == 0, .account = account, .budget_e8 = budget_e8, .needs = &needs,
                               .link = {.context = s, .ring = rig_ring, .wait = rig_wait, .end = rig_end, .death = rig_death},
                               .private_memory = s->private_memory, .reply = s->reply};
    int index = engine_seat_add(r->engine, &seat, &error);
    RIG_REQUIRE(index == (int)r->seat_count);
    return r->seat_count++;
}

/* What the agent will say in its next answer, after what it was told to say before. */
static inline struct agent_wish *rig_wish(struct rig *r, uint32_t seat, uint64_t id, uint32_t instrument, double size, double stop) {
    struct rig_seat *s = &r->seats[seat];
    struct agent_wish *w = &s->wishes[s->wish_count++];
    memset(w, 0, sizeof(*w));
    w->wish_id = id;
    w->instrument = instrument;
    w->size = size;
    w->stop = stop;
    memcpy(w->tag, "main", 5);
    memcpy(w->reason, "because", 8);
    return w;
}

/* ---- building --------------------------------------------------------------------------------------------------------------- */

static inline void rig_trade(void *context, uint16_t account, const struct trade *trade) {
    (void)account, (void)trade;
    ((struct rig *)context)->trades++;
}

static inline void rig_policy(struct rig *r) {
    r->risk = (struct risk_policy){.market_entry = true, .positions_max = 64, .orders_max = 64, .modifications_max = 20,
                                   .data_age_max_ns = 3600 * NS_PER_S};
    r->host = (struct host_policy){.active_deadline_ns = 10 * NS_PER_MS, .candidate_deadline_ns = 50 * NS_PER_MS,
                                   .intent_age_max_ns = 50 * NS_PER_MS};
    static const int64_t multipliers[RIG_INSTRUMENTS] = {E8, 5 * E8, E8};
    for (uint32_t i = 0; i < RIG_INSTRUMENTS; i++) {
        struct error error = {0};
        r->instruments[i] = (struct instrument){.currency = "USD", .tick_e8 = E8, .lot_e8 = E8, .multiplier_e8 = multipliers[i],
                                                .quantity_min_lots = 1, .market_entry = true};
        snprintf(r->instruments[i].name, sizeof(r->instruments[i].name), "T%u", i);
        RIG_REQUIRE(instrument_init(&r->instruments[i], &error) == 0);
    }
}

static inline void rig_account(struct rig *r, uint16_t account) {
    struct error error = {0};
    RIG_REQUIRE(engine_account_add(r->engine, &r->arena, account ? "paper" : "", RIG_CASH, &error) == account);
    r->contexts[account] = (struct engine_account_context){.engine = r->engine, .account = account};
    if (r->external && account == 0) {
        engine_account_venue(r->engine, 0, &rig_exchange, &r->exchange);
        return;
    }
    struct venue_host host = {.context = &r->contexts[account], .report = engine_report, .instruments = r->instruments,
                              .instrument_count = RIG_INSTRUMENTS};
    struct venue_options none = {0};
    RIG_REQUIRE(match_venue.open(&r->matchers[account], &none, &host, &error) == 0);
    engine_account_venue(r->engine, account, &match_venue, r->matchers[account]);
}

/* An engine with `accounts` accounts (0 external or matched, 1 matched) and no seats. */
static inline struct rig *rig_open(bool external, uint32_t accounts) {
    struct rig *r = calloc(1, sizeof(*r));
    struct error error = {0};
    RIG_REQUIRE(r != NULL);
    rig_policy(r);
    r->external = external;
    r->full = external;
    r->now_ns = RIG_START_NS;
    r->sink = (struct sink){.context = r, .append = rig_append, .submit = rig_submit};
    struct market_options market = {.instruments = r->instruments, .instrument_count = RIG_INSTRUMENTS, .timeframe_count = 1,
                                    .timeframe_ns = {RIG_BAR_NS}, .bars = {8}};
    size_t size = (market_size(&market) + 63) & ~(size_t)63;
    r->market_memory = aligned_alloc(64, size);
    RIG_REQUIRE(r->market_memory != NULL && arena_init(&r->arena, engine_bytes(accounts)) == 0);
    memset(r->market_memory, 0, size);
    struct engine_options options = {.instruments = r->instruments, .instrument_count = RIG_INSTRUMENTS, .risk = &r->risk, .host = &r->host,
                                     .sink = &r->sink, .instance = "rig", .timeframe_ns = RIG_BAR_NS, .deadlines = true, .marks_journaled = true};
    r->engine = engine_open(&r->arena, &options, &market, r->market_memory, &error);
    RIG_REQUIRE(r->engine != NULL);
    r->engine->on_trade = rig_trade;
    r->engine->on_trade_context = r;
    for (uint16_t i = 0; i < accounts; i++) {
        rig_account(r, i);
    }
    r->account_count = accounts;
    return r;
}

static inline void rig_close(struct rig *r) {
    for (uint32_t i = 0; i < r->seat_count; i++) {
        free(r->seats[i].private_memory);
        free(r->seats[i].reply);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (r->matchers[i]) {
            match_venue.close(r->matchers[i]);
        }
    }
    arena_fini(&r->arena);
    free(r->market_memory);
    free(r->records);
    free(r);
}

/* ---- events ----------------------------------------------------------------------------------------------------------------- */

/* A turn in which every instrument has the bar set before by rig_bar(), or stays where it closed. */
static inline void rig_turn(struct rig *r) {
    struct bar_turn turn = {.close_ns = r->now_ns + RIG_BAR_NS, .count = RIG_INSTRUMENTS};
    for (uint16_t i = 0; i < RIG_INSTRUMENTS; i++) {
        r->bars[i].start_ns = r->now_ns;
        if (r->bars[i].close == 0) {
            r->bars[i] = (struct bar){.start_ns = r->now_ns, .open = 100, .high = 100, .low = 100, .close = 100};
        }
        turn.instrument[i] = i;
        turn.bar[i] = &r->bars[i];
    }
    r->now_ns += RIG_BAR_NS;
    engine_bars(r->engine, &turn, NULL);
    for (uint32_t i = 0; i < RIG_INSTRUMENTS; i++) {
        int64_t close = r->bars[i].close;
        r->bars[i] = (struct bar){.open = close, .high = close, .low = close, .close = close};
    }
}

static inline void rig_bar(struct rig *r, uint32_t instrument, int64_t open, int64_t high, int64_t low, int64_t close) {
    r->bars[instrument] = (struct bar){.open = open, .high = high, .low = low, .close = close};
}

static inline struct account *rig_account_of(struct rig *r, uint16_t account) { return r->engine->accounts[account]; }

/* The position of an agent with tag "main", and its wish. */
static inline uint16_t rig_index(struct rig *r, uint32_t seat, uint16_t instrument) {
    const struct seat *s = &r->engine->seats[seat];
    struct account *a = rig_account_of(r, s->account);
    int found = portfolio_position(&a->book, s->agent, instrument, "main");
    RIG_REQUIRE(found >= 0);
    return (uint16_t)found;
}
static inline struct position *rig_position(struct rig *r, uint32_t seat, uint16_t instrument) {
    return &rig_account_of(r, r->engine->seats[seat].account)->book.positions[rig_index(r, seat, instrument)];
}
static inline struct wish *rig_wish_of(struct rig *r, uint32_t seat, uint16_t instrument) {
    return &rig_account_of(r, r->engine->seats[seat].account)->wishes[rig_index(r, seat, instrument)];
}

static inline uint64_t rig_records_of(const struct rig *r, enum record_kind kind) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < r->record_count; i++) {
        count += r->records[i].kind == kind;
    }
    return count;
}

#endif
