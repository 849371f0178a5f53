/*
 * csv.c - fuzzes the bar reader through a memory file, plain and gzip alike. The first byte picks a tick. What is accepted
 * must keep the reader's promises and, written in canonical form and read again, give the same bars.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define OUT "/tmp/bulkhead-fuzz-csv.csv"

static struct bar_file file, again;

static void must(int truth) {
    if (!truth) {
        abort();
    }
}

static int read_bytes(const uint8_t *bytes, size_t size, struct instrument *instrument, struct error *error) {
    char path[64];
    int memory = memfd_create("csv", MFD_CLOEXEC);
    must(memory >= 0 && write(memory, bytes, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    int code = bar_file_read(&file, path, instrument, error);
    close(memory);
    return code;
}

static void check_bars(void) {
    for (size_t i = 0; i < file.count; i++) {
        const struct bar *bar = &file.bars[i];
        must(bar->low > 0 && bar->low <= bar->open && bar->low <= bar->close && bar->open <= bar->high && bar->close <= bar->high);
        must(bar->high <= INT64_C(1) << 53 && bar->volume_e8 >= -1);
        must(i == 0 || bar->start_ns > bar[-1].start_ns);
    }
    struct bar_quality quality;
    bar_quality_find(&file, &quality);
    must(file.missing >= 0 && quality.irregular >= 0);
}

/* Only files whose times the canonical form can hold. */
static void check_again(const struct instrument *instrument) {
    struct instrument same = *instrument;
    struct error error;
    if (bar_file_write(&file, instrument, OUT, &error) != 0) {
        return;
    }
    /* the one refusal that is meant: milliseconds that look like seconds */
    if (bar_file_read(&again, OUT, &same, &error) != 0) {
        must(strstr(error.text, "looks like seconds") != NULL);
        return;
    }
    must(again.count == file.count && memcmp(again.bars, file.bars, file.count * sizeof(struct bar)) == 0);
    bar_file_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const int64_t ticks[] = {0, 0, 1, 1000000, 25000000, 5 * E8, 300};
    struct error error = {0};
    if (size == 0) {
        return 0;
    }
    struct instrument instrument = {.tick_e8 = ticks[bytes[0] % 7], .lot_e8 = 1, .multiplier_e8 = E8, .quantity_min_lots = 1};
    int code = read_bytes(bytes + 1, size - 1, &instrument, &error);
    if (code != 0) {
        must(error.code == code && error.text[0] != '\0' && file.bars == NULL);
        return 0;
    }
    check_bars();
    check_again(&instrument);
    bar_file_close(&file);
    return 0;
}
