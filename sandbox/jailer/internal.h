/* internal.h - what the files of the jailer's slot side share. */
#ifndef SANDBOX_JAILER_INTERNAL_H
#define SANDBOX_JAILER_INTERNAL_H

#include "jailer.h"

/* Monotonic nanoseconds. */
int64_t jailer_now_ns(void);

/* spawn.c: starts the program with the descriptors of wire.h; fills pid and pidfd. */
int slot_spawn(struct slot *slot, const struct slot_options *options, struct error *error);

/* verify.c: the kernel's own word that the process is jailed. Returns false with a text in `fault`. */
bool slot_is_jailed(const struct slot *slot, char *fault, size_t fault_size);

/* death.c: kills and reaps; `reason` and `text` are noted unless the process had ended on its own before. */
void slot_end(struct slot *slot, int reason, const char *text);

/* death.c: reaps a process that has ended and notes how. */
void slot_reap(struct slot *slot);

/* death.c: copies text that a slot wrote; what is not printable becomes '?'. */
void text_sanitize(char *to, size_t size, const char *from, size_t from_size);

#endif
