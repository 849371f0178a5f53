/*
 * paper_book.c - the book of the paper venue and its file.
 *
 * The file is a row of records: a head (magic, kind, size, sequence, checksum) and a body. Each event is one record and one
 * write, and everything that follows from it (lots of the order, of the group, the bracket) is folded from that one record;
 * so a kill leaves an event whole or absent. A record cut short can only be the last: it is dropped. A bad one with more
 * behind it was not made by a kill, and is refused.
 *
 * Guarantees: what was told was written before; the fold of the file is the book in memory. With `sync` it also survives a
 * power cut, at the price of a flush on the loop for every event.
 * Deliberately not here: forgetting. A book that is full refuses orders; start the next one in another home.
 */
#include "paper/paper_book.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "execute/order.h"

#define RECORD_MAGIC 0x6b6f6f62u /* "book" */
#define BOOK_VERSION 1

enum record_kind { PAPER_HEAD = 1, PAPER_ORDER, PAPER_FILL, PAPER_END, PAPER_PROTECT };

struct head {
    uint32_t magic;
    uint16_t kind, size;   /* of the body */
    uint64_t sequence;
    uint32_t reserved;
    uint32_t checksum;     /* of the head before it and the body */
};

union body {
    struct { uint64_t epoch; uint32_t version, order_bytes, report_bytes; } start;
    struct { struct order order; int64_t active_ns; } order;
    struct { int64_t index; struct venue_report report; } fill;
    struct { uint32_t index; uint32_t state; } end;
    struct { uint16_t instrument, position; int64_t stop_ticks, target_ticks; } protect;
};

struct record {
    struct head head;
    union body body;
};

static const uint16_t body_sizes[] = {
    [PAPER_HEAD] = sizeof(((union body *)0)->start),  [PAPER_ORDER] = sizeof(((union body *)0)->order),
    [PAPER_FILL] = sizeof(((union body *)0)->fill),   [PAPER_END] = sizeof(((union body *)0)->end),
    [PAPER_PROTECT] = sizeof(((union body *)0)->protect),
};

/* ---- the fold --------------------------------------------------------------------------------------------------------------- */

static uint32_t *hash_slot(const struct paper_book *b, const char *client_id) {
    uint32_t hash = (uint32_t)crc32(0, (const unsigned char *)client_id, (unsigned)strnlen(client_id, NAME_MAX_BYTES));
    return &b->hash[hash % PAPER_HASH_SLOTS];
}

int64_t paper_book_find(const struct paper_book *b, const char *client_id) {
    for (uint32_t i = *hash_slot(b, client_id); i != 0; i = b->orders[i - 1].next_same_hash) {
        if (strncmp(b->orders[i - 1].order.client_id, client_id, NAME_MAX_BYTES) == 0) {
            return i - 1;
        }
    }
    return -1;
}

static void open_remove(struct paper_book *b, uint32_t index) {
    for (uint32_t i = 0; i < b->open_count; i++) {
        if (b->open[i] == index) {
            memmove(&b->open[i], &b->open[i + 1], (b->open_count - i - 1) * sizeof(b->open[0]));
            b->open_count--;
            return;
        }
    }
}

static void group_list(struct paper_book *b, uint16_t position) {
    struct paper_group *g = &b->groups[position];
    if (g->lots != 0 && !g->listed) {
        b->group_open[b->group_count++] = position;
        g->listed = true;
    } else if (g->lots == 0 && g->listed) {
        uint32_t i = 0;
        while (b->group_open[i] != position) {
            i++;
        }
        memmove(&b->group_open[i], &b->group_open[i + 1], (b->group_count - i - 1) * sizeof(b->group_open[0]));
        b->group_count--;
        *g = (struct paper_group){.instrument = g->instrument};
    }
}

static int apply_order(struct paper_book *b, const union body *body) {
    const struct order *order = &body->order.order;
    if (b->order_count == PAPER_ORDERS_MAX || b->open_count == ORDERS_MAX || order->position >= POSITIONS_MAX) {
        return ERROR_FULL;
    }
    uint32_t *slot = hash_slot(b, order->client_id);
    b->orders[b->order_count] = (struct paper_order){.order = *order, .active_ns = body->order.active_ns, .next_same_hash = *slot};
    b->open[b->open_count++] = b->order_count;
    *slot = ++b->order_count;
    if (b->groups[order->position].lots == 0) {
        b->groups[order->position].instrument = order->instrument;
    }
    return 0;
}

