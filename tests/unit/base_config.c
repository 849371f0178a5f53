/*
 * base_config.c - configurations: what is taken, what is refused and where. Each broken document is a golden: the message
 * must name its line and column, what was found, and what is allowed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/config.h"

struct sample {
    char name[8];
    int64_t cash_e8, positions_max, loss_ppm, ttl_ns, depth;
    bool shorts;
    int32_t mode;
};

static const struct config_key keys[] = {
    CONFIG_TEXT(struct sample, name, "name", NULL, "who"),
    CONFIG_E8(struct sample, cash_e8, "account.cash", "USD", 0, 1000 * E8, "100", "deposit"),
    CONFIG_INT(struct sample, positions_max, "limits.positions_max", "positions", 1, 1024, "8", "positions open at once"),
    CONFIG_PERCENT(struct sample, loss_ppm, "limits.daily_loss", 0, 1000000, "2.5 %", "of equity"),
    CONFIG_DURATION(struct sample, ttl_ns, "orders.ttl", 1, 7 * 86400 * NS_PER_S, "5m", "lifetime"),
    CONFIG_INT(struct sample, depth, "orders.book.depth", "levels", 0, 32, "0", "book levels"),
    CONFIG_BOOL(struct sample, shorts, "orders.shorts", "false", "short positions"),
    CONFIG_CHOICE(struct sample, mode, "mode", "active|reducing|halted", "active", "trading state"),
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static struct sample target;
static struct config_origin origins[KEYS];
static unsigned char hash[HASH_BYTES];
static struct error error;

static int read_text(const char *text) {
    memset(&target, 0xee, sizeof(target));
    memset(&error, 0, sizeof(error));
    return config_read_text("t", text, strlen(text), keys, KEYS, &target, origins, hash, &error);
}

/* ---- taken ------------------------------------------------------------------------------------------------------------------ */

static void test_everything_given(void **state) {
    (void)state;
    const char *text = "# a comment\n"
                       "mode: reducing\n"
                       "limits: {positions_max: 3, daily_loss: 1.25%}\n"
                       "name: \"a b\"\n"
                       "orders:\n"
                       "  ttl: 1.5h\n"
                       "  book:\n"
                       "    depth: 10\n"
                       "  shorts: true\n"
                       "account:\n"
                       "  cash: 2.5e-3\n";
    assert_int_equal(read_text(text), 0);
    assert_string_equal(target.name, "a b");
    assert_int_equal(target.cash_e8, 250000);
    assert_int_equal(target.positions_max, 3);
    assert_int_equal(target.loss_ppm, 12500);
    assert_int_equal(target.ttl_ns, 5400 * NS_PER_S);
    assert_int_equal(target.depth, 10);
    assert_true(target.shorts);
    assert_int_equal(target.mode, 1);
    assert_int_equal(origins[4].line, 6);
    assert_int_equal(origins[4].column, 8);
    assert_int_equal(origins[7].line, 2);
}

static void test_defaults(void **state) {
    (void)state;
    assert_int_equal(read_text("name: x\nlimits:\n"), 0); /* a section with everything commented out */
    assert_int_equal(target.cash_e8, 100 * E8);
    assert_int_equal(target.positions_max, 8);
    assert_int_equal(target.loss_ppm, 25000);
    assert_int_equal(target.ttl_ns, 300 * NS_PER_S);
    assert_false(target.shorts);
    assert_int_equal(target.mode, 0);
    assert_int_equal(origins[1].line, 0);
}

static void test_durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"1ns", 1},          {"500ms", 500 * NS_PER_MS},  {"90s", 90 * NS_PER_S},       {"5 m", 300 * NS_PER_S},
                 {"72h", 259200 * NS_PER_S}, {"1d", 86400 * NS_PER_S},    {"0.5us", 500},               {"1.000000001s", 1000000001},
                 {"0.5d", 43200 * NS_PER_S}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{name: x, orders: {ttl: %s}}", cases[i].text);
        assert_int_equal(read_text(text), 0);
        assert_int_equal(target.ttl_ns, cases[i].ns);
    }
}

