/*
 * test_readers.c
 *	  One stream from a scripted server, many readers: who gets what, what is confirmed, what ends.
 */
#include "streaming.h"

#include "state/place.h"
#include "stream/router.h"

#include <poll.h>

enum { SOON_MS = 5000, NOT_NOW_MS = 50 };

/* ---- acts ---- */

static void
sends_row(fixture *f, uint32_t relid, const char *table, uint64_t commit_lsn, const char *id,
          const char *name)
{
    sends(f, a_begin(commit_lsn, (uint32_t)commit_lsn));
    sends(f, simple_relation(relid, table, 'd'));
    sends(f, a_change('I', relid, ROW(id, name), 0, NULL));
    sends(f, a_commit(commit_lsn, commit_lsn + 8));
}

static struct walrow_reader *
reader_of(fixture *f, const char *table)
{
    struct walrow_reader *reader = NULL;
    ASSERT_OK(walrow_reader(f->stream, table, 0, &reader, &f->err), f->err);
    return reader;
}

static const char *
rows_as_text(const walrow_rows *rows)
{
    walrow_batch batch = {.table_name = "", .schema = rows->schema, .array = rows->array};
    return rows_of(&(walrow_changes){.batches = &batch, .n_batches = 1}) + 2;
}

/* Of one reader, the last ones. */
typedef struct read_rows {
    char text[8192];
    uint64_t commit_lsn;
    uint32_t seq;
    bool new_schema;
} read_rows;

static walrow_code
read_from(struct walrow_reader *reader, int timeout_ms, read_rows *out, walrow_error *err)
{
    walrow_rows rows;
    walrow_code code = walrow_reader_next(reader, &rows, timeout_ms, err);
    if (code != WALROW_OK)
        return code;
    snprintf(out->text, sizeof out->text, "%s", rows_as_text(&rows));
    out->commit_lsn = rows.commit_lsn;
    out->seq = rows.seq;
    out->new_schema = rows.new_schema;
    ArrowArrayRelease(&rows.array);
    return code;
}

static read_rows
expect_rows(fixture *f, struct walrow_reader *reader, const char *text)
{
    static read_rows rows;
    ASSERT_OK(read_from(reader, SOON_MS, &rows, &f->err), f->err);
    assert_string_equal(rows.text, text);
    return rows;
}

static void
expect_nothing(fixture *f, struct walrow_reader *reader)
{
    read_rows rows;
    assert_int_equal(read_from(reader, NOT_NOW_MS, &rows, &f->err), WALROW_TIMEOUT);
}

static void
acks(fixture *f, struct walrow_reader *reader, read_rows rows)
{
    ASSERT_OK(walrow_reader_ack(reader, rows.commit_lsn, rows.seq, &f->err), f->err);
}

/* The stream first: a reader that is closed before it counts no more, and what it took would be confirmed. */
static void
ends(fixture *f, struct walrow_reader *one, struct walrow_reader *other)
{
    walrow_close(f->stream);
    f->stream = NULL;
    walrow_reader_close(one);
    walrow_reader_close(other);
}

/* A reply later, nothing more is confirmed. */
static void
expect_flushed(fixture *f, uint64_t lsn)
{
    int statuses = walsender_statuses(f->server);
    walsender_keepalive(f->server, 0xFFFF, true);
    assert_true(walsender_wait_statuses(f->server, statuses + 1));
    assert_int_equal(walsender_flushed(f->server), lsn);
}

static bool
is_readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

/* ---- who gets what ---- */

static void
each_table_has_its_reader(void **state)
{
    fixture *f = *state;
    set(f, "batch", "transaction");
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends_row(f, 2, "b", 0x200, "2", "y");
    sends_row(f, 1, "a", 0x300, "3", "z");
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a"), *b = reader_of(f, "public.b");
    expect_rows(f, b, "I 200/0 2 y\n");
    assert_true(expect_rows(f, a, "I 100/0 1 x\n").new_schema);
    read_rows rows = expect_rows(f, a, "I 300/0 3 z\n");
    assert_false(rows.new_schema);
    assert_int_equal(rows.commit_lsn, 0x300);
    expect_nothing(f, a);
    ends(f, a, b);
}