static int apply_fill(struct paper_book *b, const union body *body) {
    const struct venue_report *fill = &body->fill.report;
    int64_t index = body->fill.index;
    if (b->fill_count == PAPER_FILLS_MAX || fill->position >= POSITIONS_MAX || index >= b->order_count || index < -1) {
        return ERROR_FULL;
    }
    struct paper_group *group = &b->groups[fill->position];
    struct order *order = index >= 0 ? &b->orders[index].order : NULL;
    if (order != NULL && order_fill(order, fill->lots) != ORDER_FILL_OPEN) {
        return ERROR_INTEGRITY;
    }
    b->fills[b->fill_count++] = *fill;
    group->lots += fill->lots;
    if (order != NULL && order->purpose == PURPOSE_ENTRY) {
        group->stop_ticks = order->stop_ticks;
        group->target_ticks = order->target_ticks;
    }
    group_list(b, fill->position);
    if (order != NULL && !order_is_open(order)) {
        open_remove(b, (uint32_t)index);
    }
    return 0;
}

static int apply_end(struct paper_book *b, const union body *body) {
    if (body->end.index >= b->order_count) {
        return ERROR_INTEGRITY;
    }
    int code = order_step(&b->orders[body->end.index].order, (enum order_state)body->end.state, 0);
    open_remove(b, body->end.index);
    return code == 0 ? 0 : ERROR_INTEGRITY;
}

/* Entries that have not filled follow the newer decision too. */
static int apply_protect(struct paper_book *b, const union body *body) {
    if (body->protect.position >= POSITIONS_MAX) {
        return ERROR_INTEGRITY;
    }
    for (uint32_t i = 0; i < b->open_count; i++) {
        struct order *order = &b->orders[b->open[i]].order;
        if (order->purpose == PURPOSE_ENTRY && order->position == body->protect.position) {
            order->stop_ticks = body->protect.stop_ticks;
            order->target_ticks = body->protect.target_ticks;
        }
    }
    struct paper_group *group = &b->groups[body->protect.position];
    if (group->lots != 0) {
        group->stop_ticks = body->protect.stop_ticks;
        group->target_ticks = body->protect.target_ticks;
    }
    return 0;
}

static int apply(struct paper_book *b, const struct record *record) {
    const union body *body = &record->body;
    b->sequence = record->head.sequence;
    switch (record->head.kind) {
    case PAPER_HEAD:
        b->epoch = body->start.epoch;
        return body->start.version == BOOK_VERSION && body->start.order_bytes == sizeof(struct order) &&
                       body->start.report_bytes == sizeof(struct venue_report)
                   ? 0
                   : ERROR_INTEGRITY;
    case PAPER_ORDER:
        return apply_order(b, body);
    case PAPER_FILL:
        return apply_fill(b, body);
    case PAPER_END:
        return apply_end(b, body);
    default:
        return apply_protect(b, body);
    }
}

/* ---- the file --------------------------------------------------------------------------------------------------------------- */

static uint32_t record_checksum(const struct record *record) {
    uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)&record->head, offsetof(struct head, checksum));
    return (uint32_t)crc32(crc, (const unsigned char *)&record->body, record->head.size);
}

static bool record_is_whole(const struct record *record, size_t bytes, uint64_t sequence) {
    const struct head *head = &record->head;
    return bytes >= sizeof(*head) && head->magic == RECORD_MAGIC && head->kind >= PAPER_HEAD && head->kind <= PAPER_PROTECT &&
           head->size == body_sizes[head->kind] && bytes >= sizeof(*head) + head->size && head->sequence == sequence &&
           head->reserved == 0 && head->checksum == record_checksum(record) && (sequence > 1 || head->kind == PAPER_HEAD);
}

/* One write, one event. A write that is cut short is taken back, and the book takes no more. */
static int record_write(struct paper_book *b, struct record *record, uint16_t kind) {
    size_t bytes = sizeof(record->head) + body_sizes[kind];
    record->head = (struct head){.magic = RECORD_MAGIC, .kind = kind, .size = body_sizes[kind], .sequence = b->sequence + 1};
    record->head.checksum = record_checksum(record);
    if (b->fd < 0) {
        return ERROR_SYSTEM;
    }
    ssize_t wrote = pwrite(b->fd, record, bytes, (off_t)b->size);
    if (wrote != (ssize_t)bytes || (b->sync && fdatasync(b->fd) != 0)) {
        int code = wrote < 0 && errno == ENOSPC ? ERROR_DISK_FULL : ERROR_SYSTEM;
        if (ftruncate(b->fd, (off_t)b->size) != 0) {
            code = ERROR_SYSTEM;
        }
        close(b->fd);
        b->fd = -1;
        return code;
    }
    b->size += (int64_t)bytes;
    b->written = true;
    return apply(b, record);
}

