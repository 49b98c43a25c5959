/*
 * sink/jsonl.c
 *	  Events on standard output (jsonl:-): written as they come, at least once. jsonl:FILE is in jsonl_file.c.
 */
#include "base/error.h"
#include "sink/dead_letters.h"
#include "sink/event/event.h"
#include "sink/output.h"
#include "sink/sinks.h"

#include <stdlib.h>
#include <string.h>

typedef struct jsonl_stdout {
    walrow__sink base;
    walrow__event_printer printer;
    uint64_t end_lsn;
} jsonl_stdout;

static walrow_code
flush_to_stdout(void *arg, walrow__strbuf *buf, walrow_error *err)
{
    WALROW_TRY(walrow__stdout_write(arg, buf->data, buf->size, err));
    walrow__strbuf_clear(buf);
    return WALROW_OK;
}

static walrow_code
stdout_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    (void)sink, (void)identity, (void)err;
    return WALROW_OK;
}

static walrow_code
stdout_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    jsonl_stdout *self = (jsonl_stdout *)sink;
    walrow__dead_letters_warn(sink->uri, changes);
    WALROW_TRY(walrow__event_print(&self->printer, changes, err));
    WALROW_TRY(walrow__event_flush(&self->printer, err));
    if (!changes->snapshot)
        self->end_lsn = changes->end_lsn;
    return WALROW_OK;
}

static walrow_code
stdout_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    (void)finish_files, (void)err;
    *durable_lsn = ((jsonl_stdout *)sink)->end_lsn;
    return WALROW_OK;
}

static walrow_code
stdout_finish(walrow__sink *sink, walrow_error *err)
{
    return walrow__event_flush(&((jsonl_stdout *)sink)->printer, err);
}

static void
stdout_free(walrow__sink *sink)
{
    walrow__event_release(&((jsonl_stdout *)sink)->printer);
    free(sink->uri);
    free(sink);
}

static const walrow__sink_ops stdout_ops = {
    .open = stdout_open,
    .write = stdout_write,
    .sync = stdout_sync,
    .finish = stdout_finish,
    .free = stdout_free,
};

static walrow_code
make_stdout(walrow__event_options *options, walrow__sink **out, walrow_error *err)
{
    jsonl_stdout *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &stdout_ops;
    self->base.eager = true;
    walrow__event_init(&self->printer, options, flush_to_stdout, self);
    *out = &self->base;
    return WALROW_OK;
}

static walrow_code
make(const char *uri, const char *path, walrow__event_options *options, walrow__sink **out, walrow_error *err)
{
    if (strcmp(path, "-") == 0)
        return make_stdout(options, out, err);
    if (*path != '\0' && path[strlen(path) - 1] != '/')
        return walrow__jsonl_file_make(path, options, out, err);
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" names no file", uri);
    walrow__hint(err, "write a file, or - for standard output, after the colon");
    return WALROW_ERR_USAGE;
}

walrow_code
walrow__jsonl_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                   walrow_error *err)
{
    walrow__event_options options;
    walrow__event_options_init(&options);
    walrow_code code = walrow__event_options_parse(&options, uri, params, err);
    if (code == WALROW_OK)
        code = make(uri, path, &options, out, err);
    if (code == WALROW_OK)
        (*out)->takes_documents = params == NULL || *params == '\0';
    walrow__event_options_release(&options);
    return code;
}