static void
one_transaction_at_a_time_if_asked(void **state)
{
    fixture *f = *state;
    set(f, "batch", "transaction");
    set(f, "batch-delay", "3600000");
    for (uint64_t lsn = 0x100; lsn <= 0x300; lsn += 0x100)
        sends_transaction(f, lsn, "1");
    open_stream(f);
    assert_true(walsender_wait_said(f->server));
    for (uint64_t lsn = 0x100; lsn <= 0x300; lsn += 0x100) {
        next_rows(f);
        assert_int_equal(f->changes.n_transactions, 1);
        assert_int_equal(f->changes.end_lsn, lsn + 8);
    }
}

static void
a_full_reader_stops_the_others(void **state)
{
    fixture *f = *state;
    struct walrow_reader *a, *b;
    set(f, "batch", "transaction");
    sends_row(f, 2, "b", 0x100, "1", "x");
    sends_row(f, 2, "b", 0x200, "2", "y");
    sends_row(f, 1, "a", 0x300, "3", "z");
    open_stream(f);
    a = reader_of(f, "public.a");
    ASSERT_OK(walrow_reader(f->stream, "public.b", 1, &b, &f->err), f->err);
    assert_true(is_readable(walrow_reader_fd(b), SOON_MS));
    expect_nothing(f, a);
    expect_rows(f, b, "I 100/0 1 x\n");
    expect_rows(f, b, "I 200/0 2 y\n");
    expect_rows(f, a, "I 300/0 3 z\n");
    ends(f, a, b);
}

static void
tables_that_appear_get_readers(void **state)
{
    fixture *f = *state;
    struct walrow_reader *a, *b = NULL, *none = NULL;
    const char *schema, *table;
    open_stream(f);
    a = reader_of(f, "public.a");
    assert_int_equal(walrow_readers(f->stream, 0, &none, &f->err), WALROW_TIMEOUT);
    assert_false(is_readable(walrow_readers_fd(f->stream), 0));
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends_row(f, 2, "b", 0x200, "2", "y");
    assert_true(is_readable(walrow_readers_fd(f->stream), SOON_MS));
    ASSERT_OK(walrow_readers(f->stream, SOON_MS, &b, &f->err), f->err);
    walrow_reader_table(b, &schema, &table);
    assert_string_equal(schema, "public");
    assert_string_equal(table, "b");
    expect_rows(f, b, "I 200/0 2 y\n");
    expect_rows(f, a, "I 100/0 1 x\n");
    walrow_reader_close(b);
    sends_row(f, 2, "b", 0x300, "3", "z");
    sends_row(f, 1, "a", 0x400, "4", "w");
    expect_rows(f, a, "I 400/0 4 w\n");
    assert_int_equal(walrow_readers(f->stream, 0, &none, &f->err), WALROW_TIMEOUT);
    ends(f, a, NULL);
}

static void
nobody_reads_a_table_twice(void **state)
{
    fixture *f = *state;
    struct walrow_reader *other;
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    assert_int_equal(walrow_reader(f->stream, "public.a", 0, &other, &f->err), WALROW_ERR_USAGE);
    assert_string_equal(f->err.message, "public.a has a reader already");
    assert_int_equal(walrow_reader(f->stream, "a", 0, &other, &f->err), WALROW_ERR_USAGE);
    assert_string_equal(f->err.hint, "write public.a");
    assert_int_equal(walrow_next(f->stream, &f->changes, 0, &f->err), WALROW_ERR_USAGE);
    assert_int_equal(walrow_ack(f->stream, 0x100, &f->err), WALROW_ERR_USAGE);
    assert_int_equal(walrow_stream_fd(f->stream), -1);
    walrow_reader_close(a);
    a = reader_of(f, "public.a"); /* which it may have again */
    sends_row(f, 1, "a", 0x100, "1", "x");
    expect_rows(f, a, "I 100/0 1 x\n");
    ends(f, a, NULL);
}

