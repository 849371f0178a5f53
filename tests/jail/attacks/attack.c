/*
 * attack.c - the hostile strategy: one attack, made at one place in its life, both written into the file by the test.
 *
 * An attack that returns says whether it gained something; then the wish of the next turn has the id ESCAPED and the test
 * fails. Most never return. It makes its system calls by hand, because it may run before it is relocated.
 */
#include "agent.h"
#include "list.h"
#include "wire.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define AT_CWD (-100)
#define PATH(text) ((long)(text))
#define ZEROES ((long)zeroes)
#define OWN_PAGE ((long)own_page)
#define CANARY ((long)order.canary)
#define CANARY_NEW ((long)order.canary_new)
#define HOST_MEM ((long)order.host_memory)
#define HOST ((long)order.host)
#define EVENT 3
#define FILTER_ADD 317, 1, 0

extern const struct agent_vtable agent_entry_v1;

static volatile struct attack_order order = {.marker = ORDER_MARKER, .name = "none", .place = "call"};
static char zeroes[4096];
static char own_page[4096] __attribute__((aligned(4096)));
static volatile int escaped;
static const struct agent_snapshot *seen; /* in a call */
static struct agent_wish *answer;

static long call(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static bool same(const volatile char *a, const char *b) {
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    return *a == *b;
}

/* ---- the three memories, found even where no call gave a pointer ------------------------------------------------- */

struct memories {
    const struct wire_market *market;
    size_t market_size;
    const struct wire_private *private_memory;
    struct wire_reply *reply;
};

/* A wake on a shared futex has to look at the page: EFAULT when there is none. */
static bool readable(uintptr_t address) {
    return call(202, (long)(address & ~3ul), 1, 0, 0, 0, 0) >= 0;
}

static bool are_memories(const uintptr_t *words) {
    for (int i = 0; i < 4; i++) {
        if (words[i] < 4096 || words[i] % 4096 != 0 || words[i] >> 47 || (i != 1 && !readable(words[i]))) {
            return false;
        }
    }
    const struct wire_private *private_memory = (const void *)words[2];
    return ((const struct wire_market *)words[0])->magic == WIRE_MAGIC && readable((uintptr_t)&private_memory->setup) &&
           private_memory->setup.magic == WIRE_MAGIC;
}

/* Walks up the stack of the process to what main keeps there. */
static bool memories_find(struct memories *found) {
    const uintptr_t *at = __builtin_frame_address(0);
    for (; readable((uintptr_t)(at + 3)); at++) {
        if (are_memories(at)) {
            memcpy(found, at, sizeof(*found));
            return true;
        }
    }
    return false;
}

static struct memories memories(void) {
    struct memories found = {0};
    if (!memories_find(&found)) {
        __builtin_trap();
    }
    return found;
}

static void ring(uint64_t count) {
    call(1, EVENT, (long)&count, 8, 0, 0, 0);
}

/* ---- clocks and instructions ------------------------------------------------------------------------------------- */

static int attack_gate_i386(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    return result > 0;
}

static int attack_vsyscall_time(void) {
    long (*vsyscall_time)(long *) = (long (*)(long *))(uintptr_t)0xffffffffff600400ul;
    return vsyscall_time(NULL) > 0;
}

static int attack_vdso_clock(void) {
    struct timespec now = {0};
    return clock_gettime(CLOCK_MONOTONIC, &now) == 0;
}

static int attack_vdso_clock_coarse(void) {
    struct timespec now = {0};
    return clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0;
}

static int attack_vdso_time(void) {
    return time(NULL) > 0;
}

static int attack_timestamp_counter(void) {
    unsigned low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (low | high) != 0;
}

static int attack_timestamp_counter_p(void) {
    unsigned low, high, core;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(core));
    return (low | high | core) != 0;
}

static int attack_performance_register(void) {
    unsigned low, high;
    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(0));
    return (low | high) != 0;
}

static int attack_halt(void) {
    __asm__ volatile("hlt");
    return 1;
}

static int attack_port_write(void) {
    __asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"(0x80));
    return 1;
}

static int attack_illegal(void) {
    __asm__ volatile("ud2");
    return 1;
}

