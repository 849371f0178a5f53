/*
 * Tests with mutated strategy files: bytes changed at random, mostly where a loader looks. Each is linted, and then started
 * and asked past the lint. The host must not notice more than a dead slot, and no start or turn may outlast its deadline.
 *
 * $ELF_MUTANTS (2000) files; $ELF_SEED (1) chooses which. A failure prints seed and number, which give the same file again.
 */
#include "attack_file.h"

#include <elf.h>

#define FILES 3
#define EDITS_MAX 12

static struct {
    unsigned char *bytes;
    size_t size;
} originals[FILES];

static uint64_t random_state;

static uint64_t random_next(void) { /* splitmix64 */
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t bound) {
    return random_next() % bound;
}

/* Places a loader looks at: header, program headers, the first page (hash, symbols, relocations), dynamic section, the entry.
 */
static size_t place_choose(const unsigned char *bytes, size_t size) {
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof(header));
    switch (random_below(6)) {
    case 0:
        return random_below(sizeof(header));
    case 1:
        return sizeof(header) + random_below((uint64_t)header.e_phnum * sizeof(Elf64_Phdr) + 1);
    case 2:
    case 3:
        return random_below(size < 4096 ? size : 4096);
    case 4: {
        size_t span = size / 3;
        return span + random_below(span); /* data and dynamic section of these small files */
    }
    default:
        return random_below(size);
    }
}

static uint64_t value_choose(void) {
    static const uint64_t corners[] = {0,    1,    2,      5,          6,          7,           8,
                                       0x7f, 0xff, 0x1000, 0x7fffffff, 0xffffffff, 0x100000000, UINT64_MAX};
    return random_below(2) ? corners[random_below(sizeof(corners) / sizeof(corners[0]))] : random_next();
}

static void mutate(unsigned char *bytes, size_t *size, const unsigned char *original, size_t original_size) {
    memcpy(bytes, original, original_size);
    *size = original_size;
    uint64_t edits = 1 + random_below(EDITS_MAX);
    for (uint64_t i = 0; i < edits; i++) {
        size_t at = place_choose(original, original_size) % original_size;
        size_t width = (size_t)1 << random_below(4);
        uint64_t value = value_choose();
        at = width > 1 ? at & ~(width - 1) : at;
        if (at + width <= original_size) {
            memcpy(bytes + at, &value, width);
        }
    }
    if (random_below(20) == 0) {
        *size = random_below(original_size) + 1;
    }
}

static struct {
    unsigned admitted, answered, refused, killed, late;
    int64_t worst_ns;
} count;

/* Past the lint: whatever a mutant does, it does inside. */
static void start_and_ask(struct jail *jail) {
    jail_force(jail);
    if (jail->strategy.entry.state_max > AGENT_STATE_MAX) {
        jail->strategy.entry.state_max = 0; /* the host sizes the reply by it; the lint bounds it before */
    }
    if (jail->strategy.entry.self_size > AGENT_SELF_MAX) {
        jail->strategy.entry.self_size = 0;
    }
    jail->options.start_ns_max = 300 * MS;
    int64_t begin = test_now_ns();
    if (jail_start(jail) == 0) {
        enum slot_answer answer = jail_turn(jail, 0, 300 * MS);
        count.answered += answer == SLOT_ANSWERED;
        count.killed += answer == SLOT_DEAD;
    } else {
        count.refused++;
    }
    count.late += jail->slot.death.reason == REASON_SLOT_DEADLINE;
    int64_t taken = test_now_ns() - begin;
    count.worst_ns = taken > count.worst_ns ? taken : count.worst_ns;
    slot_kill(&jail->slot, REASON_SLOT_STOPPED, NULL);
    assert_true(taken < 2 * SECOND);
}

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_mutants(void **state) {
    (void)state;
    static struct jail jail;
    static unsigned char bytes[1 << 20];
    uint64_t mutants = setting("ELF_MUTANTS", 2000), seed = setting("ELF_SEED", 1);
    int descriptors = host_descriptors(), threads = host_threads();
    for (uint64_t i = 0; i < mutants; i++) {
        random_state = seed * 1000003 + i;
        size_t file = random_below(FILES), size;
        mutate(bytes, &size, originals[file].bytes, originals[file].size);
        jail_open_bytes(&jail, bytes, size);
        count.admitted += jail.strategy.admitted;
        start_and_ask(&jail);
        jail_close(&jail);
        if (host_descriptors() != descriptors || host_threads() != threads) {
            fail_msg("seed %llu, mutant %llu: the host's descriptors or threads changed", (unsigned long long)seed,
                     (unsigned long long)i);
        }
    }
    printf("# %llu mutants: %u admitted by the lint; started: %u answered, %u refused, %u killed in a turn, %u of both late; "
           "worst %.0f ms\n",
           (unsigned long long)mutants, count.admitted, count.answered, count.refused, count.killed, count.late,
           (double)count.worst_ns / 1e6);
}

static int setup(void **state) {
    (void)state;
    static const char *const files[FILES] = {"strategies/flat.so", "strategies/sma_cross.so", "tests/jail/agents/observer.so"};
    for (size_t i = 0; i < FILES; i++) {
        originals[i].bytes = file_read_whole(build_path(files[i]), &originals[i].size);
        assert_true(originals[i].size <= 1 << 20);
    }
    static struct jail first; /* the slot program is opened once and stays open */
    jail_started(&first, build_path(files[0]));
    jail_close(&first);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        free(originals[i].bytes);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutants)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
