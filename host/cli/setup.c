/*
 * setup.c - from options to a job. Guarantees: nothing is guessed in silence (see setup_assumptions_json), a refused file
 * names every reason at once, and what decides lies in struct backtest_job, which holds no pointer.
 */
#include "cli/setup.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "execute/option.h"

#define GENERATE "generate:"
#define CASH_DEFAULT (INT64_C(100000) * E8)

void setup_init(struct setup *s) {
    memset(s, 0, sizeof(*s));
    s->cash_e8 = CASH_DEFAULT;
    s->fee_e8 = -1;
    s->data_shared.fd = -1;
    s->data = calloc(INSTRUMENTS_MAX, sizeof(s->data[0]));
    s->job = calloc(1, sizeof(*s->job));
    for (uint32_t i = 0; i < AGENTS_MAX; i++) {
        s->strategies[i].file.fd = -1;
    }
}

void setup_close(struct setup *s) {
    for (uint32_t i = 0; i < s->strategy_count; i++) {
        strategy_close(&s->strategies[i].file);
    }
    for (uint32_t i = 0; s->data && i < s->data_count; i++) {
        bar_file_close(&s->data[i].file);
    }
    shared_memory_close(&s->data_shared);
    free(s->data);
    free(s->job);
    s->data = NULL;
    s->job = NULL;
}

/* ---- options -------------------------------------------------------------------------------------------------------------------------- */

int setup_add_strategy(struct setup *s, const char *path, bool candidate, struct error *error) {
    if (s->strategy_count == AGENTS_MAX) {
        return error_set(error, ERROR_USAGE, "more than %d strategies", AGENTS_MAX);
    }
    struct setup_strategy *to = &s->strategies[s->strategy_count++];
    to->path = path;
    to->candidate = candidate;
    to->param_count = s->param_count;
    memcpy(to->params, s->params, sizeof(to->params));
    return 0;
}

static int param_add(struct agent_param *params, uint32_t *count, const char *text, struct error *error) {
    const char *equals = strchr(text, '=');
    size_t name = equals ? (size_t)(equals - text) : 0, value = equals ? strlen(equals + 1) : 0;
    if (name == 0 || name >= AGENT_PARAM_NAME_MAX || value >= AGENT_PARAM_TEXT_MAX) {
        return error_set(error, ERROR_USAGE, "--param %s: wanted name=value, at most %d and %d characters", text, AGENT_PARAM_NAME_MAX - 1,
                         AGENT_PARAM_TEXT_MAX - 1);
    }
    uint32_t i = 0;
    while (i < *count && !(strncmp(params[i].name, text, name) == 0 && params[i].name[name] == '\0')) {
        i++;
    }
    if (i == AGENT_PARAMS_MAX) {
        return error_set(error, ERROR_USAGE, "more than %d parameters", AGENT_PARAMS_MAX);
    }
    memset(&params[i], 0, sizeof(params[i]));
    memcpy(params[i].name, text, name);
    memcpy(params[i].text, equals + 1, value);
    *count += i == *count;
    return 0;
}

int setup_add_param(struct setup *s, const char *text, struct error *error) {
    if (s->strategy_count == 0) {
        return param_add(s->params, &s->param_count, text, error);
    }
    struct setup_strategy *last = &s->strategies[s->strategy_count - 1];
    return param_add(last->params, &last->param_count, text, error);
}

int setup_add_data(struct setup *s, const char *path, struct error *error) {
    if (s->data_count == INSTRUMENTS_MAX) {
        return error_set(error, ERROR_USAGE, "more than %d data files", INSTRUMENTS_MAX);
    }
    s->data[s->data_count++].path = path;
    return 0;
}

int setup_add_row(struct setup *s, const char *row, struct error *error) {
    int code = setup_add_data(s, NULL, error);
    if (!code) {
        s->data[s->data_count - 1].row = row;
    }
    return code;
}

static int data_last(struct setup *s, const char *option, const char *text, struct setup_data **last, struct error *error) {
    if (s->data_count == 0) {
        return error_set(error, ERROR_USAGE, "--%s %s comes before any --data", option, text);
    }
    *last = &s->data[s->data_count - 1];
    return strlen(text) < NAME_MAX_BYTES && text[0] != '\0'
               ? 0 : error_set(error, ERROR_USAGE, "--%s %s: wanted 1 to %d characters", option, text, NAME_MAX_BYTES - 1);
}

