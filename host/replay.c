/*
 * replay.c - tape -> engine -> the same decisions.
 *
 * Guarantees: no clock, no venue and no disk decides here: market data, commits, venue reports and the operator's words come
 * from the tape in the order they came the first time; a slot that died then dies at the same turn now. What is computed
 * again is everything else, and every answer and every record is compared with what was written down.
 * It deliberately does not replay what a full disk lost: such a run is told to differ where that began.
 */
#include "replay.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/journal.h"
#include "ledger/tape.h"
#include "run_parts.h"

#define WATCHDOG_NS (10 * NS_PER_S)

struct frame {
    enum tape_kind kind;
    int64_t time_ns;
    size_t size;
    const unsigned char *bytes;
};

struct replayed_seat {
    struct replay *replay;
    uint32_t seat;
    struct slot slot;
    struct slot_death death;
};

struct replay {
    struct setup *setup;
    struct replay_result *result;
    const char *home;
    struct frame *frames;
    size_t count, room, at;
    unsigned char *rows;          /* records of the journal after journal_at, encoded, RECORD_MAX apart */
    size_t row_count, row_room;
    struct tape_head head;
    struct tape_agent agents[AGENTS_MAX];
    struct risk_policy risk;
    struct arena arena;
    struct engine *engine;
    struct market_options market_options;
    struct shared_memory market;
    struct sink sink;
    uint64_t sequence, calls;
    struct venue_vtable proxy;
    struct engine_account_context contexts[ACCOUNTS_MAX];
    struct venue *candidate_venues[ACCOUNTS_MAX];
    struct replayed_seat seats[AGENTS_MAX];
    struct bar_turn turn;
    struct bar bars[INSTRUMENTS_MAX];
    int64_t quote_turn_ns;
    struct error error;
};

/* One process replays one run; a venue's vtable has no room for a context. */
static struct replay *replaying;

/* ---- the tape in memory -------------------------------------------------------------------------------------------------------------------- */

static int frame_keep(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size) {
    struct replay *p = context;
    if (kind == TAPE_START && size == sizeof(struct tape_head)) {
        while (p->count > 0) { /* only the last run is wanted */
            free((void *)(uintptr_t)p->frames[--p->count].bytes);
        }
    }
    if (p->count == p->room) {
        size_t room = p->room ? 2 * p->room : 4096;
        struct frame *grown = realloc(p->frames, room * sizeof(*grown));
        if (!grown) {
            return error_set(&p->error, ERROR_SYSTEM, "no memory for the tape");
        }
        p->frames = grown;
        p->room = room;
    }
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy) {
        return error_set(&p->error, ERROR_SYSTEM, "no memory for the tape");
    }
    memcpy(copy, bytes, size);
    p->frames[p->count++] = (struct frame){.kind = kind, .time_ns = time_ns, .size = size, .bytes = copy};
    return 0;
}

static const struct frame *here(const struct replay *p) { return p->at < p->count ? &p->frames[p->at] : NULL; }

static void differs(struct replay *p, uint64_t *counter, const char *what) {
    if (p->result->first_difference[0] == '\0') {
        snprintf(p->result->first_difference, sizeof(p->result->first_difference), "frame %zu, turn %llu: %.300s", p->at,
                 (unsigned long long)p->engine->turns, what);
    }
    (*counter)++;
}

/* ---- records: compared with the journal ----------------------------------------------------------------------------------------------------- */

static int row_keep(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]) {
    struct replay *p = context;
    (void)hash;
    if (sequence <= p->head.journal_at) {
        return engine_fold(p->engine, sequence, record, &p->error);
    }
    size_t index = sequence - p->head.journal_at - 1;
    if (index >= p->row_room) {
        size_t room = p->row_room ? 2 * p->row_room : 4096;
        room = room > index ? room : index + 1;
        unsigned char *grown = realloc(p->rows, room * RECORD_MAX);
        if (!grown) {
            return error_set(&p->error, ERROR_SYSTEM, "no memory for the journal's rows");
        }
        memset(grown + p->row_room * RECORD_MAX, 0, (room - p->row_room) * RECORD_MAX);
        p->rows = grown;
        p->row_room = room;
    }
    record_encode(record, p->rows + index * RECORD_MAX);
    p->row_count = index + 1;
    return 0;
}

