/*
 * run.c - the loop of a running host: whatever happens outside becomes an event for the engine, one after the other.
 *
 * Guarantees: the loop waits in one place (ppoll) and for nobody else but an active strategy, at most its deadline; an order
 * leaves only after its commit came back as an event; the kill switch file is looked at before every such event and in every
 * round; trading begins after the venue has answered for every order whose fate was unknown. It decides nothing.
 */
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "run_parts.h"

#define ROUND_NS (50 * NS_PER_MS)      /* longest sleep */
#define RECOVERY_NS (10 * NS_PER_S)    /* the venue has this long to answer for unknown orders */
#define ASK_AGAIN_NS NS_PER_S
#define SAVE_NS (100 * NS_PER_MS)

/* ---- the kill switch ------------------------------------------------------------------------------------------------------------------- */

static void kill_switch_look(struct run *r) {
    char path[1200];
    struct stat found;
    snprintf(path, sizeof(path), "%s/KILL_SWITCH", r->options.home);
    if (!r->engine->kill_switch && (lstat(path, &found) == 0 || errno != ENOENT)) { /* what cannot be looked at counts as there */
        run_trading(r, TRADING_HALTED, true, REASON_KILL_SWITCH, "the file KILL_SWITCH exists");
        journal_submit(r->journal);
    }
}

/* ---- the journal ------------------------------------------------------------------------------------------------------------------------- */

static bool intent_lost(void *context, uint64_t sequence) { return journal_lost(((struct run *)context)->journal, sequence); }

static void journal_event(struct run *r) {
    struct durable_token token;
    struct error failure = {0};
    if (journal_poll(r->journal, &token)) {
        struct tape_durable frame = {.through = token.through, .full = token.full};
        r->last_token = token;
        r->engine->mono_ns = clock_monotonic_ns();
        run_tape(r, TAPE_DURABLE, &frame, sizeof(frame));
        engine_durable(r->engine, &token);
    }
    if (!r->journal_failed && journal_failure(r->journal, &failure) != 0) {
        r->journal_failed = true;
        log_error("ledger", "%s", failure.text);
        engine_lost(r->engine, intent_lost, r);
        run_trading(r, journal_dead(r->journal) ? TRADING_HALTED : TRADING_REDUCING, r->engine->kill_switch, REASON_JOURNAL_FAILED, failure.text);
        journal_submit(r->journal);
    }
    if (!r->journal_failed && !r->journal_behind && r->lost[0] != LOST_NOTHING) {
        r->journal_behind = true;
        log_error("ledger", "the journal cannot keep up: from here on only exits are taken");
        run_trading(r, TRADING_REDUCING, r->engine->kill_switch, REASON_JOURNAL_FAILED, "the journal's queue is full");
    }
    if ((journal_dead(r->journal) || r->lost[0] == LOST_ALL) && !r->ending) {
        r->ending = true;
        snprintf(r->summary->ended_by, sizeof(r->summary->ended_by), "the journal failed");
    }
}

/* ---- signals ------------------------------------------------------------------------------------------------------------------------------- */

/* SIGHUP: the policy is read again; it may tighten at once, never loosen. */
static void policy_again(struct run *r) {
    static struct policy again;
    struct error error = {0};
    if (policy_read(&again, r->setup->policy_dir, cli_policy_dir(), &error) != 0) {
        log_error("enforce", "SIGHUP: policy not taken: %s", error.text);
        return;
    }
    risk_tighten(&r->risk, &again.risk);
    run_tape(r, TAPE_POLICY, &r->risk, sizeof(r->risk));
    struct body_operator body = {.command = "SIGHUP"};
    snprintf(body.text, sizeof(body.text), "policy %.64s: limits tightened", again.hash_text);
    struct record record;
    record_fill(&record, RECORD_POLICY, r->engine->now_ns, &body, sizeof(body));
    run_record(r, &record);
    engine_limits(r->engine, &r->risk);
    journal_submit(r->journal);
    log_info("enforce", "SIGHUP: limits tightened to %.12s", again.hash_text);
}

static void signal_event(struct run *r) {
    struct signalfd_siginfo info;
    while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            policy_again(r);
        } else {
            r->ending = true;
            snprintf(r->summary->ended_by, sizeof(r->summary->ended_by), "%s", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
        }
    }
}

/* ---- one round ------------------------------------------------------------------------------------------------------------------------------ */

