/*
 * Tests against hostile strategies: every attack of attacks/list.h, made while the file is loaded (constructor, IFUNC
 * resolver) and while it decides (init, a call, fini), as root and as nobody; and files that are hostile by their form.
 *
 * The lint is passed over, as if a file had lied its way through. For each: the expected end, nothing gained, and the host as
 * it was: descriptors, threads, a canary file, the folder around it.
 */
#include "jail_test.h"

#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "attack_file.h"

enum outcome { SYSCALL, CRASH, DEADLINE, EXIT, DOORBELL, HARMLESS, REFUSED, DEAD, OTHER };

static const char *const outcome_names[] = {"SYSCALL",  "CRASH",   "DEADLINE", "EXIT", "DOORBELL",
                                            "HARMLESS", "REFUSED", "DEAD",     "OTHER"};

struct attack {
    const char *name;
    enum outcome deciding, loading;
    bool is_call;
};

static const struct attack attacks[] = {
#define X(name, number, a, b, c, d, e, f, deciding, loading) {#name, deciding, loading, true},
    ATTACK_CALLS(X)
#undef X
#define X(name, deciding, loading) {#name, deciding, loading, false},
        ATTACK_CODE(X)
#undef X
};
#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

/* ---- the world around -------------------------------------------------------------------------------------------- */

static char folder[32];
static char canary[64];
static char canary_new[64];

