/*
 * cmd_journal.c - `bulkhead journal verify | tail | cat` and `bulkhead why ID`: what happened, and why.
 *
 *   journal verify [--home DIR] [--json]              every hash, table, trigger and index, and the tape; 2 none, 7 damaged
 *   journal tail   [--home DIR] [-n N] [--json]       the last N rows (20)
 *   journal cat    [--home DIR] [--since SEQ] [-n N]  rows in order; with --json one object a line
 *   verify and cat with --run FILE instead of --home   the same for the run file of a backtest
 *   why ID|last    [--home DIR] [--json]              ID: order:12, fill:3, trade:1, wish:5, verdict:4, or an order's number
 *
 * `why` gathers the whole chain around any of its links and prints it in the order in which it happened:
 *   1. a trade is the fills of its position since the trade before it; 2. a fill belongs to its order; 3. an order to the
 *   verdict that allowed it, and to it belong its steps and fills; 4. a verdict to its wish.
 * Everything is read through a read-only connection, beside a running host or without one. It never repairs anything.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "ledger/bodies.h"
#include "ledger/journal.h"
#include "ledger/ledger.h"
#include "ledger/tape.h"

#define TAIL_ROWS 20
#define CHAIN_ROWS 1024 /* rows of one explanation */
#define PATH_BYTES 4096
#define TEXT_BYTES 1024

/* ---- command line -------------------------------------------------------------------------------------------------------- */

struct request {
    const char *word;
    const char *run;       /* a run file instead of a home, NULL = none */
    const char *bad;       /* the argument that was not understood */
    uint64_t count, since; /* 0 = not given */
    bool json;
    char home[PATH_BYTES];
    char path[PATH_BYTES], tape[PATH_BYTES];
};

static bool number_parse(const char *text, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static bool request_option(struct request *request, int argc, char **argv, int *i) {
    const char *name = argv[*i];
    if (strcmp(name, "--json") == 0) {
        request->json = true;
        return true;
    }
    if (*i + 1 >= argc) {
        return false;
    }
    const char *value = argv[++*i];
    if (strcmp(name, "--home") == 0) {
        return snprintf(request->home, sizeof request->home, "%s", value) < (int)sizeof request->home;
    }
    if (strcmp(name, "--run") == 0) {
        request->run = value;
        return true;
    }
    if (strcmp(name, "-n") == 0) {
        return number_parse(value, &request->count) && request->count > 0;
    }
    return strcmp(name, "--since") == 0 && number_parse(value, &request->since);
}

/* One word and options in any order. */
static bool request_parse(struct request *request, int argc, char **argv) {
    memset(request, 0, sizeof *request);
    cli_default_home(request->home, sizeof request->home);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && request->word == NULL) {
            request->word = argv[i];
        } else {
            request->bad = argv[i];
            if (!request_option(request, argc, argv, &i)) {
                return false;
            }
            request->bad = NULL;
        }
    }
    if (request->word == NULL) {
        return false;
    }
    int length = snprintf(request->path, sizeof request->path, "%s/journal/journal.db", request->home);
    int tape_length = snprintf(request->tape, sizeof request->tape, "%s/tape", request->home);
    return length < (int)sizeof request->path && tape_length < (int)sizeof request->tape;
}

/* ---- one row as text and as JSON ----------------------------------------------------------------------------------------- */

/* Texts in a body come from strategies and venues: nothing of them may reach a terminal as a control character. */
static void row_text(const struct record *record, char to[TEXT_BYTES]) {
    record_print(record, to, TEXT_BYTES);
    for (char *c = to; *c != '\0'; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    }
}

static void row_show(const struct journal_row *row) {
    char time[64], text[TEXT_BYTES], who[48] = "-";
    const struct record *record = &row->record;
    row_text(record, text);
    if (record->agent != RECORD_NO_INDEX) {
        snprintf(who, sizeof who, "%u/%u", record_account_of(record), record_agent_of(record));
    }
    printf("%8" PRIu64 "  %s  %-8s  %5s  %s\n", row->sequence, clock_print(record->time_ns, time, sizeof time),
           record_kind_name(record->kind), who, text);
}

static void json_number(cJSON *object, const char *name, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    cJSON_AddRawToObject(object, name, text); /* cJSON's numbers are doubles, ids are not */
}