/* ---- what is confirmed ---- */

static void
the_slowest_reader_decides(void **state)
{
    fixture *f = *state;
    set(f, "batch", "transaction");
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends_row(f, 2, "b", 0x200, "2", "y");
    sends_row(f, 1, "a", 0x300, "3", "z");
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a"), *b = reader_of(f, "public.b");
    walsender_durable(f->server, 0x108);
    expect_rows(f, a, "I 100/0 1 x\n");
    acks(f, a, expect_rows(f, a, "I 300/0 3 z\n"));
    assert_true(walsender_wait_flush(f->server, 0x108));
    read_rows rows = expect_rows(f, b, "I 200/0 2 y\n");
    walsender_durable(f->server, 0x308);
    acks(f, b, rows);
    assert_true(walsender_wait_flush(f->server, 0x308));
    ends(f, a, b);
}

/* What was not taken is not acknowledged, whatever is said. */
static void
what_was_not_taken_is_not_durable(void **state)
{
    fixture *f = *state;
    set(f, "batch", "transaction");
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends_row(f, 1, "a", 0x200, "2", "y");
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    expect_rows(f, a, "I 100/0 1 x\n");
    ASSERT_OK(walrow_reader_stream(a, &stream, &f->err), f->err);
    assert_int_equal(stream.get_schema(&stream, &schema), 0); /* has looked at the next row */
    ArrowSchemaRelease(&schema);
    walsender_durable(f->server, 0x108);
    ASSERT_OK(walrow_reader_ack(a, UINT64_MAX, UINT32_MAX, &f->err), f->err);
    assert_true(walsender_wait_flush(f->server, 0x108));
    expect_flushed(f, 0x108);
    stream.release(&stream);
    ends(f, a, NULL);
}

static void
expect_batch(struct ArrowArrayStream *stream, int64_t rows)
{
    struct ArrowArray array;
    int status = stream->get_next(stream, &array);
    if (status != 0)
        fail_msg("%d: %s", status, stream->get_last_error(stream));
    assert_int_equal(array.release == NULL ? 0 : array.length, rows);
    if (array.release != NULL)
        ArrowArrayRelease(&array);
}

/* A state of the test's own, with the buffer on. */
static const char *
set_buffer(fixture *f)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/walrow-test-readers-%d", (int)getpid());
    set(f, "state", path);
    set(f, "buffer", "on");
    set(f, "batch", "transaction");
    return path;
}

static void
what_passes_the_bound_waits_on_disk_until_it_is_taken(void **state)
{
    fixture *f = *state;
    const char *path = set_buffer(f);
    for (uint64_t i = 1; i <= 3; i++)
        sends_row(f, 1, "a", i << 8, "1", "x");
    sends_row(f, 2, "b", 0x400, "2", "y");
    open_stream(f);
    struct walrow_reader *a = NULL, *b = reader_of(f, "public.b");
    ASSERT_OK(walrow_reader(f->stream, "public.a", 1, &a, &f->err), f->err);
    read_rows of_b = expect_rows(f, b, "I 400/0 2 y\n");
    assert_true(a->router->spilled > 0);
    acks(f, b, of_b);
    expect_rows(f, a, "I 100/0 1 x\n");
    expect_rows(f, a, "I 200/0 1 x\n");
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    ASSERT_OK(walrow_reader_stream(a, &stream, &f->err), f->err);
    assert_int_equal(stream.get_schema(&stream, &schema), 0); /* holds the third, from disk */
    ArrowSchemaRelease(&schema);
    assert_int_equal(a->router->spilled, 0);
    walsender_durable(f->server, 0x208);
    ASSERT_OK(walrow_reader_ack(a, UINT64_MAX, UINT32_MAX, &f->err), f->err);
    assert_true(walsender_wait_flush(f->server, 0x208));
    expect_flushed(f, 0x208);
    expect_batch(&stream, 1);
    stream.release(&stream);
    ends(f, a, b);
    walrow_close(f->stream);
    f->stream = NULL;
    ASSERT_OK(walrow__place_remove(path, &f->err), f->err);
}

