/*
 * venue_line.c - fuzzes the lines between host and exchange. Whatever the bytes: no crash, and what is understood as an order,
 * a report or a market event is written and read back equal.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* the fuzzers link the host only: these two files of a plug-in come along as they are */
#include "sim/message.c"
#include "sim/protocol.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(int truth) {
    if (!truth) {
        abort();
    }
}

static struct message read_back(struct message_line *line) {
    struct message message = {0};
    size_t size = message_end(line);
    must(size > 0 && message_parse(&message, line->bytes, size - 1) == 0);
    return message;
}

static void check_order(const struct message *message) {
    struct order order, again;
    struct message_line line;
    if (protocol_get_order(message, &order) == 0) {
        protocol_put_order(&line, &order);
        struct message back = read_back(&line);
        must(protocol_get_order(&back, &again) == 0 && memcmp(&order, &again, sizeof(order)) == 0);
    }
}

static void check_report(const struct message *message) {
    struct venue_report report, again;
    struct message_line line;
    if (protocol_get_report(message, &report) == 0) {
        protocol_put_report(&line, "report", &report, report.instrument);
        struct message back = read_back(&line);
        must(protocol_get_report(&back, &again) == 0 && memcmp(&report, &again, sizeof(report)) == 0);
    }
}

static void check_market(const struct message *message) {
    struct venue_market event, again;
    struct message_line line;
    if (protocol_get_market(message, &event) == 0) {
        protocol_put_market(&line, &event, event.instrument);
        struct message back = read_back(&line);
        must(protocol_get_market(&back, &again) == 0 && memcmp(&event, &again, sizeof(event)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct message message;
    struct instrument instrument;
    uint16_t index;
    if (message_parse(&message, (const char *)bytes, size) == 0) {
        check_order(&message);
        check_report(&message);
        check_market(&message);
        protocol_get_instrument(&message, &index, &instrument);
    }
    return 0;
}
