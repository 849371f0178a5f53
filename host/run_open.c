/*
 * run_open.c - building a running host, in the order that safety wants: journal (and its lock) first, then its fold into the
 * engine, then slots, then venues; the first market event comes only after the venue has told what happened meanwhile.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "execute/dry.h"
#include "run_parts.h"

void run_journal_path(const char *home, char *to, size_t size) { snprintf(to, size, "%s/journal/journal.db", home); }
void run_tape_path(const char *home, char *to, size_t size) { snprintf(to, size, "%s/tape", home); }
void run_state_path(const char *home, const char *hash, char *to, size_t size) { snprintf(to, size, "%s/state/%s", home, hash); }

/* ---- plug-ins --------------------------------------------------------------------------------------------------------------------------- */

int run_module_open(struct run_module *m, const char *spec, struct error *error) {
    char path[1200], file[80];
    const char *colon = strchr(spec, ':');
    size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
    if (length == 0 || length >= sizeof(m->name) || strspn(spec, "abcdefghijklmnopqrstuvwxyz0123456789_") < length) {
        return error_set(error, ERROR_USAGE, "venue '%s': wanted NAME or NAME:options", spec);
    }
    memcpy(m->name, spec, length);
    m->options = colon ? colon + 1 : "";
    if (strcmp(m->name, "dry") == 0) {
        m->vtable = &dry_venue;
        return 0;
    }
    const char *const places[] = {"../plugins", "../lib/bulkhead/plugins"};
    for (size_t i = 0; i < 2 && !m->library; i++) {
        snprintf(file, sizeof(file), "%s/%s.so", places[i], m->name);
        cli_beside(file, path, sizeof(path));
        m->library = access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    }
    if (!m->library) {
        const char *why = dlerror();
        return error_set(error, ERROR_NOT_FOUND, "no venue plug-in '%s': %s", m->name, why ? why : path);
    }
    m->vtable = dlsym(m->library, "venue_entry");
    if (!m->vtable || m->vtable->version != VENUE_VERSION || m->vtable->size != sizeof(struct venue_vtable)) {
        return error_set(error, ERROR_ABI, "%s: not a venue of version %u", path, VENUE_VERSION);
    }
    return 0;
}

static int module_start(struct run *r, struct run_module *m, const struct venue_host *host, struct error *error) {
    static char homes[2][1200];
    char *home = homes[m == &r->feed];
    snprintf(home, sizeof(homes[0]), "%s/venue-%s", r->options.home, m->name);
    int code = cli_make_dirs(home, error);
    struct venue_options options = {.options = m->options, .home = home, .now_ns = clock_utc_ns()};
    return code ? code : m->vtable->open(&m->venue, &options, host, error);
}

/* ---- journal ------------------------------------------------------------------------------------------------------------------------------- */

/* Candidates use half of the queue and none of the reserve, ordinary records three quarters: exits of the account that counts
 * always find room, whatever the others write. */
static uint64_t sink_append(void *context, const struct record *record, bool urgent) {
    struct run *r = context;
    uint16_t n = record->agent == RECORD_NO_INDEX ? 0 : record_account_of(record);
    bool reserve = urgent && n == 0;
    uint8_t *lost = &r->lost[n < ACCOUNTS_MAX ? n : 0];
    uint64_t room = n != 0 ? JOURNAL_QUEUE / 2 : reserve ? JOURNAL_QUEUE : JOURNAL_QUEUE / 4 * 3;
    bool taken = *lost < (reserve ? LOST_ALL : LOST_ORDINARY) && journal_queued(r->journal) < room;
    uint64_t sequence = taken ? journal_append(r->journal, record, reserve) : 0;
    if (sequence == 0) {
        *lost = reserve ? LOST_ALL : *lost > LOST_ORDINARY ? *lost : LOST_ORDINARY;
    }
    return sequence;
}

static bool sink_submit(void *context, struct durable_token *token) {
    struct run *r = context;
    (void)token;
    journal_submit(r->journal);
    return false;
}

