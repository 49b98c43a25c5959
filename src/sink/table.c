/*
 * sink/table.c
 *	  Rows as a table on standard output (table:-), for people: at least once. On a terminal each table is drawn over
 *	  its last one, elsewhere one follows the other.
 */
#include "columns/table.h"
#include "base/error.h"
#include "sink/dead_letters.h"
#include "sink/event/value.h"
#include "sink/output.h"
#include "sink/params.h"
#include "sink/sinks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { GAP = 2, FRAME_LINES = 4 /* name, columns, how many more, an empty one */ };

/* What stands on the terminal of one table. */
typedef struct drawing {
    char *name;
    walrow__strbuf text;
    struct drawing *next;
} drawing;

typedef struct table_sink {
    walrow__sink base;
    bool in_place;
    int lines; /* on the terminal, of all drawings */
    drawing *drawings;
    size_t n_drawings;
    uint64_t end_lsn;
} table_sink;

/* ---- cells ---- */

typedef struct column {
    const char *name;
    walrow__value value;
    bool is_number; /* stands on the right */
    size_t width;   /* in characters */
    char **cells;
} column;

typedef struct grid {
    column *columns;
    size_t n_columns, n_rows;
} grid;

static size_t
characters(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* A cell is one line, whatever is in it. */
static void
add_line(walrow__strbuf *out, const char *text)
{
    for (; *text != '\0'; text++)
        walrow__strbuf_add_char(out, (unsigned char)*text < ' ' || *text == 0x7F ? ' ' : *text);
}

static walrow_code
fill_column(column *c, const struct ArrowArray *array, size_t n, walrow_error *err)
{
    walrow__strbuf text, line;
    walrow__strbuf_init(&text);
    walrow__strbuf_init(&line);
    walrow__value_bind(&c->value, array);
    c->width = characters(c->name);
    c->cells = calloc(n + 1, sizeof *c->cells);
    bool failed = c->cells == NULL;
    for (size_t row = 0; !failed && row < n; row++) {
        walrow__strbuf_clear(&text);
        if (!walrow__value_is_null(&c->value, (int64_t)row))
            c->value.print_text(&c->value, (int64_t)row, &text);
        add_line(&line, walrow__strbuf_text(&text));
        c->cells[row] = strdup(walrow__strbuf_text(&line));
        failed = text.failed || line.failed || c->cells[row] == NULL;
        size_t width = failed ? 0 : characters(c->cells[row]);
        c->width = width > c->width ? width : c->width;
        walrow__strbuf_clear(&line);
    }
    walrow__strbuf_release(&text);
    walrow__strbuf_release(&line);
    return failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
add_column(grid *g, const walrow_batch *batch, int64_t at, walrow_error *err)
{
    column *c = &g->columns[g->n_columns++];
    const struct ArrowSchema *field = batch->schema->children[at];
    c->name = field->name;
    c->is_number = strchr("silILfgd", field->format[0]) != NULL;
    WALROW_TRY(walrow__value_init(&c->value, field, err));
    return fill_column(c, batch->array.children[at], g->n_rows, err);
}

static bool
has_only_inserts(const walrow_batch *batch)
{
    const struct ArrowArray *ops = batch->array.children[WALROW__OP];
    const int32_t *offsets = (const int32_t *)ops->buffers[1] + ops->offset;
    const char *letters = ops->buffers[2];
    for (int64_t row = 0; row < batch->array.length; row++)
        if (letters[offsets[row]] != 'I')
            return false;
    return true;
}

/* Of walrow's own columns only what was done, if that is not the same everywhere. */
static walrow_code
fill_grid(grid *g, const walrow_batch *batch, size_t n_rows, walrow_error *err)
{
    g->n_rows = n_rows;
    g->columns = calloc((size_t)batch->schema->n_children, sizeof *g->columns);
    if (g->columns == NULL)
        return walrow__fail_memory(err);
    if (!has_only_inserts(batch))
        WALROW_TRY(add_column(g, batch, WALROW__OP, err));
    for (int64_t i = WALROW__N_META; i < batch->schema->n_children; i++)
        WALROW_TRY(add_column(g, batch, i, err));
    return WALROW_OK;
}

static void
grid_release(grid *g)
{
    for (size_t i = 0; i < g->n_columns; i++) {
        column *c = &g->columns[i];
        for (size_t row = 0; c->cells != NULL && row < g->n_rows; row++)
            free(c->cells[row]);
        free(c->cells);
        walrow__value_release(&c->value);
    }
    free(g->columns);
}

/* ---- lines ---- */

static void
add_spaces(walrow__strbuf *out, size_t n)
{
    while (n-- > 0)
        walrow__strbuf_add_char(out, ' ');
}

/* No more characters than max. */
static void
add_cut(walrow__strbuf *out, const char *line, size_t max)
{
    size_t size = 0, n = 0;
    while (line[size] != '\0') {
        n += ((unsigned char)line[size] & 0xC0) != 0x80;
        if (n > max)
            break;
        size++;
    }
    walrow__strbuf_add(out, line, size);
}

/* row: -1 of the names */
static void
add_row(const grid *g, int64_t row, size_t max, walrow__strbuf *out)
{
    walrow__strbuf line;
    walrow__strbuf_init(&line);
    for (size_t i = 0; i < g->n_columns; i++) {
        const column *c = &g->columns[i];
        const char *text = row < 0 ? c->name : c->cells[row];
        size_t blank = c->width - characters(text);
        add_spaces(&line, (i > 0 ? GAP : 0) + (c->is_number ? blank : 0));
        walrow__strbuf_add_text(&line, text);
        add_spaces(&line, c->is_number || i + 1 == g->n_columns ? 0 : blank);
    }
    add_cut(out, walrow__strbuf_text(&line), max);
    walrow__strbuf_add_char(out, '\n');
    out->failed = out->failed || line.failed;
    walrow__strbuf_release(&line);
}

static walrow_code
print(const walrow_batch *batch, size_t max_rows, size_t max_width, walrow__strbuf *out, walrow_error *err)
{
    grid g = {.columns = NULL};
    size_t rows = (size_t)batch->array.length, shown = rows < max_rows ? rows : max_rows;
    walrow_code code = fill_grid(&g, batch, shown, err);
    if (code == WALROW_OK) {
        walrow__strbuf_addf(out, "%s.%s\n", batch->schema_name, batch->table_name);
        add_row(&g, -1, max_width, out);
        for (size_t row = 0; row < shown; row++)
            add_row(&g, (int64_t)row, max_width, out);
        if (shown < rows)
            walrow__strbuf_addf(out, "... and %zu more\n", rows - shown);
        walrow__strbuf_add_char(out, '\n');
    }
    grid_release(&g);
    return code == WALROW_OK && out->failed ? walrow__fail_memory(err) : code;
}

/* ---- on a terminal ---- */

static walrow_code
find_drawing(table_sink *self, const walrow_batch *batch, drawing **out, walrow_error *err)
{
    char *name;
    if (asprintf(&name, "%s.%s", batch->schema_name, batch->table_name) < 0)
        return walrow__fail_memory(err);
    drawing **at = &self->drawings;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (*at != NULL) {
        free(name);
        *out = *at;
        return WALROW_OK;
    }
    *out = *at = calloc(1, sizeof **at);
    if (*out == NULL) {
        free(name);
        return walrow__fail_memory(err);
    }
    (*out)->name = name;
    walrow__strbuf_init(&(*out)->text);
    self->n_drawings++;
    return WALROW_OK;
}

/* Over what was there before. */
static walrow_code
redraw(table_sink *self, walrow_error *err)
{
    walrow__strbuf all;
    walrow__strbuf_init(&all);
    if (self->lines > 0) /* ECMA-48: cursor up, erase to the end */
        walrow__strbuf_addf(&all, "\033[%dA\033[J", self->lines);
    self->lines = 0;
    for (const drawing *d = self->drawings; d != NULL; d = d->next) {
        walrow__strbuf_add(&all, d->text.data, d->text.size);
        for (size_t i = 0; i < d->text.size; i++)
            self->lines += d->text.data[i] == '\n';
    }
    walrow_code code =
        all.failed ? walrow__fail_memory(err) : walrow__stdout_write(NULL, all.data, all.size, err);
    walrow__strbuf_release(&all);
    return code;
}

/* What has scrolled away could not be drawn over: all tables together fit. */
static walrow_code
draw(table_sink *self, const walrow_changes *changes, walrow_error *err)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    drawing *d;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(find_drawing(self, &changes->batches[i], &d, err));
    size_t lines = (size_t)(size.ws_row - 1) / (self->n_drawings > 0 ? self->n_drawings : 1);
    for (size_t i = 0; i < changes->n_batches; i++) {
        WALROW_TRY(find_drawing(self, &changes->batches[i], &d, err));
        walrow__strbuf_clear(&d->text);
        WALROW_TRY(print(&changes->batches[i], lines > FRAME_LINES ? lines - FRAME_LINES : 1, size.ws_col,
                         &d->text, err));
    }
    return redraw(self, err);
}

/* ---- the sink ---- */

static walrow_code
table_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    (void)identity, (void)err;
    ((table_sink *)sink)->in_place = isatty(STDOUT_FILENO) == 1;
    return WALROW_OK;
}

