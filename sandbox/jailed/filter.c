/*
 * filter.c - which system calls a jailed process may make. The table is told again, with reasons, in policy/syscalls.md.
 *
 * Guarantees: whatever is not in the lists below kills the process, and so does a call of another architecture (int 0x80)
 * or with an x32 number. No call that takes a path ever reaches the kernel: the one openat of the loader, and its fstat,
 * are trapped and answered by load.c. Every argument that matters is compared, 32 bits of an `int`, all 64 of a `long`
 * (SCMP_CMP_EQ would compare 64 bits of an int, whose upper half the kernel ignores and the compiler need not clear).
 *
 * A hostile constructor need never return, so stage 1 is what holds an attacker; stage 2 tightens it for code that is
 * merely wrong, and removes the last ways to map or read the strategy's file.
 *
 * Deliberately absent: clock_gettime (time is the snapshot's), futex with a timeout (no sleeping), restart_syscall (needed
 * only after a wait with a timeout), madvise, getrandom, every signal call.
 *
 * The program is built by libseccomp before any filter is in force and loaded by hand, because libseccomp probes the
 * kernel while it loads; tests/jail/filter_test.c interprets the program against a plain table.
 */
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire.h"

/* clang-format off */
#define MASKED(argument, mask, value) {(argument), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value)}
/* clang-format on */
#define INT_IS(argument, value) MASKED(argument, 0xffffffffull, value)
#define LONG_IS(argument, value) MASKED(argument, ~0ull, value)
/* All bits of the argument outside `allowed` are zero. */
#define WITHIN(argument, allowed) MASKED(argument, ~(scmp_datum_t)(allowed), 0)
/* All bits outside `allowed` are exactly `value`. */
#define BESIDE(argument, allowed, value) MASKED(argument, ~(scmp_datum_t)(allowed), value)

struct rule {
    uint32_t action;
    int call;
    unsigned count;
    struct scmp_arg_cmp arguments[3];
};

/* clang-format off */

/* The steady state. */
static const struct rule deciding[] = {
    /* the doorbell; uncontended locks of libc. No timeout: waiting is not a clock. No PI, no requeue */
    {SCMP_ACT_ALLOW, SYS_futex, 2, {INT_IS(1, FUTEX_WAIT), LONG_IS(3, 0)}},
    {SCMP_ACT_ALLOW, SYS_futex, 2, {INT_IS(1, FUTEX_WAIT_PRIVATE), LONG_IS(3, 0)}},
    {SCMP_ACT_ALLOW, SYS_futex, 1, {INT_IS(1, FUTEX_WAKE)}},
    {SCMP_ACT_ALLOW, SYS_futex, 1, {INT_IS(1, FUTEX_WAKE_PRIVATE)}},
    /* the answer */
    {SCMP_ACT_ALLOW, SYS_write, 2, {INT_IS(0, WIRE_FD_EVENT), LONG_IS(2, 8)}},
    /* malloc: anonymous, private, never executable, never at a fixed place */
    {SCMP_ACT_ALLOW, SYS_mmap, 2,
     {WITHIN(2, PROT_READ | PROT_WRITE), BESIDE(3, MAP_NORESERVE | MAP_STACK, MAP_PRIVATE | MAP_ANONYMOUS)}},
    {SCMP_ACT_ALLOW, SYS_munmap, 0, {{0, SCMP_CMP_EQ, 0, 0}}},
    {SCMP_ACT_ALLOW, SYS_mremap, 1, {WITHIN(3, MREMAP_MAYMOVE)}},
    {SCMP_ACT_ALLOW, SYS_brk, 0, {{0, SCMP_CMP_EQ, 0, 0}}},
    {SCMP_ACT_ALLOW, SYS_exit_group, 0, {{0, SCMP_CMP_EQ, 0, 0}}},
};

#define FILE_FLAGS (MAP_FIXED | MAP_DENYWRITE)