static void
what_was_released_is_not_durable(void **state)
{
    fixture *f = *state;
    sends_row(f, 1, "a", 0x100, "1", "x");
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    expect_rows(f, a, "I 100/0 1 x\n");
    expect_flushed(f, 0);
    walrow_close(f->stream);
    f->stream = NULL;
    assert_int_equal(walsender_flushed(f->server), 0);
    assert_int_equal(walrow_reader_ack(a, 0x100, 0, &f->err), WALROW_END);
    ends(f, a, NULL);
}

static void
a_closed_reader_does_not_count(void **state)
{
    fixture *f = *state;
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends_row(f, 2, "b", 0x200, "2", "y");
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a"), *b = reader_of(f, "public.b");
    read_rows rows = expect_rows(f, a, "I 100/0 1 x\n");
    walsender_durable(f->server, 0x208);
    acks(f, a, rows);
    walrow_reader_close(b);
    assert_true(walsender_wait_flush(f->server, 0x208));
    ends(f, a, NULL);
}

static void
what_nobody_reads_is_confirmed(void **state)
{
    fixture *f = *state;
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    assert_true(walrow_reader_fd(a) >= 0);
    walsender_durable(f->server, 0x208);
    sends_row(f, 2, "b", 0x200, "2", "y");
    assert_true(walsender_wait_flush(f->server, 0x208));
    ends(f, a, NULL);
}

/* ---- ends ---- */

static void
a_reader_outlives_its_stream(void **state)
{
    fixture *f = *state;
    read_rows rows;
    sends_row(f, 1, "a", 0x100, "1", "x");
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    assert_true(is_readable(walrow_reader_fd(a), SOON_MS));
    walrow_close(f->stream);
    f->stream = NULL;
    expect_rows(f, a, "I 100/0 1 x\n");
    assert_int_equal(read_from(a, -1, &rows, &f->err), WALROW_END);
    assert_true(is_readable(walrow_reader_fd(a), 0));
    ends(f, a, NULL);
}

static void
a_failure_is_told_after_the_rows_before_it(void **state)
{
    fixture *f = *state;
    read_rows rows;
    set(f, "retry-max", "0");
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends(f, (wire){.bytes = "?", .size = 1});
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    expect_rows(f, a, "I 100/0 1 x\n");
    assert_int_equal(read_from(a, SOON_MS, &rows, &f->err), WALROW_ERR_PROTOCOL);
    ends(f, a, NULL);
}

/* ---- Arrow streams ---- */

static void
an_arrow_stream_ends_where_the_schema_changes(void **state)
{
    fixture *f = *state;
    struct ArrowArrayStream one, other;
    struct ArrowSchema schema;
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("title", TEXT)};
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends(f, a_begin(0x200, 2));
    sends(f, a_relation(1, "public", "a", 'd', columns, 2));
    sends(f, a_change('I', 1, ROW("2", "y"), 0, NULL));
    sends(f, a_commit(0x200, 0x208));
    open_stream(f);
    struct walrow_reader *a = reader_of(f, "public.a");
    ASSERT_OK(walrow_reader_stream(a, &one, &f->err), f->err);
    expect_batch(&one, 1);
    expect_batch(&one, 0);
    expect_batch(&one, 0);
    ASSERT_OK(walrow_reader_stream(a, &other, &f->err), f->err);
    one.release(&one);
    assert_int_equal(other.get_schema(&other, &schema), 0);
    assert_string_equal(schema.children[WALROW__N_META + 1]->name, "title");
    ArrowSchemaRelease(&schema);
    expect_batch(&other, 1);
    ends(f, a, NULL);
    expect_batch(&other, 0);
    other.release(&other);
}

