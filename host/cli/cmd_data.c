/*
 * cmd_data.c - `bulkhead data verify | list | import`: looks at bar files with the same reader that a backtest uses, so what
 * it says about a file is what the engine would see.
 *
 *   data verify FILE... [--instrument NAME] [--instruments FILE] [--json]   everything worth knowing; exit 7 when refused
 *   data list DIR|FILE... [--json]                                         one line a file
 *   data import FILE --out FILE [--json]                                   any accepted CSV -> the canonical one, atomically
 *
 * It never changes an input and repairs nothing; import writes what was read, refuses what was refused, and leaves an
 * existing output file alone until the new one is complete on disk.
 */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "data/data.h"


#define FILES_MAX 4096
#define FOLDER_DEPTH_MAX 8
#define GAPS_SHOWN 20

/* The command line. */
struct request {
    const char *verb;
    const char *out, *instrument, *instruments;
    bool json;
    char **names;
    int name_count;
};

/* One file as read, or the reason why not. */
struct view {
    struct bar_file file;
    struct bar_quality quality;
    struct instrument instrument;
    struct error error;
};

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static int row_find(const struct request *request, struct instrument *instrument, struct error *error) {
    struct instrument rows[INSTRUMENTS_MAX];
    char path[1024];
    snprintf(path, sizeof(path), "%s%s", request->instruments == NULL ? cli_policy_dir() : request->instruments,
             request->instruments == NULL ? "/instruments.yaml" : "");
    int count = instruments_read(path, rows, INSTRUMENTS_MAX, NULL, error);
    if (count < 0) {
        return count;
    }
    for (int n = 0; n < count; n++) {
        if (strcmp(rows[n].name, request->instrument) == 0) {
            *instrument = rows[n];
            return 0;
        }
    }
    return error_set(error, ERROR_NOT_FOUND, "%s: found no instrument \"%s\"", path, request->instrument);
}

/* A file that is there but not right is an integrity failure to this command, whatever is wrong in it. */
static int view_read(struct view *view, const struct request *request, const char *path) {
    memset(&view->instrument, 0, sizeof(view->instrument));
    view->error.code = 0;
    int code = request->instrument == NULL ? 0 : row_find(request, &view->instrument, &view->error);
    if (code == 0) {
        code = bar_file_read(&view->file, path, &view->instrument, &view->error);
        if (code == ERROR_FORMAT || code == ERROR_RANGE || code == ERROR_OVERFLOW) {
            view->error.code = code = ERROR_INTEGRITY;
        }
    }
    if (code == 0) {
        bar_quality_find(&view->file, &view->quality);
    }
    return code;
}

static const char *unit_name(enum time_unit unit) {
    static const char *const names[] = {"seconds", "milliseconds", "microseconds", "nanoseconds", "ISO 8601"};
    return names[unit];
}

static const char *label_name(enum bar_label label) {
    static const char *const names[] = {"unknown", "start", "end"};
    return names[label];
}

static void price_print(const struct view *view, int64_t ticks, char *to, size_t size) {
    int64_t unit = E8;
    for (int32_t n = 0; n < view->instrument.tick_decimals; n++) {
        unit /= 10;
    }
    decimal_print(ticks * (view->instrument.tick_e8 / unit), view->instrument.tick_decimals, to, size);
}

/* What the reader took for granted, one sentence each; returns how many. */
static size_t assumptions(const struct view *view, const char *said[6]) {
    size_t count = 0;
    if (view->instrument.row[0] == '\0') {
        said[count++] = "tick is the finest decimal of the file, lot 1e-8, multiplier 1";
    }
    if (view->quality.label != LABEL_START) {
        said[count++] = "labels are bar starts";
    }
    if (view->file.zone_assumed) {
        said[count++] = "times without a zone are UTC";
    }
    if (view->file.volume_rounded > 0) {
        said[count++] = "volumes finer than 1e-8 are rounded half-even";
    }
    if (!view->file.has_volume) {
        said[count++] = "there is no volume";
    }
    return count;
}

