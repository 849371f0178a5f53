/*
 * Tests of what lies between: the shared memories cannot be resized, unsealed or written where they should not be, and a host
 * that copies once is unharmed by a reply that changes under its eyes.
 */
#include "attack_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- seals ------------------------------------------------------------------------------------------------------- */

static void expect_size_is_fixed(int fd, size_t size) {
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR | O_CLOEXEC);
    assert_true(again >= 0); /* reopening for writing succeeds: only the seals hold */
    assert_true(ftruncate(again, 0) < 0 && errno == EPERM);
    assert_true(ftruncate(again, (off_t)size * 2) < 0 && errno == EPERM);
    assert_true(fcntl(again, F_ADD_SEALS, F_SEAL_WRITE) < 0);
    assert_true(fallocate(again, 0, 0, (off_t)size * 2) < 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, size);
    close(again);
}

static void expect_no_writing(int fd, size_t size) {
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_true(write(fd, "x", 1) < 0);
    assert_true(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    void *read_only = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(read_only != MAP_FAILED);
    assert_true(mprotect(read_only, size, PROT_READ | PROT_WRITE) < 0);
    munmap(read_only, size);
    int again = open(path, O_RDWR | O_CLOEXEC);
    assert_true(again >= 0);
    assert_true(write(again, "x", 1) < 0 && errno == EPERM);
    assert_true(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED);
    assert_true(fallocate(again, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size) < 0);
    close(again);
}

static void test_host_memory_is_sealed(void **state) {
    (void)state;
    struct shared_memory memory;
    struct error error = {0};
    assert_int_equal(shared_memory_open(&memory, SHARED_HOST_WRITES, 10000, &error), 0);
    assert_int_equal(memory.size, 12288);
    ((char *)memory.bytes)[9999] = 1; /* the host itself still writes */
    expect_size_is_fixed(memory.fd, memory.size);
    expect_no_writing(memory.fd, memory.size);
    shared_memory_close(&memory);
    shared_memory_close(&memory);
    shared_memory_close(NULL);
}

static void test_reply_memory_keeps_its_size(void **state) {
    (void)state;
    struct shared_memory memory;
    struct error error = {0};
    assert_int_equal(shared_memory_open(&memory, SHARED_SLOT_WRITES, 4096, &error), 0);
    expect_size_is_fixed(memory.fd, memory.size);
    assert_true(mprotect(memory.bytes, memory.size, PROT_READ | PROT_WRITE) ==
                0); /* nothing but its own wish makes the host write */
    shared_memory_close(&memory);
}

static void test_strategy_is_sealed(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path("strategies/flat.so"));
    expect_size_is_fixed(jail.strategy.fd, jail.strategy.size);
    expect_no_writing(jail.strategy.fd, jail.strategy.size);
    jail_close(&jail);
}

static void test_a_slot_refuses_unsealed_memory(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path("strategies/flat.so"));
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(unsealed, (off_t)jail.market.size), 0);
    struct shared_memory market = {.bytes = jail.market.bytes, .size = jail.market.size, .fd = unsealed};
    jail.options.market = &market;
    assert_int_equal(jail_start(&jail), ERROR_SLOT);
    assert_int_equal(jail.slot.death.reason, REASON_SLOT_START);
    assert_non_null(strstr(jail.slot.death.text, "sealed"));
    close(unsealed);
    jail_close(&jail);
}

/* ---- a reply that changes ---------------------------------------------------------------------------------------- */

/* Another process flips bytes all over the reply, head included, as fast as it can. */
static pid_t flipper_start(const struct jail *jail, size_t from, size_t span) {
    pid_t flipper = fork();
    if (flipper == 0) {
        size_t size = jail->slot.reply_memory.size;
        volatile unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, jail->slot.reply_memory.fd, 0);
        uint64_t seed = 12345;
        if (bytes == MAP_FAILED) {
            _exit(1);
        }
        for (;;) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[from + (seed >> 33) % span] ^= (unsigned char)(1u << (seed >> 20) % 8);
        }
    }
    return flipper;
}

static void flipper_stop(pid_t flipper) {
    kill(flipper, SIGKILL);
    waitpid(flipper, NULL, 0);
}

/* What a host may conclude from a copied answer; on the copy, both looks see the same. */
static bool answer_fits(const struct wire_answer *answer, uint64_t sequence) {
    return answer->sequence == sequence && answer->result >= 0 && (uint32_t)answer->result <= AGENT_WISHES_MAX &&
           answer->log_count <= WIRE_LOGS_MAX;
}

static void test_flipped_heads_never_harm_the_host(void **state) {
    (void)state;
    static struct jail jail;
    unsigned answered = 0, deaths = 0, accepted = 0;
    int descriptors = 0;
    for (int round = 0; round < 20; round++) {
        jail_started(&jail, build_path("tests/jail/agents/observer.so"));
        pid_t flipper = flipper_start(&jail, 0, round % 2 ? sizeof(struct wire_answer) : sizeof(struct wire_reply));
        for (uint64_t i = 0; i < 200 && jail.slot.pid != 0; i++) {
            if (jail_turn(&jail, i, 100 * MS) == SLOT_ANSWERED) {
                struct wire_answer copy;
                memcpy(&copy, &slot_reply(&jail.slot)->head, sizeof(copy));
                accepted += answer_fits(&copy, i);
                answered++;
            }
        }
        deaths += jail.slot.pid == 0;
        for (const char *c = jail.slot.death.text; *c; c++) {
            assert_true(*c >= ' ' && *c <= '~');
        }
        flipper_stop(flipper);
        jail_close(&jail);
        descriptors = descriptors ? descriptors : host_descriptors();
        assert_int_equal(host_descriptors(), descriptors);
    }
    printf("# %u answers, %u of them well-formed, %u slots killed for their answer\n", answered, accepted, deaths);
}

/* The wishes alone: a copy is what is judged and used; reading the shared memory twice would have seen two things. */
static void test_only_the_copy_counts(void **state) {
    (void)state;
    static struct jail jail;
    jail_started(&jail, build_path("tests/jail/agents/observer.so"));
    assert_int_equal(jail_turn(&jail, 0, SECOND), SLOT_ANSWERED);
    pid_t flipper = flipper_start(&jail, offsetof(struct wire_reply, wishes), sizeof(uint64_t));
    const volatile uint64_t *shared = (const volatile uint64_t *)(const void *)slot_reply(&jail.slot)->wishes;
    uint64_t twice = 0, copies = 0;
    int64_t end = test_now_ns() + 300 * MS;
    while (test_now_ns() < end) {
        for (int i = 0; i < 1000; i++) {
            twice += *shared != *shared;
            uint64_t copy = *shared, checked = copy;
            copies += copy != checked;
        }
    }
    flipper_stop(flipper);
    printf("# read twice: %llu differences; copied once: %llu\n", (unsigned long long)twice, (unsigned long long)copies);
    assert_int_equal(copies, 0);
    jail_close(&jail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_memory_is_sealed),
        cmocka_unit_test(test_reply_memory_keeps_its_size),
        cmocka_unit_test(test_strategy_is_sealed),
        cmocka_unit_test(test_a_slot_refuses_unsealed_memory),
        cmocka_unit_test(test_flipped_heads_never_harm_the_host),
        cmocka_unit_test(test_only_the_copy_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
