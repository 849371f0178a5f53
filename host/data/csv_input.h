/*
 * csv_input.h - a text file, plain or gzip, as a run of blocks of whole lines.
 * Every block ends with a newline (one is added after a last line without) and is followed by CSV_PADDING readable bytes.
 */
#ifndef DATA_CSV_INPUT_H
#define DATA_CSV_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "gunzip.h"

#define CSV_BLOCK ((size_t)256 << 10)  /* stays in the second-level cache between inflate, hash and scanner */
#define CSV_LINE_MAX ((size_t)64 << 10)
#define CSV_PADDING 16

struct csv_input {
    const char *path;
    int file;
    struct gunzip *gunzip;/* NULL = plain, by content */
    bool ended;           /* nothing more to read */
    char *block;          /* CSV_BLOCK + CSV_PADDING */
    size_t used, given;   /* bytes in the block, of which the first `given` were handed out */
    struct hash hash;     /* of the uncompressed bytes */
};

int csv_input_open(struct csv_input *input, const char *path, struct error *error);
/* The next lines; *begin == *end at the end of the file. `line` is the number of lines handed out, for messages. */
int csv_input_next(struct csv_input *input, size_t line, const char **begin, const char **end, struct error *error);
bool csv_input_compressed(const struct csv_input *input);
void csv_input_close(struct csv_input *input);

#endif
