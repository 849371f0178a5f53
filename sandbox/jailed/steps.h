/* steps.h - parts of jailed_enter that live in files of their own. Each returns 0, or -1 with errno. */
#ifndef SANDBOX_JAILED_STEPS_H
#define SANDBOX_JAILED_STEPS_H

/* warm.c: makes libc do now what it would do at first use by forbidden calls. */
void warm_libc(void);

/* clock.c: after it, reading the time by any means is fatal. */
int clock_remove(void);

/* load.c: the SIGSYS handler that answers the loader's openat. */
int trap_install(void);

#endif
