#include "query/predicate.h"

#include "base/error.h"
#include "base/log.h"
#include "duckdb/question.h"
#include "kernels/pick.h"
#include "kernels/rows.h"
#include "kernels/split.h"
#include "kernels/take.h"
#include "query/condition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walrow__predicate {
    walrow__condition condition;
    walrow__duckdb_question *question;
    char **names; /* of the table's own columns that it looks at, as `_unchanged` has them */
    int n_names;
    bool knows_old_rows; /* all that it looks at is in the key */
    bool has_key;
    char *table; /* "schema.table", for messages */
};

/* ---- life ---- */

static walrow_code
look_at_columns(walrow__predicate *self, const walrow__table *table, walrow_error *err)
{
    const walrow__condition *condition = &self->condition;
    self->names = calloc((size_t)condition->n_columns + 1, sizeof *self->names);
    if (self->names == NULL)
        return walrow__fail_memory(err);
    self->knows_old_rows = true;
    for (int i = 0; i < condition->n_columns; i++) {
        if (condition->columns[i] < WALROW__N_META)
            continue;
        const walrow__table_column *column = &table->columns[condition->columns[i] - WALROW__N_META];
        self->knows_old_rows = self->knows_old_rows && column->is_key;
        if ((self->names[self->n_names++] = strdup(column->name)) == NULL)
            return walrow__fail_memory(err);
    }
    for (int i = 0; i < table->n_columns; i++)
        self->has_key = self->has_key || table->columns[i].is_key;
    return WALROW_OK;
}

static walrow_code
init(walrow__predicate *self, const walrow__table *table, walrow__duckdb *duckdb, walrow_error *err)
{
    WALROW_TRY(walrow__duckdb_question_new(duckdb, &self->condition.schema, self->condition.sql,
                                           &self->question, err));
    WALROW_TRY(look_at_columns(self, table, err));
    if (asprintf(&self->table, "%s.%s", table->schema_name, table->name) < 0) {
        self->table = NULL;
        return walrow__fail_memory(err);
    }
    if (!self->knows_old_rows && self->has_key)
        walrow__log(
            WALROW_LOG_INFO,
            "--where looks at columns of %s that are not in its key: every delete is passed on, and updates "
            "to rows that are not wanted are, as deletes; REPLICA IDENTITY FULL would tell which matter",
            self->table);
    return WALROW_OK;
}

walrow_code
walrow__predicate_new(const walrow__rules *rules, const walrow__table *table, walrow__duckdb *duckdb,
                      walrow__predicate **out, walrow_error *err)
{
    walrow__condition condition;
    *out = NULL;
    WALROW_TRY(walrow__condition_init(&condition, rules, table, duckdb, err));
    if (condition.sql == NULL)
        return WALROW_OK;
    walrow__predicate *self = calloc(1, sizeof *self);
    if (self == NULL) {
        walrow__condition_release(&condition);
        return walrow__fail_memory(err);
    }
    self->condition = condition;
    walrow_code code = init(self, table, duckdb, err);
    if (code == WALROW_OK)
        *out = self;
    else
        walrow__predicate_free(self);
    return code;
}

void
walrow__predicate_free(walrow__predicate *self)
{
    if (self == NULL)
        return;
    walrow__duckdb_question_free(self->question);
    walrow__condition_release(&self->condition);
    for (int i = 0; i < self->n_names; i++)
        free(self->names[i]);
    free(self->names);
    free(self->table);
    free(self);
}

/* ---- asking DuckDB: first the rows as they are, then the old ones that are known ---- */

typedef struct asking {
    const walrow__predicate *predicate;
    const struct ArrowArray *batch;
    uint32_t *with_old; /* rows whose old row differs */
    int64_t n_old;
    bool *wanted; /* of each row, then of each of those */
} asking;

static walrow_code
find_old_rows(asking *self, walrow_error *err)
{
    const struct ArrowArray *old = self->batch->children[WALROW__OLD];
    int64_t length = self->batch->length;
    if (!self->predicate->knows_old_rows || old->null_count == old->length)
        return WALROW_OK;
    self->with_old = malloc((size_t)(length + 1) * sizeof *self->with_old);
    if (self->with_old == NULL)
        return walrow__fail_memory(err);
    for (int64_t i = 0; i < length; i++)
        if (walrow__batch_op(self->batch, i) == 'U' && walrow__has_old_row(self->batch, i))
            self->with_old[self->n_old++] = (uint32_t)i;
    return WALROW_OK;
}

static bool
append_column(const asking *self, int column, walrow__column *to)
{
    const struct ArrowArray *batch = self->batch, *old = batch->children[WALROW__OLD];
    bool is_meta = column < WALROW__N_META;
    if (walrow__column_append_range(to, batch->children[column], 0, batch->length) != WALROW__APPENDED)
        return false;
    return walrow__column_take_child(
               to, is_meta ? batch->children[column] : old->children[column - WALROW__N_META],
               is_meta ? 0 : old->offset, self->with_old, self->n_old) == WALROW__APPENDED;
}

