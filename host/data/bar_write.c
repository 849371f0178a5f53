/*
 * bar_write.c - bars -> the canonical file: time_ms,open,high,low,close,volume, LF, no needless zeros.
 *
 * Guarantees: reading it back gives the same bars; the same bars give the same bytes (the gzip header carries no time and
 * no name); the file appears under its name complete or not at all: it is written beside it, synced and renamed, so a full
 * disk or a crash leaves the old one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "bar_file.h"
#include "base/wide.h"

#define BUFFER_BYTES ((size_t)64 << 10)
#define ROW_MAX_BYTES 192 /* six numbers of at most 21 characters and their commas */
#define GZIP_WINDOW (15 + 16)
#define TEMPORARY ".XXXXXX"

struct writer {
    char path[1024 + sizeof(TEMPORARY)];
    int file;
    bool compressed;
    z_stream deflater;
    size_t used;
    char text[BUFFER_BYTES];
    unsigned char packed[BUFFER_BYTES];
};

/* ---- bytes ------------------------------------------------------------------------------------------------------------------ */

static int write_full(const struct writer *writer, const void *bytes, size_t size, struct error *error) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(writer->file, at, size);
        if (written < 0 && errno != EINTR) {
            return error_set_errno(error, "%s", writer->path);
        }
        at += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Empties the text buffer through the compressor; `flush` is Z_FINISH at the end. */
static int writer_deflate(struct writer *writer, int flush, struct error *error) {
    int code = 0, result = Z_OK;
    writer->deflater.next_in = (unsigned char *)writer->text;
    writer->deflater.avail_in = (unsigned)writer->used;
    do {
        writer->deflater.next_out = writer->packed;
        writer->deflater.avail_out = BUFFER_BYTES;
        result = deflate(&writer->deflater, flush);
        code = write_full(writer, writer->packed, BUFFER_BYTES - writer->deflater.avail_out, error);
    } while (code == 0 && result == Z_OK && writer->deflater.avail_out == 0);
    return code;
}

static int writer_flush(struct writer *writer, int flush, struct error *error) {
    int code = writer->compressed ? writer_deflate(writer, flush, error)
                                  : write_full(writer, writer->text, writer->used, error);
    writer->used = 0;
    return code;
}

static int writer_open(struct writer *writer, const char *path, struct error *error) {
    size_t length = strlen(path);
    if (length + sizeof(TEMPORARY) > sizeof(writer->path)) {
        return error_set(error, ERROR_RANGE, "%s: found a path of %zu bytes, wanted at most 1023", path, length);
    }
    snprintf(writer->path, sizeof(writer->path), "%s%s", path, TEMPORARY);
    writer->compressed = length > 3 && strcmp(path + length - 3, ".gz") == 0;
    writer->file = mkostemp(writer->path, O_CLOEXEC);
    if (writer->file < 0) {
        return error_set_errno(error, "%s", path);
    }
    if (writer->compressed &&
        deflateInit2(&writer->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        writer->compressed = false;
        return error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
    }
    return 0;
}

/* The rename is durable only when the folder is synced too. */
static int folder_sync(const char *path, struct error *error) {
    char folder[1024];
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    snprintf(folder, sizeof(folder), "%.*s", length, slash == NULL ? "." : path);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = descriptor < 0 || fsync(descriptor) != 0 ? error_set_errno(error, "%s", folder) : 0;
    if (descriptor >= 0) {
        close(descriptor);
    }
    return code;
}

/* mkostemp makes files that only their owner may read; a data file is as readable as any other new file. */
static int writer_commit(struct writer *writer, const char *path, struct error *error) {
    mode_t mask = umask(0);
    umask(mask);
    int code = writer_flush(writer, Z_FINISH, error);
    if (code == 0 && (fchmod(writer->file, 0666 & ~mask) != 0 || fsync(writer->file) != 0 || rename(writer->path, path) != 0)) {
        code = error_set_errno(error, "%s", path);
    }
    if (code == 0) {
        writer->path[0] = '\0';
        code = folder_sync(path, error);
    }
    return code;
}

static void writer_close(struct writer *writer) {
    if (writer->compressed) {
        deflateEnd(&writer->deflater);
    }
    if (writer->file >= 0) {
        close(writer->file);
        if (writer->path[0] != '\0') {
            unlink(writer->path);
        }
    }
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

static void put_decimal(struct writer *writer, int64_t mantissa, int32_t scale) {
    while (scale > 0 && mantissa % 10 == 0) {
        mantissa /= 10;
        scale--;
    }
    char *to = writer->text + writer->used;
    decimal_print(mantissa, scale, to, BUFFER_BYTES - writer->used);
    writer->used += strlen(to);
}

static int put_row(struct writer *writer, const struct bar *bar, int64_t tick_num, int32_t scale, struct error *error) {
    const int64_t prices[] = {bar->open, bar->high, bar->low, bar->close};
    if (bar->start_ns % NS_PER_MS != 0) {
        return error_set(error, ERROR_RANGE, "%s: found a bar start of %lld ns, wanted whole milliseconds", writer->path,
                         (long long)bar->start_ns);
    }
    put_decimal(writer, bar->start_ns / NS_PER_MS, 0);
    for (size_t n = 0; n < 4; n++) {
        int64_t mantissa;
        if (__builtin_mul_overflow(prices[n], tick_num, &mantissa)) {
            return error_set(error, ERROR_OVERFLOW, "%s: found a price beyond 64 bits", writer->path);
        }
        writer->text[writer->used++] = ',';
        put_decimal(writer, mantissa, scale);
    }
    writer->text[writer->used++] = ',';
    if (bar->volume_e8 >= 0) {
        put_decimal(writer, bar->volume_e8, 8);
    }
    writer->text[writer->used++] = '\n';
    return 0;
}

static int put_bars(struct writer *writer, const struct bar_file *file, const struct instrument *instrument,
                    struct error *error) {
    static const char header[] = "time_ms,open,high,low,close,volume\n";
    int64_t tick_num = instrument->tick_e8;
    int32_t scale = 8;
    int code = 0;
    while (scale > 0 && tick_num % 10 == 0) {
        tick_num /= 10;
        scale--;
    }
    memcpy(writer->text, header, sizeof(header) - 1);
    writer->used = sizeof(header) - 1;
    for (size_t i = 0; code == 0 && i < file->count; i++) {
        if (writer->used > BUFFER_BYTES - ROW_MAX_BYTES) {
            code = writer_flush(writer, Z_NO_FLUSH, error);
        }
        if (code == 0) {
            code = put_row(writer, &file->bars[i], tick_num, scale, error);
        }
    }
    return code;
}

int bar_file_write(const struct bar_file *file, const struct instrument *instrument, const char *path, struct error *error) {
    struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
    }
    writer->file = -1;
    int code = writer_open(writer, path, error);
    if (code == 0) {
        code = put_bars(writer, file, instrument, error);
    }
    if (code == 0) {
        code = writer_commit(writer, path, error);
    }
    writer_close(writer);
    free(writer);
    return code;
}