int setup_set_symbol(struct setup *s, const char *symbol, struct error *error) {
    struct setup_data *last = NULL;
    int code = data_last(s, "symbol", symbol, &last, error);
    if (!code) {
        last->symbol = symbol;
    }
    return code;
}

int setup_set_instrument(struct setup *s, const char *row, struct error *error) {
    struct setup_data *last = NULL;
    int code = data_last(s, "instrument", row, &last, error);
    if (!code) {
        last->row = row;
    }
    return code;
}

int setup_set_cash(struct setup *s, const char *text, struct error *error) {
    if (decimal_parse_e8(text, strlen(text), &s->cash_e8) || s->cash_e8 <= 0 || s->cash_e8 > INT64_MAX / 16) {
        return error_set(error, ERROR_USAGE, "--cash %s: wanted a positive amount with at most 8 decimals", text);
    }
    return 0;
}

/* Basis points to a fraction in 1e-8: 10 bp = 0.1 % = 100,000. */
int setup_set_fee(struct setup *s, const char *text, struct error *error) {
    struct decimal d;
    if (decimal_parse(text, strlen(text), &d) || decimal_rescale_exact(d, 4, &s->fee_e8) || s->fee_e8 < 0 || s->fee_e8 > E8) {
        return error_set(error, ERROR_USAGE, "--fee-bps %s: wanted 0 to 10000 basis points with at most 4 decimals", text);
    }
    return 0;
}

/* ---- loading ---------------------------------------------------------------------------------------------------------------------------- */

int setup_load_policy(struct setup *s, struct error *error) {
    int code = policy_read(&s->policy, s->policy_dir, cli_policy_dir(), error);
    if (code) {
        return code;
    }
    int rows = instruments_read(s->policy.instruments_path, s->rows, sizeof(s->rows) / sizeof(s->rows[0]), s->instruments_hash, error);
    s->row_count = rows > 0 ? (uint32_t)rows : 0;
    unsigned char both[2 * HASH_BYTES];
    memcpy(both, s->policy.hash, HASH_BYTES);
    memcpy(both + HASH_BYTES, s->instruments_hash, HASH_BYTES);
    hash_bytes(both, sizeof(both), s->policy.hash);
    hash_print(s->policy.hash, s->policy.hash_text);
    return rows < 0 ? rows : 0;
}

static int findings_tell(const struct strategy *file, struct error *error) {
    char text[ERROR_TEXT_MAX] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < file->finding_count && used < sizeof(text) - 1; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "; " : "", file->findings[i].text);
    }
    return error_set(error, ERROR_ABI, "%s: refused: %s", file->path, text);
}

int setup_load_strategies(struct setup *s, struct error *error) {
    for (uint32_t i = 0; i < s->strategy_count; i++) {
        struct setup_strategy *from = &s->strategies[i];
        int code = strategy_open(&from->file, from->path, s->policy.imports_path, error);
        if (code) {
            return code;
        }
        if (from->file.finding_count != 0) {
            return findings_tell(&from->file, error);
        }
    }
    return 0;
}

/* Two copies of one agent are "name" and "name_2". */
static void agent_name(const struct setup *s, uint32_t agent, char to[NAME_MAX_BYTES]) {
    const char *own = s->strategies[agent].file.entry.name;
    uint32_t same = 1;
    for (uint32_t i = 0; i < agent; i++) {
        same += strncmp(s->strategies[i].file.entry.name, own, NAME_MAX_BYTES) == 0;
    }
    if (same == 1) {
        snprintf(to, NAME_MAX_BYTES, "%s", own);
    } else {
        snprintf(to, NAME_MAX_BYTES, "%.27s_%u", own, same);
    }
}

