/*
 * death.c - how a slot ended, in the words of base/reason.h, and the one place where it is killed and reaped.
 *
 * Kills go through the pidfd, never a number that might be someone else's by now. A process that ended on its own keeps its
 * own reason: a late kill does not cover a crash. Text that a slot wrote is copied once, cut, and made printable.
 */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/reason.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

void text_sanitize(char *to, size_t size, const char *from, size_t from_size) {
    const volatile char *source = from; /* shared memory: each byte is read once */
    size_t i = 0;
    for (; i + 1 < size && i < from_size; i++) {
        char byte = source[i];
        if (byte == '\0') {
            break;
        }
        to[i] = byte >= ' ' && byte <= '~' ? byte : '?';
    }
    to[i] = '\0';
}

static void death_by_signal(struct slot_death *death, int number) {
    const char *name = sigabbrev_np(number);
    death->signal = number;
    death->reason = number == SIGSYS ? REASON_SLOT_SYSCALL : REASON_SLOT_CRASHED;
    snprintf(death->text, sizeof(death->text), "SIG%s", name ? name : "?");
}

static const char *step_text(uint32_t step) {
    static const char *const texts[] = {"start", "map", "privileges", "limits", "filter", "dlopen", "entry", "init", "clock"};
    return step < sizeof(texts) / sizeof(texts[0]) ? texts[step] : "start";
}

/* It ended itself. Before READY the reply says at which step; what it says is the slot's word. */
static void death_by_exit(struct slot *slot, int code) {
    struct slot_death *death = &slot->death;
    const struct wire_reply *reply = slot_reply(slot);
    death->exit_code = code;
    death->reason = REASON_SLOT_EXITED;
    snprintf(death->text, sizeof(death->text), "exit status %d", code);
    if (!reply || slot->start_us != 0 || *(const volatile uint32_t *)&reply->head.status != WIRE_FAILED) {
        return;
    }
    uint32_t step = *(const volatile uint32_t *)&reply->head.step;
    int error = *(const volatile int32_t *)&reply->head.failure_errno;
    char said[160];
    text_sanitize(said, sizeof(said), reply->failure, sizeof(reply->failure));
    death->reason = step == WIRE_STEP_INIT ? REASON_SLOT_ERROR : REASON_SLOT_START;
    snprintf(death->text, sizeof(death->text), "%s: %s%s%s", step_text(step), said, error > 0 ? ": " : "",
             error > 0 ? strerror(error) : "");
}

void slot_reap(struct slot *slot) {
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    int done;
    do {
        done = waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED);
    } while (done != 0 && errno == EINTR);
    if (done != 0) { /* someone else reaped it: how it ended is not known */
        slot->death.reason = REASON_SLOT_EXITED;
        snprintf(slot->death.text, sizeof(slot->death.text), "ended, status unknown");
    } else if (info.si_code == CLD_EXITED) {
        death_by_exit(slot, info.si_status);
    } else {
        death_by_signal(&slot->death, info.si_status);
    }
    close(slot->pidfd);
    slot->pidfd = -1;
    slot->pid = 0;
    slot->asked = false;
}

static bool has_ended(const struct slot *slot) {
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    return waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

void slot_end(struct slot *slot, int reason, const char *text) {
    if (slot->pid == 0) {
        return;
    }
    bool own = has_ended(slot);
    syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
    slot_reap(slot);
    if (!own) {
        slot->death.reason = reason;
        snprintf(slot->death.text, sizeof(slot->death.text), "%s", text);
    }
}
