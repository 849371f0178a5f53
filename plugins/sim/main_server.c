/*
 * main_server.c - clients, their messages, exchange time and the order log of the exchange process.
 *
 * Guarantees: what reached the exchange is in the log before it is answered; buffers are bounded: market data is left out for
 * a client that does not read, one that cannot take a report is cut off (it asks for the fills again when it is back);
 * malformed input is answered with an error and counted, never obeyed; a client that goes takes nothing with it.
 * Deliberately not here: TCP, accounts and passwords. The socket is 0600 and there is one account.
 */
#include "sim/main_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define MARKET_ROOM (SERVER_OUT_BYTES / 2) /* market data must leave this much for reports */

/* ---- the order log ---------------------------------------------------------------------------------------------------------- */

/* A witness that cannot write is none: the process ends. */
static void log_write(struct server *s, struct message_line *line) {
    message_add_number(line, "n", (int64_t)++s->log_lines);
    message_add_number(line, "now", s->exchange->now_ns);
    size_t bytes = message_end(line);
    if (bytes == 0 || write(s->log_fd, line->bytes, bytes) != (ssize_t)bytes) {
        perror("bulkhead-exchange: order log");
        s->stop = true;
    }
}

static void log_message(struct server *s, const struct server_client *c, const struct message *message) {
    struct message_line line;
    message_begin(&line, "log", "message");
    message_add_number(&line, "client", c->number);
    message_add_text(&line, "op", message_text(message, "op"));
    message_add_text(&line, "id", message_text(message, "id"));
    log_write(s, &line);
}

static void log_order(struct server *s, const struct order *order) {
    struct message_line line;
    message_begin(&line, "log", "order");
    message_add_text(&line, "id", order->client_id);
    message_add_text(&line, "name", s->exchange->markets[order->instrument].instrument.name);
    message_add_number(&line, "group", order->position);
    message_add_number(&line, "purpose", order->purpose);
    message_add_number(&line, "lots", order->lots);
    message_add_number(&line, "limit", order->limit_ticks);
    message_add_number(&line, "stop", order->stop_ticks);
    message_add_number(&line, "target", order->target_ticks);
    log_write(s, &line);
}

/* ---- talking to clients ----------------------------------------------------------------------------------------------------- */

static void client_drop(struct server_client *c) {
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    c->ready = c->greeted = c->telling_fills = c->broken = false;
    c->in_used = c->out_used = 0;
}

static void client_flush(struct server_client *c) {
    while (c->fd >= 0 && c->out_used > 0) {
        ssize_t sent = send(c->fd, c->out, c->out_used, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            c->broken = c->broken || (errno != EAGAIN && errno != EINTR);
            return;
        }
        c->out_used -= (size_t)sent;
        memmove(c->out, c->out + sent, c->out_used);
    }
}

/* Queues a line; `keep` bytes of the buffer stay free. */
static bool client_say(struct server_client *c, struct message_line *line, size_t keep) {
    size_t bytes = message_end(line);
    if (bytes == 0 || c->out_used + bytes + keep > SERVER_OUT_BYTES) {
        return false;
    }
    memcpy(c->out + c->out_used, line->bytes, bytes);
    c->out_used += bytes;
    return true;
}

static void client_report(struct server_client *c, const struct venue_report *report) {
    struct message_line line;
    int16_t instrument = c->to_client[report->instrument];
    bool global = report->kind >= VENUE_POSITIONS_END || report->kind == VENUE_ABSENT;
    if (!c->ready || (instrument < 0 && !global)) {
        return;
    }
    protocol_put_report(&line, "report", report, (uint16_t)(instrument < 0 ? 0 : instrument));
    if (!client_say(c, &line, 0)) {
        c->broken = true;
    }
}

static void client_error(struct server_client *c, const char *text) {
    struct message_line line;
    message_begin(&line, "event", "error");
    message_add_text(&line, "text", text);
    client_say(c, &line, 0);
}

static void everyone_report(void *context, const struct venue_report *report) {
    struct server *s = context;
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        client_report(&s->clients[i], report);
    }
}

static void exchange_report(void *context, const struct venue_report *report) {
    struct server *s = context;
    struct message_line line;
    protocol_put_report(&line, "log", report, report->instrument);
    log_write(s, &line);
    faults_report(&s->faults, report);
}

static void exchange_told(void *context, const struct venue_market *event) {
    struct server *s = context;
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        struct server_client *c = &s->clients[i];
        bool wanted = event->kind == VENUE_QUOTE ? c->quotes : event->kind == VENUE_TRADE ? c->trades : true;
        int16_t instrument = c->to_client[event->instrument];
        if (c->fd >= 0 && c->ready && wanted && (instrument >= 0 || event->kind == VENUE_TURN_END)) {
            struct message_line line;
            protocol_put_market(&line, event, (uint16_t)(instrument < 0 ? 0 : instrument));
            client_say(c, &line, MARKET_ROOM);
        }
    }
}

