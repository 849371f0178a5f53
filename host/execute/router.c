/*
 * router.c - the only door through which an order leaves. Guarantees promise 2: without a durable token that covers the
 * order's intent nothing is handed to a venue, and an external venue wants a token of a full commit.
 */
#include <string.h>

#include "execute/execute.h"

struct order *order_table_add(struct order_table *t, const struct order *order) {
    if (t->count == ORDERS_MAX) {
        return NULL;
    }
    t->open[t->count] = *order;
    return &t->open[t->count++];
}

void order_table_remove(struct order_table *t, uint64_t order_id) {
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->open[i].order_id == order_id) {
            memmove(&t->open[i], &t->open[i + 1], (t->count - i - 1) * sizeof(t->open[0]));
            t->count--;
            return;
        }
    }
}

struct order *order_table_find(struct order_table *t, uint64_t order_id) {
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->open[i].order_id == order_id) {
            return &t->open[i];
        }
    }
    return NULL;
}

struct order *order_table_after(struct order_table *t, uint64_t order_id) {
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->open[i].order_id > order_id) {
            return &t->open[i];
        }
    }
    return NULL;
}

struct order *order_table_find_client(struct order_table *t, const char *client_id) {
    for (uint32_t i = 0; i < t->count; i++) {
        if (strncmp(t->open[i].client_id, client_id, NAME_MAX_BYTES) == 0) {
            return &t->open[i];
        }
    }
    return NULL;
}

int router_send(struct order *order, const struct durable_token *token, const struct venue_vtable *vtable, struct venue *venue,
                int64_t now_ns) {
    bool covered = token && order->intent != 0 && order->intent <= token->through;
    bool enough = covered && (token->full || !(vtable->flags & VENUE_EXTERNAL));
    if (!enough || order->state != ORDER_DURABLE) {
        return ERROR_REFUSED;
    }
    int code = order_step(order, ORDER_SENT, REASON_NONE);
    code = code ? code : vtable->submit(venue, order, now_ns);
    if (code) {
        order->state = ORDER_DURABLE; /* nothing left: it is what it was */
    }
    return code;
}
