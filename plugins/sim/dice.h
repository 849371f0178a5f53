/*
 * dice.h - seeded random numbers of the simulated exchange: splitmix64 to spread a seed, xorshift to draw. Integers only, so
 * that every compiler and machine draws the same. Not for anything that must be hard to guess.
 */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state; /* never 0 */
};

static inline uint64_t dice_mix(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline struct dice dice_init(uint64_t seed) {
    uint64_t state = dice_mix(seed);
    return (struct dice){state != 0 ? state : 1};
}

static inline uint64_t dice_next(struct dice *dice) {
    uint64_t x = dice->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    dice->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 .. n - 1, n > 0. The bias of the remainder is below 2^-32 for the small n used here. */
static inline uint64_t dice_below(struct dice *dice, uint64_t n) { return (dice_next(dice) >> 8) % n; }

/* low .. high, both included. */
static inline int64_t dice_between(struct dice *dice, int64_t low, int64_t high) {
    return low + (int64_t)dice_below(dice, (uint64_t)(high - low) + 1);
}

/* True once in n. */
static inline int dice_once_in(struct dice *dice, uint64_t n) { return dice_below(dice, n) == 0; }

#endif
