/*
 * dry.c - the venue of dry runs. An order that has passed the gate and whose intent is durable comes this far and no
 * further: it is acknowledged and expires at once, so a dry run shows every decision and never holds a position. It
 * deliberately simulates no fill: that is what paper mode is for.
 */
#include "execute/dry.h"

#include <stdlib.h>
#include <string.h>

struct venue {
    struct venue_host host;
};

static int dry_open(struct venue **out, const struct venue_options *options, const struct venue_host *host, struct error *error) {
    (void)options;
    struct venue *v = calloc(1, sizeof(*v));
    if (!v) {
        return error_set(error, ERROR_SYSTEM, "no memory for the dry venue");
    }
    v->host = *host;
    *out = v;
    return 0;
}

static void dry_close(struct venue *v) { free(v); }

static int dry_fd(const struct venue *v) {
    (void)v;
    return -1;
}

static int64_t dry_wake_ns(const struct venue *v) {
    (void)v;
    return INT64_MAX;
}

static int dry_poll(struct venue *v, int64_t now_ns) {
    (void)v, (void)now_ns;
    return 0;
}

static void tell(struct venue *v, const struct order *order, const char *client_id, enum venue_report_kind kind, int64_t now_ns) {
    struct venue_report r = {.kind = (uint8_t)kind, .time_ns = now_ns, .fee_e8 = -1};
    if (order) {
        r.instrument = order->instrument;
        r.position = order->position;
        r.purpose = order->purpose;
    }
    memccpy(r.client_id, client_id, 0, sizeof(r.client_id) - 1);
    memccpy(r.text, "dry run: nothing is sent", 0, sizeof(r.text) - 1);
    v->host.report(v->host.context, &r);
}

static int dry_submit(struct venue *v, const struct order *order, int64_t now_ns) {
    tell(v, order, order->client_id, VENUE_ACK, now_ns);
    tell(v, order, order->client_id, VENUE_EXPIRED, now_ns);
    return 0;
}

static int dry_cancel(struct venue *v, const struct order *order, int64_t now_ns) {
    tell(v, order, order->client_id, VENUE_CANCELLED, now_ns);
    return 0;
}

static int dry_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    (void)v, (void)instrument, (void)position, (void)stop, (void)target, (void)now_ns;
    return 0;
}

static int dry_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    (void)instrument;
    tell(v, NULL, client_id, VENUE_ABSENT, now_ns);
    return 0;
}

static int dry_fills_since(struct venue *v, int64_t since_ns) {
    (void)since_ns;
    tell(v, NULL, "", VENUE_FILLS_END, 0);
    return 0;
}

static int dry_positions(struct venue *v) {
    tell(v, NULL, "", VENUE_POSITIONS_END, 0);
    return 0;
}

const struct venue_vtable dry_venue = {
    .version = VENUE_VERSION, .size = sizeof(struct venue_vtable), .name = "dry", .flags = VENUE_NATIVE_BRACKET,
    .open = dry_open, .close = dry_close, .fd = dry_fd, .wake_ns = dry_wake_ns, .poll = dry_poll, .submit = dry_submit,
    .cancel = dry_cancel, .protect = dry_protect, .query = dry_query, .fills_since = dry_fills_since, .positions = dry_positions,
};
