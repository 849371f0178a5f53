/*
 * clock.h - time as a given thing. Stages are handed the time; only host/main.c and the commands ask for it here.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* UTC nanoseconds of the system, and a monotonic count for deadlines and measurements. */
int64_t clock_utc_ns(void);
int64_t clock_monotonic_ns(void);

/* "2023-03-24T12:39:00Z", with ".123456789" only when not zero; `size` >= 32. Returns `to`. */
char *clock_print(int64_t utc_ns, char *to, size_t size);

/* ISO 8601 with Z or an offset ("2023-03-24", "2023-03-24 12:39", "...T12:39:00.5+02:00"); no zone = UTC and *zoned = 0. */
int clock_parse(const char *text, size_t length, int64_t *utc_ns, int *zoned);

#endif
