/*
 * order.h - the life of an order: its states, the one table of legal steps, and its client id.
 *
 * Rules
 *   1. NEW -> DURABLE -> SENT -> ACKED -> PARTIAL -> FILLED | CANCELLED | REJECTED | EXPIRED. A venue may leave out what it
 *      did at once: SENT may go to any state after it, and a fill may come before the acknowledgement.
 *   2. UNKNOWN comes from SENT, ACKED and PARTIAL when the link is lost. It also comes from DURABLE, at recovery only: the
 *      record that says SENT is written after the bytes left, so after a crash a DURABLE order may be at the venue.
 *   3. UNKNOWN ends by an answer of the venue only: any state from ACKED on, or back to DURABLE when a query said ABSENT
 *      (then it may be sent again or cancelled). An order with a fill cannot be absent: that step is refused.
 *   4. NEW and DURABLE become CANCELLED when they are stale; nothing else ends them, for the venue never saw them.
 *   5. Nothing leaves a terminal state. A fill that comes late (after CANCELLED or EXPIRED, as real venues do) is counted
 *      by order_fill() in filled_lots, the state stays, and the position follows the fill like any other.
 *   6. The same state twice is no step, except PARTIAL -> PARTIAL. Who hears an acknowledgement again asks
 *      order_step_is_legal() first and drops what says nothing new.
 */
#ifndef EXECUTE_ORDER_H
#define EXECUTE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/types.h"

/* Longest host instance text in a client id: instance, '-', 20 digits and NUL fit NAME_MAX_BYTES. */
#define ORDER_INSTANCE_MAX 10

/* What order_fill() found. */
enum order_fill_result {
    ORDER_FILL_OPEN = 0,   /* the order was open: PARTIAL or FILLED now */
    ORDER_FILL_LATE = 1    /* the order had ended: only filled_lots changed */
};

bool order_step_is_legal(enum order_state from, enum order_state to);

/*
 * Takes the step; `reason` (enum reason) replaces order->reason unless it is REASON_NONE. ERROR_REFUSED leaves the order as
 * it was: the caller halts trading and journals the pair.
 */
int order_step(struct order *order, enum order_state to, int32_t reason);

/*
 * Counts a fill of signed `lots` and steps to PARTIAL or FILLED; UNKNOWN it stays until it is full. Returns enum order_fill_result, or a negative code after
 * which trading must halt: ERROR_RANGE (zero or against the order's sign; nothing changed), ERROR_REFUSED (the order never
 * left: counted, state as it was), ERROR_INTEGRITY (more than ordered: counted, FILLED). The position follows the fill in
 * each case but the first.
 */
int order_fill(struct order *order, int64_t lots);

/* Not terminal. NEW and DURABLE count: they use up limits. */
static inline bool order_is_open(const struct order *order) { return order->state < ORDER_FILLED; }

/* The venue may hold it: SENT, ACKED, PARTIAL, UNKNOWN. */
static inline bool order_is_at_venue(const struct order *order) {
    return order->state >= ORDER_SENT && order->state <= ORDER_UNKNOWN;
}

/* Signed lots that may still fill; 0 when terminal or overfilled. */
int64_t order_remaining_lots(const struct order *order);

/* "NEW", "DURABLE", ...; "?" for a number that is no state. */
const char *order_state_name(int state);
/* The state of a name, or -1. */
int order_state_find(const char *name);
/* "entry", "exit", "stop", "target", "host"; "?" for others. */
const char *order_purpose_name(int purpose);

/*
 * INSTANCE-SEQUENCE, the sequence in decimal without leading zeros. `instance`: 1..ORDER_INSTANCE_MAX of [a-z0-9], else
 * ERROR_FORMAT. The same pair always gives the same text, so a resend needs a query first.
 */
int order_client_id(char out[NAME_MAX_BYTES], const char *instance, uint64_t sequence);
/* The inverse; ERROR_FORMAT for every text order_client_id() would not write. */
int order_client_id_parse(const char *client_id, char instance[ORDER_INSTANCE_MAX + 1], uint64_t *sequence);

#endif
