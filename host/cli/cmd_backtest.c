/*
 * cmd_backtest.c - `bulkhead backtest`: files and options in, an exact result out.
 *
 * Guarantees: an option binds to the --data or --strategy it follows; everything that was assumed is printed; the run file
 * keeps every decision and appears whole or not at all; a run without trades says why.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backtest.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/setup.h"
#include "jailer.h"

/* Records of a research run larger than this are not kept. */
#define WORKER_RECORDS_MAX (UINT64_C(2) << 30)

struct options {
    struct setup setup;
    const char *isolation, *report, *home;
    bool json, keep;
};

/* ---- options ------------------------------------------------------------------------------------------------------------------------ */

enum option_value {
    OPT_STRATEGY = 1, OPT_PARAM, OPT_DATA, OPT_SYMBOL, OPT_INSTRUMENT, OPT_POLICY, OPT_CASH, OPT_FEE, OPT_ISOLATION, OPT_REPORT,
    OPT_HOME, OPT_JSON
};

static const struct option long_options[] = {{"strategy", 1, NULL, OPT_STRATEGY}, {"param", 1, NULL, OPT_PARAM},
                                             {"data", 1, NULL, OPT_DATA}, {"symbol", 1, NULL, OPT_SYMBOL},
                                             {"instrument", 1, NULL, OPT_INSTRUMENT}, {"policy", 1, NULL, OPT_POLICY},
                                             {"cash", 1, NULL, OPT_CASH}, {"fee-bps", 1, NULL, OPT_FEE},
                                             {"isolation", 1, NULL, OPT_ISOLATION}, {"report", 1, NULL, OPT_REPORT},
                                             {"home", 1, NULL, OPT_HOME}, {"json", 0, NULL, OPT_JSON}, {NULL, 0, NULL, 0}};

static int option_take(struct options *o, int value, const char *text, struct error *error) {
    switch (value) {
    case OPT_STRATEGY: return setup_add_strategy(&o->setup, text, false, error);
    case OPT_PARAM: return setup_add_param(&o->setup, text, error);
    case OPT_DATA: return setup_add_data(&o->setup, text, error);
    case OPT_SYMBOL: return setup_set_symbol(&o->setup, text, error);
    case OPT_INSTRUMENT: return setup_set_instrument(&o->setup, text, error);
    case OPT_POLICY: o->setup.policy_dir = text; return 0;
    case OPT_CASH: return setup_set_cash(&o->setup, text, error);
    case OPT_FEE: return setup_set_fee(&o->setup, text, error);
    case OPT_REPORT: o->report = text; return 0;
    case OPT_HOME: o->home = text; return 0;
    case OPT_JSON: o->json = true; return 0;
    case OPT_ISOLATION:
        o->isolation = text;
        return strcmp(text, "slot") == 0 || strcmp(text, "jail") == 0
                   ? 0 : error_set(error, ERROR_USAGE, "--isolation %s: wanted slot or jail", text);
    default: return error_set(error, ERROR_USAGE, "unknown option");
    }
}

