/*
 * setup.h - what a run is made of, gathered from options: policy, strategies with parameters, data with instruments; then
 * loaded, checked and turned into a job. Shared by backtest, run and replay.
 */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include "backtest.h"
#include "enforce/enforce.h"
#include "jailer.h"

struct cJSON;

struct setup_strategy {
    const char *path;
    bool candidate;
    uint32_t param_count;
    struct agent_param params[AGENT_PARAMS_MAX];
    struct strategy file;
};

struct setup_data {
    const char *path, *symbol, *row;
    struct bar_file file;
};

struct setup {
    const char *policy_dir;
    int64_t cash_e8;
    int64_t fee_e8;                   /* -1 = not given */
    int64_t timeframe_ns;             /* of instruments without a file */
    uint32_t strategy_count, data_count, param_count;
    struct agent_param params[AGENT_PARAMS_MAX]; /* given before any --strategy: for all */
    struct setup_strategy strategies[AGENTS_MAX];
    struct setup_data *data;          /* INSTRUMENTS_MAX */
    struct policy policy;
    unsigned char instruments_hash[HASH_BYTES];
    uint32_t row_count;
    struct instrument rows[256];
    struct backtest_job *job;         /* after setup_load */
    struct shared_memory data_shared; /* the bars of all files, one after the other */
    const unsigned char *data_memory;
};

void setup_init(struct setup *setup);
void setup_close(struct setup *setup);

/* Options, in the order of the command line. */
int setup_add_strategy(struct setup *setup, const char *path, bool candidate, struct error *error);
int setup_add_param(struct setup *setup, const char *text, struct error *error); /* "name=value", for the last strategy */
int setup_add_data(struct setup *setup, const char *path, struct error *error);
/* An instrument of instruments.yaml without a file (a feed brings its market); NULL = the simulator's own. */
int setup_add_row(struct setup *setup, const char *row, struct error *error);
int setup_set_symbol(struct setup *setup, const char *symbol, struct error *error);   /* of the last data */
int setup_set_instrument(struct setup *setup, const char *row, struct error *error);
int setup_set_cash(struct setup *setup, const char *text, struct error *error);
int setup_set_fee(struct setup *setup, const char *text, struct error *error);

/* Reads policy, strategies and data; fills job. ERROR_ABI names every finding of a refused strategy file. */
int setup_load(struct setup *setup, struct error *error);
/* The parts of it, for commands that have no data files. */
int setup_load_policy(struct setup *setup, struct error *error);
int setup_load_strategies(struct setup *setup, struct error *error);
/* The instrument of a row by name; ERROR_NOT_FOUND lists the nearest. */
int setup_row(const struct setup *setup, const char *row, struct instrument *out, struct error *error);
void setup_job_agents(struct setup *setup);

/* One hash over all strategy files with their parameters; over all data files. */
void setup_strategy_hash(const struct setup *setup, char out[HASH_TEXT_BYTES]);
void setup_data_hash(const struct setup *setup, char out[HASH_TEXT_BYTES]);
struct cJSON *setup_gaps_json(const struct setup *setup);
struct cJSON *setup_assumptions_json(const struct setup *setup);
/* Gaps and assumptions as text. */
void setup_print(const struct setup *setup);

#endif
