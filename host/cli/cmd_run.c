/*
 * cmd_run.c - `bulkhead run`: options, then the loop of host/run.c, then what happened.
 *
 * Guarantees: without --mode it is a dry run; an instrument, a parameter or a symbol binds as in backtest; a run that did
 * not trade says why.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "run.h"

enum option_value {
    OPT_HOME = 1, OPT_STRATEGY, OPT_CANDIDATE, OPT_PARAM, OPT_DATA, OPT_SYMBOL, OPT_INSTRUMENT, OPT_POLICY, OPT_CASH, OPT_FEE,
    OPT_MODE, OPT_VENUE, OPT_FEED, OPT_ONCE, OPT_TURNS, OPT_DURATION, OPT_INTERVAL, OPT_TIMEFRAME, OPT_CLEAR, OPT_JSON, OPT_QUIET,
    OPT_DRY, OPT_PAPER
};

static const struct option long_options[] = {
    {"home", 1, NULL, OPT_HOME}, {"strategy", 1, NULL, OPT_STRATEGY}, {"candidate", 1, NULL, OPT_CANDIDATE},
    {"param", 1, NULL, OPT_PARAM}, {"data", 1, NULL, OPT_DATA}, {"symbol", 1, NULL, OPT_SYMBOL},
    {"instrument", 1, NULL, OPT_INSTRUMENT}, {"policy", 1, NULL, OPT_POLICY}, {"cash", 1, NULL, OPT_CASH},
    {"fee-bps", 1, NULL, OPT_FEE}, {"mode", 1, NULL, OPT_MODE}, {"venue", 1, NULL, OPT_VENUE}, {"feed", 1, NULL, OPT_FEED},
    {"once", 0, NULL, OPT_ONCE}, {"turns", 1, NULL, OPT_TURNS}, {"duration", 1, NULL, OPT_DURATION},
    {"interval-ms", 1, NULL, OPT_INTERVAL}, {"timeframe-ms", 1, NULL, OPT_TIMEFRAME}, {"clear-halt", 0, NULL, OPT_CLEAR},
    {"json", 0, NULL, OPT_JSON}, {"quiet", 0, NULL, OPT_QUIET}, {"dry-run", 0, NULL, OPT_DRY}, {"paper", 0, NULL, OPT_PAPER},
    {NULL, 0, NULL, 0}};

struct command {
    struct setup setup;
    struct run_options run;
    bool json, mode_given;
    char home[1024];
};

static int number(const char *option, const char *text, int64_t max, int64_t *out, struct error *error) {
    char *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || v < 0 || v > max) {
        return error_set(error, ERROR_USAGE, "--%s %s: wanted a whole number from 0 to %lld", option, text, (long long)max);
    }
    *out = v;
    return 0;
}

static int mode_take(struct command *c, const char *text, struct error *error) {
    if (strcmp(text, "live") == 0) {
        return error_set(error, ERROR_REFUSED, "--mode live: there is no venue plug-in for real money in this release");
    }
    if (strcmp(text, "dry-run") != 0 && strcmp(text, "paper") != 0) {
        return error_set(error, ERROR_USAGE, "--mode %s: wanted dry-run or paper", text);
    }
    c->run.mode = strcmp(text, "paper") == 0 ? RUN_PAPER : RUN_DRY_RUN;
    return 0;
}

static int instrument_take(struct setup *s, const char *row, struct error *error) {
    bool follows_file = s->data_count > 0 && s->data[s->data_count - 1].path && !s->data[s->data_count - 1].row;
    return follows_file ? setup_set_instrument(s, row, error) : setup_add_row(s, row, error);
}

static int number_take(struct command *c, int value, const char *text, struct error *error) {
    int64_t n = 0;
    int code = 0;
    switch (value) {
    case OPT_TURNS:
        code = number("turns", text, INT64_MAX / 2, &n, error);
        c->run.turns_max = (uint64_t)n;
        return code;
    case OPT_DURATION:
        code = number("duration", text, 365 * 86400, &n, error);
        c->run.duration_ns = n * NS_PER_S;
        return code;
    case OPT_INTERVAL:
        code = number("interval-ms", text, 86400000, &n, error);
        c->run.interval_ns = n * NS_PER_MS;
        return code;
    default:
        code = number("timeframe-ms", text, 86400000, &n, error);
        c->setup.timeframe_ns = n * NS_PER_MS;
        return code;
    }
}

static int option_take(struct command *c, int value, const char *text, struct error *error) {
    switch (value) {
    case OPT_STRATEGY: return setup_add_strategy(&c->setup, text, false, error);
    case OPT_CANDIDATE: return setup_add_strategy(&c->setup, text, true, error);
    case OPT_PARAM: return setup_add_param(&c->setup, text, error);
    case OPT_DATA: return setup_add_data(&c->setup, text, error);
    case OPT_SYMBOL: return setup_set_symbol(&c->setup, text, error);
    case OPT_INSTRUMENT: return instrument_take(&c->setup, text, error);
    case OPT_CASH: return setup_set_cash(&c->setup, text, error);
    case OPT_FEE: return setup_set_fee(&c->setup, text, error);
    case OPT_MODE: return mode_take(c, text, error);
    case OPT_DRY: return mode_take(c, "dry-run", error);
    case OPT_PAPER: return mode_take(c, "paper", error);
    case OPT_POLICY: c->setup.policy_dir = text; return 0;
    case OPT_HOME: snprintf(c->home, sizeof(c->home), "%s", text); return 0;
    case OPT_VENUE: c->run.venue = text; return 0;
    case OPT_FEED: c->run.feed = text; return 0;
    case OPT_ONCE: c->run.once = true; return 0;
    case OPT_CLEAR: c->run.clear_halt = true; return 0;
    case OPT_JSON: c->json = true; return 0;
    case OPT_QUIET: c->run.quiet = true; return 0;
    default: return number_take(c, value, text, error);
    }
}

/* What was not said: the venue by mode, the simulated instrument, bars of a second. */
static int defaults(struct command *c, struct error *error) {
    bool active = false;
    for (uint32_t i = 0; i < c->setup.strategy_count; i++) {
        active = active || !c->setup.strategies[i].candidate;
    }
    if (!active) {
        return error_set(error, ERROR_USAGE, "no --strategy given");
    }
    if (c->home[0] == '\0') {
        cli_default_home(c->home, sizeof(c->home));
    }
    c->run.home = c->home;
    if (c->run.mode == RUN_DRY_RUN) {
        if (c->run.venue) {
            return error_set(error, ERROR_USAGE, "--venue needs --mode paper: a dry run sends nothing");
        }
        c->run.venue = "dry";
    }
    c->run.venue = c->run.venue ? c->run.venue : "paper";
    c->setup.timeframe_ns = c->setup.timeframe_ns ? c->setup.timeframe_ns : NS_PER_S;
    int code = c->setup.data_count == 0 ? setup_add_row(&c->setup, NULL, error) : 0;
    for (uint32_t i = 1; !code && i < c->setup.data_count; i++) {
        if ((c->setup.data[i].path != NULL) != (c->setup.data[0].path != NULL)) {
            code = error_set(error, ERROR_USAGE, "instruments with and without --data cannot be mixed in one run");
        }
    }
    return code;
}

