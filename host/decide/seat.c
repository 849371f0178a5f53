/*
 * seat.c - one agent at the table: its page of the book, its doorbell, its answer.
 *
 * Guarantees: the private memory is written only while the slot is not busy and only where something changed; an answer is
 * copied once and only the copy is looked at; a seat that is late loses turns and never holds anyone up; a seat that breaks
 * the protocol is ended. It decides nothing about the wishes: see wish.c.
 */
#include <string.h>

#include "decide/decide.h"

/* ---- the slot process as a link ---------------------------------------------------------------------------------------------- */

static void link_ring(void *context, enum wire_command command, uint64_t sequence) { slot_ring(context, command, sequence); }
static enum slot_answer link_wait(void *context, int64_t timeout_ns, bool kill_late) { return slot_wait(context, timeout_ns, kill_late); }
static void link_end(void *context, int reason, const char *text) { slot_kill(context, reason, text); }
static const struct slot_death *link_death(void *context) { return &((struct slot *)context)->death; }

const struct seat_link slot_link_template = {.ring = link_ring, .wait = link_wait, .end = link_end, .death = link_death};

/* ---- its page ------------------------------------------------------------------------------------------------------------------ */

void seat_adopt_position(struct seat *s, uint16_t position) {
    for (uint32_t i = 0; i < s->position_count; i++) {
        if (s->positions[i] == position) {
            return;
        }
    }
    if (s->position_count < AGENT_POSITIONS_MAX) {
        s->positions[s->position_count++] = position;
        s->book_changed = true;
    }
}

void seat_queue_fill(struct seat *s, const struct instrument *i, const struct position *p, const struct fill *f) {
    if (s->fill_count == SEAT_FILLS_MAX) {
        memmove(&s->fills[0], &s->fills[1], (SEAT_FILLS_MAX - 1) * sizeof(s->fills[0]));
        s->fill_count--;
    }
    struct agent_fill *to = &s->fills[s->fill_count++];
    *to = (struct agent_fill){.fill_id = f->fill_id, .order_id = f->order_id, .wish_id = f->wish_id, .time_ns = f->time_ns,
                              .instrument = f->instrument, .cause = f->purpose, .quantity = instrument_quantity(i, f->lots),
                              .price = instrument_price(i, f->price_ticks), .price_ticks = (double)f->price_ticks,
                              .fee = money_double(f->fee_e8), .realised = money_double(f->realised_e8)};
    memcpy(to->tag, p->tag, sizeof(to->tag));
    s->book_changed = true;
}

/* Of an open position, after a mark: its extremes seldom move. */
static void publish_marks(struct seat *s, uint32_t index, const struct position *p) {
    struct agent_position *to = &s->private_memory->positions[index];
    to->unrealised = money_double(p->value_e8 - p->cost_e8);
    if (s->mae_told_e8[index] != p->mae_e8) {
        s->mae_told_e8[index] = p->mae_e8;
        to->mae = money_double(p->mae_e8);
    }
    if (s->mfe_told_e8[index] != p->mfe_e8) {
        s->mfe_told_e8[index] = p->mfe_e8;
        to->mfe = money_double(p->mfe_e8);
    }
}

/* cost / quantity as a price; exact money stays in the books, this is for looking at. */
static double entry_price(const struct instrument *i, const struct position *p) {
    double quantity = instrument_quantity(i, p->lots);
    return p->lots == 0 ? 0.0 : money_double(p->cost_e8) / (quantity * ((double)i->multiplier_e8 / (double)E8));
}

static void publish_position(struct agent_position *to, const struct seat_view *v, uint16_t index) {
    const struct position *p = &v->book->positions[index];
    const struct wish *w = &v->wishes[index];
    const struct instrument *i = &v->instruments[p->instrument];
    to->instrument = p->instrument;
    to->wish_state = w->state;
    to->wish_end = w->end;
    to->reason_code = (uint32_t)w->reason;
    memcpy(to->tag, p->tag, sizeof(to->tag));
    to->wish_id = w->id;
    to->quantity = instrument_quantity(i, p->lots);
    to->working = instrument_quantity(i, p->working_buy_lots - p->working_sell_lots);
    to->entry_price = entry_price(i, p);
    to->stop = instrument_price(i, p->stop_ticks);
    to->target = instrument_price(i, p->target_ticks);
    to->opened_ns = p->opened_ns;
    to->unrealised = money_double(p->value_e8 - p->cost_e8);
    to->mae = money_double(p->mae_e8);
    to->mfe = money_double(p->mfe_e8);
}