/* Has any account, of candidates too, an order that is not with its venue yet? */
static bool orders_leaving(const struct engine *e) {
    for (uint32_t n = 0; n < e->account_count; n++) {
        const struct order_table *t = &e->accounts[n]->orders;
        for (uint32_t i = 0; i < t->count; i++) {
            if (t->open[i].state <= ORDER_SENT) {
                return true;
            }
        }
    }
    return false;
}

/* An unpaced feed goes on when everything of the turn before is done; a paced one waits for nobody. */
static bool feed_blocked(const struct run *r) {
    bool blocked = orders_leaving(r->engine);
    for (uint32_t i = 0; i < r->engine->seat_count; i++) {
        blocked = blocked || r->engine->seats[i].asked;
    }
    return r->lockstep && blocked && !r->journal_failed;
}

/* Nanoseconds until the next thing that no descriptor announces. */
static int64_t patience(const struct run *r) {
    int64_t now = clock_utc_ns(), wake = now + ROUND_NS;
    const struct run_module *modules[] = {&r->venue, &r->feed};
    for (size_t i = 0; i < 2; i++) {
        if (modules[i]->venue && !(feed_blocked(r) && modules[i]->is_feed)) {
            int64_t at = modules[i]->vtable->wake_ns(modules[i]->venue);
            wake = at < wake ? at : wake;
        }
    }
    if (r->file_feed.sources[0].count != 0 && !feed_blocked(r) && r->next_file_ns < wake) {
        wake = r->next_file_ns;
    }
    return wake > now ? wake - now : 0;
}