/* Rule 5: order, comments and spelling do not change the hash; a value does. */
static void test_hash_is_canonical(void **state) {
    (void)state;
    unsigned char first[HASH_BYTES], expected[HASH_BYTES];
    const char *canonical = "name=x\naccount.cash=1.50000000\nlimits.positions_max=8\nlimits.daily_loss=25000\n"
                            "orders.ttl=90000000000\norders.book.depth=0\norders.shorts=false\nmode=active\n";
    assert_int_equal(read_text("name: x\norders: {ttl: 90s}\naccount: {cash: 1.5}\n"), 0);
    memcpy(first, hash, sizeof(first));
    hash_bytes(canonical, strlen(canonical), expected);
    assert_memory_equal(first, expected, HASH_BYTES);
    assert_int_equal(read_text("account:\n    cash: \"1.50\" # money\nlimits: {daily_loss: 2.50 %}\norders: {ttl: 1.5m}\nname: 'x'\n"), 0);
    assert_memory_equal(first, hash, HASH_BYTES);
    assert_int_equal(read_text("name: x\norders: {ttl: 91s}\naccount: {cash: 1.5}\n"), 0);
    assert_memory_not_equal(first, hash, HASH_BYTES);
}

/* ---- refused ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *message;
} broken[] = {
    {"name: x\nlimits:\n  position_max: 3\n", "t:3:3: found unknown key \"limits.position_max\", did you mean \"limits.positions_max\"?"},
    {"name: x\npositions_max: 3\n", "t:2:1: found unknown key \"positions_max\", did you mean \"limits.positions_max\"?"},
    {"name: x\nwhatever_this_is: 3\n", "t:2:1: found unknown key \"whatever_this_is\", allowed here: name, account, limits, orders, mode"},
    {"name: x\norders:\n  zzzzzzzzzzzzzzzz: 3\n", "t:3:3: found unknown key \"orders.zzzzzzzzzzzzzzzz\", allowed here: ttl, book, shorts"},
    {"name: x\nlimits.positions_max: 3\n", "t:2:1: found unknown key \"limits.positions_max\""},
    {"mode: active\n", "t:1:1: found no key \"name\", wanted a text at most 7 bytes: who"},
    {"", "t:1:1: found no key \"name\", wanted a text at most 7 bytes: who"},
    {"---\n", "t:2:1: found no key \"name\", wanted a text at most 7 bytes: who"},
    {"name: x\nname: y\n", "t:2:1: found key \"name\" twice, wanted it once (first on line 1)"},
    {"name: x\nlimits: {positions_max: 1, positions_max: 1}\n", "t:2:28: found key \"limits.positions_max\" twice, wanted it once (first on line 2)"},
    {"limits:\n  positions_max: 1\nname: x\nlimits:\n  daily_loss: 1 %\n", "t:4:1: found key \"limits\" twice, wanted it once (first on line 1)"},
    {"name: abcdefgh\n", "t:1:7: name: found \"abcdefgh\", wanted a text at most 7 bytes"},
    {"name: \"\"\n", "t:1:7: name: found \"\", wanted a text at most 7 bytes"},
    {"name:\n", "t:1:6: name: found nothing, wanted a text at most 7 bytes"},
    {"name: \"a\\tb\"\n", "t:1:7: name: found \"a?b\", wanted a text at most 7 bytes"},
    {"name: \"a\\0b\"\n", "t:1:7: name: found \"a?b\", wanted a text at most 7 bytes"},
    {"name: [x]\n", "t:1:7: name: found a list, wanted a text at most 7 bytes"},
    {"name: {a: b}\n", "t:1:7: name: found a section, wanted a text at most 7 bytes"},
    {"name: x\nlimits: 3\n", "t:2:9: limits: found \"3\", wanted a section with positions_max, daily_loss"},
    {"name: x\nlimits: [1]\n", "t:2:9: limits: found a list, wanted a section with positions_max, daily_loss"},
    {"name: x\nlimits: {positions_max: 0}\n", "t:2:25: limits.positions_max: found \"0\", wanted an integer 1..1024 (positions)"},
    {"name: x\nlimits: {positions_max: 1025}\n", "t:2:25: limits.positions_max: found \"1025\", wanted an integer 1..1024 (positions)"},
    {"name: x\nlimits: {positions_max: 3.0}\n", "t:2:25: limits.positions_max: found \"3.0\", wanted an integer 1..1024 (positions)"},
    {"name: x\nlimits: {positions_max: 0x10}\n", "t:2:25: limits.positions_max: found \"0x10\", wanted an integer 1..1024 (positions)"},
    {"name: x\nlimits: {positions_max: 99999999999999999999}\n", "t:2:25: limits.positions_max: found \"99999999999999999999\", wanted an integer 1..1024 (positions)"},
    {"name: x\nlimits: {daily_loss: 2.5}\n", "t:2:22: limits.daily_loss: found \"2.5\", wanted a percentage such as \"2.5 %\" 0..100"},
    {"name: x\nlimits: {daily_loss: 101 %}\n", "t:2:22: limits.daily_loss: found \"101 %\", wanted a percentage such as \"2.5 %\" 0..100"},
    {"name: x\nlimits: {daily_loss: -1 %}\n", "t:2:22: limits.daily_loss: found \"-1 %\", wanted a percentage such as \"2.5 %\" 0..100"},
    {"name: x\nlimits: {daily_loss: 0.00001 %}\n", "t:2:22: limits.daily_loss: found \"0.00001 %\", wanted a percentage such as \"2.5 %\" 0..100"},
    {"name: x\naccount: {cash: 1,000}\n", "t:2:19: found unknown key \"account.000\", allowed here: cash"},
    {"name: x\naccount: {cash: \"1,000\"}\n", "t:2:17: account.cash: found \"1,000\", wanted a decimal number 0..1000 (USD)"},
    {"name: x\naccount: {cash: 0.000000001}\n", "t:2:17: account.cash: found \"0.000000001\", wanted a decimal number 0..1000 (USD)"},
    {"name: x\naccount: {cash: -0.00000001}\n", "t:2:17: account.cash: found \"-0.00000001\", wanted a decimal number 0..1000 (USD)"},
    {"name: x\naccount: {cash: .inf}\n", "t:2:17: account.cash: found \".inf\", wanted a decimal number 0..1000 (USD)"},
    {"name: x\norders: {shorts: yes}\n", "t:2:18: orders.shorts: found \"yes\", wanted true or false"},
    {"name: x\norders: {shorts: True}\n", "t:2:18: orders.shorts: found \"True\", wanted true or false"},
    {"name: x\nmode: stopped\n", "t:2:7: mode: found \"stopped\", wanted one of active, reducing or halted"},
    {"name: x\nmode: activ\n", "t:2:7: mode: found \"activ\", wanted one of active, reducing or halted"},
    {"name: x\norders: {ttl: 5}\n", "t:2:15: orders.ttl: found \"5\", wanted a duration such as 500ms, 90s, 5m, 72h or 1d 1ns..7d"},
    {"name: x\norders: {ttl: 5min}\n", "t:2:15: orders.ttl: found \"5min\", wanted a duration such as 500ms, 90s, 5m, 72h or 1d 1ns..7d"},
    {"name: x\norders: {ttl: 0.5ns}\n", "t:2:15: orders.ttl: found \"0.5ns\", wanted a duration such as 500ms, 90s, 5m, 72h or 1d 1ns..7d"},
    {"name: x\norders: {ttl: 8d}\n", "t:2:15: orders.ttl: found \"8d\", wanted a duration such as 500ms, 90s, 5m, 72h or 1d 1ns..7d"},
    {"name: x\norders: {ttl: 1h30m}\n", "t:2:15: orders.ttl: found \"1h30m\", wanted a duration such as 500ms, 90s, 5m, 72h or 1d 1ns..7d"},
    {"name: &a x\n", "t:1:7: found an anchor (&), wanted a plain value"},
    {"name: *a\n", "t:1:7: found an alias (*), wanted the value itself"},
    {"name: !!str x\n", "t:1:7: found a tag (!), wanted a plain value"},
    {"name: x\nlimits: &l {positions_max: 1}\n", "t:2:9: found an anchor (&), wanted a plain value"},
    {"name: x\n<<: {mode: active}\n", "t:2:1: found unknown key \"<<\", allowed here: name, account, limits, orders, mode"},
    {"%YAML 1.1\n---\nname: x\n", "t:1:1: found a % directive, wanted plain keys and values"},
    {"name: x\n---\nname: y\n", "t:2:1: found a second document, wanted one"},
    {"- name: x\n", "t:1:1: found a list, wanted keys and values"},
    {"just a text\n", "t:1:1: found \"just a text\", wanted keys and values"},
    {"? [a, b]\n: c\n", "t:1:3: found a list, wanted a key"},
    {"name: x\n? \n: y\n", "t:2:2: found nothing, wanted a key"},
    {"name: x\n: y\n", "t:2:1: found malformed YAML, did not find expected key while parsing a block mapping"},
    {"name: \"x\n", "t:2:1: found malformed YAML, found unexpected end of stream while scanning a quoted scalar"},
    {"name: x\n  mode: active\n", "t:2:7: found malformed YAML, mapping values are not allowed in this context"},
    {"name: x\n\tmode: active\n", "t:2:1: found malformed YAML, found a tab character that violates indentation while scanning a plain scalar"},
    {"name: x\nmode: \xff\n", "t:2:7: found malformed YAML, invalid leading UTF-8 octet"},
    {"name: x\nmode: a\x01\n", "t:2:8: found malformed YAML, control characters are not allowed"},
    {"name: |\n  a\n", "t:1:7: name: found \"a?\", wanted a text at most 7 bytes"},
};

static void test_broken_documents(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        assert_int_equal(read_text(broken[i].text), ERROR_CONFIG);
        assert_string_equal(error.text, broken[i].message);
        assert_int_equal(error.code, ERROR_CONFIG);
    }
}

static void test_nul_bytes(void **state) {
    (void)state;
    assert_int_equal(config_read_text("t", "name: x\nmo\0e: y\n", 16, keys, KEYS, &target, NULL, NULL, &error), ERROR_CONFIG);
    assert_string_equal(error.text, "t:2:3: found a NUL byte, wanted text");
}

static void test_bounds_of_the_document(void **state) {
    (void)state;
    size_t size = ((size_t)1 << 20) + 1;
    char *text = malloc(size);
    memset(text, '#', size);
    assert_int_equal(config_read_text("t", text, size, keys, KEYS, &target, NULL, NULL, &error), ERROR_CONFIG);
    assert_string_equal(error.text, "t:1:1: found more than 1048576 bytes, wanted at most that");
    memset(text, '[', size - 1); /* deep nesting ends at its first level */
    memcpy(text, "name: ", 6);
    assert_int_equal(config_read_text("t", text, size - 1, keys, KEYS, &target, NULL, NULL, &error), ERROR_CONFIG);
    memset(text, 'k', size - 1); /* a key longer than any path */
    memcpy(text + size - 3, ": x", 3);
    assert_int_equal(config_read_text("t", text, size - 1, keys, KEYS, &target, NULL, NULL, &error), ERROR_CONFIG);
    free(text);
}

