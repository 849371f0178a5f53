/*
 * main_server.h - the exchange process inside: one exchange, a few clients on a unix socket, and the order log, which is the
 * witness of what really reached the exchange.
 *
 * The log has one JSON object a line, written before anything is answered: "n" counts lines, "now" is exchange time.
 *   {"log":"message","n":1,"now":..,"client":1,"op":"order","id":"a-7"}    every message, in order of arrival
 *   {"log":"malformed","n":2,"now":..,"client":1,"bytes":17}               what was no message
 *   {"log":"order","n":3,...}                                              an order as it was understood
 *   {"event":"log","kind":"ack"|"reject"|"fill"|"cancelled"|"expired",...} what the exchange did, faults not applied
 *   {"event":"log","kind":"state",...,"text":"duplicate client id"}        the same client id came again
 */
#ifndef SIM_MAIN_SERVER_H
#define SIM_MAIN_SERVER_H

#include "sim/sim.h"

#define SERVER_CLIENTS_MAX 8
#define SERVER_IN_BYTES (1u << 16)
#define SERVER_OUT_BYTES (1u << 20)

struct server_client {
    int fd;                    /* -1 = free */
    uint32_t number;           /* counts connections */
    bool greeted, ready, broken, quotes, trades;
    bool telling_fills;        /* fills[fill_next .. fill_end) and the end are still to be told */
    uint32_t fill_next, fill_end;
    int16_t to_exchange[INSTRUMENTS_MAX], to_client[INSTRUMENTS_MAX]; /* -1 = not announced */
    size_t in_used, out_used;
    char in[SERVER_IN_BYTES], out[SERVER_OUT_BYTES];
};

struct server {
    struct sim_options options;
    struct exchange *exchange;
    struct faults faults;
    int listen_fd, log_fd;
    uint64_t log_lines;
    uint32_t connections;
    bool stop, end_told;
    bool starts_now;           /* exchange time begins at UTC with the first instrument */
    int64_t real_start_ns, exchange_start_ns; /* monotonic; set when the first instrument is there */
    struct server_client clients[SERVER_CLIENTS_MAX];
};

int server_open(struct server **server, const struct sim_options *options, const char *socket_path, const char *log_path,
                struct error *error);
void server_close(struct server *server);
/* Waits at most `wait_ms` for clients or for the next thing to happen, and handles it. */
int server_turn(struct server *server, int wait_ms, struct error *error);

#endif
