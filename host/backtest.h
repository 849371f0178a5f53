/*
 * backtest.h - a whole backtest as plain data in, plain data out: the same core runs in the host with slots and inside the
 * jailed worker (research speed), so both give the same result hash.
 */
#ifndef BACKTEST_H
#define BACKTEST_H

#include "flow.h"

#define BACKTEST_MAGIC 0x314a544b48424b42ull

struct backtest_agent {
    char name[NAME_MAX_BYTES];
    uint32_t param_count;
    uint32_t state_max;
    uint64_t seed;
    struct agent_needs needs;
    struct agent_param params[AGENT_PARAMS_MAX];
};

/* Everything that decides, without a pointer: it is copied into the worker as it is. */
struct backtest_job {
    uint64_t magic;
    uint32_t instrument_count, agent_count;
    int64_t cash_e8;
    struct risk_policy risk;
    struct host_policy host;
    struct instrument instruments[INSTRUMENTS_MAX];
    struct {
        uint64_t bars_at;       /* byte offset of the first struct bar in the data memory */
        uint64_t count;
        int64_t timeframe_ns;
    } sources[INSTRUMENTS_MAX];
    struct backtest_agent agents[AGENTS_MAX];
};

struct backtest_agent_result {
    int64_t equity_e8, realised_e8, fees_e8;
    uint64_t trades, won, turns, gaps;
    int32_t death;              /* enum reason */
    char death_text[160];
};

struct backtest_result {
    int32_t code;               /* 0 or an error code */
    char text[ERROR_TEXT_MAX];
    unsigned char hash[HASH_BYTES];
    uint64_t bars, turns, wishes, orders, fills, trades, records, record_bytes;
    int64_t final_equity_e8, cash_e8, realised_e8, fees_e8, open_positions;
    int64_t drawdown_worst_ppm;
    int32_t no_trade_reason;
    uint32_t done;
    uint64_t refusals[REASONS_SEEN];
    struct backtest_agent_result agents[AGENTS_MAX];
};

/* What gives an agent its life: a slot process, or the runner in this process. Called once per agent before the first turn,
 * when the market memory is laid out. Fills link, private_memory and reply. */
struct backtest_host {
    void *context;
    int (*seat)(void *context, uint32_t agent, const struct market *market, struct engine_seat *seat, struct error *error);
    bool direct;                /* agents are called in this process: there is no waiting time to use */
    int64_t (*clock_ns)(void);  /* may be NULL */
    /* called when all is ready, before the first turn: the worker waits here for the go */
    void (*ready)(void *context);
    /* told of every closed trade; may be NULL */
    void (*trade)(void *context, uint16_t account, const struct trade *trade);
};

struct backtest {
    const struct backtest_job *job;
    const unsigned char *data;  /* bars of all sources */
    void *market_memory;        /* market_size() bytes, zeroed: the shared one in slot mode */
    struct market_options market;
    struct backtest_host host;
    struct runfile *runfile;
    struct engine *engine;      /* after backtest_run, until backtest_close: for reports */
    struct venue *venue;
    struct arena arena;
    int64_t engine_ns;          /* first turn to last, when there is a clock */
};

/* What the agents need from the market memory. ERROR_CONFIG when a timeframe does not fit the feed. */
int backtest_market(const struct backtest_job *job, struct market_options *options, struct error *error);
/* The market's index of each of an agent's timeframes. */
void backtest_timeframes(const struct backtest_job *job, const struct market_options *market, uint32_t agent,
                         uint32_t timeframe[AGENT_TIMEFRAMES_MAX]);

/* Runs it. Always fills `result`; returns result->code. Close it afterwards. */
int backtest_run(struct backtest *backtest, struct backtest_result *result);
void backtest_close(struct backtest *backtest);

#endif
