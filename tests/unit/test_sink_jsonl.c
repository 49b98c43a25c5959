/*
 * test_sink_jsonl.c
 *	  jsonl:FILE: what is in the file after a crash at each point, and what comes again. Sinks' URIs too.
 */
#include "changes.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "sink/sink.h"

typedef struct fixture {
    char dir[64];
    walrow__sink *sink;
    walrow__table *t;
    walrow__identity identity;
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/walrow-jsonl-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->t = simple_table("t", 1);
    f->identity =
        (walrow__identity){.system_identifier = 7311, .timeline = 1, .database = "shop", .slot = "walrow"};
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__sink_free(f->sink);
    walrow__table_unref(f->t);
    (void)walrow__files_remove_tree(f->dir);
    free(f);
    return 0;
}

static walrow_code
try_open(fixture *f)
{
    char uri[128];
    snprintf(uri, sizeof uri, "jsonl:%s/events.jsonl", f->dir);
    ASSERT_OK(walrow__sink_new(uri, &f->sink, &f->err), f->err);
    return walrow__sink_open(f->sink, &f->identity, &f->err);
}

static void
open_sink(fixture *f)
{
    ASSERT_OK(try_open(f), f->err);
}

/* Let go without a sync; what was not synced may be there or not. */
static void
crash(fixture *f)
{
    walrow__sink_free(f->sink);
    f->sink = NULL;
}

/* A transaction of rows with ordinals from first to last; end_lsn 0: it goes on. */
static void
write_part(fixture *f, uint64_t lsn, uint32_t first, uint32_t last, bool whole)
{
    changes c;
    begin_changes(&c);
    for (uint32_t seq = first; seq <= last; seq++)
        add_row(&c, f->t, 'I', lsn, seq, ROW("1", "one"));
    add_transaction(&c, lsn, whole ? lsn + 8 : 0);
    c.set.partial = !whole;
    ASSERT_OK(walrow__sink_write(f->sink, finish_changes(&c, whole ? lsn + 8 : lsn - 8), &f->err), f->err);
    end_changes(&c);
}

static void
write_chunk(fixture *f, uint64_t point, uint32_t chunk, const char *id, bool last)
{
    changes c;
    begin_changes(&c);
    add_row(&c, f->t, 'R', point - 1, 0, ROW(id, "x"));
    c.set.snapshot = true;
    c.set.chunk = chunk;
    c.set.snapshot_end = last;
    ASSERT_OK(walrow__sink_write(f->sink, finish_changes(&c, point), &f->err), f->err);
    end_changes(&c);
}

static uint64_t
sync_sink(fixture *f)
{
    uint64_t durable_lsn;
    ASSERT_OK(walrow__sink_sync(f->sink, false, &durable_lsn, &f->err), f->err);
    return durable_lsn;
}

/* The events in the file, in short: type and ordinal, or id of a row read. */
static const char *
events(const fixture *f)
{
    static char all[2000];
    char path[128], type[32];
    snprintf(path, sizeof path, "%s/events.jsonl", f->dir);
    all[0] = '\0';
    char line[1000];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        assert_int_equal(sscanf(line, "{\"event_type\":\"%31[a-z_]", type), 1);
        const char *seq = strstr(line, strcmp(type, "read") == 0 ? "\"id\":" : "\"seq\":");
        char number[8] = "";
        if (seq != NULL)
            sscanf(strchr(seq, ':') + 1, "%7[0-9]", number);
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s%s%s", used == 0 ? "" : " ", type,
                 *number == '\0' ? "" : ":", number);
    }
    fclose(file);
    return all;
}

static void
run(const fixture *f, const char *command)
{
    char text[300];
    snprintf(text, sizeof text, "cd %s && %s", f->dir, command);
    assert_int_equal(system(text), 0);
}

static void
synced_events_are_in_the_file(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 1, true);
    assert_int_equal(sync_sink(f), 0x108);
    assert_string_equal(events(f), "begin insert:0 insert:1 commit");
}

static void
unsynced_bytes_are_cut_off_after_a_crash(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    sync_sink(f);
    crash(f);
    run(f, "printf '{\"event_type\":\"insert' >> events.jsonl");
    open_sink(f);
    assert_string_equal(events(f), "begin insert:0 commit");
    write_part(f, 0x100, 0, 0, true); /* comes again */
    write_part(f, 0x200, 5, 5, true);
    sync_sink(f);
    assert_string_equal(events(f), "begin insert:0 commit begin insert:5 commit");
}

static void
a_second_crash_finds_the_same_as_the_first(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    sync_sink(f);
    for (int time = 0; time < 2; time++) {
        crash(f);
        run(f, "printf '{\"event_type\":\"insert' >> events.jsonl");
        open_sink(f);
    }
    assert_string_equal(events(f), "begin insert:0 commit");
}