static void wait_for_events(struct run *r) {
    struct pollfd fds[8 + AGENTS_MAX];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = journal_fd(r->journal), .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = r->signal_fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = r->watch_fd, .events = POLLIN};
    const struct run_module *modules[] = {&r->venue, &r->feed};
    for (size_t i = 0; i < 2; i++) {
        int fd = modules[i]->venue ? modules[i]->vtable->fd(modules[i]->venue) : -1;
        if (fd >= 0) {
            fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    for (uint32_t i = 0; i < r->engine->seat_count; i++) {
        if (!r->engine->seats[i].active && r->engine->seats[i].asked) {
            fds[n++] = (struct pollfd){.fd = r->slots[i].event_fd, .events = POLLIN};
        }
    }
    int64_t left = patience(r);
    struct timespec timeout = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    ppoll(fds, n, &timeout, NULL);
    char drop[4096];
    while (read(r->watch_fd, drop, sizeof(drop)) > 0) {
    }
}

static void venues_poll(struct run *r) {
    int64_t now = clock_utc_ns();
    int ended = 0;
    r->engine->mono_ns = clock_monotonic_ns();
    bool blocked = feed_blocked(r);
    if (r->venue.venue && !(blocked && r->venue.is_feed)) {
        ended = r->venue.vtable->poll(r->venue.venue, now);
    }
    run_reports(r);
    if (r->feed.venue && !blocked) {
        ended = r->feed.vtable->poll(r->feed.venue, now);
    }
    if (!r->recovering) {
        run_drain(r);
    }
    if (ended == 1 && !r->ending) {
        r->ending = true;
        snprintf(r->summary->ended_by, sizeof(r->summary->ended_by), "end of the feed");
    }
}

static void files_turn(struct run *r) {
    int64_t now = clock_utc_ns();
    if (r->setup->data[0].path && now >= r->next_file_ns && !feed_blocked(r)) {
        r->next_file_ns = now + r->options.interval_ns;
        run_file_turn(r);
        run_drain(r);
    }
}

/* A candidate that is later than its deadline is ended, and one that wrote more than the journal takes; the active ones were
 * waited for. */
static void candidates_look(struct run *r) {
    engine_candidates(r->engine);
    int64_t now = clock_monotonic_ns();
    for (uint32_t i = 0; i < r->engine->seat_count; i++) {
        struct seat *s = &r->engine->seats[i];
        bool late = now - r->slots[i].rung_ns > r->setup->policy.host.candidate_deadline_ns;
        if (!s->active && s->asked && (late || r->lost[s->account] != LOST_NOTHING)) {
            engine_late(r->engine, i);
        }
    }
}

static void once(struct run *r, bool feed) {
    wait_for_events(r);
    signal_event(r);
    kill_switch_look(r);
    journal_event(r);
    venues_poll(r);
    if (feed) {
        files_turn(r);
    }
    candidates_look(r);
    journal_submit(r->journal);
}

/* ---- before and after -------------------------------------------------------------------------------------------------------------------------- */

static void own_event(struct run *r, enum tape_own what) {
    struct tape_own_event frame = {.what = what};
    run_tape(r, TAPE_TIMER, &frame, sizeof(frame));
    r->asked_ns = clock_monotonic_ns();
    (what == TAPE_OWN_ASK ? engine_ask : engine_recover)(r->engine);
}

/* Engine time follows the feed. When a feed that runs in real time falls silent, the wall clock goes on in its place:
 * lifetimes and holding times end, and data grows old, also without news. */
#define REALTIME_NS (2 * NS_PER_S)
static void time_goes_on(struct run *r) {
    int64_t now = clock_utc_ns(), lag = r->feed_lag_ns;
    bool realtime = r->summary->bars != 0 && !r->setup->data[0].path && lag < REALTIME_NS && lag > -REALTIME_NS;
    if (realtime && now - r->engine->now_ns > NS_PER_S + REALTIME_NS) {
        struct tape_own_event frame = {.what = TAPE_OWN_TIME, .now_ns = now};
        r->engine->mono_ns = clock_monotonic_ns();
        run_tape(r, TAPE_TIMER, &frame, sizeof(frame));
        engine_timer(r->engine, now);
    }
}

/* An answer may have been lost: what is still in doubt after a second is asked for again. */
static void ask_again(struct run *r) {
    if (!engine_orders_known(r->engine) && clock_monotonic_ns() - r->asked_ns > ASK_AGAIN_NS) {
        own_event(r, TAPE_OWN_ASK);
    }
}

/* Everything the journal left open is asked for; nothing trades, and no turn begins, before the venue has answered and
 * positions were compared. A venue that is not there yet is no reason to halt unless it holds orders. */
static void recover(struct run *r) {
    r->last_token = (struct durable_token){.through = journal_opened_at(r->journal), .full = true};
    r->recovering = true;
    own_event(r, TAPE_OWN_RECOVER);
    struct tape_durable frame = {.through = r->last_token.through, .full = true};
    run_tape(r, TAPE_DURABLE, &frame, sizeof(frame));
    engine_durable(r->engine, &r->last_token);
    int64_t start = clock_monotonic_ns();
    bool late = false;
    while (!engine_orders_known(r->engine) && !r->ending && !late) {
        once(r, false);
        ask_again(r);
        late = clock_monotonic_ns() - start > RECOVERY_NS;
    }
    if (late && !engine_orders_settled(r->engine)) {
        run_trading(r, TRADING_HALTED, r->engine->kill_switch, REASON_VENUE_UNREACHABLE, "the venue did not answer for open orders");
    } else if (late) {
        log_warning("execute", "the venue is not there; trading begins when it is");
    }
    r->recovering = false;
}

static void clear_halt(struct run *r) {
    bool halted = r->engine->trading_state != TRADING_ACTIVE || r->engine->kill_switch;
    if (halted && r->options.clear_halt) {
        run_trading(r, TRADING_ACTIVE, false, REASON_OPERATOR, "--clear-halt");
    } else if (halted) {
        log_warning("enforce", "trading starts %s%s, as it ended; --clear-halt starts it again",
                    r->engine->trading_state == TRADING_HALTED ? "HALTED" : "REDUCING", r->engine->kill_switch ? " with the kill switch on" : "");
    }
}

static bool over(const struct run *r) {
    uint64_t turns = r->engine->turns;
    return r->ending || r->engine->failed || (r->options.once && turns >= 1) || (r->options.turns_max != 0 && turns >= r->options.turns_max) ||
           (r->options.duration_ns != 0 && clock_monotonic_ns() - r->started_ns >= r->options.duration_ns);
}

/* What has been decided is carried out before the host ends: intents on their way, candidates still thinking. */
static void settle(struct run *r) {
    int64_t start = clock_monotonic_ns();
    bool waiting = true;
    while (waiting && clock_monotonic_ns() - start < NS_PER_S) {
        waiting = orders_leaving(r->engine);
        for (uint32_t i = 0; i < r->engine->seat_count; i++) {
            waiting = waiting || r->engine->seats[i].asked;
        }
        if (waiting) {
            once(r, false);
        }
    }
}

void run_states_save(struct run *r) {
    for (uint32_t i = 0; i < r->engine->seat_count; i++) {
        struct seat *s = &r->engine->seats[i];
        int64_t size = seat_save(s, r->state_bytes, AGENT_STATE_MAX, SAVE_NS);
        if (size < 0) {
            engine_late(r->engine, i); /* it died of it: journal, tape and wishes hear of that as of any other death */
        }
        if (size <= 0) {
            continue;
        }
        unsigned char hash[HASH_BYTES];
        struct body_state body = {.size = (uint64_t)size, .schema = s->state_schema};
        char path[1400], text[HASH_TEXT_BYTES], temporary[1440];
        hash_bytes(r->state_bytes, (size_t)size, hash);
        hash_print(hash, text);
        memcpy(body.hash, text, sizeof(text));
        run_state_path(r->options.home, text, path, sizeof(path));
        snprintf(temporary, sizeof(temporary), "%s.tmp", path);
        int fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        bool ok = fd >= 0 && write(fd, r->state_bytes, (size_t)size) == (ssize_t)size && fdatasync(fd) == 0;
        if (fd >= 0) {
            close(fd);
        }
        if (!ok || rename(temporary, path) != 0) {
            log_warning("decide", "the state of %s cannot be saved: it will start cold", s->name);
            continue;
        }
        struct record record;
        record_fill(&record, RECORD_STATE, r->engine->now_ns, &body, sizeof(body));
        record.agent = record_agent(s->account, s->agent);
        run_record(r, &record);
    }
    journal_submit(r->journal);
}

static void summary_fill(struct run *r) {
    struct run_summary *s = r->summary;
    const struct engine *e = r->engine;
    struct journal_statistics journal;
    journal_statistics(r->journal, &journal);
    s->turns = e->turns;
    s->wishes = e->wishes;
    s->orders = e->orders;
    s->fills = e->fills;
    s->trades = e->accounts[0]->book.trades_closed;
    s->equity_e8 = e->accounts[0]->book.equity_e8;
    s->cash_e8 = e->accounts[0]->book.cash_e8;
    s->trading_state = e->trading_state;
    s->kill_switch = e->kill_switch;
    s->journal_rows = journal.rows;
    s->no_trade_reason = engine_no_trade_reason(e);
    s->decision_ns = e->decision_ns;
    s->gate_ns = e->gate_ns;
    memcpy(s->refusals, e->refusals, sizeof(s->refusals));
    s->agent_count = e->seat_count;
    for (uint32_t i = 0; i < e->seat_count; i++) {
        const struct seat *seat = &e->seats[i];
        const struct agent_account *a = &e->accounts[seat->account]->book.agents[seat->agent];
        memcpy(s->agents[i].name, seat->name, sizeof(s->agents[i].name));
        s->agents[i].active = seat->active;
        s->agents[i].alive = seat->alive;
        s->agents[i].equity_e8 = agent_equity_e8(a);
        s->agents[i].turns = seat->turns;
        s->agents[i].gaps = seat->gaps;
        s->agents[i].trades = a->trades_closed;
        s->agents[i].latency = seat->latency;
        s->agents[i].death = seat->death;
    }
}

static void loop(struct run *r) {
    int64_t every = r->setup->policy.host.save_every_turns;
    while (!over(r)) {
        once(r, true);
        ask_again(r);
        time_goes_on(r);
        if (every > 0 && (int64_t)r->engine->turns - r->saved_turns >= every) {
            r->saved_turns = (int64_t)r->engine->turns;
            run_states_save(r);
        }
    }
}

int run(struct setup *setup, const struct run_options *options, struct run_summary *summary, struct error *error) {
    static struct run r;
    memset(&r, 0, sizeof(r));
    memset(summary, 0, sizeof(*summary));
    r.setup = setup;
    r.options = *options;
    r.summary = summary;
    int code = run_open(&r, error);
    if (!code) {
        summary->started = true;
        clear_halt(&r);
        kill_switch_look(&r); /* after it: a file that is still there is not cleared by a word */
        recover(&r);
        r.started_ns = clock_monotonic_ns();
        loop(&r);
        if (r.engine->failed) {
            run_trading(&r, TRADING_HALTED, r.engine->kill_switch, REASON_ILLEGAL_STEP, r.engine->failure.text);
        }
        settle(&r);
        run_states_save(&r);
        run_tape(&r, TAPE_END, NULL, 0);
        summary_fill(&r);
        if (r.engine->failed) {
            *error = r.engine->failure;
            code = error->code;
        }
    }
    run_close(&r);
    return code;
}
