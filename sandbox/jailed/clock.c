/*
 * clock.c - there is no clock in the jail: the same inputs give the same decision, live and in replay.
 *
 * Guarantees: rdtsc and rdtscp raise SIGSEGV (PR_SET_TSC), and the kernel's time pages are unmapped. The second is needed
 * because the coarse clocks of the vDSO, and its time(), only read memory. clock_gettime as a call is not in the filter,
 * and the old vsyscall page goes through the filter as well. The code of the vDSO stays: the loader compares names with its
 * name, and without its pages the code can only crash.
 * Does not guarantee: that a strategy cannot count its own instructions.
 *
 * Afterwards this process itself must not ask for the time.
 */
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Unmaps the range at the head of a line of /proc/self/maps. */
static int unmap_line(const char *line) {
    char *end = NULL;
    uintptr_t from = strtoull(line, &end, 16);
    uintptr_t to = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
    if (to <= from) {
        errno = EPROTO;
        return -1;
    }
    return munmap((void *)from, to - from);
}

/* Reads all of the file; the buffer holds it, because the map of a fresh process is short. */
static ssize_t maps_read(char *text, size_t size) {
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t have = 0;
    ssize_t got = 0;
    while (have + 1 < size && (got = read(fd, text + have, size - 1 - have)) > 0) {
        have += (size_t)got;
    }
    close(fd);
    if (got != 0) {
        errno = EFBIG;
        return -1;
    }
    text[have] = '\0';
    return (ssize_t)have;
}

static bool line_is_clock(const char *line, const char *end) {
    const char *at = strstr(line, "[vvar"); /* and [vvar_vclock] */
    return at && at < end;
}

static int time_pages_remove(void) {
    static char text[65536];
    if (maps_read(text, sizeof(text)) < 0) {
        return -1;
    }
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        if (line_is_clock(line, end) && unmap_line(line) != 0) {
            return -1;
        }
    }
    return 0;
}

int clock_remove(void) {
    if (time_pages_remove() != 0) {
        return -1;
    }
    return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
}
