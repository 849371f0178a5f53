/*
 * cmd_journal.c - `journal` and `why` as a person runs them: exit statuses, what is shown for each link of a chain, that
 * JSON is JSON, that damage in journal or tape is exit 7.
 *
 * The journal under test: wish 1 -> verdict 2 -> order 1 (entry) -> fill 1; wish 3 -> verdict 4 -> order 2 (exit) -> fill 2
 * -> trade 1, all on position 5; wish 5 -> verdict 6, refused; and order 3 with fill 3 on position 9.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "ledger/bodies.h"
#include "ledger/journal.h"
#include "ledger/tape.h"

static char home[64], output[1 << 16];

static void path_of(const char *name, char to[128]) {
    snprintf(to, 128, "%s/%s", home, name);
}

/* Runs a command with stdout in a file; returns its status, the output is in `output`. */
static int run(int (*command)(int, char **), const char *const *words) {
    char *argv[16], file[128];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    argv[argc] = NULL;
    path_of("output", file);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    assert_non_null(freopen(file, "w", stdout));
    int status = command(argc, argv);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    FILE *in = fopen(file, "r");
    assert_non_null(in);
    output[fread(output, 1, sizeof output - 1, in)] = '\0';
    fclose(in);
    unlink(file);
    return status;
}

#define RUN(command, ...) run(command, (const char *const[]){#command, __VA_ARGS__, NULL})

static void put(struct journal *journal, enum record_kind kind, uint64_t id, uint64_t parent, uint64_t position) {
    struct record record = {.kind = (uint16_t)kind, .agent = 1, .instrument = 0, .time_ns = (int64_t)id * NS_PER_S, .id = id,
                            .parent = parent, .position = position};
    assert_true(journal_append(journal, &record, false) != 0);
}

static int home_make(void **state) {
    (void)state;
    char name[128];
    struct journal *journal = NULL;
    struct error error = {0};
    snprintf(home, sizeof home, "/tmp/bulkhead-cmd-XXXXXX");
    if (mkdtemp(home) == NULL) {
        return 1;
    }
    path_of("journal", name);
    mkdir(name, 0700);
    path_of("journal/journal.db", name);
    struct journal_options options = {.path = name, .wal_pages = 100};
    if (journal_open(&journal, &options, &error) != 0) {
        return 1;
    }
    put(journal, RECORD_WISH, 1, 0, 5);
    put(journal, RECORD_VERDICT, 2, 1, 5);
    put(journal, RECORD_ORDER, 1, 2, 5);
    put(journal, RECORD_STEP, 1, 1, 5);
    put(journal, RECORD_FILL, 1, 1, 5);
    put(journal, RECORD_ORDER, 3, 0, 9); /* another position in between */
    put(journal, RECORD_FILL, 3, 3, 9);
    put(journal, RECORD_WISH, 3, 0, 5);
    put(journal, RECORD_VERDICT, 4, 3, 5);
    put(journal, RECORD_ORDER, 2, 4, 5);
    put(journal, RECORD_STEP, 2, 2, 5);
    put(journal, RECORD_FILL, 2, 2, 5);
    put(journal, RECORD_TRADE, 1, 2, 5);
    struct body_verdict refused = {.reason = REASON_BUYING_POWER, .asked_lots = 7, .value = 70, .limit = 50};
    struct record record;
    put(journal, RECORD_WISH, 5, 0, 5);
    record_fill(&record, RECORD_VERDICT, 6, &refused, sizeof refused);
    record.id = 6;
    record.parent = 5;
    journal_append(journal, &record, false);
    journal_close(journal);
    return 0;
}

static int home_remove(void **state) {
    (void)state;
    static const char *const names[] = {"journal/journal.db", "journal/journal.db-wal", "journal/journal.db-shm", "journal/journal.db.lock",
                                        "tape/000001.tape"};
    char name[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_of(names[i], name);
        unlink(name);
    }
    path_of("journal", name);
    rmdir(name);
    path_of("tape", name);
    rmdir(name);
    return rmdir(home);
}

static int lines(void) {
    int count = 0;
    for (const char *c = output; *c != '\0'; c++) {
        count += *c == '\n';
    }
    return count;
}

static void must_show(const char *text) {
    if (strstr(output, text) == NULL) {
        assert_string_equal(output, text);
    }
}

static void why_from_any_link_is_the_whole_chain(void **state) {
    (void)state;
    static const char *const links[] = {"trade:1", "fill:1", "fill:2", "order:1", "2", "verdict:2", "wish:3", "wish:1", "last"};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        assert_int_equal(RUN(cmd_why, links[i], "--home", home), 0);
        assert_int_equal(lines(), 11);
        must_show("TRADE");
    }
    assert_int_equal(RUN(cmd_why, "order:3", "--home", home), 0);
    assert_int_equal(lines(), 2);
}

