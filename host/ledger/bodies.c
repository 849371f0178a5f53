/*
 * bodies.c - making, reading and printing the bodies of records. Guarantees: bodies are little-endian structs without
 * padding, the same on every compiler; a body of another size than its kind's is refused, never read past its end.
 */
#include "ledger/bodies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bodies are written as they lie in memory");
_Static_assert(sizeof(struct body_wish) == 200, "body_wish");
_Static_assert(sizeof(struct body_verdict) == 56, "body_verdict");
_Static_assert(sizeof(struct body_order) == 120, "body_order");
_Static_assert(sizeof(struct body_step) == 24, "body_step");
_Static_assert(sizeof(struct body_fill) == 144, "body_fill");
_Static_assert(sizeof(struct body_trade) == 104, "body_trade");
_Static_assert(sizeof(struct body_slot) == 328, "body_slot");
_Static_assert(sizeof(struct body_trading) == 112, "body_trading");
_Static_assert(sizeof(struct body_book) == 128, "body_book");
_Static_assert(sizeof(struct body_note) == 208, "body_note");
_Static_assert(sizeof(struct body_run) == 240, "body_run");

const void *record_body(const struct record *r, enum record_kind kind, size_t size) {
    return r->kind == kind && r->body_size == size ? r->body : NULL;
}

static const char *purpose_text(uint32_t purpose) {
    static const char *const names[] = {"entry", "exit", "stop", "target", "host"};
    return purpose < 5 ? names[purpose] : "?";
}

static const char *state_text(uint32_t state) {
    static const char *const names[] = {"NEW", "DURABLE", "SENT", "ACKED", "PARTIAL", "UNKNOWN", "FILLED", "CANCELLED", "REJECTED", "EXPIRED"};
    return state < 10 ? names[state] : "?";
}

static void print_wish(const struct record *r, char *to, size_t size) {
    const struct body_wish *b = record_body(r, RECORD_WISH, sizeof(*b));
    if (b) {
        snprintf(to, size, "wish %" PRIu64 " [%.*s] target %" PRId64 " lots, worst %" PRId64 ", stop %" PRId64 ", take %" PRId64 " ticks%s%s: %.*s",
                 b->wish_id, (int)sizeof(b->tag), b->tag, b->target_lots, b->worst_ticks, b->stop_ticks, b->target_ticks,
                 b->reason ? " REFUSED " : "", b->reason ? reason_name(b->reason) : "", (int)sizeof(b->text), b->text);
    }
}

static void print_verdict(const struct record *r, char *to, size_t size) {
    const struct body_verdict *b = record_body(r, RECORD_VERDICT, sizeof(*b));
    if (b && b->reason) {
        snprintf(to, size, "refused %s %" PRId64 " lots: %s (%s), found %" PRId64 ", allowed %" PRId64, purpose_text(b->purpose),
                 b->asked_lots, reason_name(b->reason), reason_text(b->reason), b->value, b->limit);
    } else if (b) {
        snprintf(to, size, "allowed %s %" PRId64 " of %" PRId64 " lots", purpose_text(b->purpose), b->allowed_lots, b->asked_lots);
    }
}

static void print_order(const struct record *r, char *to, size_t size) {
    const struct body_order *b = record_body(r, RECORD_ORDER, sizeof(*b));
    if (b) {
        snprintf(to, size, "order %" PRIu64 " (%.*s) %s %" PRId64 " lots, limit %" PRId64 ", stop %" PRId64 ", take %" PRId64 " ticks",
                 b->order_id, (int)sizeof(b->client_id), b->client_id, purpose_text(b->purpose), b->lots, b->limit_ticks,
                 b->stop_ticks, b->target_ticks);
    }
}

static void print_step(const struct record *r, char *to, size_t size) {
    const struct body_step *b = record_body(r, RECORD_STEP, sizeof(*b));
    if (b) {
        snprintf(to, size, "order %" PRIu64 " -> %s, filled %" PRId64 " lots%s%s", b->order_id, state_text(b->state), b->filled_lots,
                 b->reason ? ", " : "", b->reason ? reason_text(b->reason) : "");
    }
}

static void print_fill(const struct record *r, char *to, size_t size) {
    const struct body_fill *b = record_body(r, RECORD_FILL, sizeof(*b));
    char fee[32], realised[32];
    if (b) {
        snprintf(to, size, "fill %" PRIu64 " (%.*s) of order %" PRIu64 ": %s %" PRId64 " lots at %" PRId64 " ticks, fee %s, realised %s",
                 b->fill_id, (int)sizeof(b->venue_fill_id), b->venue_fill_id, b->order_id, purpose_text(b->purpose), b->lots,
                 b->price_ticks, decimal_print_e8(b->fee_e8, fee, sizeof(fee)), decimal_print_e8(b->realised_e8, realised, sizeof(realised)));
    }
}

