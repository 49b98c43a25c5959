/*
 * sink/arrow.c
 *	  One table as an Arrow IPC stream on standard output (arrow:-), at least once. An IPC stream has one
 * schema: a second table is an error, and a change of the table's schema ends the stream.
 */
#include "base/error.h"
#include "columns/ipc.h"
#include "sink/dead_letters.h"
#include "sink/output.h"
#include "sink/params.h"
#include "sink/sinks.h"

#include <stdlib.h>
#include <string.h>

typedef struct arrow_sink {
    walrow__sink base;
    walrow__ipc_writer ipc;
    bool started, ended;
    char *schema_name, *table_name;
    uint32_t relid;
    uint64_t epoch;
    uint64_t end_lsn;
} arrow_sink;

static walrow_code
arrow_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    (void)sink, (void)identity;
    if (!isatty(STDOUT_FILENO))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "arrow:- would write binary data to a terminal");
    walrow__hint(err, "redirect it to a file or a program");
    return WALROW_ERR_USAGE;
}

static walrow_code
start(arrow_sink *self, const walrow_batch *batch, walrow_error *err)
{
    self->schema_name = strdup(batch->schema_name);
    self->table_name = strdup(batch->table_name);
    if (self->schema_name == NULL || self->table_name == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(
        walrow__ipc_open(&self->ipc, WALROW__IPC_STREAM, batch->schema, walrow__stdout_write, self, err));
    self->relid = batch->relid;
    self->epoch = batch->epoch;
    self->started = true;
    return WALROW_OK;
}

/* The stream ends inside a change set: what is before the batch is delivered, and must not come again for
 * ever. */
static void
count_before(arrow_sink *self, const walrow_changes *changes, const walrow_batch *batch)
{
    if (batch->array.length == 0)
        return;
    uint64_t commit_lsn = walrow__batch_position(&batch->array, 0).commit_lsn;
    for (size_t i = 0; i < changes->n_transactions; i++) {
        const walrow_transaction *transaction = &changes->transactions[i];
        if (transaction->commit_lsn < commit_lsn && transaction->end_lsn > self->end_lsn)
            self->end_lsn = transaction->end_lsn;
    }
}

static walrow_code
write_batch(arrow_sink *self, const walrow_changes *changes, const walrow_batch *batch, walrow_error *err)
{
    if (!self->started)
        WALROW_TRY(start(self, batch, err));
    if (strcmp(self->schema_name, batch->schema_name) != 0 ||
        strcmp(self->table_name, batch->table_name) != 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "arrow:- writes one table, and after %s.%s came %s.%s",
                     self->schema_name, self->table_name, batch->schema_name, batch->table_name);
        walrow__hint(err, "name one table with --tables, or use ipc:DIR");
        return WALROW_ERR_USAGE;
    }
    if (self->epoch != batch->epoch || self->relid != batch->relid) {
        self->ended = true;
        count_before(self, changes, batch);
        return WALROW_END;
    }
    return batch->array.length == 0 ? WALROW_OK : walrow__ipc_write(&self->ipc, &batch->array, err);
}

static walrow_code
arrow_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    arrow_sink *self = (arrow_sink *)sink;
    if (self->ended)
        return WALROW_END;
    walrow__dead_letters_warn(sink->uri, changes);
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(write_batch(self, changes, &changes->batches[i], err));
    if (!changes->snapshot)
        self->end_lsn = changes->end_lsn;
    return WALROW_OK;
}

static walrow_code
arrow_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    (void)finish_files, (void)err;
    *durable_lsn = ((arrow_sink *)sink)->end_lsn;
    return WALROW_OK;
}

static walrow_code
arrow_finish(walrow__sink *sink, walrow_error *err)
{
    arrow_sink *self = (arrow_sink *)sink;
    return self->started ? walrow__ipc_finish(&self->ipc, err) : WALROW_OK;
}

static void
arrow_free(walrow__sink *sink)
{
    arrow_sink *self = (arrow_sink *)sink;
    walrow__ipc_release(&self->ipc);
    free(self->schema_name);
    free(self->table_name);
    free(sink->uri);
    free(self);
}

static const walrow__sink_ops arrow_ops = {
    .open = arrow_open,
    .write = arrow_write,
    .sync = arrow_sync,
    .finish = arrow_finish,
    .free = arrow_free,
};

walrow_code
walrow__arrow_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                   walrow_error *err)
{
    if (strcmp(path, "-") != 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": an Arrow stream goes to standard output only", uri);
        walrow__hint(err, "write arrow:-, or ipc:DIR for files");
        return WALROW_ERR_USAGE;
    }
    WALROW_TRY(walrow__params_parse(uri, params, NULL, 0, err));
    arrow_sink *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &arrow_ops;
    self->base.eager = true;
    *out = &self->base;
    return WALROW_OK;
}
