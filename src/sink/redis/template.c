#include "sink/redis/template.h"

#include "base/error.h"
#include "kernels/key.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

typedef enum token { END, TEXT, NAME, BAD } token;

/* The next of *at: its text, or the name between braces. */
static token
next(const char **at, const char **start, size_t *size)
{
    const char *from = *at;
    *start = from;
    *size = strcspn(from, "{}");
    if (*size == 0 && *from != '\0' && from[1] == from[0]) { /* a brace itself */
        *size = 1;
        *at = from + 2;
        return TEXT;
    }
    *at = from + *size;
    if (*size > 0)
        return TEXT;
    if (*from == '\0')
        return END;
    *start = from + 1;
    *size = strcspn(*start, "{}");
    *at = *start + *size + 1;
    return *from == '{' && *size > 0 && (*start)[*size] == '}' ? NAME : BAD;
}

static bool
is_word(const char *word, const char *start, size_t size)
{
    return strlen(word) == size && memcmp(word, start, size) == 0;
}

bool
walrow__redis_template_is_valid(const char *source, bool with_columns)
{
    const char *start;
    size_t size;
    token token;
    if (*source == '\0')
        return false;
    while ((token = next(&source, &start, &size)) == TEXT || token == NAME)
        if (token == NAME && !with_columns && !is_word("schema", start, size) &&
            !is_word("table", start, size))
            return false;
    return token == END;
}

/* ---- for a table ---- */

static walrow_code
add_part(walrow__redis_template *template, int column, const char *text, size_t size, walrow_error *err)
{
    walrow__redis_part *parts = realloc(template->parts, (template->n_parts + 1) * sizeof *parts);
    if (parts == NULL)
        return walrow__fail_memory(err);
    template->parts = parts;
    parts[template->n_parts++] = (walrow__redis_part){.column = column, .size = size};
    walrow__strbuf_add(&template->text, text, size);
    return template->text.failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
add_text(walrow__redis_template *template, const char *text, walrow_error *err)
{
    return add_part(template, -1, text, strlen(text), err);
}

static walrow_code
fail_column(const walrow_batch *batch, const char *name, size_t size, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SINK,
                 "%s.%s has no column \"%.*s\" in its key, and the template of its Redis "
                 "keys has",
                 batch->schema_name, batch->table_name, (int)size, name);
    return walrow__hint(err,
                        "give the sink key.%s.%s=TEMPLATE, or the table REPLICA IDENTITY USING INDEX or FULL",
                        batch->schema_name, batch->table_name);
}

/* The columns called that; "key": all of them. */
static walrow_code
add_columns(walrow__redis_template *template, const walrow_batch *batch, const walrow__row_key *key,
            const char *name, size_t size, walrow_error *err)
{
    bool all = is_word("key", name, size), found = false;
    for (size_t i = 0; i < key->n_columns; i++) {
        int column = key->columns[i];
        if (!all && !is_word(batch->schema->children[column]->name, name, size))
            continue;
        if (found)
            WALROW_TRY(add_text(template, ":", err));
        WALROW_TRY(add_part(template, column - WALROW__N_META, "", 0, err));
        found = template->tells_rows = true;
    }
    return found ? WALROW_OK : fail_column(batch, name, size, err);
}

static walrow_code
add_value(walrow__redis_template *template, const walrow_batch *batch, const char *name, size_t size,
          walrow_error *err)
{
    walrow__row_key key;
    struct ArrowStringView names = walrow__metadata(batch->schema, "walrow.key");
    if (names.size_bytes <= 2) /* [] */
        return fail_column(batch, name, size, err);
    WALROW_TRY(walrow__row_key_find(batch->schema, NULL, 0, &key, err));
    walrow_code code = add_columns(template, batch, &key, name, size, err);
    walrow__row_key_release(&key);
    return code;
}

walrow_code
walrow__redis_template_make(walrow__redis_template *template, const char *source, const walrow_batch *batch,
                            walrow_error *err)
{
    const char *start;
    size_t size;
    token token;
    memset(template, 0, sizeof *template);
    walrow__strbuf_init(&template->text);
    while ((token = next(&source, &start, &size)) != END) {
        if (token == TEXT)
            WALROW_TRY(add_part(template, -1, start, size, err));
        else if (is_word("schema", start, size))
            WALROW_TRY(add_text(template, batch->schema_name, err));
        else if (is_word("table", start, size))
            WALROW_TRY(add_text(template, batch->table_name, err));
        else
            WALROW_TRY(add_value(template, batch, start, size, err));
    }
    return WALROW_OK;
}

void
walrow__redis_template_release(walrow__redis_template *template)
{
    walrow__strbuf_release(&template->text);
    free(template->parts);
    memset(template, 0, sizeof *template);
}

/* ---- printing ---- */

void
walrow__redis_template_print(const walrow__redis_template *template, const walrow__event_table *table,
                             int64_t row, bool of_old, walrow__strbuf *buf)
{
    const char *text = walrow__strbuf_text(&template->text);
    for (size_t i = 0; i < template->n_parts; i++) {
        const walrow__redis_part *part = &template->parts[i];
        walrow__strbuf_add(buf, text, part->size);
        text += part->size;
        if (part->column < 0)
            continue;
        const walrow__event_column *column = &table->columns[part->column];
        const walrow__value *value = of_old ? &column->old : &column->value;
        if (!walrow__value_is_null(value, row))
            value->print_text(value, row, buf);
    }
}

static void
add_literally(walrow__strbuf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr("*?[]\\", text[i]) != NULL)
            walrow__strbuf_add_char(buf, '\\');
        walrow__strbuf_add_char(buf, text[i]);
    }
}

void
walrow__redis_template_print_pattern(const walrow__redis_template *template, walrow__strbuf *buf)
{
    const char *text = walrow__strbuf_text(&template->text);
    for (size_t i = 0; i < template->n_parts; i++) {
        const walrow__redis_part *part = &template->parts[i];
        add_literally(buf, text, part->size);
        text += part->size;
        if (part->column >= 0)
            walrow__strbuf_add_char(buf, '*');
    }
}
