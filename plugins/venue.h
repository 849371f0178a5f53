/*
 * venue.h - the contract between the host and a venue plug-in (trusted code, loaded by name from policy, in the host).
 *
 * A plug-in exports `venue_entry`, a constant struct venue_vtable. All calls come on the loop thread, none blocks, and none
 * decides anything: a venue carries orders out and tells what happened. It reports through venue_host.report, either inside
 * a call or from poll().
 *
 * Rules
 *   1. A call that returns 0 means "handed over", never "done". Only a report changes an order.
 *   2. What is not known is not reported: a lost connection is VENUE_LINK_DOWN, never a reject.
 *   3. Every fill has an id that stays the same when it is told again (after fills_since, after a reconnect).
 *   4. Protection is attached: an entry carries stop and target; as it fills, the venue guards the group (one agent's
 *      instrument and tag: order.position) with exactly the open lots of the group, whatever fills next. A venue that
 *      cannot do so lacks VENUE_NATIVE_BRACKET, and the host watches the price itself.
 */
#ifndef PLUGINS_VENUE_H
#define PLUGINS_VENUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/types.h"

#define VENUE_VERSION 1u

enum venue_flag {
    VENUE_EXTERNAL = 1u << 0,       /* orders leave this process: only full durable tokens are good enough */
    VENUE_NATIVE_BRACKET = 1u << 1, /* see rule 4 */
    VENUE_FEED = 1u << 2,           /* also delivers market data through venue_host.market */
    VENUE_NEEDS_MARKET = 1u << 3    /* wants on_market for every market event (paper) */
};

enum venue_report_kind {
    VENUE_ACK,        /* order: accepted and open */
    VENUE_REJECT,     /* order: refused, terminal; text says why */
    VENUE_FILL,       /* order or group: lots, price, fee, venue_fill_id */
    VENUE_CANCELLED,  /* order: terminal */
    VENUE_EXPIRED,    /* order: terminal */
    VENUE_STATE,      /* answer to query: order_state and filled lots as the venue knows them */
    VENUE_ABSENT,     /* answer to query: the venue never saw this client id */
    VENUE_POSITION,   /* answer to positions: net lots of an instrument */
    VENUE_POSITIONS_END,
    VENUE_FILLS_END,  /* answer to fills_since is complete */
    VENUE_LINK_UP,
    VENUE_LINK_DOWN   /* from now on nothing is known */
};

struct venue_report {
    uint8_t kind;              /* enum venue_report_kind */
    uint8_t purpose;           /* FILL: enum order_purpose; PURPOSE_STOP / PURPOSE_TARGET when the bracket fired */
    uint8_t order_state;       /* STATE: enum order_state */
    bool maker;
    uint16_t instrument;
    uint16_t position;         /* group */
    int64_t time_ns;           /* of the venue */
    int64_t lots;              /* FILL: signed; STATE: filled so far; POSITION: net */
    int64_t price_ticks;
    int64_t fee_e8;            /* -1 = the venue does not say: the host computes it from the instrument */
    char client_id[NAME_MAX_BYTES];         /* "" when only the group is known */
    char venue_fill_id[NAME_MAX_BYTES * 2];
    char text[96];
};

enum venue_market_kind { VENUE_BAR, VENUE_QUOTE, VENUE_TRADE, VENUE_TURN_END };

/* One market event. Bars of one close time come together and end with VENUE_TURN_END. */
struct venue_market {
    uint8_t kind;              /* enum venue_market_kind */
    bool after_gap;
    uint16_t instrument;
    int64_t time_ns;           /* bar: its close; TURN_END: the common close */
    struct bar bar;
    struct quote quote;
    int64_t trade_ticks, trade_size_e8; /* size signed by the aggressor */
};

/* What the host offers a venue. `context` goes back unchanged. */
struct venue_host {
    void *context;
    void (*report)(void *context, const struct venue_report *report);
    void (*market)(void *context, const struct venue_market *event);
    const struct instrument *instruments;
    uint32_t instrument_count;
};

/* Options as given in policy or on the command line: "seed=7,fill=partial". Unknown keys are refused by the plug-in. */
struct venue_options {
    const char *options;
    const char *home;          /* directory the plug-in may keep its own files in (home/venue-NAME), exists */
    int64_t now_ns;
};

struct venue; /* the plug-in's own */

struct venue_vtable {
    uint32_t version;          /* VENUE_VERSION */
    uint32_t size;             /* sizeof(struct venue_vtable) */
    char name[NAME_MAX_BYTES];
    uint32_t flags;            /* enum venue_flag */
    uint32_t reserved;

    int (*open)(struct venue **venue, const struct venue_options *options, const struct venue_host *host, struct error *error);
    void (*close)(struct venue *venue);
    /* A descriptor that is readable when poll has work; -1 = none. May change after poll. */
    int (*fd)(const struct venue *venue);
    /* UTC time at which poll wants to be called even without the descriptor; INT64_MAX = never. */
    int64_t (*wake_ns)(const struct venue *venue);
    /* Delivers what is there. A negative code = the link is gone (also reported). */
    int (*poll)(struct venue *venue, int64_t now_ns);

    int (*submit)(struct venue *venue, const struct order *order, int64_t now_ns);
    int (*cancel)(struct venue *venue, const struct order *order, int64_t now_ns);
    /* New stop and target of a group (0 = none). */
    int (*protect)(struct venue *venue, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks, int64_t now_ns);
    /* Asks for one order by client id: answers VENUE_STATE or VENUE_ABSENT. */
    int (*query)(struct venue *venue, const char *client_id, uint16_t instrument, int64_t now_ns);
    /* Tells every fill since then again, then VENUE_FILLS_END. */
    int (*fills_since)(struct venue *venue, int64_t since_ns);
    /* Tells the net position of every instrument, then VENUE_POSITIONS_END. */
    int (*positions)(struct venue *venue);
    /* The market, for venues with VENUE_NEEDS_MARKET; NULL otherwise. */
    void (*on_market)(struct venue *venue, const struct venue_market *event);
};

#define VENUE_ENTRY __attribute__((visibility("default"))) extern const struct venue_vtable venue_entry; const struct venue_vtable venue_entry

#endif
