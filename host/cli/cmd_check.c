/*
 * cmd_check.c - `bulkhead check`: read the policy as a run would, and print what it enforces, with file, line and hash.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/setup.h"

/* A value as its schema writes it. */
static void value_print(const struct config_key *key, const void *base, char *to, size_t size) {
    const unsigned char *at = (const unsigned char *)base + key->offset;
    int64_t v = 0;
    char text[32];
    if (key->type == CONFIG_TYPE_BOOL) {
        snprintf(to, size, "%s", *(const bool *)at ? "true" : "false");
        return;
    }
    if (key->type == CONFIG_TYPE_CHOICE) {
        const char *choice = key->choices;
        for (int32_t i = *(const int32_t *)(const void *)at; i > 0 && strchr(choice, '|'); i--) {
            choice = strchr(choice, '|') + 1;
        }
        snprintf(to, size, "%.*s", (int)strcspn(choice, "|"), choice);
        return;
    }
    memcpy(&v, at, sizeof(v));
    switch (key->type) {
    case CONFIG_TYPE_E8: snprintf(to, size, "%s", decimal_print_e8(v, text, sizeof(text))); break;
    case CONFIG_TYPE_PERCENT: snprintf(to, size, "%s %%", decimal_print(v, 4, text, sizeof(text))); break;
    case CONFIG_TYPE_DURATION: snprintf(to, size, "%s s", decimal_print(v, 9, text, sizeof(text))); break;
    default: snprintf(to, size, "%lld", (long long)v); break;
    }
}

static void table_print(const char *path, const struct config_key *keys, size_t count, const void *base, const struct config_origin *origins) {
    printf("%s\n", path);
    for (size_t i = 0; i < count; i++) {
        char value[80], place[24] = "default";
        value_print(&keys[i], base, value, sizeof(value));
        if (origins && origins[i].line > 0) {
            snprintf(place, sizeof(place), "line %d", origins[i].line);
        }
        printf("  %-28s %-24s %-10s %s\n", keys[i].path, value, origins ? place : "", keys[i].doc);
    }
}

static void table_json(cJSON *to, const struct config_key *keys, size_t count, const void *base) {
    for (size_t i = 0; i < count; i++) {
        char value[80];
        value_print(&keys[i], base, value, sizeof(value));
        cJSON_AddStringToObject(to, keys[i].path, value);
    }
}

static void put(void *context, const char *text) {
    (void)context;
    fputs(text, stdout);
}

static void print_all(const struct setup *s, bool json) {
    if (!json) {
        table_print(s->policy.risk_path, risk_keys, risk_key_count, &s->policy.risk, s->policy.risk_origins);
        table_print(s->policy.host_path, host_keys, host_key_count, &s->policy.host, NULL);
        printf("%s\n  %u instruments\nconfig hash %s\n", s->policy.instruments_path, s->row_count, s->policy.hash_text);
        return;
    }
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "config_hash", s->policy.hash_text);
    cJSON *risk = cJSON_AddObjectToObject(j, "risk"), *host = cJSON_AddObjectToObject(j, "host");
    cJSON_AddStringToObject(risk, "file", s->policy.risk_path);
    table_json(risk, risk_keys, risk_key_count, &s->policy.risk);
    cJSON_AddStringToObject(host, "file", s->policy.host_path);
    table_json(host, host_keys, host_key_count, &s->policy.host);
    cJSON *rows = cJSON_AddArrayToObject(j, "instruments");
    for (uint32_t i = 0; i < s->row_count; i++) {
        cJSON_AddItemToArray(rows, cJSON_CreateString(s->rows[i].name));
    }
    cli_print_json(j);
}

int cmd_check(int argc, char **argv) {
    static const struct option long_options[] = {{"policy", 1, NULL, 1}, {"json", 0, NULL, 2}, {"schema", 0, NULL, 3}, {NULL, 0, NULL, 0}};
    static struct setup s;
    struct error error = {0};
    bool json = false, schema = false;
    int value;
    setup_init(&s);
    optind = 1;
    opterr = 0;
    while ((value = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (value == '?') {
            return cli_usage("check", "unknown option", argv[optind - 1]);
        }
        s.policy_dir = value == 1 ? optarg : s.policy_dir;
        json = json || value == 2;
        schema = schema || value == 3;
    }
    if (optind < argc) {
        return cli_usage("check", "unexpected argument", argv[optind]);
    }
    if (schema) {
        puts("# risk.yaml\n");
        config_print_schema(risk_keys, risk_key_count, put, NULL);
        puts("\n# host.yaml\n");
        config_print_schema(host_keys, host_key_count, put, NULL);
        setup_close(&s);
        return 0;
    }
    int code = setup_load_policy(&s, &error);
    if (!code) {
        print_all(&s, json);
    }
    setup_close(&s);
    return code ? cli_fail("check", json, &error) : 0;
}