/* ---- verify as text --------------------------------------------------------------------------------------------------------- */

static void print_gaps(const struct bar_file *file) {
    char after[40], before[40];
    uint32_t kept = file->gap_count < GAPS_SHOWN ? file->gap_count : GAPS_SHOWN;
    for (uint32_t n = 0; n < kept; n++) {
        printf("    %s -> %s  %lld missing\n", clock_print(file->gaps[n].after_ns, after, sizeof(after)),
               clock_print(file->gaps[n].before_ns, before, sizeof(before)), (long long)file->gaps[n].missing);
    }
    if (kept < file->gap_count) {
        printf("    and %u more (--json lists up to %d)\n", file->gap_count - kept, GAPS_MAX);
    }
}

static void print_outliers(const struct view *view) {
    char when[40], from[32], to[32];
    for (uint32_t n = 0; n < view->quality.outliers_kept; n++) {
        const struct outlier *outlier = &view->quality.outliers[n];
        price_print(view, outlier->before, from, sizeof(from));
        price_print(view, outlier->close, to, sizeof(to));
        printf("    %s  %s -> %s  %+.2f %%\n", clock_print(outlier->start_ns, when, sizeof(when)), from, to,
               (double)outlier->move_ppm / 1e4);
    }
}

static void print_view(const struct view *view) {
    const struct bar_file *file = &view->file;
    const struct bar_quality *quality = &view->quality;
    char first[40], last[40], tick[32], hash[HASH_TEXT_BYTES];
    const char *said[6];
    hash_print(file->hash, hash);
    price_print(view, 1, tick, sizeof(tick));
    printf("%s: ok\n", file->path);
    printf("  symbol      %s, tick %s%s\n", file->symbol, tick, view->instrument.row[0] == '\0' ? " (assumed)" : "");
    printf("  rows        %zu, %s -> %s\n", file->count, clock_print(file->bars[0].start_ns, first, sizeof(first)),
           clock_print(file->bars[file->count - 1].start_ns, last, sizeof(last)));
    printf("  timeframe   %lld s, times in %s, labels look like: %s\n", (long long)(file->timeframe_ns / NS_PER_S),
           unit_name(file->time_unit), label_name(quality->label));
    printf("  gaps        %u, %lld bars missing, longest %lld\n", file->gap_count, (long long)file->missing,
           (long long)quality->longest_gap);
    print_gaps(file);
    printf("  irregular   %lld bars closer than the timeframe\n", (long long)quality->irregular);
    printf("  volume      %s, %lld bars with zero\n", file->has_volume ? "yes" : "none", (long long)file->zero_volume);
    printf("  outliers    %lld closes more than %d %% from the one before\n", (long long)quality->outlier_count,
           OUTLIER_PPM / 10000);
    print_outliers(view);
    for (size_t n = 0, count = assumptions(view, said); n < count; n++) {
        printf("  assumed     %s\n", said[n]);
    }
    printf("  sha256      %s\n", hash);
}

/* ---- verify as JSON --------------------------------------------------------------------------------------------------------- */

static void add_time(cJSON *object, const char *name, int64_t ns) {
    char text[40];
    cJSON_AddStringToObject(object, name, clock_print(ns, text, sizeof(text)));
}

static void add_count(cJSON *object, const char *name, int64_t count) {
    cJSON_AddNumberToObject(object, name, (double)count);
}

static void add_gaps(cJSON *object, const struct bar_file *file) {
    cJSON *gaps = cJSON_AddArrayToObject(object, "gaps");
    for (uint32_t n = 0; n < file->gap_count && n < GAPS_MAX; n++) {
        cJSON *gap = cJSON_CreateObject();
        add_time(gap, "after", file->gaps[n].after_ns);
        add_time(gap, "before", file->gaps[n].before_ns);
        add_count(gap, "missing", file->gaps[n].missing);
        cJSON_AddItemToArray(gaps, gap);
    }
}

