/*
 * cli.h - the command line: one table of commands, one file per command. Every command takes its own argv (argv[0] is its
 * name) and returns the exit status of base/error.h: 0 ok, 1 error, 2 not found, 3 not running, 4 config, 5 timeout,
 * 6 refused by a safety rule, 7 integrity failure, 8 venue, 64 usage.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct cJSON;

struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;   /* after "bulkhead NAME " */
    const char *summary; /* one line */
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* Finds and runs; handles -h, --help, --version and unknown names. */
int cli_main(int argc, char **argv);

/* What commands share. */

/* Prints "bulkhead NAME: text" (or a JSON object with code and error when `json`) and returns the exit status. */
int cli_fail(const char *command, bool json, const struct error *error);
/* Prints the usage of a command to stderr and returns 64; `complaint` may be NULL. */
int cli_usage(const char *command, const char *complaint, const char *what);
/* Prints the object and frees it. */
void cli_print_json(struct cJSON *object);
/* {"REASON": n, ...} of the counters that are not zero. */
struct cJSON *cli_json_reasons(const uint64_t *counters, size_t count);
void cli_json_money(struct cJSON *object, const char *name, int64_t value_e8);

/* Directory of the shipped policy: $BULKHEAD_POLICY, PREFIX/share/bulkhead/policy, or policy/ of the source tree. */
const char *cli_policy_dir(void);
/* A file beside the running program: "bulkhead-worker", "../plugins/sim.so". */
void cli_beside(const char *name, char *to, size_t size);
/* $BULKHEAD_HOME, else $XDG_STATE_HOME/bulkhead, else ~/.local/state/bulkhead. */
void cli_default_home(char *to, size_t size);
/* mkdir -p with mode 0700. */
int cli_make_dirs(const char *path, struct error *error);

/* The commands. */
int cmd_backtest(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_journal(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_why(int argc, char **argv);

#endif
