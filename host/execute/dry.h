/* dry.h - the venue of dry runs: takes every order, and gives it back unfilled. */
#ifndef EXECUTE_DRY_H
#define EXECUTE_DRY_H

#include "venue.h"

extern const struct venue_vtable dry_venue;

#endif