/* Tells fills again as far as there is room; the end comes after the last. */
static void fills_tell(struct server *s, struct server_client *c) {
    while (c->telling_fills && c->out_used < MARKET_ROOM) {
        if (c->fill_next < c->fill_end) {
            client_report(c, &s->exchange->fills[c->fill_next++]);
        } else {
            struct venue_report end = {.kind = VENUE_FILLS_END, .time_ns = s->exchange->now_ns, .fee_e8 = -1};
            c->telling_fills = false;
            client_report(c, &end);
        }
    }
}

/* ---- messages --------------------------------------------------------------------------------------------------------------- */

/* Real time begins with the first instrument. */
static void clock_start(struct server *s) {
    s->real_start_ns = clock_monotonic_ns();
    s->exchange_start_ns = s->exchange->now_ns;
}

static int instrument_add(struct server *s, const struct instrument *instrument, struct error *error) {
    char path[SIM_PATHS_MAX];
    uint32_t count = s->exchange->market_count;
    if (count == 0 && s->starts_now) {
        s->exchange->now_ns = clock_utc_ns();
    }
    int index = exchange_add(s->exchange, instrument, sim_options_replay(&s->options, instrument->name, count, path), error);
    if (index >= 0 && count == 0) {
        clock_start(s);
    }
    return index;
}

static void on_instrument(struct server *s, struct server_client *c, const struct message *message) {
    struct instrument instrument;
    uint16_t index;
    struct error error = {0};
    if (protocol_get_instrument(message, &index, &instrument) != 0) {
        client_error(c, "malformed instrument");
        return;
    }
    int known = exchange_find(s->exchange, instrument.name);
    if (known < 0) {
        known = instrument_add(s, &instrument, &error);
    } else if (!protocol_same_instrument(&s->exchange->markets[known].instrument, &instrument)) {
        known = ERROR_REFUSED;
        error_set(&error, ERROR_REFUSED, "instrument %s is known with other numbers", instrument.name);
    }
    if (known < 0) {
        client_error(c, error.text);
        return;
    }
    c->to_exchange[index] = (int16_t)known;
    c->to_client[known] = (int16_t)index;
}

static void on_ready(struct server *s, struct server_client *c, const struct message *message) {
    struct message_line line;
    c->ready = true;
    c->quotes = message_number(message, "quotes", 0) != 0;
    c->trades = message_number(message, "trades", 0) != 0;
    message_begin(&line, "event", "ready");
    message_add_number(&line, "now", s->exchange->now_ns);
    client_say(c, &line, 0);
}

/* The exchange's index of a message's instrument, or -1. */
static int instrument_of(const struct server_client *c, const struct message *message) {
    int64_t index = message_number(message, "i", -1);
    return index >= 0 && index < INSTRUMENTS_MAX ? c->to_exchange[index] : -1;
}

static void on_order(struct server *s, struct server_client *c, const struct message *message) {
    struct order order;
    int instrument = instrument_of(c, message);
    if (protocol_get_order(message, &order) != 0 || instrument < 0) {
        client_error(c, "malformed order");
        return;
    }
    order.instrument = (uint16_t)instrument;
    log_order(s, &order);
    exchange_submit(s->exchange, &order, exchange_kind_of(s->exchange, &order));
}

static void on_protect(struct server *s, struct server_client *c, const struct message *message) {
    int instrument = instrument_of(c, message);
    int64_t group = message_number(message, "group", -1);
    int code = ERROR_RANGE;
    if (instrument >= 0 && group >= 0 && group < POSITIONS_MAX) {
        code = exchange_protect(s->exchange, (uint16_t)instrument, (uint16_t)group, message_number(message, "stop", -1),
                                message_number(message, "target", -1));
    }
    if (code != 0) {
        client_error(c, "malformed protect");
    }
}

static void on_query(struct server *s, struct server_client *c, const struct message *message) {
    struct venue_report answer;
    exchange_query(s->exchange, message_text(message, "id"), &answer);
    client_report(c, &answer);
}

static void on_cancel(struct server *s, struct server_client *c, const struct message *message) {
    (void)c;
    exchange_cancel(s->exchange, message_text(message, "id"));
}

static void on_fills(struct server *s, struct server_client *c, const struct message *message) {
    c->fill_next = exchange_fills_since(s->exchange, message_number(message, "since", 0));
    c->fill_end = s->exchange->fill_count;
    c->telling_fills = true;
    fills_tell(s, c);
}