static uint64_t sink_append(void *context, const struct record *record, bool urgent) {
    struct replay *p = context;
    (void)urgent;
    unsigned char bytes[RECORD_MAX];
    size_t size = record_encode(record, bytes), index = p->sequence - p->head.journal_at;
    p->sequence++;
    p->result->records++;
    if (index < p->row_count && memcmp(bytes, p->rows + index * RECORD_MAX, size) != 0) {
        char now[160], text[400];
        record_print(record, now, sizeof(now));
        snprintf(text, sizeof(text), "record %llu is now %s %s", (unsigned long long)p->sequence, record_kind_name(record->kind), now);
        differs(p, &p->result->records_differ, text);
    }
    return p->sequence;
}

static bool sink_submit(void *context, struct durable_token *token) {
    (void)context, (void)token;
    return false;
}

/* ---- the venue: what it told then -------------------------------------------------------------------------------------------------------------- */

/* Reports that came within the call of this number. */
static int call(void) {
    struct replay *p = replaying;
    p->calls++;
    for (const struct frame *f; (f = here(p)) && f->kind == TAPE_REPORT; p->at++) {
        const struct tape_report *t = (const void *)f->bytes;
        if (t->inside != p->calls) {
            break;
        }
        engine_report(&p->contexts[0], &t->report);
    }
    return 0;
}

static int call_submit(struct venue *v, const struct order *order, int64_t now_ns) { return (void)v, (void)order, (void)now_ns, call(); }
static int call_cancel(struct venue *v, const struct order *order, int64_t now_ns) { return (void)v, (void)order, (void)now_ns, call(); }
static int call_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    return (void)v, (void)instrument, (void)position, (void)stop, (void)target, (void)now_ns, call();
}
static int call_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    return (void)v, (void)client_id, (void)instrument, (void)now_ns, call();
}
static int call_fills_since(struct venue *v, int64_t since_ns) { return (void)v, (void)since_ns, call(); }
static int call_positions(struct venue *v) { return (void)v, call(); }
static void call_on_market(struct venue *v, const struct venue_market *event) { (void)v, (void)event, call(); }

/* ---- slots -------------------------------------------------------------------------------------------------------------------------------------- */

static void seat_ring_again(void *context, enum wire_command command, uint64_t sequence) {
    slot_ring(&((struct replayed_seat *)context)->slot, command, sequence);
}

/* The tape says how this ring ended; a living slot's answer is computed again. */
static enum slot_answer seat_wait_again(void *context, int64_t timeout_ns, bool kill_late) {
    struct replayed_seat *s = context;
    struct replay *p = s->replay;
    (void)timeout_ns, (void)kill_late;
    const struct frame *f = here(p);
    const struct tape_slot *t = f && f->kind == TAPE_SLOT ? (const void *)f->bytes : NULL;
    if (!t || t->seat != s->seat) {
        return SLOT_PENDING; /* no answer was taken at this point */
    }
    if (t->outcome < 0) {
        p->at++;
        s->death = (struct slot_death){.reason = t->reason};
        snprintf(s->death.text, sizeof(s->death.text), "%.60s", t->text);
        slot_kill(&s->slot, t->reason, t->text);
        return SLOT_DEAD;
    }
    enum slot_answer answer = slot_wait(&s->slot, WATCHDOG_NS, true);
    s->death = s->slot.death;
    return answer;
}

static void seat_end_again(void *context, int reason, const char *text) {
    struct replayed_seat *s = context;
    slot_kill(&s->slot, reason, text);
    s->death = s->slot.death;
}

static const struct slot_death *seat_death_again(void *context) { return &((struct replayed_seat *)context)->death; }

static void answer_compare(void *context, uint32_t seat, int outcome) {
    struct replay *p = context;
    const struct frame *f = here(p);
    if (outcome < 0) {
        return;
    }
    const struct tape_slot *t = f && f->kind == TAPE_SLOT ? (const void *)f->bytes : NULL;
    const struct seat *s = &p->engine->seats[seat];
    p->result->answers++;
    p->result->wishes += (uint64_t)s->answer_count;
    bool same = t && t->seat == seat && t->count == s->answer_count && t->sequence == s->rung_sequence &&
                memcmp(f->bytes + sizeof(*t), s->answer, (size_t)s->answer_count * sizeof(s->answer[0])) == 0;
    if (!same) {
        differs(p, &p->result->answers_differ, s->name);
    }
    p->at += t != NULL;
}