static void json_hex(cJSON *object, const char *name, const unsigned char *bytes, size_t size) {
    char text[2 * RECORD_BODY_MAX + 1];
    for (size_t i = 0; i < size; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    text[2 * size] = '\0';
    cJSON_AddStringToObject(object, name, text);
}

static cJSON *row_json(const struct journal_row *row) {
    char time[64], text[TEXT_BYTES];
    const struct record *record = &row->record;
    cJSON *object = cJSON_CreateObject();
    row_text(record, text);
    json_number(object, "seq", row->sequence);
    cJSON_AddStringToObject(object, "time", clock_print(record->time_ns, time, sizeof time));
    cJSON_AddStringToObject(object, "kind", record_kind_name(record->kind));
    if (record->agent != RECORD_NO_INDEX) {
        json_number(object, "account", record_account_of(record));
        json_number(object, "agent", record_agent_of(record));
    }
    if (record->instrument != RECORD_NO_INDEX) {
        json_number(object, "instrument", record->instrument);
    }
    if (record->position != RECORD_NO_POSITION) {
        json_number(object, "position", record->position);
    }
    json_number(object, "id", record->id);
    json_number(object, "parent", record->parent);
    cJSON_AddStringToObject(object, "text", text);
    json_hex(object, "body", record->body, record->body_size);
    static const unsigned char none[HASH_BYTES];
    if (memcmp(row->hash, none, HASH_BYTES) != 0) { /* a run file has one hash for all */
        json_hex(object, "hash", row->hash, HASH_BYTES);
    }
    return object;
}

/* One object a line, for tools that read lines. */
static void json_line(cJSON *object) {
    char *text = cJSON_PrintUnformatted(object);
    if (text != NULL) {
        puts(text);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}

/* ---- journal ------------------------------------------------------------------------------------------------------------- */

struct printing {
    const struct request *request;
    bool json;
    uint64_t left; /* rows still wanted */
};

static int print_row(void *context, uint64_t sequence, const struct record *record, const unsigned char hash[HASH_BYTES]) {
    struct printing *printing = context;
    struct journal_row row = {.sequence = sequence, .record = *record};
    memcpy(row.hash, hash, HASH_BYTES);
    if (printing->left == 0) {
        return 1;
    }
    printing->left--;
    if (printing->json) {
        json_line(row_json(&row));
    } else {
        row_show(&row);
    }
    return 0;
}

static int print_run_row(void *context, uint64_t sequence, const struct record *record) {
    static const unsigned char none[HASH_BYTES];
    const struct request *request = ((const struct printing *)context)->request;
    return sequence < request->since ? 0 : print_row(context, sequence, record, none);
}

static int journal_cat(const struct request *request) {
    struct error error = {0};
    struct printing printing = {.request = request, .json = request->json, .left = request->count > 0 ? request->count : UINT64_MAX};
    int code = request->run ? runfile_read(request->run, print_run_row, &printing, &error)
                            : journal_read(request->path, request->since, print_row, &printing, &error);
    return code < 0 ? cli_fail("journal", request->json, &error) : 0;
}

static int journal_tail(const struct request *request) {
    struct error error = {0};
    struct journal_reader *reader = NULL;
    if (journal_reader_open(&reader, request->path, &error) != 0) {
        return cli_fail("journal", request->json, &error);
    }
    struct request cat = *request;
    uint64_t end = journal_reader_end(reader);
    uint64_t count = request->count > 0 ? request->count : TAIL_ROWS;
    journal_reader_close(reader);
    cat.count = 0;
    cat.since = end > count ? end - count + 1 : 1;
    return journal_cat(&cat);
}

static int tape_count(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size) {
    (void)kind, (void)time_ns, (void)bytes, (void)size;
    ++*(uint64_t *)context;
    return 0;
}

static void verify_json(const struct journal_verified *seen, const struct error *journal, bool has_tape, uint64_t frames,
                        const struct error *tape) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddBoolToObject(object, "ok", journal->code == 0 && tape->code == 0);
    json_number(object, "rows", seen->rows);
    json_number(object, "last", seen->last);
    json_number(object, "missing", seen->missing);
    json_hex(object, "hash", seen->last_hash, HASH_BYTES);
    if (has_tape) {
        json_number(object, "tape_frames", frames);
    }
    if (journal->code != 0 || tape->code != 0) {
        cJSON_AddStringToObject(object, "error", journal->code != 0 ? journal->text : tape->text);
    }
    cli_print_json(object);
}

static void verify_text(const struct journal_verified *seen, const struct error *journal, bool has_tape, uint64_t frames,
                        const struct error *tape) {
    char hash[HASH_TEXT_BYTES];
    hash_print(seen->last_hash, hash);
    printf("journal: %s, %" PRIu64 " rows up to %" PRIu64 ", hash %s\n", journal->code == 0 ? "ok" : "DAMAGED", seen->rows, seen->last, hash);
    if (seen->missing > 0) {
        printf("journal: %" PRIu64 " numbers are missing with the chain intact: a full disk or a failed write lost them\n", seen->missing);
    }
    if (has_tape) {
        printf("tape: %s, %" PRIu64 " frames\n", tape->code == 0 ? "ok" : "DAMAGED", frames);
    }
}

static int count_run_row(void *context, uint64_t sequence, const struct record *record) {
    (void)record;
    *(uint64_t *)context = sequence;
    return 0;
}

static int run_prove(const struct request *request) {
    struct error error = {0};
    uint64_t rows = 0;
    if (runfile_read(request->run, count_run_row, &rows, &error) != 0) {
        return cli_fail("journal", request->json, &error);
    }
    if (request->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddTrueToObject(object, "ok");
        json_number(object, "rows", rows);
        cli_print_json(object);
    } else {
        printf("run file: ok, %" PRIu64 " rows\n", rows);
    }
    return 0;
}

static int journal_prove(const struct request *request) {
    if (request->run) {
        return run_prove(request);
    }
    struct journal_verified seen;
    struct error journal = {0}, tape = {0};
    bool torn = false;
    uint64_t frames = 0;
    bool has_tape = access(request->tape, F_OK) == 0;
    int code = journal_check(request->path, &seen, &journal);
    if (code != 0 && code != ERROR_INTEGRITY) {
        return cli_fail("journal", request->json, &journal);
    }
    if (has_tape) {
        int tape_code = tape_read_killed(request->tape, tape_count, &frames, &torn, &tape);
        has_tape = tape_code != ERROR_NOT_FOUND;
        tape.code = has_tape ? tape_code : 0;
    }
    (request->json ? verify_json : verify_text)(&seen, &journal, has_tape, frames, &tape);
    if (torn && !request->json) {
        puts("tape: its host was killed within a frame; the next start cuts what is left of it");
    }
    if (journal.code != 0) {
        return cli_fail("journal", false, &journal); /* as JSON it has been said above */
    }
    return tape.code != 0 ? cli_fail("journal", false, &tape) : 0;
}

int cmd_journal(int argc, char **argv) {
    static const struct {
        const char *word;
        int (*run)(const struct request *request);
    } words[] = {{"verify", journal_prove}, {"tail", journal_tail}, {"cat", journal_cat}};
    struct request request;
    if (!request_parse(&request, argc, argv)) {
        return cli_usage("journal", request.bad ? "not an option of it, or its value is missing or wrong:" : "say verify, tail or cat", request.bad);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(request.word, words[i].word) == 0 && !(request.run && words[i].run == journal_tail)) {
            return words[i].run(&request);
        }
    }
    return cli_usage("journal", request.run ? "a run file can be read by verify and cat, not by" : "wanted verify, tail or cat, found", request.word);
}