static void add_outliers(cJSON *object, const struct view *view) {
    cJSON *outliers = cJSON_AddArrayToObject(object, "outliers");
    for (uint32_t n = 0; n < view->quality.outliers_kept; n++) {
        const struct outlier *from = &view->quality.outliers[n];
        char price[32];
        cJSON *outlier = cJSON_CreateObject();
        add_time(outlier, "time", from->start_ns);
        price_print(view, from->before, price, sizeof(price));
        cJSON_AddStringToObject(outlier, "before", price);
        price_print(view, from->close, price, sizeof(price));
        cJSON_AddStringToObject(outlier, "close", price);
        add_count(outlier, "move_ppm", from->move_ppm);
        cJSON_AddItemToArray(outliers, outlier);
    }
}

static void add_assumptions(cJSON *object, const struct view *view) {
    const char *said[6];
    cJSON *list = cJSON_AddArrayToObject(object, "assumed");
    for (size_t n = 0, count = assumptions(view, said); n < count; n++) {
        cJSON_AddItemToArray(list, cJSON_CreateString(said[n]));
    }
}

static void add_summary(cJSON *object, const struct view *view) {
    const struct bar_file *file = &view->file;
    cJSON_AddStringToObject(object, "symbol", file->symbol);
    add_count(object, "rows", (int64_t)file->count);
    add_time(object, "first", file->bars[0].start_ns);
    add_time(object, "last", file->bars[file->count - 1].start_ns);
    add_count(object, "timeframe_ms", file->timeframe_ns / NS_PER_MS);
    add_count(object, "gap_count", file->gap_count);
    add_count(object, "missing", file->missing);
    cJSON_AddBoolToObject(object, "has_volume", file->has_volume);
}

static void add_details(cJSON *object, const struct view *view) {
    const struct bar_file *file = &view->file;
    char tick[32], hash[HASH_TEXT_BYTES];
    price_print(view, 1, tick, sizeof(tick));
    hash_print(file->hash, hash);
    cJSON_AddStringToObject(object, "tick", tick);
    cJSON_AddStringToObject(object, "instrument", view->instrument.row);
    cJSON_AddStringToObject(object, "time_unit", unit_name(file->time_unit));
    cJSON_AddStringToObject(object, "labels", label_name(view->quality.label));
    add_gaps(object, file);
    add_count(object, "longest_gap", view->quality.longest_gap);
    add_count(object, "irregular", view->quality.irregular);
    add_count(object, "zero_volume", file->zero_volume);
    add_count(object, "volume_rounded", file->volume_rounded);
    add_count(object, "outlier_bound_ppm", OUTLIER_PPM);
    add_count(object, "outlier_count", view->quality.outlier_count);
    add_outliers(object, view);
    add_assumptions(object, view);
    cJSON_AddStringToObject(object, "sha256", hash);
}

/* The entry of one file in the "files" array. */
static cJSON *view_json(const struct view *view, const char *path, int code, bool details) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "path", path);
    cJSON_AddBoolToObject(object, "ok", code == 0);
    if (code != 0) {
        cJSON_AddStringToObject(object, "code", error_name(code));
        cJSON_AddStringToObject(object, "error", view->error.text);
        return object;
    }
    add_summary(object, view);
    if (details) {
        add_details(object, view);
    }
    return object;
}

static int json_print(cJSON *object) {
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (text == NULL) {
        fprintf(stderr, "bulkhead: out of memory\n");
        return 1;
    }
    puts(text);
    free(text);
    return 0;
}

/* ---- verify and list -------------------------------------------------------------------------------------------------------- */

