/*
 * main_exchange.c - the exchange as a process of its own: it lives on when the host is killed, keeps matching, and its order
 * log is the witness of what reached it.
 *
 * It ends on SIGTERM or SIGINT, when a client says shutdown, or, with --with-parent, when the process that started it ends.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sim/main_server.h"

#define WAIT_MS 200

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number) {
    (void)number;
    asked_to_stop = 1;
}

static int usage(void) {
    fprintf(stderr, "usage: bulkhead-exchange --socket PATH --log PATH [--options seed=7,speed=60,...] [--with-parent]\n");
    return error_exit_status(ERROR_USAGE);
}

struct arguments {
    const char *socket, *log, *options;
    bool with_parent;
};

static bool arguments_read(struct arguments *a, int argc, char **argv) {
    memset(a, 0, sizeof(*a));
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--socket") == 0    ? &a->socket
                             : strcmp(argv[i], "--log") == 0     ? &a->log
                             : strcmp(argv[i], "--options") == 0 ? &a->options
                                                                 : NULL;
        if (strcmp(argv[i], "--with-parent") == 0) {
            a->with_parent = true;
        } else if (value != NULL && i + 1 < argc) {
            *value = argv[++i];
        } else {
            return false;
        }
    }
    return a->socket != NULL && a->log != NULL;
}

static int serve(const struct arguments *a, struct error *error) {
    struct sim_options options;
    struct server *server = NULL;
    int code = sim_options_read(&options, "bulkhead-exchange", a->options, error);
    code = code == 0 ? server_open(&server, &options, a->socket, a->log, error) : code;
    if (code != 0) {
        return code;
    }
    printf("ready %s\n", a->socket);
    fflush(stdout);
    while (code == 0 && !server->stop && !asked_to_stop) {
        code = server_turn(server, WAIT_MS, error);
    }
    unlink(a->socket);
    server_close(server);
    return code;
}

int main(int argc, char **argv) {
    struct arguments arguments;
    struct error error = {0};
    if (!arguments_read(&arguments, argc, argv)) {
        return usage();
    }
    if (arguments.with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int code = serve(&arguments, &error);
    if (code != 0) {
        fprintf(stderr, "bulkhead-exchange: %s\n", error.text);
    }
    return error_exit_status(code);
}