static void
events_that_were_not_synced_come_again_once(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    sync_sink(f);
    write_part(f, 0x200, 1, 1, true);
    crash(f);
    open_sink(f);
    write_part(f, 0x200, 1, 1, true);
    sync_sink(f);
    assert_string_equal(events(f), "begin insert:0 commit begin insert:1 commit");
}

static void
a_transaction_in_parts_goes_on_after_a_restart(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x200, 0, 2, false);
    assert_int_equal(sync_sink(f), 0x1F8);
    crash(f);
    open_sink(f);
    write_part(f, 0x200, 0, 2, false);
    write_part(f, 0x200, 3, 4, true);
    sync_sink(f);
    assert_string_equal(events(f), "begin insert:0 insert:1 insert:2 insert:3 insert:4 commit");
}

static void
a_change_of_schema_is_seen_across_a_restart(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    sync_sink(f);
    crash(f);
    walrow__table_unref(f->t);
    f->t = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("other", TEXT));
    open_sink(f);
    write_part(f, 0x200, 0, 0, true);
    sync_sink(f);
    assert_string_equal(events(f), "begin insert:0 commit begin schema_change:0 insert:0 commit");
}

static void
a_snapshot_appears_when_its_table_is_finished(void **state)
{
    fixture *f = *state;
    bool done;
    uint64_t point;
    open_sink(f);
    write_chunk(f, 0x201, 0, "1", false);
    sync_sink(f);
    assert_string_equal(events(f), "");
    write_chunk(f, 0x201, 1, "2", true);
    assert_string_equal(events(f), "read:1 read:2");
    crash(f);
    open_sink(f);
    assert_string_equal(events(f), "read:1 read:2");
    ASSERT_OK(walrow__sink_snapshot(f->sink, "public", "t", 1, &done, &point, &f->err), f->err);
    assert_true(done);
    assert_int_equal(point, 0x201);
}

static void
an_unfinished_snapshot_leaves_nothing_behind(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_chunk(f, 0x201, 0, "1", false);
    crash(f);
    run(f, "touch .events.jsonl.0123456789abcdef.snapshot"); /* what kill -9 leaves */
    open_sink(f);
    run(f, "! ls .events.jsonl.*.snapshot 2> /dev/null");
    write_chunk(f, 0x301, 0, "7", true);
    assert_string_equal(events(f), "read:7");
}

static void
changes_in_the_snapshot_are_dropped_after_a_restart_too(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_chunk(f, 0x201, 0, "1", true);
    crash(f);
    open_sink(f);
    write_part(f, 0x200, 3, 3, true);
    write_part(f, 0x201, 4, 4, true);
    sync_sink(f);
    assert_string_equal(events(f), "read:1 begin insert:4 commit");
}

static void
a_file_moved_away_is_begun_anew(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    sync_sink(f);
    crash(f);
    run(f, "mv events.jsonl yesterday.jsonl");
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    write_part(f, 0x200, 1, 1, true);
    sync_sink(f);
    assert_string_equal(events(f), "begin insert:1 commit");
}

static void
a_file_that_was_cut_is_refused(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 0, true);
    sync_sink(f);
    crash(f);
    run(f, "truncate -s 10 events.jsonl");
    assert_int_equal(try_open(f), WALROW_ERR_STATE);
}

static void
a_file_of_somebody_else_is_refused(void **state)
{
    fixture *f = *state;
    run(f, "echo mine > events.jsonl");
    assert_int_equal(try_open(f), WALROW_ERR_STATE);
    run(f, "test $(cat events.jsonl) = mine");
}

static void
another_timeline_is_followed_with_what_was_written(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 1, true);
    sync_sink(f);
    crash(f);
    f->identity.timeline = 2;
    open_sink(f);
    assert_int_equal(f->sink->timeline, 1);
    assert_int_equal(f->sink->reached_lsn, 0x108);
    write_part(f, 0x180, 0, 0, true);
    ASSERT_OK(walrow__sink_follow(f->sink, 2, &f->err), f->err);
    crash(f);
    open_sink(f);
    assert_int_equal(f->sink->timeline, 2);
    assert_int_equal(f->sink->reached_lsn, 0x188);
}

static void
a_part_of_a_transaction_reaches_to_its_commit(void **state)
{
    fixture *f = *state;
    open_sink(f);
    write_part(f, 0x100, 0, 1, true);
    write_part(f, 0x200, 0, 1, false);
    sync_sink(f);
    crash(f);
    open_sink(f);
    assert_int_equal(f->sink->reached_lsn, 0x201);
}

static void
another_stream_is_refused(void **state)
{
    fixture *f = *state;
    open_sink(f);
    crash(f);
    f->identity.database = "other";
    assert_int_equal(try_open(f), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "database \"shop\""));
    assert_non_null(strstr(f->err.message, "database \"other\""));
}

