/*
 * record.h - the one form in which anything that happened is written: journal rows, run files and the result hash use the
 * same canonical little-endian bytes. Nothing here depends on pointers, paths, wall time, pids or row ids.
 *
 * A chain of ids explains every trade: WISH <- VERDICT <- ORDER <- FILL <- TRADE, each naming its parent's id.
 */
#ifndef LEDGER_RECORD_H
#define LEDGER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define RECORD_KIND_LIST(X)                                                                         \
    X(RUN, 1)      /* a host started: mode, instruments, agents; the fold begins or goes on */      \
    X(WISH, 2)     /* a changed wish of an agent; id = wish record id */                            \
    X(VERDICT, 3)  /* the gate's answer; parent = WISH */                                           \
    X(ORDER, 4)    /* an order as made (NEW): the intent; id = order id, parent = VERDICT */        \
    X(STEP, 5)     /* an order changed its state; id = order id */                                  \
    X(FILL, 6)     /* id = fill id, parent = order id */                                            \
    X(TRADE, 7)    /* a round trip closed; id = trade number, parent = last fill id */              \
    X(SLOT, 8)     /* a slot started, ended or missed turns */                                      \
    X(TRADING, 9)  /* trading state or kill switch changed */                                       \
    X(OPERATOR, 10)/* a command of a person */                                                      \
    X(POLICY, 11)  /* limits changed */                                                             \
    X(NOTE, 12)    /* log line or evidence of an agent */                                           \
    X(STATE, 13)   /* an agent's saved state: hash and size */                                      \
    X(BOOK, 14)    /* the book, whole: at the end of a run and at each day change */                \
    X(BAR, 15)     /* a turn's close time; hashed, never written */                                 \
    X(PROTECT, 16) /* stop and target of a position changed */                                      \
    X(VENUE, 17)   /* link up, link down, reconciliation result */

enum record_kind {
#define X(name, number) RECORD_##name = number,
    RECORD_KIND_LIST(X)
#undef X
};

#define RECORD_HEAD 40u
#define RECORD_BODY_MAX 472u
#define RECORD_MAX (RECORD_HEAD + RECORD_BODY_MAX)

/* A record before it is encoded. */
struct record {
    uint16_t kind;       /* enum record_kind */
    uint16_t agent;      /* 0xffff = none */
    uint16_t instrument; /* 0xffff = none */
    uint16_t body_size;
    int64_t time_ns;     /* engine time */
    uint64_t id, parent; /* see RECORD_KIND_LIST; 0 = none */
    uint64_t position;   /* index in the book, or all ones */
    unsigned char body[RECORD_BODY_MAX];
};

/* Canonical bytes where they are: the head lies in memory as it is written (record.c asserts it). Size 0 as below. */
const void *record_bytes(const struct record *record, size_t *size);
/* Canonical bytes: returns their number (<= RECORD_MAX); 0, and nothing written, when body_size is above RECORD_BODY_MAX. */
size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX]);
/* ERROR_FORMAT when the bytes are not exactly one record of a known kind. Body bytes beyond body_size are left as they were. */
int record_decode(const unsigned char *bytes, size_t size, struct record *out);

/* The name of a kind ("ORDER"); "UNKNOWN" for numbers not in the list. */
const char *record_kind_name(int kind);
bool record_kind_known(int kind);

#endif
