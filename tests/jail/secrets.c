/*
 * Tests that no byte of the host reaches a slot: needles lie in the host's arguments, environment, heap, stack and data; a
 * slot searches every page of its address space for them. A control search finds one that was given to it.
 *
 * The program starts itself again, so that arguments and environment carry the needle from the start.
 */
#include "jail_test.h"

#include <sys/random.h>

#include "agents/observer.h"

#define BLOCKS 2000

static char needle[33]; /* in the data of the host */
static char *blocks[BLOCKS];

static void needle_make(char *text) {
    unsigned char bytes[16];
    assert_int_equal(getrandom(bytes, sizeof(bytes), 0), sizeof(bytes));
    for (int i = 0; i < 16; i++) {
        snprintf(text + 2 * i, 3, "%c%c", 'b' + bytes[i] % 16, 'b' + bytes[i] / 16);
    }
}

static void needle_spread(void) {
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = (size_t)64 << (i % 12);
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        snprintf(blocks[i], size, "key=%s", needle);
    }
    for (int i = 0; i < BLOCKS; i += 3) { /* freed memory remembers as well */
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

/* Turned by one in each letter: what the slot is told is no hit itself. */
static void needle_turned(char *text) {
    for (int i = 0; i < 33; i++) {
        text[i] = needle[i] ? (char)(needle[i] + 1) : '\0';
    }
}

static struct observed search(bool give_it_away) {
    static struct jail jail;
    static struct agent_param params[2];
    volatile char on_stack[64];
    for (int i = 0; i < 33; i++) {
        on_stack[i] = needle[i];
    }
    jail_open(&jail, build_path("tests/jail/agents/observer.so"));
    snprintf(params[0].name, sizeof(params[0].name), "needle");
    needle_turned(params[0].text);
    snprintf(params[1].name, sizeof(params[1].name), "text");
    snprintf(params[1].text, sizeof(params[1].text), "%s", needle);
    jail.options.params = params;
    jail.options.param_count = give_it_away ? 2 : 1;
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 0, 30 * SECOND), SLOT_ANSWERED);
    struct observed seen;
    memcpy(&seen, slot_reply(&jail.slot)->wishes, sizeof(seen));
    jail_close(&jail);
    printf("# %llu pages read, %llu hits\n", (unsigned long long)seen.pages, (unsigned long long)seen.hits);
    assert_true(on_stack[0] == needle[0]);
    return seen;
}

static void test_the_search_finds_what_was_given_away(void **state) {
    (void)state;
    assert_true(search(true).hits >= 2); /* the parameter, and the agent's copy of it */
}

static void test_no_needle_reaches_a_slot(void **state) {
    (void)state;
    struct observed seen = search(false);
    assert_true(seen.pages > 500); /* program, libc, libm, stack, heap, memories */
    assert_int_equal(seen.hits, 0);
}

int main(int argument_count, char **arguments) {
    if (argument_count < 2) {
        needle_make(needle);
        char name[] = "secrets";
        char *again[] = {name, needle, NULL};
        setenv("BULKHEAD_API_KEY", needle, 1);
        execv("/proc/self/exe", again);
        return 1;
    }
    snprintf(needle, sizeof(needle), "%s", arguments[1]);
    needle_spread();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_search_finds_what_was_given_away),
        cmocka_unit_test(test_no_needle_reaches_a_slot),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    return failed;
}