static int slot_open(struct replay *p, uint32_t i, struct error *error) {
    struct setup_strategy *s = &p->setup->strategies[i];
    unsigned char *state = NULL;
    ssize_t size = 0;
    if (p->agents[i].state_hash[0] != '\0') {
        char path[1400];
        run_state_path(p->home, p->agents[i].state_hash, path, sizeof(path));
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        state = malloc(AGENT_STATE_MAX);
        size = fd >= 0 && state ? read(fd, state, AGENT_STATE_MAX) : -1;
        if (fd >= 0) {
            close(fd);
        }
    }
    struct slot_options options = {.strategy = &s->file, .title = "slot [replay]", .params = s->params, .param_count = s->param_count,
                                   .seed = p->agents[i].seed, .state = size > 0 ? state : NULL, .state_size = size > 0 ? (size_t)size : 0,
                                   .state_schema = (uint32_t)p->agents[i].state_schema, .core = -1, .start_ns_max = WATCHDOG_NS,
                                   .market = &p->market};
    backtest_timeframes(p->setup->job, &p->market_options, i, options.timeframe);
    int code = size < 0 ? error_set(error, ERROR_NOT_FOUND, "the state that %s started from is gone", p->agents[i].name)
                        : slot_start(&p->seats[i].slot, &options, error);
    free(state);
    return code;
}

/* ---- building ------------------------------------------------------------------------------------------------------------------------------------ */

static int start_read(struct replay *p, struct error *error) {
    struct backtest_job *job = p->setup->job;
    for (; p->at < p->count && p->frames[p->at].kind == TAPE_START; p->at++) {
        const struct frame *f = &p->frames[p->at];
        const uint32_t *part = (const void *)f->bytes;
        if (f->size == sizeof(p->head) && part[0] == TAPE_PART_HEAD) {
            memcpy(&p->head, f->bytes, sizeof(p->head));
        } else if (f->size == sizeof(struct tape_instrument) && part[1] < INSTRUMENTS_MAX) {
            job->instruments[part[1]] = ((const struct tape_instrument *)(const void *)f->bytes)->instrument;
        } else if (f->size == sizeof(struct tape_agent) && part[1] < AGENTS_MAX) {
            memcpy(&p->agents[part[1]], f->bytes, sizeof(struct tape_agent));
        } else {
            return error_set(error, ERROR_INTEGRITY, "the tape begins with a frame of another version");
        }
    }
    bool sane = p->head.part == TAPE_PART_HEAD && p->head.instrument_count >= 1 && p->head.instrument_count <= INSTRUMENTS_MAX &&
                p->head.agent_count >= 1 && p->head.agent_count <= AGENTS_MAX;
    return sane ? 0 : error_set(error, ERROR_INTEGRITY, "the tape has no run on it");
}

static int strategies_open(struct replay *p, struct error *error) {
    for (uint32_t i = 0; i < p->head.agent_count; i++) {
        int code = setup_add_strategy(p->setup, p->agents[i].path, p->agents[i].candidate != 0, error);
        if (code) {
            return code;
        }
        struct setup_strategy *s = &p->setup->strategies[i];
        s->param_count = p->agents[i].param_count <= AGENT_PARAMS_MAX ? p->agents[i].param_count : 0;
        memcpy(s->params, p->agents[i].params, sizeof(s->params));
    }
    int code = setup_load_strategies(p->setup, error);
    for (uint32_t i = 0; !code && i < p->head.agent_count; i++) {
        if (strcmp(p->setup->strategies[i].file.hash_text, p->agents[i].strategy_hash) != 0) {
            code = error_set(error, ERROR_INTEGRITY, "%s is not the strategy that ran: found %.12s, wanted %.12s", p->agents[i].path,
                             p->setup->strategies[i].file.hash_text, p->agents[i].strategy_hash);
        }
    }
    return code;
}

static int engine_build(struct replay *p, struct error *error) {
    struct backtest_job *job = p->setup->job;
    uint32_t candidates = 0;
    setup_job_agents(p->setup);
    job->instrument_count = p->head.instrument_count;
    job->cash_e8 = p->head.cash_e8;
    p->risk = p->head.risk;
    for (uint32_t i = 0; i < job->instrument_count; i++) {
        job->sources[i].timeframe_ns = p->head.timeframe_ns;
    }
    for (uint32_t i = 0; i < p->head.agent_count; i++) {
        candidates += p->agents[i].candidate != 0;
    }
    int code = backtest_market(job, &p->market_options, error);
    code = code ? code : shared_memory_open(&p->market, SHARED_HOST_WRITES, market_size(&p->market_options), error);
    if (!code && arena_init(&p->arena, engine_bytes(1 + candidates)) != 0) {
        code = error_set(error, ERROR_SYSTEM, "no memory for the engine");
    }
    if (code) {
        return code;
    }
    p->sink = (struct sink){.context = p, .append = sink_append, .submit = sink_submit};
    struct engine_options options = {.instruments = job->instruments, .instrument_count = job->instrument_count, .risk = &p->risk,
                                     .host = &p->head.host, .sink = &p->sink, .instance = p->head.instance,
                                     .timeframe_ns = p->market_options.timeframe_ns[0], .deadlines = true, .marks_journaled = true, .start_ns = p->head.start_ns};
    p->engine = engine_open(&p->arena, &options, &p->market_options, p->market.bytes, error);
    code = p->engine ? engine_account_add(p->engine, &p->arena, "", p->head.cash_e8, error) : error->code;
    for (uint32_t i = 0; code >= 0 && i < p->head.agent_count; i++) {
        if (p->agents[i].candidate) {
            code = engine_account_add(p->engine, &p->arena, p->agents[i].name, p->head.cash_e8, error);
        }
    }
    return code < 0 ? code : 0;
}