void setup_job_agents(struct setup *s) {
    struct backtest_job *job = s->job;
    job->magic = BACKTEST_MAGIC;
    job->agent_count = s->strategy_count;
    job->cash_e8 = s->cash_e8;
    job->risk = s->policy.risk;
    job->host = s->policy.host;
    for (uint32_t i = 0; i < s->strategy_count; i++) {
        struct backtest_agent *to = &job->agents[i];
        const struct setup_strategy *from = &s->strategies[i];
        agent_name(s, i, to->name);
        to->needs = from->file.entry.needs;
        to->state_max = from->file.entry.state_max;
        to->seed = i + 1;
        to->param_count = from->param_count;
        memcpy(to->params, from->params, sizeof(to->params));
    }
}

int setup_row(const struct setup *s, const char *row, struct instrument *out, struct error *error) {
    char known[300] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < s->row_count; i++) {
        if (strcmp(s->rows[i].name, row) == 0) {
            *out = s->rows[i];
            return 0;
        }
        if (used < sizeof(known) - 1) {
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", s->rows[i].name);
        }
    }
    return error_set(error, ERROR_NOT_FOUND, "%s has no row '%s'; it has %s", s->policy.instruments_path, row, known);
}

/* What the simulator trades when nothing else is named. */
static int simulated(struct instrument *i, struct error *error) {
    *i = (struct instrument){.name = "SIM", .currency = "USD", .tick_e8 = E8 / 100, .lot_e8 = E8 / 100, .multiplier_e8 = E8,
                             .quantity_min_lots = 1, .fee_maker_e8 = E8 / 1000, .fee_taker_e8 = E8 / 1000, .market_entry = true};
    return instrument_init(i, error);
}

/* An instrument whose market a feed brings. */
static int row_only(struct setup *s, const struct setup_data *d, struct instrument *i, struct error *error) {
    int code = d->row ? 0 : simulated(i, error);
    if (!code && d->symbol) {
        snprintf(i->name, sizeof(i->name), "%s", d->symbol);
    }
    if (!code && s->fee_e8 >= 0) {
        i->fee_maker_e8 = s->fee_e8;
        i->fee_taker_e8 = s->fee_e8;
        i->fee_per_unit_e8 = 0;
    }
    return code;
}

/* "generate:bars=200000,seed=5": the embedded generator in place of a file. */
struct generate_text {
    int64_t bars, seed, decimals, price, step, start, seconds;
};

static int generated(struct setup_data *d, struct instrument *i, struct error *error) {
    static const struct option_key keys[] = {
        {"bars", OPTION_INT, offsetof(struct generate_text, bars), sizeof(int64_t), 1, 1 << 26, NULL},
        {"seed", OPTION_INT, offsetof(struct generate_text, seed), sizeof(int64_t), 0, INT64_MAX, NULL},
        {"decimals", OPTION_INT, offsetof(struct generate_text, decimals), sizeof(int64_t), 0, 8, NULL},
        {"price", OPTION_INT, offsetof(struct generate_text, price), sizeof(int64_t), 1, INT64_C(1) << 50, NULL},
        {"step", OPTION_INT, offsetof(struct generate_text, step), sizeof(int64_t), 1, INT64_C(1) << 40, NULL},
        {"start", OPTION_INT, offsetof(struct generate_text, start), sizeof(int64_t), 0, INT64_C(4000000000), NULL},
        {"seconds", OPTION_INT, offsetof(struct generate_text, seconds), sizeof(int64_t), 1, 86400, NULL},
    };
    struct generate_text text = {.bars = 100000, .seed = 1, .decimals = 2, .price = 10000, .step = 20, .start = 1672531200, .seconds = 60};
    int code = options_read("generate", d->path + strlen(GENERATE), keys, sizeof(keys) / sizeof(keys[0]), &text, error);
    struct generate_options options = {.seed = (uint64_t)text.seed, .count = (size_t)text.bars, .start_ns = text.start * NS_PER_S,
                                       .timeframe_ns = text.seconds * NS_PER_S, .price_ticks = text.price,
                                       .price_decimals = (int32_t)text.decimals, .step_ticks = text.step};
    return code ? code : bar_file_generate(&d->file, &options, i, error);
}

