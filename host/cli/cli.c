/*
 * cli.c - the table of commands and what they share: finding files, failing with a reason, JSON. Guarantees one behaviour
 * of --json, --help and exit statuses for all of them.
 */
#include "cli/cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct cli_command cli_commands[] = {
    {"backtest", cmd_backtest,
     "--strategy F.so [--param k=v ...] [--strategy ...] --data F.csv[.gz]|generate:bars=N,seed=N [--symbol NAME] [--instrument ROW] [--data ...]\n"
     "         [--policy DIR] [--cash N] [--fee-bps N] [--isolation slot|jail] [--report DIR] [--home DIR] [--json]",
     "run strategies over bar files, through the jail and the gate, to an exact result"},
    {"check", cmd_check, "[--policy DIR] [--schema] [--json]", "read the policy files and print what they enforce"},
    {"data", cmd_data, "verify FILE... [--instrument NAME] [--instruments FILE] [--json]\n"
     "       bulkhead data list DIR|FILE... [--json]\n"
     "       bulkhead data import FILE --out FILE [--json]", "look at bar files, name what is wrong with them"},
    {"inspect", cmd_inspect, "FILE.so ... [--policy DIR] [--json]", "read a strategy file without running it: identity, needs, reasons for refusal"},
    {"journal", cmd_journal, "verify|tail|cat [--home DIR|--run FILE] [-n N] [--since SEQ] [--json]", "check the hash chain, show what happened"},
    {"replay", cmd_replay, "[--home DIR] [--compare] [--json]", "run the strategies again on a run's tape and compare every answer and record"},
    {"run", cmd_run, 
     "--strategy F.so [--param k=v ...] [--strategy ...] [--candidate F.so ...] [--home DIR] [--mode dry-run|paper]\n"
     "         [--venue NAME[:OPTIONS]] [--feed NAME[:OPTIONS]] [--data F.csv[.gz] ... [--interval-ms N]] [--symbol NAME]\n"
     "         [--instrument ROW ...] [--policy DIR] [--cash N] [--fee-bps N] [--timeframe-ms N] [--once] [--turns N]\n"
     "         [--duration SECONDS] [--clear-halt] [--quiet] [--json]", "trade: on paper, against a venue plug-in"},
    {"version", cmd_version, "[--full] [--json]", "version, build and what this machine offers"},
    {"why", cmd_why, "ID|last [--home DIR] [--json]", "one chain: wish, verdict, order, fills, trade"},
};
const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);

static const struct cli_command *command_find(const char *name) {
    for (size_t i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

static void print_help(FILE *to) {
    fputs("bulkhead - a trading host in which every strategy lives behind a wall\n\nusage: bulkhead COMMAND ...\n\n", to);
    for (size_t i = 0; i < cli_command_count; i++) {
        fprintf(to, "  %-10s %s\n", cli_commands[i].name, cli_commands[i].summary);
    }
    fputs("\n'bulkhead COMMAND --help' shows its options. Exit status: 0 ok, 1 error, 2 not found, 3 not running, 4 config,\n"
          "5 timeout, 6 refused by a safety rule, 7 integrity failure, 8 venue, 64 usage.\n", to);
}

int cli_main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_help(stderr);
        return error_exit_status(ERROR_USAGE);
    }
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0) {
        char *version[] = {(char *)"version", NULL};
        return cmd_version(1, version);
    }
    const struct cli_command *command = command_find(name);
    if (!command) {
        fprintf(stderr, "bulkhead: there is no command '%s'; 'bulkhead --help' lists them\n", name);
        return error_exit_status(ERROR_USAGE);
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            printf("usage: bulkhead %s %s\n\n%s\n", command->name, command->usage, command->summary);
            return 0;
        }
    }
    return command->run(argc - 1, argv + 1);
}

int cli_fail(const char *command, bool json, const struct error *error) {
    int status = error_exit_status(error->code);
    if (json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "error", error->text);
        cJSON_AddStringToObject(object, "code", error_name(error->code));
        cJSON_AddNumberToObject(object, "exit", status);
        cli_print_json(object);
    }
    fprintf(stderr, "bulkhead %s: %s\n", command, error->text);
    return status;
}

int cli_usage(const char *command, const char *complaint, const char *what) {
    const struct cli_command *c = command_find(command);
    if (complaint) {
        fprintf(stderr, "bulkhead %s: %s%s%s\n", command, complaint, what ? " " : "", what ? what : "");
    }
    fprintf(stderr, "usage: bulkhead %s %s\n", command, c ? c->usage : "");
    return error_exit_status(ERROR_USAGE);
}

void cli_print_json(struct cJSON *object) {
    char *text = cJSON_Print(object);
    if (text) {
        puts(text);
        free(text);
    }
    cJSON_Delete(object);
}

struct cJSON *cli_json_reasons(const uint64_t *counters, size_t count) {
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 1; i < count; i++) {
        if (counters[i] != 0) {
            cJSON_AddNumberToObject(object, reason_name((int)i), (double)counters[i]);
        }
    }
    return object;
}

void cli_json_money(struct cJSON *object, const char *name, int64_t value_e8) {
    char text[32];
    cJSON_AddStringToObject(object, name, decimal_print_e8(value_e8, text, sizeof(text)));
}

static const char *program_dir(void) {
    static char dir[1024];
    if (dir[0] == '\0') {
        ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
        dir[n > 0 ? n : 0] = '\0';
        char *slash = strrchr(dir, '/');
        if (slash) {
            *slash = '\0';
        }
    }
    return dir;
}

void cli_beside(const char *name, char *to, size_t size) { snprintf(to, size, "%s/%s", program_dir(), name); }

const char *cli_policy_dir(void) {
    static char dir[1200];
    static const char *const places[] = {"../share/bulkhead/policy", "../../policy", "../policy"};
    const char *given = getenv("BULKHEAD_POLICY");
    if (given && given[0] != '\0') {
        return given;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        cli_beside(places[i], dir, sizeof(dir));
        if (access(dir, R_OK | X_OK) == 0) {
            return dir;
        }
    }
    return "policy";
}

void cli_default_home(char *to, size_t size) {
    const char *own = getenv("BULKHEAD_HOME"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (own && own[0] != '\0') {
        snprintf(to, size, "%s", own);
    } else if (state && state[0] == '/') {
        snprintf(to, size, "%s/bulkhead", state);
    } else {
        snprintf(to, size, "%s/.local/state/bulkhead", home && home[0] == '/' ? home : "/tmp");
    }
}

int cli_make_dirs(const char *path, struct error *error) {
    char part[1200];
    snprintf(part, sizeof(part), "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at == '/' || *at == '\0') {
            char was = *at;
            *at = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST) {
                return error_set_errno(error, "%s", part);
            }
            *at = was;
            if (was == '\0') {
                return 0;
            }
        }
    }
}
