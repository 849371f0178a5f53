/*
 * slot.c - one slot seen from the host: start, ring, wait, kill.
 *
 *   1. One command is outstanding at most; the bell number that answers must be the one that was rung.
 *   2. The eventfd must read exactly 1, and only while a command is outstanding. Anything else is a slot that rang on its own.
 *   3. Of the reply only head.bell, and at the start head.status, are read here, each once. The caller copies the rest, once.
 *   4. Every wait has an end, and watches the pidfd: a dead slot is noticed at once when sleeping, within 2 ms when spinning.
 *   5. A dead slot is reaped where it is noticed; slot->death says how it ended.
 */
#include "internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/reason.h"

#define START_NS_DEFAULT INT64_C(1000000000)
#define LANDLOCK_ABI_MAX 99
#define ADDRESS_DEFAULT (UINT64_C(256) << 20)
#define SPINS_BETWEEN_YIELDS 2000 /* at 15-50 ns each: 30-100 us, then the slot may need this core */
#define YIELDS_BETWEEN_LOOKS 8    /* at clock and pidfd: 0.25-1 ms */

int64_t jailer_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static uint64_t place(uint64_t *end, size_t size) {
    uint64_t at = (*end + 63) & ~UINT64_C(63);
    *end = at + size;
    return size ? at : 0;
}

static void setup_fill(struct slot *slot, const struct slot_options *options, uint64_t state_at, uint64_t extra_at) {
    struct wire_setup *setup = &slot_private(slot)->setup;
    setup->magic = WIRE_MAGIC;
    setup->size = slot->private_memory.size;
    setup->seed = options->seed;
    setup->spin = options->spin;
    setup->direct = options->direct;
    memcpy(setup->timeframe, options->timeframe, sizeof(setup->timeframe));
    setup->param_count = options->param_count;
    if (options->param_count) {
        memcpy(setup->params, options->params, options->param_count * sizeof(setup->params[0]));
    }
    setup->state_schema = options->state_schema;
    setup->state_size = options->state ? options->state_size : 0;
    setup->state_at = state_at;
    setup->extra_at = extra_at;
    setup->extra_size = options->extra_size;
    setup->host_pid = getpid();
    char *bytes = slot->private_memory.bytes;
    if (setup->state_size) {
        memcpy(bytes + state_at, options->state, options->state_size);
    }
    if (options->extra_size) {
        memcpy(bytes + extra_at, options->extra, options->extra_size);
    }
    uint64_t shared = options->market->size + slot->private_memory.size + slot->reply_memory.size;
    uint64_t room = ADDRESS_DEFAULT + shared + options->strategy->entry.self_size + options->strategy->size;
    setup->address_max = options->address_max ? options->address_max : room;
}

static int memories_open(struct slot *slot, const struct slot_options *options, struct error *error) {
    uint64_t private_end = sizeof(struct wire_private);
    uint64_t state_at = place(&private_end, options->state ? options->state_size : 0);
    uint64_t extra_at = place(&private_end, options->extra_size);
    uint64_t reply_end = sizeof(struct wire_reply) + options->strategy->entry.state_max;
    uint64_t reply_extra_at = place(&reply_end, options->reply_extra_size);
    int code = shared_memory_open(&slot->private_memory, SHARED_HOST_WRITES, private_end, error);
    if (!code) {
        code = shared_memory_open(&slot->reply_memory, SHARED_SLOT_WRITES, reply_end, error);
    }
    if (!code) {
        setup_fill(slot, options, state_at, extra_at);
        slot_private(slot)->setup.reply_extra_at = reply_extra_at;
        slot_private(slot)->setup.reply_extra_size = options->reply_extra_size;
        slot->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        code = slot->event_fd >= 0 ? 0 : error_set_errno(error, "eventfd");
    }
    return code;
}

static int options_check(const struct slot_options *options, struct error *error) {
    const struct strategy *strategy = options->strategy;
    if (!strategy || strategy->fd < 0 || !options->market || options->market->fd < 0 || !options->title) {
        return error_set(error, ERROR_USAGE, "a slot needs a strategy, a market memory and a title");
    }
    if (!strategy->admitted) {
        return error_set(error, ERROR_ABI, "%.200s: %.200s", strategy->path,
                         strategy->finding_count ? strategy->findings[0].text : "not admitted");
    }
    if (options->param_count > AGENT_PARAMS_MAX || options->state_size > AGENT_STATE_MAX) {
        return error_set(error, ERROR_RANGE, "%.200s: %u parameters (at most %d), %zu bytes of state (at most %u)",
                         strategy->path, options->param_count, AGENT_PARAMS_MAX, options->state_size, AGENT_STATE_MAX);
    }
    return 0;
}