/* ---- events ---- */

static const char *
events_as_text(const walrow_rows *rows)
{
    static char text[4096];
    struct ArrowArrayView view;
    struct ArrowError error = {.message = ""};
    text[0] = '\0';
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, rows->schema, NULL), 0);
    if (ArrowArrayViewSetArray(&view, &rows->array, &error) != 0 ||
        ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &error) != 0)
        fail_msg("%s", error.message);
    for (int64_t row = 0; row < rows->array.length; row++)
        for (int64_t i = 0; i <= 9; i++) { /* not what is of messages */
            say_value(text, sizeof text, view.children[i], row);
            say(text, sizeof text, "%s", i < 9 ? " " : "\n");
        }
    ArrowArrayViewReset(&view);
    return text;
}

static void
all_tables_are_events_in_commit_order(void **state)
{
    fixture *f = *state;
    struct walrow_reader *events, *b = NULL;
    walrow_rows rows;
    sends(f, a_begin(0x100, 7));
    sends(f, simple_relation(1, "a", 'd'));
    sends(f, simple_relation(2, "b", 'd'));
    sends(f, a_change('I', 1, ROW("1", "x"), 0, NULL));
    sends(f, a_change('U', 2, ROW("3", UNCHANGED), 'K', ROW("2", NULL)));
    sends(f, a_change('D', 1, NULL, 'K', ROW("1", NULL)));
    sends(f, a_commit(0x100, 0x108));
    open_stream(f);
    ASSERT_OK(walrow_events(f->stream, 0, &events, &f->err), f->err);
    b = reader_of(f, "public.b");
    ASSERT_OK(walrow_reader_next(events, &rows, SOON_MS, &f->err), f->err);
    assert_string_equal(events_as_text(&rows),
                        "begin - - - - - 0/100 - 1714564800000000 7\n"
                        "insert public a {\"id\":1,\"name\":\"x\"} - {\"id\":1} 0/100 0 1714564800000000 7\n"
                        "update public b {\"id\":3} {\"id\":2} {\"id\":2} 0/100 1 1714564800000000 7\n"
                        "delete public a - {\"id\":1} {\"id\":1} 0/100 2 1714564800000000 7\n"
                        "commit - - - - - 0/100 - 1714564800000000 7\n");
    assert_int_equal(rows.commit_lsn, 0x100);
    ArrowArrayRelease(&rows.array);
    expect_rows(f, b, "U 100/1 3 - was 2 - unchanged name\n");
    ASSERT_OK(walrow_reader_ack(b, 0x100, 1, &f->err), f->err);
    walsender_durable(f->server, 0x108);
    ASSERT_OK(walrow_reader_ack(events, rows.commit_lsn, rows.seq, &f->err), f->err);
    assert_true(walsender_wait_flush(f->server, 0x108));
    ends(f, events, b);
}

/* ---- merged ---- */

static void
shards_are_one_in_position_order(void **state)
{
    fixture *f = *state;
    struct walrow_reader *readers[2], *merged;
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("size", INT4)};
    sends(f, a_begin(0x100, 7));
    sends(f, simple_relation(1, "a", 'd'));
    sends(f, a_relation(2, "public", "b", 'd', columns, 2));
    sends(f, a_change('I', 1, ROW("1", "x"), 0, NULL));
    sends(f, a_change('I', 2, ROW("2", "22"), 0, NULL));
    sends(f, a_change('U', 1, ROW("3", "y"), 'K', ROW("1", NULL)));
    sends(f, a_change('D', 2, NULL, 'K', ROW("2", NULL)));
    sends(f, a_commit(0x100, 0x108));
    open_stream(f);
    readers[0] = reader_of(f, "public.a");
    readers[1] = reader_of(f, "public.b");
    ASSERT_OK(walrow_merge(readers, 2, &merged, &f->err), f->err);
    read_rows rows = expect_rows(f, merged,
                                 "I 100/0 1 x - public.a\n"
                                 "I 100/1 2 - 22 public.b\n"
                                 "U 100/2 3 y - public.a was 1 - -\n"
                                 "D 100/3 2 - - public.b\n");
    assert_true(rows.new_schema);
    assert_int_equal(rows.seq, 3);
    sends_row(f, 1, "a", 0x200, "5", "z");
    rows = expect_rows(f, merged, "I 200/0 5 z - public.a\n");
    assert_false(rows.new_schema);
    walsender_durable(f->server, 0x208);
    acks(f, merged, rows);
    assert_true(walsender_wait_flush(f->server, 0x208));
    ends(f, merged, NULL);
}