struct fold {
    struct run *run;
    struct error error;
};

/* The newest state of an agent, known by its name: active in the real account, a candidate in the account of its own. */
static void fold_state(struct run *r, const struct record *record) {
    const struct body_state *b = record_body(record, RECORD_STATE, sizeof(*b));
    const struct account *a = b ? engine_folded(r->engine, record) : NULL;
    uint16_t agent = record_agent_of(record);
    for (uint32_t i = 0; a && agent < a->book.agent_count && i < r->setup->strategy_count; i++) {
        bool own = r->setup->strategies[i].candidate == (a->index != 0) &&
                   strncmp(a->book.agents[agent].name, r->setup->job->agents[i].name, NAME_MAX_BYTES) == 0;
        if (own) {
            snprintf(r->state_hash[i], sizeof(r->state_hash[i]), "%.64s", b->hash);
            r->state_schema[i] = b->schema;
        }
    }
}

/* Records name instruments by index: what the first of them are must not change under a journal. */
static void instruments_hash(const struct run *r, uint64_t count, char text[HASH_TEXT_BYTES]) {
    static struct {
        char name[NAME_MAX_BYTES];
        int64_t tick_e8, lot_e8, multiplier_e8;
    } all[INSTRUMENTS_MAX];
    unsigned char hash[HASH_BYTES];
    memset(all, 0, sizeof(all));
    for (uint64_t i = 0; i < count; i++) {
        const struct instrument *from = &r->setup->job->instruments[i];
        snprintf(all[i].name, sizeof(all[i].name), "%s", from->name);
        all[i].tick_e8 = from->tick_e8;
        all[i].lot_e8 = from->lot_e8;
        all[i].multiplier_e8 = from->multiplier_e8;
    }
    hash_bytes(all, count * sizeof(all[0]), hash);
    hash_print(hash, text);
}

static int fold_run(const struct run *r, const struct record *record, struct error *error) {
    const struct body_run *b = record_body(record, RECORD_RUN, sizeof(*b));
    char text[HASH_TEXT_BYTES] = "";
    if (b && b->instruments <= r->setup->job->instrument_count) {
        instruments_hash(r, b->instruments, text);
    }
    return !b || strncmp(text, b->instruments_hash, sizeof(text)) == 0
               ? 0 : error_set(error, ERROR_CONFIG,
                               "%s: its journal is about %llu other instruments; give the same (name, tick, lot, multiplier) in the same order, new ones after them, or take another --home",
                               r->options.home, (unsigned long long)b->instruments);
}

static int fold_row(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]) {
    struct fold *f = context;
    (void)hash;
    f->run->journal_at = sequence;
    fold_state(f->run, record);
    int code = record->kind == RECORD_RUN ? fold_run(f->run, record, &f->error) : 0;
    return code ? code : engine_fold(f->run->engine, sequence, record, &f->error);
}

static int journal_start(struct run *r, struct error *error) {
    char path[1200];
    run_journal_path(r->options.home, path, sizeof(path));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    int code = cli_make_dirs(path, error);
    *slash = '/';
    struct journal_options options = {.path = path, .reserve_bytes = (uint64_t)r->setup->policy.host.journal_reserve_bytes};
    code = code ? code : journal_open(&r->journal, &options, error);
    if (!code) {
        snprintf(r->instance, sizeof(r->instance), "%.10s", journal_instance(r->journal));
    }
    return code;
}

static int journal_fold(struct run *r, struct error *error) {
    char path[1200];
    struct fold fold = {.run = r};
    run_journal_path(r->options.home, path, sizeof(path));
    int code = journal_opened_at(r->journal) == 0 ? 0 : journal_read(path, 1, fold_row, &fold, error);
    if (code && fold.error.code) {
        *error = fold.error;
    }
    return code;
}

/* ---- engine and slots ------------------------------------------------------------------------------------------------------------------------- */

