/*
 * sim_local.c - an exchange inside the host's process: for demonstrations, and for tests that own the clock.
 *
 * Exchange time runs `speed` times as fast as the time given to poll, from start_ns (0 = the time of opening, or of the
 * record that is replayed). Orders arrive at the exchange time of the last poll.
 *
 * Guarantees: market data is delivered from poll only, never inside submit; with the same options and the same polls the
 * same is told. While the link is down by fault nothing is told and nothing is taken.
 * Deliberately not here: memory of a former life. When the host dies this exchange dies with it, and the next one answers
 * ABSENT to everything; who wants a witness runs the exchange as a process of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

#define LATER_MAX 1024 /* market events that happened inside a call */

struct sim_local {
    struct sim_options options;
    struct venue_host host;
    struct exchange *exchange;
    struct faults faults;
    int64_t host_start_ns, exchange_start_ns;
    int64_t up_again_ns;   /* host time at which a broken link comes back */
    bool up, polling, end_told;
    uint32_t later_count;
    struct venue_market later[LATER_MAX];
};

static void link_tell(struct sim_local *l, bool up) {
    struct venue_report report = {.kind = up ? VENUE_LINK_UP : VENUE_LINK_DOWN, .time_ns = l->exchange->now_ns, .fee_e8 = -1};
    l->up = up;
    l->host.report(l->host.context, &report);
}

/* What comes out of the faulty wire. */
static void report_out(void *context, const struct venue_report *report) {
    struct sim_local *l = context;
    if (l->up && !l->faults.disconnect) {
        l->host.report(l->host.context, report);
    }
}

static void report_in(void *context, const struct venue_report *report) {
    struct sim_local *l = context;
    if (l->up) {
        faults_report(&l->faults, report);
    }
}

static void market_in(void *context, const struct venue_market *event) {
    struct sim_local *l = context;
    bool wanted = event->kind == VENUE_QUOTE ? l->options.quotes : event->kind == VENUE_TRADE ? l->options.trades : true;
    if (!wanted || !l->up || l->host.market == NULL) {
        return;
    }
    if (l->polling) {
        l->host.market(l->host.context, event);
    } else if (l->later_count < LATER_MAX) {
        l->later[l->later_count++] = *event;
    }
}

