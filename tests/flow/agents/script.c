/*
 * script.c - a test agent that says what its parameters tell it to say, on the first instrument.
 *
 * Parameters w1, w2, ... w30, each "BAR SIZE [STOP [TARGET [WORST [TTL_S [TAG [ID]]]]]]": once BAR bars have closed it wishes for
 * SIZE; 0 = none; TAG is main and ID one more than the last of that tag unless given. Several may name the same bar. Numbers
 * are plain decimals. class Script of tests/flow/oracle.py reads the same words.
 */
#include "agent.h"

#define LINES_MAX 30u
#define FIELDS 6u

struct line {
    double number[FIELDS]; /* bar, size, stop, target, worst, ttl */
    char tag[AGENT_TAG_MAX];
    uint64_t wish_id;
};

struct script {
    uint64_t seen;
    uint32_t count;
    struct line lines[LINES_MAX];
};

/* The next word as a decimal; *text moves behind it. A missing word is 0. */
static double number_read(const char **text) {
    const char *c = *text;
    double mantissa = 0.0, scale = 1.0, sign = 1.0;
    int after_point = 0;
    while (*c == ' ') {
        c++;
    }
    if (*c == '-') {
        sign = -1.0;
        c++;
    }
    for (; (*c >= '0' && *c <= '9') || *c == '.'; c++) {
        if (*c == '.') {
            after_point = 1;
            continue;
        }
        mantissa = mantissa * 10.0 + (*c - '0');
        scale *= after_point ? 10.0 : 1.0;
    }
    *text = c;
    return sign * mantissa / scale;
}

static void tag_read(const char **text, char *tag) {
    uint32_t used = 0;
    while (**text == ' ') {
        (*text)++;
    }
    for (; **text != '\0' && **text != ' ' && used + 1 < AGENT_TAG_MAX; (*text)++) {
        tag[used++] = **text;
    }
    if (used == 0) {
        agent_text(tag, AGENT_TAG_MAX, "main");
    }
}

/* One more than the largest id given to this tag by the lines before. */
static uint64_t next_id(const struct script *s, const char *tag) {
    uint64_t id = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->lines[i].tag, tag) == 0 && s->lines[i].wish_id > id) {
            id = s->lines[i].wish_id;
        }
    }
    return id + 1;
}

static int script_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct script *s = self;
    (void)services;
    for (uint32_t i = 0; i < setup->param_count && s->count < LINES_MAX; i++) {
        struct line *line = &s->lines[s->count];
        const char *text = setup->params[i].text;
        for (uint32_t k = 0; k < FIELDS; k++) {
            line->number[k] = number_read(&text);
        }
        tag_read(&text, line->tag);
        uint64_t id = (uint64_t)number_read(&text);
        line->wish_id = id != 0 ? id : next_id(s, line->tag);
        s->count++;
    }
    return AGENT_OK;
}

static int script_generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct script *s = self;
    uint32_t written = 0;
    const struct agent_series *series = agent_series_of(snapshot, 0, 0);
    if (series->count == s->seen) {
        return 0;
    }
    s->seen = series->count;
    for (uint32_t i = 0; i < s->count && written < max; i++) {
        const struct line *line = &s->lines[i];
        if ((uint64_t)line->number[0] != s->seen) {
            continue;
        }
        struct agent_wish *wish = &out[written++];
        memset(wish, 0, sizeof *wish);
        wish->wish_id = line->wish_id;
        memcpy(wish->tag, line->tag, sizeof wish->tag);
        wish->size = line->number[1];
        wish->stop = line->number[2];
        wish->target = line->number[3];
        wish->worst_price = line->number[4];
        wish->ttl_ns = (int64_t)line->number[5] * 1000000000;
        agent_text(wish->reason, sizeof wish->reason, "as told");
    }
    return (int)written;
}

AGENT_ENTRY = {
    AGENT_IDENTITY("script", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {8}, .decide_us_max = 1000},
    .self_size = sizeof(struct script),
    .init = script_init,
    .generate_signals = script_generate,
};
