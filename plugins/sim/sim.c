/*
 * sim.c - the sim venue: reads its options and passes every call to the exchange in this process or to the one behind a
 * socket. The vtable is the same for both, and both count as external: orders need full durable tokens.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

struct venue {
    struct sim_options options;
    struct sim_local *local;   /* one of the two */
    struct sim_remote *remote;
};

static void sim_close(struct venue *v) {
    if (v != NULL) {
        sim_local_close(v->local);
        sim_remote_close(v->remote);
        free(v);
    }
}

static int sim_open(struct venue **out, const struct venue_options *options, const struct venue_host *host, struct error *error) {
    struct venue *v = calloc(1, sizeof(*v));
    if (v == NULL) {
        return error_set(error, ERROR_SYSTEM, "sim: no memory for the venue");
    }
    int code = sim_options_read(&v->options, "sim", options->options, error);
    if (code == 0 && v->options.socket[0] != '\0') {
        code = sim_remote_open(&v->remote, &v->options, host, options->now_ns, error);
    } else if (code == 0) {
        code = sim_local_open(&v->local, &v->options, host, options->now_ns, error);
    }
    if (code != 0) {
        sim_close(v);
        return code;
    }
    *out = v;
    return 0;
}

static int sim_fd(const struct venue *v) { return v->remote != NULL ? sim_remote_fd(v->remote) : -1; }

static int64_t sim_wake_ns(const struct venue *v) {
    return v->remote != NULL ? sim_remote_wake_ns(v->remote) : sim_local_wake_ns(v->local);
}

static int sim_poll(struct venue *v, int64_t now_ns) {
    return v->remote != NULL ? sim_remote_poll(v->remote, now_ns) : sim_local_poll(v->local, now_ns);
}

static int sim_submit(struct venue *v, const struct order *order, int64_t now_ns) {
    (void)now_ns;
    if (v->local != NULL) {
        return sim_local_submit(v->local, order);
    }
    struct message_line line;
    protocol_put_order(&line, order);
    return sim_remote_say(v->remote, &line);
}

static int sim_cancel(struct venue *v, const struct order *order, int64_t now_ns) {
    (void)now_ns;
    if (v->local != NULL) {
        return sim_local_cancel(v->local, order->client_id);
    }
    struct message_line line;
    message_begin(&line, "op", "cancel");
    message_add_text(&line, "id", order->client_id);
    return sim_remote_say(v->remote, &line);
}

static int sim_protect(struct venue *v, uint16_t instrument, uint16_t position, int64_t stop, int64_t target, int64_t now_ns) {
    (void)now_ns;
    if (v->local != NULL) {
        return sim_local_protect(v->local, instrument, position, stop, target);
    }
    struct message_line line;
    message_begin(&line, "op", "protect");
    message_add_number(&line, "i", instrument);
    message_add_number(&line, "group", position);
    message_add_number(&line, "stop", stop);
    message_add_number(&line, "target", target);
    return sim_remote_say(v->remote, &line);
}

static int sim_query(struct venue *v, const char *client_id, uint16_t instrument, int64_t now_ns) {
    (void)now_ns;
    if (v->local != NULL) {
        return sim_local_query(v->local, client_id, instrument);
    }
    struct message_line line;
    message_begin(&line, "op", "query");
    message_add_text(&line, "id", client_id);
    message_add_number(&line, "i", instrument);
    return sim_remote_say(v->remote, &line);
}

static int sim_fills_since(struct venue *v, int64_t since_ns) {
    if (v->local != NULL) {
        return sim_local_fills_since(v->local, since_ns);
    }
    struct message_line line;
    message_begin(&line, "op", "fills");
    message_add_number(&line, "since", since_ns);
    return sim_remote_say(v->remote, &line);
}

static int sim_positions(struct venue *v) {
    if (v->local != NULL) {
        return sim_local_positions(v->local);
    }
    struct message_line line;
    message_begin(&line, "op", "positions");
    return sim_remote_say(v->remote, &line);
}

VENUE_ENTRY = {
    .version = VENUE_VERSION, .size = sizeof(struct venue_vtable), .name = "sim",
    .flags = VENUE_EXTERNAL | VENUE_NATIVE_BRACKET | VENUE_FEED,
    .open = sim_open, .close = sim_close, .fd = sim_fd, .wake_ns = sim_wake_ns, .poll = sim_poll, .submit = sim_submit,
    .cancel = sim_cancel, .protect = sim_protect, .query = sim_query, .fills_since = sim_fills_since,
    .positions = sim_positions,
};
