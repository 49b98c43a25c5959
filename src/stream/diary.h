/*
 * stream/diary.h
 *	  What a run writes into the state at each commit point, in one piece: what every sink has, which tables'
 *	  rows were delivered, what was counted. Without a state it does nothing.
 */
#ifndef WALROW_STREAM_DIARY_H
#define WALROW_STREAM_DIARY_H

#include "state/buffer.h"
#include "stream/ledger.h"
#include "stream/outlets.h"

typedef struct walrow__diary {
    walrow__state *state; /* borrowed; NULL: none is kept */
    walrow__ledger ledger;
    struct walrow__read_table *read_tables; /* delivered, and not written yet */
    int64_t rows_read;                      /* of the table whose snapshot chunks come now */
    uint64_t *written_lsns;                 /* of each sink */
} walrow__diary;

walrow_code walrow__diary_open(walrow__diary *diary, walrow__state *state,
                               walrow_error *err) WALROW_MUST_CHECK;
/** Note a change set that every sink took. */
walrow_code walrow__diary_note(walrow__diary *diary, const walrow_changes *changes,
                               walrow_error *err) WALROW_MUST_CHECK;
/** The sinks were synced: write what is durable now, if that is news. */
walrow_code walrow__diary_write(walrow__diary *diary, const walrow__outlets *outlets, uint64_t durable_lsn,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Put the change set into the buffer, with all it brings: durable on return, and there for the sinks. */
walrow_code walrow__diary_keep(walrow__diary *diary, walrow__buffer *buffer, const walrow_changes *changes,
                               walrow_error *err) WALROW_MUST_CHECK;
void walrow__diary_release(walrow__diary *diary);

#endif
