/*
 * no_entry.c - exports nothing that a host looks for.
 */
#include "agent.h"

__attribute__((visibility("default"))) const int something = 1;