static void canary_make(void) {
    snprintf(folder, sizeof(folder), "/tmp/bulkhead-jail-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0777), 0); /* so that an attacker who is nobody could */
    snprintf(canary, sizeof(canary), "%s/canary", folder);
    snprintf(canary_new, sizeof(canary_new), "%s/new", folder);
    FILE *file = fopen(canary, "we");
    assert_non_null(file);
    fputs("alive", file);
    fclose(file);
    assert_int_equal(chmod(canary, 0666), 0);
}

static void canary_remove(void) {
    unlink(canary);
    unlink(canary_new);
    rmdir(folder);
}

struct world {
    int descriptors, threads, entries;
    struct stat canary;
};

static struct world world_now(void) {
    struct world world = {.descriptors = host_descriptors(), .threads = host_threads(), .entries = entries_of(folder)};
    assert_int_equal(stat(canary, &world.canary), 0);
    return world;
}

static const char *world_change(const struct world *before) {
    struct world now = world_now();
    if (now.descriptors != before->descriptors || now.threads != before->threads) {
        return "the host's descriptors or threads changed";
    }
    if (now.entries != before->entries) {
        return "a file appeared or went";
    }
    bool same = now.canary.st_mode == before->canary.st_mode && now.canary.st_size == before->canary.st_size &&
                now.canary.st_nlink == before->canary.st_nlink && now.canary.st_uid == before->canary.st_uid &&
                memcmp(&now.canary.st_ctim, &before->canary.st_ctim, sizeof(now.canary.st_ctim)) == 0;
    return same ? NULL : "the canary file changed";
}

/* ---- one attack -------------------------------------------------------------------------------------------------- */

static enum outcome outcome_of(const struct slot_death *death) {
    switch (death->reason) {
    case REASON_SLOT_SYSCALL:
        return SYSCALL;
    case REASON_SLOT_CRASHED:
        return CRASH;
    case REASON_SLOT_DEADLINE:
        return DEADLINE;
    case REASON_SLOT_EXITED:
        return EXIT;
    case REASON_SLOT_DOORBELL:
        return DOORBELL;
    case REASON_SLOT_START:
    case REASON_SLOT_ERROR:
        return REFUSED;
    case REASON_SLOT_STOPPED:
        return HARMLESS;
    default:
        return OTHER;
    }
}

/* Three turns, a fill, a save, a stop. Returns how it ended; `escaped` when it says it gained something. */
static enum outcome live(struct jail *jail, int64_t timeout_ns, bool *escaped) {
    struct slot *slot = &jail->slot;
    for (uint64_t i = 1; i <= 3; i++) {
        slot_private(slot)->command.fill_count = i == 2;
        if (jail_turn(jail, i, timeout_ns) != SLOT_ANSWERED) {
            return outcome_of(&slot->death);
        }
        *escaped = *escaped || (slot_reply(slot)->head.result == 1 && slot_reply(slot)->wishes[0].wish_id == ESCAPED);
    }
    slot_ring(slot, WIRE_SAVE, 3);
    if (slot_wait(slot, timeout_ns, true) != SLOT_ANSWERED) {
        return outcome_of(&slot->death);
    }
    if (slot_wait(slot, 0, false) == SLOT_DEAD) { /* nobody asked */
        return outcome_of(&slot->death);
    }
    slot_stop(slot, timeout_ns < 200 * MS ? timeout_ns : 200 * MS); /* an impostor never stops: it is killed */
    return outcome_of(&slot->death);
}

static unsigned runs, failures;

static bool outcome_fits(enum outcome found, enum outcome wanted) {
    /* who rings too much is caught at the bell, or ends itself when its own ring no longer fits: whoever is first */
    return found == wanted || (wanted == DEAD && (found == SYSCALL || found == CRASH)) || (wanted == DOORBELL && found == EXIT);
}

static void attack_run(const struct attack *attack, const char *place, enum outcome wanted) {
    static struct jail jail;
    struct world before = world_now();
    attack_open(&jail, attack->name, place, canary, canary_new);
    bool escaped = false;
    int64_t timeout = wanted == DEADLINE ? 80 * MS : 5 * SECOND;
    jail.options.start_ns_max = timeout;
    enum outcome found = jail_start(&jail) == 0 ? live(&jail, timeout, &escaped) : outcome_of(&jail.slot.death);
    char text[sizeof(jail.slot.death.text)];
    snprintf(text, sizeof(text), "%s", jail.slot.death.text);
    jail_close(&jail);
    const char *change = world_change(&before);
    runs++;
    if (escaped || change || !outcome_fits(found, wanted)) {
        failures++;
        printf("# %s in %s as %u: %s, wanted %s (%s)%s %s\n", attack->name, place, getuid(), outcome_names[found],
               outcome_names[wanted], text, escaped ? " ESCAPED" : "", change ? change : "");
    }
}

/* Every attack while loading and in a call; every seventh at the other places too. */
static void attack_everywhere(void) {
    for (size_t i = 0; i < ATTACKS; i++) {
        const struct attack *attack = &attacks[i];
        attack_run(attack, "constructor", attack->loading);
        attack_run(attack, "call", attack->deciding);
        if ((i % 7 == 0 && attack->is_call) || attack->deciding == EXIT) {
            attack_run(attack, "ifunc", attack->loading);
            attack_run(attack, "init", attack->deciding);
            attack_run(attack, "fill", attack->deciding);
            attack_run(attack, "save", attack->deciding);
            attack_run(attack, "fini", attack->deciding);
        }
    }
}

/* ---- files that are hostile by their form ------------------------------------------------------------------------ */

static const struct form {
    const char *name;
    enum outcome wanted;
    bool admitted; /* by the lint, which is not what stops them */
} forms[] = {
    {"interpose", HARMLESS, false},       /* the slot is bound before the file is loaded */
    {"text_relocations", SYSCALL, false}, /* mprotect to writable */
    {"executable_stack", SYSCALL, false}, /* mprotect of the stack */
    {"other_library", REFUSED, false},    /* dlopen cannot open it */
    {"huge_data", REFUSED, true},         /* the address space is limited */
    {"huge_thread_data", SYSCALL, true},  /* libc gives up with a message */
    {"huge_self", REFUSED, false},        {"no_call", REFUSED, false},  {"other_digest", REFUSED, false},
    {"no_entry", REFUSED, false},         {"bad_words", REFUSED, true},
};

static void form_run(const struct form *form) {
    static struct jail jail;
    char file[64];
    snprintf(file, sizeof(file), "tests/jail/attacks/%s.so", form->name);
    struct world before = world_now();
    jail_open(&jail, build_path(file));
    bool admitted = jail.strategy.admitted;
    jail_force(&jail);
    bool escaped = false;
    enum outcome found = jail_start(&jail) == 0 ? live(&jail, 5 * SECOND, &escaped) : outcome_of(&jail.slot.death);
    for (const char *c = jail.slot.death.text; *c; c++) {
        assert_true(*c >= ' ' && *c <= '~');
    }
    jail_close(&jail);
    const char *change = world_change(&before);
    runs++;
    if (escaped || change || found != form->wanted || admitted != form->admitted) {
        failures++;
        printf("# %s as %u: %s, wanted %s (%s)%s %s\n", form->name, getuid(), outcome_names[found], outcome_names[form->wanted],
               jail.slot.death.text, escaped ? " ESCAPED" : "", change ? change : "");
    }
}

static void run_all(void) {
    attack_everywhere();
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        form_run(&forms[i]);
    }
    printf("# %u attacks as user %u, %u not as expected\n", runs, getuid(), failures);
}

static void test_attacks_as_started(void **state) {
    (void)state;
    run_all();
    assert_int_equal(failures, 0);
}

/* All files are open or readable before the change of user, so that the tree may lie in a closed folder. */
static _Noreturn void as_nobody(void) {
    if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) {
        _exit(2);
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as in a host that nobody started */
    runs = failures = 0;
    attack_everywhere();
    printf("# %u attacks as user %u, %u not as expected\n", runs, getuid(), failures);
    fflush(stdout);
    _exit(failures == 0 ? 0 : 1);
}

static void test_attacks_as_nobody(void **state) {
    (void)state;
    if (getuid() != 0) {
        skip(); /* the test above ran as a user without rights already */
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        as_nobody();
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int setup(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    canary_make();
    static struct jail first; /* the slot program is opened once and stays open */
    jail_started(&first, build_path("strategies/flat.so"));
    jail_close(&first);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    canary_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attacks_as_started),
        cmocka_unit_test(test_attacks_as_nobody),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
