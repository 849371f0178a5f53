/*
 * Fuzzer of the reader of strategy files and the lint: any bytes at all. Seeds are real strategies without debug information,
 * put beside the fuzzer by tests/jail/rules.mk.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jailer/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct imports_allowed allowed = {.count = 3, .names = {"memcpy", "__cxa_finalize", "strtoul"}};

/* What the rest of the host relies on, admitted or not. */
static void check(const struct strategy *strategy) {
    assert(strategy->finding_count <= LINT_FINDINGS_MAX && strategy->import_count <= IMPORTS_MAX);
    assert(strategy->admitted == (strategy->finding_count == 0));
    for (uint32_t i = 0; i < strategy->finding_count; i++) {
        assert(memchr(strategy->findings[i].text, '\0', sizeof(strategy->findings[i].text)));
    }
    for (uint32_t i = 0; i < strategy->import_count; i++) {
        assert(memchr(strategy->imports[i], '\0', sizeof(strategy->imports[i])));
    }
    assert(!strategy->entry.init && !strategy->entry.generate_signals && !strategy->entry.extension);
    assert(memchr(strategy->entry.name, '\0', sizeof(strategy->entry.name)));
    if (strategy->admitted) {
        assert(strategy->entry.name[0] != '\0' && strategy->entry.self_size > 0 && strategy->entry.self_size <= AGENT_SELF_MAX);
        assert(strategy->entry.state_max <= AGENT_STATE_MAX && strategy->entry.needs.timeframe_count <= AGENT_TIMEFRAMES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct strategy strategy;
    memset(&strategy, 0, sizeof(strategy));
    unsigned char *copy = malloc(size ? size : 1); /* exactly as long, so that one byte too far is seen */
    if (!copy) {
        return 0;
    }
    if (size) {
        memcpy(copy, data, size);
    }
    lint(&strategy, copy, size, &allowed);
    check(&strategy);
    free(copy);
    return 0;
}