static void
a_new_column_is_a_new_schema(void **state)
{
    fixture *f = *state;
    struct walrow_reader *readers[2], *merged;
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("size", INT4)};
    set(f, "batch", "transaction");
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends(f, a_begin(0x200, 7));
    sends(f, a_relation(2, "public", "b", 'd', columns, 2));
    sends(f, a_change('I', 2, ROW("2", "22"), 0, NULL));
    sends(f, a_commit(0x200, 0x208));
    open_stream(f);
    readers[0] = reader_of(f, "public.a");
    readers[1] = reader_of(f, "public.b");
    ASSERT_OK(walrow_merge(readers, 2, &merged, &f->err), f->err);
    assert_true(expect_rows(f, merged, "I 100/0 1 x public.a\n").new_schema);
    assert_true(is_readable(walrow_reader_fd(merged), SOON_MS));
    assert_true(expect_rows(f, merged, "I 200/0 2 - 22 public.b\n").new_schema);
    assert_false(is_readable(walrow_reader_fd(merged), 0));
    ends(f, merged, NULL);
}

static void
columns_of_different_types_are_not_merged(void **state)
{
    fixture *f = *state;
    struct walrow_reader *readers[2], *merged;
    read_rows rows;
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("name", INT4)};
    sends_row(f, 1, "a", 0x100, "1", "x");
    sends(f, a_begin(0x200, 7));
    sends(f, a_relation(2, "public", "b", 'd', columns, 2));
    sends(f, a_change('I', 2, ROW("2", "22"), 0, NULL));
    sends(f, a_commit(0x200, 0x208));
    open_stream(f);
    readers[0] = reader_of(f, "public.a");
    readers[1] = reader_of(f, "public.b");
    ASSERT_OK(walrow_merge(readers, 2, &merged, &f->err), f->err);
    walrow_code code = read_from(merged, SOON_MS, &rows, &f->err);
    if (code == WALROW_OK)
        code = read_from(merged, SOON_MS, &rows, &f->err);
    assert_int_equal(code, WALROW_ERR_USAGE);
    assert_string_equal(f->err.message,
                        "public.a and public.b cannot be merged: column \"name\" is string in one and "
                        "int32 in the other");
    assert_int_equal(read_from(merged, 0, &rows, &f->err), WALROW_ERR_USAGE);
    ends(f, merged, NULL);
}

/* ---- threads ---- */

enum { TRANSACTIONS = 200 };

typedef struct reading_thread {
    struct walrow_reader *reader;
    pthread_t thread;
    int64_t rows;
    walrow_code code;
} reading_thread;

static void *
read_and_ack(void *arg)
{
    reading_thread *self = arg;
    walrow_error err;
    while (self->rows < TRANSACTIONS) {
        walrow_rows rows;
        self->code = walrow_reader_next(self->reader, &rows, SOON_MS, &err);
        if (self->code != WALROW_OK)
            return NULL;
        self->rows += rows.array.length;
        ArrowArrayRelease(&rows.array);
        self->code = walrow_reader_ack(self->reader, rows.commit_lsn, rows.seq, &err);
    }
    return NULL;
}

