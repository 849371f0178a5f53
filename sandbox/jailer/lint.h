/*
 * lint.h - the rules a strategy file must keep before it is started. Hygiene, not the boundary.
 */
#ifndef SANDBOX_JAILER_LINT_H
#define SANDBOX_JAILER_LINT_H

#include "jailer.h"

#define ALLOWED_MAX 1024

/* policy/imports.allow as read: symbols a strategy may import. */
struct imports_allowed {
    uint32_t count;
    char names[ALLOWED_MAX][64];
};

/* Each line: symbol, blank, reason; '#' starts a comment. A line without a reason is refused. */
int imports_load(struct imports_allowed *allowed, const char *path, struct error *error);
bool imports_contain(const struct imports_allowed *allowed, const char *name);

/* Lints `bytes`; fills entry, calls, imports, findings and `admitted` of the strategy. Any bytes at all are safe. */
void lint(struct strategy *strategy, const unsigned char *bytes, size_t size, const struct imports_allowed *allowed);

/* entry.c: the rules about what agent_entry_v1 says, for lint() */
void lint_identity(struct strategy *strategy);

/* One more finding; what does not fit any more is counted in the last. */
void lint_add(struct strategy *strategy, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