static void publish_account(struct seat *s, const struct seat_view *v) {
    const struct agent_account *a = &v->book->agents[s->agent];
    struct agent_book *to = &s->private_memory->book;
    int64_t equity = a->budget_e8 + a->realised_e8 - a->fees_e8 + a->unrealised_e8;
    to->equity = money_double(equity);
    to->day_pnl = money_double(equity - a->day_start_equity_e8);
    int64_t fall = a->equity_peak_e8 - equity;
    to->drawdown = a->equity_peak_e8 > 0 && fall > 0 ? (double)fall / (double)a->equity_peak_e8 : 0.0;
}

static uint32_t order_phase(uint8_t state) { return state == ORDER_UNKNOWN ? 5u : state; }

static uint32_t publish_orders(struct seat *s, const struct seat_view *v) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < v->order_count && count < AGENT_ORDERS_MAX; k++) {
        const struct order *o = &v->orders[k];
        if (o->agent != s->agent) {
            continue;
        }
        const struct instrument *i = &v->instruments[o->instrument];
        struct agent_order *to = &s->private_memory->orders[count++];
        *to = (struct agent_order){.order_id = o->order_id, .wish_id = o->wish_id, .instrument = o->instrument,
                                   .state = order_phase(o->state), .quantity = instrument_quantity(i, o->lots),
                                   .filled = instrument_quantity(i, o->filled_lots), .limit = instrument_price(i, o->limit_ticks),
                                   .expires_ns = o->expires_ns};
        memcpy(to->tag, v->book->positions[o->position].tag, sizeof(to->tag));
    }
    return count;
}

static void publish_all(struct seat *s, const struct seat_view *v) {
    const struct agent_account *a = &v->book->agents[s->agent];
    struct agent_book *to = &s->private_memory->book;
    int64_t cost = 0;
    for (uint32_t i = 0; i < s->position_count; i++) {
        const struct position *p = &v->book->positions[s->positions[i]];
        publish_position(&s->private_memory->positions[i], v, s->positions[i]);
        s->mae_told_e8[i] = p->mae_e8;
        s->mfe_told_e8[i] = p->mfe_e8;
        cost += p->cost_e8;
    }
    to->cash = money_double(a->budget_e8 + a->realised_e8 - a->fees_e8 - cost);
    to->realised = money_double(a->realised_e8);
    to->fees = money_double(a->fees_e8);
    to->loss_streak = a->loss_streak;
    to->trades_today = a->trades_today;
    to->position_count = s->position_count;
    to->order_count = publish_orders(s, v);
}

void seat_publish(struct seat *s, const struct seat_view *v) {
    if (s->asked) {
        return;
    }
    if (s->book_changed) {
        publish_all(s, v);
        publish_account(s, v);
    } else if (s->marks_changed) {
        publish_account(s, v);
        for (uint32_t i = 0; i < s->position_count; i++) {
            const struct position *p = &v->book->positions[s->positions[i]];
            if (p->lots != 0) {
                publish_marks(s, i, p);
            }
        }
    }
    if (s->limits_changed) {
        s->private_memory->limits = *v->limits;
    }
    s->book_changed = false;
    s->marks_changed = false;
}

/* ---- its doorbell --------------------------------------------------------------------------------------------------------------- */

static void seat_died(struct seat *s) {
    s->death = *s->link.death(s->link.context);
    s->alive = false;
    s->asked = false;
}

void seat_end(struct seat *s, int reason, const char *text) {
    if (s->alive) {
        s->link.end(s->link.context, reason, text);
        seat_died(s);
    }
}

void seat_lag(struct seat *s, uint64_t sequence) {
    if (s->asked && sequence - s->rung_sequence >= WIRE_TURNS - 1u) {
        seat_end(s, REASON_SLOT_LAG, "too many turns behind"); /* the block it may be reading is the next to be reused */
    }
}

