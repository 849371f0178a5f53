/*
 * cmd_version.c - `bulkhead version [--full]`: what was built, against which contract, and what this machine offers a jail.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include <zlib.h>

#include "agent_digest.h"
#include "cli/cli.h"
#include "jailer.h"

#ifndef BULKHEAD_VERSION
#define BULKHEAD_VERSION "0.0.0"
#endif

static cJSON *full_json(void) {
    struct jail_support jail;
    char digest[20];
    cJSON *j = cJSON_CreateObject();
    jail_probe(&jail);
    snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)AGENT_ABI_DIGEST);
    cJSON_AddStringToObject(j, "version", BULKHEAD_VERSION);
    cJSON_AddNumberToObject(j, "abi_version", AGENT_ABI_VERSION);
    cJSON_AddStringToObject(j, "abi_digest", digest);
    cJSON_AddStringToObject(j, "compiler", __VERSION__);
    cJSON_AddStringToObject(j, "sqlite", sqlite3_libversion());
    cJSON_AddStringToObject(j, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
    cJSON_AddStringToObject(j, "libyaml", yaml_get_version_string());
    cJSON_AddStringToObject(j, "zlib", zlibVersion());
    cJSON_AddStringToObject(j, "policy", cli_policy_dir());
    cJSON_AddBoolToObject(j, "seccomp", jail.seccomp);
    cJSON_AddBoolToObject(j, "sealed_memory", jail.memfd_seals);
    cJSON_AddBoolToObject(j, "pidfd", jail.pidfd);
    cJSON_AddBoolToObject(j, "clock_removal", jail.tsc_switch);
    cJSON_AddBoolToObject(j, "namespaces", jail.namespaces);
    cJSON_AddNumberToObject(j, "landlock_abi", jail.landlock_abi);
    return j;
}

int cmd_version(int argc, char **argv) {
    static const struct option long_options[] = {{"full", 0, NULL, 1}, {"json", 0, NULL, 2}, {NULL, 0, NULL, 0}};
    bool full = false, json = false;
    int value;
    optind = 1;
    opterr = 0;
    while ((value = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (value == '?') {
            return cli_usage("version", "unknown option", argv[optind - 1]);
        }
        full = full || value == 1;
        json = json || value == 2;
    }
    if (json) {
        cli_print_json(full_json());
        return 0;
    }
    printf("bulkhead %s\n", BULKHEAD_VERSION);
    if (full) {
        cJSON *j = full_json();
        for (const cJSON *i = j->child; i; i = i->next) {
            char *text = cJSON_Print(i);
            printf("  %-14s %s\n", i->string, text ? text : "");
            cJSON_free(text);
        }
        cJSON_Delete(j);
    }
    return 0;
}