static int options_parse(struct options *o, int argc, char **argv, struct error *error) {
    int value, code = 0;
    optind = 1;
    opterr = 0;
    while (!code && (value = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        code = value == '?' ? error_set(error, ERROR_USAGE, "%s: unknown option, or its value is missing", argv[optind - 1])
                            : option_take(o, value, optarg, error);
    }
    if (!code && optind < argc) {
        code = error_set(error, ERROR_USAGE, "unexpected argument '%s'", argv[optind]);
    }
    if (!code && o->setup.strategy_count == 0) {
        code = error_set(error, ERROR_USAGE, "no --strategy given");
    }
    if (!code && o->setup.data_count == 0) {
        code = error_set(error, ERROR_USAGE, "no --data given");
    }
    return code;
}

/* ---- the run file ----------------------------------------------------------------------------------------------------------------------- */

/* Where the run file lies: --report DIR/run.bulkhead, else HOME/runs/HASH.run. */
static int runs_dir(const struct options *o, char *dir, size_t size, struct error *error) {
    char home[900];
    if (o->report) {
        snprintf(dir, size, "%s", o->report);
    } else {
        if (o->home) {
            snprintf(home, sizeof(home), "%s", o->home);
        } else {
            cli_default_home(home, sizeof(home));
        }
        snprintf(dir, size, "%s/runs", home);
    }
    return cli_make_dirs(dir, error);
}

static void run_name(const struct options *o, const char *dir, const unsigned char hash[HASH_BYTES], char *to, size_t size) {
    char text[HASH_TEXT_BYTES];
    hash_print(hash, text);
    if (o->report) {
        snprintf(to, size, "%s/run.bulkhead", dir);
    } else {
        snprintf(to, size, "%s/%.16s.run", dir, text);
    }
}

/* ---- in slots ----------------------------------------------------------------------------------------------------------------------------- */

struct slots_run {
    struct setup *setup;
    struct backtest backtest;
    struct shared_memory market;
    struct slot slots[AGENTS_MAX];
    bool spin;
    int cores[2];
};

/* Spinning pays when host and slot have a core each; two agents or one core: sleep. */
static bool spin_possible(uint32_t agents, int cores[2]) {
    cpu_set_t set;
    int found = 0;
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || agents != 1) {
        return false;
    }
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++) {
        if (CPU_ISSET((size_t)i, &set)) {
            cores[found++] = i;
        }
    }
    return found == 2;
}

static int slot_seat(void *context, uint32_t agent, const struct market *market, struct engine_seat *seat, struct error *error) {
    struct slots_run *run = context;
    (void)market;
    const struct backtest_agent *a = &run->setup->job->agents[agent];
    char title[96];
    snprintf(title, sizeof(title), "slot %s [active]", a->name);
    struct slot_options options = {.strategy = &run->setup->strategies[agent].file, .title = title, .params = a->params,
                                   .param_count = a->param_count, .seed = a->seed, .spin = run->spin,
                                   .core = run->spin ? run->cores[1] : -1, .start_ns_max = 10 * NS_PER_S, .market = &run->market};
    backtest_timeframes(run->setup->job, &run->backtest.market, agent, options.timeframe);
    int code = slot_start(&run->slots[agent], &options, error);
    if (code) {
        return code;
    }
    seat->link = slot_link_template;
    seat->link.context = &run->slots[agent];
    seat->private_memory = slot_private(&run->slots[agent]);
    seat->reply = slot_reply(&run->slots[agent]);
    return 0;
}

static int run_in_slots(struct options *o, struct runfile *runfile, struct backtest_result *result, int64_t *engine_ns, struct error *error) {
    static struct slots_run run;
    run.setup = &o->setup;
    struct backtest *b = &run.backtest;
    b->job = o->setup.job;
    b->data = o->setup.data_memory;
    b->runfile = runfile;
    b->host = (struct backtest_host){.context = &run, .seat = slot_seat, .clock_ns = clock_monotonic_ns};
    int code = backtest_market(b->job, &b->market, error);
    code = code ? code : shared_memory_open(&run.market, SHARED_HOST_WRITES, market_size(&b->market), error);
    if (code) {
        return code;
    }
    cpu_set_t before;
    run.spin = spin_possible(b->job->agent_count, run.cores);
    bool pinned = run.spin && sched_getaffinity(0, sizeof(before), &before) == 0;
    if (pinned) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET((size_t)run.cores[0], &one);
        sched_setaffinity(0, sizeof(one), &one);
    }
    b->market_memory = run.market.bytes;
    code = backtest_run(b, result);
    *engine_ns = b->engine_ns;
    for (uint32_t i = 0; i < b->job->agent_count; i++) {
        slot_stop(&run.slots[i], NS_PER_S);
    }
    backtest_close(b);
    shared_memory_close(&run.market);
    if (pinned) {
        sched_setaffinity(0, sizeof(before), &before);
    }
    return code ? error_set(error, code, "%s", result->text) : 0;
}

/* ---- in one jailed worker ------------------------------------------------------------------------------------------------------------------- */