static int data_load(struct setup *s, uint32_t index, struct error *error) {
    struct setup_data *d = &s->data[index];
    struct instrument *i = &s->job->instruments[index];
    if (d->row) {
        int code = setup_row(s, d->row, i, error);
        if (code) {
            return code;
        }
        snprintf(i->row, sizeof(i->row), "%s", d->row);
    }
    if (!d->path) {
        return row_only(s, d, i, error);
    }
    int code = strncmp(d->path, GENERATE, strlen(GENERATE)) == 0 ? generated(d, i, error) : bar_file_read(&d->file, d->path, i, error);
    if (code) {
        return code;
    }
    if (!d->row) {
        i->market_entry = true;
    }
    snprintf(i->name, sizeof(i->name), "%s", d->symbol ? d->symbol : d->file.symbol);
    if (s->fee_e8 >= 0) {
        i->fee_maker_e8 = s->fee_e8;
        i->fee_taker_e8 = s->fee_e8;
        i->fee_per_unit_e8 = 0;
    }
    if (d->file.timeframe_ns <= 0) {
        return error_set(error, ERROR_FORMAT, "%s: found %zu bar%s, wanted at least two, which tell how long a bar is", d->path, d->file.count,
                         d->file.count == 1 ? "" : "s");
    }
    return 0;
}

/* All bars into one memory, which a research worker may be given. */
static int data_join(struct setup *s, struct error *error) {
    size_t total = 0;
    for (uint32_t i = 0; i < s->data_count; i++) {
        total += s->data[i].file.count * sizeof(struct bar);
    }
    int code = shared_memory_open(&s->data_shared, SHARED_HOST_WRITES, total ? total : 1, error);
    size_t at = 0;
    for (uint32_t i = 0; !code && i < s->data_count; i++) {
        const struct bar_file *f = &s->data[i].file;
        if (f->count != 0) {
            memcpy((unsigned char *)s->data_shared.bytes + at, f->bars, f->count * sizeof(struct bar));
        }
        s->job->sources[i].bars_at = at;
        s->job->sources[i].count = f->count;
        s->job->sources[i].timeframe_ns = s->data[i].path ? f->timeframe_ns : s->timeframe_ns;
        at += f->count * sizeof(struct bar);
    }
    s->data_memory = s->data_shared.bytes;
    return code;
}

static int symbols_differ(const struct setup *s, struct error *error) {
    for (uint32_t i = 0; i < s->data_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(s->job->instruments[i].name, s->job->instruments[k].name) == 0) {
                return error_set(error, ERROR_USAGE, "symbol %s is given twice; name one with --symbol", s->job->instruments[i].name);
            }
        }
    }
    return 0;
}

int setup_load(struct setup *s, struct error *error) {
    int code = setup_load_policy(s, error);
    code = code ? code : setup_load_strategies(s, error);
    s->job->instrument_count = s->data_count;
    for (uint32_t i = 0; !code && i < s->data_count; i++) {
        code = data_load(s, i, error);
    }
    code = code ? code : symbols_differ(s, error);
    code = code ? code : data_join(s, error);
    if (!code) {
        setup_job_agents(s);
    }
    return code;
}

/* ---- telling ------------------------------------------------------------------------------------------------------------------------------ */

void setup_strategy_hash(const struct setup *s, char out[HASH_TEXT_BYTES]) {
    struct hash h;
    unsigned char bytes[HASH_BYTES];
    if (s->strategy_count == 1 && s->strategies[0].param_count == 0) {
        hash_print(s->strategies[0].file.hash, out);
        return;
    }
    if (hash_init(&h)) {
        out[0] = '\0';
        return;
    }
    for (uint32_t i = 0; i < s->strategy_count; i++) {
        const struct setup_strategy *from = &s->strategies[i];
        hash_add(&h, from->file.hash, HASH_BYTES);
        hash_add(&h, from->params, from->param_count * sizeof(from->params[0]));
    }
    hash_end(&h, bytes);
    hash_fini(&h);
    hash_print(bytes, out);
}

