/*
 * exchange.c - the life of the exchange: its instruments, its clock, and what a client may ask of it.
 *
 * Guarantees: rules 5 and 6 of exchange.h; every order that was accepted or refused stays known by its client id; time moves
 * only forward and only when told; all memory is taken in exchange_open() and exchange_add().
 * Deliberately not here: matching (match.c), prices (market.c, replay_*.c), and any way to reach it (sim.c, main_*.c).
 */
#include "sim/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "execute/order.h"

#define HASH_SLOTS (EXCHANGE_ORDERS_MAX * 2)
#define START_NS INT64_C(1700000000000000000)

struct exchange_options exchange_options_default(void) {
    return (struct exchange_options){.seed = 1, .step_ns = 100 * NS_PER_MS, .bar_ns = NS_PER_S, .start_ticks = 10000,
                                     .spread_ticks = 2, .level_lots = 100, .levels = 10};
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

static int options_check(const struct exchange_options *o, struct error *error) {
    if (o->step_ns < NS_PER_MS || o->bar_ns < o->step_ns || o->bar_ns % o->step_ns != 0) {
        return error_set(error, ERROR_CONFIG, "sim: a bar must be a whole number of steps of at least 1 ms");
    }
    if (o->levels < 1 || o->levels > EXCHANGE_LEVELS_MAX || o->level_lots < 1 || o->level_lots > INT64_C(1000000000000) ||
        o->spread_ticks < 1 || o->spread_ticks > 1000000) {
        return error_set(error, ERROR_CONFIG, "sim: levels 1..%d, level_lots 1..1e12, spread_ticks 1..1e6", EXCHANGE_LEVELS_MAX);
    }
    if (o->start_ticks < 1000 || o->start_ticks > INT64_C(1000000000000) || o->reject_every < 0 || o->start_ns < 0) {
        return error_set(error, ERROR_CONFIG, "sim: start_ticks 1000..1e12, reject_every and start not negative");
    }
    return 0;
}

int exchange_open(struct exchange **out, const struct exchange_options *options, const struct exchange_sink *sink,
                  struct error *error) {
    int code = options_check(options, error);
    if (code != 0) {
        return code;
    }
    struct exchange *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        return error_set(error, ERROR_SYSTEM, "sim: no memory for the exchange");
    }
    x->options = *options;
    x->sink = *sink;
    x->orders = calloc(EXCHANGE_ORDERS_MAX, sizeof(*x->orders));
    x->order_hash = calloc(HASH_SLOTS, sizeof(*x->order_hash));
    x->fills = calloc(EXCHANGE_FILLS_MAX, sizeof(*x->fills));
    if (x->orders == NULL || x->order_hash == NULL || x->fills == NULL) {
        exchange_close(x);
        return error_set(error, ERROR_SYSTEM, "sim: no memory for orders and fills");
    }
    x->now_ns = options->start_ns;
    *out = x;
    return 0;
}

void exchange_close(struct exchange *x) {
    if (x == NULL) {
        return;
    }
    for (uint32_t i = 0; i < x->market_count; i++) {
        ladder_fini(&x->markets[i].ladder);
        replay_bars_close(x->markets[i].bars);
        replay_ticks_close(x->markets[i].ticks);
    }
    free(x->orders);
    free(x->order_hash);
    free(x->fills);
    free(x);
}

static uint64_t name_hash(const char *name) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    }
    return hash;
}

int exchange_find(const struct exchange *x, const char *name) {
    for (uint32_t i = 0; i < x->market_count; i++) {
        if (strncmp(x->markets[i].instrument.name, name, NAME_MAX_BYTES) == 0) {
            return (int)i;
        }
    }
    return ERROR_NOT_FOUND;
}

static int source_open(struct exchange *x, uint16_t market, const char *replay, struct error *error) {
    struct exchange_market *m = &x->markets[market];
    if (replay == NULL || replay[0] == '\0') {
        m->source = x->options.manual ? EXCHANGE_MANUAL : EXCHANGE_GENERATED;
        return 0;
    }
    if (replay_ticks_recognise(replay)) {
        m->source = EXCHANGE_TICKS;
        return replay_ticks_open(x, market, replay, error);
    }
    m->source = EXCHANGE_BARS;
    return replay_bars_open(x, market, replay, error);
}

