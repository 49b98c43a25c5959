/*
 * sink/sink.h
 *	  Where changes go. Writing, syncing, finishing and freeing are different things: what is written may be
 * lost in a crash, what is synced may not, a finished sink takes no more, and free lets go of whatever there
 * is.
 *
 * A concrete sink embeds walrow__sink first. A sink belongs to one thread at a time. After an error of write,
 * sync or finish it is only good for free; what it had synced stays, and the next run's open recovers the
 * rest.
 *
 * Snapshots: a table's rows arrive in change sets with `snapshot` set, in order, the last with
 * `snapshot_end`; chunk 0 again begins the table anew. They become visible only with the last one. A table
 * this sink has finished already is ignored, and so are stream rows committed before the sink's own
 * consistent point of the table.
 */
#ifndef WALROW_SINK_SINK_H
#define WALROW_SINK_SINK_H

#include "base/identity.h"
#include "columns/batch.h"

typedef struct walrow__sink walrow__sink;

typedef struct walrow__sink_ops {
    walrow_code (*open)(walrow__sink *sink, const walrow__identity *identity, walrow_error *err);
    walrow_code (*write)(walrow__sink *sink, const walrow_changes *changes, walrow_error *err);
    walrow_code (*sync)(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err);
    walrow_code (*finish)(walrow__sink *sink, walrow_error *err);
    void (*free)(walrow__sink *sink);
    /* the rest may be NULL */
    walrow_code (*snapshot)(walrow__sink *sink, const char *schema_name, const char *table_name,
                            uint32_t relid, bool *done, uint64_t *point, walrow_error *err);
    walrow_code (*position)(walrow__sink *sink, walrow__position *out, walrow_error *err);
    int (*due_ms)(walrow__sink *sink);
    bool (*adopt)(walrow__sink *sink, const walrow__sink *newer);
} walrow__sink_ops;

struct walrow__sink {
    const walrow__sink_ops *ops;
    char *uri;
    bool eager;          /* wants change sets as soon as they are whole; a sink of files does not */
    bool keeps_position; /* stores the position with the data: exactly once */
};

/**
 * Make the sink a URI names. Nothing is touched before open.
 * Errors:    WALROW_ERR_USAGE: unknown scheme or parameter, bad value; says what there is
 * Ownership: walrow__sink_free
 */
walrow_code walrow__sink_new(const char *uri, walrow__sink **out, walrow_error *err) WALROW_MUST_CHECK;

/**
 * Recover what a crash left, read the stored positions, compare the identity.
 * Errors: WALROW_ERR_STATE: belongs to another server, database or slot; WALROW_ERR_SINK
 */
static inline walrow_code
walrow__sink_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    return sink->ops->open(sink, identity, err);
}

/**
 * Take a change set, in order; nothing of it is kept. Rows at or below the stored position are dropped.
 * @return WALROW_OK; WALROW_END: the sink cannot go on, and what came before it is good (arrow:- at a change
 * of schema): sync, finish and stop with success; else the error Errors: WALROW_ERR_SINK, WALROW_ERR_USAGE
 * (arrow:- and a second table)
 */
static inline walrow_code
walrow__sink_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    return sink->ops->write(sink, changes, err);
}

/**
 * Make durable what can be, and say how far that is.
 * @param finish_files  also end the files that are open, which a sink of files needs for anything to be
 * durable. Pass true when due_ms says 0, at the end, and when the server waits for a position.
 * @param durable_lsn   end_lsn up to which everything is durable; 0: nothing yet. Equal to the last end_lsn
 * written: nothing is pending.
 */
static inline walrow_code
walrow__sink_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    return sink->ops->sync(sink, finish_files, durable_lsn, err);
}

/** Sync and end everything; a snapshot that is not finished is dropped. Nothing but free may follow. */
static inline walrow_code
walrow__sink_finish(walrow__sink *sink, walrow_error *err)
{
    return sink->ops->finish(sink, err);
}

/* NULL is allowed. Without finish before, what was not synced is lost. */
static inline void
walrow__sink_free(walrow__sink *sink)
{
    if (sink != NULL)
        sink->ops->free(sink);
}

/**
 * Has this sink the table's finished snapshot? Needs open.
 * @param relid  0: whichever table of that name
 * @param point  its consistent point (its rows carry that minus one)
 */
static inline walrow_code
walrow__sink_snapshot(walrow__sink *sink, const char *schema_name, const char *table_name, uint32_t relid,
                      bool *done, uint64_t *point, walrow_error *err)
{
    *done = false;
    *point = 0;
    return sink->ops->snapshot == NULL
               ? WALROW_OK
               : sink->ops->snapshot(sink, schema_name, table_name, relid, done, point, err);
}

/** The last position stored; zeros if none is. Reads only and needs no open: for `walrow status` beside a
 * stream. */
static inline walrow_code
walrow__sink_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    *out = (walrow__position){0};
    return sink->ops->position == NULL ? WALROW_OK : sink->ops->position(sink, out, err);
}

/**
 * Take over what may change while it runs (the limits of files) from a sink with other parameters that was never
 * opened. From any thread. false: something else is different, and all stays as it was.
 */
static inline bool
walrow__sink_adopt(walrow__sink *sink, const walrow__sink *newer)
{
    return sink->ops == newer->ops && sink->ops->adopt != NULL && sink->ops->adopt(sink, newer);
}

/* Milliseconds until the sink wants sync(finish_files); 0 now, -1 never. */
static inline int
walrow__sink_due_ms(walrow__sink *sink)
{
    return sink->ops->due_ms == NULL ? -1 : sink->ops->due_ms(sink);
}

#endif
