/*
 * sink/sinks.h
 *	  The sinks' constructors, each in its own file. path: what follows the scheme, up to "?"; params: what
 * follows that, or NULL. walrow__sink_new sets the uri afterwards.
 */
#ifndef WALROW_SINK_SINKS_H
#define WALROW_SINK_SINKS_H

#include "sink/event/options.h"
#include "sink/format.h"
#include "sink/sink.h"

typedef walrow_code (*walrow__sink_make_fn)(const char *uri, const char *path, const char *params,
                                            walrow__sink **out, walrow_error *err);

walrow_code walrow__null_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                              walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__jsonl_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                               walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__ipc_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                             walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__parquet_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                                 walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__table_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                               walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__arrow_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                               walrow_error *err) WALROW_MUST_CHECK;

walrow_code walrow__kafka_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                               walrow_error *err) WALROW_MUST_CHECK;

walrow_code walrow__redis_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                               walrow_error *err) WALROW_MUST_CHECK;

walrow_code walrow__replica_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                                 walrow_error *err) WALROW_MUST_CHECK;

/*
 * What is half written must never be given its final name: a sink notes its first failure (code not OK, in err),
 * and gives it again to whoever asks for more.
 */
walrow_code walrow__sink_note(const walrow__sink *sink, walrow_error *failure, walrow_code code,
                              const walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__sink_fail_again(const walrow_error *failure, walrow_error *err) WALROW_MUST_CHECK;

/* jsonl:FILE; options: moved from */
walrow_code walrow__jsonl_file_make(const char *path, walrow__event_options *options, walrow__sink **out,
                                    walrow_error *err) WALROW_MUST_CHECK;

/* A directory of files of a format; allow_partition: the parameter partition=day is known. */
walrow_code walrow__directory_make(const char *uri, const char *path, const char *params,
                                   const walrow__table_format *format, bool allow_partition,
                                   walrow__sink **out, walrow_error *err) WALROW_MUST_CHECK;

#endif
