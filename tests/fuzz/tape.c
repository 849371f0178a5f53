/*
 * tape.c - libFuzzer harness for the two decoders of the ledger. The first byte chooses: odd = a record, even = a segment of
 * the tape. Properties: no sanitizer report; what decodes as a record encodes to the same bytes; a segment is read to a place
 * within it, and reading only that far succeeds.
 *
 *   clang -fsanitize=fuzzer,address,undefined -Ihost tests/fuzz/tape.c host/ledger/{tape,record}.c host/base/{error,hash}.c -lz -lcrypto
 *   TAPE_SEEDS=DIR build/tests/unit/tape writes seeds.
 */
#include <stdlib.h>
#include <string.h>

#include "ledger/record.h"
#include "ledger/tape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth) {
    if (!truth) {
        abort();
    }
}

static int frame_touch(void *context, enum tape_kind kind, int64_t time_ns, const unsigned char *bytes, size_t size) {
    unsigned *sum = context;
    (void)time_ns;
    require(kind >= TAPE_START && kind <= TAPE_RECORD && size <= TAPE_FRAME_MAX);
    for (size_t i = 0; i < size; i++) {
        *sum += bytes[i];
    }
    return 0;
}

static void record_try(const uint8_t *data, size_t size) {
    struct record record;
    unsigned char again[RECORD_MAX];
    if (record_decode(data, size, &record) == 0) {
        require(record_encode(&record, again) == size && memcmp(again, data, size) == 0);
    }
}

static void segment_try(const uint8_t *data, size_t size) {
    struct error error = {0};
    unsigned sum = 0;
    size_t good = 0, again = 0;
    int code = tape_read_segment("fuzz", data, size, frame_touch, &sum, &good, &error);
    require(good <= size && (code == 0) == (good == size && size > 0));
    if (good > 0) {
        require(tape_read_segment("fuzz", data, good, frame_touch, &sum, &again, &error) == 0 && again == good);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0) {
        (data[0] & 1 ? record_try : segment_try)(data + 1, size - 1);
    }
    return 0;
}