bool seat_ring(struct seat *s, uint64_t sequence, uint32_t events) {
    if (!s->alive) {
        return false;
    }
    if (s->asked) {
        s->gap++;
        s->gaps++;
        seat_lag(s, sequence);
        return false;
    }
    struct wire_bell *bell = &s->private_memory->command;
    bell->command = WIRE_RUN;
    bell->sequence = sequence;
    bell->flags = s->limits_changed ? WIRE_LIMITS_CHANGED : 0;
    bell->gap = s->gap;
    bell->events = events | (s->fill_count ? AGENT_EVENT_FILL : 0);
    bell->fill_count = s->fill_count;
    if (s->fill_count != 0) {
        memcpy(s->private_memory->fills, s->fills, s->fill_count * sizeof(s->fills[0]));
        s->fill_count = 0;
    }
    s->gap = 0;
    s->limits_changed = false;
    s->rung_sequence = sequence;
    s->asked = true;
    s->link.ring(s->link.context, WIRE_RUN, sequence);
    return true;
}

/* Copies head and wishes once; from here on the slot's memory is not read again for this turn. */
static int answer_copy(struct seat *s) {
    const struct wire_answer *head = &s->reply->head;
    int32_t result = *(const volatile int32_t *)&head->result;
    uint64_t sequence = *(const volatile uint64_t *)&head->sequence;
    uint32_t logs = *(const volatile uint32_t *)&head->log_count;
    if (sequence != s->rung_sequence) {
        seat_end(s, REASON_SLOT_MALFORMED, "it answered another turn");
        return -1;
    }
    if (result < 0) {
        seat_end(s, REASON_SLOT_ERROR, "generate_signals reported an error");
        return -1;
    }
    if (result > (int32_t)AGENT_WISHES_MAX || logs > WIRE_LOGS_MAX) {
        seat_end(s, REASON_SLOT_MALFORMED, "more wishes or log lines than there is room for");
        return -1;
    }
    s->answer_count = result;
    s->log_count = logs;
    if (result > 0) {
        memcpy(s->answer, (const void *)s->reply->wishes, (size_t)result * sizeof(s->answer[0]));
    }
    if (logs > 0) {
        memcpy(s->logs, (const void *)s->reply->logs, logs * sizeof(s->logs[0]));
    }
    return 1;
}

int seat_collect(struct seat *s, int64_t timeout_ns, bool kill_late) {
    s->answer_count = 0;
    s->log_count = 0;
    if (!s->alive || !s->asked) {
        return s->alive ? 0 : -1;
    }
    enum slot_answer answer = s->link.wait(s->link.context, timeout_ns, kill_late);
    if (answer == SLOT_PENDING) {
        return 0;
    }
    if (answer == SLOT_DEAD) {
        seat_died(s);
        return -1;
    }
    s->asked = false;
    int taken = answer_copy(s);
    s->turns += taken > 0; /* as in a replay, where an answer that ended the slot is not given again */
    return taken;
}

int64_t seat_save(struct seat *s, void *bytes, size_t max, int64_t timeout_ns) {
    if (!s->alive || s->asked || s->state_schema == 0) {
        return 0;
    }
    struct wire_bell *bell = &s->private_memory->command;
    bell->command = WIRE_SAVE;
    bell->sequence = s->rung_sequence;
    bell->flags = 0;
    bell->fill_count = 0;
    s->asked = true;
    s->link.ring(s->link.context, WIRE_SAVE, s->rung_sequence);
    enum slot_answer answer = s->link.wait(s->link.context, timeout_ns, true);
    s->asked = false;
    if (answer != SLOT_ANSWERED) {
        seat_died(s);
        return ERROR_SLOT;
    }
    uint64_t size = *(const volatile uint64_t *)&s->reply->head.size;
    int32_t result = *(const volatile int32_t *)&s->reply->head.result;
    if (result != AGENT_OK || size > s->state_max || size > max) {
        return 0; /* no state is a cold start, never a fault */
    }
    memcpy(bytes, (const void *)s->reply->state, size);
    return (int64_t)size;
}
