/*
 * backtest.c - the core of a backtest: build the engine, feed it the bars, tell what came out.
 *
 * Guarantees: it is the engine of every other mode with a feed of files, a clock that follows the bars and the bar matcher
 * as venue; nothing here decides. While the first answer of a turn is awaited the next bar is read and converted, into
 * memory no slot sees; it is published after the answer.
 */
#include "backtest.h"

#include <stdio.h>
#include <string.h>

/* ---- what the agents need -------------------------------------------------------------------------------------------------------- */

static int64_t feed_timeframe(const struct backtest_job *job) {
    int64_t shortest = INT64_MAX;
    for (uint32_t i = 0; i < job->instrument_count; i++) {
        shortest = job->sources[i].timeframe_ns < shortest ? job->sources[i].timeframe_ns : shortest;
    }
    return shortest;
}

static int64_t timeframe_wanted(const struct backtest_job *job, const struct agent_needs *needs, uint32_t i) {
    return needs->timeframe_s[i] == 0 ? feed_timeframe(job) : (int64_t)needs->timeframe_s[i] * NS_PER_S;
}

static int timeframe_add(struct market_options *o, int64_t timeframe_ns, uint32_t bars) {
    uint32_t t = 0;
    while (t < o->timeframe_count && o->timeframe_ns[t] != timeframe_ns) {
        t++;
    }
    if (t == TIMEFRAMES_MAX) {
        return ERROR_FULL;
    }
    o->timeframe_ns[t] = timeframe_ns;
    o->bars[t] = bars > o->bars[t] ? bars : o->bars[t];
    o->timeframe_count += t == o->timeframe_count;
    return 0;
}

int backtest_market(const struct backtest_job *job, struct market_options *o, struct error *error) {
    memset(o, 0, sizeof(*o));
    o->instruments = job->instruments;
    o->instrument_count = job->instrument_count;
    int64_t base = feed_timeframe(job);
    (void)timeframe_add(o, base, 1); /* the feed's own is always the first */
    for (uint32_t a = 0; a < job->agent_count; a++) {
        const struct agent_needs *needs = &job->agents[a].needs;
        for (uint32_t i = 0; i < needs->timeframe_count; i++) {
            int64_t wanted = timeframe_wanted(job, needs, i);
            if (wanted < base || wanted % base != 0) {
                return error_set(error, ERROR_CONFIG, "strategy %s needs bars of %lld s; the data has bars of %lld s, which cannot make them",
                                 job->agents[a].name, (long long)(wanted / NS_PER_S), (long long)(base / NS_PER_S));
            }
            if (timeframe_add(o, wanted, needs->bars[i])) {
                return error_set(error, ERROR_CONFIG, "the strategies need more than %d different timeframes", TIMEFRAMES_MAX);
            }
        }
        o->ticks = needs->ticks > o->ticks ? needs->ticks : o->ticks;
        o->depth_levels = needs->depth > o->depth_levels ? needs->depth : o->depth_levels;
    }
    return 0;
}

void backtest_timeframes(const struct backtest_job *job, const struct market_options *market, uint32_t agent,
                         uint32_t timeframe[AGENT_TIMEFRAMES_MAX]) {
    const struct agent_needs *needs = &job->agents[agent].needs;
    memset(timeframe, 0, AGENT_TIMEFRAMES_MAX * sizeof(timeframe[0]));
    for (uint32_t i = 0; i < needs->timeframe_count; i++) {
        while (market->timeframe_ns[timeframe[i]] != timeframe_wanted(job, needs, i)) {
            timeframe[i]++;
        }
    }
}

/* ---- the feed, one turn ahead ------------------------------------------------------------------------------------------------------- */

struct ahead {
    const struct backtest_job *job;
    struct engine *engine;
    struct feed feed;
    uint32_t current;
    bool convert;               /* ahead of time, where another process is deciding meanwhile */
    bool more[2];
    struct bar_turn turns[2];
    struct agent_bar converted[2][INSTRUMENTS_MAX];
    uint64_t bars;
};

static void ahead_fetch(struct ahead *a, uint32_t to) {
    struct bar_turn *t = &a->turns[to];
    a->more[to] = feed_next(&a->feed, t);
    for (uint32_t k = 0; a->convert && a->more[to] && k < t->count; k++) {
        market_convert_bar(&a->engine->market, t->instrument[k], t->bar[k], t->after_gap[k], &a->converted[to][k]);
    }
}

/* Called by the engine after the active slots were rung. */
static void ahead_idle(void *context) {
    struct ahead *a = context;
    ahead_fetch(a, a->current ^ 1u);
}

static void ahead_open(struct ahead *a, struct backtest *b) {
    a->job = b->job;
    a->engine = b->engine;
    a->convert = !b->host.direct;
    a->feed.source_count = b->job->instrument_count;
    for (uint32_t i = 0; i < b->job->instrument_count; i++) {
        a->feed.sources[i] = (struct feed_source){.bars = (const struct bar *)(const void *)(b->data + b->job->sources[i].bars_at),
                                                  .count = b->job->sources[i].count,
                                                  .timeframe_ns = b->job->sources[i].timeframe_ns};
    }
    ahead_fetch(a, 0);
}