static void print_line(const struct view *view) {
    const struct bar_file *file = &view->file;
    char first[40], last[40];
    printf("%-16s %6lld s %9zu  %s -> %s  %4u gaps  %s\n", file->symbol, (long long)(file->timeframe_ns / NS_PER_S), file->count,
           clock_print(file->bars[0].start_ns, first, sizeof(first)),
           clock_print(file->bars[file->count - 1].start_ns, last, sizeof(last)), file->gap_count, file->path);
}

/* Every file is looked at; the first failure decides the exit status. */
static int files_report(const struct request *request, char *const *paths, size_t count, bool details) {
    struct view *view = calloc(1, sizeof(*view));
    cJSON *root = cJSON_CreateObject();
    cJSON *files = cJSON_AddArrayToObject(root, "files");
    int failure = view == NULL || files == NULL ? ERROR_GENERAL : 0;
    for (size_t n = 0; view != NULL && n < count; n++) {
        int code = view_read(view, request, paths[n]);
        failure = failure == 0 ? code : failure;
        if (request->json) {
            cJSON_AddItemToArray(files, view_json(view, paths[n], code, details));
        } else if (code != 0) {
            fprintf(stderr, "bulkhead: %s\n", view->error.text);
        } else if (details) {
            print_view(view);
        } else {
            print_line(view);
        }
        if (code == 0) {
            bar_file_close(&view->file);
        }
    }
    free(view);
    if (request->json) {
        cJSON_AddBoolToObject(root, "ok", failure == 0);
        failure = json_print(root) != 0 ? ERROR_GENERAL : failure;
    } else {
        cJSON_Delete(root);
    }
    return error_exit_status(failure);
}

struct path_list {
    char *paths[FILES_MAX];
    size_t count;
};

static bool name_is_bars(const char *name) {
    size_t length = strlen(name);
    return (length > 4 && strcmp(name + length - 4, ".csv") == 0) || (length > 7 && strcmp(name + length - 7, ".csv.gz") == 0);
}

static int path_add(struct path_list *list, const char *path) {
    if (list->count == FILES_MAX) {
        fprintf(stderr, "bulkhead: found more than %d files, wanted at most that\n", FILES_MAX);
        return ERROR_FULL;
    }
    list->paths[list->count] = strdup(path);
    return list->paths[list->count] == NULL ? ERROR_SYSTEM : (list->count++, 0);
}

static int folder_add(struct path_list *list, const char *folder, int depth);

static int entry_add(struct path_list *list, const char *folder, const char *name, int depth) {
    char path[4096];
    struct stat status;
    if (name[0] == '.' || (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path) ||
        lstat(path, &status) != 0) {
        return 0;
    }
    if (S_ISDIR(status.st_mode)) {
        return depth < FOLDER_DEPTH_MAX ? folder_add(list, path, depth + 1) : 0;
    }
    return name_is_bars(name) ? path_add(list, path) : 0;
}

/* Bar files under a folder, by name; hidden names and links to folders are left out. */
static int folder_add(struct path_list *list, const char *folder, int depth) {
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    int code = 0;
    if (count < 0) {
        perror(folder);
        return ERROR_SYSTEM;
    }
    for (int n = 0; n < count; n++) {
        if (code == 0) {
            code = entry_add(list, folder, entries[n]->d_name, depth);
        }
        free(entries[n]);
    }
    free(entries);
    return code;
}

static int list_run(const struct request *request) {
    struct path_list *list = calloc(1, sizeof(*list));
    int code = list == NULL ? ERROR_SYSTEM : 0;
    for (int n = 0; code == 0 && n < request->name_count; n++) {
        struct stat status;
        bool folder = stat(request->names[n], &status) == 0 && S_ISDIR(status.st_mode);
        code = folder ? folder_add(list, request->names[n], 0) : path_add(list, request->names[n]);
    }
    int status = code == 0 ? files_report(request, list->paths, list->count, false) : error_exit_status(code);
    for (size_t n = 0; list != NULL && n < list->count; n++) {
        free(list->paths[n]);
    }
    free(list);
    return status;
}