/* A market that is added late begins now; a replay sets the clock of an exchange that has none yet. */
static void source_begin(struct exchange *x, uint16_t market) {
    struct exchange_market *m = &x->markets[market];
    m->next_move_ns = INT64_MAX;
    m->next_close_ns = INT64_MAX;
    if (m->source == EXCHANGE_TICKS) {
        replay_ticks_begin(x, market);
    } else if (m->source == EXCHANGE_BARS) {
        replay_bars_begin(x, market);
    } else {
        x->now_ns = x->now_ns == 0 ? START_NS : x->now_ns;
        if (m->source == EXCHANGE_GENERATED) {
            market_begin(x, market);
        }
    }
}

int exchange_add(struct exchange *x, const struct instrument *instrument, const char *replay, struct error *error) {
    if (x->market_count == INSTRUMENTS_MAX) {
        return error_set(error, ERROR_FULL, "sim: more than %d instruments", INSTRUMENTS_MAX);
    }
    if (exchange_find(x, instrument->name) >= 0) {
        return error_set(error, ERROR_CONFIG, "sim: instrument %s is given twice", instrument->name);
    }
    uint16_t market = (uint16_t)x->market_count;
    struct exchange_market *m = &x->markets[market];
    memset(m, 0, sizeof(*m));
    m->instrument = *instrument;
    m->dice = dice_init(x->options.seed ^ name_hash(instrument->name));
    int code = source_open(x, market, replay, error);
    bool deep = m->source == EXCHANGE_TICKS;
    if (code == 0 && ladder_init(&m->ladder, deep ? 1u << 15 : 1u << 12, deep ? 1u << 16 : 1u << 13) != 0) {
        code = error_set(error, ERROR_SYSTEM, "sim: no memory for the book of %s", instrument->name);
    }
    if (code != 0) {
        replay_bars_close(m->bars);
        replay_ticks_close(m->ticks);
        return code;
    }
    x->market_count++;
    source_begin(x, market);
    return market;
}

/* ---- time ------------------------------------------------------------------------------------------------------------------- */

static void expire(struct exchange *x, int64_t now_ns) {
    for (uint32_t i = 0; i < x->open_count;) {
        uint32_t index = x->open[i];
        const struct order *order = &x->orders[index].order;
        if (order->expires_ns != 0 && order->expires_ns <= now_ns) {
            match_end(x, index, ORDER_EXPIRED, "");
        } else {
            i++;
        }
    }
}

static int64_t next_close_ns(const struct exchange *x) {
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < x->market_count; i++) {
        next = x->markets[i].next_close_ns < next ? x->markets[i].next_close_ns : next;
    }
    return next;
}

static int64_t next_move_ns(const struct exchange *x) {
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < x->market_count; i++) {
        next = x->markets[i].next_move_ns < next ? x->markets[i].next_move_ns : next;
    }
    return next;
}

int64_t exchange_next_ns(const struct exchange *x) {
    int64_t close = next_close_ns(x), move = next_move_ns(x);
    return x->ended ? INT64_MAX : close < move ? close : move;
}

/* Tells the bars that close now; true when there were any. */
static bool turn_close(struct exchange *x, int64_t now_ns) {
    bool any = false;
    for (uint32_t i = 0; i < x->market_count; i++) {
        struct exchange_market *m = &x->markets[i];
        if (m->next_close_ns == now_ns) {
            bool told = m->source == EXCHANGE_BARS ? replay_bars_bar(x, (uint16_t)i, now_ns)
                                                   : market_close_bar(x, (uint16_t)i, now_ns);
            any = any || told;
        }
    }
    if (any && x->sink.market != NULL) {
        struct venue_market end = {.kind = VENUE_TURN_END, .time_ns = now_ns};
        x->sink.market(x->sink.context, &end);
    }
    x->turns += any;
    if (x->options.turns_max != 0 && x->turns >= x->options.turns_max) {
        x->ended = true;
    }
    return any;
}

