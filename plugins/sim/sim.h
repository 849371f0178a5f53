/*
 * sim.h - the sim venue inside: options, and its two ways to an exchange: one of its own in this process (sim_local.c), or a
 * process behind a socket (sim_remote.c).
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "sim/exchange.h"
#include "sim/faults.h"
#include "sim/protocol.h"
#include "venue.h"

#define SIM_SOCKET_MAX 108
#define SIM_PATHS_MAX 1024

struct sim_options {
    struct exchange_options exchange;
    struct fault_options faults;
    int64_t speed;             /* exchange seconds per second; 0 = a turn of bars with each poll */
    int64_t reconnect_ns;      /* after a broken link, in host time */
    bool step;                 /* the exchange process moves its time only when asked */
    bool quotes, trades;       /* deliver these besides bars */
    char socket[SIM_SOCKET_MAX];
    char replay[SIM_PATHS_MAX];/* "PATH" for the first instrument or "NAME:PATH;NAME:PATH" */
};

/* `who` stands in messages: "sim" or the exchange process. */
int sim_options_read(struct sim_options *options, const char *who, const char *text, struct error *error);
/* The file an instrument replays, "" = none; `index` 0 is the first. */
const char *sim_options_replay(const struct sim_options *options, const char *name, uint32_t index, char out[SIM_PATHS_MAX]);

struct sim_local;
int sim_local_open(struct sim_local **local, const struct sim_options *options, const struct venue_host *host, int64_t now_ns,
                   struct error *error);
void sim_local_close(struct sim_local *local);
int64_t sim_local_wake_ns(const struct sim_local *local);
int sim_local_poll(struct sim_local *local, int64_t now_ns);
int sim_local_submit(struct sim_local *local, const struct order *order);
int sim_local_cancel(struct sim_local *local, const char *client_id);
int sim_local_protect(struct sim_local *local, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks);
int sim_local_query(struct sim_local *local, const char *client_id, uint16_t instrument);
int sim_local_fills_since(struct sim_local *local, int64_t since_ns);
int sim_local_positions(struct sim_local *local);

struct sim_remote;
int sim_remote_open(struct sim_remote **remote, const struct sim_options *options, const struct venue_host *host, int64_t now_ns,
                    struct error *error);
void sim_remote_close(struct sim_remote *remote);
int sim_remote_fd(const struct sim_remote *remote);
int64_t sim_remote_wake_ns(const struct sim_remote *remote);
int sim_remote_poll(struct sim_remote *remote, int64_t now_ns);
/* Hands a finished line over; ERROR_VENUE without a link, ERROR_FULL when too much is waiting. */
int sim_remote_say(struct sim_remote *remote, struct message_line *line);

#endif
