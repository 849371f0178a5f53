/*
 * filter.h - the two system call filters of a jailed process, as BPF in a buffer: to load, or to be read by a test.
 */
#ifndef SANDBOX_JAILED_FILTER_H
#define SANDBOX_JAILED_FILTER_H

#include <linux/filter.h>

#define FILTER_INSTRUCTIONS_MAX 512

enum filter_stage {
    FILTER_LOADING = 1, /* in force while dlopen runs, and with it any constructor: this is the boundary */
    FILTER_DECIDING = 2 /* in force from then on, beside the first */
};

struct filter {
    unsigned short count;
    struct sock_filter instructions[FILTER_INSTRUCTIONS_MAX];
};

/* Both return 0 or a negative errno. Building needs one free pipe, loading nothing but the seccomp system call. */
int filter_build(struct filter *filter, enum filter_stage stage);
int filter_load(const struct filter *filter);

#endif