static void ahead_run(struct ahead *a) {
    struct engine *e = a->engine;
    e->idle = a->convert ? ahead_idle : NULL; /* called directly the agents leave no time to use */
    e->idle_context = a;
    while (a->more[a->current] && !e->failed) {
        const struct bar_turn *t = &a->turns[a->current];
        a->bars += t->count;
        engine_bars(e, t, a->convert ? a->converted[a->current] : NULL);
        if (!a->convert) {
            ahead_fetch(a, a->current ^ 1u);
        }
        a->current ^= 1u;
    }
    e->idle = NULL;
}

/* ---- building and running -------------------------------------------------------------------------------------------------------------- */

static int seats_add(struct backtest *b, struct error *error) {
    const struct backtest_job *job = b->job;
    for (uint32_t i = 0; i < job->agent_count; i++) {
        struct engine_seat seat = {.name = job->agents[i].name, .active = true, .account = 0,
                                   .budget_e8 = job->cash_e8 / job->agent_count};
        seat.budget_e8 += i == 0 ? job->cash_e8 % job->agent_count : 0;
        seat.needs = &job->agents[i].needs;
        seat.state_max = job->agents[i].state_max;
        int code = b->host.seat(b->host.context, i, &b->engine->market, &seat, error);
        code = code ? code : engine_seat_add(b->engine, &seat, error);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

static struct engine_account_context venue_context;

static int build(struct backtest *b, struct sink *sink, struct error *error) {
    if (arena_init(&b->arena, engine_bytes(1)) != 0) {
        return error_set(error, ERROR_SYSTEM, "no memory for the engine");
    }
    struct engine_options options = {.instruments = b->job->instruments, .instrument_count = b->job->instrument_count,
                                     .risk = &b->job->risk, .host = &b->job->host, .sink = sink, .runfile = b->runfile,
                                     .instance = "bt", .timeframe_ns = b->market.timeframe_ns[0]};
    b->engine = engine_open(&b->arena, &options, &b->market, b->market_memory, error);
    int code = b->engine ? engine_account_add(b->engine, &b->arena, "", b->job->cash_e8, error) : error->code;
    if (code < 0) {
        return code;
    }
    venue_context = (struct engine_account_context){.engine = b->engine, .account = 0};
    struct venue_host host = {.context = &venue_context, .report = engine_report, .instruments = b->job->instruments,
                              .instrument_count = b->job->instrument_count};
    struct venue_options none = {0};
    code = match_venue.open(&b->venue, &none, &host, error);
    if (code) {
        return code;
    }
    engine_account_venue(b->engine, 0, &match_venue, b->venue);
    b->engine->on_trade = b->host.trade;
    b->engine->on_trade_context = b->host.context;
    arena_seal(&b->arena);
    return seats_add(b, error);
}

static void result_agents(const struct engine *e, struct backtest_result *r) {
    const struct book *book = &e->accounts[0]->book;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        const struct seat *s = &e->seats[i];
        const struct agent_account *a = &book->agents[s->agent];
        struct backtest_agent_result *to = &r->agents[i];
        *to = (struct backtest_agent_result){.equity_e8 = agent_equity_e8(a), .realised_e8 = a->realised_e8, .fees_e8 = a->fees_e8,
                                             .trades = a->trades_closed, .won = a->trades_won, .turns = s->turns, .gaps = s->gaps,
                                             .death = s->alive ? REASON_NONE : s->death.reason};
        snprintf(to->death_text, sizeof(to->death_text), "%.150s", s->alive ? "" : s->death.text);
    }
}

static void result_fill(const struct backtest *b, const struct ahead *a, struct backtest_result *r) {
    const struct engine *e = b->engine;
    const struct book *book = &e->accounts[0]->book;
    r->bars = a->bars;
    r->turns = e->turns;
    r->wishes = e->wishes;
    r->orders = e->orders;
    r->fills = e->fills;
    r->trades = book->trades_closed;
    r->final_equity_e8 = book->equity_e8;
    r->cash_e8 = book->cash_e8;
    r->realised_e8 = book->realised_e8;
    r->fees_e8 = book->fees_e8;
    r->open_positions = book->open_count;
    r->drawdown_worst_ppm = book->drawdown_worst_ppm;
    r->no_trade_reason = engine_no_trade_reason(e);
    memcpy(r->refusals, e->refusals, sizeof(r->refusals));
    r->records = b->runfile->records;
    result_agents(e, r);
}

int backtest_run(struct backtest *b, struct backtest_result *r) {
    static struct ahead ahead;
    struct error error = {0};
    struct sink sink = runfile_sink(b->runfile);
    memset(r, 0, sizeof(*r));
    memset(&ahead, 0, sizeof(ahead));
    r->code = build(b, &sink, &error);
    if (r->code == 0) {
        ahead_open(&ahead, b);
        if (b->host.ready) {
            b->host.ready(b->host.context);
        }
        int64_t start = b->host.clock_ns ? b->host.clock_ns() : 0;
        ahead_run(&ahead);
        b->engine_ns = b->host.clock_ns ? b->host.clock_ns() - start : 0;
        engine_finish(b->engine);
        result_fill(b, &ahead, r);
        r->code = b->engine->failed ? b->engine->failure.code : 0;
        error = b->engine->failed ? b->engine->failure : error;
        r->record_bytes = b->runfile->bytes + b->runfile->used;
    }
    snprintf(r->text, sizeof(r->text), "%s", r->code ? error.text : "");
    r->done = 1;
    return r->code;
}

void backtest_close(struct backtest *b) {
    if (b->venue) {
        match_venue.close(b->venue);
    }
    arena_fini(&b->arena);
    b->venue = NULL;
    b->engine = NULL;
}
