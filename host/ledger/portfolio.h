/*
 * portfolio.h - fills -> books. Exact money: see struct book for the invariant.
 */
#ifndef LEDGER_PORTFOLIO_H
#define LEDGER_PORTFOLIO_H

#include "base/base.h"
#include "data/data.h"

void portfolio_init(struct book *book, int64_t deposits_e8);

/* Adds an agent with its share of the account; returns its index or ERROR_FULL. */
int portfolio_agent_add(struct book *book, const char *name, bool active, int64_t budget_e8);

/* Index of (agent, instrument, tag), created on first use; ERROR_FULL at POSITIONS_MAX or AGENT_TAGS_MAX tags. */
int portfolio_position(struct book *book, uint16_t agent, uint16_t instrument, const char *tag);

/*
 * Applies a fill: cost, cash, realised, fees, round trip. Fills in fill->realised_e8. Returns 1 and `trade` when the position
 * became flat (or turned: the first part), 0 when not, ERROR_OVERFLOW when money left its range (nothing changed then).
 */
int portfolio_apply(struct book *book, const struct instrument *instruments, struct fill *fill, struct trade *trade);

/* Values all positions of an instrument at `price_ticks`; the range of the bar (low, high; 0 = none) moves MAE and MFE. */
int portfolio_mark(struct book *book, const struct instrument *instruments, uint16_t instrument, int64_t price_ticks,
                   int64_t low_ticks, int64_t high_ticks);

/* After all marks of a turn: equity, peaks, worst drawdown. */
void portfolio_settle(struct book *book);

/* Starts a trading day when `day` is not the book's: day-start equities, daily counters. Returns true when it did. */
bool portfolio_day(struct book *book, int64_t day);

static inline int64_t agent_equity_e8(const struct agent_account *a) {
    return a->budget_e8 + a->realised_e8 - a->fees_e8 + a->unrealised_e8;
}

/* True when cash + cost = deposits + realised - fees and the agents add up to the account. For assertions and tests. */
bool portfolio_exact(const struct book *book);

#endif
