/* flow_parts.h - what the parts of flow.c share with each other and with nobody else. */
#ifndef FLOW_PARTS_H
#define FLOW_PARTS_H

#include "flow.h"

/* A fill nobody asked for is adopted under this tag of the first agent; no wish protects it. */
#define FLOW_TAG_ADOPTED "external"

/* flow_orders.c: wishes -> gate -> intents -> venue */
void flow_answer(struct engine *e, struct seat *seat);
void flow_seat_died(struct engine *e, struct seat *seat);
void flow_plan(struct engine *e, struct account *a, uint16_t position);
void flow_submit(struct engine *e);
void flow_expire(struct engine *e);
/* Steps, journals, and drops the order when the step is terminal (then `order` is dangling). */
void flow_step(struct engine *e, struct account *a, struct order *order, enum order_state to, int reason);
void flow_protect(struct engine *e, struct account *a, uint16_t position, int64_t stop_ticks, int64_t target_ticks, bool tell_venue);
/* Tells the venue the stop and target that the books have for an open position. */
void flow_protect_again(struct engine *e, struct account *a, uint16_t position);
void flow_close(struct engine *e, struct account *a, uint16_t position, int reason);
void flow_cancel_entries(struct engine *e, struct account *a, int agent, int reason);
void flow_working(struct account *a, const struct order *order, int64_t lots);
/* An ended order leaves the table; it is remembered for a while, because its fills may come later. */
void flow_order_ended(struct account *a, const struct order *order);
struct order *flow_ended_find(struct account *a, uint64_t order_id, const char *client_id);
/* What the wish learns from the end of one of its orders; the same for the engine and for the fold. */
void flow_wish_hears(struct wish *w, const struct order *order);
/* The wishes of an agent that has died open nothing any more; what reduces goes on. */
void flow_wishes_orphaned(struct account *a, uint16_t agent, int reason);
/* The wishes of open entries (of one agent, or of all: -1) are spent: the host takes these entries back. */
void flow_entries_spent(struct account *a, int agent, int reason);
/* Why entries are taken back when trading changes, for `reason`. */
int flow_trading_reason(int reason, bool kill_switch);
/* An order of the position is out of the way: what waited for it goes on. */
void flow_resume(struct engine *e, struct account *a, uint16_t position);

/* flow_fills.c: reports -> books */
struct seat *flow_seat_of(struct engine *e, const struct account *a, uint16_t agent);
/* What a wish becomes when its position is flat. A stop or target spends the wish it belongs to, and no other. */
void flow_wish_flat(struct wish *w, const struct position *p, uint8_t purpose, int reason);
void flow_remember_fill(struct account *a, const char *venue_fill_id);
/* A fill of an order that has ended: counted; what it opened gets the order's stop. */
int flow_late_fill(struct order *ended, struct position *p, int64_t lots);

/* flow.c */
void flow_fail(struct engine *e, int code, const char *text);
/* Something is wrong with an account: the real one halts trading; a candidate's paper is only told. */
void flow_halt(struct engine *e, const struct account *a, int reason, const char *text);
void flow_book_record(struct engine *e, struct account *a);

#endif