static int verify_run(const struct request *request) {
    return files_report(request, request->names, (size_t)request->name_count, true);
}

/* ---- import ----------------------------------------------------------------------------------------------------------------- */

static int import_report(const struct request *request, struct view *view, int code) {
    if (request->json) {
        cJSON *object = view_json(view, request->names[0], code, true);
        cJSON_AddStringToObject(object, "out", request->out);
        return json_print(object) != 0 ? 1 : error_exit_status(code);
    }
    if (code != 0) {
        fprintf(stderr, "bulkhead: %s\n", view->error.text);
    } else {
        print_view(view);
        printf("  written     %s\n", request->out);
    }
    return error_exit_status(code);
}

static int import_run(const struct request *request) {
    struct view *view = calloc(1, sizeof(*view));
    if (view == NULL) {
        fprintf(stderr, "bulkhead: out of memory\n");
        return 1;
    }
    int code = view_read(view, request, request->names[0]);
    if (code == 0) {
        code = bar_file_write(&view->file, &view->instrument, request->out, &view->error);
    }
    int status = import_report(request, view, code);
    bar_file_close(&view->file);
    free(view);
    return status;
}

/* ---- the command line ------------------------------------------------------------------------------------------------------- */

/* The value of "--name VALUE" or "--name=VALUE" at argv[*n]; NULL when it is another argument or has no value. */
static const char *option_value(const char *name, int argc, char **argv, int *n) {
    size_t length = strlen(name);
    if (strncmp(argv[*n], name, length) != 0) {
        return NULL;
    }
    if (argv[*n][length] == '=') {
        return argv[*n] + length + 1;
    }
    return argv[*n][length] == '\0' && *n + 1 < argc ? argv[++*n] : NULL;
}

static bool request_parse(struct request *request, int argc, char **argv) {
    bool plain = false;
    request->verb = argc > 1 ? argv[1] : "";
    for (int n = 2; n < argc; n++) {
        const char *value;
        if (plain || argv[n][0] != '-' || argv[n][1] == '\0') {
            request->names[request->name_count++] = argv[n];
        } else if (strcmp(argv[n], "--") == 0) {
            plain = true;
        } else if (strcmp(argv[n], "--json") == 0) {
            request->json = true;
        } else if ((value = option_value("--out", argc, argv, &n)) != NULL) {
            request->out = value;
        } else if ((value = option_value("--instruments", argc, argv, &n)) != NULL) {
            request->instruments = value;
        } else if ((value = option_value("--instrument", argc, argv, &n)) != NULL) {
            request->instrument = value;
        } else {
            fprintf(stderr, "bulkhead data: found \"%s\", which is not an option of it or lacks its value\n", argv[n]);
            return false;
        }
    }
    return true;
}

static int request_run(const struct request *request) {
    bool import = strcmp(request->verb, "import") == 0;
    if (strcmp(request->verb, "verify") == 0 && request->name_count > 0 && request->out == NULL) {
        return verify_run(request);
    }
    if (strcmp(request->verb, "list") == 0 && request->name_count > 0 && request->out == NULL) {
        return list_run(request);
    }
    if (import && request->name_count == 1 && request->out != NULL) {
        return import_run(request);
    }
    return cli_usage("data", "wanted verify, list or import with its files, found", request->verb[0] ? request->verb : "nothing");
}

int cmd_data(int argc, char **argv) {
    struct request request = {.names = calloc((size_t)argc + 1, sizeof(char *))};
    int status = error_exit_status(ERROR_USAGE);
    if (request.names == NULL) {
        return 1;
    }
    if (request_parse(&request, argc, argv)) {
        status = request_run(&request);
    } else {
        cli_usage("data", NULL, NULL);
    }
    free(request.names);
    /* a report that did not reach its reader is a failure */
    return fflush(stdout) != 0 ? 1 : status;
}
