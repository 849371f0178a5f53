/*
 * sim_remote.c - the client of an exchange process: a unix socket, lines in both directions, a link that comes and goes.
 *
 * Guarantees: no call blocks; buffers are bounded; after a lost link nothing is sent again by itself (what was handed over
 * and not answered is UNKNOWN to the host, who queries); a line that cannot be understood ends the link, for after it
 * nothing is known. Connecting is tried every reconnect_ms until the exchange is there.
 * Deliberately not here: any memory of orders. The host and the exchange have one each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/sim.h"

#define IN_BYTES (1u << 16)
#define OUT_BYTES (1u << 18)
#define LINES_PER_POLL 1024 /* the host queues what it is told between two looks */

struct sim_remote {
    struct sim_options options;
    struct venue_host host;
    int fd;                /* -1 = no link */
    bool up;               /* the exchange said ready */
    bool stepping;         /* step or turn was asked and not answered */
    bool ended;            /* the market is over */
    int64_t retry_ns;      /* host time of the next attempt */
    int64_t exchange_ns;   /* last time heard of */
    int64_t polled_ns;     /* host time of the last poll */
    bool more;             /* a whole line is left in the buffer */
    uint32_t lines;        /* of this poll */
    size_t in_used, out_used;
    char in[IN_BYTES], out[OUT_BYTES];
};

static void link_report(struct sim_remote *r, bool up, const char *why) {
    struct venue_report report = {.kind = up ? VENUE_LINK_UP : VENUE_LINK_DOWN, .time_ns = r->exchange_ns, .fee_e8 = -1};
    snprintf(report.text, sizeof(report.text), "%s", why);
    r->host.report(r->host.context, &report);
}

static void link_lose(struct sim_remote *r, int64_t now_ns, const char *why) {
    bool was_up = r->up;
    if (r->fd >= 0) {
        close(r->fd);
    }
    r->fd = -1;
    r->up = r->stepping = r->more = false;
    r->in_used = r->out_used = 0;
    r->retry_ns = now_ns + r->options.reconnect_ns;
    if (was_up) {
        link_report(r, false, why);
    }
}

static int line_queue(struct sim_remote *r, struct message_line *line) {
    size_t bytes = message_end(line);
    if (bytes == 0 || r->out_used + bytes > OUT_BYTES) {
        return ERROR_FULL;
    }
    memcpy(r->out + r->out_used, line->bytes, bytes);
    r->out_used += bytes;
    return 0;
}

/* Sends what the socket takes. A negative code = the link is gone. */
static int out_flush(struct sim_remote *r) {
    while (r->out_used > 0) {
        ssize_t sent = send(r->fd, r->out, r->out_used, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : ERROR_VENUE;
        }
        r->out_used -= (size_t)sent;
        memmove(r->out, r->out + sent, r->out_used);
    }
    return 0;
}

/* Introduces the host: who it is and what it calls its instruments. */
static void greet(struct sim_remote *r) {
    struct message_line line;
    message_begin(&line, "op", "hello");
    message_add_number(&line, "version", PROTOCOL_VERSION);
    line_queue(r, &line);
    for (uint32_t i = 0; i < r->host.instrument_count; i++) {
        protocol_put_instrument(&line, (uint16_t)i, &r->host.instruments[i]);
        line_queue(r, &line);
    }
    message_begin(&line, "op", "ready");
    message_add_number(&line, "quotes", r->options.quotes);
    message_add_number(&line, "trades", r->options.trades);
    line_queue(r, &line);
}

static void link_try(struct sim_remote *r, int64_t now_ns) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", r->options.socket);
    r->retry_ns = now_ns + r->options.reconnect_ns;
    r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd >= 0 && connect(r->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(r->fd);
        r->fd = -1;
    }
    if (r->fd >= 0) {
        greet(r);
    }
}

int sim_remote_open(struct sim_remote **out, const struct sim_options *options, const struct venue_host *host, int64_t now_ns,
                    struct error *error) {
    struct sim_remote *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return error_set(error, ERROR_SYSTEM, "sim: no memory for the venue");
    }
    r->options = *options;
    r->host = *host;
    r->fd = -1;
    link_try(r, now_ns); /* an exchange that is not there yet is no error: poll tries again */
    *out = r;
    return 0;
}

void sim_remote_close(struct sim_remote *r) {
    if (r != NULL) {
        if (r->fd >= 0) {
            out_flush(r);
            close(r->fd);
        }
        free(r);
    }
}

int sim_remote_fd(const struct sim_remote *r) { return r->fd; }

