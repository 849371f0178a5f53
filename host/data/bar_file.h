/* bar_file.h - what reader and generator share: the growing mapping of bars, and what is found out about them at the end. */
#ifndef DATA_BAR_FILE_H
#define DATA_BAR_FILE_H

#include "data/data.h"

#define BARS_MAX ((size_t)1 << 26)              /* 127 years of minutes */
#define TICKS_MAX (INT64_C(1) << 53)            /* prices in ticks stay exact in a double */

/* Room for at least `count` bars; doubles, so that growing costs nothing per bar. */
int bar_file_reserve(struct bar_file *file, size_t count, struct error *error);
/* Returns what is beyond file->count, and finds the timeframe and the gaps. */
void bar_file_finish(struct bar_file *file);
/* The file's name without folders and endings, as a symbol. */
void bar_file_set_path(struct bar_file *file, const char *path);
/* Turns an instrument without a tick into the assumed one: 10^-decimals, lot 1e-8, multiplier 1. */
int instrument_assume(struct instrument *instrument, const char *symbol, int32_t decimals, struct error *error);

#endif
