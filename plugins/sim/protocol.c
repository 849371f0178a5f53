/*
 * protocol.c - orders, reports, instruments and market events as message lines, both ways.
 *
 * Guarantees: what was put is got back equal, field by field; numbers outside their C type are ERROR_FORMAT, never cut.
 * Deliberately not here: whether an order makes sense. The exchange decides that and answers with a reject.
 */
#include "sim/protocol.h"

#include <stdio.h>
#include <string.h>

static const char *const report_names[] = {
    [VENUE_ACK] = "ack",           [VENUE_REJECT] = "reject",     [VENUE_FILL] = "fill",
    [VENUE_CANCELLED] = "cancelled", [VENUE_EXPIRED] = "expired", [VENUE_STATE] = "state",
    [VENUE_ABSENT] = "absent",     [VENUE_POSITION] = "position", [VENUE_POSITIONS_END] = "positions_end",
    [VENUE_FILLS_END] = "fills_end", [VENUE_LINK_UP] = "link_up", [VENUE_LINK_DOWN] = "link_down",
};

const char *protocol_report_name(int kind) {
    return kind >= 0 && kind <= VENUE_LINK_DOWN ? report_names[kind] : "?";
}

/* A number of a message within a range; false when absent, text or outside. */
static bool get_range(const struct message *message, const char *key, int64_t low, int64_t high, int64_t *out) {
    *out = message_number(message, key, INT64_MIN);
    return *out >= low && *out <= high && *out != INT64_MIN;
}

static bool get_u16(const struct message *message, const char *key, uint16_t *out) {
    int64_t number;
    bool good = get_range(message, key, 0, UINT16_MAX, &number);
    *out = good ? (uint16_t)number : 0;
    return good;
}

static bool get_u8(const struct message *message, const char *key, uint8_t *out) {
    int64_t number;
    bool good = get_range(message, key, 0, UINT8_MAX, &number);
    *out = good ? (uint8_t)number : 0;
    return good;
}