/* What dlopen needs on top; WIRE_FD_STRATEGY is the only file there is, and sealed. */
static const struct rule loading[] = {
    {SCMP_ACT_ALLOW, SYS_read, 1, {INT_IS(0, WIRE_FD_STRATEGY)}},
    {SCMP_ACT_ALLOW, SYS_pread64, 1, {INT_IS(0, WIRE_FD_STRATEGY)}},
    {SCMP_ACT_ALLOW, SYS_fstat, 1, {INT_IS(0, WIRE_FD_STRATEGY)}},
    {SCMP_ACT_ALLOW, SYS_close, 1, {INT_IS(0, WIRE_FD_STRATEGY)}},
    /* its segments: writable or executable, never both */
    {SCMP_ACT_ALLOW, SYS_mmap, 3,
     {INT_IS(4, WIRE_FD_STRATEGY), BESIDE(3, FILE_FLAGS, MAP_PRIVATE), WITHIN(2, PROT_READ | PROT_WRITE)}},
    {SCMP_ACT_ALLOW, SYS_mmap, 3,
     {INT_IS(4, WIRE_FD_STRATEGY), BESIDE(3, FILE_FLAGS, MAP_PRIVATE), WITHIN(2, PROT_READ | PROT_EXEC)}},
    /* its .bss, at a fixed place beside them */
    {SCMP_ACT_ALLOW, SYS_mmap, 2, {WITHIN(2, PROT_READ | PROT_WRITE), LONG_IS(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)}},
    /* RELRO and holes between segments; nothing becomes writable or executable */
    {SCMP_ACT_ALLOW, SYS_mprotect, 1, {WITHIN(2, PROT_READ)}},
    /* answered by the handler in load.c without the kernel seeing a path */
    {SCMP_ACT_TRAP, SYS_openat, 0, {{0, SCMP_CMP_EQ, 0, 0}}},
    {SCMP_ACT_TRAP, SYS_newfstatat, 0, {{0, SCMP_CMP_EQ, 0, 0}}},
    {SCMP_ACT_ALLOW, SYS_rt_sigreturn, 0, {{0, SCMP_CMP_EQ, 0, 0}}},
    /* to load stage 2; no flags, so no listener */
    {SCMP_ACT_ALLOW, SYS_seccomp, 2, {INT_IS(0, SECCOMP_SET_MODE_FILTER), INT_IS(1, 0)}},
};
/* clang-format on */

static int rules_add(scmp_filter_ctx context, const struct rule *rules, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int failed = seccomp_rule_add_array(context, rules[i].action, rules[i].call, rules[i].count, rules[i].arguments);
        if (failed) {
            return failed;
        }
    }
    return 0;
}

static int context_fill(scmp_filter_ctx context, enum filter_stage stage) {
    int failed = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!failed) {
        failed = rules_add(context, deciding, sizeof(deciding) / sizeof(deciding[0]));
    }
    if (!failed && stage == FILTER_LOADING) {
        failed = rules_add(context, loading, sizeof(loading) / sizeof(loading[0]));
    }
    if (!failed) { /* the two calls of every turn are compared first */
        failed = seccomp_syscall_priority(context, SYS_futex, 255);
    }
    if (!failed) {
        failed = seccomp_syscall_priority(context, SYS_write, 254);
    }
    return failed;
}

/* libseccomp 2.5 writes a program to descriptors only. A pipe takes it whole and knows no RLIMIT_FSIZE. */
static int context_export(scmp_filter_ctx context, struct filter *filter) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -errno;
    }
    int failed = seccomp_export_bpf(context, ends[1]);
    if (!failed) {
        ssize_t size = read(ends[0], filter->instructions, sizeof(filter->instructions));
        bool whole = size > 0 && size % (ssize_t)sizeof(filter->instructions[0]) == 0;
        bool fits = size < (ssize_t)sizeof(filter->instructions);
        failed = whole && fits ? 0 : -E2BIG;
        filter->count = failed ? 0 : (unsigned short)((size_t)size / sizeof(filter->instructions[0]));
    }
    close(ends[0]);
    close(ends[1]);
    return failed;
}

int filter_build(struct filter *filter, enum filter_stage stage) {
    filter->count = 0;
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!context) {
        return -ENOMEM;
    }
    int failed = context_fill(context, stage);
    if (!failed) {
        failed = context_export(context, filter);
    }
    seccomp_release(context);
    return failed;
}

int filter_load(const struct filter *filter) {
    struct sock_fprog program = {.len = filter->count, .filter = (struct sock_filter *)(uintptr_t)filter->instructions};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : -errno;
}
