/*
 * record.c - the canonical bytes of a record: 40 bytes of head, then the body, every number little-endian.
 *
 * Guarantees: one record has exactly one encoding; decoding accepts those bytes and nothing else, never reads past `size`
 * and never writes past the body. The in-memory head has the canonical layout on purpose, so that encoding, which happens
 * once per record in a backtest, is one copy; the assertions below refuse a machine or a layout where that is not so.
 *
 * Deliberately not here: what a body means. Bodies are encoded by those who make them; here they are bytes.
 */
#include "ledger/record.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the head is copied as it lies in memory");
_Static_assert(offsetof(struct record, kind) == 0, "canonical: kind");
_Static_assert(offsetof(struct record, agent) == 2, "canonical: agent");
_Static_assert(offsetof(struct record, instrument) == 4, "canonical: instrument");
_Static_assert(offsetof(struct record, body_size) == 6, "canonical: body size");
_Static_assert(offsetof(struct record, time_ns) == 8, "canonical: time");
_Static_assert(offsetof(struct record, id) == 16, "canonical: id");
_Static_assert(offsetof(struct record, parent) == 24, "canonical: parent");
_Static_assert(offsetof(struct record, position) == 32, "canonical: position");
_Static_assert(offsetof(struct record, body) == RECORD_HEAD, "canonical: body");
_Static_assert(sizeof(struct record) == RECORD_MAX, "no padding");

const void *record_bytes(const struct record *record, size_t *size) {
    *size = record->body_size <= RECORD_BODY_MAX ? RECORD_HEAD + (size_t)record->body_size : 0;
    return record;
}

size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX]) {
    size_t size;
    const void *bytes = record_bytes(record, &size);
    memcpy(out, bytes, size);
    return size;
}

bool record_kind_known(int kind) {
    switch (kind) {
#define X(name, number) case number:
        RECORD_KIND_LIST(X)
#undef X
        return true;
    default:
        return false;
    }
}

int record_decode(const unsigned char *bytes, size_t size, struct record *out) {
    if (size < RECORD_HEAD || size > RECORD_MAX) {
        return ERROR_FORMAT;
    }
    memcpy(out, bytes, RECORD_HEAD);
    if (size != RECORD_HEAD + (size_t)out->body_size || !record_kind_known(out->kind)) {
        return ERROR_FORMAT;
    }
    memcpy(out->body, bytes + RECORD_HEAD, out->body_size);
    return 0;
}

const char *record_kind_name(int kind) {
    switch (kind) {
#define X(name, number) \
    case number:        \
        return #name;
        RECORD_KIND_LIST(X)
#undef X
    default:
        return "UNKNOWN";
    }
}
