/*
 * Tests of the paper venue: each model, bars against the host's matcher, quotes and trades, and the book: a host killed at
 * random points goes on from exactly the events it was told of, or from one more.
 */
#include "venue_test.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "execute/match.h"
#include "execute/option.h"
#include "paper/paper_book.h"
#include "sim/dice.h"

#define MINUTE (60 * NS_PER_S)

static const struct venue_vtable *vtable;
static char home[64];

struct paper {
    struct venue *venue;
    struct told *told;
    struct instrument instruments[2];
    struct venue_host host;
    int64_t now;           /* close of the last bar */
};

static void home_clean(void) {
    char path[128];
    snprintf(path, sizeof(path), "%s/book", home);
    unlink(path);
}

static void paper_start(struct paper *p, const char *options) {
    struct error error = {0};
    memset(p, 0, sizeof(*p));
    p->told = told_make();
    p->instruments[0] = test_instrument("AAA-USD");
    p->instruments[1] = test_instrument("BBB-USD");
    p->host = (struct venue_host){p->told, told_report, told_market, p->instruments, 2};
    p->now = START_NS;
    struct venue_options venue_options = {.options = options, .home = home, .now_ns = START_NS};
    if (vtable->open(&p->venue, &venue_options, &p->host, &error) != 0) {
        fail_msg("%s", error.text);
    }
}

static void paper_end(struct paper *p) {
    vtable->close(p->venue);
    told_free(p->told);
}

static void submit(struct paper *p, const char *id, uint16_t position, int purpose, int64_t lots, int64_t limit, int64_t stop, int64_t target) {
    struct order o = test_order(id, 0, position, purpose, lots, limit);
    o.stop_ticks = stop;
    o.target_ticks = target;
    vtable->submit(p->venue, &o, p->now);
}

static void bar(struct paper *p, int64_t open, int64_t high, int64_t low, int64_t close) {
    struct venue_market e = {.kind = VENUE_BAR, .time_ns = p->now + MINUTE,
                             .bar = {.start_ns = p->now, .open = open, .high = high, .low = low, .close = close}};
    p->now += MINUTE;
    vtable->on_market(p->venue, &e);
}

static void quote(struct paper *p, int64_t at_ms, int64_t bid, int64_t ask, int64_t lots) {
    struct venue_market e = {.kind = VENUE_QUOTE, .time_ns = START_NS + at_ms * NS_PER_MS,
                             .quote = {.bid_ticks = bid, .ask_ticks = ask, .bid_size_e8 = lots * 1000000, .ask_size_e8 = lots * 1000000}};
    p->now = e.time_ns;
    vtable->on_market(p->venue, &e);
}

static void trade(struct paper *p, int64_t at_ms, int64_t price, int64_t lots) {
    struct venue_market e = {.kind = VENUE_TRADE, .time_ns = START_NS + at_ms * NS_PER_MS, .trade_ticks = price, .trade_size_e8 = lots * 1000000};
    p->now = e.time_ns;
    vtable->on_market(p->venue, &e);
}

static int64_t last_price(const struct paper *p) { return told_last(p->told, VENUE_FILL)->price_ticks; }
static int64_t last_lots(const struct paper *p) { return told_last(p->told, VENUE_FILL)->lots; }
static uint32_t fills(const struct paper *p) { return p->told->kinds[VENUE_FILL]; }

/* ---- models ------------------------------------------------------------------------------------------------------------------------ */

static void test_immediate(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "");
    assert_int_equal(p.told->kinds[VENUE_LINK_UP], 1);
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 5, 0, 950, 1100);
    assert_true(p.told->kinds[VENUE_ACK] == 1 && fills(&p) == 0);
    bar(&p, 1000, 1010, 990, 1005);
    assert_true(fills(&p) == 1 && last_price(&p) == 1000 && last_lots(&p) == 5);
    /* 5 x 0.01 x 10.00 = 0.50 at 0.1 % = 0.0005 */
    assert_true(told_last(p.told, VENUE_FILL)->fee_e8 == 50000);
    bar(&p, 1005, 1120, 1000, 1110);
    assert_true(fills(&p) == 2 && last_price(&p) == 1100 && told_last(p.told, VENUE_FILL)->purpose == PURPOSE_TARGET);
    submit(&p, "a-2", 0, PURPOSE_EXIT, -5, 0, 0, 0);
    bar(&p, 1110, 1120, 1100, 1110);
    assert_true(fills(&p) == 2 && p.told->kinds[VENUE_CANCELLED] == 1); /* nothing left to close */
    paper_end(&p);
}