static void markets_move(struct exchange *x, int64_t now_ns) {
    for (uint32_t i = 0; i < x->market_count; i++) {
        uint16_t market = (uint16_t)i;
        if (x->markets[i].next_move_ns != now_ns) {
            continue;
        }
        if (x->markets[i].source == EXCHANGE_TICKS) {
            replay_ticks_move(x, market, now_ns);
        } else if (x->markets[i].source == EXCHANGE_BARS) {
            replay_bars_move(x, market, now_ns);
        } else {
            market_move(x, market, now_ns);
        }
        match_settle(x, market);
        market_tell_quote(x, market);
    }
}

/* The next thing that happens by itself, if it is due. A close comes before the moves of the same instant. */
static bool step(struct exchange *x, int64_t to_ns, bool *turn) {
    int64_t close = next_close_ns(x), move = next_move_ns(x);
    int64_t next = close <= move ? close : move;
    *turn = false;
    if (next == INT64_MAX && x->market_count > 0 && !x->options.manual) {
        x->ended = true; /* the record is over */
    }
    if (x->ended || next > to_ns) {
        return false;
    }
    x->now_ns = next > x->now_ns ? next : x->now_ns;
    expire(x, x->now_ns);
    if (close <= move) {
        *turn = turn_close(x, next);
    } else {
        markets_move(x, next);
    }
    return true;
}

void exchange_advance(struct exchange *x, int64_t to_ns) {
    bool turn;
    while (step(x, to_ns, &turn)) {
    }
    if (to_ns > x->now_ns && to_ns != INT64_MAX) {
        x->now_ns = to_ns;
        expire(x, to_ns);
    }
}

bool exchange_advance_turn(struct exchange *x, int64_t to_ns) {
    bool turn = false;
    while (!turn && step(x, to_ns, &turn)) {
    }
    return turn;
}

/* ---- orders ----------------------------------------------------------------------------------------------------------------- */

static uint32_t *hash_slot(const struct exchange *x, const char *client_id) {
    return &x->order_hash[name_hash(client_id) % HASH_SLOTS];
}

/* Index of an order, or -1. */
static int64_t order_find(const struct exchange *x, const char *client_id) {
    for (uint32_t i = *hash_slot(x, client_id); i != 0; i = x->orders[i - 1].next_same_hash) {
        if (strncmp(x->orders[i - 1].order.client_id, client_id, NAME_MAX_BYTES) == 0) {
            return i - 1;
        }
    }
    return -1;
}

static void tell(struct exchange *x, const struct venue_report *report) {
    if (x->sink.report != NULL) {
        x->sink.report(x->sink.context, report);
    }
}

void exchange_query(const struct exchange *x, const char *client_id, struct venue_report *answer) {
    *answer = (struct venue_report){.kind = VENUE_ABSENT, .time_ns = x->now_ns, .fee_e8 = -1};
    snprintf(answer->client_id, sizeof(answer->client_id), "%s", client_id);
    int64_t index = order_find(x, client_id);
    if (index >= 0) {
        const struct order *order = &x->orders[index].order;
        answer->kind = VENUE_STATE;
        answer->order_state = order->state;
        answer->purpose = order->purpose;
        answer->instrument = order->instrument;
        answer->position = order->position;
        answer->lots = order->filled_lots;
    }
}

enum exchange_kind exchange_kind_of(const struct exchange *x, const struct order *order) {
    if (order->purpose == PURPOSE_STOP && order->stop_ticks != 0) {
        return EXCHANGE_STOP;
    }
    if (order->limit_ticks == 0) {
        return EXCHANGE_MARKET;
    }
    return x->options.immediate && order->purpose == PURPOSE_ENTRY ? EXCHANGE_IMMEDIATE : EXCHANGE_LIMIT;
}

static bool numbers_are_sound(const struct order *order) {
    const int64_t price_max = INT64_C(1) << 52, lots_max = INT64_C(1) << 52;
    const int64_t prices[] = {order->limit_ticks, order->stop_ticks, order->target_ticks};
    for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
        if (prices[i] < 0 || prices[i] > price_max) {
            return false;
        }
    }
    return order->lots != 0 && order->lots >= -lots_max && order->lots <= lots_max && order->expires_ns >= 0;
}

static bool bracket_is_sound(const struct order *order) {
    if (order->stop_ticks == 0 || order->target_ticks == 0) {
        return true;
    }
    return order->lots > 0 ? order->stop_ticks < order->target_ticks : order->stop_ticks > order->target_ticks;
}

