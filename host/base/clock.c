/*
 * clock.c - the two clocks of the system, and time as text.
 *
 * Guarantees: printing and parsing are exact to the nanosecond over the whole int64_t range (1677-2262) and know the proleptic
 * Gregorian calendar only; they read no locale and no time zone file. A text without a zone is taken as UTC and says so to
 * the caller, because whether that is acceptable depends on where the text came from. Leap seconds (":60") are refused: UTC
 * nanoseconds here are POSIX time, which has none.
 */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "base/types.h"
#include "base/wide.h"

#define SECONDS_PER_DAY INT64_C(86400)

static int64_t clock_read(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_utc_ns(void) {
    return clock_read(CLOCK_REALTIME);
}

int64_t clock_monotonic_ns(void) {
    return clock_read(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 of a civil date; years begin in March so that the leap day is the last. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

char *clock_print(int64_t utc_ns, char *to, size_t size) {
    int64_t year, month, day;
    int64_t seconds = floor_divide(utc_ns, NS_PER_S);
    int64_t nanoseconds = utc_ns % NS_PER_S + (utc_ns % NS_PER_S < 0 ? NS_PER_S : 0);
    int64_t days = floor_divide(seconds, SECONDS_PER_DAY);
    int64_t second = seconds - days * SECONDS_PER_DAY;
    date_of_days(days, &year, &month, &day);
    int used = snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)month, (int)day, (int)(second / 3600),
                        (int)(second / 60 % 60), (int)(second % 60));
    if (used > 0 && (size_t)used < size) {
        if (nanoseconds != 0) {
            snprintf(to + used, size - (size_t)used, ".%09dZ", (int)nanoseconds);
        } else {
            snprintf(to + used, size - (size_t)used, "Z");
        }
    }
    return to;
}

struct time_text {
    const char *at, *end;
};

/* Exactly `digits` digits, value in minimum..maximum; -1 otherwise. */
static int64_t text_number(struct time_text *text, int digits, int64_t minimum, int64_t maximum) {
    int64_t value = 0;
    for (int i = 0; i < digits; i++, text->at++) {
        if (text->at >= text->end || *text->at < '0' || *text->at > '9') {
            return -1;
        }
        value = value * 10 + (*text->at - '0');
    }
    return value >= minimum && value <= maximum ? value : -1;
}

static bool text_skip(struct time_text *text, char wanted) {
    if (text->at < text->end && *text->at == wanted) {
        text->at++;
        return true;
    }
    return false;
}

static bool text_date(struct time_text *text, int64_t *days) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = text_number(text, 4, 1, 9999);
    if (year < 0 || !text_skip(text, '-')) {
        return false;
    }
    int64_t month = text_number(text, 2, 1, 12);
    if (month < 0 || !text_skip(text, '-')) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t day = text_number(text, 2, 1, lengths[month - 1] + (month == 2 && leap));
    *days = days_of_date(year, month, day);
    return day > 0;
}

/* ".5" or ",5" after the seconds, up to nine digits. */
static bool text_fraction(struct time_text *text, int64_t *nanoseconds) {
    *nanoseconds = 0;
    if (!text_skip(text, '.') && !text_skip(text, ',')) {
        return true;
    }
    int64_t unit = NS_PER_S;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9' && unit > 1) {
        unit /= 10;
        *nanoseconds += unit * (*text->at++ - '0');
    }
    return unit < NS_PER_S;
}

/* "HH:MM[:SS[.f]]" */
static bool text_time(struct time_text *text, int64_t *seconds, int64_t *nanoseconds) {
    *nanoseconds = 0;
    int64_t hour = text_number(text, 2, 0, 23);
    if (hour < 0 || !text_skip(text, ':')) {
        return false;
    }
    int64_t minute = text_number(text, 2, 0, 59);
    int64_t second = 0;
    if (minute < 0) {
        return false;
    }
    if (text_skip(text, ':')) {
        second = text_number(text, 2, 0, 59);
        if (second < 0 || !text_fraction(text, nanoseconds)) {
            return false;
        }
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* "", "Z", "+HH", "+HHMM" or "+HH:MM" up to 18 hours. */
static bool text_zone(struct time_text *text, int64_t *offset_s, int *zoned) {
    *offset_s = 0;
    *zoned = 0;
    if (text->at == text->end) {
        return true;
    }
    *zoned = 1;
    if (text_skip(text, 'Z') || text_skip(text, 'z')) {
        return true;
    }
    bool minus = text_skip(text, '-');
    if (!minus && !text_skip(text, '+')) {
        return false;
    }
    int64_t hours = text_number(text, 2, 0, 18);
    int64_t minutes = 0;
    if (hours >= 0 && text->at < text->end) {
        text_skip(text, ':');
        minutes = text_number(text, 2, 0, 59);
    }
    *offset_s = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return hours >= 0 && minutes >= 0;
}

int clock_parse(const char *text, size_t length, int64_t *utc_ns, int *zoned) {
    struct time_text scan = {text, text + length};
    int64_t days = 0, seconds = 0, nanoseconds = 0, offset_s = 0, total;
    if (!text_date(&scan, &days)) {
        return ERROR_FORMAT;
    }
    *zoned = 0;
    if (scan.at < scan.end) {
        if (!text_skip(&scan, 'T') && !text_skip(&scan, 't') && !text_skip(&scan, ' ')) {
            return ERROR_FORMAT;
        }
        if (!text_time(&scan, &seconds, &nanoseconds) || !text_zone(&scan, &offset_s, zoned) || scan.at != scan.end) {
            return ERROR_FORMAT;
        }
    }
    seconds += days * SECONDS_PER_DAY - offset_s;
    /* the last second before the epoch's limit needs the sum in wider numbers */
    int128 wide = (int128)seconds * NS_PER_S + nanoseconds;
    total = (int64_t)wide;
    if (total != wide) {
        return ERROR_RANGE;
    }
    *utc_ns = total;
    return 0;
}
