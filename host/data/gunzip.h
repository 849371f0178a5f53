/*
 * gunzip.h - a gzip file as a stream of bytes, decompressed ahead by a thread of its own when it is worth one.
 */
#ifndef DATA_GUNZIP_H
#define DATA_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

struct gunzip;

/* True when the first bytes of a file say gzip. */
bool gunzip_magic(const unsigned char *bytes, size_t size);

/*
 * Continues after the `size` bytes that were already read from `file` (copied). With `ahead`, a thread decompresses while
 * the caller works; without, and where no thread can be had, gunzip_read does it. The file stays the caller's.
 */
int gunzip_open(struct gunzip **gunzip, const char *path, int file, const unsigned char *first, size_t size, bool ahead,
                struct error *error);

/* Up to `size` bytes; *got == 0 only at the end. Damage is reported after the bytes before it. */
int gunzip_read(struct gunzip *gunzip, void *to, size_t size, size_t *got, struct error *error);

/* Ends the thread, in the middle too. */
void gunzip_close(struct gunzip *gunzip);

#endif
