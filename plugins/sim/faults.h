/*
 * faults.h - what goes wrong between an exchange and its client, on purpose and countably: acknowledgements that come late
 * or never, fills told twice, a link that breaks after so many messages. The exchange itself stays right.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "venue.h"

#define FAULTS_HELD_MAX 1024

/* 0 or false = this fault does not happen. */
struct fault_options {
    int64_t ack_delay_ns;      /* of exchange time */
    int64_t ack_drop_every;
    int64_t disconnect_every;  /* reports */
    bool fills_twice;
};

struct faults {
    struct fault_options options;
    void *context;
    void (*report)(void *context, const struct venue_report *report);
    uint64_t acks, reports;
    bool disconnect;           /* set when the link shall break now; the owner clears it */
    uint32_t held_count;
    struct venue_report held[FAULTS_HELD_MAX]; /* late acknowledgements, oldest first */
};

void faults_init(struct faults *faults, const struct fault_options *options, void *context,
                 void (*report)(void *context, const struct venue_report *report));
/* Passes a report on, or does not. */
void faults_report(struct faults *faults, const struct venue_report *report);
/* Late acknowledgements that are due. */
void faults_release(struct faults *faults, int64_t now_ns);
int64_t faults_next_ns(const struct faults *faults);
/* A broken link forgets what was under way. */
void faults_forget(struct faults *faults);

#endif