static void
position_is_read_without_open(void **state)
{
    fixture *f = *state;
    walrow__position position;
    open_sink(f);
    write_part(f, 0x100, 0, 3, true);
    sync_sink(f);
    ASSERT_OK(walrow__sink_position(f->sink, &position, &f->err), f->err);
    assert_int_equal(position.commit_lsn, 0x100);
    assert_int_equal(position.seq, 3);
}

static void
dead_letters_lie_beside_the_file_once(void **state)
{
    fixture *f = *state;
    for (int time = 0; time < 2; time++) {
        changes c;
        open_sink(f);
        begin_changes(&c);
        add_row(&c, f->t, 'I', 0x100, 0, ROW("1", NULL));
        c.dead_letters[c.set.n_dead_letters++] = (walrow_dead_letter){.schema_name = "public",
                                                                      .table_name = "t",
                                                                      .column = "name",
                                                                      .pg_type = "text",
                                                                      .text = "a",
                                                                      .text_size = 1,
                                                                      .reason = "r",
                                                                      .op = 'I',
                                                                      .lsn = 0x100};
        ASSERT_OK(walrow__sink_write(f->sink, finish_changes(&c, 0x108), &f->err), f->err);
        end_changes(&c);
        sync_sink(f);
        crash(f);
    }
    run(f, "test $(wc -l < _events.jsonl.dead_letters.jsonl) = 1");
}

/* ---- URIs ---- */

static void
assert_refused(const char *uri, const char *hint)
{
    walrow__sink *sink;
    walrow_error err = {0};
    assert_int_equal(walrow__sink_new(uri, &sink, &err), WALROW_ERR_USAGE);
    if (strstr(err.hint, hint) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", uri, err.hint, hint);
}

static void
bad_uris_are_explained(void **state)
{
    (void)state;
    assert_refused("lake", "parquet:DIR");
    assert_refused("csv:lake", "parquet:DIR");
    assert_refused("ipc:", "after the colon");
    assert_refused("jsonl:", "after the colon");
    assert_refused("null:x", "null:");
    assert_refused("arrow:file", "arrow:-");
    assert_refused("ipc:lake?rotate=5", "rotate_rows, rotate_bytes, rotate_s");
    assert_refused("ipc:lake?rotate_rows=0", "from 1 to");
    assert_refused("ipc:lake?rotate_rows=many", "whole number");
    assert_refused("ipc:lake?rotate_bytes=10XB", "128MB");
    assert_refused("ipc:lake?rotate_bytes", "128MB");
    assert_refused("ipc:lake?rotate_s=%", "whole number");
    assert_refused("ipc:lake?partition=day", "rotate_rows");
    assert_refused("jsonl:-?rotate_s=1", "include-xids, include-timestamp");
    assert_refused("jsonl:-?format=wal2json-v1", "events and wal2json-v2");
    assert_refused("jsonl:-?include-xids=maybe", "on or off");
    assert_refused("jsonl:-?actions=insert,upsert", "insert, update, delete and truncate");
    assert_refused("jsonl:-?include-default=on", "leave it out");
    assert_refused("jsonl:-?format=wal2json-v2&include-pk=1", "a real wal2json");
}

static void
parameters_are_percent_decoded(void **state)
{
    (void)state;
    walrow__sink *sink;
    walrow_error err = {0};
    ASSERT_OK(walrow__sink_new("ipc:lake?rotate_bytes=64%4DB&rotate_rows=%31", &sink, &err), err);
    assert_string_equal(sink->uri, "ipc:lake?rotate_bytes=64%4DB&rotate_rows=%31");
    assert_true(sink->keeps_position);
    assert_false(sink->eager);
    walrow__sink_free(sink);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(synced_events_are_in_the_file),
        TEST(unsynced_bytes_are_cut_off_after_a_crash),
        TEST(a_second_crash_finds_the_same_as_the_first),
        TEST(events_that_were_not_synced_come_again_once),
        TEST(a_transaction_in_parts_goes_on_after_a_restart),
        TEST(a_change_of_schema_is_seen_across_a_restart),
        TEST(a_snapshot_appears_when_its_table_is_finished),
        TEST(an_unfinished_snapshot_leaves_nothing_behind),
        TEST(changes_in_the_snapshot_are_dropped_after_a_restart_too),
        TEST(a_file_moved_away_is_begun_anew),
        TEST(a_file_that_was_cut_is_refused),
        TEST(a_file_of_somebody_else_is_refused),
        TEST(another_stream_is_refused),
        TEST(another_timeline_is_followed_with_what_was_written),
        TEST(a_part_of_a_transaction_reaches_to_its_commit),
        TEST(position_is_read_without_open),
        TEST(dead_letters_lie_beside_the_file_once),
        TEST(bad_uris_are_explained),
        TEST(parameters_are_percent_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