/* DuckDB gets memory of its own: some values change on their way. */
static walrow_code
gather_input(const asking *self, struct ArrowArray *out, walrow_error *err)
{
    const walrow__condition *condition = &self->predicate->condition;
    walrow__rows rows;
    WALROW_TRY(walrow__rows_init(&rows, &condition->schema, err));
    bool good = true;
    for (int i = 0; good && i < condition->n_columns; i++)
        good = append_column(self, condition->columns[i], &rows.column.children[i]);
    rows.column.length = self->batch->length + self->n_old;
    walrow_code code = good ? walrow__rows_take(&rows, out, err) : walrow__fail_memory(err);
    walrow__rows_release(&rows);
    return code;
}

static walrow_code
fail_asking(const asking *self, const walrow_error *why, walrow_error *err)
{
    char text[400];
    if (why->code != WALROW_ERR_SINK) {
        if (err != NULL)
            *err = *why;
        return why->code;
    }
    walrow__fail(err, WALROW_ERR_USAGE, "--where fails for a row of %s: %s", self->predicate->table,
                 walrow__condition_why(why, text, sizeof text));
    return walrow__hint(
        err, "try_cast(... as ...) gives NULL, which is not wanted, where a value cannot be converted");
}

static walrow_code
ask(asking *self, walrow_error *err)
{
    struct ArrowArray input;
    walrow_error why = {0};
    WALROW_TRY(find_old_rows(self, err));
    self->wanted = calloc((size_t)(self->batch->length + self->n_old) + 1, sizeof *self->wanted);
    if (self->wanted == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(gather_input(self, &input, err));
    if (walrow__duckdb_ask(self->predicate->question, &input, self->wanted, &why) != WALROW_OK)
        return fail_asking(self, &why, err);
    return WALROW_OK;
}

/* ---- what becomes of each row ---- */

/* Does it look at a large value that the server did not send? */
static bool
is_unsure(const walrow__predicate *self, const struct ArrowArray *batch, int64_t row)
{
    const struct ArrowArray *lists = batch->children[WALROW__UNCHANGED], *names = lists->children[0];
    if (lists->null_count == lists->length ||
        (walrow__may_have_nulls(lists) && !ArrowBitGet(lists->buffers[0], lists->offset + row)))
        return false;
    const int32_t *ends = (const int32_t *)lists->buffers[1] + lists->offset + row;
    const int32_t *offsets = (const int32_t *)names->buffers[1] + names->offset;
    for (int32_t i = ends[0]; i < ends[1]; i++)
        for (int c = 0; c < self->n_names; c++) {
            size_t size = (size_t)(offsets[i + 1] - offsets[i]);
            if (strlen(self->names[c]) == size &&
                memcmp(self->names[c], (const char *)names->buffers[2] + offsets[i], size) == 0)
                return true;
        }
    return false;
}

static walrow__fate
fate_of_update(const walrow__predicate *self, bool was_wanted, bool is_wanted)
{
    if (!self->knows_old_rows) {
        if (is_wanted)
            return WALROW__KEPT;
        return self->has_key ? WALROW__DELETED : WALROW__LEFT_OUT;
    }
    if (is_wanted)
        return was_wanted ? WALROW__KEPT : WALROW__INSERTED;
    return was_wanted ? WALROW__DELETED : WALROW__LEFT_OUT;
}

static walrow__fate
fate_of(const asking *self, int64_t row, bool was_wanted)
{
    const walrow__predicate *predicate = self->predicate;
    bool is_wanted = self->wanted[row];
    switch (walrow__batch_op(self->batch, row)) {
    case 'T':
        return WALROW__KEPT;
    case 'D':
        return is_wanted || !predicate->knows_old_rows ? WALROW__KEPT : WALROW__LEFT_OUT;
    case 'U':
        return is_unsure(predicate, self->batch, row) ? WALROW__KEPT
                                                      : fate_of_update(predicate, was_wanted, is_wanted);
    default:
        return is_wanted ? WALROW__KEPT : WALROW__LEFT_OUT;
    }
}

/* An update without an old row has the same values in the key, which is all that is looked at then. */
static void
decide(const asking *self, uint8_t *fates)
{
    int64_t next = 0, length = self->batch->length;
    for (int64_t i = 0; i < length; i++) {
        bool was_wanted = self->wanted[i];
        if (next < self->n_old && self->with_old[next] == i)
            was_wanted = self->wanted[length + next++];
        fates[i] = (uint8_t)fate_of(self, i, was_wanted);
    }
}

walrow_code
walrow__predicate_judge(const walrow__predicate *predicate, const struct ArrowArray *batch, uint8_t *fates,
                        walrow_error *err)
{
    asking self = {.predicate = predicate, .batch = batch};
    if (batch->length == 0)
        return WALROW_OK;
    walrow_code code = ask(&self, err);
    if (code == WALROW_OK)
        decide(&self, fates);
    free(self.with_old);
    free(self.wanted);
    return code;
}
