/*
 * run.h - a running host: venues, feed, slots, journal and tape around one engine, and the loop that hands it events.
 */
#ifndef RUN_H
#define RUN_H

#include "cli/setup.h"
#include "flow.h"
#include "ledger/journal.h"
#include "ledger/tape.h"

enum run_mode { RUN_DRY_RUN = 0, RUN_PAPER = 1 };

struct run_options {
    enum run_mode mode;
    const char *home;
    const char *venue;           /* "NAME" or "NAME:options" */
    const char *feed;            /* the same; NULL = the venue's own, or the data files */
    bool once;                   /* end after one turn of bars */
    uint64_t turns_max;          /* 0 = no end */
    int64_t duration_ns;         /* wall time, 0 = no end */
    int64_t interval_ns;         /* between turns of a replayed file, 0 = as fast as it goes */
    bool clear_halt;             /* an operator's word: start ACTIVE again after a halt */
    bool quiet;
};

struct run_summary {
    bool started;
    uint64_t turns, bars, wishes, orders, fills, trades, journal_rows, gaps;
    int64_t equity_e8, cash_e8;
    int32_t trading_state, no_trade_reason;
    bool kill_switch;
    char ended_by[64];
    uint64_t refusals[REASONS_SEEN];
    struct histogram decision_ns, gate_ns, durable_ns;
    uint32_t agent_count;
    struct {
        char name[NAME_MAX_BYTES];
        bool active, alive;
        int64_t equity_e8;
        uint64_t turns, gaps, trades;
        struct histogram latency;
        struct slot_death death;
    } agents[AGENTS_MAX];
};

/* Runs until it is told to stop, the data ends or an error; fills `summary` as far as it came. */
int run(struct setup *setup, const struct run_options *options, struct run_summary *summary, struct error *error);

/* DIR/journal/journal.db and friends under a home. */
void run_journal_path(const char *home, char *to, size_t size);
void run_tape_path(const char *home, char *to, size_t size);

#endif