static walrow_code
append(const walrow_changes *changes, walrow_error *err)
{
    walrow__strbuf text;
    walrow__strbuf_init(&text);
    walrow_code code = WALROW_OK;
    for (size_t i = 0; code == WALROW_OK && i < changes->n_batches; i++)
        code = print(&changes->batches[i], SIZE_MAX, SIZE_MAX, &text, err);
    if (code == WALROW_OK && text.size > 0)
        code = walrow__stdout_write(NULL, text.data, text.size, err);
    walrow__strbuf_release(&text);
    return code;
}

static walrow_code
table_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    table_sink *self = (table_sink *)sink;
    walrow__dead_letters_warn(sink->uri, changes);
    if (changes->n_batches > 0)
        WALROW_TRY(self->in_place ? draw(self, changes, err) : append(changes, err));
    if (!changes->snapshot)
        self->end_lsn = changes->end_lsn;
    return WALROW_OK;
}

static walrow_code
table_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    (void)finish_files, (void)err;
    *durable_lsn = ((table_sink *)sink)->end_lsn;
    return WALROW_OK;
}

static walrow_code
table_finish(walrow__sink *sink, walrow_error *err)
{
    (void)sink, (void)err;
    return WALROW_OK;
}

static void
table_free(walrow__sink *sink)
{
    table_sink *self = (table_sink *)sink;
    while (self->drawings != NULL) {
        drawing *d = self->drawings;
        self->drawings = d->next;
        walrow__strbuf_release(&d->text);
        free(d->name);
        free(d);
    }
    free(sink->uri);
    free(self);
}

static const walrow__sink_ops table_ops = {
    .open = table_open,
    .write = table_write,
    .sync = table_sync,
    .finish = table_finish,
    .free = table_free,
};

walrow_code
walrow__table_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                   walrow_error *err)
{
    if (strcmp(path, "-") != 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": tables go to standard output only", uri);
        return walrow__hint(err, "write table:-, or jsonl:FILE for a file");
    }
    WALROW_TRY(walrow__params_parse(uri, params, NULL, 0, err));
    table_sink *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &table_ops;
    self->base.eager = true;
    *out = &self->base;
    return WALROW_OK;
}