static void on_positions(struct server *s, struct server_client *c, const struct message *message) {
    (void)message;
    for (uint32_t i = 0; i < s->exchange->market_count; i++) {
        struct venue_report position = {.kind = VENUE_POSITION, .instrument = (uint16_t)i, .time_ns = s->exchange->now_ns,
                                        .lots = s->exchange->markets[i].net_lots, .fee_e8 = -1};
        client_report(c, &position);
    }
    struct venue_report end = {.kind = VENUE_POSITIONS_END, .time_ns = s->exchange->now_ns, .fee_e8 = -1};
    client_report(c, &end);
}

static void stepped(struct server *s, struct server_client *c) {
    struct message_line line;
    faults_release(&s->faults, s->exchange->now_ns);
    message_begin(&line, "event", "stepped");
    message_add_number(&line, "now", s->exchange->now_ns);
    if (!client_say(c, &line, 0)) {
        c->broken = true;
    }
}

static void on_step(struct server *s, struct server_client *c, const struct message *message) {
    int64_t to = message_number(message, "to", -1);
    if (!s->options.step || to < 0 || to == INT64_MAX) {
        client_error(c, "no step mode, or no time to step to");
        return;
    }
    exchange_advance(s->exchange, to);
    stepped(s, c);
}

static void on_turn(struct server *s, struct server_client *c, const struct message *message) {
    (void)message;
    if (!s->options.step) {
        client_error(c, "no step mode");
        return;
    }
    exchange_advance_turn(s->exchange, INT64_MAX);
    stepped(s, c);
}

static void on_hello(struct server *s, struct server_client *c, const struct message *message) {
    (void)s;
    c->greeted = message_number(message, "version", 0) == PROTOCOL_VERSION;
    if (!c->greeted) {
        client_error(c, "another version of the protocol");
    }
}

static void on_shutdown(struct server *s, struct server_client *c, const struct message *message) {
    (void)c, (void)message;
    s->stop = true;
}

static const struct {
    const char *op;
    bool needs_ready;
    void (*run)(struct server *s, struct server_client *c, const struct message *message);
} operations[] = {
    {"hello", false, on_hello},   {"instrument", false, on_instrument}, {"ready", false, on_ready}, {"order", true, on_order},
    {"cancel", true, on_cancel},  {"protect", true, on_protect},        {"query", true, on_query},  {"fills", true, on_fills},
    {"positions", true, on_positions}, {"step", true, on_step},         {"turn", true, on_turn},    {"shutdown", false, on_shutdown},
};

static void message_run(struct server *s, struct server_client *c, const struct message *message) {
    const char *op = message_text(message, "op");
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].op, op) == 0) {
            if ((operations[i].needs_ready && !c->ready) || (!c->greeted && operations[i].run != on_hello)) {
                client_error(c, "hello and ready come first");
            } else {
                operations[i].run(s, c, message);
            }
            return;
        }
    }
    client_error(c, "unknown operation");
}

/* ---- sockets ---------------------------------------------------------------------------------------------------------------- */

static void line_handle(struct server *s, struct server_client *c, const char *bytes, size_t length) {
    struct message message;
    if (message_parse(&message, bytes, length) == 0) {
        log_message(s, c, &message);
        message_run(s, c, &message);
        return;
    }
    struct message_line line;
    message_begin(&line, "log", "malformed");
    message_add_number(&line, "client", c->number);
    message_add_number(&line, "bytes", (int64_t)length);
    log_write(s, &line);
    client_error(c, "malformed message");
}

/* Handles the whole lines of the buffer. While fills are told again the questions after them wait, so that answers keep
 * the order of the questions. */
static void client_lines(struct server *s, struct server_client *c) {
    size_t from = 0;
    char *end;
    while (!c->broken && !s->stop && !c->telling_fills && (end = memchr(c->in + from, '\n', c->in_used - from)) != NULL) {
        size_t length = (size_t)(end - (c->in + from));
        line_handle(s, c, c->in + from, length);
        from += length + 1;
    }
    c->in_used -= from;
    memmove(c->in, c->in + from, c->in_used);
    if (c->in_used == SERVER_IN_BYTES && !c->telling_fills) {
        client_error(c, "a line without an end");
        client_flush(c);
        c->broken = true;
    }
}

static void client_read(struct server *s, struct server_client *c) {
    ssize_t got = recv(c->fd, c->in + c->in_used, SERVER_IN_BYTES - c->in_used, MSG_DONTWAIT);
    if (got <= 0) {
        c->broken = got == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    c->in_used += (size_t)got;
    client_lines(s, c);
}

static void client_accept(struct server *s) {
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int i = 0; fd >= 0 && i < SERVER_CLIENTS_MAX; i++) {
        struct server_client *c = &s->clients[i];
        if (c->fd < 0) {
            client_drop(c);
            memset(c->to_exchange, 0xff, sizeof(c->to_exchange));
            memset(c->to_client, 0xff, sizeof(c->to_client));
            c->fd = fd;
            c->number = ++s->connections;
            return;
        }
    }
    if (fd >= 0) {
        close(fd); /* all places are taken */
    }
}

