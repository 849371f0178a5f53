/*
 * csv_input.c - reads a plain or gzip file in blocks of whole lines and hashes what it hands out.
 *
 * Guarantees: memory is one block (and what gunzip.c takes), whatever the file's size. Plain files are read with read(2)
 * and not mapped: a file that another process truncates is then an error and not a SIGBUS, and the copy costs less than the
 * page faults it saves.
 */
#include "csv_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SNIFF_BYTES ((size_t)64 << 10) /* a packed file that is larger is worth a thread */

/* Fills up to `size` bytes; fewer only at the end of the file. */
static int read_full(struct csv_input *input, void *to, size_t size, size_t *got, struct error *error) {
    *got = 0;
    while (*got < size) {
        ssize_t count = read(input->file, (char *)to + *got, size - *got);
        if (count == 0) {
            break;
        }
        if (count < 0 && errno != EINTR) {
            return error_set_errno(error, "%s", input->path);
        }
        *got += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

/* The first bytes decide: they are the start of the packed stream or of the block. */
static int input_sniff(struct csv_input *input, struct error *error) {
    int code = read_full(input, input->block, SNIFF_BYTES, &input->used, error);
    if (code == 0 && gunzip_magic((const unsigned char *)input->block, input->used)) {
        code = gunzip_open(&input->gunzip, input->path, input->file, (const unsigned char *)input->block, input->used,
                           input->used == SNIFF_BYTES, error);
        input->used = 0;
    }
    return code;
}

int csv_input_open(struct csv_input *input, const char *path, struct error *error) {
    memset(input, 0, sizeof(*input));
    input->path = path;
    input->file = open(path, O_RDONLY | O_CLOEXEC);
    if (input->file < 0) {
        return error_set_errno(error, "%s", path);
    }
    input->block = calloc(1, CSV_BLOCK + CSV_PADDING);
    int code = 0;
    if (input->block == NULL || hash_init(&input->hash) != 0) {
        code = error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
    } else {
        code = input_sniff(input, error);
    }
    if (code != 0) {
        csv_input_close(input);
    }
    return code;
}

bool csv_input_compressed(const struct csv_input *input) {
    return input->gunzip != NULL;
}

void csv_input_close(struct csv_input *input) {
    gunzip_close(input->gunzip);
    hash_fini(&input->hash);
    free(input->block);
    if (input->file >= 0) {
        close(input->file);
    }
    memset(input, 0, sizeof(*input));
    input->file = -1;
}

/* Fills the block or reaches the end. */
static int block_fill(struct csv_input *input, struct error *error) {
    int code = 0;
    while (code == 0 && !input->ended && input->used < CSV_BLOCK) {
        size_t got, room = CSV_BLOCK - input->used;
        code = input->gunzip != NULL ? gunzip_read(input->gunzip, input->block + input->used, room, &got, error)
                                     : read_full(input, input->block + input->used, room, &got, error);
        input->used += got;
        input->ended = got == 0;
    }
    return code;
}

/* Ends the last line of the file, so that the scanner needs to look for one thing only. */
static size_t last_line_end(struct csv_input *input) {
    if (input->used > 0 && input->block[input->used - 1] != '\n') {
        input->block[input->used++] = '\n'; /* the padding has room */
    }
    return input->used;
}

int csv_input_next(struct csv_input *input, size_t line, const char **begin, const char **end, struct error *error) {
    *begin = *end = input->block;
    memmove(input->block, input->block + input->given, input->used - input->given);
    input->used -= input->given;
    input->given = 0;
    if (input->ended) {
        return 0;
    }
    int code = block_fill(input, error);
    if (code != 0) {
        return code;
    }
    size_t whole;
    if (input->ended) {
        hash_add(&input->hash, input->block, input->used);
        whole = last_line_end(input);
    } else {
        const char *newline = memrchr(input->block, '\n', input->used);
        if (newline == NULL || input->used - (size_t)(newline + 1 - input->block) > CSV_LINE_MAX) {
            return error_set(error, ERROR_FORMAT, "%s:%zu: found a line longer than %zu bytes", input->path, line + 1, CSV_LINE_MAX);
        }
        whole = (size_t)(newline + 1 - input->block);
        hash_add(&input->hash, input->block, whole);
    }
    input->given = whole;
    *end = input->block + whole;
    return 0;
}
