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
#include "sink/filter.h"

#include <stdatomic.h>

typedef struct walrow__sink walrow__sink;

typedef struct walrow__sink_ops {
    walrow_code (*open)(walrow__sink *sink, const walrow__identity *identity, walrow_error *err);
    walrow_code (*write)(walrow__sink *sink, const walrow_changes *changes, walrow_error *err);
    walrow_code (*sync)(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err);
    walrow_code (*finish)(walrow__sink *sink, walrow_error *err);
    void (*free)(walrow__sink *sink);
    /* the rest may be NULL */
    walrow_code (*follow)(walrow__sink *sink, uint32_t timeline, walrow_error *err);
    walrow_code (*snapshot)(walrow__sink *sink, const char *schema_name, const char *table_name,
                            uint32_t relid, bool *done, uint64_t *point, walrow_error *err);
    walrow_code (*position)(walrow__sink *sink, walrow__position *out, walrow_error *err);
    int (*due_ms)(walrow__sink *sink);
    bool (*adopt)(walrow__sink *sink, const walrow__sink *newer);
} walrow__sink_ops;

struct walrow__sink {
    const walrow__sink_ops *ops;
    char *uri;              /* as base/uri.h has it: nothing secret */
    walrow__filter *filter; /* NULL: it gets everything; above ops, which know nothing of it */
    bool takes_documents;   /* of wal2json's format 1 */
    bool has_documents;     /* it will get them and nothing else; set before open */
    bool was_open;          /* in this run: its settings are right; set before open */
    bool eager;             /* wants change sets as soon as they are whole; a sink of files does not */
    bool keeps_position;    /* stores the position with the data: exactly once */
    /* known once it is open, and 0 of a sink that remembers nothing */
    uint32_t timeline;    /* of the server, when it was last written */
    uint64_t reached_lsn; /* the end of what open found in it */
    /* of what is written, borrowed: it may change at any time. NULL: not known */
    const _Atomic uint32_t *timeline_now;
    /* for a sink that keeps changes back (sink/query) */
    uint64_t resume_lsn; /* set after open: what an earlier run had said was durable; 0: not known */
    bool ends;           /* set before the last sync: nothing will follow, in this run or another */
};

/**
 * Make the sink a URI names. Nothing is touched before open.
 * Errors:    WALROW_ERR_USAGE: unknown scheme or parameter, bad value; says what there is
 * Ownership: walrow__sink_free
 */
walrow_code walrow__sink_new(const char *uri, walrow__sink **out, walrow_error *err) WALROW_MUST_CHECK;

/**
 * Recover what a crash left, read the stored positions, compare the identity, but for the timeline: whether
 * that may be another now is the caller's to find out (reached_lsn).
 * Errors: WALROW_ERR_STATE: belongs to another server, database or slot; WALROW_ERR_SINK
 */
static inline walrow_code
walrow__sink_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    return sink->ops->open(sink, identity, err);
}

/* For open: the sink has everything up to end_lsn; or a commit record that begins at lsn, 0 if none. */
static inline void
walrow__sink_has(walrow__sink *sink, uint64_t end_lsn)
{
    if (end_lsn > sink->reached_lsn)
        sink->reached_lsn = end_lsn;
}

static inline void
walrow__sink_has_record(walrow__sink *sink, uint64_t lsn)
{
    if (lsn != 0)
        walrow__sink_has(sink, lsn + 1);
}

/**
 * What comes from here on is of this timeline (0: not known), and what there is, is part of its past: remember
 * that, durably, before anything else is written. Needs open.
 */
static inline walrow_code
walrow__sink_follow(walrow__sink *sink, uint32_t timeline, walrow_error *err)
{
    if (timeline == 0 || sink->timeline == timeline || sink->ops->follow == NULL)
        return WALROW_OK;
    walrow_code code = sink->ops->follow(sink, timeline, err);
    if (code == WALROW_OK)
        sink->timeline = timeline;
    return code;
}

/* What its filter leaves of a change set. */
walrow_code walrow__sink_write_filtered(walrow__sink *sink, const walrow_changes *changes,
                                        walrow_error *err) WALROW_MUST_CHECK;

/**
 * Take a change set, in order; nothing of it is kept. Rows at or below the stored position are dropped. Follows
 * timeline_now first.
 * @return WALROW_OK; WALROW_END: the sink cannot go on, and what came before it is good (arrow:- at a change
 * of schema): sync, finish and stop with success; else the error Errors: WALROW_ERR_SINK, WALROW_ERR_USAGE
 * (arrow:- and a second table)
 */
static inline walrow_code
walrow__sink_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    uint32_t timeline = sink->timeline_now == NULL ? 0 : atomic_load(sink->timeline_now);
    walrow_code code = walrow__sink_follow(sink, timeline, err);
    if (code != WALROW_OK)
        return code;
    return sink->filter == NULL ? sink->ops->write(sink, changes, err)
                                : walrow__sink_write_filtered(sink, changes, err);
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
    if (sink == NULL)
        return;
    walrow__filter *filter = sink->filter;
    sink->ops->free(sink);
    walrow__filter_free(filter);
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
    /* what it does not want it has */
    *done = sink->filter != NULL && !walrow__filter_wants_snapshot(sink->filter, schema_name, table_name);
    *point = 0;
    return *done || sink->ops->snapshot == NULL
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
    return sink->ops == newer->ops && sink->ops->adopt != NULL &&
           walrow__filter_is_same(sink->filter, newer->filter) && sink->ops->adopt(sink, newer);
}

/* Milliseconds until the sink wants sync(finish_files); 0 now, -1 never. */
static inline int
walrow__sink_due_ms(walrow__sink *sink)
{
    return sink->ops->due_ms == NULL ? -1 : sink->ops->due_ms(sink);
}

#endif
