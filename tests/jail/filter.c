/*
 * Tests of sandbox/jailed/filter.c: both programs are interpreted, decision by decision, against a table written in plain C
 * from policy/syscalls.md. Every system call number from -2 to 1023, each with and without the x32 bit, three architectures,
 * arguments at their corners. 0 mismatches, and every instruction of both programs must have run.
 *
 * The table shares nothing with the code under test: numbers of flags are written out.
 */
#include "jail_test.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "jailed/filter.h"

#define ALLOW_CALL SECCOMP_RET_ALLOW
#define KILL SECCOMP_RET_KILL_PROCESS

static unsigned char covered[2][FILTER_INSTRUCTIONS_MAX];

static uint32_t load_word(const struct seccomp_data *data, uint32_t at) {
    uint32_t word = 0;
    assert_true(at + 4 <= sizeof(*data));
    memcpy(&word, (const char *)data + at, 4);
    return word;
}

static bool jump_taken(uint16_t code, uint32_t word, uint32_t k) {
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return word == k;
    case BPF_JGT:
        return word > k;
    case BPF_JGE:
        return word >= k;
    case BPF_JSET:
        return (word & k) != 0;
    default:
        fail_msg("jump 0x%x", code);
    }
    return false;
}

/* The kernel's classic BPF, as far as filters use it. Anything else fails the test. */
static uint32_t interpret(const struct filter *filter, const struct seccomp_data *data, unsigned char *cover) {
    uint32_t word = 0;
    for (unsigned at = 0; at < filter->count; at++) {
        const struct sock_filter *i = &filter->instructions[at];
        cover[at] = 1;
        if (i->code == (BPF_RET | BPF_K)) {
            return i->k;
        } else if (i->code == (BPF_LD | BPF_W | BPF_ABS)) {
            word = load_word(data, i->k);
        } else if (i->code == (BPF_ALU | BPF_AND | BPF_K)) {
            word &= i->k;
        } else if (i->code == (BPF_JMP | BPF_JA)) {
            at += i->k;
        } else if (BPF_CLASS(i->code) == BPF_JMP && BPF_SRC(i->code) == BPF_K) {
            at += jump_taken(i->code, word, i->k) ? i->jt : i->jf;
        } else {
            fail_msg("instruction 0x%x at %u", i->code, at);
        }
    }
    fail_msg("ran off the end");
    return 0;
}

/* ---- the plain table --------------------------------------------------------------------------------------------- */

static bool truth_deciding(const struct seccomp_data *d) {
    uint32_t operation = (uint32_t)d->args[1];
    switch (d->nr) {
    case 202: /* futex: wait without timeout, wake */
        return ((operation == 0 || operation == 128) && d->args[3] == 0) || operation == 1 || operation == 129;
    case 1: /* write: 8 bytes to the event */
        return (uint32_t)d->args[0] == 3 && d->args[2] == 8;
    case 9: /* mmap: r/w at most; private anonymous, with or without NORESERVE 0x4000 and STACK 0x20000 */
        return d->args[2] <= 3 &&
               (d->args[3] == 0x22 || d->args[3] == 0x4022 || d->args[3] == 0x20022 || d->args[3] == 0x24022);
    case 25: /* mremap: may move at most */
        return d->args[3] <= 1;
    case 11:  /* munmap */
    case 12:  /* brk */
    case 231: /* exit_group */
        return true;
    default:
        return false;
    }
}

/* mmap of the file: private, with or without FIXED 0x10 and DENYWRITE 0x800; r, rw, or rx. Or private anonymous fixed, r/w. */
static bool truth_loading_mmap(const struct seccomp_data *d) {
    uint64_t protection = d->args[2], flags = d->args[3];
    bool file_flags = flags == 0x2 || flags == 0x12 || flags == 0x802 || flags == 0x812;
    bool file_protection = protection <= 3 || protection == 4 || protection == 5;
    return ((uint32_t)d->args[4] == 7 && file_flags && file_protection) || (flags == 0x32 && protection <= 3);
}

static uint32_t truth_loading(const struct seccomp_data *d) {
    switch (d->nr) {
    case 0:  /* read */
    case 17: /* pread64 */
    case 5:  /* fstat */
    case 3:  /* close: the strategy's descriptor only */
        return (uint32_t)d->args[0] == 7 ? ALLOW_CALL : KILL;
    case 9: /* mmap */
        return truth_loading_mmap(d) ? ALLOW_CALL : KILL;
    case 10: /* mprotect: to nothing or read-only */
        return d->args[2] <= 1 ? ALLOW_CALL : KILL;
    case 257: /* openat, answered in the process */
    case 262: /* newfstatat, answered in the process */
        return SECCOMP_RET_TRAP;
    case 15: /* rt_sigreturn */
        return ALLOW_CALL;
    case 317: /* seccomp: add a filter, no flags */
        return (uint32_t)d->args[0] == 1 && (uint32_t)d->args[1] == 0 ? ALLOW_CALL : KILL;
    default:
        return KILL;
    }
}

