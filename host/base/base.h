/* base.h - the ground under every stage: what all of them may include at once. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/decimal.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/reason.h"
#include "base/types.h"

#endif