static int journal_load(struct replay *p, struct error *error) {
    char path[1200];
    run_journal_path(p->home, path, sizeof(path));
    int code = journal_read(path, 1, row_keep, p, error);
    if (code && p->error.code) {
        *error = p->error;
    }
    p->sequence = p->head.journal_at;
    return code;
}

static int seats_add(struct replay *p, struct error *error) {
    uint32_t account = 0, active = 0;
    for (uint32_t i = 0; i < p->head.agent_count; i++) {
        active += p->agents[i].candidate == 0;
    }
    for (uint32_t i = 0; i < p->head.agent_count; i++) {
        bool candidate = p->agents[i].candidate != 0;
        account += candidate;
        int code = slot_open(p, i, error);
        if (code) {
            return code;
        }
        p->seats[i].replay = p;
        p->seats[i].seat = i;
        struct engine_seat seat = {.name = p->agents[i].name, .active = !candidate, .account = (uint16_t)(candidate ? account : 0),
                                   .budget_e8 = candidate ? p->head.cash_e8 : p->head.cash_e8 / (active ? active : 1),
                                   .needs = &p->setup->job->agents[i].needs, .state_max = p->setup->job->agents[i].state_max,
                                   .state_schema = p->setup->strategies[i].file.entry.state_schema,
                                   .link = {&p->seats[i], seat_ring_again, seat_wait_again, seat_end_again, seat_death_again},
                                   .private_memory = slot_private(&p->seats[i].slot), .reply = slot_reply(&p->seats[i].slot)};
        code = engine_seat_add(p->engine, &seat, error);
        if (code < 0) {
            return code;
        }
    }
    p->engine->on_slot = answer_compare;
    p->engine->on_slot_context = p;
    return 0;
}

static int venues_add(struct replay *p, struct error *error) {
    replaying = p;
    p->proxy = (struct venue_vtable){.version = VENUE_VERSION, .size = sizeof(struct venue_vtable), .name = "tape", .flags = p->head.venue_flags,
                                     .submit = call_submit, .cancel = call_cancel, .protect = call_protect, .query = call_query,
                                     .fills_since = call_fills_since, .positions = call_positions, .on_market = call_on_market};
    p->contexts[0] = (struct engine_account_context){.engine = p->engine, .account = 0};
    engine_account_venue(p->engine, 0, &p->proxy, NULL);
    for (uint16_t n = 1; n < p->engine->account_count; n++) {
        p->contexts[n] = (struct engine_account_context){.engine = p->engine, .account = n};
        struct venue_host host = {.context = &p->contexts[n], .report = engine_report, .instruments = p->setup->job->instruments,
                                  .instrument_count = p->setup->job->instrument_count};
        struct venue_options none = {0};
        int code = match_venue.open(&p->candidate_venues[n], &none, &host, error);
        if (code) {
            return code;
        }
        engine_account_venue(p->engine, n, &match_venue, p->candidate_venues[n]);
    }
    return 0;
}

/* ---- events -------------------------------------------------------------------------------------------------------------------------------------- */

static void market_again(struct replay *p, const struct frame *f) {
    struct venue_market e;
    tape_market_decode((const void *)f->bytes, &e);
    p->at++;
    if (e.instrument >= p->engine->options.instrument_count) {
        return;
    }
    run_market_apply(p->engine, &p->head.host, &p->turn, p->bars, &p->quote_turn_ns, &e);
}

/* A report that came by itself waits, as it did then, for the next thing that applies reports. */
static void report_again(struct replay *p, const struct frame *f) {
    engine_report(&p->contexts[0], &((const struct tape_report *)(const void *)f->bytes)->report);
    p->at++;
}

