/*
 * cmd_inspect.c - `bulkhead inspect`: what a strategy file says of itself and every reason why it would be refused. The file
 * is read, never loaded: safe on anything.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/setup.h"

static const char *const call_names[] = {"init", "fini", "generate_signals", "on_fill", "on_limit_update", "save", "load", "extension"};

static void print_text(const struct strategy *f) {
    const struct agent_vtable *e = &f->entry;
    printf("%s\n  sha256     %s\n", f->path, f->hash_text);
    if (e->magic == AGENT_ABI_MAGIC) {
        printf("  agent      %.*s %.*s\n", AGENT_NAME_MAX, e->name, AGENT_NAME_MAX, e->release);
        printf("  contract   version %u, digest %016llx\n", e->version, (unsigned long long)e->digest);
        printf("  memory     %llu bytes of its own, state schema %u up to %u bytes\n", (unsigned long long)e->self_size, e->state_schema, e->state_max);
        for (uint32_t i = 0; i < e->needs.timeframe_count && i < AGENT_TIMEFRAMES_MAX; i++) {
            printf("  needs      %u bars of %u s%s\n", e->needs.bars[i], e->needs.timeframe_s[i], e->needs.timeframe_s[i] ? "" : " (the feed's own)");
        }
        printf("  promises   an answer within %u us\n  calls     ", e->needs.decide_us_max);
        for (size_t i = 0; i < sizeof(call_names) / sizeof(call_names[0]); i++) {
            printf("%s%s", f->calls & 1u << i ? " " : "", f->calls & 1u << i ? call_names[i] : "");
        }
        putchar('\n');
    }
    printf("  imports   ");
    for (uint32_t i = 0; i < f->import_count; i++) {
        printf(" %s", f->imports[i]);
    }
    puts(f->import_count ? "" : " none");
    for (uint32_t i = 0; i < f->finding_count; i++) {
        printf("  REFUSED    %s\n", f->findings[i].text);
    }
    if (f->finding_count == 0) {
        puts("  admitted");
    }
}

static cJSON *file_json(const struct strategy *f) {
    const struct agent_vtable *e = &f->entry;
    cJSON *j = cJSON_CreateObject();
    char text[AGENT_NAME_MAX + 1], digest[20];
    cJSON_AddStringToObject(j, "file", f->path);
    cJSON_AddStringToObject(j, "strategy_hash", f->hash_text);
    cJSON_AddBoolToObject(j, "admitted", f->finding_count == 0);
    if (e->magic == AGENT_ABI_MAGIC) {
        snprintf(text, sizeof(text), "%.*s", AGENT_NAME_MAX, e->name);
        cJSON_AddStringToObject(j, "name", text);
        snprintf(text, sizeof(text), "%.*s", AGENT_NAME_MAX, e->release);
        cJSON_AddStringToObject(j, "release", text);
        snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)e->digest);
        cJSON_AddNumberToObject(j, "abi_version", e->version);
        cJSON_AddStringToObject(j, "abi_digest", digest);
        cJSON_AddNumberToObject(j, "self_size", (double)e->self_size);
        cJSON_AddNumberToObject(j, "state_schema", e->state_schema);
        cJSON_AddNumberToObject(j, "state_max", e->state_max);
        cJSON_AddNumberToObject(j, "decide_us_max", e->needs.decide_us_max);
        cJSON *frames = cJSON_AddArrayToObject(j, "timeframes");
        for (uint32_t i = 0; i < e->needs.timeframe_count && i < AGENT_TIMEFRAMES_MAX; i++) {
            cJSON *one = cJSON_CreateObject();
            cJSON_AddNumberToObject(one, "seconds", e->needs.timeframe_s[i]);
            cJSON_AddNumberToObject(one, "bars", e->needs.bars[i]);
            cJSON_AddItemToArray(frames, one);
        }
        cJSON *calls = cJSON_AddArrayToObject(j, "calls");
        for (size_t i = 0; i < sizeof(call_names) / sizeof(call_names[0]); i++) {
            if (f->calls & 1u << i) {
                cJSON_AddItemToArray(calls, cJSON_CreateString(call_names[i]));
            }
        }
    }
    cJSON *imports = cJSON_AddArrayToObject(j, "imports"), *findings = cJSON_AddArrayToObject(j, "refused_because");
    for (uint32_t i = 0; i < f->import_count; i++) {
        cJSON_AddItemToArray(imports, cJSON_CreateString(f->imports[i]));
    }
    for (uint32_t i = 0; i < f->finding_count; i++) {
        cJSON_AddItemToArray(findings, cJSON_CreateString(f->findings[i].text));
    }
    return j;
}

int cmd_inspect(int argc, char **argv) {
    static const struct option long_options[] = {{"policy", 1, NULL, 1}, {"json", 0, NULL, 2}, {NULL, 0, NULL, 0}};
    static struct setup s;
    static struct strategy file;
    struct error error = {0};
    bool json = false;
    int value, status = 0;
    setup_init(&s);
    optind = 1;
    opterr = 0;
    while ((value = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (value == '?') {
            return cli_usage("inspect", "unknown option", argv[optind - 1]);
        }
        s.policy_dir = value == 1 ? optarg : s.policy_dir;
        json = json || value == 2;
    }
    if (optind == argc) {
        return cli_usage("inspect", "no file given", NULL);
    }
    if (setup_load_policy(&s, &error)) {
        return cli_fail("inspect", json, &error);
    }
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    for (int i = optind; i < argc; i++) {
        if (strategy_open(&file, argv[i], s.policy.imports_path, &error)) {
            status = cli_fail("inspect", false, &error);
            continue;
        }
        status = file.finding_count && !status ? error_exit_status(ERROR_ABI) : status;
        if (json) {
            cJSON_AddItemToArray(list, file_json(&file));
        } else {
            print_text(&file);
        }
        strategy_close(&file);
    }
    if (json) {
        cli_print_json(list);
    }
    setup_close(&s);
    return status;
}