static int options_parse(struct command *c, int argc, char **argv, struct error *error) {
    int value, code = 0;
    optind = 1;
    opterr = 0;
    while (!code && (value = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        code = value == '?' ? error_set(error, ERROR_USAGE, "%s: unknown option, or its value is missing", argv[optind - 1])
                            : option_take(c, value, optarg, error);
    }
    if (!code && optind < argc) {
        code = error_set(error, ERROR_USAGE, "unexpected argument '%s'", argv[optind]);
    }
    return code ? code : defaults(c, error);
}

/* ---- what happened ------------------------------------------------------------------------------------------------------------------------- */

static const char *state_name(const struct run_summary *s) {
    static const char *const names[] = {"ACTIVE", "REDUCING", "HALTED"};
    return names[s->trading_state >= 0 && s->trading_state < 3 ? s->trading_state : 2];
}

static void json_latency(cJSON *to, const char *name, const struct histogram *h) {
    cJSON *j = cJSON_AddObjectToObject(to, name);
    cJSON_AddNumberToObject(j, "count", (double)h->count);
    cJSON_AddNumberToObject(j, "p50", (double)histogram_at(h, 500000) / 1e3);
    cJSON_AddNumberToObject(j, "p99", (double)histogram_at(h, 990000) / 1e3);
    cJSON_AddNumberToObject(j, "max", (double)h->largest / 1e3);
}

static void summary_json(const struct command *c, const struct run_summary *s) {
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "mode", c->run.mode == RUN_PAPER ? "paper" : "dry-run");
    cJSON_AddStringToObject(j, "home", c->home);
    cJSON_AddStringToObject(j, "trading_state", state_name(s));
    cJSON_AddBoolToObject(j, "kill_switch", s->kill_switch);
    cli_json_money(j, "equity", s->equity_e8);
    cli_json_money(j, "cash", s->cash_e8);
    cJSON_AddNumberToObject(j, "turns", (double)s->turns);
    cJSON_AddNumberToObject(j, "bars", (double)s->bars);
    cJSON_AddNumberToObject(j, "wishes", (double)s->wishes);
    cJSON_AddNumberToObject(j, "orders", (double)s->orders);
    cJSON_AddNumberToObject(j, "fills", (double)s->fills);
    cJSON_AddNumberToObject(j, "trades", (double)s->trades);
    cJSON_AddNumberToObject(j, "journal_rows", (double)s->journal_rows);
    cJSON_AddStringToObject(j, "ended_by", s->ended_by);
    cJSON_AddStringToObject(j, "config_hash", c->setup.policy.hash_text);
    cJSON_AddItemToObject(j, "refusals", cli_json_reasons(s->refusals, REASONS_SEEN));
    json_latency(j, "decision_us", &s->decision_ns);
    json_latency(j, "gate_us", &s->gate_ns);
    cJSON *agents = cJSON_AddArrayToObject(j, "agents");
    for (uint32_t i = 0; i < s->agent_count; i++) {
        cJSON *a = cJSON_CreateObject();
        cJSON_AddStringToObject(a, "name", s->agents[i].name);
        cJSON_AddStringToObject(a, "role", s->agents[i].active ? "active" : "candidate");
        cli_json_money(a, "equity", s->agents[i].equity_e8);
        cJSON_AddNumberToObject(a, "trades", (double)s->agents[i].trades);
        cJSON_AddNumberToObject(a, "turns", (double)s->agents[i].turns);
        cJSON_AddNumberToObject(a, "gaps", (double)s->agents[i].gaps);
        json_latency(a, "answer_us", &s->agents[i].latency);
        if (!s->agents[i].alive) {
            cJSON_AddStringToObject(a, "died", reason_name(s->agents[i].death.reason));
            cJSON_AddStringToObject(a, "died_how", s->agents[i].death.text);
        }
        cJSON_AddItemToArray(agents, a);
    }
    if (s->no_trade_reason != REASON_NONE) {
        cJSON_AddStringToObject(j, "no_trade_reason", reason_name(s->no_trade_reason));
    }
    cli_print_json(j);
}