int64_t sim_remote_wake_ns(const struct sim_remote *r) {
    if (r->fd < 0) {
        return r->retry_ns;
    }
    bool step_due = r->up && r->options.step && !r->stepping && !r->ended;
    if (r->out_used > 0) {
        return r->polled_ns + NS_PER_MS; /* the exchange is slow to read */
    }
    if (r->more || (step_due && r->options.speed == 0)) {
        return 0;
    }
    return step_due ? r->exchange_ns + r->options.exchange.step_ns : INT64_MAX;
}

int sim_remote_say(struct sim_remote *r, struct message_line *line) {
    if (r->fd < 0 || !r->up) {
        return ERROR_VENUE;
    }
    int code = line_queue(r, line);
    if (code == 0) {
        out_flush(r); /* a broken link is found and told by the next poll */
    }
    return code;
}

/* ---- what the exchange says ------------------------------------------------------------------------------------------------- */

static int report_in(struct sim_remote *r, const struct message *message) {
    struct venue_report report;
    if (protocol_get_report(message, &report) != 0 || report.instrument >= INSTRUMENTS_MAX) {
        return ERROR_FORMAT;
    }
    r->exchange_ns = report.time_ns > r->exchange_ns ? report.time_ns : r->exchange_ns;
    r->host.report(r->host.context, &report);
    return 0;
}

static int market_in(struct sim_remote *r, const struct message *message) {
    struct venue_market event;
    if (protocol_get_market(message, &event) != 0 || event.instrument >= INSTRUMENTS_MAX) {
        return ERROR_FORMAT;
    }
    r->exchange_ns = event.time_ns > r->exchange_ns ? event.time_ns : r->exchange_ns;
    if (r->host.market != NULL) {
        r->host.market(r->host.context, &event);
    }
    return 0;
}

static int event_in(struct sim_remote *r, const struct message *message) {
    const char *event = message_text(message, "event");
    if (strcmp(event, "report") == 0) {
        return report_in(r, message);
    }
    if (strcmp(event, "ready") == 0) {
        r->up = true;
        r->exchange_ns = message_number(message, "now", 0);
        link_report(r, true, "");
        return 0;
    }
    if (strcmp(event, "stepped") == 0) {
        r->stepping = false;
        r->exchange_ns = message_number(message, "now", r->exchange_ns);
        return 0;
    }
    if (strcmp(event, "ended") == 0) {
        r->ended = true;
        return 0;
    }
    return strcmp(event, "error") == 0 ? ERROR_VENUE : market_in(r, message);
}

/* The whole lines of the buffer, as many as one poll may tell. */
static int lines_in(struct sim_remote *r) {
    size_t from = 0;
    int code = 0;
    char *end = NULL;
    while (code == 0 && (end = memchr(r->in + from, '\n', r->in_used - from)) != NULL && r->lines < LINES_PER_POLL) {
        struct message message;
        size_t length = (size_t)(end - (r->in + from));
        code = message_parse(&message, r->in + from, length);
        from += length + 1;
        code = code == 0 ? event_in(r, &message) : code;
        r->lines++;
    }
    r->more = end != NULL;
    r->in_used -= from;
    memmove(r->in, r->in + from, r->in_used);
    return code == 0 && !r->more && r->in_used == IN_BYTES ? ERROR_FORMAT : code;
}

static int in_read(struct sim_remote *r) {
    r->lines = 0;
    int code = lines_in(r);
    while (code == 0 && !r->more) {
        ssize_t got = recv(r->fd, r->in + r->in_used, IN_BYTES - r->in_used, MSG_DONTWAIT);
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : ERROR_VENUE;
        }
        r->in_used += (size_t)got;
        code = lines_in(r);
    }
    return code;
}

/* Step mode: lets exchange time follow the host's, or one turn of bars when speed is 0. */
static void step_ask(struct sim_remote *r, int64_t now_ns) {
    struct message_line line;
    if (!r->options.step || !r->up || r->stepping || r->ended) {
        return;
    }
    if (r->options.speed == 0) {
        message_begin(&line, "op", "turn");
    } else if (now_ns > r->exchange_ns) {
        message_begin(&line, "op", "step");
        message_add_number(&line, "to", now_ns);
    } else {
        return;
    }
    r->stepping = line_queue(r, &line) == 0;
}

int sim_remote_poll(struct sim_remote *r, int64_t now_ns) {
    r->polled_ns = now_ns;
    if (r->fd < 0) {
        if (now_ns < r->retry_ns) {
            return ERROR_VENUE;
        }
        link_try(r, now_ns);
    }
    int code = r->fd < 0 ? ERROR_VENUE : 0;
    if (code == 0) {
        code = in_read(r);
    }
    if (code == 0) {
        step_ask(r, now_ns);
        code = out_flush(r);
    }
    if (code != 0) {
        link_lose(r, now_ns, code == ERROR_FORMAT ? "the exchange said something malformed" : "the link is gone");
        return ERROR_VENUE;
    }
    return r->ended ? 1 : 0;
}
