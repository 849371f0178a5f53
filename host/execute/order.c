/*
 * order.c - the table of legal order steps and the arithmetic of one order.
 *
 * Guarantees: a state changes only by order_step() or order_fill(), and only along the table; a refused step changes
 * nothing; lots are counted whatever the state says, because fills are the only source of position.
 * Deliberately not here: what a step means for limits, journal or venue. The router knows that; this file knows one order.
 */
#include "execute/order.h"

#include <string.h>

#include "base/decimal.h"
#include "base/reason.h"

#define TO(state) (1u << (state))
#define ENDED (TO(ORDER_FILLED) | TO(ORDER_CANCELLED) | TO(ORDER_REJECTED) | TO(ORDER_EXPIRED))

/* The rules of order.h as sets: row = from, bits = to. A row that is zero is terminal. */
static const uint16_t legal_steps[ORDER_STATES] = {
    [ORDER_NEW] = TO(ORDER_DURABLE) | TO(ORDER_CANCELLED),
    [ORDER_DURABLE] = TO(ORDER_SENT) | TO(ORDER_CANCELLED) | TO(ORDER_UNKNOWN),
    [ORDER_SENT] = TO(ORDER_ACKED) | TO(ORDER_PARTIAL) | TO(ORDER_UNKNOWN) | ENDED,
    [ORDER_ACKED] = TO(ORDER_PARTIAL) | TO(ORDER_UNKNOWN) | ENDED,
    [ORDER_PARTIAL] = TO(ORDER_PARTIAL) | TO(ORDER_UNKNOWN) | (ENDED & ~TO(ORDER_REJECTED)),
    [ORDER_UNKNOWN] = TO(ORDER_DURABLE) | TO(ORDER_ACKED) | TO(ORDER_PARTIAL) | ENDED,
};

static const char *const state_names[ORDER_STATES] = {
    "NEW", "DURABLE", "SENT", "ACKED", "PARTIAL", "UNKNOWN", "FILLED", "CANCELLED", "REJECTED", "EXPIRED",
};

bool order_step_is_legal(enum order_state from, enum order_state to) {
    if ((unsigned)from >= ORDER_STATES || (unsigned)to >= ORDER_STATES) {
        return false;
    }
    return (legal_steps[from] & TO(to)) != 0;
}

int order_step(struct order *order, enum order_state to, int32_t reason) {
    if (!order_step_is_legal((enum order_state)order->state, to)) {
        return ERROR_REFUSED;
    }
    if (to == ORDER_DURABLE && order->filled_lots != 0) { /* rule 3: what has filled was never absent */
        return ERROR_REFUSED;
    }
    order->state = (uint8_t)to;
    if (reason != REASON_NONE) {
        order->reason = reason;
    }
    return 0;
}

int order_fill(struct order *order, int64_t lots) {
    int64_t filled;
    if (lots == 0 || (lots > 0) != (order->lots > 0) || __builtin_add_overflow(order->filled_lots, lots, &filled)) {
        return ERROR_RANGE;
    }
    order->filled_lots = filled;
    bool over = order->lots > 0 ? filled > order->lots : filled < order->lots;
    if (!order_is_open(order)) {
        return over ? ERROR_INTEGRITY : ORDER_FILL_LATE;
    }
    if (!order_is_at_venue(order)) {
        return ERROR_REFUSED;
    }
    if (over || filled == order->lots) {
        order->state = ORDER_FILLED;
    } else if (order->state != ORDER_UNKNOWN) { /* a fill does not say what became of the rest */
        order->state = ORDER_PARTIAL;
    }
    return over ? ERROR_INTEGRITY : ORDER_FILL_OPEN;
}

int64_t order_remaining_lots(const struct order *order) {
    if (!order_is_open(order)) {
        return 0;
    }
    bool over = order->lots > 0 ? order->filled_lots > order->lots : order->filled_lots < order->lots;
    return over ? 0 : order->lots - order->filled_lots;
}

const char *order_state_name(int state) {
    return state >= 0 && state < ORDER_STATES ? state_names[state] : "?";
}

int order_state_find(const char *name) {
    for (int state = 0; state < ORDER_STATES; state++) {
        if (strcmp(state_names[state], name) == 0) {
            return state;
        }
    }
    return -1;
}

const char *order_purpose_name(int purpose) {
    static const char *const names[] = {"entry", "exit", "stop", "target", "host"};
    return purpose >= PURPOSE_ENTRY && purpose <= PURPOSE_HOST ? names[purpose] : "?";
}

static bool instance_is_valid(const char *instance, size_t length) {
    if (length < 1 || length > ORDER_INSTANCE_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = instance[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return true;
}

int order_client_id(char out[NAME_MAX_BYTES], const char *instance, uint64_t sequence) {
    size_t length = strnlen(instance, ORDER_INSTANCE_MAX + 1);
    if (!instance_is_valid(instance, length)) {
        return ERROR_FORMAT;
    }
    _Static_assert(ORDER_INSTANCE_MAX + 1 + 21 <= NAME_MAX_BYTES, "instance, dash, digits and NUL");
    memcpy(out, instance, length);
    out[length] = '-';
    (void)decimal_print_unsigned(sequence, out + length + 1);
    return 0;
}

/* Decimal digits up to the end of the text, no leading zero, no overflow. */
static int sequence_parse(const char *digits, uint64_t *sequence) {
    uint64_t value = 0;
    if (*digits == '\0' || (*digits == '0' && digits[1] != '\0')) {
        return ERROR_FORMAT;
    }
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*digits - '0'), &value)) {
            return ERROR_FORMAT;
        }
    }
    *sequence = value;
    return 0;
}

int order_client_id_parse(const char *client_id, char instance[ORDER_INSTANCE_MAX + 1], uint64_t *sequence) {
    size_t length = strnlen(client_id, NAME_MAX_BYTES);
    const char *dash = length < NAME_MAX_BYTES ? memchr(client_id, '-', length) : NULL;
    if (dash == NULL || !instance_is_valid(client_id, (size_t)(dash - client_id))) {
        return ERROR_FORMAT;
    }
    int code = sequence_parse(dash + 1, sequence);
    if (code == 0) {
        size_t size = (size_t)(dash - client_id);
        memcpy(instance, client_id, size);
        instance[size] = '\0';
    }
    return code;
}