static void why_a_refusal_names_its_reason(void **state) {
    (void)state;
    assert_int_equal(RUN(cmd_why, "wish:5", "--home", home), 0);
    assert_int_equal(lines(), 2);
    must_show("BUYING_POWER");
    must_show(reason_text(REASON_BUYING_POWER));
}

static void why_as_json(void **state) {
    (void)state;
    assert_int_equal(RUN(cmd_why, "--json", "trade:1", "--home", home), 0);
    cJSON *object = cJSON_Parse(output);
    assert_non_null(object);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(object, "why")), "trade:1");
    cJSON *rows = cJSON_GetObjectItem(object, "rows");
    assert_int_equal(cJSON_GetArraySize(rows), 11);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 0), "kind")), "WISH");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 10), "kind")), "TRADE");
    cJSON_Delete(object);
}

static void wrong_words_have_their_own_status(void **state) {
    (void)state;
    assert_int_equal(RUN(cmd_why, "order:77", "--home", home), 2);
    assert_int_equal(RUN(cmd_why, "order:", "--home", home), 64);
    assert_int_equal(RUN(cmd_why, "order:-1", "--home", home), 64);
    assert_int_equal(RUN(cmd_why, "order:99999999999999999999", "--home", home), 64);
    assert_int_equal(RUN(cmd_why, "banana", "--home", home), 64);
    assert_int_equal(RUN(cmd_why, "last", "--home"), 64);
    assert_int_equal(RUN(cmd_why, "last", "--home", "/nonexistent"), 2);
    assert_int_equal(RUN(cmd_journal, "burn", "--home", home), 64);
    assert_int_equal(RUN(cmd_journal, "tail", "-n", "0", "--home", home), 64);
    assert_int_equal(RUN(cmd_journal, "verify", "--home", "/nonexistent"), 2);
}

static void tail_and_cat(void **state) {
    (void)state;
    assert_int_equal(RUN(cmd_journal, "tail", "--home", home), 0);
    assert_int_equal(lines(), 15);
    assert_int_equal(RUN(cmd_journal, "tail", "--home", home, "-n", "4"), 0);
    assert_int_equal(lines(), 4);
    must_show("BUYING_POWER");
    assert_int_equal(RUN(cmd_journal, "cat", "--home", home, "--since", "3", "-n", "2", "--json"), 0);
    assert_int_equal(lines(), 2);
    cJSON *object = cJSON_Parse(output);
    assert_non_null(object);
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(object, "seq")), 3);
    cJSON_Delete(object);
}

static void verify_finds_damage_in_tape_and_journal(void **state) {
    (void)state;
    char name[128];
    struct tape *tape = NULL;
    struct error error = {0};
    assert_int_equal(RUN(cmd_journal, "verify", "--home", home), 0);
    must_show("journal: ok, 15 rows");
    path_of("tape", name);
    assert_int_equal(tape_open(&tape, name, &error), 0);
    tape_append(tape, TAPE_TIMER, 1, "abc", 3);
    tape_close(tape);
    assert_int_equal(RUN(cmd_journal, "verify", "--home", home), 0);
    must_show("tape: ok, 1 frames");
    path_of("tape/000001.tape", name);
    FILE *file = fopen(name, "r+b");
    assert_non_null(file);
    fseek(file, 82, SEEK_SET);
    fputc('X', file);
    fclose(file);
    assert_int_equal(RUN(cmd_journal, "verify", "--home", home, "--json"), 7);
    cJSON *object = cJSON_Parse(output);
    assert_non_null(object);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(object, "ok")));
    must_show("000001.tape at 64 of 87");
    cJSON_Delete(object);
    unlink(name);
    sqlite3 *db = NULL;
    path_of("journal/journal.db", name);
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TRIGGER events_update; UPDATE events SET id = 8 WHERE seq = 9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(RUN(cmd_journal, "verify", "--home", home), 7);
    must_show("journal: DAMAGED, 8 rows");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(why_from_any_link_is_the_whole_chain),
        cmocka_unit_test(why_a_refusal_names_its_reason),
        cmocka_unit_test(why_as_json),
        cmocka_unit_test(wrong_words_have_their_own_status),
        cmocka_unit_test(tail_and_cat),
        cmocka_unit_test(verify_finds_damage_in_tape_and_journal),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("unit/cmd_journal", tests, home_make, home_remove);
}