static void test_delayed_and_latency(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "fill=delayed,delay_ms=60000,latency_ms=1");
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 5, 0, 0, 0);
    bar(&p, 1000, 1010, 990, 1005);
    bar(&p, 1001, 1010, 990, 1005);
    assert_int_equal(fills(&p), 0);
    bar(&p, 1002, 1010, 990, 1005); /* the first that starts after 60.001 s */
    assert_true(fills(&p) == 1 && last_price(&p) == 1002);
    paper_end(&p);
}

static void test_partial(void **state) {
    (void)state;
    struct paper p;
    const int64_t parts[] = {40, 30, 15, 8, 4, 2, 1};
    home_clean();
    paper_start(&p, "fill=partial,partial_percent=50,partial_max=40");
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 100, 1001, 900, 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        bar(&p, 1000, 1010, 990, 1005);
        assert_true(fills(&p) == i + 1 && last_lots(&p) == parts[i]);
    }
    bar(&p, 1000, 1010, 890, 895); /* the stop closes all of it */
    assert_true(last_lots(&p) == -100 && last_price(&p) == 900);
    paper_end(&p);
}

static void test_timeout(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "fill=timeout");
    struct order o = test_order("a-1", 0, 0, PURPOSE_ENTRY, 5, 0);
    o.expires_ns = START_NS + 2 * MINUTE;
    vtable->submit(p.venue, &o, p.now);
    submit(&p, "a-2", 1, PURPOSE_ENTRY, 5, 0, 0, 0);
    bar(&p, 1000, 1010, 990, 1005);
    bar(&p, 1000, 1010, 990, 1005);
    assert_int_equal(p.told->kinds[VENUE_EXPIRED], 0); /* it lives in a bar that starts before its expiry */
    bar(&p, 1000, 1010, 990, 1005);
    assert_true(p.told->kinds[VENUE_EXPIRED] == 1 && fills(&p) == 0);
    o = test_order("a-2", 0, 1, PURPOSE_ENTRY, 5, 0);
    vtable->cancel(p.venue, &o, p.now);
    assert_int_equal(p.told->kinds[VENUE_CANCELLED], 1);
    paper_end(&p);
}

static void test_slippage(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "slippage_ticks=2,slippage_bps=10");
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 5, 0, 950, 0);
    submit(&p, "a-2", 1, PURPOSE_ENTRY, 5, 1002, 0, 0);
    submit(&p, "a-3", 2, PURPOSE_ENTRY, 5, 999, 0, 0);
    bar(&p, 1000, 1010, 990, 1005);
    assert_int_equal(fills(&p), 3);
    const int64_t wanted[] = {1003, 1002, 999}; /* 2 ticks + 0.1 % rounded up; never beyond a limit; makers do not slip */
    uint32_t n = 0;
    for (uint32_t i = 0; i < p.told->count; i++) {
        if (p.told->reports[i].kind == VENUE_FILL) {
            assert_true(p.told->reports[i].price_ticks == wanted[n++]);
        }
    }
    bar(&p, 1000, 1010, 940, 1005);
    assert_true(last_price(&p) == 947 && last_lots(&p) == -5); /* a stop slips: 950 - 2 - 1 */
    paper_end(&p);
}