/* ---- time ------------------------------------------------------------------------------------------------------------------- */

static int64_t exchange_time(const struct server *s) {
    int64_t passed = (clock_monotonic_ns() - s->real_start_ns) * (s->options.speed > 0 ? s->options.speed : 1);
    return s->exchange_start_ns + passed;
}

static bool time_runs(const struct server *s) { return !s->options.step && s->exchange->market_count > 0; }

/* How long to wait for clients, at most wait_ms. */
static int wait_for(const struct server *s, int wait_ms) {
    int64_t next = exchange_next_ns(s->exchange), held = faults_next_ns(&s->faults);
    next = held < next ? held : next;
    if (!time_runs(s) || next == INT64_MAX) {
        return wait_ms;
    }
    int64_t left = (next - exchange_time(s)) / (s->options.speed > 0 ? s->options.speed : 1) / NS_PER_MS + 1;
    return left < 0 ? 0 : left < wait_ms ? (int)left : wait_ms;
}

static void time_pass(struct server *s) {
    if (time_runs(s)) {
        exchange_advance(s->exchange, exchange_time(s));
        faults_release(&s->faults, s->exchange->now_ns);
    }
    if (s->exchange->ended && !s->end_told) {
        s->end_told = true;
        for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
            struct message_line line;
            message_begin(&line, "event", "ended");
            client_say(&s->clients[i], &line, 0);
        }
    }
}

int server_turn(struct server *s, int wait_ms, struct error *error) {
    struct pollfd fds[SERVER_CLIENTS_MAX + 1];
    wait_ms = wait_for(s, wait_ms);
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        struct server_client *c = &s->clients[i];
        bool writes = c->out_used > 0;
        wait_ms = c->telling_fills && !writes ? 0 : wait_ms;
        /* a client that does not read is not listened to either, so that answers never pile up */
        bool reads = c->out_used < MARKET_ROOM && c->in_used < SERVER_IN_BYTES;
        fds[i] = (struct pollfd){.fd = c->fd, .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
    }
    fds[SERVER_CLIENTS_MAX] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
    if (poll(fds, SERVER_CLIENTS_MAX + 1, wait_ms) < 0 && errno != EINTR) {
        return error_set_errno(error, "bulkhead-exchange: poll");
    }
    time_pass(s); /* before the messages: they arrive now */
    if ((fds[SERVER_CLIENTS_MAX].revents & POLLIN) != 0) {
        client_accept(s);
    }
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        struct server_client *c = &s->clients[i];
        if (c->fd >= 0 && c->fd == fds[i].fd && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            client_read(s, c);
        }
    }
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        struct server_client *c = &s->clients[i];
        if (c->telling_fills) {
            fills_tell(s, c);
            client_lines(s, c);
        }
        client_flush(c);
        if (c->broken || s->faults.disconnect) {
            client_drop(c);
        }
    }
    if (s->faults.disconnect) {
        faults_forget(&s->faults);
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

static int socket_open(struct server *s, const char *path, struct error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_set(error, ERROR_USAGE, "bulkhead-exchange: the socket path is longer than %zu bytes",
                         sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    int bound = s->listen_fd < 0 ? -1 : bind(s->listen_fd, (struct sockaddr *)&address, sizeof(address));
    umask(before);
    if (bound != 0 || listen(s->listen_fd, SERVER_CLIENTS_MAX) != 0) {
        return error_set_errno(error, "%s", path);
    }
    return 0;
}

int server_open(struct server **out, const struct sim_options *options, const char *socket_path, const char *log_path,
                struct error *error) {
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return error_set(error, ERROR_SYSTEM, "bulkhead-exchange: no memory");
    }
    s->options = *options;
    s->listen_fd = -1;
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        s->clients[i].fd = -1;
    }
    struct exchange_options *x = &s->options.exchange;
    bool own_time = options->replay[0] != '\0' && !x->rebase;
    x->epoch = (uint64_t)clock_utc_ns();
    s->starts_now = x->start_ns == 0 && !own_time && !options->step;
    struct exchange_sink sink = {s, exchange_report, exchange_told};
    faults_init(&s->faults, &options->faults, s, everyone_report);
    s->log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int code = s->log_fd < 0 ? error_set_errno(error, "%s", log_path) : exchange_open(&s->exchange, x, &sink, error);
    code = code == 0 ? socket_open(s, socket_path, error) : code;
    if (code != 0) {
        server_close(s);
        return code;
    }
    *out = s;
    return 0;
}

void server_close(struct server *s) {
    if (s == NULL) {
        return;
    }
    for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
        client_drop(&s->clients[i]);
    }
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    if (s->log_fd >= 0) {
        close(s->log_fd);
    }
    exchange_close(s->exchange);
    free(s);
}
