/*
 * sink/format.h
 *	  What a directory sink's files are written as. One writer writes one file: record batches of one schema.
 */
#ifndef WALROW_SINK_FORMAT_H
#define WALROW_SINK_FORMAT_H

#include <walrow.h>

typedef struct walrow__table_writer walrow__table_writer;

typedef struct walrow__table_format {
    const char *name;      /* "arrow", in the manifest */
    const char *extension; /* ".arrow" */
    /** What all writers of a sink share; both may be NULL. */
    walrow_code (*start)(void **shared, walrow_error *err);
    void (*stop)(void *shared);
    /** Start a file that is not there yet. path and schema are borrowed for the call. */
    walrow_code (*open)(void *shared, const char *path, const struct ArrowSchema *schema,
                        walrow__table_writer **out, walrow_error *err);
    /** A struct array without offset, borrowed for the call. */
    walrow_code (*write)(walrow__table_writer *writer, const struct ArrowArray *batch, walrow_error *err);
    /**
     * End the file: it is whole and fsynced. The writer is still there for free.
     * @param last  one more batch, taken over; or released already: none
     */
    walrow_code (*close)(walrow__table_writer *writer, struct ArrowArray *last, walrow_error *err);
    /* Bytes written so far, or the best that is known. */
    int64_t (*bytes)(const walrow__table_writer *writer);
    /* Let go; a file not closed is left as it is, for the caller to remove. */
    void (*free)(walrow__table_writer *writer);
} walrow__table_format;

extern const walrow__table_format walrow__format_ipc;
extern const walrow__table_format walrow__format_parquet;

#endif