/* READY is one event, the status word, and the kernel's word. Everything else has filled slot->death. */
static bool ready_wait(struct slot *slot, int64_t start_ns_max) {
    slot->asked = true;
    int64_t timeout = start_ns_max > 0 ? start_ns_max : START_NS_DEFAULT;
    bool spin = slot->spin;
    slot->spin = false; /* READY always goes through the eventfd */
    enum slot_answer answer = slot_wait(slot, timeout, true);
    slot->spin = spin;
    if (answer != SLOT_ANSWERED) {
        return false;
    }
    char fault[160];
    if (*(const volatile uint32_t *)&slot_reply(slot)->head.status != WIRE_READY) {
        slot_end(slot, REASON_SLOT_DOORBELL, "rang before it was ready");
        return false;
    }
    if (!slot_is_jailed(slot, fault, sizeof(fault))) {
        slot_end(slot, REASON_SLOT_START, fault);
        return false;
    }
    return true;
}

static void slot_free(struct slot *slot) {
    if (slot->event_fd > 0) {
        close(slot->event_fd);
    }
    slot->event_fd = -1;
    shared_memory_close(&slot->private_memory);
    shared_memory_close(&slot->reply_memory);
}

int slot_start(struct slot *slot, const struct slot_options *options, struct error *error) {
    memset(slot, 0, sizeof(*slot));
    slot->pidfd = slot->event_fd = slot->private_memory.fd = slot->reply_memory.fd = -1;
    slot->spin = options->spin;
    int code = options_check(options, error);
    int64_t begin = jailer_now_ns();
    if (!code) {
        code = memories_open(slot, options, error);
    }
    if (!code) {
        code = slot_spawn(slot, options, error);
    }
    if (!code && !ready_wait(slot, options->start_ns_max)) {
        code = error_set(error, ERROR_SLOT, "%.120s did not start: %.240s", options->title, slot->death.text);
    }
    if (code) {
        slot_end(slot, REASON_SLOT_START, error->text);
        slot_free(slot);
        slot->death.reason = slot->death.reason ? slot->death.reason : REASON_SLOT_START;
        return code;
    }
    int64_t taken = (jailer_now_ns() - begin) / 1000;
    slot->start_us = taken > 0 ? taken : 1;
    uint32_t landlock = *(const volatile uint32_t *)&slot_reply(slot)->head.landlock_abi;
    slot->landlock_abi = landlock <= LANDLOCK_ABI_MAX ? landlock : 0; /* the slot's word, for display */
    slot->namespaces = *(const volatile uint32_t *)&slot_reply(slot)->head.namespaces == 1;
    return 0;
}

/* ---- one turn ---------------------------------------------------------------------------------------------------- */