/* ---- why: gathering ------------------------------------------------------------------------------------------------------ */

struct chain {
    struct journal_reader *reader;
    struct journal_row *rows; /* CHAIN_ROWS */
    int count;
    int failed;               /* the first error code */
    bool cut;                 /* more rows than CHAIN_ROWS */
};

/* False when the row is known already, which ends every walk. */
static bool chain_add(struct chain *chain, const struct journal_row *row) {
    for (int i = 0; i < chain->count; i++) {
        if (chain->rows[i].sequence == row->sequence) {
            return false;
        }
    }
    if (chain->count == CHAIN_ROWS) {
        chain->cut = true;
        return false;
    }
    chain->rows[chain->count++] = *row;
    return true;
}

/* Rows of a lookup in memory of their own, since walks nest. */
static struct journal_row *chain_find(struct chain *chain, bool by_parent, int kind, uint64_t id, int *count) {
    struct journal_row *rows = calloc(CHAIN_ROWS, sizeof *rows);
    *count = 0;
    if (rows == NULL || id == 0) {
        return rows;
    }
    int found = (by_parent ? journal_reader_by_parent : journal_reader_by_id)(chain->reader, kind, id, rows, CHAIN_ROWS);
    chain->failed = found < 0 && chain->failed == 0 ? found : chain->failed;
    *count = found > 0 ? found : 0;
    return rows;
}

static void gather(struct chain *chain, const struct journal_row *row);

static void gather_all(struct chain *chain, bool by_parent, int kind, uint64_t id) {
    int count;
    struct journal_row *rows = chain_find(chain, by_parent, kind, id, &count);
    for (int i = 0; i < count; i++) {
        gather(chain, &rows[i]);
    }
    free(rows);
}

/* 1. The fills of the position since the trade before. Their own way back to this trade ends at once: it is known. */
static void gather_trade(struct chain *chain, const struct journal_row *trade) {
    struct journal_row row;
    uint64_t after = 0, before = trade->sequence;
    if (journal_reader_before(chain->reader, RECORD_TRADE, &trade->record, trade->sequence, &row) == 1) {
        after = row.sequence;
    }
    while (journal_reader_before(chain->reader, RECORD_FILL, &trade->record, before, &row) == 1 && row.sequence > after) {
        before = row.sequence;
        gather(chain, &row);
    }
}

