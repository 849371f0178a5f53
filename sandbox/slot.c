/*
 * slot.c - bulkhead-slot: one strategy behind a doorbell.
 *
 * map -> enter -> load -> memory of the agent -> init -> READY -> { wait for the bell, do the command, answer }.
 * How it shuts itself in is told in jailed/enter.c; what it may call then in policy/syscalls.md.
 *
 * The bell. Sleeping: FUTEX_WAIT on the host's word (the mapping is read-only; the kernel only compares), answer by the
 * eventfd. Spinning: look at the word with `pause` between, answer by the store alone. After about 2 ms without a bell
 * (sooner when that happens again and again, for then the host may need this core) the spinning slot says so in
 * head.sleeping, looks once more, and waits in the kernel. No wake-up is lost: the slot stores `sleeping` and then loads the
 * bell, the host stores the bell and then loads `sleeping`, all four sequentially consistent, so at least one of them sees
 * the other; and the kernel compares the word again before it sleeps.
 *
 * There is no clock in here, so the 2 ms are counted in pauses, measured once before the jail closes.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "jailed.h"
#include "runner.h"

#define SPIN_NS 2000000
#define SPIN_SAMPLE 2000u

static struct runner runner;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* How many looks at the bell make 2 ms on this machine. */
static uint32_t spins_measure(void) {
    int64_t begin = now_ns();
    for (uint32_t i = 0; i < SPIN_SAMPLE; i++) {
        __builtin_ia32_pause();
    }
    int64_t taken = now_ns() - begin;
    int64_t spins = SPIN_NS * (int64_t)SPIN_SAMPLE / (taken > 0 ? taken : 1);
    return (uint32_t)(spins < 1000 ? 1000 : spins > 1000000 ? 1000000 : spins);
}

static uint32_t bell_sleep(const struct wire_bell *command, uint32_t seen) {
    uint32_t bell;
    while ((bell = atomic_load_explicit(&command->bell, memory_order_seq_cst)) == seen) {
        syscall(SYS_futex, &command->bell, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
    return bell;
}

/* How long to spin: `most` looks, fewer after fruitless spins, because then the host may need this core. */
struct patience {
    uint32_t most, now;
};

static uint32_t bell_spin(const struct wire_bell *command, struct wire_answer *head, uint32_t seen, struct patience *patience) {
    for (uint32_t i = 0; i < patience->now; i++) {
        uint32_t bell = atomic_load_explicit(&command->bell, memory_order_acquire);
        if (bell != seen) {
            patience->now = patience->most;
            return bell;
        }
        __builtin_ia32_pause();
    }
    patience->now = patience->now / 2 > patience->most / 8 ? patience->now / 2 : patience->most / 8;
    atomic_store_explicit(&head->sleeping, 1, memory_order_seq_cst);
    uint32_t bell = bell_sleep(command, seen);
    atomic_store_explicit(&head->sleeping, 0, memory_order_relaxed);
    return bell;
}

static void event_add(void) {
    uint64_t one = 1;
    if (write(WIRE_FD_EVENT, &one, sizeof(one)) != sizeof(one)) {
        _exit(2); /* the counter is full: the strategy has rung on its own, and the host will say so */
    }
}

/* The agent's `self`: zeroed by the kernel, on pages of its own. */
static void *self_allocate(struct jailed *jailed) {
    void *self = mmap(NULL, jailed->agent->self_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED) {
        jailed_fail(jailed, WIRE_STEP_INIT, "self_size does not fit into the address space");
    }
    return self;
}

static _Noreturn void serve(struct jailed *jailed, uint32_t spins) {
    const struct wire_bell *command = &jailed->private_memory->command;
    struct wire_answer *head = &jailed->reply->head;
    bool spin = spins > 0;
    struct patience patience = {.most = spins, .now = spins};
    uint32_t seen = atomic_load(&command->bell);
    atomic_store(&head->bell, seen);
    head->status = WIRE_READY;
    event_add(); /* READY goes through the eventfd in both modes */
    for (;;) {
        seen = spin ? bell_spin(command, head, seen, &patience) : bell_sleep(command, seen);
        int stop = runner_turn(&runner);
        atomic_store_explicit(&head->bell, seen, memory_order_release);
        if (!spin) {
            event_add();
        }
        if (stop) {
            _exit(0);
        }
    }
}

int main(void) {
    struct jailed jailed;
    jailed_map(&jailed);
    uint32_t spins = jailed.private_memory->setup.spin ? spins_measure() : 0;
    jailed_enter(&jailed, jailed.private_memory->setup.address_max);
    jailed_load(&jailed);
    void *self = self_allocate(&jailed);
    if (runner_init(&runner, jailed.agent, jailed.market, jailed.private_memory, jailed.reply, self) != 0) {
        jailed.reply->head.status = WIRE_FAILED;
        _exit(1);
    }
    serve(&jailed, spins);
}