/* Room for the records of this many bars: eight records of 200 bytes for every other bar is more than strategies do. */
static uint64_t records_room(const struct options *o) {
    uint64_t bars = 0;
    for (uint32_t i = 0; i < o->setup.job->instrument_count; i++) {
        bars += o->setup.job->sources[i].count;
    }
    uint64_t room = (UINT64_C(1) << 20) + bars * 1000;
    return !o->keep ? 0 : room < WORKER_RECORDS_MAX ? room : WORKER_RECORDS_MAX;
}

/* The records that the worker left, as a run file. */
static int records_write(const char *path, const unsigned char *records, const struct backtest_result *result, struct error *error) {
    static struct runfile file;
    int code = runfile_open(&file, path, error);
    if (code) {
        return code;
    }
    struct sink sink = runfile_sink(&file);
    uint64_t at = 0;
    while (!code && at < result->record_bytes) {
        struct record record;
        size_t used = runfile_next(records + at, result->record_bytes - at, &record);
        if (used == 0 || sink.append(sink.context, &record, false) == 0) {
            runfile_abandon(&file);
            return error_set(error, file.failed ? file.failure : ERROR_INTEGRITY, "the worker's records cannot be written to %s", path);
        }
        at += used;
    }
    unsigned char unused[HASH_BYTES];
    runfile_result(&file, unused);
    return runfile_close(&file, path, error);
}

static int worker_wait(struct slot *slot, int64_t *engine_ns, struct error *error) {
    int64_t start = clock_monotonic_ns();
    slot_ring(slot, WIRE_RUN, 1);
    enum slot_answer answer = slot_wait(slot, 24 * 3600 * NS_PER_S, true);
    *engine_ns = clock_monotonic_ns() - start;
    return answer == SLOT_ANSWERED ? 0 : error_set(error, ERROR_SLOT, "the research worker died: %s, %s", reason_text(slot->death.reason), slot->death.text);
}

static int run_in_worker(struct options *o, const char *dir, struct backtest_result *result, int64_t *engine_ns, struct error *error) {
    static struct slot slot;
    char binary[1200], path[1400];
    cli_beside("bulkhead-worker", binary, sizeof(binary));
    if (o->setup.job->agent_count != 1) {
        return error_set(error, ERROR_USAGE, "--isolation jail runs one strategy, %u were given; --isolation slot runs several", o->setup.job->agent_count);
    }
    uint64_t room = records_room(o);
    struct slot_options options = {.strategy = &o->setup.strategies[0].file, .slot_binary = binary, .title = "worker [research]",
                                   .core = -1, .start_ns_max = 10 * NS_PER_S, .market = &o->setup.data_shared, .direct = true,
                                   .extra = o->setup.job, .extra_size = sizeof(*o->setup.job),
                                   .reply_extra_size = sizeof(*result) + room,
                                   .address_max = (UINT64_C(1) << 30) + o->setup.data_shared.size + room};
    int code = slot_start(&slot, &options, error);
    if (code) {
        return code;
    }
    code = worker_wait(&slot, engine_ns, error);
    if (!code) {
        const unsigned char *out = (const unsigned char *)slot.reply_memory.bytes + slot_private(&slot)->setup.reply_extra_at;
        memcpy(result, out, sizeof(*result));
        result->text[sizeof(result->text) - 1] = '\0';
        result->record_bytes = result->record_bytes <= room ? result->record_bytes : room;
        code = result->code ? error_set(error, result->code < 0 ? result->code : ERROR_GENERAL, "%s", result->text) : 0;
        if (!code && o->keep) {
            run_name(o, dir, result->hash, path, sizeof(path));
            code = records_write(path, out + sizeof(*result), result, error);
        }
    }
    slot_stop(&slot, NS_PER_S);
    return code;
}

/* ---- what came out ---------------------------------------------------------------------------------------------------------------------------- */

struct outcome {
    struct backtest_result result;
    int64_t engine_ns, wall_ns;
    char run_path[1400];
};

static void json_hashes(cJSON *j, const struct options *o, const struct outcome *out) {
    char text[HASH_TEXT_BYTES];
    hash_print(out->result.hash, text);
    cJSON_AddStringToObject(j, "result_hash", text);
    cJSON_AddStringToObject(j, "config_hash", o->setup.policy.hash_text);
    setup_strategy_hash(&o->setup, text);
    cJSON_AddStringToObject(j, "strategy_hash", text);
    setup_data_hash(&o->setup, text);
    cJSON_AddStringToObject(j, "data_hash", text);
}

