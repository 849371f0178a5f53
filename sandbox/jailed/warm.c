/*
 * warm.c - honest code must not die of libc's lazy first steps.
 *
 * Found by kills under the filter: qsort of more than 1 KB asks sysinfo once, gmtime_r and localtime_r open /etc/localtime
 * once, the first malloc asks for random bytes, a second arena would read /proc. Everything here is done once, before the
 * filters, and its result is thrown away.
 */
#include "steps.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int compare(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void warm_sort(void) {
    static double values[400]; /* 3,200 bytes: above qsort's stack buffer */
    for (int i = 0; i < 400; i++) {
        values[i] = -i;
    }
    qsort(values, 400, sizeof(values[0]), compare);
}

static void warm_time(void) {
    setenv("TZ", "UTC0", 1);
    tzset();
    time_t when = 1000000000;
    struct tm parts;
    gmtime_r(&when, &parts);
    localtime_r(&when, &parts);
    char text[64];
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S %A %B", &parts);
    mktime(&parts);
}

static void warm_numbers(void) {
    char text[128];
    volatile double x = strtod("1.25e-3", NULL);
    snprintf(text, sizeof(text), "%.17g %a %Lf %s", x, x, (long double)x, strerror(EIO));
    x = sin(x) + pow(2, x) + log(3 + x) + exp(x) + fmod(x, 2) + sqrt(x) + floor(x) + cbrt(x) + tgamma(x + 1);
}

void warm_libc(void) {
    mallopt(M_ARENA_MAX, 1);
    void *large = malloc((size_t)1 << 20); /* by mmap */
    void *small = malloc(100);             /* by brk */
    free(large);
    free(small);
    warm_sort();
    warm_time();
    warm_numbers();
}