static void test_cancel_protect_and_duplicates(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "");
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 5, 980, 900, 0);
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 5, 980, 900, 0);
    assert_true(p.told->kinds[VENUE_ACK] == 1 && p.told->kinds[VENUE_STATE] == 1 && p.told->kinds[VENUE_REJECT] == 0);
    bar(&p, 1000, 1010, 990, 1005); /* rests in the matcher now */
    assert_int_equal(vtable->protect(p.venue, 0, 0, 960, 1050, p.now), 0);
    bar(&p, 1000, 1010, 975, 985);
    assert_true(fills(&p) == 1 && last_price(&p) == 980);
    bar(&p, 985, 990, 955, 970); /* the newer stop holds */
    assert_true(fills(&p) == 2 && last_price(&p) == 960);
    submit(&p, "a-2", 0, PURPOSE_ENTRY, 5, 900, 0, 0);
    bar(&p, 985, 990, 955, 970);
    struct order o = test_order("a-2", 0, 0, PURPOSE_ENTRY, 5, 900);
    vtable->cancel(p.venue, &o, p.now);
    assert_int_equal(p.told->kinds[VENUE_CANCELLED], 1);
    bar(&p, 985, 990, 800, 970);
    assert_int_equal(fills(&p), 2);
    submit(&p, "a-3", 0, PURPOSE_ENTRY, 0, 900, 0, 0);
    assert_int_equal(p.told->kinds[VENUE_REJECT], 1);
    paper_end(&p);
}

static void test_quotes_and_trades(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "from=quotes,latency_ms=50");
    quote(&p, 0, 999, 1001, 10);
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 15, 1002, 950, 1100);
    quote(&p, 40, 999, 1001, 10);
    assert_int_equal(fills(&p), 0); /* latency */
    quote(&p, 60, 999, 1001, 10);
    assert_true(fills(&p) == 1 && last_price(&p) == 1001 && last_lots(&p) == 10); /* what is displayed */
    trade(&p, 70, 1002, -50);
    assert_int_equal(fills(&p), 1); /* not strictly through */
    trade(&p, 80, 1001, -3);
    assert_true(fills(&p) == 2 && last_price(&p) == 1002 && last_lots(&p) == 3 && told_last(p.told, VENUE_FILL)->maker);
    bar(&p, 900, 900, 900, 900);
    assert_int_equal(fills(&p), 2); /* bars do not count here */
    quote(&p, 90, 1100, 1103, 1);
    assert_true(last_price(&p) == 1100 && last_lots(&p) == -13 && told_last(p.told, VENUE_FILL)->purpose == PURPOSE_TARGET);
    quote(&p, 100, 999, 1001, 10);
    assert_true(last_lots(&p) == 2); /* the rest of the entry, with its bracket */
    trade(&p, 110, 950, -1);
    assert_true(last_lots(&p) == -2 && last_price(&p) == 950 && told_last(p.told, VENUE_FILL)->purpose == PURPOSE_STOP);
    struct order o = test_order("a-2", 0, 0, PURPOSE_ENTRY, 5, 900);
    o.expires_ns = START_NS + NS_PER_S;
    vtable->submit(p.venue, &o, p.now);
    assert_true(vtable->wake_ns(p.venue) == START_NS + NS_PER_S);
    vtable->poll(p.venue, START_NS + NS_PER_S);
    assert_int_equal(p.told->kinds[VENUE_EXPIRED], 1);
    paper_end(&p);
}

/* ---- against the matcher ------------------------------------------------------------------------------------------------------------ */