static int markets_add(struct sim_local *l, struct error *error) {
    char path[SIM_PATHS_MAX];
    for (uint32_t i = 0; i < l->host.instrument_count; i++) {
        const struct instrument *instrument = &l->host.instruments[i];
        int code = exchange_add(l->exchange, instrument, sim_options_replay(&l->options, instrument->name, i, path), error);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

int sim_local_open(struct sim_local **out, const struct sim_options *options, const struct venue_host *host, int64_t now_ns,
                   struct error *error) {
    struct sim_local *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return error_set(error, ERROR_SYSTEM, "sim: no memory for the venue");
    }
    l->options = *options;
    l->host = *host;
    l->up = true;
    struct exchange_options *x = &l->options.exchange;
    bool own_time = options->replay[0] != '\0' && !x->rebase; /* the record's */
    x->start_ns = x->start_ns != 0 || own_time ? x->start_ns : now_ns;
    x->epoch = (uint64_t)now_ns;
    struct exchange_sink sink = {l, report_in, market_in};
    faults_init(&l->faults, &options->faults, l, report_out);
    int code = exchange_open(&l->exchange, x, &sink, error);
    code = code == 0 ? markets_add(l, error) : code;
    if (code != 0) {
        sim_local_close(l);
        return code;
    }
    l->host_start_ns = now_ns;
    l->exchange_start_ns = l->exchange->now_ns;
    link_tell(l, true);
    *out = l;
    return 0;
}

void sim_local_close(struct sim_local *l) {
    if (l != NULL) {
        exchange_close(l->exchange);
        free(l);
    }
}

/* ---- time ------------------------------------------------------------------------------------------------------------------- */

static int64_t exchange_time(const struct sim_local *l, int64_t host_ns) {
    int64_t passed;
    if (__builtin_mul_overflow(host_ns - l->host_start_ns, l->options.speed, &passed) ||
        __builtin_add_overflow(passed, l->exchange_start_ns, &passed)) {
        return INT64_MAX - 1;
    }
    return passed;
}

/* The host time at which exchange time has reached `exchange_ns`. */
static int64_t host_time(const struct sim_local *l, int64_t exchange_ns) {
    if (exchange_ns == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t passed = exchange_ns - l->exchange_start_ns, speed = l->options.speed;
    return l->host_start_ns + passed / speed + (passed % speed > 0);
}

int64_t sim_local_wake_ns(const struct sim_local *l) {
    if (!l->up) {
        return l->up_again_ns;
    }
    if (l->options.speed == 0) {
        return l->exchange->ended && l->end_told ? INT64_MAX : 0;
    }
    int64_t exchange = exchange_next_ns(l->exchange), faults = faults_next_ns(&l->faults);
    return l->later_count != 0 ? 0 : host_time(l, exchange < faults ? exchange : faults);
}

static void link_work(struct sim_local *l, int64_t now_ns) {
    if (l->up && l->faults.disconnect) {
        faults_forget(&l->faults);
        l->later_count = 0;
        l->up_again_ns = now_ns + l->options.reconnect_ns;
        link_tell(l, false);
    } else if (!l->up && now_ns >= l->up_again_ns) {
        link_tell(l, true);
    }
}

static void later_tell(struct sim_local *l) {
    uint32_t count = l->later_count;
    l->later_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        l->host.market(l->host.context, &l->later[i]);
    }
}

int sim_local_poll(struct sim_local *l, int64_t now_ns) {
    l->polling = true;
    link_work(l, now_ns);
    later_tell(l);
    if (l->options.speed == 0) {
        exchange_advance_turn(l->exchange, INT64_MAX);
    } else {
        exchange_advance(l->exchange, exchange_time(l, now_ns));
    }
    faults_release(&l->faults, l->exchange->now_ns);
    link_work(l, now_ns);
    l->polling = false;
    l->end_told = l->exchange->ended;
    return l->exchange->ended ? 1 : 0;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

int sim_local_submit(struct sim_local *l, const struct order *order) {
    if (!l->up) {
        return ERROR_VENUE;
    }
    return exchange_submit(l->exchange, order, exchange_kind_of(l->exchange, order));
}

int sim_local_cancel(struct sim_local *l, const char *client_id) {
    if (!l->up) {
        return ERROR_VENUE;
    }
    exchange_cancel(l->exchange, client_id);
    return 0;
}

int sim_local_protect(struct sim_local *l, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks) {
    return l->up ? exchange_protect(l->exchange, instrument, position, stop_ticks, target_ticks) : ERROR_VENUE;
}

int sim_local_query(struct sim_local *l, const char *client_id, uint16_t instrument) {
    struct venue_report answer;
    if (!l->up) {
        return ERROR_VENUE;
    }
    exchange_query(l->exchange, client_id, &answer);
    answer.instrument = instrument;
    report_in(l, &answer);
    return 0;
}

int sim_local_fills_since(struct sim_local *l, int64_t since_ns) {
    if (!l->up) {
        return ERROR_VENUE;
    }
    for (uint32_t i = exchange_fills_since(l->exchange, since_ns); i < l->exchange->fill_count; i++) {
        report_out(l, &l->exchange->fills[i]);
    }
    struct venue_report end = {.kind = VENUE_FILLS_END, .time_ns = l->exchange->now_ns, .fee_e8 = -1};
    report_out(l, &end);
    return 0;
}

int sim_local_positions(struct sim_local *l) {
    if (!l->up) {
        return ERROR_VENUE;
    }
    for (uint32_t i = 0; i < l->exchange->market_count; i++) {
        struct venue_report position = {.kind = VENUE_POSITION, .instrument = (uint16_t)i, .time_ns = l->exchange->now_ns,
                                        .lots = l->exchange->markets[i].net_lots, .fee_e8 = -1};
        report_out(l, &position);
    }
    struct venue_report end = {.kind = VENUE_POSITIONS_END, .time_ns = l->exchange->now_ns, .fee_e8 = -1};
    report_out(l, &end);
    return 0;
}
