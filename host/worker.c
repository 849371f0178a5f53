/*
 * worker.c - bulkhead-worker: research speed. Engine and strategy in one jailed process; the strategy is called directly.
 *
 * What comes in: the bars (market memory), the job (private memory, extra), the strategy (sealed descriptor). What goes out:
 * one struct backtest_result and, when room was given, the records (reply memory, extra). The jail is that of a slot, closed
 * before the strategy is loaded; everything that needs the kernel is taken before.
 *
 * It deliberately promises less than a slot: the strategy shares memory with the engine and could forge its own result or
 * look at later bars. So results are marked "not isolated" and never count for a promotion; the account, the files and
 * the network are as far away as in every slot.
 */
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backtest.h"
#include "jailed.h"
#include "runner.h"

static struct jailed jailed;
static struct runner runner;
static struct wire_private *own_private;
static struct wire_reply *own_reply;

static void *pages(size_t size) {
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        jailed_fail(&jailed, WIRE_STEP_MAP, "no memory");
    }
    return bytes;
}

/* ---- the agent without a doorbell ------------------------------------------------------------------------------------------------ */

static void direct_ring(void *context, enum wire_command command, uint64_t sequence) {
    (void)context, (void)command, (void)sequence;
    runner_turn(&runner);
}

static enum slot_answer direct_wait(void *context, int64_t timeout_ns, bool kill_late) {
    (void)context, (void)timeout_ns, (void)kill_late;
    return SLOT_ANSWERED;
}

static struct slot_death direct_death_seen;

static void direct_end(void *context, int reason, const char *text) {
    (void)context;
    direct_death_seen.reason = reason;
    memccpy(direct_death_seen.text, text, 0, sizeof(direct_death_seen.text) - 1);
}

static const struct slot_death *direct_death(void *context) {
    (void)context;
    return &direct_death_seen;
}

static int direct_seat(void *context, uint32_t agent, const struct market *market, struct engine_seat *seat, struct error *error) {
    const struct backtest *b = context;
    const struct backtest_agent *a = &b->job->agents[agent];
    struct wire_setup *setup = &own_private->setup;
    setup->magic = WIRE_MAGIC;
    setup->size = sizeof(*own_private);
    setup->seed = a->seed;
    setup->direct = 1;
    setup->param_count = a->param_count;
    memcpy(setup->params, a->params, sizeof(setup->params));
    backtest_timeframes(b->job, &b->market, agent, setup->timeframe);
    void *self = pages(jailed.agent->self_size);
    if (runner_init(&runner, jailed.agent, market->memory, own_private, own_reply, self) != 0) {
        return error_set(error, ERROR_SLOT, "%s did not start: %.200s", a->name, own_reply->failure);
    }
    seat->link = (struct seat_link){.ring = direct_ring, .wait = direct_wait, .end = direct_end, .death = direct_death};
    seat->private_memory = own_private;
    seat->reply = own_reply;
    return 0;
}

/* ---- the host's side of it ------------------------------------------------------------------------------------------------------------ */

static void event_add(void) {
    uint64_t one = 1;
    if (write(WIRE_FD_EVENT, &one, sizeof(one)) != sizeof(one)) {
        _exit(2);
    }
}

/* READY, then the go: the host's clock starts with the bell. */
static void ready(void *context) {
    (void)context;
    const struct wire_bell *command = &jailed.private_memory->command;
    atomic_store(&jailed.reply->head.bell, atomic_load(&command->bell));
    jailed.reply->head.status = WIRE_READY;
    event_add();
    while (atomic_load(&command->bell) == 0) {
        syscall(SYS_futex, &command->bell, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
}

int main(void) {
    static struct runfile runfile;
    static struct backtest b;
    struct error error = {0};
    jailed_map(&jailed);
    const struct wire_setup *setup = &jailed.private_memory->setup;
    const struct backtest_job *job = (const void *)((const char *)jailed.private_memory + setup->extra_at);
    unsigned char *out = (unsigned char *)jailed.reply + setup->reply_extra_at;
    struct backtest_result *result = (void *)out;
    if (setup->extra_size != sizeof(*job) || job->magic != BACKTEST_MAGIC || setup->reply_extra_size < sizeof(*result)) {
        jailed_fail(&jailed, WIRE_STEP_MAP, "the job is not of this version");
    }
    size_t room = setup->reply_extra_size - sizeof(*result);
    own_private = pages(sizeof(*own_private));
    own_reply = pages(sizeof(*own_reply) + job->agents[0].state_max);
    if (backtest_market(job, &b.market, &error) != 0 ||
        runfile_memory(&runfile, room ? out + sizeof(*result) : NULL, room, &error) != 0) {
        jailed_fail(&jailed, WIRE_STEP_MAP, error.text);
    }
    b.job = job;
    b.data = jailed.market;
    b.market_memory = pages(market_size(&b.market));
    b.host = (struct backtest_host){.context = &b, .seat = direct_seat, .ready = ready, .direct = true};
    b.runfile = &runfile;
    unsigned char warm[HASH_BYTES];
    hash_bytes("", 0, warm); /* libcrypto's lazy first steps need the kernel */
    jailed_enter(&jailed, setup->address_max);
    jailed_load(&jailed);
    backtest_run(&b, result);
    if (!jailed.reply->head.status) {
        jailed_fail(&jailed, WIRE_STEP_INIT, result->text); /* it failed before the first turn */
    }
    runfile_result(&runfile, result->hash);
    if (runfile_close(&runfile, NULL, &error) != 0 && result->code == 0) {
        result->code = error.code;
        memcpy(result->text, error.text, sizeof(result->text));
    }
    atomic_store_explicit(&jailed.reply->head.bell, atomic_load(&jailed.private_memory->command.bell), memory_order_release);
    event_add();
    _exit(0);
}
