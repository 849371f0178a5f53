/* data_command.c - `bulkhead data`: exit statuses, the JSON it prints, and that an import leaves what it must leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

static char folder[] = "/tmp/bulkhead-data-XXXXXX";
static char good[64], bad[64], missing[64], out[64], printed[64];

static void write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
}

static int setup(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(good, sizeof(good), "%s/good.csv", folder);
    snprintf(bad, sizeof(bad), "%s/bad.csv", folder);
    snprintf(missing, sizeof(missing), "%s/missing.csv", folder);
    snprintf(out, sizeof(out), "%s/out.csv", folder);
    snprintf(printed, sizeof(printed), "%s/printed", folder);
    write_text(good, "Date,Open,High,Low,Close\n2023-03-24 12:38,1.50,2,1,1.75\n2023-03-24 12:39,1.5,2,1,1\n2023-03-24 12:40,1,2,1,1\n"
                     "2023-03-24 14:00,1,2,1,1.25\n");
    write_text(bad, "time_ms,open,high,low,close\n0,1,1,1,1\n0,1,1,1,1\n");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(good);
    unlink(bad);
    unlink(out);
    unlink(printed);
    return rmdir(folder);
}

/* Runs the command with its output in `printed`; words end with NULL. */
static int run(const char *first, ...) {
    char *argv[16] = {(char *)(uintptr_t) "data"};
    int argc = 1;
    va_list words;
    va_start(words, first);
    for (const char *word = first; word != NULL; word = va_arg(words, const char *)) {
        argv[argc++] = (char *)(uintptr_t)word;
    }
    va_end(words);
    fflush(stdout);
    fflush(stderr);
    int saved_out = dup(STDOUT_FILENO), saved_error = dup(STDERR_FILENO);
    int file = open(printed, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    int status = cmd_data(argc, argv);
    fflush(stderr);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_error, STDERR_FILENO);
    close(saved_out);
    close(saved_error);
    close(file);
    return status;
}

static char *text_of(const char *path) {
    static char text[65536];
    int file = open(path, O_RDONLY);
    ssize_t got = read(file, text, sizeof(text) - 1);
    close(file);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void test_exit_statuses(void **state) {
    (void)state;
    assert_int_equal(run("verify", good, NULL), 0);
    assert_int_equal(run("verify", missing, NULL), 2);
    assert_int_equal(run("verify", bad, NULL), 7);
    assert_int_equal(run("verify", good, bad, missing, NULL), 7);
    assert_int_equal(run("verify", good, "--instrument", "MES", NULL), 0);
    assert_int_equal(run("verify", good, "--instrument", "NO-SUCH", NULL), 2);
    assert_int_equal(run("verify", good, "--instrument=MES", "--instruments", bad, NULL), 4);
    assert_int_equal(run("list", folder, NULL), 7); /* bad.csv is in it */
    assert_int_equal(run("list", good, NULL), 0);
    assert_int_equal(run(NULL), 64);
    assert_int_equal(run("verify", NULL), 64);
    assert_int_equal(run("destroy", good, NULL), 64);
    assert_int_equal(run("verify", good, "--nonsense", NULL), 64);
    assert_int_equal(run("verify", good, "--instrument", NULL), 64);
    assert_int_equal(run("import", good, NULL), 64);
    assert_int_equal(run("import", good, bad, "--out", out, NULL), 64);
    assert_int_equal(run("import", good, "--out", "/nowhere/at/all.csv", NULL), 2);
}

static void test_verify_says_everything(void **state) {
    (void)state;
    assert_int_equal(run("verify", good, NULL), 0);
    const char *text = text_of(printed);
    static const char *const wanted[] = {
        "rows        4, 2023-03-24T12:38:00Z -> 2023-03-24T14:00:00Z", "tick 0.01 (assumed)", "timeframe   60 s, times in ISO 8601",
        "2023-03-24T12:40:00Z -> 2023-03-24T14:00:00Z  79 missing",    "volume      none",    "2 closes more than 5 %",
        "1.75 -> 1.00  -42.86 %", "assumed     times without a zone are UTC", "assumed     there is no volume", "sha256      ",
    };
    for (size_t n = 0; n < sizeof(wanted) / sizeof(wanted[0]); n++) {
        assert_non_null(strstr(text, wanted[n]));
    }
    run("verify", bad, NULL);
    assert_non_null(strstr(text_of(printed), "bad.csv:3: time: found 1970-01-01T00:00:00Z as in the row before"));
}

static void test_json(void **state) {
    (void)state;
    assert_int_equal(run("verify", "--json", good, bad, NULL), 7);
    cJSON *root = cJSON_Parse(text_of(printed));
    assert_non_null(root);
    const cJSON *files = cJSON_GetObjectItem(root, "files");
    assert_int_equal(cJSON_GetArraySize(files), 2);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(root, "ok")));
    const cJSON *first = cJSON_GetArrayItem(files, 0), *second = cJSON_GetArrayItem(files, 1);
    assert_int_equal(cJSON_GetObjectItem(first, "rows")->valueint, 4);
    assert_int_equal(cJSON_GetObjectItem(first, "missing")->valueint, 79);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(first, "gaps")), 1);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(first, "outliers")), 2);
    assert_string_equal(cJSON_GetObjectItem(second, "code")->valuestring, "ERROR_INTEGRITY");
    cJSON_Delete(root);
    assert_int_equal(run("list", "--json", good, NULL), 0);
    root = cJSON_Parse(text_of(printed));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(root, "ok")));
    cJSON_Delete(root);
}

static void test_import(void **state) {
    (void)state;
    static const char expected[] = "time_ms,open,high,low,close,volume\n1679661480000,1.5,2,1,1.75,\n1679661540000,1.5,2,1,1,\n"
                                   "1679661600000,1,2,1,1,\n1679666400000,1,2,1,1.25,\n";
    assert_int_equal(run("import", good, "--out", out, NULL), 0);
    assert_string_equal(text_of(out), expected);
    assert_int_equal(run("import", out, "--out", out, NULL), 0); /* onto itself */
    assert_string_equal(text_of(out), expected);
    assert_int_equal(run("import", bad, "--out", out, NULL), 7); /* refused: the old one stays */
    assert_string_equal(text_of(out), expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_statuses),
        cmocka_unit_test(test_verify_says_everything),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_import),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