void setup_data_hash(const struct setup *s, char out[HASH_TEXT_BYTES]) {
    unsigned char all[INSTRUMENTS_MAX * HASH_BYTES], bytes[HASH_BYTES];
    for (uint32_t i = 0; i < s->data_count; i++) {
        memcpy(all + i * HASH_BYTES, s->data[i].file.hash, HASH_BYTES);
    }
    if (s->data_count == 1) {
        hash_print(s->data[0].file.hash, out);
        return;
    }
    hash_bytes(all, s->data_count * HASH_BYTES, bytes);
    hash_print(bytes, out);
}

struct cJSON *setup_gaps_json(const struct setup *s) {
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < s->data_count; i++) {
        const struct bar_file *f = &s->data[i].file;
        for (uint32_t k = 0; k < f->gap_count && k < GAPS_MAX; k++) {
            char text[40];
            cJSON *one = cJSON_CreateObject();
            cJSON_AddStringToObject(one, "symbol", s->job->instruments[i].name);
            cJSON_AddStringToObject(one, "after", clock_print(f->gaps[k].after_ns, text, sizeof(text)));
            cJSON_AddStringToObject(one, "before", clock_print(f->gaps[k].before_ns, text, sizeof(text)));
            cJSON_AddNumberToObject(one, "missing", (double)f->gaps[k].missing);
            cJSON_AddItemToArray(list, one);
        }
    }
    return list;
}

/* Calls `tell` with one sentence for everything the user did not say. */
static void assumptions_tell(const struct setup *s, void (*tell)(void *context, const char *text), void *context) {
    static const char *const units[] = {"seconds", "milliseconds", "microseconds", "nanoseconds", "ISO 8601"};
    char text[400], tick[32];
    for (uint32_t k = 0; k < s->data_count; k++) {
        const struct instrument *i = &s->job->instruments[k];
        if (i->row[0] == '\0') {
            snprintf(text, sizeof(text), "%s: no row of instruments.yaml: tick %s (the finest decimal seen), lot 0.00000001, multiplier 1",
                     i->name, decimal_print(i->tick_e8, 8, tick, sizeof(tick)));
            tell(context, text);
            if (s->fee_e8 < 0) {
                snprintf(text, sizeof(text), "%s: no fees (say --fee-bps, or bind a row with --instrument)", i->name);
                tell(context, text);
            }
        }
        snprintf(text, sizeof(text), "%s: times are %s, UTC, and mark the start of bars of %lld s%s", i->name,
                 units[s->data[k].file.time_unit <= TIME_ISO ? s->data[k].file.time_unit : TIME_ISO],
                 (long long)(s->data[k].file.timeframe_ns / NS_PER_S), s->data[k].file.has_volume ? "" : "; there is no volume");
        tell(context, text);
    }
    tell(context, "signals on a bar's close fill in the next bar: market orders at its open, resting limits only when traded through");
    tell(context, "stop and target inside one bar: the stop; a stop that is gapped fills at the open, a target never better than asked");
    tell(context, "bars carry no spread: market orders pay none");
    tell(context, "positions open at the end are marked at the last close, without fee, and are not in trades");
}

static void tell_json(void *context, const char *text) { cJSON_AddItemToArray(context, cJSON_CreateString(text)); }

struct cJSON *setup_assumptions_json(const struct setup *s) {
    cJSON *list = cJSON_CreateArray();
    assumptions_tell(s, tell_json, list);
    return list;
}

static void tell_text(void *context, const char *text) {
    const char **label = context;
    printf("%-14s %s\n", *label, text);
    *label = "";
}

#define GAPS_PRINTED 5

void setup_print(const struct setup *s) {
    for (uint32_t i = 0; i < s->data_count; i++) {
        const struct bar_file *f = &s->data[i].file;
        if (f->gap_count == 0) {
            continue;
        }
        printf("gaps           %s: %u, %lld bars missing in all\n", s->job->instruments[i].name, f->gap_count, (long long)f->missing);
        for (uint32_t k = 0; k < f->gap_count && k < GAPS_PRINTED; k++) {
            char from[40], to[40];
            printf("               %s -> %s (%lld)\n", clock_print(f->gaps[k].after_ns, from, sizeof(from)),
                   clock_print(f->gaps[k].before_ns, to, sizeof(to)), (long long)f->gaps[k].missing);
        }
    }
    const char *label = "assumed";
    assumptions_tell(s, tell_text, &label);
}
