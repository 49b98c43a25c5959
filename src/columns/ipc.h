/*
 * columns/ipc.h
 *	  Arrow IPC, the stream and the file format (Arrow specification, "Serialization and Interprocess
 *	  Communication"), through a callback that takes the bytes. No I/O of its own.
 *
 * On nanoarrow's encoder rather than its writer, which keeps every file's largest body in memory as long as
 * the file is open; with hundreds of tables that counts.
 */
#ifndef WALROW_COLUMNS_IPC_H
#define WALROW_COLUMNS_IPC_H

#include <nanoarrow/nanoarrow.h>
#include <nanoarrow/nanoarrow_ipc.h>
#include <stdbool.h>
#include <walrow.h>

/* Take all the bytes, in order. */
typedef walrow_code (*walrow__ipc_write_fn)(void *arg, const void *bytes, size_t size, walrow_error *err);

typedef enum walrow__ipc_format { WALROW__IPC_STREAM, WALROW__IPC_FILE } walrow__ipc_format;

typedef struct walrow__ipc_writer {
    walrow__ipc_format format;
    walrow__ipc_write_fn write;
    void *arg;
    struct ArrowIpcEncoder encoder;
    struct ArrowArrayView view;
    struct ArrowIpcFooter footer; /* file: the schema and where the record batches are */
    int64_t bytes_written;
} walrow__ipc_writer;

/** Write the head and the schema. On an error there is nothing to release. */
walrow_code walrow__ipc_open(walrow__ipc_writer *writer, walrow__ipc_format format,
                             const struct ArrowSchema *schema, walrow__ipc_write_fn write, void *arg,
                             walrow_error *err) WALROW_MUST_CHECK;
/** Write a record batch of that schema: a struct array without offset. */
walrow_code walrow__ipc_write(walrow__ipc_writer *writer, const struct ArrowArray *batch,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Write the end-of-stream mark, and a file's footer. */
walrow_code walrow__ipc_finish(walrow__ipc_writer *writer, walrow_error *err) WALROW_MUST_CHECK;
/* A writer that is all zeros is fine. */
void walrow__ipc_release(walrow__ipc_writer *writer);

#endif
