/*
 * hostile.c - a test agent that trades like an honest one and then does what its parameter `deed` says.
 *
 * When 1 bar has closed it goes long 1 with a stop (parameter `stop`, whole price units); when 3 have closed it wishes for a
 * second unit on another tag far below the market, so that an entry is working; when 5 have closed it does the deed.
 */
#include "agent.h"

#include <stdlib.h>

struct hostile {
    double stop;
    char deed[AGENT_PARAM_TEXT_MAX];
};

static int hostile_init(void *self, const struct agent_setup *setup, const struct agent_services *services) {
    struct hostile *h = self;
    (void)services;
    for (uint32_t i = 0; i < setup->param_count; i++) {
        const struct agent_param *p = &setup->params[i];
        if (strcmp(p->name, "deed") == 0) {
            memcpy(h->deed, p->text, sizeof h->deed);
        }
        for (const char *c = p->text; strcmp(p->name, "stop") == 0 && *c != '\0'; c++) {
            h->stop = h->stop * 10.0 + (*c - '0');
        }
    }
    return AGENT_OK;
}

static int wish_for(struct agent_wish *wish, const char *tag, double size, double stop, double worst) {
    memset(wish, 0, sizeof *wish);
    wish->wish_id = 1;
    agent_text(wish->tag, sizeof wish->tag, tag);
    wish->size = size;
    wish->stop = stop;
    wish->worst_price = worst;
    agent_text(wish->reason, sizeof wish->reason, "as told");
    return 1;
}

static long raw_call(long number, long first) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(0L), "d"(0L) : "rcx", "r11", "memory");
    return result;
}

static __attribute__((noinline)) int dig(int depth) {
    volatile char hole[4096];
    hole[0] = 1;
    return depth == 0 ? 0 : dig(depth + 1) + hole[0]; /* not a tail call: every level stays */
}

static void break_down(const char *deed) {
    if (strcmp(deed, "crash") == 0) {
        volatile uintptr_t nowhere = 8; /* the compiler must not know */
        *(volatile int *)nowhere = 1;
    }
    if (strcmp(deed, "loop") == 0) {
        for (volatile uint64_t spin = 0;; spin = spin + 1) {
        }
    }
    while (strcmp(deed, "allocate") == 0) {
        memset(malloc(1u << 20), 1, 1u << 20);
    }
    if (strcmp(deed, "stack") == 0) {
        dig(1);
    }
    if (strcmp(deed, "exit") == 0) {
        raw_call(231, 0);
    }
    if (strcmp(deed, "open") == 0) {
        raw_call(2, 0);
    }
    if (strcmp(deed, "fork") == 0) {
        raw_call(57, 0);
    }
}

/* Wishes that make no sense; the number of them, or what the deed returns instead. */
static int nonsense(const char *deed, struct agent_wish *out) {
    wish_for(out, "main", 1.0, 90.0, 0.0);
    out->wish_id = 2;
    if (strcmp(deed, "nan") == 0) {
        out->size = __builtin_nan("");
    } else if (strcmp(deed, "negative") == 0) {
        out->stop = -90.0;
    } else if (strcmp(deed, "infinite") == 0) {
        out->worst_price = __builtin_inf();
    } else if (strcmp(deed, "instrument") == 0) {
        out->instrument = 63;
    } else if (strcmp(deed, "unit") == 0) {
        out->unit = 7;
    } else if (strcmp(deed, "tag") == 0) {
        memset(out->tag, '/', sizeof out->tag);
    } else if (strcmp(deed, "silent") == 0) {
        out->reason[0] = '\0';
    } else if (strcmp(deed, "many") == 0) {
        return 10000;
    } else if (strcmp(deed, "error") == 0) {
        return AGENT_ERROR;
    } else {
        return 0;
    }
    return 1;
}

static int hostile_generate(void *self, const struct agent_snapshot *snapshot, struct agent_wish *out, uint32_t max) {
    struct hostile *h = self;
    uint64_t seen = agent_series_of(snapshot, 0, 0)->count;
    (void)max;
    if (seen == 1) {
        return wish_for(out, "main", 1.0, h->stop, 0.0);
    }
    if (seen == 3) {
        return wish_for(out, "low", 1.0, 10.0, 20.0);
    }
    if (seen != 5) {
        return 0;
    }
    break_down(h->deed);
    return nonsense(h->deed, out);
}

AGENT_ENTRY = {
    AGENT_IDENTITY("hostile", "1.0"),
    .needs = {.events = AGENT_EVENT_BAR, .timeframe_count = 1, .timeframe_s = {0}, .bars = {8}, .decide_us_max = 1000},
    .self_size = sizeof(struct hostile),
    .init = hostile_init,
    .generate_signals = hostile_generate,
};
