/*
 * csv_input.c - reads a plain or gzip file in blocks of whole lines and hashes what it hands out.
 *
 * Guarantees: memory is one block and one buffer, whatever the file's size and however well it is packed; a gzip stream
 * that ends early, fails its checksum or is followed by garbage is an integrity failure, never a short file. Files are read
 * with read(2) and not mapped: a file that another process truncates is then an error and not a SIGBUS, and the copy costs
 * less than the page faults it saves.
 */
#include "csv_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKED_BYTES ((size_t)64 << 10)
#define GZIP_WINDOW (15 + 16) /* zlib: largest window, gzip wrapping */

static bool gzip_magic(const unsigned char *bytes, size_t size) {
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

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

/* The first bytes decide: they become the start of the packed buffer or of the block. */
static int input_sniff(struct csv_input *input, struct error *error) {
    size_t got;
    int code = read_full(input, input->packed, PACKED_BYTES, &got, error);
    if (code != 0) {
        return code;
    }
    input->compressed = gzip_magic(input->packed, got);
    if (!input->compressed) {
        memcpy(input->block, input->packed, got);
        input->used = got;
        return 0;
    }
    if (inflateInit2(&input->inflater, GZIP_WINDOW) != Z_OK) {
        input->compressed = false;
        return error_set(error, ERROR_SYSTEM, "%s: out of memory", input->path);
    }
    input->inflater.next_in = input->packed;
    input->inflater.avail_in = (unsigned)got;
    input->inside_member = true;
    return 0;
}

int csv_input_open(struct csv_input *input, const char *path, struct error *error) {
    memset(input, 0, sizeof(*input));
    input->path = path;
    input->file = open(path, O_RDONLY | O_CLOEXEC);
    if (input->file < 0) {
        return error_set_errno(error, "%s", path);
    }
    input->packed = malloc(PACKED_BYTES);
    input->block = calloc(1, CSV_BLOCK + CSV_PADDING);
    int code = 0;
    if (input->packed == NULL || input->block == NULL || hash_init(&input->hash) != 0) {
        code = error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
    } else {
        code = input_sniff(input, error);
    }
    if (code != 0) {
        csv_input_close(input);
    }
    return code;
}

void csv_input_close(struct csv_input *input) {
    if (input->compressed) {
        inflateEnd(&input->inflater);
    }
    hash_fini(&input->hash);
    free(input->packed);
    free(input->block);
    if (input->file >= 0) {
        close(input->file);
    }
    memset(input, 0, sizeof(*input));
    input->file = -1;
}

/* More compressed bytes when there are none left; avail_in == 0 afterwards = end of the file. */
static int packed_refill(struct csv_input *input, struct error *error) {
    size_t got = 0;
    if (input->inflater.avail_in > 0) {
        return 0;
    }
    int code = read_full(input, input->packed, PACKED_BYTES, &got, error);
    input->inflater.next_in = input->packed;
    input->inflater.avail_in = (unsigned)got;
    return code;
}

/* After a member: the end of the file, another member, or zero padding (tapes, block devices) up to the end. */
static int member_follow(struct csv_input *input, struct error *error) {
    int code;
    while ((code = packed_refill(input, error)) == 0 && input->inflater.avail_in > 0) {
        if (*input->inflater.next_in != 0) {
            break;
        }
        input->inflater.next_in++;
        input->inflater.avail_in--;
    }
    if (code != 0 || input->inflater.avail_in == 0) {
        input->ended = true;
        return code;
    }
    if (inflateReset(&input->inflater) != Z_OK) {
        return error_set(error, ERROR_INTEGRITY, "%s: found garbage after the gzip data, wanted its end", input->path);
    }
    input->inside_member = true;
    return 0;
}

/* One step of decompression into the free part of the block. */
static int inflate_some(struct csv_input *input, struct error *error) {
    if (!input->inside_member) {
        return member_follow(input, error);
    }
    int code = packed_refill(input, error);
    if (code != 0) {
        return code;
    }
    if (input->inflater.avail_in == 0) {
        return error_set(error, ERROR_INTEGRITY, "%s: found the end inside gzip data, wanted the rest of it", input->path);
    }
    size_t room = CSV_BLOCK - input->used;
    input->inflater.next_out = (unsigned char *)input->block + input->used;
    input->inflater.avail_out = (unsigned)room;
    int result = inflate(&input->inflater, Z_NO_FLUSH);
    input->used += room - input->inflater.avail_out;
    if (result == Z_STREAM_END) {
        input->inside_member = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return error_set(error, ERROR_INTEGRITY, "%s: found damaged gzip data (%s)", input->path,
                         input->inflater.msg == NULL ? "no details" : input->inflater.msg);
    }
    return 0;
}

/* Fills the block or reaches the end. */
static int block_fill(struct csv_input *input, struct error *error) {
    int code = 0;
    size_t got;
    if (!input->compressed) {
        code = read_full(input, input->block + input->used, CSV_BLOCK - input->used, &got, error);
        input->used += got;
        input->ended = input->used < CSV_BLOCK;
    }
    while (code == 0 && input->compressed && !input->ended && input->used < CSV_BLOCK) {
        code = inflate_some(input, error);
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