static bool get_name(const struct message *message, const char *key, char *out, size_t size) {
    const char *text = message_text(message, key);
    if (strlen(text) >= size) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* ---- instruments ------------------------------------------------------------------------------------------------------------ */

void protocol_put_instrument(struct message_line *line, uint16_t index, const struct instrument *i) {
    message_begin(line, "op", "instrument");
    message_add_number(line, "i", index);
    message_add_text(line, "name", i->name);
    message_add_number(line, "tick", i->tick_e8);
    message_add_number(line, "lot", i->lot_e8);
    message_add_number(line, "multiplier", i->multiplier_e8);
    message_add_number(line, "minimum", i->quantity_min_lots);
    message_add_number(line, "maker", i->fee_maker_e8);
    message_add_number(line, "taker", i->fee_taker_e8);
    message_add_number(line, "unit", i->fee_per_unit_e8);
    message_add_number(line, "market", i->market_entry);
    message_add_number(line, "long_only", i->long_only);
    message_add_number(line, "value_num", i->value_num);
    message_add_number(line, "value_den", i->value_den);
}

int protocol_get_instrument(const struct message *m, uint16_t *index, struct instrument *i) {
    memset(i, 0, sizeof(*i));
    int64_t market, long_only;
    bool good = get_u16(m, "i", index) && get_name(m, "name", i->name, sizeof(i->name)) && i->name[0] != '\0';
    good = good && get_range(m, "tick", 1, INT64_MAX, &i->tick_e8) && get_range(m, "lot", 1, INT64_MAX, &i->lot_e8);
    good = good && get_range(m, "multiplier", 1, INT64_MAX, &i->multiplier_e8);
    good = good && get_range(m, "minimum", 0, INT64_MAX, &i->quantity_min_lots);
    good = good && get_range(m, "maker", 0, E8, &i->fee_maker_e8) && get_range(m, "taker", 0, E8, &i->fee_taker_e8);
    good = good && get_range(m, "unit", 0, INT64_MAX, &i->fee_per_unit_e8);
    good = good && get_range(m, "market", 0, 1, &market) && get_range(m, "long_only", 0, 1, &long_only);
    good = good && get_range(m, "value_num", 1, INT64_MAX, &i->value_num) && get_range(m, "value_den", 1, INT64_MAX, &i->value_den);
    i->market_entry = good && market == 1;
    i->long_only = good && long_only == 1;
    return good && *index < INSTRUMENTS_MAX ? 0 : ERROR_FORMAT;
}

bool protocol_same_instrument(const struct instrument *a, const struct instrument *b) {
    return a->tick_e8 == b->tick_e8 && a->lot_e8 == b->lot_e8 && a->multiplier_e8 == b->multiplier_e8 &&
           a->fee_maker_e8 == b->fee_maker_e8 && a->fee_taker_e8 == b->fee_taker_e8 && a->fee_per_unit_e8 == b->fee_per_unit_e8;
}

/* ---- orders ----------------------------------------------------------------------------------------------------------------- */

void protocol_put_order(struct message_line *line, const struct order *order) {
    message_begin(line, "op", "order");
    message_add_text(line, "id", order->client_id);
    message_add_number(line, "i", order->instrument);
    message_add_number(line, "group", order->position);
    message_add_number(line, "purpose", order->purpose);
    message_add_number(line, "lots", order->lots);
    message_add_number(line, "limit", order->limit_ticks);
    message_add_number(line, "stop", order->stop_ticks);
    message_add_number(line, "target", order->target_ticks);
    message_add_number(line, "created", order->created_ns);
    message_add_number(line, "expires", order->expires_ns);
}

int protocol_get_order(const struct message *m, struct order *order) {
    memset(order, 0, sizeof(*order));
    bool good = get_name(m, "id", order->client_id, sizeof(order->client_id)) && order->client_id[0] != '\0';
    good = good && get_u16(m, "i", &order->instrument) && get_u16(m, "group", &order->position);
    good = good && get_u8(m, "purpose", &order->purpose);
    good = good && get_range(m, "lots", INT64_MIN + 1, INT64_MAX, &order->lots);
    good = good && get_range(m, "limit", 0, INT64_MAX, &order->limit_ticks);
    good = good && get_range(m, "stop", 0, INT64_MAX, &order->stop_ticks);
    good = good && get_range(m, "target", 0, INT64_MAX, &order->target_ticks);
    good = good && get_range(m, "created", 0, INT64_MAX, &order->created_ns);
    good = good && get_range(m, "expires", 0, INT64_MAX, &order->expires_ns);
    return good ? 0 : ERROR_FORMAT;
}

/* ---- reports ---------------------------------------------------------------------------------------------------------------- */

void protocol_put_report(struct message_line *line, const char *event, const struct venue_report *r, uint16_t instrument) {
    message_begin(line, "event", event);
    message_add_text(line, "kind", protocol_report_name(r->kind));
    message_add_number(line, "purpose", r->purpose);
    message_add_number(line, "state", r->order_state);
    message_add_number(line, "maker", r->maker);
    message_add_number(line, "i", instrument);
    message_add_number(line, "group", r->position);
    message_add_number(line, "time", r->time_ns);
    message_add_number(line, "lots", r->lots);
    message_add_number(line, "price", r->price_ticks);
    message_add_number(line, "fee", r->fee_e8);
    message_add_text(line, "id", r->client_id);
    message_add_text(line, "fill", r->venue_fill_id);
    message_add_text(line, "text", r->text);
}

static bool get_kind(const struct message *m, uint8_t *kind) {
    const char *name = message_text(m, "kind");
    for (int i = 0; i <= VENUE_LINK_DOWN; i++) {
        if (strcmp(report_names[i], name) == 0) {
            *kind = (uint8_t)i;
            return true;
        }
    }
    return false;
}

int protocol_get_report(const struct message *m, struct venue_report *r) {
    memset(r, 0, sizeof(*r));
    int64_t maker = 0;
    bool good = get_kind(m, &r->kind) && get_u8(m, "purpose", &r->purpose) && get_u8(m, "state", &r->order_state);
    good = good && get_range(m, "maker", 0, 1, &maker) && get_u16(m, "i", &r->instrument) && get_u16(m, "group", &r->position);
    good = good && r->order_state < ORDER_STATES && r->purpose <= PURPOSE_HOST;
    good = good && get_range(m, "time", 0, INT64_MAX, &r->time_ns);
    good = good && get_range(m, "lots", INT64_MIN + 1, INT64_MAX, &r->lots);
    good = good && get_range(m, "price", 0, INT64_MAX, &r->price_ticks) && get_range(m, "fee", -1, INT64_MAX, &r->fee_e8);
    good = good && get_name(m, "id", r->client_id, sizeof(r->client_id));
    good = good && get_name(m, "fill", r->venue_fill_id, sizeof(r->venue_fill_id));
    good = good && get_name(m, "text", r->text, sizeof(r->text));
    r->maker = maker == 1;
    return good ? 0 : ERROR_FORMAT;
}

/* ---- market ----------------------------------------------------------------------------------------------------------------- */

static void put_bar(struct message_line *line, const struct venue_market *event) {
    message_add_number(line, "start", event->bar.start_ns);
    message_add_number(line, "open", event->bar.open);
    message_add_number(line, "high", event->bar.high);
    message_add_number(line, "low", event->bar.low);
    message_add_number(line, "close", event->bar.close);
    message_add_number(line, "volume", event->bar.volume_e8);
    message_add_number(line, "gap", event->after_gap);
}

static void put_quote(struct message_line *line, const struct quote *quote) {
    message_add_number(line, "bid", quote->bid_ticks);
    message_add_number(line, "ask", quote->ask_ticks);
    message_add_number(line, "last", quote->last_ticks);
    message_add_number(line, "bid_size", quote->bid_size_e8);
    message_add_number(line, "ask_size", quote->ask_size_e8);
}

void protocol_put_market(struct message_line *line, const struct venue_market *event, uint16_t instrument) {
    static const char *const names[] = {[VENUE_BAR] = "bar", [VENUE_QUOTE] = "quote", [VENUE_TRADE] = "trade",
                                        [VENUE_TURN_END] = "turn"};
    message_begin(line, "event", names[event->kind]);
    message_add_number(line, "i", instrument);
    message_add_number(line, "time", event->time_ns);
    if (event->kind == VENUE_BAR) {
        put_bar(line, event);
    } else if (event->kind == VENUE_QUOTE) {
        put_quote(line, &event->quote);
    } else if (event->kind == VENUE_TRADE) {
        message_add_number(line, "price", event->trade_ticks);
        message_add_number(line, "size", event->trade_size_e8);
    }
}

static int get_bar(const struct message *m, struct venue_market *event) {
    struct bar *bar = &event->bar;
    int64_t gap = 0;
    bool good = get_range(m, "start", 0, INT64_MAX, &bar->start_ns) && get_range(m, "low", 1, INT64_MAX, &bar->low);
    good = good && get_range(m, "high", bar->low, INT64_MAX, &bar->high);
    good = good && get_range(m, "open", bar->low, bar->high, &bar->open);
    good = good && get_range(m, "close", bar->low, bar->high, &bar->close);
    good = good && get_range(m, "volume", -1, INT64_MAX, &bar->volume_e8) && get_range(m, "gap", 0, 1, &gap);
    event->after_gap = gap == 1;
    return good ? 0 : ERROR_FORMAT;
}

static int get_quote(const struct message *m, struct venue_market *event) {
    struct quote *quote = &event->quote;
    bool good = get_range(m, "bid", 0, INT64_MAX, &quote->bid_ticks) && get_range(m, "ask", 0, INT64_MAX, &quote->ask_ticks);
    good = good && get_range(m, "last", 0, INT64_MAX, &quote->last_ticks);
    good = good && get_range(m, "bid_size", 0, INT64_MAX, &quote->bid_size_e8);
    good = good && get_range(m, "ask_size", 0, INT64_MAX, &quote->ask_size_e8);
    quote->time_ns = event->time_ns;
    return good ? 0 : ERROR_FORMAT;
}

int protocol_get_market(const struct message *m, struct venue_market *event) {
    const char *name = message_text(m, "event");
    memset(event, 0, sizeof(*event));
    if (!get_u16(m, "i", &event->instrument) || !get_range(m, "time", 0, INT64_MAX, &event->time_ns)) {
        return ERROR_FORMAT;
    }
    if (strcmp(name, "bar") == 0) {
        event->kind = VENUE_BAR;
        return get_bar(m, event);
    }
    if (strcmp(name, "quote") == 0) {
        event->kind = VENUE_QUOTE;
        return get_quote(m, event);
    }
    if (strcmp(name, "turn") == 0) {
        event->kind = VENUE_TURN_END;
        return 0;
    }
    event->kind = VENUE_TRADE;
    bool good = strcmp(name, "trade") == 0 && get_range(m, "price", 1, INT64_MAX, &event->trade_ticks) &&
                get_range(m, "size", INT64_MIN + 1, INT64_MAX, &event->trade_size_e8);
    return good ? 0 : ERROR_FORMAT;
}