static void bell_wake(const struct wire_bell *command) {
    syscall(SYS_futex, &command->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void slot_ring(struct slot *slot, enum wire_command command, uint64_t sequence) {
    if (slot->pid == 0) {
        return;
    }
    struct wire_bell *bell = &slot_private(slot)->command;
    bell->command = command;
    bell->sequence = sequence;
    slot->asked = true;
    slot->bell++;
    atomic_store_explicit(&bell->bell, slot->bell, memory_order_seq_cst);
    if (!slot->spin) {
        slot->rung_ns = jailer_now_ns();
        bell_wake(bell);
    } else if (atomic_load_explicit(&slot_reply(slot)->head.sleeping, memory_order_seq_cst)) {
        bell_wake(bell);
    }
}

static bool answered(const struct slot *slot) {
    return atomic_load_explicit(&slot_reply(slot)->head.bell, memory_order_acquire) == slot->bell;
}

static enum slot_answer dead(struct slot *slot, int reason, const char *text) {
    slot_end(slot, reason, text);
    return SLOT_DEAD;
}

/* The eventfd is readable: rules 1 and 2. */
static enum slot_answer event_take(struct slot *slot) {
    uint64_t count = 0;
    if (read(slot->event_fd, &count, sizeof(count)) != sizeof(count)) {
        return SLOT_PENDING;
    }
    char text[96];
    if (!slot->asked || count != 1) {
        snprintf(text, sizeof(text), "rang %llu times %s", (unsigned long long)count,
                 slot->asked ? "for one answer" : "unasked");
        return dead(slot, REASON_SLOT_DOORBELL, text);
    }
    if (!answered(slot)) {
        uint32_t found = atomic_load_explicit(&slot_reply(slot)->head.bell, memory_order_relaxed);
        snprintf(text, sizeof(text), "rang with answer %u when asked %u", found, slot->bell);
        return dead(slot, REASON_SLOT_DOORBELL, text);
    }
    slot->asked = false;
    return SLOT_ANSWERED;
}

/* One poll of eventfd and pidfd. An answer that came before the end still counts. */
static enum slot_answer look(struct slot *slot, int64_t timeout_ns) {
    struct pollfd fds[2] = {{.fd = slot->event_fd, .events = POLLIN}, {.fd = slot->pidfd, .events = POLLIN}};
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    if (ppoll(fds, 2, &timeout, NULL) <= 0) {
        return SLOT_PENDING;
    }
    enum slot_answer answer = fds[0].revents ? event_take(slot) : SLOT_PENDING;
    if (answer == SLOT_PENDING && fds[1].revents) {
        slot_reap(slot);
        return SLOT_DEAD;
    }
    return answer;
}

static enum slot_answer late(struct slot *slot, bool kill_late) {
    return kill_late && slot->asked ? dead(slot, REASON_SLOT_DEADLINE, "no answer in time") : SLOT_PENDING;
}

static enum slot_answer wait_sleeping(struct slot *slot, int64_t timeout_ns, bool kill_late) {
    int64_t end = jailer_now_ns() + timeout_ns;
    int64_t left = timeout_ns;
    do { /* again only after a signal cut the poll short */
        enum slot_answer answer = look(slot, left);
        if (answer != SLOT_PENDING) {
            return answer;
        }
        left = end - jailer_now_ns();
    } while (left > 0);
    return late(slot, kill_late);
}

static bool spin(struct slot *slot, int count) {
    for (int i = 0; i < count; i++) {
        if (answered(slot)) {
            slot->asked = false;
            return true;
        }
        __builtin_ia32_pause();
    }
    return false;
}

/* A yield costs little when nobody waits for this core; when there are fewer free cores than promised, the slot does. */
static bool spin_and_yield(struct slot *slot) {
    for (int i = 0; i < YIELDS_BETWEEN_LOOKS; i++) {
        if (spin(slot, SPINS_BETWEEN_YIELDS)) {
            return true;
        }
        sched_yield();
    }
    return false;
}

static enum slot_answer wait_spinning(struct slot *slot, int64_t timeout_ns, bool kill_late) {
    int64_t end = 0;
    for (;;) {
        if (timeout_ns == 0 ? spin(slot, 1) : spin_and_yield(slot)) {
            return SLOT_ANSWERED;
        }
        enum slot_answer answer = look(slot, 0);
        if (answer != SLOT_PENDING) {
            return answer;
        }
        int64_t now = jailer_now_ns();
        end = end ? end : now + timeout_ns;
        if (now >= end) {
            return late(slot, kill_late);
        }
    }
}

enum slot_answer slot_wait(struct slot *slot, int64_t timeout_ns, bool kill_late) {
    if (slot->pid == 0) {
        return SLOT_DEAD;
    }
    return slot->spin && slot->asked ? wait_spinning(slot, timeout_ns, kill_late) : wait_sleeping(slot, timeout_ns, kill_late);
}

/* ---- end --------------------------------------------------------------------------------------------------------- */

void slot_kill(struct slot *slot, int reason, const char *text) {
    if (!slot || !slot->private_memory.bytes) {
        return;
    }
    slot_end(slot, reason, text ? text : reason_text(reason));
    slot_free(slot);
}

/* The answer to STOP, then the end of the process, each within what is left of the time. */
static bool stops(struct slot *slot, int64_t timeout_ns) {
    int64_t end = jailer_now_ns() + timeout_ns;
    if (slot->asked && slot_wait(slot, timeout_ns, false) != SLOT_ANSWERED) {
        return false;
    }
    slot_ring(slot, WIRE_STOP, slot_private(slot)->command.sequence);
    int64_t left = end - jailer_now_ns();
    if (slot_wait(slot, left > 0 ? left : 0, false) != SLOT_ANSWERED) {
        return false;
    }
    struct pollfd ended = {.fd = slot->pidfd, .events = POLLIN};
    left = (end - jailer_now_ns()) / 1000000;
    return poll(&ended, 1, left > 0 ? (int)left + 1 : 1) == 1;
}

void slot_stop(struct slot *slot, int64_t timeout_ns) {
    if (!slot || !slot->private_memory.bytes) {
        return;
    }
    if (slot->pid != 0 && stops(slot, timeout_ns)) {
        slot_reap(slot);
        if (slot->death.reason == REASON_SLOT_EXITED && slot->death.exit_code == 0) {
            slot->death.reason = REASON_SLOT_STOPPED;
            snprintf(slot->death.text, sizeof(slot->death.text), "stopped");
        }
    }
    slot_end(slot, REASON_SLOT_STOPPED, "killed: it did not stop in time");
    slot_free(slot);
}