static void gather(struct chain *chain, const struct journal_row *row) {
    struct journal_row trade;
    if (!chain_add(chain, row)) {
        return;
    }
    switch (row->record.kind) {
    case RECORD_WISH:
        gather_all(chain, true, RECORD_VERDICT, row->record.id);
        break;
    case RECORD_VERDICT:
        gather_all(chain, false, RECORD_WISH, row->record.parent);
        gather_all(chain, true, RECORD_ORDER, row->record.id);
        break;
    case RECORD_ORDER:
        gather_all(chain, false, RECORD_VERDICT, row->record.parent);
        gather_all(chain, false, RECORD_STEP, row->record.id);
        gather_all(chain, true, RECORD_FILL, row->record.id);
        break;
    case RECORD_FILL:
        gather_all(chain, false, RECORD_ORDER, row->record.parent);
        if (journal_reader_after(chain->reader, RECORD_TRADE, &row->record, row->sequence, &trade) == 1) {
            gather(chain, &trade);
        }
        break;
    case RECORD_TRADE:
        gather_trade(chain, row);
        break;
    default:
        break;
    }
}

/* The last trade, or else the last order or verdict, whichever came later. */
static void gather_last(struct chain *chain) {
    struct journal_row row, other;
    int found = journal_reader_last(chain->reader, RECORD_TRADE, 0, &row);
    if (found == 0) {
        found = journal_reader_last(chain->reader, RECORD_VERDICT, 0, &row);
        if (journal_reader_last(chain->reader, RECORD_ORDER, 0, &other) == 1 && (found == 0 || other.sequence > row.sequence)) {
            row = other;
            found = 1;
        }
    }
    if (found == 1) {
        gather(chain, &row);
    }
    chain->failed = found < 0 ? found : chain->failed;
}

/* "trade:1" -> kind and id; a bare number is an order's. */
static bool id_parse(const char *text, int *kind, uint64_t *id) {
    static const struct {
        const char *name;
        int kind;
    } names[] = {{"order:", RECORD_ORDER}, {"fill:", RECORD_FILL}, {"trade:", RECORD_TRADE}, {"wish:", RECORD_WISH}, {"verdict:", RECORD_VERDICT}};
    *kind = RECORD_ORDER;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(text, names[i].name, strlen(names[i].name)) == 0) {
            *kind = names[i].kind;
            return number_parse(text + strlen(names[i].name), id);
        }
    }
    return number_parse(text, id);
}

/* ---- why: printing ------------------------------------------------------------------------------------------------------- */

static int row_compare(const void *a, const void *b) {
    const struct journal_row *left = a, *right = b;
    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static void why_json(const struct chain *chain, const char *word) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "why", word);
    cJSON_AddBoolToObject(object, "cut", chain->cut);
    cJSON *rows = cJSON_AddArrayToObject(object, "rows");
    for (int i = 0; i < chain->count; i++) {
        cJSON_AddItemToArray(rows, row_json(&chain->rows[i]));
    }
    cli_print_json(object);
}

static int why_show(struct chain *chain, const struct request *request) {
    struct error error = {0};
    if (chain->failed != 0) {
        error_set(&error, chain->failed, "%s", journal_reader_error(chain->reader));
        return cli_fail("why", request->json, &error);
    }
    if (chain->count == 0) {
        error_set(&error, ERROR_NOT_FOUND, "%s is not in %s", request->word, request->path);
        return cli_fail("why", request->json, &error);
    }
    qsort(chain->rows, (size_t)chain->count, sizeof *chain->rows, row_compare);
    if (request->json) {
        why_json(chain, request->word);
        return 0;
    }
    for (int i = 0; i < chain->count; i++) {
        row_show(&chain->rows[i]);
    }
    if (chain->cut) {
        printf("... and more than %d rows belong to it\n", CHAIN_ROWS);
    }
    return 0;
}

int cmd_why(int argc, char **argv) {
    struct request request;
    struct error error = {0};
    struct chain chain = {0};
    int kind = 0;
    uint64_t id = 0;
    if (!request_parse(&request, argc, argv) || (strcmp(request.word, "last") != 0 && !id_parse(request.word, &kind, &id))) {
        return cli_usage("why", request.bad ? "not an option of it, or its value is missing or wrong:" : "wanted last, NUMBER or KIND:NUMBER such as trade:1, found",
                         request.bad ? request.bad : request.word ? request.word : "nothing");
    }
    if (journal_reader_open(&chain.reader, request.path, &error) != 0) {
        return cli_fail("why", request.json, &error);
    }
    chain.rows = calloc(CHAIN_ROWS, sizeof *chain.rows);
    if (chain.rows == NULL) {
        chain.failed = ERROR_SYSTEM;
    } else if (kind == 0) {
        gather_last(&chain);
    } else {
        gather_all(&chain, false, kind, id);
    }
    int status = why_show(&chain, &request);
    free(chain.rows);
    journal_reader_close(chain.reader);
    return status;
}