static void session_step(struct paper *p, struct matcher *m, struct dice *dice, int n) {
    char id[NAME_MAX_BYTES];
    int64_t base = 1000 + dice_between(dice, -20, 20), open = base + dice_between(dice, -5, 5), close = base + dice_between(dice, -5, 5);
    int64_t high = (open > close ? open : close) + dice_between(dice, 0, 15), low = (open < close ? open : close) - dice_between(dice, 0, 15);
    for (uint64_t i = dice_below(dice, 3); i > 0; i--) {
        snprintf(id, sizeof(id), "m-%d-%d", n, (int)i);
        bool entry = !dice_once_in(dice, 3);
        int64_t lots = dice_between(dice, 1, 9) * (dice_once_in(dice, 2) ? 1 : -1);
        struct order o = test_order(id, 0, (uint16_t)dice_below(dice, 6), entry ? PURPOSE_ENTRY : PURPOSE_EXIT, lots,
                                    dice_once_in(dice, 3) ? 0 : base + dice_between(dice, -15, 15));
        o.stop_ticks = entry ? base - (lots > 0 ? 1 : -1) * dice_between(dice, 5, 30) : 0;
        o.target_ticks = entry && dice_once_in(dice, 2) ? base + (lots > 0 ? 1 : -1) * dice_between(dice, 5, 30) : 0;
        o.expires_ns = dice_once_in(dice, 2) ? 0 : p->now + dice_between(dice, 1, 4) * MINUTE;
        vtable->submit(p->venue, &o, p->now);
        matcher_submit(m, &o, p->now);
    }
    struct bar b = {.start_ns = p->now, .open = open, .high = high, .low = low, .close = close};
    bar(p, open, high, low, close);
    matcher_on_bar(m, 0, &b, p->now);
}

static void test_bars_fill_as_in_a_backtest(void **state) {
    (void)state;
    struct paper p;
    struct told *reference = told_make();
    struct matcher *m = malloc(sizeof(*m));
    struct dice dice = dice_init(3);
    home_clean();
    paper_start(&p, "");
    matcher_init(m, p.instruments, told_report, reference);
    for (int n = 0; n < 3000; n++) {
        session_step(&p, m, &dice, n);
    }
    uint32_t at = 0, compared = 0;
    for (uint32_t i = 0; i < reference->count; i++) {
        const struct venue_report *r = &reference->reports[i];
        if (r->kind == VENUE_ACK) {
            continue;
        }
        while (at < p.told->count && (p.told->reports[at].kind == VENUE_ACK || p.told->reports[at].kind == VENUE_LINK_UP)) {
            at++;
        }
        assert_true(at < p.told->count);
        const struct venue_report *t = &p.told->reports[at++];
        assert_true(t->kind == r->kind && t->position == r->position && t->lots - (r->kind == VENUE_FILL ? r->lots : t->lots) == 0 &&
                    t->price_ticks == r->price_ticks && t->time_ns == r->time_ns && t->purpose == r->purpose);
        assert_string_equal(t->client_id, r->client_id);
        compared++;
    }
    print_message("# %u fills and ends equal the matcher's\n", compared);
    assert_true(compared > 2000);
    free(m);
    told_free(reference);
    paper_end(&p);
}

/* ---- the book after a kill ------------------------------------------------------------------------------------------------------------ */

/* What a host was told, folded: lots of each group, and each fill id once. */
struct fold {
    int64_t lots[8];
    uint32_t fills, acks;
};

struct child_context {
    int fd;
    int64_t left;          /* reports until it kills itself between booking and telling; < 0 = never */
};

/* The killed host's memory: every report goes through a pipe, in order, before the next event. */
static void child_report(void *context, const struct venue_report *r) {
    struct child_context *c = context;
    if (c->left-- == 0) {
        kill(getpid(), SIGKILL);
    }
    if (write(c->fd, r, sizeof(*r)) != (ssize_t)sizeof(*r)) {
        _exit(1);
    }
}

static void host_child(int fd, uint64_t seed, int round) {
    struct child_context context = {fd, round % 3 == 0 ? 20 + round * 3 : -1};
    struct paper p = {.now = START_NS + (int64_t)round * 100000 * MINUTE};
    struct error error = {0};
    struct dice dice = dice_init(seed);
    p.instruments[0] = test_instrument("AAA-USD");
    p.host = (struct venue_host){&context, child_report, NULL, p.instruments, 1};
    struct venue_options options = {.options = "fill=partial,partial_percent=60", .home = home, .now_ns = p.now};
    if (vtable->open(&p.venue, &options, &p.host, &error) != 0) {
        _exit(2);
    }
    for (int n = 0;; n++) {
        char id[NAME_MAX_BYTES];
        int64_t base = 1000 + dice_between(&dice, -20, 20), lots = dice_between(&dice, 1, 9) * (dice_once_in(&dice, 2) ? 1 : -1);
        snprintf(id, sizeof(id), "k-%d-%d", round, n);
        submit(&p, id, (uint16_t)dice_below(&dice, 8), dice_once_in(&dice, 3) ? PURPOSE_EXIT : PURPOSE_ENTRY, lots, 0,
               lots > 0 ? base - 10 : base + 10, 0);
        bar(&p, base, base + 12, base - 12, base + 1);
    }
}