/* A table that contradicts itself is caught at the first reading. */
static void test_default_outside_its_own_bounds(void **state) {
    (void)state;
    static const struct config_key wrong[] = {CONFIG_INT(struct sample, depth, "depth", "", 1, 5, "9", "levels")};
    assert_int_equal(config_read_text("t", "", 0, wrong, 1, &target, NULL, NULL, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "built-in default \"9\""));
}

static void test_files(void **state) {
    (void)state;
    char path[] = "/tmp/bulkhead-config-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "name: x\n", 8), 8);
    close(file);
    assert_int_equal(config_read(path, keys, KEYS, &target, NULL, NULL, &error), 0);
    assert_string_equal(target.name, "x");
    unlink(path);
    assert_int_equal(config_read(path, keys, KEYS, &target, NULL, NULL, &error), ERROR_NOT_FOUND);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(config_read("/", keys, KEYS, &target, NULL, NULL, &error), ERROR_SYSTEM);
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------ */

struct seen {
    int count, lines[8], stop_at;
    int64_t depths[8];
};

static int item_take(void *context, const void *item, int line, struct error *failure) {
    struct seen *seen = context;
    const struct sample *sample = item;
    seen->lines[seen->count] = line;
    seen->depths[seen->count++] = sample->depth;
    return seen->count == seen->stop_at ? error_set(failure, ERROR_FULL, "enough") : 0;
}

static int read_list(const char *text, struct seen *seen) {
    memset(&error, 0, sizeof(error));
    return config_read_list_text("t", text, strlen(text), "items", keys, KEYS, &target, sizeof(target), item_take, seen, hash, &error);
}

static void test_list(void **state) {
    (void)state;
    struct seen seen = {0};
    const char *text = "items:\n  - name: a\n    orders: {book: {depth: 5}}\n  - name: b\n\n  - {name: c, orders: {book: {depth: 7}}}\n";
    assert_int_equal(read_list(text, &seen), 0);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.lines[0], 2);
    assert_int_equal(seen.lines[1], 4);
    assert_int_equal(seen.lines[2], 6);
    assert_int_equal(seen.depths[0], 5);
    assert_int_equal(seen.depths[1], 0); /* nothing is left over from the item before */
    assert_int_equal(seen.depths[2], 7);
    struct seen stopped = {.stop_at = 2};
    assert_int_equal(read_list(text, &stopped), ERROR_FULL);
    assert_int_equal(stopped.count, 2);
    struct seen none = {0};
    assert_int_equal(read_list("items: []\n", &none), 0);
    assert_int_equal(none.count, 0);
}

