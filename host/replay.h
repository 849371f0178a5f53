/*
 * replay.h - a recorded run again: the same events into the same engine with the same strategies, compared byte for byte.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "cli/setup.h"
#include "flow.h"

struct replay_result {
    uint64_t frames, turns, answers, wishes, records;
    uint64_t answers_differ, records_differ;
    bool complete;               /* the tape has a clean end */
    char first_difference[400];  /* "" = none */
};

/*
 * Replays the last run on HOME's tape. The strategies are taken from where they were, and refused when their bytes differ
 * from what ran (ERROR_INTEGRITY). Differences are counted, not errors.
 */
int replay(struct setup *setup, const char *home, struct replay_result *result, struct error *error);

#endif
