/*
 * cmd_replay.c - `bulkhead replay --home DIR [--compare]`: the last recorded run again, with the same strategies. Without
 * --compare it tells what differs; with it a difference is an integrity failure (exit 7).
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "replay.h"

static void result_print(const struct replay_result *r, bool json) {
    if (!json) {
        printf("replayed       %llu frames, %llu turns, %llu answers with %llu wishes, %llu records%s\n", (unsigned long long)r->frames,
               (unsigned long long)r->turns, (unsigned long long)r->answers, (unsigned long long)r->wishes,
               (unsigned long long)r->records, r->complete ? "" : " (the run did not end cleanly)");
        printf("differences    %llu answers, %llu records\n", (unsigned long long)r->answers_differ, (unsigned long long)r->records_differ);
        if (r->first_difference[0] != '\0') {
            printf("first          %s\n", r->first_difference);
        }
        return;
    }
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "frames", (double)r->frames);
    cJSON_AddNumberToObject(j, "turns", (double)r->turns);
    cJSON_AddNumberToObject(j, "answers", (double)r->answers);
    cJSON_AddNumberToObject(j, "wishes", (double)r->wishes);
    cJSON_AddNumberToObject(j, "records", (double)r->records);
    cJSON_AddNumberToObject(j, "answers_differ", (double)r->answers_differ);
    cJSON_AddNumberToObject(j, "records_differ", (double)r->records_differ);
    cJSON_AddBoolToObject(j, "complete", r->complete);
    cJSON_AddStringToObject(j, "first_difference", r->first_difference);
    cli_print_json(j);
}

int cmd_replay(int argc, char **argv) {
    static const struct option long_options[] = {{"home", 1, NULL, 1}, {"compare", 0, NULL, 2}, {"json", 0, NULL, 3}, {"policy", 1, NULL, 4},
                                                 {NULL, 0, NULL, 0}};
    static struct setup setup;
    static struct replay_result result;
    struct error error = {0};
    char home[1024] = "";
    bool compare = false, json = false;
    int value;
    setup_init(&setup);
    optind = 1;
    opterr = 0;
    while ((value = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (value == '?') {
            return cli_usage("replay", "unknown option, or its value is missing:", argv[optind - 1]);
        }
        if (value == 1) {
            snprintf(home, sizeof(home), "%s", optarg);
        }
        compare = compare || value == 2;
        json = json || value == 3;
        setup.policy_dir = value == 4 ? optarg : setup.policy_dir;
    }
    if (optind < argc) {
        return cli_usage("replay", "unexpected argument", argv[optind]);
    }
    if (home[0] == '\0') {
        cli_default_home(home, sizeof(home));
    }
    int code = replay(&setup, home, &result, &error);
    if (!code) {
        result_print(&result, json);
    }
    setup_close(&setup);
    if (code) {
        return cli_fail("replay", json, &error);
    }
    return compare && result.answers_differ + result.records_differ != 0 ? error_exit_status(ERROR_INTEGRITY) : 0;
}