static int state_load(struct run *r, uint32_t agent, size_t *size) {
    char path[1400];
    *size = 0;
    if (r->state_hash[agent][0] == '\0') {
        return 0;
    }
    run_state_path(r->options.home, r->state_hash[agent], path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, r->state_bytes, AGENT_STATE_MAX) : -1;
    if (fd >= 0) {
        close(fd);
    }
    unsigned char hash[HASH_BYTES];
    char text[HASH_TEXT_BYTES];
    if (n > 0) {
        hash_bytes(r->state_bytes, (size_t)n, hash);
        hash_print(hash, text);
    }
    if (n <= 0 || strcmp(text, r->state_hash[agent]) != 0) {
        log_warning("decide", "%s starts cold: its saved state %s", r->setup->job->agents[agent].name, n <= 0 ? "cannot be read" : "is not what was saved");
        r->state_hash[agent][0] = '\0';
        return 0;
    }
    *size = (size_t)n;
    return 0;
}

static int slot_open(struct run *r, uint32_t i, struct engine_seat *seat, struct error *error) {
    const struct backtest_agent *a = &r->setup->job->agents[i];
    const struct setup_strategy *s = &r->setup->strategies[i];
    char title[96];
    size_t state_size;
    snprintf(title, sizeof(title), "slot %s [%s]", a->name, s->candidate ? "candidate" : "active");
    state_load(r, i, &state_size);
    struct slot_options options = {.strategy = &s->file, .title = title, .params = a->params, .param_count = a->param_count,
                                   .seed = a->seed, .state = state_size ? r->state_bytes : NULL, .state_size = state_size,
                                   .state_schema = (uint32_t)r->state_schema[i], .core = -1, .nice = s->candidate ? 10 : 0,
                                   .start_ns_max = r->setup->policy.host.start_deadline_ns, .market = &r->market};
    backtest_timeframes(r->setup->job, &r->market_options, i, options.timeframe);
    int code = slot_start(&r->slots[i], &options, error);
    if (code) {
        return code;
    }
    seat->link = slot_link_template;
    seat->link.context = &r->slots[i];
    seat->private_memory = slot_private(&r->slots[i]);
    seat->reply = slot_reply(&r->slots[i]);
    return 0;
}

static uint32_t candidates_count(const struct setup *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->strategy_count; i++) {
        n += s->strategies[i].candidate;
    }
    return n;
}

static int accounts_add(struct run *r, struct error *error) {
    int code = engine_account_add(r->engine, &r->arena, "", r->setup->cash_e8, error);
    for (uint32_t i = 0; code >= 0 && i < r->setup->strategy_count; i++) {
        if (r->setup->strategies[i].candidate) {
            code = engine_account_add(r->engine, &r->arena, r->setup->job->agents[i].name, r->setup->cash_e8, error);
        }
    }
    return code < 0 ? code : 0;
}

static int engine_build(struct run *r, struct error *error) {
    uint32_t candidates = candidates_count(r->setup);
    const struct backtest_job *job = r->setup->job;
    int code = backtest_market(job, &r->market_options, error);
    code = code ? code : shared_memory_open(&r->market, SHARED_HOST_WRITES, market_size(&r->market_options), error);
    if (!code && arena_init(&r->arena, engine_bytes(1 + candidates)) != 0) {
        code = error_set(error, ERROR_SYSTEM, "no memory for the engine");
    }
    if (code) {
        return code;
    }
    r->risk = r->setup->policy.risk;
    r->sink = (struct sink){.context = r, .append = sink_append, .submit = sink_submit};
    struct engine_options options = {.instruments = job->instruments, .instrument_count = job->instrument_count, .risk = &r->risk,
                                     .host = &r->setup->policy.host, .sink = &r->sink, .instance = r->instance,
                                     .timeframe_ns = r->market_options.timeframe_ns[0], .deadlines = true,
                                     .clock_ns = clock_monotonic_ns, .marks_journaled = true,
                                     .start_ns = r->setup->data[0].path ? r->setup->data[0].file.bars[0].start_ns : clock_utc_ns()};
    r->engine = engine_open(&r->arena, &options, &r->market_options, r->market.bytes, error);
    return r->engine ? accounts_add(r, error) : error->code;
}

