/* Counts and drops. */
#include "base/error.h"
#include "base/log.h"
#include "sink/dead_letters.h"
#include "sink/params.h"
#include "sink/sinks.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct null_sink {
    walrow__sink base;
    uint64_t rows;
    uint64_t end_lsn;
} null_sink;

static walrow_code
null_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    (void)sink, (void)identity, (void)err;
    return WALROW_OK;
}

static walrow_code
null_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    null_sink *self = (null_sink *)sink;
    (void)err;
    for (size_t i = 0; i < changes->n_batches; i++)
        self->rows += (uint64_t)changes->batches[i].array.length;
    if (!changes->snapshot)
        self->end_lsn = changes->end_lsn;
    walrow__dead_letters_warn(sink->uri, changes);
    return WALROW_OK;
}

static walrow_code
null_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    (void)finish_files, (void)err;
    *durable_lsn = ((null_sink *)sink)->end_lsn;
    return WALROW_OK;
}

static walrow_code
null_finish(walrow__sink *sink, walrow_error *err)
{
    (void)err;
    walrow__log(WALROW_LOG_DEBUG, "sink %s: %" PRIu64 " rows", sink->uri, ((null_sink *)sink)->rows);
    return WALROW_OK;
}

static void
null_free(walrow__sink *sink)
{
    free(sink->uri);
    free(sink);
}

static const walrow__sink_ops null_ops = {
    .open = null_open,
    .write = null_write,
    .sync = null_sync,
    .finish = null_finish,
    .free = null_free,
};

walrow_code
walrow__null_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                  walrow_error *err)
{
    if (*path != '\0') {
        walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" takes no path", uri);
        walrow__hint(err, "write null:");
        return WALROW_ERR_USAGE;
    }
    WALROW_TRY(walrow__params_parse(uri, params, NULL, 0, err));
    null_sink *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &null_ops;
    self->base.takes_documents = true;
    *out = &self->base;
    return WALROW_OK;
}
