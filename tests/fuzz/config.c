/*
 * config.c - fuzzes the configuration reader with a table that has every type, nested sections, and the list form. Whatever
 * the document: no crash, a refusal that begins with file:line:column, and the same answer and hash when read twice.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct sample {
    char name[16];
    int64_t cash_e8, positions_max, loss_ppm, ttl_ns, depth;
    bool shorts;
    int32_t mode;
};

static const struct config_key keys[] = {
    CONFIG_TEXT(struct sample, name, "name", "", "who"),
    CONFIG_E8(struct sample, cash_e8, "account.cash", "USD", -1000 * E8, 1000 * E8, "100", "deposit"),
    CONFIG_INT(struct sample, positions_max, "limits.positions_max", "positions", -5, 1024, "8", "positions"),
    CONFIG_PERCENT(struct sample, loss_ppm, "limits.daily_loss", 0, 1000000, "2.5 %", "of equity"),
    CONFIG_DURATION(struct sample, ttl_ns, "orders.ttl", 0, INT64_MAX, "5m", "lifetime"),
    CONFIG_INT(struct sample, depth, "orders.book.depth", "levels", 0, 32, "0", "levels"),
    CONFIG_BOOL(struct sample, shorts, "orders.shorts", "false", "short"),
    CONFIG_CHOICE(struct sample, mode, "mode", "active|reducing|halted", "active", "state"),
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void must(int truth) {
    if (!truth) {
        abort();
    }
}

static void check(int code, const struct sample *sample, const struct error *error) {
    unsigned line = 0, column = 0;
    if (code != 0) {
        must(code == ERROR_CONFIG && error->code == code && sscanf(error->text, "t:%u:%u: ", &line, &column) == 2);
        must(line >= 1 && column >= 1);
        return;
    }
    must(memchr(sample->name, 0, sizeof(sample->name)) != NULL);
    must(sample->mode >= 0 && sample->mode <= 2 && sample->positions_max >= -5 && sample->positions_max <= 1024);
    must(sample->loss_ppm >= 0 && sample->loss_ppm <= 1000000 && sample->depth >= 0 && sample->depth <= 32 && sample->ttl_ns >= 0);
    must(sample->cash_e8 >= -1000 * E8 && sample->cash_e8 <= 1000 * E8);
}

static int item_take(void *context, const void *target, int line, struct error *error) {
    (void)error;
    must(line >= 1);
    check(0, target, NULL);
    ++*(int *)context;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct sample sample = {0}, again = {0};
    struct error error = {0};
    unsigned char hash[2][HASH_BYTES] = {{0}};
    int code = config_read_text("t", (const char *)bytes, size, keys, KEYS, &sample, NULL, hash[0], &error);
    check(code, &sample, &error);
    must(config_read_text("t", (const char *)bytes, size, keys, KEYS, &again, NULL, hash[1], &error) == code);
    must(memcmp(hash[0], hash[1], HASH_BYTES) == 0);
    int items = 0;
    code = config_read_list_text("t", (const char *)bytes, size, "items", keys, KEYS, &sample, sizeof(sample), item_take, &items,
                                 NULL, &error);
    check(code, &sample, &error);
    return 0;
}