static void summary_text(const struct command *c, const struct run_summary *s) {
    char money[32];
    printf("mode           %s, ended by %s\n", c->run.mode == RUN_PAPER ? "paper" : "dry-run", s->ended_by[0] ? s->ended_by : "its own limit");
    printf("trading        %s%s\n", state_name(s), s->kill_switch ? ", kill switch ON" : "");
    printf("equity         %s\n", decimal_print_e8(s->equity_e8, money, sizeof(money)));
    printf("turns          %llu, wishes %llu, orders %llu, fills %llu, trades %llu\n", (unsigned long long)s->turns,
           (unsigned long long)s->wishes, (unsigned long long)s->orders, (unsigned long long)s->fills, (unsigned long long)s->trades);
    printf("decision       p50 %.1f us, p99 %.1f us\n", (double)histogram_at(&s->decision_ns, 500000) / 1e3,
           (double)histogram_at(&s->decision_ns, 990000) / 1e3);
    for (uint32_t i = 0; i < s->agent_count; i++) {
        printf("%-14s %-10s equity %s, %llu trades, %llu turns, %llu missed%s%s\n", s->agents[i].name, s->agents[i].active ? "active" : "candidate",
               decimal_print_e8(s->agents[i].equity_e8, money, sizeof(money)), (unsigned long long)s->agents[i].trades,
               (unsigned long long)s->agents[i].turns, (unsigned long long)s->agents[i].gaps, s->agents[i].alive ? "" : ", DIED: ",
               s->agents[i].alive ? "" : reason_text(s->agents[i].death.reason));
    }
    for (int i = 1; i < REASONS_SEEN; i++) {
        if (s->refusals[i] != 0) {
            printf("refused        %8llu x %s: %s\n", (unsigned long long)s->refusals[i], reason_name(i), reason_text(i));
        }
    }
    if (s->no_trade_reason != REASON_NONE) {
        printf("no trades      %s: %s\n", reason_name(s->no_trade_reason), reason_text(s->no_trade_reason));
    }
    printf("journal        %llu rows under %s/journal\n", (unsigned long long)s->journal_rows, c->home);
}

int cmd_run(int argc, char **argv) {
    static struct command c;
    static struct run_summary summary;
    struct error error = {0};
    setup_init(&c.setup);
    int code = options_parse(&c, argc, argv, &error);
    if (code) {
        return code == ERROR_USAGE && !c.json ? cli_usage("run", error.text, NULL) : cli_fail("run", c.json, &error);
    }
    if (geteuid() == 0 && !c.run.quiet) {
        fputs("bulkhead run: running as root; slots become nobody, and live trading would be refused\n", stderr);
    }
    code = setup_load(&c.setup, &error);
    code = code ? code : run(&c.setup, &c.run, &summary, &error);
    if (!code && c.json) {
        summary_json(&c, &summary);
    } else if (!code) {
        summary_text(&c, &summary);
    }
    setup_close(&c.setup);
    return code ? cli_fail("run", c.json, &error) : 0;
}
