/*
 * faults.c - a bad wire, by counting: the same reports meet the same faults in every run.
 *
 * Guarantees: fills and ends of orders are never lost except by a broken link, which the client sees; a table that is full
 * lets acknowledgements through in time instead of losing them.
 */
#include "sim/faults.h"

#include <string.h>

void faults_init(struct faults *f, const struct fault_options *options, void *context,
                 void (*report)(void *context, const struct venue_report *report)) {
    memset(f, 0, sizeof(*f));
    f->options = *options;
    f->context = context;
    f->report = report;
}

static void pass(struct faults *f, const struct venue_report *report) {
    f->report(f->context, report);
    f->reports++;
    if (f->options.disconnect_every != 0 && f->reports % (uint64_t)f->options.disconnect_every == 0) {
        f->disconnect = true;
    }
}

void faults_report(struct faults *f, const struct venue_report *report) {
    if (report->kind == VENUE_ACK) {
        f->acks++;
        if (f->options.ack_drop_every != 0 && f->acks % (uint64_t)f->options.ack_drop_every == 0) {
            return;
        }
        if (f->options.ack_delay_ns != 0 && f->held_count < FAULTS_HELD_MAX) {
            f->held[f->held_count++] = *report;
            return;
        }
    }
    pass(f, report);
    if (report->kind == VENUE_FILL && f->options.fills_twice) {
        pass(f, report);
    }
}

int64_t faults_next_ns(const struct faults *f) {
    return f->held_count != 0 ? f->held[0].time_ns + f->options.ack_delay_ns : INT64_MAX;
}

void faults_release(struct faults *f, int64_t now_ns) {
    while (f->held_count != 0 && faults_next_ns(f) <= now_ns) {
        struct venue_report report = f->held[0];
        f->held_count--;
        memmove(&f->held[0], &f->held[1], f->held_count * sizeof(f->held[0]));
        pass(f, &report);
    }
}

void faults_forget(struct faults *f) {
    f->held_count = 0;
    f->disconnect = false;
}