static int fold(struct paper_book *b, const char *path, int64_t file_bytes, struct error *error) {
    while (b->size < file_bytes) {
        struct record record;
        ssize_t got = pread(b->fd, &record, sizeof(record), (off_t)b->size);
        if (got < 0) {
            return error_set_errno(error, "%s", path);
        }
        if (!record_is_whole(&record, (size_t)got, b->sequence + 1)) {
            if (file_bytes - b->size >= (int64_t)sizeof(struct record)) {
                return error_set(error, ERROR_INTEGRITY, "%s: record %llu at byte %lld is damaged", path,
                                 (unsigned long long)b->sequence + 1, (long long)b->size);
            }
            return ftruncate(b->fd, (off_t)b->size) == 0 ? 0 : error_set_errno(error, "%s", path); /* the last write was cut */
        }
        if (apply(b, &record) != 0) {
            return error_set(error, ERROR_INTEGRITY, "%s: record %llu does not fit the ones before it", path,
                             (unsigned long long)b->sequence);
        }
        b->size += (int64_t)(sizeof(record.head) + record.head.size);
    }
    return 0;
}

static int book_begin(struct paper_book *b, const char *path, int64_t now_ns, struct error *error) {
    struct stat status;
    if (fstat(b->fd, &status) != 0) {
        return error_set_errno(error, "%s", path);
    }
    int code = fold(b, path, status.st_size, error);
    if (code == 0 && b->sequence == 0) {
        struct record record = {0};
        record.body.start.epoch = (uint64_t)now_ns;
        record.body.start.version = BOOK_VERSION;
        record.body.start.order_bytes = sizeof(struct order);
        record.body.start.report_bytes = sizeof(struct venue_report);
        code = record_write(b, &record, PAPER_HEAD);
        code = code == 0 ? 0 : error_set(error, code, "%s: the book could not be begun", path);
    }
    return code;
}

int paper_book_open(struct paper_book *b, const char *home, int64_t now_ns, bool sync, struct error *error) {
    char path[1024];
    memset(b, 0, sizeof(*b));
    b->fd = -1;
    b->sync = sync;
    b->orders = calloc(PAPER_ORDERS_MAX, sizeof(*b->orders));
    b->fills = calloc(PAPER_FILLS_MAX, sizeof(*b->fills));
    b->hash = calloc(PAPER_HASH_SLOTS, sizeof(*b->hash));
    if (b->orders == NULL || b->fills == NULL || b->hash == NULL) {
        return error_set(error, ERROR_SYSTEM, "paper: no memory for the book");
    }
    snprintf(path, sizeof(path), "%s/book", home);
    b->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return b->fd < 0 ? error_set_errno(error, "%s", path) : book_begin(b, path, now_ns, error);
}

void paper_book_close(struct paper_book *b) {
    if (b->fd >= 0) {
        if (b->written) {
            fdatasync(b->fd);
        }
        close(b->fd);
    }
    free(b->orders);
    free(b->fills);
    free(b->hash);
    memset(b, 0, sizeof(*b));
    b->fd = -1;
}

/* ---- events ----------------------------------------------------------------------------------------------------------------- */

int paper_book_submit(struct paper_book *b, const struct order *order, int64_t active_ns) {
    struct record record = {0};
    if (b->order_count == PAPER_ORDERS_MAX || b->open_count == ORDERS_MAX || b->fill_count >= PAPER_FILLS_MAX / 8 * 7) {
        return ERROR_FULL;
    }
    record.body.order.order = *order;
    record.body.order.order.state = ORDER_ACKED;
    record.body.order.order.filled_lots = 0;
    record.body.order.active_ns = active_ns;
    return record_write(b, &record, PAPER_ORDER);
}

int paper_book_fill(struct paper_book *b, int64_t index, struct venue_report *fill) {
    struct record record = {0};
    if (b->fill_count == PAPER_FILLS_MAX) {
        return ERROR_FULL;
    }
    snprintf(fill->venue_fill_id, sizeof(fill->venue_fill_id), "%llx-%u", (unsigned long long)b->epoch, b->fill_count + 1);
    record.body.fill.index = index;
    record.body.fill.report = *fill;
    return record_write(b, &record, PAPER_FILL);
}

int paper_book_end(struct paper_book *b, uint32_t index, enum order_state state) {
    struct record record = {0};
    record.body.end.index = index;
    record.body.end.state = (uint32_t)state;
    return record_write(b, &record, PAPER_END);
}

int paper_book_protect(struct paper_book *b, uint16_t instrument, uint16_t position, int64_t stop_ticks, int64_t target_ticks) {
    struct record record = {0};
    record.body.protect.instrument = instrument;
    record.body.protect.position = position;
    record.body.protect.stop_ticks = stop_ticks;
    record.body.protect.target_ticks = target_ticks;
    return record_write(b, &record, PAPER_PROTECT);
}