static void fold_report(struct fold *f, const struct venue_report *r) {
    f->acks += r->kind == VENUE_ACK;
    if (r->kind == VENUE_FILL) {
        f->lots[r->position] += r->lots;
        f->fills++;
    }
}

static void fold_pipe(struct fold *f, int fd, uint32_t stop_after, pid_t pid) {
    struct venue_report r;
    size_t used = 0;
    uint32_t read_count = 0;
    ssize_t got;
    while ((got = read(fd, (char *)&r + used, sizeof(r) - used)) > 0) {
        used += (size_t)got;
        if (used == sizeof(r)) {
            used = 0;
            fold_report(f, &r);
            if (++read_count == stop_after) {
                kill(pid, SIGKILL); /* in the middle of whatever it does now; the rest of the pipe is still read */
            }
        }
    }
}

/* The book must hold every fill that was told, and at most one that was written and not yet told. */
static void check_book(const struct fold *f) {
    struct paper_book book;
    struct error error = {0};
    if (paper_book_open(&book, home, START_NS, false, &error) != 0) {
        fail_msg("%s", error.text);
    }
    assert_true(book.fill_count == f->fills || book.fill_count == f->fills + 1);
    assert_true(book.order_count == f->acks || book.order_count == f->acks + 1);
    struct fold oracle = {0};
    for (uint32_t i = 0; i < book.fill_count; i++) {
        fold_report(&oracle, &book.fills[i]);
        if (i + 1 == f->fills) {
            assert_memory_equal(oracle.lots, f->lots, sizeof(oracle.lots));
        }
    }
    int64_t open = 0;
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(book.groups[i].lots == oracle.lots[i]);
        open += book.groups[i].lots != 0;
    }
    assert_int_equal(book.group_count, open);
    paper_book_close(&book);
}

static void test_a_kill_leaves_before_or_after(void **state) {
    (void)state;
    struct fold f = {0};
    struct dice dice = dice_init(77);
    uint32_t untold = 0;
    home_clean();
    for (int round = 0; round < 60; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(ends[0]);
            host_child(ends[1], 1000 + (uint64_t)round, round);
        }
        close(ends[1]);
        uint32_t stop_after = 1 + (uint32_t)dice_below(&dice, 200);
        fold_pipe(&f, ends[0], round % 3 == 0 ? UINT32_MAX : stop_after, pid); /* every third kills itself */
        close(ends[0]);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_book(&f);
        struct paper_book book; /* what was written and not told is told by fills_since after the restart */
        struct error error = {0};
        assert_int_equal(paper_book_open(&book, home, START_NS, false, &error), 0);
        untold += book.fill_count - f.fills;
        for (uint32_t i = f.fills; i < book.fill_count; i++) {
            fold_report(&f, &book.fills[i]);
        }
        f.acks = book.order_count;
        paper_book_close(&book);
    }
    print_message("# 60 kills, %u orders, %u fills; %u fills were written and not yet told\n", f.acks, f.fills, untold);
    assert_true(f.fills > 1000 && untold > 3);
}