static void test_broken_lists(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } lists[] = {
        {"items:\n  - name: a\n  - mode: active\n", "t:3:5: found no key \"name\", wanted a text at most 7 bytes: who"},
        {"items:\n  - name: a\n    nam: b\n", "t:3:5: found unknown key \"nam\", did you mean \"name\"?"},
        {"items:\n  - a\n", "t:2:5: items: found \"a\", wanted \"- key: value\" entries"},
        {"items: {name: a}\n", "t:1:8: items: found a section, wanted a list"},
        {"item:\n  - name: a\n", "t:1:1: found \"item\", wanted the key \"items\""},
        {"items: []\nitems: []\n", "t:2:1: found key \"items\" twice, wanted it once"},
        {"items: []\nmore: []\n", "t:2:1: found \"more\", wanted the key \"items\""},
        {"", "t:1:1: found the end, wanted the key \"items\" with a list"},
        {"- name: a\n", "t:1:1: found a list, wanted the key \"items\" with a list"},
        {"items: &x []\n", "t:1:8: found an anchor (&), wanted a plain value"},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct seen seen = {0};
        assert_int_equal(read_list(lists[i].text, &seen), ERROR_CONFIG);
        assert_string_equal(error.text, lists[i].message);
    }
}

static void put(void *context, const char *text) {
    char *all = context;
    size_t used = strlen(all);
    snprintf(all + used, 4096 - used, "%s", text);
}

static void test_schema_is_documented(void **state) {
    (void)state;
    char all[4096] = "";
    config_print_schema(keys, KEYS, put, all);
    assert_non_null(strstr(all, "| `limits.daily_loss` | percent | 0..100 | % | `2.5 %` | of equity |\n"));
    assert_non_null(strstr(all, "| `name` | text | at most 7 bytes |  | required | who |\n"));
    assert_non_null(strstr(all, "| `mode` | choice | active, reducing or halted |  | `active` | trading state |\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_hash_is_canonical),
        cmocka_unit_test(test_broken_documents),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_bounds_of_the_document),
        cmocka_unit_test(test_default_outside_its_own_bounds),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_broken_lists),
        cmocka_unit_test(test_schema_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
