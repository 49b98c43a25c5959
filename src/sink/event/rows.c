#include "sink/event/rows.h"

#include "base/error.h"
#include "columns/append.h"
#include "kernels/rows.h"
#include "sink/event/data.h"
#include "sink/event/style.h"

#include <stdlib.h>

enum {
    EVENT_TYPE,
    SCHEMA,
    TABLE,
    DATA,
    OLD_DATA,
    KEY_DATA,
    LSN,
    SEQ,
    TIMESTAMP,
    TRANSACTION_ID,
    ORIGIN,
    MESSAGE_PREFIX,
    MESSAGE_CONTENT,
    TRANSACTIONAL,
    UNCHANGED,
    N_COLUMNS
};

static const struct {
    const char *name;
    enum ArrowType type;
    bool is_json;
} fields[N_COLUMNS] = {
    {"event_type", NANOARROW_TYPE_STRING, false},
    {"schema", NANOARROW_TYPE_STRING, false},
    {"table", NANOARROW_TYPE_STRING, false},
    {"data", NANOARROW_TYPE_STRING, true},
    {"old_data", NANOARROW_TYPE_STRING, true},
    {"key_data", NANOARROW_TYPE_STRING, true},
    {"lsn", NANOARROW_TYPE_STRING, false},
    {"seq", NANOARROW_TYPE_UINT32, false},
    {"timestamp", NANOARROW_TYPE_TIMESTAMP, false},
    {"transaction_id", NANOARROW_TYPE_UINT32, false},
    {"origin", NANOARROW_TYPE_STRING, false},
    {"message_prefix", NANOARROW_TYPE_STRING, false},
    {"message_content", NANOARROW_TYPE_BINARY, false},
    {"transactional", NANOARROW_TYPE_BOOL, false},
    {"unchanged", NANOARROW_TYPE_LIST, false},
};

struct walrow__event_rows {
    struct ArrowSchema schema;
    walrow__rows rows;
    walrow__event_printer printer;
    walrow__strbuf text; /* a value being made */
    bool failed;         /* out of memory */
    /* of the transaction at hand */
    char lsn[WALROW_LSN_SIZE];
    int64_t commit_time;
    bool has_time;
    uint32_t xid; /* 0: not known */
    char *origin;
};

/* ---- cells ---- */

static walrow__column *
column_at(walrow__event_rows *self, int i)
{
    return &self->rows.column.children[i];
}

static void
note(walrow__event_rows *self, walrow__appended outcome)
{
    self->failed = self->failed || outcome != WALROW__APPENDED;
}

/* NULL: null */
static void
put_bytes(walrow__event_rows *self, int column, const void *bytes, size_t size)
{
    if (bytes == NULL)
        walrow__column_append_nulls(column_at(self, column), 1);
    else
        note(self, walrow__append_bytes(column_at(self, column), bytes, size));
}

static void
put_text(walrow__event_rows *self, int column, const char *text)
{
    put_bytes(self, column, text, text == NULL ? 0 : strlen(text));
}

static void
put_number(walrow__event_rows *self, int column, bool known, uint64_t number)
{
    if (known)
        note(self, walrow__append_word(column_at(self, column), number,
                                       walrow__slot_width(column_at(self, column)->type->kind)));
    else
        walrow__column_append_nulls(column_at(self, column), 1);
}

/* What was made in self->text. */
static void
put_made(walrow__event_rows *self, int column)
{
    self->failed = self->failed || self->text.failed;
    put_bytes(self, column, walrow__strbuf_text(&self->text), self->text.size);
    walrow__strbuf_clear(&self->text);
}

static void
put_columns(walrow__event_rows *self, int column, const walrow__event_table *table,
            walrow__event_choice choice, bool of_old, int64_t row)
{
    walrow__event_add_columns(table, choice, of_old, row, &self->text);
    put_made(self, column);
}

/* What every event has; those of the columns that are not given yet are null in this one. */
static void
end_event(walrow__event_rows *self, const char *event_type, const uint32_t *seq)
{
    put_text(self, EVENT_TYPE, event_type);
    put_text(self, LSN, self->lsn);
    put_number(self, SEQ, seq != NULL, seq == NULL ? 0 : *seq);
    put_number(self, TIMESTAMP, self->has_time, (uint64_t)self->commit_time);
    put_number(self, TRANSACTION_ID, self->xid != 0, self->xid);
    put_text(self, ORIGIN, self->origin);
    note(self, walrow__column_append_nested(&self->rows.column));
    for (int i = 0; i < N_COLUMNS; i++)
        if (column_at(self, i)->length < self->rows.column.length)
            walrow__column_append_nulls(column_at(self, i), 1);
}

/* ---- the style ---- */

static void
transaction(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    walrow__event_rows *self = printer->arg;
    walrow_lsn_format(facts->commit_lsn, self->lsn);
    self->commit_time = facts->commit_time;
    self->has_time = has_time;
    self->xid = facts->xid;
    free(self->origin);
    self->origin = facts->origin == NULL ? NULL : strdup(facts->origin);
    self->failed = self->failed || (facts->origin != NULL && self->origin == NULL);
}

static void
boundary(walrow__event_printer *printer, bool is_commit)
{
    end_event(printer->arg, is_commit ? "commit" : "begin", NULL);
}

static void
put_unchanged(walrow__event_rows *self, const walrow__event_table *table, int64_t row)
{
    const char *name;
    size_t size;
    int32_t n = 0;
    for (; (name = walrow__event_table_unchanged(table, row, n, &size)) != NULL; n++)
        note(self, walrow__append_bytes(&column_at(self, UNCHANGED)->children[0], name, size));
    if (n > 0)
        note(self, walrow__column_append_nested(column_at(self, UNCHANGED)));
}