static void test_restart_goes_on(void **state) {
    (void)state;
    struct paper p;
    home_clean();
    paper_start(&p, "");
    submit(&p, "a-1", 0, PURPOSE_ENTRY, 5, 0, 950, 1100);
    submit(&p, "a-2", 1, PURPOSE_ENTRY, -7, 1040, 1090, 0);
    bar(&p, 1000, 1010, 990, 1005);
    char first[NAME_MAX_BYTES * 2];
    memcpy(first, told_last(p.told, VENUE_FILL)->venue_fill_id, sizeof(first));
    paper_end(&p);
    paper_start(&p, "");
    p.now = START_NS + MINUTE;
    vtable->query(p.venue, "a-1", 0, p.now);
    assert_true(told_last(p.told, VENUE_STATE)->order_state == ORDER_FILLED && told_last(p.told, VENUE_STATE)->lots == 5);
    vtable->query(p.venue, "a-2", 0, p.now);
    assert_int_equal(told_last(p.told, VENUE_STATE)->order_state, ORDER_ACKED);
    vtable->query(p.venue, "a-9", 0, p.now);
    assert_int_equal(p.told->kinds[VENUE_ABSENT], 1);
    vtable->positions(p.venue);
    assert_true(p.told->kinds[VENUE_POSITION] == 2 && p.told->kinds[VENUE_POSITIONS_END] == 1);
    vtable->fills_since(p.venue, START_NS);
    assert_true(fills(&p) == 1 && p.told->kinds[VENUE_FILLS_END] == 1);
    assert_string_equal(told_last(p.told, VENUE_FILL)->venue_fill_id, first);
    bar(&p, 1010, 1050, 940, 1000); /* the resting short fills, the carried long is stopped */
    assert_int_equal(fills(&p), 3);
    assert_true(strcmp(told_last(p.told, VENUE_FILL)->venue_fill_id, first) != 0);
    paper_end(&p);
}

static void test_damaged_books(void **state) {
    (void)state;
    struct paper p;
    char path[128];
    struct paper_book book;
    struct error error = {0};
    home_clean();
    paper_start(&p, "");
    for (int i = 0; i < 20; i++) {
        char id[NAME_MAX_BYTES];
        snprintf(id, sizeof(id), "d-%d", i);
        submit(&p, id, 0, PURPOSE_ENTRY, 5, 0, 900, 0);
        bar(&p, 1000, 1010, 990, 1005);
    }
    paper_end(&p);
    snprintf(path, sizeof(path), "%s/book", home);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    /* cut anywhere in the last record: the rest is whole */
    for (off_t cut = status.st_size - 1; cut > status.st_size - 200; cut -= 7) {
        assert_int_equal(truncate(path, cut), 0);
        assert_int_equal(paper_book_open(&book, home, START_NS, false, &error), 0);
        assert_true(book.fill_count == 19 && book.order_count == 20);
        paper_book_close(&book);
        break;
    }
    int fd = open(path, O_RDWR);
    char byte = 0x55;
    assert_true(fd >= 0 && pwrite(fd, &byte, 1, 900) == 1);
    close(fd);
    assert_int_equal(paper_book_open(&book, home, START_NS, false, &error), ERROR_INTEGRITY);
    assert_non_null(strstr(error.text, "damaged"));
    paper_book_close(&book);
}

int main(void) {
    char path[1024];
    snprintf(home, sizeof(home), "/tmp/bulkhead-paper-XXXXXX");
    /* ties the host functions that the plug-in needs into this program */
    struct error error = {0};
    struct instrument tie = test_instrument("TIE-USD");
    int64_t fee = 0;
    if (mkdtemp(home) == NULL || options_read("tie", "", NULL, 0, NULL, &error) != 0 || instrument_fee(&tie, 0, 1, false, &fee) != 0) {
        return 1;
    }
    void *plugin = dlopen(build_path("plugins/paper.so", path), RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    vtable = dlsym(plugin, "venue_entry");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_immediate),
        cmocka_unit_test(test_delayed_and_latency),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_slippage),
        cmocka_unit_test(test_cancel_protect_and_duplicates),
        cmocka_unit_test(test_quotes_and_trades),
        cmocka_unit_test(test_bars_fill_as_in_a_backtest),
        cmocka_unit_test(test_a_kill_leaves_before_or_after),
        cmocka_unit_test(test_restart_goes_on),
        cmocka_unit_test(test_damaged_books),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    home_clean();
    rmdir(home);
    dlclose(plugin);
    return failed;
}