static int seats_add(struct run *r, struct error *error) {
    uint32_t account = 0, active = r->setup->strategy_count - candidates_count(r->setup);
    for (uint32_t i = 0; i < r->setup->strategy_count; i++) {
        bool candidate = r->setup->strategies[i].candidate;
        account += candidate;
        struct engine_seat seat = {.name = r->setup->job->agents[i].name, .active = !candidate, .account = (uint16_t)(candidate ? account : 0),
                                   .budget_e8 = candidate ? r->setup->cash_e8 : r->setup->cash_e8 / active,
                                   .needs = &r->setup->job->agents[i].needs, .state_max = r->setup->job->agents[i].state_max,
                                   .state_schema = r->setup->strategies[i].file.entry.state_schema};
        int code = slot_open(r, i, &seat, error);
        code = code ? code : engine_seat_add(r->engine, &seat, error);
        if (code < 0) {
            return code;
        }
    }
    r->engine->on_slot = run_slot;
    r->engine->on_slot_context = r;
    return 0;
}

/* ---- venues ----------------------------------------------------------------------------------------------------------------------------------- */

static int candidate_venues_open(struct run *r, const struct venue_host *like, struct error *error) {
    for (uint16_t n = 1; n < r->engine->account_count; n++) {
        struct venue_host host = *like;
        struct venue_options none = {0};
        r->contexts[n] = (struct engine_account_context){.engine = r->engine, .account = n};
        host.context = &r->contexts[n];
        host.report = engine_report;
        host.market = NULL;
        int code = match_venue.open(&r->candidate_venues[n], &none, &host, error);
        if (code) {
            return code;
        }
        engine_account_venue(r->engine, n, &match_venue, r->candidate_venues[n]);
    }
    return 0;
}

/* A feed that is not the venue has nothing to say about orders. */
static void report_nobody(void *context, const struct venue_report *report) { (void)context, (void)report; }

/* The feed is the venue itself when it carries data and no other was named; with data files there is none. */
static int venues_open(struct run *r, struct error *error) {
    const struct backtest_job *job = r->setup->job;
    bool files = r->setup->data[0].path != NULL;
    struct venue_host host = {.context = r, .report = run_report, .market = run_market, .instruments = job->instruments,
                              .instrument_count = job->instrument_count};
    r->contexts[0] = (struct engine_account_context){.engine = r->engine, .account = 0};
    run_proxy(r);
    bool own_feed = !files && !r->options.feed && (r->venue.vtable->flags & VENUE_FEED);
    r->venue.is_feed = own_feed;
    r->feed.is_feed = true;
    struct venue_host silent = host;
    silent.market = own_feed ? run_market : NULL;
    engine_account_venue(r->engine, 0, &r->proxy, NULL);
    int code = candidate_venues_open(r, &host, error);
    code = code ? code : module_start(r, &r->venue, &silent, error);
    engine_account_venue(r->engine, 0, &r->proxy, r->venue.venue);
    if (!code && !files && !own_feed) {
        code = run_module_open(&r->feed, r->options.feed ? r->options.feed : "sim", error);
        struct venue_host deaf = host;
        deaf.report = report_nobody;
        code = code ? code : module_start(r, &r->feed, &deaf, error);
    }
    const char *said = own_feed ? r->venue.options : r->feed.options;
    r->lockstep = files ? r->options.interval_ns == 0 : said && strstr(said, "speed=0") != NULL;
    return code;
}

static int signals_open(struct run *r, struct error *error) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
        return error_set_errno(error, "signals");
    }
    r->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (r->watch_fd < 0 || inotify_add_watch(r->watch_fd, r->options.home, IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) {
        return error_set_errno(error, "watching %s", r->options.home);
    }
    return 0;
}