/* A slot that died without being asked for a turn: while it saved its state. */
static bool slot_lost_again(struct replay *p, const struct tape_slot *t) {
    if (t->outcome >= 0 || t->seat >= p->engine->seat_count || p->engine->seats[t->seat].asked) {
        return false;
    }
    p->at++;
    slot_kill(&p->seats[t->seat].slot, t->reason, t->text);
    engine_late(p->engine, t->seat);
    return true;
}

static void own_again(struct engine *e, const struct tape_own_event *own) {
    if (own->what == TAPE_OWN_TIME) {
        engine_timer(e, own->now_ns);
    } else if (own->what == TAPE_OWN_REPORTS) {
        engine_reports(e);
    } else if (own->what == TAPE_OWN_DOUBT) {
        engine_doubt(e);
    } else {
        (own->what == TAPE_OWN_ASK ? engine_ask : engine_recover)(e);
    }
}

static void frame_apply(struct replay *p, const struct frame *f) {
    struct engine *e = p->engine;
    e->mono_ns = f->time_ns;
    switch (f->kind) {
    case TAPE_MARKET: market_again(p, f); return;
    case TAPE_REPORT: report_again(p, f); return;
    case TAPE_SLOT: {
        size_t before = p->at;
        if (slot_lost_again(p, (const void *)f->bytes)) {
            return;
        }
        engine_candidate(e, ((const struct tape_slot *)(const void *)f->bytes)->seat % AGENTS_MAX, WATCHDOG_NS);
        if (p->at == before) {
            differs(p, &p->result->answers_differ, "an answer nobody waits for now");
            p->at++;
        }
        return;
    }
    case TAPE_DURABLE: {
        const struct tape_durable *t = (const void *)f->bytes;
        struct durable_token token = {.through = t->through, .full = t->full != 0};
        p->at++;
        engine_durable(e, &token);
        return;
    }
    default: break;
    }
    p->at++;
    if (f->kind == TAPE_OPERATOR) {
        const struct tape_operator *t = (const void *)f->bytes;
        engine_trading(e, (enum trading_state)t->state, t->kill_switch != 0, t->reason, t->text);
    } else if (f->kind == TAPE_POLICY && f->size == sizeof(p->risk)) {
        memcpy(&p->risk, f->bytes, sizeof(p->risk));
        engine_limits(e, &p->risk);
    } else if (f->kind == TAPE_TIMER) {
        own_again(e, (const void *)f->bytes);
    } else if (f->kind == TAPE_RECORD) {
        struct record record;
        if (record_decode(f->bytes, f->size, &record) == 0) {
            record.id = 0;
            engine_record(e, &record, false);
        }
    }
    p->result->complete = f->kind == TAPE_END;
}

static void replay_close(struct replay *p) {
    for (uint32_t i = 0; i < AGENTS_MAX; i++) {
        if (p->seats[i].slot.pid != 0) {
            slot_stop(&p->seats[i].slot, 100 * NS_PER_MS);
        }
    }
    for (uint32_t n = 1; n < ACCOUNTS_MAX; n++) {
        if (p->candidate_venues[n]) {
            match_venue.close(p->candidate_venues[n]);
        }
    }
    while (p->count > 0) {
        free((void *)(uintptr_t)p->frames[--p->count].bytes);
    }
    free(p->frames);
    free(p->rows);
    shared_memory_close(&p->market);
    arena_fini(&p->arena);
}

int replay(struct setup *setup, const char *home, struct replay_result *result, struct error *error) {
    static struct replay p;
    char path[1200];
    memset(&p, 0, sizeof(p));
    memset(result, 0, sizeof(*result));
    p.setup = setup;
    p.result = result;
    p.home = home;
    p.market.fd = -1;
    run_tape_path(home, path, sizeof(path));
    bool torn = false; /* a killed run is replayed as far as it came */
    int code = tape_read_killed(path, frame_keep, &p, &torn, error);
    if (code && p.error.code) {
        *error = p.error;
    }
    code = code ? code : start_read(&p, error);
    code = code ? code : setup_load_policy(setup, error);
    code = code ? code : strategies_open(&p, error);
    code = code ? code : engine_build(&p, error);
    code = code ? code : journal_load(&p, error);
    code = code ? code : seats_add(&p, error);
    code = code ? code : venues_add(&p, error);
    while (!code && p.at < p.count && !p.engine->failed) {
        frame_apply(&p, &p.frames[p.at]);
        result->frames++;
    }
    if (!code) {
        result->turns = p.engine->turns;
        code = p.engine->failed ? error_set(error, p.engine->failure.code, "%s", p.engine->failure.text) : 0;
    }
    replay_close(&p);
    return code;
}
