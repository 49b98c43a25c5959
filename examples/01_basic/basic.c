/*
 * basic.c
 *	  PostgreSQL's changes in a C program, by libwalrow: cc basic.c $(pkg-config --cflags --libs walrow)
 *
 * usage: basic CONNINFO PATTERNS SLOT [LSN|now]
 *
 * The first run with a slot prints the rows that are there, each later one what has changed since the one before.
 */
#include <stdio.h>
#include <string.h>
#include <walrow.h>

enum { OP, COMMIT_LSN, FIRST_COLUMN = 7 }; /* seven columns are walrow's, the others the table's own */

static int
fail(const walrow_error *err)
{
    fprintf(stderr, "%s\n%s\n", err->message, err->hint);
    return walrow_code_exit_status(err->code);
}

/* ---- Arrow's columns: a bitmap of what is not null, and the values; of text where each begins, and the bytes ---- */

static int
is_null(const struct ArrowArray *column, int64_t row)
{
    const uint8_t *valid = column->buffers[0];
    row += column->offset;
    return valid != NULL && (valid[row / 8] >> row % 8 & 1) == 0;
}

static void
print_text(const struct ArrowArray *column, int64_t row)
{
    const int32_t *ends = (const int32_t *)column->buffers[1] + column->offset + row;
    printf("%.*s", (int)(ends[1] - ends[0]), (const char *)column->buffers[2] + ends[0]);
}

/* Two types are enough here; a library for Arrow, such as nanoarrow, knows the others. */
static void
print_value(const struct ArrowSchema *type, const struct ArrowArray *column, int64_t row)
{
    if (is_null(column, row))
        printf("null");
    else if (strcmp(type->format, "i") == 0)
        printf("%d", ((const int32_t *)column->buffers[1])[column->offset + row]);
    else if (strcmp(type->format, "u") == 0)
        print_text(column, row);
    else
        printf("(%s)", type->format);
}

static void
print_change(const walrow_batch *batch, int64_t row)
{
    struct ArrowArray *const *columns = batch->array.children;
    const uint64_t *lsns = columns[COMMIT_LSN]->buffers[1];
    char lsn[WALROW_LSN_SIZE];
    print_text(columns[OP], row);
    printf(" %s", walrow_lsn_format(lsns[columns[COMMIT_LSN]->offset + row], lsn));
    for (int64_t i = FIRST_COLUMN; i < batch->array.n_children; i++) {
        printf(" ");
        print_value(batch->schema->children[i], columns[i], row);
    }
    printf("\n");
}

/* ---- walrow ---- */

static walrow_code
open_stream(walrow_options *options, char **words, walrow_stream **stream, walrow_error *err)
{
    static const char *const names[] = {"source", "tables", "slot", "until"};
    for (size_t i = 0; i < sizeof names / sizeof *names && words[i] != NULL; i++) {
        walrow_code code = walrow_options_set(options, names[i], words[i], err);
        if (code != WALROW_OK)
            return code;
    }
    return walrow_open(options, stream, err); /* sets up, snapshots, streams */
}

static walrow_code
print_next(walrow_stream *stream, walrow_error *err)
{
    walrow_changes changes;
    walrow_code code = walrow_next(stream, &changes, -1, err);
    if (code != WALROW_OK)
        return code;
    for (size_t i = 0; i < changes.n_batches; i++)
        for (int64_t row = 0; row < changes.batches[i].array.length; row++)
            print_change(&changes.batches[i], row);
    if (changes.end_lsn != 0)
        code = walrow_ack(stream, changes.end_lsn, err); /* the server may forget them now */
    changes.release(&changes);
    return code;
}

int
main(int argc, char **argv)
{
    walrow_error err;
    walrow_options *options;
    walrow_stream *stream = NULL;
    if (argc < 4 || argc > 5)
        return 2;
    walrow_code code = walrow_options_new(&options, &err);
    if (code == WALROW_OK)
        code = open_stream(options, argv + 1, &stream, &err);
    while (code == WALROW_OK)
        code = print_next(stream, &err);
    walrow_close(stream);
    walrow_options_free(options);
    return code == WALROW_END ? 0 : fail(&err);
}
