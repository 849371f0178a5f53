/*
 * Tests of the exchange process and of the sim venue that talks to it: orders, a client that is killed half-way, reconnect,
 * query, fills since, positions, the order log as witness, malformed input, and the end of the process.
 */
#include "venue_test.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "sim/dice.h"
#include "sim/protocol.h"
#include "sim/sim.h"

struct process {
    pid_t pid;
    char folder[64], socket[100], log[100];
};

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static void process_start(struct process *p, const char *options) {
    char program[1024];
    snprintf(p->folder, sizeof(p->folder), "/tmp/bulkhead-venue-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->socket, sizeof(p->socket), "%s/socket", p->folder);
    snprintf(p->log, sizeof(p->log), "%s/log", p->folder);
    build_path("bin/bulkhead-exchange", program);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        dup2(ready[1], 1);
        execl(program, "bulkhead-exchange", "--socket", p->socket, "--log", p->log, "--options", options, "--with-parent", (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    char line[256];
    assert_true(read(ready[0], line, sizeof(line)) > 0); /* it said ready */
    close(ready[0]);
}

/* Ends it by its pid; returns the exit status. */
static int process_stop(struct process *p) {
    int status = 0;
    kill(p->pid, SIGTERM);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    unlink(p->log);
    unlink(p->socket);
    rmdir(p->folder);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the venue as the host has it ---------------------------------------------------------------------------------------------- */

struct client {
    const struct venue_vtable *vtable;
    struct venue *venue;
    struct told *told;
    struct instrument instruments[2];
    struct venue_host host;
    void *plugin;
};

static void client_open(struct client *c, const char *options) {
    char path[1024];
    struct error error = {0};
    memset(c, 0, sizeof(*c));
    c->plugin = dlopen(build_path("plugins/sim.so", path), RTLD_NOW | RTLD_LOCAL);
    if (c->plugin == NULL) {
        fail_msg("%s", dlerror());
    }
    c->vtable = dlsym(c->plugin, "venue_entry");
    assert_non_null(c->vtable);
    assert_true(c->vtable->version == VENUE_VERSION && c->vtable->size == sizeof(struct venue_vtable));
    assert_true((c->vtable->flags & VENUE_EXTERNAL) != 0);
    c->told = told_make();
    c->instruments[0] = test_instrument("AAA-USD");
    c->instruments[1] = test_instrument("BBB-USD");
    c->host = (struct venue_host){c->told, told_report, told_market, c->instruments, 2};
    struct venue_options venue_options = {.options = options, .home = "/tmp", .now_ns = START_NS};
    if (c->vtable->open(&c->venue, &venue_options, &c->host, &error) != 0) {
        fail_msg("%s", error.text);
    }
}

static void client_close(struct client *c) {
    c->vtable->close(c->venue);
    told_free(c->told);
    dlclose(c->plugin);
}

/* Polls until `count` reports of a kind were told, at most two seconds. */
static void client_wait(struct client *c, int kind, uint32_t count) {
    for (int i = 0; i < 2000 && c->told->kinds[kind] < count; i++) {
        c->vtable->poll(c->venue, clock_utc_ns());
        nap();
    }
    assert_true(c->told->kinds[kind] >= count);
}

static void client_submit(struct client *c, const char *id, uint16_t position, int purpose, int64_t lots, int64_t limit) {
    struct order o = test_order(id, 0, position, purpose, lots, limit);
    assert_int_equal(c->vtable->submit(c->venue, &o, 0), 0);
}

/* Polls until exchange time was stepped to `to_ns`; the venue steps when asked with that time. */
static void client_step(struct client *c, int64_t to_ns) {
    int64_t wake = 0;
    for (int i = 0; i < 2000 && (wake <= to_ns || wake == INT64_MAX); i++) {
        c->vtable->poll(c->venue, to_ns);
        wake = c->vtable->wake_ns(c->venue); /* the next step, or never while one is under way */
        nap();
    }
}

/* Counts lines of the log that hold all of the given texts. */
static int log_count(const char *path, const char *a, const char *b) {
    char line[MESSAGE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    int count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, a) != NULL && strstr(line, b) != NULL;
    }
    fclose(file);
    return count;
}

/* ---- tests ----------------------------------------------------------------------------------------------------------------------- */

static void test_orders_and_the_witness(void **state) {
    (void)state;
    struct process p;
    struct client c;
    char options[256];
    process_start(&p, "seed=3,step,start_ns=1700000000000000000");
    snprintf(options, sizeof(options), "step,trades,socket=%s", p.socket);
    client_open(&c, options);
    for (int i = 0; i < 2000 && c.told->kinds[VENUE_LINK_UP] == 0; i++) { /* time stands still meanwhile */
        c.vtable->poll(c.venue, START_NS);
        nap();
    }
    assert_int_equal(c.told->kinds[VENUE_LINK_UP], 1);
    struct stat status;
    assert_int_equal(stat(p.socket, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    client_step(&c, START_NS + 5 * NS_PER_S);
    assert_true(c.told->bars == 10 && c.told->turns == 5 && c.told->quotes > 0 && c.told->trades > 0);
    client_submit(&c, "a-1", 1, PURPOSE_ENTRY, 25, 0);
    client_submit(&c, "a-2", 2, PURPOSE_ENTRY, -5, 99000);
    client_step(&c, START_NS + 6 * NS_PER_S);
    assert_int_equal(c.told->kinds[VENUE_ACK], 2);
    assert_true(c.told->kinds[VENUE_FILL] >= 1 && told_last(c.told, VENUE_FILL)->fee_e8 > 0);
    client_submit(&c, "a-1", 1, PURPOSE_ENTRY, 25, 0); /* the same id again */
    c.vtable->query(c.venue, "a-2", 0, 0);
    c.vtable->query(c.venue, "a-3", 0, 0);
    client_step(&c, START_NS + 7 * NS_PER_S);
    assert_int_equal(c.told->kinds[VENUE_ACK], 2);
    assert_true(c.told->kinds[VENUE_STATE] == 2 && c.told->kinds[VENUE_ABSENT] == 1);
    assert_string_equal(told_last(c.told, VENUE_ABSENT)->client_id, "a-3");
    assert_int_equal(told_last(c.told, VENUE_STATE)->order_state, ORDER_ACKED);
    assert_int_equal(log_count(p.log, "\"log\":\"order\"", "\"id\":\"a-1\""), 2);
    assert_int_equal(log_count(p.log, "\"kind\":\"ack\"", "\"id\":\"a-1\""), 1);
    assert_int_equal(log_count(p.log, "\"kind\":\"state\"", "duplicate client id"), 1);
    assert_int_equal(log_count(p.log, "\"kind\":\"fill\"", "\"fill\""), (int)c.told->kinds[VENUE_FILL]);
    client_close(&c);
    assert_int_equal(process_stop(&p), 0);
}

/* A host in a process of its own submits without end and is killed; the exchange lives on and knows what reached it. */
static void host_child(const char *options, int position, int done) {
    struct client c;
    client_open(&c, options);
    client_wait(&c, VENUE_LINK_UP, 1);
    for (int i = 0;; i++) {
        char id[NAME_MAX_BYTES];
        snprintf(id, sizeof(id), "k%d-%d", position, i);
        struct order o = test_order(id, 0, (uint16_t)position, PURPOSE_ENTRY, i % 2 == 0 ? 3 : -2, 0);
        c.vtable->submit(c.venue, &o, 0); /* may be too much at once: refused, then it never left */
        c.vtable->poll(c.venue, clock_utc_ns());
        if (write(done, &i, sizeof(i)) != sizeof(i)) {
            _exit(1);
        }
    }
}

/* Net lots, fills and orders of the exchange by its log alone. */
struct witness {
    int64_t lots;
    uint32_t fills, orders;
};

static struct witness witness_read(const char *path) {
    struct witness w = {0};
    struct message m;
    char line[MESSAGE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (message_parse(&m, line, strcspn(line, "\n")) != 0) {
            fail_msg("the log has a line that is no message: %s", line);
        }
        if (strcmp(message_text(&m, "kind"), "fill") == 0) {
            w.lots += message_number(&m, "lots", 0);
            w.fills++;
        }
        w.orders += strcmp(message_text(&m, "log"), "order") == 0;
    }
    fclose(file);
    return w;
}

static void test_the_exchange_outlives_a_killed_host(void **state) {
    (void)state;
    struct process p;
    char options[256];
    uint32_t submitted = 0;
    struct dice dice = dice_init(11);
    process_start(&p, "seed=5,level_lots=1000000");
    snprintf(options, sizeof(options), "socket=%s,quotes=false", p.socket);
    for (int round = 0; round < 10; round++) {
        int done[2], last = -1;
        assert_int_equal(pipe(done), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(done[0]);
            host_child(options, round, done[1]);
        }
        close(done[1]);
        uint64_t until = 1 + dice_below(&dice, 1500);
        while (until-- > 0 && read(done[0], &last, sizeof(last)) == sizeof(last)) {
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(done[0]);
        submitted += (uint32_t)last + 1;
    }
    struct client c;
    client_open(&c, options);
    client_wait(&c, VENUE_LINK_UP, 1);
    c.vtable->fills_since(c.venue, 0);
    c.vtable->positions(c.venue);
    client_wait(&c, VENUE_POSITIONS_END, 1);
    struct witness w = witness_read(p.log);
    int64_t lots = 0, net = 0;
    for (uint32_t i = 0; i < c.told->count; i++) {
        lots += c.told->reports[i].kind == VENUE_FILL ? c.told->reports[i].lots : 0;
        net += c.told->reports[i].kind == VENUE_POSITION ? c.told->reports[i].lots : 0;
    }
    print_message("# 10 hosts killed after at least %u orders given, %u reached the exchange, %u fills\n", submitted, w.orders, w.fills);
    assert_true(w.orders >= 10 && c.told->kinds[VENUE_FILL] == w.fills && lots == w.lots && net == w.lots);
    uint32_t absent = c.told->kinds[VENUE_ABSENT];
    c.vtable->query(c.venue, "k0-0", 0, 0);
    c.vtable->query(c.venue, "k0-99999", 0, 0);
    client_wait(&c, VENUE_ABSENT, absent + 1);
    assert_int_equal(told_last(c.told, VENUE_STATE)->order_state, ORDER_FILLED);
    client_close(&c);
    assert_int_equal(process_stop(&p), 0);
}

static void test_faults_disconnect_and_come_back(void **state) {
    (void)state;
    struct process p;
    struct client c;
    char options[256];
    process_start(&p, "seed=5,disconnect_every=7,fills_twice,reject_every=5,ack_drop_every=3,level_lots=1000000");
    snprintf(options, sizeof(options), "socket=%s,quotes=false,reconnect_ms=5", p.socket);
    client_open(&c, options);
    uint32_t given = 0;
    for (int i = 0; i < 60; i++) {
        for (int n = 0; n < 200; n++) {
            c.vtable->poll(c.venue, clock_utc_ns());
            if (c.told->kinds[VENUE_LINK_UP] > c.told->kinds[VENUE_LINK_DOWN]) {
                break;
            }
            nap();
        }
        char id[NAME_MAX_BYTES];
        snprintf(id, sizeof(id), "f-%d", i);
        struct order o = test_order(id, 0, 0, PURPOSE_ENTRY, 1, 0);
        given += c.vtable->submit(c.venue, &o, 0) == 0;
        nap();
    }
    assert_true(c.told->kinds[VENUE_LINK_DOWN] >= 3 && c.told->kinds[VENUE_LINK_UP] >= 3);
    assert_true(log_count(p.log, "\"kind\":\"reject\"", "fault") >= 3);
    struct witness w = witness_read(p.log);
    assert_true(w.orders <= given && w.orders + 15 > given);
    client_close(&c);
    assert_int_equal(process_stop(&p), 0);
}

/* ---- malformed input -------------------------------------------------------------------------------------------------------------- */

static int raw_connect(const struct process *p) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    struct timeval patience = {.tv_usec = 20000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

static const char *const seeds[] = {
    "{\"op\":\"hello\",\"version\":1}\n",
    ("{\"op\":\"instrument\",\"i\":0,\"name\":\"AAA-USD\",\"tick\":1000000,\"lot\":1000000,\"multiplier\":100000000,\"minimum\":1,"
    "\"maker\":0,\"taker\":0,\"unit\":0,\"market\":1,\"long_only\":0,\"value_num\":10000,\"value_den\":1}\n"),
    "{\"op\":\"ready\",\"quotes\":1,\"trades\":1}\n",
    "{\"op\":\"order\",\"id\":\"z-1\",\"i\":0,\"group\":1,\"purpose\":0,\"lots\":5,\"limit\":0,\"stop\":0,\"target\":0,\"created\":1,\"expires\":0}\n",
    "{\"op\":\"cancel\",\"id\":\"z-1\"}\n", "{\"op\":\"protect\",\"i\":0,\"group\":1,\"stop\":5,\"target\":9}\n",
    "{\"op\":\"query\",\"id\":\"z-1\",\"i\":0}\n", "{\"op\":\"fills\",\"since\":0}\n", "{\"op\":\"positions\"}\n",
    "{\"op\":\"turn\"}\n", "{\"op\":\"step\",\"to\":1}\n", "{\"op\":\"nothing\"}\n", "\n", "{}\n", "[]\n", "{\"op\":\n",
};
#define SEEDS (sizeof(seeds) / sizeof(seeds[0]))

static void fuzz_connection(const struct process *p, struct dice *dice) {
    char bytes[8192];
    int fd = raw_connect(p);
    size_t used = 0;
    for (size_t i = 0; i < 3 && !dice_once_in(dice, 4); i++) { /* mostly introduced properly */
        used += (size_t)snprintf(bytes + used, sizeof(bytes) - used, "%s", seeds[i]);
    }
    size_t clean = used;
    for (int i = 0; i < 12 && used + 600 < sizeof(bytes); i++) {
        used += (size_t)snprintf(bytes + used, sizeof(bytes) - used, "%s", seeds[dice_below(dice, SEEDS)]);
    }
    for (uint64_t n = dice_below(dice, 6); n > 0 && used > clean; n--) {
        bytes[clean + dice_below(dice, used - clean)] = (char)dice_next(dice);
    }
    if (send(fd, bytes, used - (dice_once_in(dice, 3) ? dice_below(dice, 40) : 0), MSG_NOSIGNAL) < 0) {
        close(fd);
        return;
    }
    if (dice_once_in(dice, 4)) {
        (void)!recv(fd, bytes, sizeof(bytes), 0);
    }
    close(fd); /* often with answers unread */
}

static void test_malformed_input_is_answered_and_survived(void **state) {
    (void)state;
    struct process p;
    struct dice dice = dice_init(99);
    char answer[4096] = "";
    process_start(&p, "seed=5,step");
    int fd = raw_connect(&p);
    assert_true(send(fd, "what?\n", 6, 0) == 6);
    assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
    assert_non_null(strstr(answer, "malformed message"));
    static char endless[1 << 17];
    memset(endless, 'x', sizeof(endless));
    send(fd, endless, sizeof(endless), MSG_NOSIGNAL); /* a line without an end: cut off */
    for (int i = 0; i < 100 && recv(fd, answer, sizeof(answer), 0) > 0; i++) {
    }
    close(fd);
    for (int i = 0; i < 1500; i++) {
        fuzz_connection(&p, &dice);
    }
    assert_int_equal(kill(p.pid, 0), 0);
    assert_int_equal(waitpid(p.pid, NULL, WNOHANG), 0); /* alive */
    struct witness w = witness_read(p.log);
    print_message("# 1,500 damaged connections; %u orders got through as orders\n", w.orders);
    fd = raw_connect(&p); /* and it still answers */
    memset(answer, 0, sizeof(answer));
    assert_true(send(fd, "what?\n", 6, 0) == 6);
    assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
    assert_non_null(strstr(answer, "malformed message"));
    close(fd);
    assert_int_equal(process_stop(&p), 0);
}

static void test_shutdown_by_a_client(void **state) {
    (void)state;
    struct process p;
    int status = 0;
    process_start(&p, "seed=5");
    int fd = raw_connect(&p);
    const char *bye = "{\"op\":\"hello\",\"version\":1}\n{\"op\":\"shutdown\"}\n";
    assert_true(send(fd, bye, strlen(bye), 0) > 0);
    assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0 && access(p.socket, F_OK) != 0);
    close(fd);
    unlink(p.log);
    rmdir(p.folder);
}

/* ---- in this process ---------------------------------------------------------------------------------------------------------------- */

static void test_the_exchange_inside_the_host(void **state) {
    (void)state;
    struct client c;
    client_open(&c, "seed=7,speed=10,bars=30,trades,disconnect_every=40,reconnect_ms=100,fills_twice");
    assert_int_equal(c.told->kinds[VENUE_LINK_UP], 1);
    int64_t now = START_NS;
    int code = 0;
    for (int i = 0; code == 0 && i < 1000; i++) {
        now = c.vtable->wake_ns(c.venue) > now ? c.vtable->wake_ns(c.venue) : now + NS_PER_MS;
        code = c.vtable->poll(c.venue, now);
        char id[NAME_MAX_BYTES];
        snprintf(id, sizeof(id), "l-%d", i);
        struct order o = test_order(id, 0, 4, PURPOSE_ENTRY, i % 2 == 0 ? 1 : -1, 0);
        uint32_t quotes = c.told->quotes, trades = c.told->trades;
        int sent = c.vtable->submit(c.venue, &o, now);
        assert_true(sent == 0 || sent == ERROR_VENUE);
        assert_true(c.told->quotes == quotes && c.told->trades == trades); /* market data from poll only */
    }
    assert_int_equal(code, 1);
    assert_true(c.vtable->wake_ns(c.venue) == INT64_MAX || c.told->kinds[VENUE_LINK_DOWN] > 0);
    assert_true(c.told->turns <= 30 && c.told->turns > 20 && c.told->kinds[VENUE_LINK_DOWN] > 1);
    client_close(&c);
}

static void test_options_are_refused_by_name(void **state) {
    (void)state;
    const char *const bad[] = {"sed=7", "seed=", "seed=x", "seed=1,seed=2", "levels=0", "levels=65", "step=maybe", "bar_ms=15,step_ms=10",
                               "speed=-1", "socket=", "replay=/nowhere/at/all.csv"};
    struct client c;
    client_open(&c, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct venue *venue = NULL;
        struct error error = {0};
        struct venue_options options = {.options = bad[i], .home = "/tmp", .now_ns = START_NS};
        assert_true(c.vtable->open(&venue, &options, &c.host, &error) < 0);
        assert_true(error.text[0] != '\0' && venue == NULL);
    }
    client_close(&c);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    struct sim_options options; /* ties the host functions that the plug-in needs into this program */
    struct error error = {0};
    struct exchange_sink sink = {0};
    struct exchange *exchange = NULL;
    if (sim_options_read(&options, "test", "seed=1", &error) != 0 || exchange_open(&exchange, &options.exchange, &sink, &error) != 0) {
        return 1;
    }
    exchange_close(exchange);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_and_the_witness),
        cmocka_unit_test(test_the_exchange_outlives_a_killed_host),
        cmocka_unit_test(test_faults_disconnect_and_come_back),
        cmocka_unit_test(test_malformed_input_is_answered_and_survived),
        cmocka_unit_test(test_shutdown_by_a_client),
        cmocka_unit_test(test_the_exchange_inside_the_host),
        cmocka_unit_test(test_options_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