static uint32_t truth(enum filter_stage stage, const struct seccomp_data *d) {
    if (d->arch != AUDIT_ARCH_X86_64) {
        return KILL;
    }
    if (truth_deciding(d)) {
        return ALLOW_CALL;
    }
    return stage == FILTER_LOADING ? truth_loading(d) : KILL;
}

/* ---- the comparison ---------------------------------------------------------------------------------------------- */

/* clang-format off */
static const uint64_t corners[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0x12, 0x20, 0x21, 0x22, 0x32, 0x122, 0x802, 0x812, 0x1022, 0x4022, 0x20022, 0x24022, 0x40022,
    0x2022, 0x100022, 128, 129, 130, 134, 0x1000003, 0x2000001, 0x7fffffff, 0x80000000, 0xffffff9c, 0xffffffff, 0x100000000,
    0x100000001, 0x100000002, 0x100000003, 0x100000007, 0x100000008, 0x100000022, 0x8000000000000000, 0x8000000000000003, UINT64_MAX,
};
/* clang-format on */
#define CORNERS (sizeof(corners) / sizeof(corners[0]))

static uint64_t seed = 88172645463325252u;
static uint64_t decisions, mismatches;
static bool quiet;
static struct filter filters[2];

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void compare(const struct seccomp_data *data) {
    for (int i = 0; i < 2; i++) {
        enum filter_stage stage = i == 0 ? FILTER_LOADING : FILTER_DECIDING;
        uint32_t found = interpret(&filters[i], data, covered[i]);
        uint32_t wanted = truth(stage, data);
        decisions++;
        if (found != wanted && mismatches++ < 10 && !quiet) {
            printf("# stage %d call %d arch %x args %llx %llx %llx %llx %llx: found %x, wanted %x\n", stage, data->nr,
                   data->arch, data->args[0], data->args[1], data->args[2], data->args[3], data->args[4], found, wanted);
        }
    }
}

/* Every pair of arguments through all corners, the others at values that let calls pass. */
static void compare_pairs(struct seccomp_data data) {
    static const uint64_t passing[] = {7, 0, 1, 0x802, 7, 0};
    for (int a = 0; a < 5; a++) {
        for (int b = a + 1; b < 5; b++) {
            memcpy(data.args, passing, sizeof(passing));
            for (size_t i = 0; i < CORNERS * CORNERS; i++) {
                data.args[a] = corners[i / CORNERS];
                data.args[b] = corners[i % CORNERS];
                compare(&data);
            }
        }
    }
}

static void compare_random(struct seccomp_data data, int draws) {
    for (int i = 0; i < draws; i++) {
        for (int a = 0; a < 6; a++) {
            data.args[a] = corners[next_random() % CORNERS];
        }
        compare(&data);
    }
}

static bool call_is_in_a_table(int nr) {
    static const int calls[] = {0, 1, 3, 5, 9, 10, 11, 12, 15, 17, 25, 202, 231, 257, 262, 317};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i] == nr) {
            return true;
        }
    }
    return false;
}

static void test_every_decision(void **state) {
    (void)state;
    static const uint32_t architectures[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, 0};
    for (int nr = -2; nr < 1024; nr++) {
        for (size_t a = 0; a < 3; a++) {
            for (int x32 = 0; x32 < 2; x32++) {
                struct seccomp_data data = {.nr = x32 ? nr | 0x40000000 : nr, .arch = architectures[a]};
                compare_random(data, 40);
                if (a == 0 && !x32 && call_is_in_a_table(nr)) {
                    compare_pairs(data);
                    compare_random(data, 60000);
                }
            }
        }
    }
    printf("# %llu decisions, %llu mismatches\n", (unsigned long long)decisions, (unsigned long long)mismatches);
    assert_int_equal(mismatches, 0);
}

static void test_every_instruction_ran(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        unsigned missed = 0;
        for (unsigned at = 0; at < filters[i].count; at++) {
            if (!covered[i][at]) {
                printf("# stage %d: instruction %u never ran\n", i + 1, at);
                missed++;
            }
        }
        printf("# stage %d: %u instructions, %u missed\n", i + 1, filters[i].count, missed);
        assert_int_equal(missed, 0);
    }
}

/* The comparison must be able to fail: a filter with one wrong constant is caught. */
static void test_a_wrong_filter_is_caught(void **state) {
    (void)state;
    struct filter kept = filters[1];
    uint64_t before = decisions;
    for (unsigned at = 0; at < filters[1].count; at++) {
        struct sock_filter *i = &filters[1].instructions[at];
        if (BPF_CLASS(i->code) == BPF_JMP && i->k == SYS_munmap) {
            i->k = SYS_execve;
        }
    }
    quiet = true;
    compare_random((struct seccomp_data){.nr = SYS_execve, .arch = AUDIT_ARCH_X86_64}, 10);
    filters[1] = kept;
    quiet = false;
    assert_true(mismatches > 0);
    mismatches = 0;
    decisions = before;
}

static int build_both(void **state) {
    (void)state;
    return filter_build(&filters[0], FILTER_LOADING) || filter_build(&filters[1], FILTER_DECIDING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wrong_filter_is_caught),
        cmocka_unit_test(test_every_decision),
        cmocka_unit_test(test_every_instruction_ran),
    };
    return cmocka_run_group_tests(tests, build_both, NULL);
}