/* Why the exchange does not take an entry, or NULL. */
static const char *entry_refusal(const struct exchange *x, const struct order *order) {
    const struct instrument *instrument = &x->markets[order->instrument].instrument;
    int64_t size = order->lots < 0 ? -order->lots : order->lots;
    if (size < instrument->quantity_min_lots) {
        return "smaller than the minimum quantity";
    }
    if (order->limit_ticks == 0 && !instrument->market_entry) {
        return "entries without a limit are not taken";
    }
    if (order->lots < 0 && instrument->long_only) {
        return "short sales are not taken";
    }
    return bracket_is_sound(order) ? NULL : "stop and target are on the wrong sides";
}

/* Why the exchange does not take an order, or NULL. */
static const char *refusal(struct exchange *x, const struct order *order, enum exchange_kind kind) {
    if (order->instrument >= x->market_count || order->position >= POSITIONS_MAX || order->purpose > PURPOSE_HOST) {
        return "unknown instrument, position or purpose";
    }
    const struct exchange_group *group = &x->groups[order->position];
    if (!numbers_are_sound(order)) {
        return "lots or a price are out of range";
    }
    if (group->lots != 0 && group->instrument != order->instrument) {
        return "the position is open in another instrument";
    }
    if ((kind == EXCHANGE_LIMIT || kind == EXCHANGE_IMMEDIATE) && order->limit_ticks == 0) {
        return "a limit order without a limit";
    }
    if (x->open_count == ORDERS_MAX || x->fill_count >= EXCHANGE_FILLS_MAX / 8 * 7) {
        return "the exchange is full";
    }
    if (x->options.reject_every != 0 && x->submitted % (uint64_t)x->options.reject_every == 0) {
        x->rejected_by_fault++;
        return "fault: every n-th order is refused";
    }
    return order->purpose == PURPOSE_ENTRY ? entry_refusal(x, order) : NULL;
}

static uint32_t order_keep(struct exchange *x, const struct order *order, enum exchange_kind kind) {
    uint32_t index = x->order_count++;
    struct exchange_order *kept = &x->orders[index];
    uint32_t *slot = hash_slot(x, order->client_id);
    *kept = (struct exchange_order){.order = *order, .kind = (uint8_t)kind, .next_same_hash = *slot};
    kept->order.filled_lots = 0;
    kept->order.state = ORDER_SENT;
    *slot = index + 1;
    return index;
}

static void order_acknowledge(struct exchange *x, uint32_t index) {
    const struct order *order = &x->orders[index].order;
    struct venue_report ack = {.kind = VENUE_ACK, .purpose = order->purpose, .order_state = ORDER_ACKED,
                               .instrument = order->instrument, .position = order->position, .time_ns = x->now_ns, .fee_e8 = -1};
    memcpy(ack.client_id, order->client_id, sizeof(ack.client_id));
    x->orders[index].order.state = ORDER_ACKED;
    x->open[x->open_count++] = index;
    tell(x, &ack);
}

/* The first match of a new order, and what becomes of the rest. */
static void order_work(struct exchange *x, uint32_t index) {
    struct exchange_order *kept = &x->orders[index];
    struct order *order = &kept->order;
    bool closes = order->purpose != PURPOSE_ENTRY;
    if (kept->kind == EXCHANGE_STOP) {
        return;
    }
    struct incoming in = {.lots = order->lots < 0 ? -order->lots : order->lots, .limit_ticks = order->limit_ticks,
                          .owner = (int32_t)index, .buys = order->lots > 0};
    match_run(x, order->instrument, &in);
    if (!order_is_open(order)) {
        return;
    }
    if (kept->kind == EXCHANGE_LIMIT) {
        struct ladder *ladder = &x->markets[order->instrument].ladder;
        kept->entry = ladder_add(ladder, in.buys ? LADDER_BID : LADDER_ASK, order->limit_ticks, in.lots, in.owner);
        if (kept->entry == 0) {
            match_end(x, index, ORDER_CANCELLED, "the book is full");
        }
    } else if (kept->kind == EXCHANGE_MARKET && closes) {
        kept->sweeping = true; /* rule 2 */
    } else {
        match_end(x, index, ORDER_CANCELLED, "nothing more is displayed");
    }
}