static void json_agents(cJSON *j, const struct options *o, const struct backtest_result *r) {
    cJSON *list = cJSON_AddArrayToObject(j, "agents");
    for (uint32_t i = 0; i < o->setup.job->agent_count; i++) {
        const struct backtest_agent_result *a = &r->agents[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "name", o->setup.job->agents[i].name);
        cli_json_money(one, "equity", a->equity_e8);
        cli_json_money(one, "realised", a->realised_e8);
        cli_json_money(one, "fees", a->fees_e8);
        cJSON_AddNumberToObject(one, "trades", (double)a->trades);
        cJSON_AddNumberToObject(one, "won", (double)a->won);
        cJSON_AddNumberToObject(one, "turns", (double)a->turns);
        if (a->death != REASON_NONE) {
            cJSON_AddStringToObject(one, "died", reason_name(a->death));
            cJSON_AddStringToObject(one, "died_how", a->death_text);
        }
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *outcome_json(const struct options *o, const struct outcome *out) {
    const struct backtest_result *r = &out->result;
    cJSON *j = cJSON_CreateObject();
    cli_json_money(j, "final_equity", r->final_equity_e8);
    cli_json_money(j, "cash", r->cash_e8);
    cli_json_money(j, "realised", r->realised_e8);
    cli_json_money(j, "fees", r->fees_e8);
    cJSON_AddNumberToObject(j, "trades", (double)r->trades);
    cJSON_AddNumberToObject(j, "open_positions", (double)r->open_positions);
    cJSON_AddNumberToObject(j, "bars", (double)r->bars);
    cJSON_AddNumberToObject(j, "turns", (double)r->turns);
    cJSON_AddNumberToObject(j, "wishes", (double)r->wishes);
    cJSON_AddNumberToObject(j, "orders", (double)r->orders);
    cJSON_AddNumberToObject(j, "fills", (double)r->fills);
    cJSON_AddNumberToObject(j, "max_drawdown_ppm", (double)r->drawdown_worst_ppm);
    cJSON_AddNumberToObject(j, "bars_per_second", out->engine_ns > 0 ? (double)r->bars * 1e9 / (double)out->engine_ns : 0);
    cJSON_AddNumberToObject(j, "wall_seconds", (double)out->wall_ns / 1e9);
    json_hashes(j, o, out);
    cJSON_AddStringToObject(j, "isolation", o->isolation);
    cJSON_AddBoolToObject(j, "isolated", strcmp(o->isolation, "slot") == 0);
    cJSON_AddItemToObject(j, "refusals", cli_json_reasons(r->refusals, REASONS_SEEN));
    cJSON_AddItemToObject(j, "gaps", setup_gaps_json(&o->setup));
    cJSON_AddItemToObject(j, "assumptions", setup_assumptions_json(&o->setup));
    json_agents(j, o, r);
    if (r->no_trade_reason != REASON_NONE) {
        cJSON_AddStringToObject(j, "no_trade_reason", reason_name(r->no_trade_reason));
    }
    if (out->run_path[0] != '\0') {
        cJSON_AddStringToObject(j, "run_file", out->run_path);
    }
    return j;
}

static void outcome_text(const struct options *o, const struct outcome *out) {
    const struct backtest_result *r = &out->result;
    char money[32], hash[HASH_TEXT_BYTES];
    hash_print(r->hash, hash);
    printf("final equity   %s\n", decimal_print_e8(r->final_equity_e8, money, sizeof(money)));
    printf("fees           %s\n", decimal_print_e8(r->fees_e8, money, sizeof(money)));
    printf("trades         %llu closed, %lld open\n", (unsigned long long)r->trades, (long long)r->open_positions);
    printf("max drawdown   %.4f %%\n", (double)r->drawdown_worst_ppm / 1e4);
    printf("bars           %llu in %.3f s of engine time (%.0f bars/s), %s\n", (unsigned long long)r->bars, (double)out->engine_ns / 1e9,
           out->engine_ns > 0 ? (double)r->bars * 1e9 / (double)out->engine_ns : 0,
           strcmp(o->isolation, "slot") == 0 ? "each strategy in its own slot" : "NOT ISOLATED: never counts for a promotion");
    for (uint32_t i = 0; i < o->setup.job->agent_count; i++) {
        if (r->agents[i].death != REASON_NONE) {
            printf("slot lost      %s: %s (%s)\n", o->setup.job->agents[i].name, reason_text(r->agents[i].death), r->agents[i].death_text);
        }
    }
    if (r->no_trade_reason != REASON_NONE) {
        printf("no trades      %s: %s\n", reason_name(r->no_trade_reason), reason_text(r->no_trade_reason));
    }
    for (int i = 1; i < REASONS_SEEN; i++) {
        if (r->refusals[i] != 0) {
            printf("refused        %8llu x %s: %s\n", (unsigned long long)r->refusals[i], reason_name(i), reason_text(i));
        }
    }
    setup_print(&o->setup);
    printf("result hash    %s\n", hash);
    if (out->run_path[0] != '\0') {
        printf("run file       %s\n", out->run_path);
    }
}

static int report_write(const struct options *o, const struct outcome *out, struct error *error) {
    char path[1400], temporary[1440];
    snprintf(path, sizeof(path), "%s/result.json", o->report);
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    cJSON *j = outcome_json(o, out);
    char *text = cJSON_Print(j);
    cJSON_Delete(j);
    FILE *f = fopen(temporary, "w");
    bool ok = f && text && fputs(text, f) >= 0 && fputc('\n', f) != EOF && fflush(f) == 0 && fsync(fileno(f)) == 0;
    if (f) {
        ok = fclose(f) == 0 && ok;
    }
    free(text);
    return ok && rename(temporary, path) == 0 ? 0 : error_set_errno(error, "%s", path);
}

static int execute(struct options *o, struct outcome *out, struct error *error) {
    static struct runfile runfile;
    char dir[1200], temporary[1300];
    int code = runs_dir(o, dir, sizeof(dir), error);
    if (code) {
        return code;
    }
    o->keep = true;
    if (strcmp(o->isolation, "jail") == 0) {
        o->keep = o->report || o->home; /* research runs are many; they leave a run file when asked to */
        code = run_in_worker(o, dir, &out->result, &out->engine_ns, error);
        if (!code && o->keep) {
            run_name(o, dir, out->result.hash, out->run_path, sizeof(out->run_path));
        }
        return code;
    }
    snprintf(temporary, sizeof(temporary), "%s/run", dir);
    code = runfile_open(&runfile, temporary, error);
    if (code) {
        return code;
    }
    code = run_in_slots(o, &runfile, &out->result, &out->engine_ns, error);
    if (code) {
        runfile_abandon(&runfile);
        return code;
    }
    runfile_result(&runfile, out->result.hash);
    run_name(o, dir, out->result.hash, out->run_path, sizeof(out->run_path));
    return runfile_close(&runfile, out->run_path, error);
}

int cmd_backtest(int argc, char **argv) {
    static struct options o;
    static struct outcome out;
    struct error error = {0};
    int64_t start = clock_monotonic_ns();
    o.isolation = "slot";
    setup_init(&o.setup);
    int code = options_parse(&o, argc, argv, &error);
    if (code) {
        return code == ERROR_USAGE && !o.json ? cli_usage("backtest", error.text, NULL) : cli_fail("backtest", o.json, &error);
    }
    code = setup_load(&o.setup, &error);
    code = code ? code : execute(&o, &out, &error);
    out.wall_ns = clock_monotonic_ns() - start;
    if (!code && o.report) {
        code = report_write(&o, &out, &error);
    }
    if (code) {
        setup_close(&o.setup);
        return cli_fail("backtest", o.json, &error);
    }
    if (o.json) {
        cli_print_json(outcome_json(&o, &out));
    } else {
        outcome_text(&o, &out);
    }
    setup_close(&o.setup);
    return 0;
}
