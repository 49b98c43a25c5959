/*
 * sink/query/query.h
 *	  A sink around a sink: it keeps the changes of a window, and gives the other one what queries make of them.
 *
 * A window is over when a commit of later time comes, or, when nothing comes, some time after its end. What it gave is
 * a change set of its own. Its position is that of the window's last change, and so
 * the same however often the stream is read again; where the panes at a window's end are empty, it is inside of the
 * commit record, a byte further for each.
 *
 * Durable is what is in results that the other sink has made durable, and in no window to come: after a crash the
 * changes of open windows are read again.
 */
#ifndef WALROW_SINK_QUERY_H
#define WALROW_SINK_QUERY_H

#include "base/options.h"
#include "sink/sink.h"

/**
 * Put the queries of the options around a sink that is not open yet; without --sql it stays as it is.
 * @param sink  the other one is its own from now on; on an error it is as before
 * Errors: WALROW_ERR_USAGE; WALROW_ERR_SINK: no libduckdb
 */
walrow_code walrow__query_wrap(const walrow_options *options, walrow__sink **sink,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
