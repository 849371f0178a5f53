/*
 * load.c - step 3 of a jailed process: dlopen of a file that has no path.
 *
 * The loader asks once for openat; the filter traps it and the handler answers with the strategy's descriptor, so no path
 * is ever looked up. Its fstat comes as newfstatat(fd, "", AT_EMPTY_PATH) and is made again by descriptor. Every later
 * openat (a constructor's, or of a missing library) is answered with EACCES, inside this process.
 *
 * The code of the strategy runs from here on: constructors already inside dlopen. What it can do then is what filter.c
 * lists; nothing in this file is needed to hold it.
 */
#include "jailed.h"
#include "steps.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "agent_digest.h"
#include "filter.h"

#define STRATEGY_PATH "/strategy" /* never opened; a slash keeps the loader from searching */

static volatile sig_atomic_t opened;
static struct filter deciding_filter; /* built before the jail closes, loaded after dlopen */

static long fstat_by_fd(long buffer) {
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)SYS_fstat), "D"((long)WIRE_FD_STRATEGY), "S"(buffer)
                     : "rcx", "r11", "memory");
    return result;
}

static void trap(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)number;
    if (info->si_syscall == SYS_openat && !opened) {
        opened = 1;
        registers[REG_RAX] = WIRE_FD_STRATEGY;
    } else if (info->si_syscall == SYS_newfstatat && registers[REG_RDI] == WIRE_FD_STRATEGY &&
               (registers[REG_R10] & AT_EMPTY_PATH)) {
        registers[REG_RAX] = fstat_by_fd(registers[REG_RDX]);
    } else {
        registers[REG_RAX] = -EACCES;
    }
}

int trap_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = trap;
    action.sa_flags = SA_SIGINFO;
    int failed = filter_build(&deciding_filter, FILTER_DECIDING);
    if (failed) {
        errno = -failed;
        return -1;
    }
    return sigaction(SIGSYS, &action, NULL);
}

/* The host has read the same bytes out of the file; this guards against a loader that sees another object. */
static const char *entry_fault(const struct agent_vtable *entry) {
    if (entry->magic != AGENT_ABI_MAGIC) {
        return "agent_entry_v1 has the wrong magic";
    }
    if (entry->version != AGENT_ABI_VERSION || entry->size != sizeof(struct agent_vtable)) {
        return "agent_entry_v1 has the wrong version or size";
    }
    if (entry->digest != AGENT_ABI_DIGEST) {
        return "agent_entry_v1 was built against another agent_abi.h";
    }
    return entry->init && entry->generate_signals ? NULL : "agent_entry_v1 lacks init or generate_signals";
}

void jailed_load(struct jailed *jailed) {
    void *library = dlopen(STRATEGY_PATH, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        char text[sizeof(jailed->reply->failure)];
        snprintf(text, sizeof(text), "%s", dlerror());
        errno = 0;
        jailed_fail(jailed, WIRE_STEP_DLOPEN, text);
    }
    const struct agent_vtable *entry = dlsym(library, "agent_entry_v1");
    int failed = filter_load(&deciding_filter);
    if (failed) {
        errno = -failed;
        jailed_fail(jailed, WIRE_STEP_FILTER, "the filter of stage 2 was refused");
    }
    errno = 0;
    const char *fault = entry ? entry_fault(entry) : "agent_entry_v1 is not exported";
    if (fault) {
        jailed_fail(jailed, WIRE_STEP_ENTRY, fault);
    }
    jailed->agent = entry;
}
