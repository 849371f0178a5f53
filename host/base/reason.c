/*
 * reason.c - name and text of every reason. Journal, report and JSON take both from here, so a reason reads the same
 * everywhere. A number that is not in the list (a journal of a newer host) is "UNKNOWN", never a crash.
 */
#include "base/reason.h"

const char *reason_name(int reason) {
    switch (reason) {
#define X(name, number, text) \
    case number:              \
        return #name;
        REASON_LIST(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

const char *reason_text(int reason) {
    switch (reason) {
#define X(name, number, text) \
    case number:              \
        return text;
        REASON_LIST(X)
#undef X
    default:
        return "a reason this version does not know";
    }
}
