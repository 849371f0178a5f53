/* landlock.h - the second layer: a kernel domain without files, network and signals. Best effort. */
#ifndef SANDBOX_JAILED_LANDLOCK_H
#define SANDBOX_JAILED_LANDLOCK_H

/* The kernel's Landlock ABI, 0 = none. */
int landlock_abi(void);

/* Denies everything the ABI can deny. Needs one free descriptor. Returns the ABI in force, 0 = not available. */
int landlock_deny_all(void);

#endif