static int attack_divide_by_zero(void) {
    volatile int zero = 0;
    return 7 / zero;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int write_to(volatile void *address) {
    *(volatile char *)address = (char)0xc3;
    return 1;
}

static int attack_write_null(void) {
    volatile char *volatile null = NULL;
    return write_to(null);
}

static int attack_write_code(void) {
    return write_to((void *)(uintptr_t)attack_write_null);
}
static int attack_write_own_entry(void) {
    return write_to((void *)(uintptr_t)&agent_entry_v1.generate_signals);
}
static int attack_write_libc(void) {
    return write_to((void *)(uintptr_t)abort);
}
static int attack_write_market(void) {
    return write_to((void *)(uintptr_t)memories().market);
}
static int attack_write_private(void) {
    return write_to((void *)(uintptr_t)memories().private_memory);
}

/* A second mapping of the same pages is as read-only as the first. */
static int attack_write_market_copy(void) {
    struct memories found = memories();
    long copy = call(25, (long)found.market, 0, (long)found.market_size, 1, 0, 0);
    if (copy < 0) {
        __builtin_trap();
    }
    return write_to((void *)copy);
}

static int run(void *code) {
    *(volatile unsigned char *)code = 0xc3; /* ret */
    ((void (*)(void))(uintptr_t)code)();
    return 1;
}

static int attack_run_stack(void) {
    char code[16];
    return run(code);
}

static int attack_run_heap(void) {
    return run(malloc(64));
}
static int attack_run_data(void) {
    return run(zeroes);
}
static int attack_run_reply(void) {
    return run(memories().reply->state);
}

static int attack_stack_overflow(void) {
    volatile char page[4096];
    page[0] = 1;
    return attack_stack_overflow() + page[0];
}

__attribute__((noinline)) static int attack_stack_smash(void) {
    volatile uintptr_t *frame = __builtin_frame_address(0);
    frame[1] = 0x4141414141414141ul;
    return 1;
}

static int attack_smash_runner(void) {
    volatile uintptr_t *frame = __builtin_frame_address(0);
    for (int i = 1; i < 512; i++) {
        frame[i] = 0x4242424242424242ul;
    }
    return 1;
}

static int attack_jump_wild(void) {
    ((void (*)(void))(uintptr_t)0x123456789000ul)();
    return 1;
}

static int attack_exhaust_heap(void) {
    int count = 0;
    for (char *block; count < 100000 && (block = malloc(1 << 20)) != NULL; count++) {
        *(volatile char *)block = 1;
    }
    return count >= 100000;
}

static int attack_exhaust_maps(void) {
    int count = 0;
    while (count < 20000 && call(9, 0, 1 << 20, 0, 0x22, -1, 0) > 0) {
        count++;
    }
    return count >= 20000;
}

static int attack_exhaust_break(void) {
    long at = call(12, 0, 0, 0, 0, 0, 0);
    for (int i = 0; i < 10000; i++) {
        if (call(12, at + (1 << 20), 0, 0, 0, 0, 0) == at) {
            return 0;
        }
        at += 1 << 20;
    }
    return 1;
}

static int attack_unmap_reply(void) {
    struct memories found = memories();
    call(11, (long)found.reply, sizeof(struct wire_reply), 0, 0, 0, 0);
    return 0;
}

static int attack_unmap_everything(void) {
    call(11, 0, 0x7ffffffff000l, 0, 0, 0, 0);
    return 1;
}

/* ---- libc -------------------------------------------------------------------------------------------------------- */

static int attack_abort_process(void) {
    abort();
}

static int attack_free_twice(void) {
    char *volatile block = malloc(32);
    char *volatile again = block;
    free(block);
    free(again);
    return 1;
}

static int attack_load_library(void) {
    return dlopen("libcrypto.so.3", RTLD_NOW) != NULL;
}

static void *thread(void *unused) {
    escaped = 1;
    return unused;
}

static int attack_start_thread(void) {
    pthread_t started;
    return pthread_create(&started, NULL, thread, NULL) == 0;
}

static int attack_second_open(void) {
    for (int i = 0; i < 3; i++) {
        if (call(257, AT_CWD, PATH("/strategy"), 0, 0, 0, 0) >= 0 || call(257, AT_CWD, PATH("/etc/passwd"), 0, 0, 0, 0) >= 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static int attack_loop(void) {
    while (!escaped) {
    }
    return 1;
}

static int attack_wait_forever(void) {
    while (!escaped) {
        call(202, OWN_PAGE, 0, *(int *)own_page, 0, 0, 0);
    }
    return 1;
}

/* ---- the protocol ------------------------------------------------------------------------------------------------ */

static int attack_ring_flood(void) {
    for (int i = 0; i < 1000; i++) {
        ring(1);
    }
    return 0;
}

static int attack_ring_saturate(void) {
    ring(UINT64_MAX - 1);
    return 0;
}

static int attack_ring_early(void) {
    ring(1);
    for (volatile int i = 0; i < 20000000; i++) { /* the host looks meanwhile */
    }
    return 0;
}

static int attack_ring_wrong_number(void) {
    memories().reply->head.bell = 12345;
    return attack_ring_early();
}

static int attack_lie_failed(void) {
    struct wire_reply *reply = memories().reply;
    reply->head.status = WIRE_FAILED;
    reply->head.step = 0xffffffff;
    memset(reply->failure, 0x1b, sizeof(reply->failure));
    return 0;
}

static int attack_lie_sleeping(void) {
    atomic_store(&memories().reply->head.sleeping, 1);
    return 0;
}

static int attack_lie_everything(void) {
    struct wire_reply *reply = memories().reply;
    memset(reply, 0xff, sizeof(*reply));
    return 0;
}

/* Own pages where the shared ones were: the host sees its own reply, untouched, and hears a bell that it did not expect. */
static int attack_cover_reply(void) {
    struct memories found = memories();
    call(9, (long)found.reply, 4096, 3, 0x32, -1, 0);
    return 0;
}

/* Own pages where the bell was: nobody hears the host any more. */
static int attack_cover_private(void) {
    struct memories found = memories();
    call(9, (long)found.private_memory, 4096, 3, 0x32, -1, 0);
    return 0;
}

/* ret allow */
struct instruction {
    unsigned short code;
    unsigned char jt, jf;
    unsigned k;
};

static long filter_allow_all(void) {
    struct instruction allow = {.code = 6, .k = 0x7fff0000};
    struct {
        unsigned short count;
        struct instruction *instructions;
    } program = {1, &allow};
    return call(FILTER_ADD, (long)&program, 0, 0, 0);
}

static int attack_filter_more(void) {
    filter_allow_all();
    return 0;
}

/* In a call: answers itself, and lets the slot answer again. While loading: says READY and never returns. */
static int attack_pretend_ready(void) {
    struct memories found = memories();
    if (seen) {
        found.reply->head.bell = found.private_memory->command.bell;
        ring(1);
        return 0;
    }
    found.reply->head.status = WIRE_READY;
    ring(1);
    return attack_loop();
}

/* Stays in stage 1 for ever with as many filters as an honest slot, answers every turn, and uses what it has left. */
static int attack_impostor(void) {
    filter_allow_all();
    struct memories found = memories();
    uint32_t bell = found.private_memory->command.bell;
    found.reply->head.status = WIRE_READY;
    while (!escaped) {
        bool through = attack_second_open() != 0;
        found.reply->head.result = through;
        found.reply->wishes[0].wish_id = through ? ESCAPED : 0;
        found.reply->head.sequence = found.private_memory->command.sequence;
        atomic_store(&found.reply->head.bell, bell);
        ring(1);
        while (atomic_load(&found.private_memory->command.bell) == bell) {
            call(202, (long)&found.private_memory->command.bell, 0, bell, 0, 0, 0);
        }
        bell = atomic_load(&found.private_memory->command.bell);
    }
    return 1;
}

/* ---- where and which --------------------------------------------------------------------------------------------- */

/* Only an open that gave a descriptor is a gain; for the rest the test looks at the world. */
static int call_gained(long number, long result) {
    return (number == 257 || number == 262) && result >= 0;
}

static int attack(void) {
#define X(attack_name, number, a, b, c, d, e, f, deciding, loading)                                                            \
    if (same(order.name, #attack_name)) {                                                                                      \
        return call_gained(number, call(number, a, b, c, d, e, f));                                                            \
    }
    ATTACK_CALLS(X)
#undef X
#define X(attack_name, deciding, loading)                                                                                      \
    if (same(order.name, #attack_name)) {                                                                                      \
        return attack_##attack_name();                                                                                         \
    }
    ATTACK_CODE(X)
#undef X
    return same(order.name, "none") ? 0 : 1;
}

static void attack_at(const char *place) {
    if (same(order.place, place) && attack()) {
        escaped = 1;
    }
}

static int honest(void) {
    return AGENT_OK;
}

__attribute__((used)) static int (*resolve(void))(void) {
    attack_at("ifunc");
    return honest;
}

static int chosen(void) __attribute__((ifunc("resolve")));

__attribute__((constructor)) static void construct(void) {
    attack_at("constructor");
}

static int init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    (void)self, (void)setup, (void)services;
    attack_at("init");
    return chosen();
}

static int generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    (void)self, (void)max;
    seen = snapshot;
    answer = out;
    attack_at("call");
    out[0].wish_id = ESCAPED;
    return escaped != 0;
}

static void on_fill(void *self, const struct agent_fill *fill) {
    (void)self, (void)fill;
    attack_at("fill");
}

static int64_t save(const void *self, void *bytes, uint64_t max) {
    (void)self, (void)bytes, (void)max;
    attack_at("save");
    return 0;
}

static void fini(void *self) {
    (void)self;
    attack_at("fini");
}

AGENT_ENTRY = {
    AGENT_IDENTITY("attack", "1"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .bars = {1}, .decide_us_max = 1000},
    .self_size = 8,
    .state_schema = 1,
    .state_max = 4096,
    .init = init,
    .fini = fini,
    .generate_signals = generate,
    .on_fill = on_fill,
    .save = save,
};
