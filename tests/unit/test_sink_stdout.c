/*
 * test_sink_stdout.c
 *	  jsonl:- and arrow:-, with standard output turned to a file.
 */
#include "changes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <nanoarrow/nanoarrow_ipc.h>

#include "base/files.h"
#include "sink/sink.h"

typedef struct fixture {
    char path[64]; /* what standard output is turned to */
    int real_stdout;
    walrow__sink *sink;
    walrow__table *t, *u;
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/walrow-stdout-XXXXXX");
    int fd = mkstemp(f->path);
    if (fd < 0)
        return -1;
    fflush(stdout);
    f->real_stdout = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    f->t = simple_table("t", 1);
    f->u = simple_table("u", 2);
    *state = f;
    return 0;
}

static void
restore_stdout(fixture *f)
{
    if (f->real_stdout >= 0)
        dup2(f->real_stdout, STDOUT_FILENO);
    close(f->real_stdout);
    f->real_stdout = -1;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    if (f->real_stdout >= 0)
        restore_stdout(f);
    walrow__sink_free(f->sink);
    walrow__table_unref(f->t);
    walrow__table_unref(f->u);
    unlink(f->path);
    free(f);
    return 0;
}

static void
turn_to(const char *path)
{
    int fd = open(path, O_WRONLY);
    dup2(fd, STDOUT_FILENO);
    close(fd);
}

static void
open_sink(fixture *f, const char *uri)
{
    walrow__identity identity = {.database = "", .slot = ""};
    ASSERT_OK(walrow__sink_new(uri, &f->sink, &f->err), f->err);
    ASSERT_OK(walrow__sink_open(f->sink, &identity, &f->err), f->err);
}

static walrow_code
write_row(fixture *f, walrow__table *table, uint64_t lsn)
{
    changes c;
    begin_changes(&c);
    add_row(&c, table, 'I', lsn, 0, ROW("7", "seven"));
    add_transaction(&c, lsn, lsn + 8);
    walrow_code code = walrow__sink_write(f->sink, finish_changes(&c, lsn + 8), &f->err);
    end_changes(&c);
    return code;
}

static uint64_t
durable_lsn(fixture *f)
{
    uint64_t lsn = 0;
    ASSERT_OK(walrow__sink_sync(f->sink, false, &lsn, &f->err), f->err);
    return lsn;
}

/* Number of rows in the Arrow stream on "standard output"; it must end properly. */
static int64_t
rows_in_stream(fixture *f)
{
    struct ArrowIpcInputStream input;
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    int64_t rows = 0;
    restore_stdout(f);
    assert_int_equal(ArrowIpcInputStreamInitFile(&input, fopen(f->path, "r"), 1), 0);
    assert_int_equal(ArrowIpcArrayStreamReaderInit(&stream, &input, NULL), 0);
    for (;;) {
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        if (batch.release == NULL)
            break;
        rows += batch.length;
        batch.release(&batch);
    }
    stream.release(&stream);
    return rows;
}

static void
events_come_at_once(void **state)
{
    fixture *f = *state;
    char *text;
    size_t size;
    open_sink(f, "jsonl:-");
    assert_true(f->sink->eager);
    ASSERT_OK(write_row(f, f->t, 0x100), f->err);
    ASSERT_OK(walrow__files_read(f->path, &text, &size, &f->err), f->err);
    assert_non_null(strstr(text, "\"data\":{\"id\":7,\"name\":\"seven\"}"));
    assert_non_null(strstr(text, "{\"event_type\":\"commit\""));
    free(text);
    assert_int_equal(durable_lsn(f), 0x108);
}

static void
a_full_disk_is_explained(void **state)
{
    fixture *f = *state;
    open_sink(f, "jsonl:-");
    turn_to("/dev/full");
    assert_int_equal(write_row(f, f->t, 0x100), WALROW_ERR_SINK);
    assert_int_equal(f->err.sys_errno, ENOSPC);
    assert_non_null(strstr(f->err.message, "standard output"));
    assert_non_null(strstr(f->err.hint, "free space"));
}

static void
a_table_is_an_arrow_stream(void **state)
{
    fixture *f = *state;
    open_sink(f, "arrow:-");
    ASSERT_OK(write_row(f, f->t, 0x100), f->err);
    ASSERT_OK(write_row(f, f->t, 0x200), f->err);
    assert_int_equal(durable_lsn(f), 0x208);
    ASSERT_OK(walrow__sink_finish(f->sink, &f->err), f->err);
    assert_int_equal(rows_in_stream(f), 2);
}

static void
a_second_table_is_a_usage_error(void **state)
{
    fixture *f = *state;
    open_sink(f, "arrow:-");
    ASSERT_OK(write_row(f, f->t, 0x100), f->err);
    assert_int_equal(write_row(f, f->u, 0x200), WALROW_ERR_USAGE);
    assert_non_null(strstr(f->err.message, "public.t"));
    assert_non_null(strstr(f->err.message, "public.u"));
}

static void
a_change_of_schema_ends_the_stream_well(void **state)
{
    fixture *f = *state;
    walrow__table *altered = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("other", TEXT));
    open_sink(f, "arrow:-");
    ASSERT_OK(write_row(f, f->t, 0x100), f->err);
    assert_int_equal(write_row(f, altered, 0x200), WALROW_END);
    assert_int_equal(durable_lsn(f), 0x108);
    ASSERT_OK(walrow__sink_finish(f->sink, &f->err), f->err);
    assert_int_equal(rows_in_stream(f), 1);
    walrow__table_unref(altered);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_come_at_once),
        TEST(a_full_disk_is_explained),
        TEST(a_table_is_an_arrow_stream),
        TEST(a_second_table_is_a_usage_error),
        TEST(a_change_of_schema_ends_the_stream_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