int exchange_submit(struct exchange *x, const struct order *order, enum exchange_kind kind) {
    struct venue_report known;
    exchange_query(x, order->client_id, &known);
    if (known.kind == VENUE_STATE) {
        snprintf(known.text, sizeof(known.text), "duplicate client id");
        tell(x, &known);
        return ERROR_REFUSED;
    }
    x->submitted++;
    bool nameless = order->client_id[0] == '\0' || strnlen(order->client_id, NAME_MAX_BYTES) == NAME_MAX_BYTES;
    const char *why = nameless || x->order_count == EXCHANGE_ORDERS_MAX ? "no client id, or the order table is full"
                                                                       : refusal(x, order, kind);
    if (why != NULL) {
        struct venue_report no = {.kind = VENUE_REJECT, .purpose = order->purpose, .order_state = ORDER_REJECTED,
                                  .instrument = order->instrument, .position = order->position, .time_ns = x->now_ns,
                                  .fee_e8 = -1};
        if (!nameless && x->order_count < EXCHANGE_ORDERS_MAX) {
            x->orders[order_keep(x, order, kind)].order.state = ORDER_REJECTED;
        }
        snprintf(no.client_id, sizeof(no.client_id), "%.*s", NAME_MAX_BYTES - 1, order->client_id);
        snprintf(no.text, sizeof(no.text), "%s", why);
        tell(x, &no);
        return 0;
    }
    uint32_t index = order_keep(x, order, kind);
    if (order->expires_ns != 0 && order->expires_ns <= x->now_ns) {
        match_end(x, index, ORDER_EXPIRED, "expired before it arrived");
        return 0;
    }
    x->groups[order->position].instrument = order->instrument;
    x->group_end = order->position >= x->group_end ? order->position + 1u : x->group_end;
    order_acknowledge(x, index);
    order_work(x, index);
    match_settle(x, order->instrument);
    market_tell_quote(x, order->instrument);
    return 0;
}

void exchange_cancel(struct exchange *x, const char *client_id) {
    int64_t index = order_find(x, client_id);
    if (index >= 0 && order_is_open(&x->orders[index].order)) {
        uint16_t market = x->orders[index].order.instrument;
        match_end(x, (uint32_t)index, ORDER_CANCELLED, "");
        match_settle(x, market);
        market_tell_quote(x, market);
        return;
    }
    struct venue_report answer;
    exchange_query(x, client_id, &answer);
    tell(x, &answer);
}

int exchange_protect(struct exchange *x, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks) {
    if (instrument >= x->market_count || position >= POSITIONS_MAX || stop_ticks < 0 || target_ticks < 0) {
        return ERROR_RANGE;
    }
    for (uint32_t i = 0; i < x->open_count; i++) { /* what has not filled yet follows the newer decision */
        struct order *order = &x->orders[x->open[i]].order;
        if (order->purpose == PURPOSE_ENTRY && order->position == position && order->instrument == instrument) {
            order->stop_ticks = stop_ticks;
            order->target_ticks = target_ticks;
        }
    }
    struct exchange_group *group = &x->groups[position];
    if (group->lots != 0 && group->instrument == instrument) {
        group->stop_ticks = stop_ticks;
        group->target_ticks = target_ticks;
        match_settle(x, instrument);
        market_tell_quote(x, instrument);
    }
    return 0;
}

uint32_t exchange_fills_since(const struct exchange *x, int64_t since_ns) {
    uint32_t low = 0, high = x->fill_count; /* times never go back */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (x->fills[middle].time_ns < since_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void exchange_house(struct exchange *x, uint16_t market, int64_t lots, int64_t limit_ticks, bool rest) {
    struct incoming in = {.lots = lots < 0 ? -lots : lots, .limit_ticks = limit_ticks, .owner = LADDER_HOUSE, .buys = lots > 0,
                          .skip_house = rest && !x->options.manual};
    match_run(x, market, &in);
    if (rest && in.lots > 0 && limit_ticks > 0) {
        ladder_add(&x->markets[market].ladder, in.buys ? LADDER_BID : LADDER_ASK, limit_ticks, in.lots, LADDER_HOUSE);
    }
    if (x->options.manual) {
        match_settle(x, market);
        market_tell_quote(x, market);
    }
}
