/*
 * stream/arrow_stream.c
 *	  A reader's rows as an ArrowArrayStream, which has one schema: rows of another one are held by the reader for
 *	  the next.
 */
#include "base/error.h"
#include "stream/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct arrow_stream {
    struct walrow_reader *reader;     /* a reference */
    const struct ArrowSchema *schema; /* the reader's; NULL: not known yet */
    bool ended;
    walrow_error err;
} arrow_stream;

static int
status_of(walrow_code code)
{
    switch (code) {
    case WALROW_ERR_MEMORY:
        return ENOMEM;
    case WALROW_ERR_NET:
    case WALROW_ERR_CONNECT:
        return ECONNRESET;
    default:
        return EIO;
    }
}

/* Rows are held, or the stream has ended. */
static int
hold(arrow_stream *self)
{
    walrow_code code = self->ended ? WALROW_END : walrow__reader_hold(self->reader, &self->err);
    if (code != WALROW_OK && code != WALROW_END)
        return status_of(code);
    self->ended = code == WALROW_END;
    if (!self->ended && self->schema == NULL)
        self->schema = self->reader->held.schema;
    return 0;
}

static int
get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    arrow_stream *self = stream->private_data;
    int status = self->schema == NULL ? hold(self) : 0;
    if (status == 0 && self->schema == NULL) {
        walrow__fail(&self->err, WALROW_END, "the stream ended before the first row");
        return ENODATA;
    }
    return status == 0 ? ArrowSchemaDeepCopy(self->schema, out) : status;
}

static int
get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    arrow_stream *self = stream->private_data;
    walrow_rows rows;
    out->release = NULL;
    int status = hold(self);
    if (status != 0 || self->ended)
        return status;
    if (self->reader->held.schema != self->schema) {
        self->ended = true;
        return 0;
    }
    walrow_code code = walrow_reader_next(self->reader, &rows, 0, &self->err);
    if (code != WALROW_OK)
        return code == WALROW_END ? 0 : status_of(code);
    ArrowArrayMove(&rows.array, out);
    return 0;
}

static const char *
get_last_error(struct ArrowArrayStream *stream)
{
    return ((arrow_stream *)stream->private_data)->err.message;
}

static void
release(struct ArrowArrayStream *stream)
{
    arrow_stream *self = stream->private_data;
    walrow__reader_unref(self->reader);
    free(self);
    memset(stream, 0, sizeof *stream);
}

walrow_code
walrow_reader_stream(struct walrow_reader *reader, struct ArrowArrayStream *out, walrow_error *err)
{
    arrow_stream *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    walrow__reader_ref(reader);
    self->reader = reader;
    *out = (struct ArrowArrayStream){.get_schema = get_schema,
                                     .get_next = get_next,
                                     .get_last_error = get_last_error,
                                     .release = release,
                                     .private_data = self};
    return WALROW_OK;
}
