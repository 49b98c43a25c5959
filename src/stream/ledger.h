/*
 * stream/ledger.h
 *	  What was delivered since the slot was made, counted over restarts: a change set counts once it is durable,
 *	  so that one delivered again after a crash does not count twice. Kept in the state as JSON:
 *
 *	  {"changes": {"I": 5, "U": 0, "D": 0, "T": 0, "R": 0}, "transactions": 2, "messages": 0,
 *	   "dead_letters": {"public.orders.total": 1}}
 */
#ifndef WALROW_STREAM_LEDGER_H
#define WALROW_STREAM_LEDGER_H

#include <jansson.h>
#include <walrow.h>

typedef struct walrow__ledger_entry walrow__ledger_entry;

typedef struct walrow__ledger {
    json_t *totals;
    walrow__ledger_entry *first, *last; /* not durable yet, in order */
} walrow__ledger;

/** text: as it was kept, or NULL. Errors: WALROW_ERR_STATE */
walrow_code walrow__ledger_init(walrow__ledger *ledger, const char *text,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Note a change set that was delivered. */
walrow_code walrow__ledger_add(walrow__ledger *ledger, const walrow_changes *changes,
                               walrow_error *err) WALROW_MUST_CHECK;
/** Count what is durable now. *news: something was; as text, malloc'ed. */
walrow_code walrow__ledger_settle(walrow__ledger *ledger, uint64_t durable_lsn, char **news,
                                  walrow_error *err) WALROW_MUST_CHECK;
void walrow__ledger_release(walrow__ledger *ledger);

#endif
