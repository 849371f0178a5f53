/*
 * sim_options.c - what the sim venue and the exchange process can be told. One table for both, so that an option means the
 * same on either side.
 */
#include <stdio.h>
#include <string.h>

#include "execute/option.h"
#include "sim/sim.h"

#define INT(field, name, low, high) {name, OPTION_INT, offsetof(struct sim_options, field), sizeof(int64_t), low, high, NULL}
#define MS(field, name, low, high) {name, OPTION_MS, offsetof(struct sim_options, field), sizeof(int64_t), low, high, NULL}
#define BOOL(field, name) {name, OPTION_BOOL, offsetof(struct sim_options, field), sizeof(bool), 0, 1, NULL}
#define TEXT(field, name) \
    {name, OPTION_TEXT, offsetof(struct sim_options, field), sizeof(((struct sim_options *)0)->field), 0, 0, NULL}

#define DAY_MS INT64_C(86400000)

static const struct option_key keys[] = {
    INT(exchange.seed, "seed", 0, INT64_MAX),
    INT(exchange.start_ticks, "start_ticks", 1000, INT64_C(1000000000000)),
    INT(exchange.spread_ticks, "spread_ticks", 1, 1000000),
    INT(exchange.level_lots, "level_lots", 1, INT64_C(1000000000000)),
    INT(exchange.turns_max, "bars", 0, INT64_MAX),
    INT(exchange.start_ns, "start_ns", 0, INT64_MAX),
    INT(exchange.reject_every, "reject_every", 0, INT64_MAX),
    INT(exchange.levels, "levels", 1, EXCHANGE_LEVELS_MAX),
    MS(exchange.step_ns, "step_ms", 1, DAY_MS),
    MS(exchange.bar_ns, "bar_ms", 1, DAY_MS),
    BOOL(exchange.immediate, "immediate"),
    BOOL(exchange.rebase, "rebase"),
    MS(faults.ack_delay_ns, "ack_delay_ms", 0, DAY_MS),
    INT(faults.ack_drop_every, "ack_drop_every", 0, INT64_MAX),
    INT(faults.disconnect_every, "disconnect_every", 0, INT64_MAX),
    BOOL(faults.fills_twice, "fills_twice"),
    INT(speed, "speed", 0, 100000),
    MS(reconnect_ns, "reconnect_ms", 1, DAY_MS),
    BOOL(step, "step"),
    BOOL(quotes, "quotes"),
    BOOL(trades, "trades"),
    TEXT(socket, "socket"),
    TEXT(replay, "replay"),
};

int sim_options_read(struct sim_options *o, const char *who, const char *text, struct error *error) {
    memset(o, 0, sizeof(*o));
    o->exchange = exchange_options_default();
    o->speed = 1;
    o->reconnect_ns = 100 * NS_PER_MS;
    o->quotes = true;
    return options_read(who, text, keys, sizeof(keys) / sizeof(keys[0]), o, error);
}

const char *sim_options_replay(const struct sim_options *o, const char *name, uint32_t index, char out[SIM_PATHS_MAX]) {
    const char *at = o->replay;
    out[0] = '\0';
    if (*at != '\0' && strpbrk(at, ":;") == NULL) {
        snprintf(out, SIM_PATHS_MAX, "%s", index == 0 ? at : "");
        return out;
    }
    while (*at != '\0') {
        size_t length = strcspn(at, ";"), named = strcspn(at, ":");
        if (named < length && strlen(name) == named && memcmp(at, name, named) == 0) {
            snprintf(out, SIM_PATHS_MAX, "%.*s", (int)(length - named - 1), at + named + 1);
            return out;
        }
        at += length + (at[length] == ';');
    }
    return out;
}