static void file_feed_open(struct run *r) {
    const struct backtest_job *job = r->setup->job;
    r->file_feed.source_count = job->instrument_count;
    for (uint32_t i = 0; i < job->instrument_count; i++) {
        r->file_feed.sources[i] = (struct feed_source){
            .bars = (const struct bar *)(const void *)(r->setup->data_memory + job->sources[i].bars_at),
            .count = job->sources[i].count, .timeframe_ns = job->sources[i].timeframe_ns};
    }
}

static int tape_start(struct run *r, struct error *error) {
    char path[1200];
    run_tape_path(r->options.home, path, sizeof(path));
    return tape_open(&r->tape, path, error);
}

static void start_record(struct run *r) {
    struct body_run body = {.cash_e8 = r->setup->cash_e8, .agents = r->setup->strategy_count, .instruments = r->setup->job->instrument_count};
    snprintf(body.mode, sizeof(body.mode), "%s", r->options.mode == RUN_PAPER ? "paper" : "dry-run");
    snprintf(body.policy_hash, sizeof(body.policy_hash), "%s", r->setup->policy.hash_text);
    snprintf(body.venue, sizeof(body.venue), "%s", r->venue.name);
    memcpy(body.instance, r->instance, sizeof(body.instance));
    instruments_hash(r, body.instruments, body.instruments_hash);
    struct record record;
    record_fill(&record, RECORD_RUN, r->engine->now_ns, &body, sizeof(body));
    run_record(r, &record);
}

int run_open(struct run *r, struct error *error) {
    r->events = calloc(RUN_EVENTS_MAX, sizeof(*r->events));
    r->state_bytes = calloc(1, AGENT_STATE_MAX);
    if (r->events) {
        memset(r->events, 0, RUN_EVENTS_MAX * sizeof(*r->events)); /* present from the start, as the arena is */
    }
    r->signal_fd = -1;
    r->watch_fd = -1;
    r->market.fd = -1;
    if (!r->events || !r->state_bytes) {
        return error_set(error, ERROR_SYSTEM, "no memory for the run");
    }
    char states[1200];
    snprintf(states, sizeof(states), "%s/state", r->options.home);
    int code = cli_make_dirs(states, error);
    code = code ? code : signals_open(r, error); /* before threads exist, so that all of them block these signals */
    code = code ? code : run_module_open(&r->venue, r->options.venue, error);
    code = code ? code : journal_start(r, error);
    code = code ? code : engine_build(r, error);
    code = code ? code : journal_fold(r, error);
    code = code ? code : tape_start(r, error);
    code = code ? code : seats_add(r, error);
    if (!code) {
        file_feed_open(r);
        run_proxy(r);
        run_tape_start(r);
        start_record(r);
        struct tape_own_event doubt = {.what = TAPE_OWN_DOUBT};
        run_tape(r, TAPE_TIMER, &doubt, sizeof(doubt));
        engine_doubt(r->engine);
        code = venues_open(r, error);
        run_reports(r);
    }
    return code;
}

void run_close(struct run *r) {
    for (uint32_t i = 0; i < AGENTS_MAX; i++) {
        if (r->slots[i].pid != 0) {
            slot_stop(&r->slots[i], 100 * NS_PER_MS);
        }
    }
    for (uint32_t n = 1; n < AGENTS_MAX; n++) {
        if (r->candidate_venues[n]) {
            match_venue.close(r->candidate_venues[n]);
        }
    }
    if (r->venue.venue) {
        r->venue.vtable->close(r->venue.venue);
    }
    if (r->feed.venue) {
        r->feed.vtable->close(r->feed.venue);
    }
    tape_close(r->tape);
    if (r->journal) {
        journal_close(r->journal);
    }
    shared_memory_close(&r->market);
    arena_fini(&r->arena);
    free(r->events);
    free(r->state_bytes);
    for (int *fd = &r->signal_fd; fd; fd = fd == &r->signal_fd ? &r->watch_fd : NULL) {
        if (*fd >= 0) {
            close(*fd);
        }
    }
}
