/*
 * attack_file.h - the hostile strategy of attacks/attack.c with an order written into it, opened past the lint.
 */
#ifndef ATTACK_FILE_H
#define ATTACK_FILE_H

#include <sys/mman.h>
#include <sys/stat.h>

#include "attacks/list.h"
#include "jail_test.h"

/* The whole file in memory; the caller frees it. */
static inline unsigned char *file_read_whole(const char *path, size_t *size) {
    struct stat status;
    FILE *file = fopen(path, "re");
    if (!file) {
        fail_msg("%s: %s", path, strerror(errno));
    }
    assert_int_equal(fstat(fileno(file), &status), 0);
    *size = (size_t)status.st_size;
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

/* Opens `bytes` as a strategy, as if they were a file. */
static inline void jail_open_bytes(struct jail *jail, const void *bytes, size_t size) {
    char path[40];
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    jail_open(jail, path);
    close(fd);
}

static inline void attack_open(struct jail *jail, const char *name, const char *place, const char *canary,
                               const char *canary_new) {
    static unsigned char *image; /* read once, before any change of user */
    static size_t size;
    if (!image) {
        image = file_read_whole(build_path("tests/jail/attacks/attack.so"), &size);
    }
    struct attack_order order = {.marker = ORDER_MARKER, .host = getpid()};
    snprintf(order.name, sizeof(order.name), "%s", name);
    snprintf(order.place, sizeof(order.place), "%s", place);
    snprintf(order.host_memory, sizeof(order.host_memory), "/proc/%d/mem", (int)getpid());
    snprintf(order.canary, sizeof(order.canary), "%s", canary);
    snprintf(order.canary_new, sizeof(order.canary_new), "%s", canary_new);
    unsigned char *at = memmem(image, size, ORDER_MARKER, sizeof(ORDER_MARKER));
    assert_non_null(at);
    memcpy(at, &order, sizeof(order));
    jail_open_bytes(jail, image, size);
    jail_force(jail);
}

#endif
