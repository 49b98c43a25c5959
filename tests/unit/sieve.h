/*
 * sieve.h
 *	  Change sets through the sieve, and what is left of them as text: a line a change.
 */
#ifndef WALROW_TEST_SIEVE_H
#define WALROW_TEST_SIEVE_H

#include "changes.h"

#include "base/options.h"
#include "base/strbuf.h"
#include "query/sieve.h"

typedef struct fixture {
    walrow_options *options;
    walrow__sieve *sieve;
    changes c;
    walrow_changes left; /* of c, after sift */
    bool nothing;
    walrow__strbuf text;
    walrow_error err;
} fixture;

UNUSED_FN static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (walrow_options_new(&f->options, &f->err) != WALROW_OK)
        return -1;
    walrow__strbuf_init(&f->text);
    begin_changes(&f->c);
    *state = f;
    return 0;
}

UNUSED_FN static void
forget_changes(fixture *f)
{
    if (f->left.release != NULL)
        f->left.release(&f->left);
    end_changes(&f->c);
    begin_changes(&f->c);
}

UNUSED_FN static int
tear_down(void **state)
{
    fixture *f = *state;
    forget_changes(f);
    walrow__sieve_free(f->sieve);
    walrow_options_free(f->options);
    walrow__strbuf_release(&f->text);
    free(f);
    return 0;
}

UNUSED_FN static void
set(fixture *f, const char *option, const char *value)
{
    ASSERT_OK(walrow_options_set(f->options, option, value, &f->err), f->err);
}

/* The sieve of the options as they are. Without libduckdb, what needs it is skipped. */
UNUSED_FN static walrow_code
make_sieve(fixture *f)
{
    walrow__sieve_free(f->sieve);
    f->sieve = NULL;
    walrow_code code = walrow__sieve_new(f->options, NULL, &f->sieve, &f->err);
    if (code != WALROW_OK && strstr(f->err.message, "libduckdb") != NULL)
        skip();
    return code;
}

/* What was added to f->c goes through. */
UNUSED_FN static walrow_code
try_sift(fixture *f, uint64_t end_lsn)
{
    if (f->sieve == NULL)
        ASSERT_OK(make_sieve(f), f->err);
    finish_changes(&f->c, end_lsn);
    f->left = f->c.set;
    return walrow__sieve_changes(f->sieve, &f->left, &f->nothing, &f->err);
}

UNUSED_FN static void
sift(fixture *f)
{
    ASSERT_OK(try_sift(f, 1000), f->err);
}

/* ---- as text ---- */

static bool
is_null(const struct ArrowArray *array, int64_t row)
{
    return array->null_count != 0 && array->buffers[0] != NULL &&
           !ArrowBitGet(array->buffers[0], array->offset + row);
}

static void
print_text(const struct ArrowArray *array, int64_t row, walrow__strbuf *out)
{
    const int32_t *offsets = (const int32_t *)array->buffers[1] + array->offset;
    walrow__strbuf_add(out, (const char *)array->buffers[2] + offsets[row],
                       (size_t)(offsets[row + 1] - offsets[row]));
}

/* Integers and text; "-": null. */
static void
print_cell(const struct ArrowSchema *field, const struct ArrowArray *array, int64_t row, walrow__strbuf *out)
{
    if (is_null(array, row))
        walrow__strbuf_add_char(out, '-');
    else if (field->format[0] == 'i')
        walrow__strbuf_add_integer(out, ((const int32_t *)array->buffers[1])[array->offset + row]);
    else
        print_text(array, row, out);
}

static void
print_cells(struct ArrowSchema *const *fields, struct ArrowArray *const *arrays, int64_t n, int64_t row,
            walrow__strbuf *out)
{
    for (int64_t i = 0; i < n; i++) {
        if (i > 0)
            walrow__strbuf_add_char(out, ',');
        print_cell(fields[i], arrays[i], row, out);
    }
}

static void
print_unchanged(const struct ArrowArray *lists, int64_t row, walrow__strbuf *out)
{
    const int32_t *offsets = (const int32_t *)lists->buffers[1] + lists->offset;
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        walrow__strbuf_add_text(out, i == offsets[row] ? " unchanged " : ",");
        print_text(lists->children[0], i, out);
    }
}

/* "U 12 1,open from 1,shut": operation, commit LSN, cells, and the old ones if there are some. */
static void
print_row(const walrow_batch *batch, int64_t row, walrow__strbuf *out)
{
    struct ArrowSchema *const *fields = batch->schema->children;
    struct ArrowArray *const *arrays = batch->array.children;
    print_text(arrays[WALROW__OP], row, out);
    walrow__strbuf_addf(out, " %d ", (int)walrow__batch_position(&batch->array, row).commit_lsn);
    print_cells(fields + WALROW__N_META, arrays + WALROW__N_META, batch->array.n_children - WALROW__N_META,
                row, out);
    if (!is_null(arrays[WALROW__OLD], row)) {
        walrow__strbuf_add_text(out, " from ");
        print_cells(fields[WALROW__OLD]->children, arrays[WALROW__OLD]->children,
                    arrays[WALROW__OLD]->n_children, row, out);
    }
    if (!is_null(arrays[WALROW__UNCHANGED], row))
        print_unchanged(arrays[WALROW__UNCHANGED], row, out);
    walrow__strbuf_add_char(out, '\n');
}

UNUSED_FN static const char *
print_batch(fixture *f, const walrow_batch *batch)
{
    walrow__strbuf_clear(&f->text);
    for (int64_t row = 0; row < batch->array.length; row++)
        print_row(batch, row, &f->text);
    return walrow__strbuf_text(&f->text);
}

/* All batches that are left, one after the other. */
UNUSED_FN static void
assert_left(fixture *f, const char *expected)
{
    walrow__strbuf_clear(&f->text);
    for (size_t i = 0; i < f->left.n_batches; i++)
        for (int64_t row = 0; row < f->left.batches[i].array.length; row++)
            print_row(&f->left.batches[i], row, &f->text);
    assert_string_equal(walrow__strbuf_text(&f->text), expected);
}

#endif
