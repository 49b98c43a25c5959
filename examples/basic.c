/*
 * basic.c
 *	  PostgreSQL's changes in a C program, by libwalrow: cc basic.c $(pkg-config --cflags --libs walrow)
 *
 * usage: basic CONNINFO PATTERNS [LSN|now]
 */
#include <stdio.h>
#include <walrow.h>

static int
fail(const walrow_error *err)
{
    fprintf(stderr, "%s\n%s\n", err->message, err->hint);
    return walrow_code_exit_status(err->code);
}

static void
print_changes(const walrow_changes *changes)
{
    for (size_t i = 0; i < changes->n_batches; i++) {
        const walrow_batch *batch = &changes->batches[i];
        const struct ArrowArray *lsns = batch->array.children[1]; /* _commit_lsn */
        for (int64_t row = 0; row < batch->array.length; row++) {
            char lsn[WALROW_LSN_SIZE];
            printf("%s.%s %c %s\n", batch->schema_name, batch->table_name,
                   ((const char *)batch->array.children[0]->buffers[2])[row], /* _op: a byte each */
                   walrow_lsn_format(((const uint64_t *)lsns->buffers[1])[row], lsn));
        }
    }
}

int
main(int argc, char **argv)
{
    walrow_error err;
    walrow_options *options;
    walrow_stream *stream = NULL;
    walrow_changes changes;
    if (argc < 3)
        return 2;
    walrow_code code = walrow_options_new(&options, &err);
    if (code == WALROW_OK)
        code = walrow_options_set(options, "source", argv[1], &err);
    if (code == WALROW_OK)
        code = walrow_options_set(options, "tables", argv[2], &err);
    if (code == WALROW_OK && argc > 3)
        code = walrow_options_set(options, "until", argv[3], &err);
    if (code == WALROW_OK)
        code = walrow_open(options, &stream, &err); /* sets up, snapshots, streams */
    while (code == WALROW_OK && (code = walrow_next(stream, &changes, -1, &err)) == WALROW_OK) {
        print_changes(&changes);
        if (changes.end_lsn != 0)
            code = walrow_ack(stream, changes.end_lsn, &err); /* the server may forget them now */
        changes.release(&changes);
    }
    walrow_close(stream);
    walrow_options_free(options);
    return code == WALROW_END ? 0 : fail(&err);
}