static void print_trade(const struct record *r, char *to, size_t size) {
    const struct body_trade *b = record_body(r, RECORD_TRADE, sizeof(*b));
    char result[32];
    if (b) {
        snprintf(to, size, "trade %" PRIu64 " %s %" PRId64 " lots, %" PRId64 " -> %" PRId64 " ticks, result %s, closed by %s", b->number,
                 b->is_long ? "long" : "short", b->lots, b->entry_ticks, b->exit_ticks,
                 decimal_print_e8(b->realised_e8 - b->fees_e8, result, sizeof(result)), purpose_text(b->purpose));
    }
}

static void print_slot(const struct record *r, char *to, size_t size) {
    const struct body_slot *b = record_body(r, RECORD_SLOT, sizeof(*b));
    static const char *const events[] = {"?", "started", "died", "missed turns"};
    if (b) {
        snprintf(to, size, "slot %.*s %s%s%s after %" PRIu64 " turns (%" PRIu64 " missed) %.*s", (int)sizeof(b->name), b->name,
                 events[b->event < 4 ? b->event : 0], b->reason ? ": " : "", b->reason ? reason_text(b->reason) : "", b->turns, b->gaps,
                 (int)sizeof(b->text), b->text);
    }
}

static void print_trading(const struct record *r, char *to, size_t size) {
    const struct body_trading *b = record_body(r, RECORD_TRADING, sizeof(*b));
    static const char *const states[] = {"ACTIVE", "REDUCING", "HALTED"};
    if (b) {
        snprintf(to, size, "trading state %s, kill switch %s: %s %.*s", states[b->state < 3 ? b->state : 2], b->kill_switch ? "ON" : "off",
                 reason_text(b->reason), (int)sizeof(b->text), b->text);
    }
}

static void print_protect(const struct record *r, char *to, size_t size) {
    const struct body_protect *b = record_body(r, RECORD_PROTECT, sizeof(*b));
    if (b) {
        snprintf(to, size, "protection: stop %" PRId64 ", take %" PRId64 " ticks", b->stop_ticks, b->target_ticks);
    }
}

static void print_book(const struct record *r, char *to, size_t size) {
    const struct body_book *b = record_body(r, RECORD_BOOK, sizeof(*b));
    char equity[32], cash[32];
    if (b && r->position == RECORD_NO_POSITION) {
        snprintf(to, size, "book: equity %s, cash %s, %" PRIu64 " trades", decimal_print_e8(b->equity_e8, equity, sizeof(equity)),
                 decimal_print_e8(b->cash_e8, cash, sizeof(cash)), b->trades_closed);
    } else if (b) {
        snprintf(to, size, "book: position %" PRIu64 " [%.*s] %" PRId64 " lots, value %s", r->position, (int)sizeof(b->tag), b->tag,
                 b->lots, decimal_print_e8(b->value_e8, equity, sizeof(equity)));
    }
}

static void print_note(const struct record *r, char *to, size_t size) {
    const struct body_note *b = record_body(r, RECORD_NOTE, sizeof(*b));
    if (b) {
        snprintf(to, size, "%.*s %.*s", (int)sizeof(b->name), b->name, (int)sizeof(b->text), b->text);
    }
}

static void print_run(const struct record *r, char *to, size_t size) {
    const struct body_run *b = record_body(r, RECORD_RUN, sizeof(*b));
    if (b) {
        snprintf(to, size, "run %.*s on %.*s, policy %.12s", (int)sizeof(b->mode), b->mode, (int)sizeof(b->venue), b->venue, b->policy_hash);
    }
}

static void print_venue(const struct record *r, char *to, size_t size) {
    const struct body_venue *b = record_body(r, RECORD_VENUE, sizeof(*b));
    if (b) {
        snprintf(to, size, "venue event %u: ours %" PRId64 ", theirs %" PRId64 " lots %.*s", b->event, b->ours_lots, b->theirs_lots,
                 (int)sizeof(b->text), b->text);
    }
}

static void print_operator(const struct record *r, char *to, size_t size) {
    const struct body_operator *b = record_body(r, RECORD_OPERATOR, sizeof(*b));
    if (b) {
        snprintf(to, size, "operator: %.*s %.*s", (int)sizeof(b->command), b->command, (int)sizeof(b->text), b->text);
    }
}

void record_print(const struct record *r, char *to, size_t size) {
    static void (*const printers[])(const struct record *, char *, size_t) = {
        [RECORD_RUN] = print_run,         [RECORD_WISH] = print_wish,   [RECORD_VERDICT] = print_verdict, [RECORD_ORDER] = print_order,
        [RECORD_STEP] = print_step,       [RECORD_FILL] = print_fill,   [RECORD_TRADE] = print_trade,     [RECORD_SLOT] = print_slot,
        [RECORD_TRADING] = print_trading, [RECORD_OPERATOR] = print_operator, [RECORD_NOTE] = print_note, [RECORD_BOOK] = print_book,
        [RECORD_PROTECT] = print_protect, [RECORD_VENUE] = print_venue,
    };
    snprintf(to, size, "%s of %u bytes", record_kind_name(r->kind), r->body_size);
    if (r->kind < sizeof(printers) / sizeof(printers[0]) && printers[r->kind]) {
        printers[r->kind](r, to, size);
    }
}
