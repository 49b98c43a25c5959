/*
 * state/damaged.h
 *	  What to do about a state that is not as it was written.
 */
#ifndef WALROW_STATE_DAMAGED_H
#define WALROW_STATE_DAMAGED_H

#include "base/error.h"

static inline walrow_code
walrow__hint_damaged(walrow_error *err)
{
    return walrow__hint(err,
                        "bring the state's directory back from a copy, or begin anew: walrow teardown, and "
                        "let the tables be read again into another place");
}

#endif