static void
read_in_threads(fixture *f)
{
    static const char *const tables[] = {"a", "b", "c", "d"};
    struct walrow_reader *readers[4];
    reading_thread threads[3] = {0};
    set(f, "batch", "transaction");
    open_stream(f);
    walsender_durable(f->server, UINT64_MAX);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "public.%s", tables[i]);
        ASSERT_OK(walrow_reader(f->stream, name, 1, &readers[i], &f->err), f->err);
    }
    for (int i = 0; i < 2; i++)
        threads[i].reader = readers[i];
    ASSERT_OK(walrow_merge(readers + 2, 2, &threads[2].reader, &f->err), f->err);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i].thread, NULL, read_and_ack, &threads[i]), 0);
    for (int i = 0; i < 3 * TRANSACTIONS; i++) {
        int table = i % 3 + (i % 6 == 5);
        sends_row(f, (uint32_t)(1 + table), tables[table], 0x1000 + (uint64_t)i * 16, "1", "x");
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i].thread, NULL);
        assert_int_equal(threads[i].code, WALROW_OK);
        assert_int_equal(threads[i].rows, TRANSACTIONS);
    }
    assert_true(walsender_wait_flush(f->server, 0x1000 + (3 * TRANSACTIONS - 1) * 16 + 8));
    for (int i = 0; i < 3; i++)
        walrow_reader_close(threads[i].reader);
}

static void
readers_live_in_threads(void **state)
{
    read_in_threads(*state);
}

static void
readers_behind_the_buffer_live_in_threads(void **state)
{
    fixture *f = *state;
    const char *path = set_buffer(f);
    read_in_threads(f);
    walrow_close(f->stream);
    f->stream = NULL;
    ASSERT_OK(walrow__place_remove(path, &f->err), f->err);
}

/* ---- the stream's own descriptor ---- */

static void
a_stream_says_when_it_has_something(void **state)
{
    fixture *f = *state;
    set(f, "batch-delay", "3600000");
    open_stream(f);
    int fd = walrow_stream_fd(f->stream);
    assert_false(is_readable(fd, NOT_NOW_MS));
    for (uint64_t lsn = 0x100; lsn <= 0x200; lsn += 0x100) { /* at once, though the delay is not over */
        sends_transaction(f, lsn, "1");
        assert_true(is_readable(fd, SOON_MS));
        assert_int_equal(next(f, 0), WALROW_OK);
        assert_false(is_readable(fd, 0));
        assert_int_equal(next(f, 0), WALROW_TIMEOUT);
    }
    sends(f, (wire){.bytes = "?", .size = 1});
    assert_true(is_readable(fd, SOON_MS));
    assert_int_equal(next(f, 0), WALROW_ERR_PROTOCOL);
    assert_true(is_readable(fd, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_table_has_its_reader),
        CASE(one_transaction_at_a_time_if_asked),
        CASE(a_full_reader_stops_the_others),
        CASE(tables_that_appear_get_readers),
        CASE(nobody_reads_a_table_twice),
        CASE(the_slowest_reader_decides),
        CASE(what_was_not_taken_is_not_durable),
        CASE(what_passes_the_bound_waits_on_disk_until_it_is_taken),
        CASE(what_was_released_is_not_durable),
        CASE(a_closed_reader_does_not_count),
        CASE(what_nobody_reads_is_confirmed),
        CASE(a_reader_outlives_its_stream),
        CASE(a_failure_is_told_after_the_rows_before_it),
        CASE(an_arrow_stream_ends_where_the_schema_changes),
        CASE(all_tables_are_events_in_commit_order),
        CASE(shards_are_one_in_position_order),
        CASE(a_new_column_is_a_new_schema),
        CASE(columns_of_different_types_are_not_merged),
        CASE(readers_live_in_threads),
        CASE(readers_behind_the_buffer_live_in_threads),
        CASE(a_stream_says_when_it_has_something),
    };
    return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
