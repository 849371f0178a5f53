/*
 * execute.h - approved orders -> fills: the table of open orders, and the one function that lets an order leave.
 */
#ifndef EXECUTE_EXECUTE_H
#define EXECUTE_EXECUTE_H

#include "base/base.h"
#include "execute/match.h"
#include "execute/order.h"
#include "venue.h"

/* Open orders of one account, oldest first. */
struct order_table {
    uint32_t count;
    struct order open[ORDERS_MAX];
};

/* A copy of `order` enters; NULL when full. The pointer is valid until the next removal. */
struct order *order_table_add(struct order_table *table, const struct order *order);
void order_table_remove(struct order_table *table, uint64_t order_id);
struct order *order_table_find(struct order_table *table, uint64_t order_id);
/* The oldest order younger than `order_id` (0 = the oldest): a walk that survives whatever a step, a cancel or a report removes. */
struct order *order_table_after(struct order_table *table, uint64_t order_id);
struct order *order_table_find_client(struct order_table *table, const char *client_id);

/*
 * Hands an order to the venue. `token` must cover order->intent, and be full when the venue is external: anything else is
 * ERROR_REFUSED, whatever the caller believes. The order must be DURABLE; it becomes SENT.
 * A code of the venue means that nothing left: the order stays DURABLE.
 */
int router_send(struct order *order, const struct durable_token *token, const struct venue_vtable *vtable, struct venue *venue,
                int64_t now_ns);

#endif