static void
put_table(walrow__event_rows *self, const walrow__event_table *table)
{
    put_text(self, SCHEMA, table->schema_name);
    put_text(self, TABLE, table->table_name);
}

static void
row(walrow__event_printer *printer, walrow__event_table *table, int64_t row, walrow__position position)
{
    walrow__event_rows *self = printer->arg;
    char op = walrow__event_op(table->bound, row);
    bool has_old = walrow__event_table_has_old(table, row);
    put_table(self, table);
    if (op != 'D' && op != 'T')
        put_columns(self, DATA, table, WALROW__EVENT_ALL, false, row);
    if (op == 'D' || has_old)
        put_columns(self, OLD_DATA, table, WALROW__EVENT_KNOWN, has_old, row);
    if (op != 'T' && table->has_key)
        put_columns(self, KEY_DATA, table, WALROW__EVENT_KEY, has_old, row);
    put_unchanged(self, table, row);
    end_event(self, walrow__event_type(op), &position.seq);
}

static void
schema_change(walrow__event_printer *printer, const walrow__event_table *table, walrow__position position)
{
    walrow__event_rows *self = printer->arg;
    put_table(self, table);
    walrow__event_add_types(table, &self->text);
    put_made(self, DATA);
    walrow__event_add_key(table, &self->text);
    put_made(self, KEY_DATA);
    end_event(self, "schema_change", &position.seq);
}

static void
message(walrow__event_printer *printer, const walrow_message *message)
{
    walrow__event_rows *self = printer->arg;
    put_text(self, MESSAGE_PREFIX, message->prefix);
    put_bytes(self, MESSAGE_CONTENT, message->content_size == 0 ? "" : message->content,
              message->content_size);
    note(self, walrow__append_bool(column_at(self, TRANSACTIONAL), message->transactional));
    end_event(self, "message", message->transactional ? &message->seq : NULL);
}

const walrow__event_style walrow__event_arrow = {
    .end = "",
    .transaction = transaction,
    .boundary = boundary,
    .row = row,
    .message = message,
    .schema_change = schema_change,
};

/* ---- life ---- */

static ArrowErrorCode
set_type(struct ArrowSchema *field, enum ArrowType type, bool is_json)
{
    if (type == NANOARROW_TYPE_TIMESTAMP)
        return ArrowSchemaSetTypeDateTime(field, type, NANOARROW_TIME_UNIT_MICRO, "UTC");
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(field, type));
    if (type == NANOARROW_TYPE_LIST)
        return ArrowSchemaSetType(field->children[0], NANOARROW_TYPE_STRING);
    if (!is_json)
        return NANOARROW_OK;
    struct ArrowBuffer metadata;
    NANOARROW_RETURN_NOT_OK(ArrowMetadataBuilderInit(&metadata, NULL));
    ArrowErrorCode code = ArrowMetadataBuilderAppend(&metadata, ArrowCharView("ARROW:extension:name"),
                                                     ArrowCharView("arrow.json"));
    if (code == NANOARROW_OK)
        code = ArrowMetadataBuilderAppend(&metadata, ArrowCharView("ARROW:extension:metadata"),
                                          ArrowCharView(""));
    if (code == NANOARROW_OK)
        code = ArrowSchemaSetMetadata(field, (const char *)metadata.data);
    ArrowBufferReset(&metadata);
    return code;
}

static ArrowErrorCode
make_schema(struct ArrowSchema *schema)
{
    ArrowSchemaInit(schema);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(schema, N_COLUMNS));
    for (int i = 0; i < N_COLUMNS; i++) {
        NANOARROW_RETURN_NOT_OK(set_type(schema->children[i], fields[i].type, fields[i].is_json));
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(schema->children[i], fields[i].name));
    }
    return NANOARROW_OK;
}

/* There is no text, so none is ever taken away. */
static walrow_code
flush(void *arg, walrow__strbuf *buf, walrow_error *err)
{
    (void)arg, (void)err;
    walrow__strbuf_clear(buf);
    return WALROW_OK;
}

walrow_code
walrow__event_rows_new(walrow__event_rows **out, walrow_error *err)
{
    walrow__event_rows *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    walrow__event_options options;
    walrow__event_options_init(&options);
    walrow__event_init(&self->printer, &options, flush, self);
    walrow__event_options_release(&options);
    self->printer.style = &walrow__event_arrow;
    walrow__strbuf_init(&self->text);
    walrow_code code = make_schema(&self->schema) == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
    if (code == WALROW_OK)
        code = walrow__rows_init(&self->rows, &self->schema, err);
    if (code != WALROW_OK)
        walrow__event_rows_free(self);
    else
        *out = self;
    return code;
}

void
walrow__event_rows_free(walrow__event_rows *self)
{
    if (self == NULL)
        return;
    walrow__event_release(&self->printer);
    walrow__rows_release(&self->rows);
    walrow__strbuf_release(&self->text);
    if (self->schema.release != NULL)
        ArrowSchemaRelease(&self->schema);
    free(self->origin);
    free(self);
}

const struct ArrowSchema *
walrow__event_rows_schema(const walrow__event_rows *self)
{
    return &self->schema;
}

walrow_code
walrow__event_rows_make(walrow__event_rows *self, const walrow_changes *changes, struct ArrowArray *out,
                        walrow_error *err)
{
    WALROW_TRY(walrow__event_print(&self->printer, changes, err));
    return self->failed ? walrow__fail_memory(err) : walrow__rows_take(&self->rows, out, err);
}
