/*
 * test_sink_directory.c
 *	  ipc:DIR: the names, what is durable when, and recovery from a crash at each point.
 *
 * A crash is a sink let go without finish, on a copy of what was on disk at that moment where that matters.
 */
#include "lake.h"

#include <sys/syscall.h>

/* A rename that was not made before the crash: back under the staged name. */
static void
undo_rename(const fixture *f, const char *name)
{
    char from[256], to[256];
    snprintf(from, sizeof from, "%s/public.t/%s", f->dir, name);
    snprintf(to, sizeof to, "%s/public.t/.%s", f->dir, name);
    assert_int_equal(rename(from, to), 0);
}

static void
replace_in_manifest(const fixture *f, const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof command, "sed -i 's/%s/%s/' %s/_walrow.json", from, to, f->dir);
    assert_int_equal(system(command), 0);
}

/* Paths that were fsynced, a line each, since the last clear_synced: in the place of libc's. */
static char synced[4096];

int
fsync(int fd)
{
    char link[32], path[256] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0 && strlen(synced) + strlen(path) + 2 < sizeof synced)
        strcat(strcat(synced, path), "\n");
    return (int)syscall(SYS_fsync, fd);
}

static bool
was_synced(const fixture *f, const char *below)
{
    char line[160];
    snprintf(line, sizeof line, "%s%s\n", f->dir, below);
    return strstr(synced, line) != NULL;
}

#define LSN_100 "0000000000000100_"
#define LSN_200 "0000000000000200_"

/* ---- names ---- */

static void
tables_are_percent_encoded(void **state)
{
    (void)state;
    char *name = walrow__name_table("Odd.Schema", "Käse & 50%");
    assert_string_equal(name, "Odd%2ESchema.K%C3%A4se%20%26%2050%25");
    free(name);
    name = walrow__name_table("public", "user_events-2024");
    assert_string_equal(name, "public.user_events-2024");
    free(name);
}

static void
long_names_are_cut_and_stay_distinct(void **state)
{
    (void)state;
    char wide[2][64];
    for (int i = 0; i < 2; i++) {
        memset(wide[i], '.', 63);
        wide[i][62] = (char)('a' + i);
        wide[i][63] = '\0';
    }
    char *names[] = {walrow__name_table(wide[0], wide[0]), walrow__name_table(wide[0], wide[1])};
    for (int i = 0; i < 2; i++) {
        assert_in_range(strlen(names[i]), 190, 200);
        assert_non_null(strchr(names[i], '.'));
        assert_int_equal(names[i][strlen(names[i]) - 9], '-');
    }
    assert_string_not_equal(names[0], names[1]);
    free(names[0]);
    free(names[1]);
}

static void
names_are_read_as_they_are_written(void **state)
{
    (void)state;
    const struct {
        const char *text;
        walrow__name_kind kind;
    } cases[] = {
        {LSN_100 "0000000000-" LSN_200 "4294967295.arrow", WALROW__NAME_CHANGES},
        {"." LSN_100 "0000000007.arrow", WALROW__NAME_STAGED_CHANGES},
        {LSN_100 "r-00000003.arrow", WALROW__NAME_CHUNK},
        {"." LSN_100 "r-00000003.arrow", WALROW__NAME_STAGED_CHUNK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char again[WALROW__FILE_NAME_SIZE];
        walrow__name name = walrow__name_parse(cases[i].text, ".arrow");
        assert_int_equal(name.kind, cases[i].kind);
        walrow__name_print(&name, ".arrow", again);
        assert_string_equal(again, cases[i].text);
    }
}

static void
other_names_are_nobodys(void **state)
{
    (void)state;
    const char *others[] = {"",
                            ".",
                            "..",
                            "x.arrow",
                            LSN_100 "0000000000.arrow",
                            LSN_100 "r-00000003.parquet",
                            "000000000000010G_0000000000-" LSN_200 "0000000000.arrow",
                            LSN_100 "0000000000-" LSN_200 "4294967296.arrow",
                            LSN_100 "r-00000003.arrow.bak"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(walrow__name_parse(others[i], ".arrow").kind, WALROW__NAME_OTHER);
}

/* ---- files and durability ---- */

static void
a_file_is_named_after_its_first_and_last_change(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 2);
    write_rows(f, f->t, 0x200, 3);
    assert_string_equal(names_in(f, "public.t"), "");
    assert_int_equal(sync_sink(f, true), 0x208);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-" LSN_200 "0000000002.arrow");
}

static void
nothing_is_durable_before_its_file_is_finished(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    assert_int_equal(sync_sink(f, true), 0x108);
    write_rows(f, f->t, 0x200, 1);
    write_rows(f, f->u, 0x300, 1);
    assert_int_equal(sync_sink(f, false), 0x108);
    assert_int_equal(sync_sink(f, true), 0x308);
}

static void
an_open_file_of_one_table_holds_back_what_came_after_it(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=2");
    write_rows(f, f->t, 0x100, 2); /* its file is full and finished */
    assert_int_equal(sync_sink(f, false), 0x108);
    write_rows(f, f->u, 0x200, 1);
    write_rows(f, f->t, 0x300, 2);
    assert_string_equal(names_in(f, "public.t"),
                        LSN_100 "0000000000-" LSN_100 "0000000001.arrow "
                                "0000000000000300_0000000000-0000000000000300_0000000001"
                                ".arrow");
    assert_int_equal(sync_sink(f, false), 0x108);
}

static void
a_partial_transaction_is_durable_with_its_last_part(void **state)
{
    fixture *f = *state;
    changes c;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    begin_changes(&c);
    add_row(&c, f->t, 'I', 0x200, 0, ROW("1", "one"));
    c.set.partial = true;
    write_set(f, &c, 0x108);
    assert_int_equal(sync_sink(f, true), 0x108);
    begin_changes(&c);
    add_row(&c, f->t, 'I', 0x200, 1, ROW("1", "one"));
    write_set(f, &c, 0x208);
    assert_int_equal(sync_sink(f, true), 0x208);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-" LSN_200 "0000000000.arrow " LSN_200
                                                         "0000000001-" LSN_200 "0000000001.arrow");
}

static void
an_empty_change_set_moves_what_is_durable(void **state)
{
    fixture *f = *state;
    changes c;
    open_sink(f, "");
    begin_changes(&c);
    write_set(f, &c, 0x500);
    assert_int_equal(sync_sink(f, false), 0x500);
}

static void
rotation_by_rows_cuts_a_large_batch(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=3");
    write_rows(f, f->t, 0x100, 7);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"),
                        LSN_100 "0000000000-" LSN_100 "0000000002.arrow " LSN_100 "0000000003-" LSN_100
                                "0000000005.arrow " LSN_100 "0000000006-" LSN_100 "0000000006.arrow");
}

static void
another_schema_epoch_or_relation_begins_another_file(void **state)
{
    fixture *f = *state;
    walrow__table *altered = TABLE("public", "t", 1, 'd', KEY("id", INT4));
    walrow__table *recreated = TABLE("public", "t", 9, 'd', KEY("id", INT4));
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    write_rows(f, altered, 0x200, 1);
    write_rows(f, recreated, 0x300, 1);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"),
                        LSN_100 "0000000000-" LSN_100 "0000000000.arrow " LSN_200 "0000000000-" LSN_200
                                "0000000000.arrow "
                                "0000000000000300_0000000000-0000000000000300_0000000000"
                                ".arrow");
    walrow__table_unref(altered);
    walrow__table_unref(recreated);
}

static void
rotate_s_makes_the_sink_ask_for_a_sync(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_s=0");
    assert_int_equal(walrow__sink_due_ms(f->sink), -1);
    write_rows(f, f->t, 0x100, 1);
    assert_int_equal(walrow__sink_due_ms(f->sink), 0);
    sync_sink(f, true);
    assert_int_equal(walrow__sink_due_ms(f->sink), -1);
}

static void
many_rows_become_several_record_batches_of_one_file(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    for (uint64_t lsn = 0x100; lsn < 0x100 + 8 * 0x100; lsn += 0x100)
        write_rows(f, f->t, lsn, 10000);
    assert_string_equal(names_in(f, "public.t"), ".0000000000000100_0000000000.arrow");
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-0000000000000800_0000009999.arrow");
}

/* ---- recovery ---- */

static void
after_a_crash_staged_files_go_and_come_again(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    for (uint64_t lsn = 0x100; lsn <= 0x700; lsn += 0x100)
        write_rows(f, f->t, lsn, 10000); /* enough for a record batch to be written */
    crash(f);
    assert_string_equal(names_in(f, "public.t"), ".0000000000000100_0000000000.arrow");
    open_sink(f, "");
    assert_string_equal(names_in(f, "public.t"), "");
    write_rows(f, f->t, 0x100, 1);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-" LSN_100 "0000000000.arrow");
}

static void
what_was_delivered_is_dropped_when_it_comes_again(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 5);
    sync_sink(f, true);
    crash(f);
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 5);
    assert_int_equal(sync_sink(f, true), 0x108);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-" LSN_100 "0000000004.arrow");
}

static void
only_the_rest_of_a_transaction_is_written(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=3");
    write_rows(f, f->t, 0x100, 5); /* three of them in a finished file */
    crash(f);
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 5);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-" LSN_100 "0000000002.arrow " LSN_100
                                                         "0000000003-" LSN_100 "0000000004.arrow");
}

static void
every_table_knows_its_own_position(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=1");
    write_rows(f, f->t, 0x200, 1);
    crash(f);
    open_sink(f, "");
    write_rows(f, f->u, 0x100, 1); /* below what t has */
    write_rows(f, f->t, 0x200, 1);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.u"), LSN_100 "0000000000-" LSN_100 "0000000000.arrow");
    assert_string_equal(names_in(f, "public.t"), LSN_200 "0000000000-" LSN_200 "0000000000.arrow");
}

static void
rows_that_come_twice_in_one_run_are_written_once(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 2);
    write_rows(f, f->t, 0x100, 2); /* the connection was lost in between */
    write_rows(f, f->t, 0x200, 1);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), LSN_100 "0000000000-" LSN_200 "0000000000.arrow");
}

static void
old_files_may_be_moved_away(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    sync_sink(f, true);
    char path[256];
    snprintf(path, sizeof path, "rm -r %s/public.t", f->dir);
    assert_int_equal(system(path), 0);
    write_rows(f, f->t, 0x200, 1);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), LSN_200 "0000000000-" LSN_200 "0000000000.arrow");
}

static void
a_final_name_is_never_overwritten(void **state)
{
    fixture *f = *state;
    uint64_t durable_lsn;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    char path[128];
    snprintf(path, sizeof path, "%s/public.t", f->dir);
    mkdir(path, 0777);
    put_file(f, "public.t/" LSN_100 "0000000000-" LSN_100 "0000000000.arrow", "mine");
    assert_int_equal(walrow__sink_sync(f->sink, true, &durable_lsn, &f->err), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.message, "never overwritten"));
    char *content = content_of(f, "public.t/" LSN_100 "0000000000-" LSN_100 "0000000000.arrow");
    assert_string_equal(content, "mine");
    free(content);
}

static void
after_a_failure_nothing_gets_its_final_name(void **state)
{
    fixture *f = *state;
    uint64_t durable_lsn;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    write_rows(f, f->u, 0x200, 1);
    put_file(f, "public.t", "in the way");
    assert_int_equal(walrow__sink_sync(f->sink, true, &durable_lsn, &f->err), WALROW_ERR_SINK);
    assert_int_equal(walrow__sink_finish(f->sink, &f->err), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.message, "public.t"));
}

static void
position_is_the_highest_of_the_names(void **state)
{
    fixture *f = *state;
    walrow__position position;
    open_sink(f, "");
    write_rows(f, f->t, 0x300, 2);
    sync_sink(f, true);
    crash(f);
    char uri[128];
    snprintf(uri, sizeof uri, "ipc:%s", f->dir);
    ASSERT_OK(walrow__sink_new(uri, &f->sink, &f->err), f->err);
    ASSERT_OK(walrow__sink_position(f->sink, &position, &f->err), f->err); /* without open */
    assert_int_equal(position.commit_lsn, 0x300);
    assert_int_equal(position.seq, 1);
}

/* ---- whose it is ---- */

static void
the_manifest_says_whose_the_directory_is(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    char *manifest = content_of(f, "_walrow.json");
    assert_non_null(strstr(manifest, "\"version\": 1"));
    assert_non_null(strstr(manifest, "\"system_identifier\": \"7311\""));
    assert_non_null(strstr(manifest, "\"timeline\": 1"));
    assert_non_null(strstr(manifest, "\"database\": \"shop\""));
    assert_non_null(strstr(manifest, "\"slot\": \"walrow\""));
    free(manifest);
}

static void
another_stream_is_refused_and_both_are_named(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    crash(f);
    f->identity.slot = "other";
    assert_int_equal(try_open(f, ""), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "slot \"walrow\""));
    assert_non_null(strstr(f->err.message, "slot \"other\""));
}

static void
another_timeline_is_followed_when_it_is_told(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    crash(f);
    f->identity.timeline = 2;
    open_sink(f, "");
    assert_int_equal(f->sink->timeline, 1);
    ASSERT_OK(walrow__sink_follow(f->sink, 2, &f->err), f->err);
    crash(f);
    open_sink(f, "");
    assert_int_equal(f->sink->timeline, 2);
}

/* Killed between a rename and the fsync of its directory: the next run takes the name for durable. */
static void
opening_fsyncs_every_directory_whose_names_it_trusts(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    sync_sink(f, true);
    crash(f);
    *synced = '\0';
    open_sink(f, "");
    assert_int_not_equal(f->sink->reached_lsn, 0);
    assert_true(was_synced(f, ""));
    assert_true(was_synced(f, "/public.t"));
    assert_non_null(strstr(synced, "/tmp\n"));
}

static void
how_far_it_reached_is_known_after_a_crash(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    assert_int_equal(f->sink->reached_lsn, 0);
    write_chunk(f, f->u, 0x80, 0, 1, true);
    crash(f);
    open_sink(f, "");
    assert_int_equal(f->sink->reached_lsn, 0x80);
    write_rows(f, f->t, 0x100, 1);
    sync_sink(f, true);
    write_rows(f, f->t, 0x200, 1); /* not durable */
    crash(f);
    open_sink(f, "");
    assert_int_equal(f->sink->reached_lsn, 0x101);
}

static void
files_without_a_manifest_are_refused(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 1);
    sync_sink(f, true);
    crash(f);
    char path[128];
    snprintf(path, sizeof path, "%s/_walrow.json", f->dir);
    unlink(path);
    assert_int_equal(try_open(f, ""), WALROW_ERR_STATE);
}

static void
a_damaged_manifest_is_refused(void **state)
{
    fixture *f = *state;
    put_file(f, "_walrow.json", "{\"version\": 1, ");
    assert_int_equal(try_open(f, ""), WALROW_ERR_STATE);
}

static void
two_walrows_do_not_share_a_directory(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    walrow__sink *first = f->sink;
    assert_int_equal(try_open(f, ""), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.message, "another walrow"));
    walrow__sink_free(first);
}

static void
a_file_in_the_place_of_the_directory_is_explained(void **state)
{
    fixture *f = *state;
    put_file(f, "file", "");
    strcat(f->dir, "/file");
    assert_int_equal(try_open(f, ""), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.hint, "something else has that name"));
    *strrchr(f->dir, '/') = '\0';
}

/* ---- snapshots ---- */

static bool
snapshot_done(fixture *f, uint64_t *point)
{
    bool done;
    ASSERT_OK(walrow__sink_snapshot(f->sink, "public", "t", 1, &done, point, &f->err), f->err);
    return done;
}

static void
a_snapshot_is_visible_when_its_table_is_finished(void **state)
{
    fixture *f = *state;
    uint64_t point;
    open_sink(f, "?rotate_rows=2");
    write_chunk(f, f->t, 0x201, 0, 3, false);
    sync_sink(f, true);
    assert_false(snapshot_done(f, &point));
    assert_string_equal(names_in(f, "public.t"), "." LSN_200 "r-00000000.arrow");
    write_chunk(f, f->t, 0x201, 1, 1, false);
    write_chunk(f, f->t, 0x201, 2, 0, true);
    assert_string_equal(names_in(f, "public.t"), LSN_200 "r-00000000.arrow " LSN_200 "r-00000001.arrow");
    assert_true(snapshot_done(f, &point));
    assert_int_equal(point, 0x201);
}

static void
an_empty_tables_snapshot_is_recorded(void **state)
{
    fixture *f = *state;
    uint64_t point;
    open_sink(f, "");
    write_chunk(f, f->t, 0x201, 0, 0, true);
    crash(f);
    open_sink(f, "");
    assert_string_equal(names_in(f, "public.t"), "");
    assert_true(snapshot_done(f, &point));
    assert_int_equal(point, 0x201);
}

static void
an_unfinished_snapshot_is_forgotten_after_a_crash(void **state)
{
    fixture *f = *state;
    uint64_t point;
    open_sink(f, "?rotate_rows=1");
    write_chunk(f, f->t, 0x201, 0, 3, false);
    crash(f);
    open_sink(f, "");
    assert_string_equal(names_in(f, "public.t"), "");
    assert_false(snapshot_done(f, &point));
    write_chunk(f, f->t, 0x301, 0, 1, true);
    assert_string_equal(names_in(f, "public.t"), "0000000000000300_r-00000000.arrow");
}

static void
a_recorded_snapshot_is_completed_after_a_crash(void **state)
{
    fixture *f = *state;
    uint64_t point;
    open_sink(f, "?rotate_rows=1");
    write_chunk(f, f->t, 0x201, 0, 3, true);
    crash(f);
    /* as if the crash came after the record and the first rename */
    undo_rename(f, LSN_200 "r-00000001.arrow");
    undo_rename(f, LSN_200 "r-00000002.arrow");
    replace_in_manifest(f, "\"done\"", "\"renaming\"");
    open_sink(f, "");
    assert_string_equal(names_in(f, "public.t"),
                        LSN_200 "r-00000000.arrow " LSN_200 "r-00000001.arrow " LSN_200 "r-00000002.arrow");
    assert_true(snapshot_done(f, &point));
    char *manifest = content_of(f, "_walrow.json");
    assert_null(strstr(manifest, "renaming"));
    free(manifest);
}

static void
a_snapshot_that_could_not_be_renamed_is_completed_by_the_next_run(void **state)
{
    fixture *f = *state;
    char path[128];
    open_sink(f, "?rotate_rows=1");
    write_chunk(f, f->t, 0x201, 0, 2, false);
    put_file(f, "public.t/" LSN_200 "r-00000001.arrow", "in the way");
    changes c;
    begin_changes(&c);
    add_row(&c, f->t, 'R', 0x200, 0, ROW("1", "one"));
    c.set.snapshot = c.set.snapshot_end = true;
    c.set.chunk = 1;
    assert_int_equal(walrow__sink_write(f->sink, finish_changes(&c, 0x201), &f->err), WALROW_ERR_SINK);
    end_changes(&c);
    walrow__sink_free(f->sink);
    snprintf(path, sizeof path, "%s/public.t/" LSN_200 "r-00000001.arrow", f->dir);
    assert_int_equal(unlink(path), 0);
    open_sink(f, "");
    assert_string_equal(names_in(f, "public.t"),
                        LSN_200 "r-00000000.arrow " LSN_200 "r-00000001.arrow " LSN_200 "r-00000002.arrow");
}

static void
the_first_chunk_again_begins_the_table_anew(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=1");
    write_chunk(f, f->t, 0x201, 0, 3, false);
    write_chunk(f, f->t, 0x301, 0, 1, true); /* the connection was lost in between */
    assert_string_equal(names_in(f, "public.t"), "0000000000000300_r-00000000.arrow");
}

static void
a_finished_table_is_not_written_again(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_chunk(f, f->t, 0x201, 0, 1, true);
    write_chunk(f, f->t, 0x301, 0, 1, true); /* for another sink */
    assert_string_equal(names_in(f, "public.t"), LSN_200 "r-00000000.arrow");
}

static void
changes_before_the_consistent_point_are_in_the_snapshot(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_chunk(f, f->t, 0x201, 0, 1, true);
    write_rows(f, f->t, 0x100, 1);
    write_rows(f, f->t, 0x200, 1);
    write_rows(f, f->t, 0x201, 1); /* a row at exactly the point comes from the stream */
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), LSN_200
                        "r-00000000.arrow 0000000000000201_0000000000-0000000000000201_0000000000.arrow");
}

/* ---- dead letters ---- */

static void
write_dead_letter(fixture *f, uint64_t lsn, char op, const char *text, size_t size)
{
    changes c;
    begin_changes(&c);
    add_row(&c, f->t, op, lsn, 0, ROW("1", NULL));
    c.dead_letters[c.set.n_dead_letters++] = (walrow_dead_letter){.schema_name = "public",
                                                                  .table_name = "t",
                                                                  .column = "name",
                                                                  .pg_type = "text",
                                                                  .text = text,
                                                                  .text_size = size,
                                                                  .reason = "bytes that are not UTF-8",
                                                                  .op = op,
                                                                  .lsn = lsn,
                                                                  .xid = 7};
    c.set.snapshot = op == 'R';
    ASSERT_OK(walrow__sink_write(f->sink, finish_changes(&c, lsn + 8), &f->err), f->err);
    end_changes(&c);
}

static void
assert_dead_letters(const fixture *f, const char *expected)
{
    char *content = content_of(f, "_dead_letters.jsonl");
    assert_string_equal(content == NULL ? "" : content, expected);
    free(content);
}

#define LETTER(lsn, value)                                                                                   \
    "{\"schema\":\"public\",\"table\":\"t\",\"column\":\"name\",\"tuple\":\"new\",\"op\":\"I\",\"lsn\":"     \
    "\"" lsn "\",\"seq\":0,\"xid\":7,\"pg_type\":\"text\"," value                                            \
    ",\"reason\":\"bytes that are not UTF-8\"}\n"

static void
dead_letters_are_there_when_their_rows_are(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=1");
    write_dead_letter(f, 0x100, 'I', "NaN \"1\"", 7);
    write_dead_letter(f, 0x200, 'I', "\xff\xfe", 2);
    assert_dead_letters(f,
                        LETTER("0/100", "\"text\":\"NaN \\\"1\\\"\"") LETTER("0/200", "\"base64\":\"//4=\""));
}

static void
dead_letters_that_come_again_are_written_once(void **state)
{
    fixture *f = *state;
    open_sink(f, "?rotate_rows=1");
    write_dead_letter(f, 0x100, 'I', "a", 1);
    crash(f);
    /* as if the crash came between the dead letter and the rename; half of another line was written */
    char path[128];
    snprintf(path, sizeof path, "rm -r %s/public.t", f->dir);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "printf '{\"schema\":' >> %s/_dead_letters.jsonl", f->dir);
    assert_int_equal(system(path), 0);
    open_sink(f, "?rotate_rows=1");
    write_dead_letter(f, 0x100, 'I', "a", 1);
    write_dead_letter(f, 0x200, 'I', "b", 1);
    assert_dead_letters(f, LETTER("0/100", "\"text\":\"a\"") LETTER("0/200", "\"text\":\"b\""));
}

static void
dead_letters_of_an_unfinished_snapshot_go_with_it(void **state)
{
    fixture *f = *state;
    open_sink(f, "");
    write_dead_letter(f, 0x200, 'R', "a", 1);
    uint64_t durable_lsn = sync_sink(f, true);
    (void)durable_lsn;
    write_dead_letter(f, 0x300, 'I', "b", 1);
    sync_sink(f, true); /* brings both to disk */
    crash(f);
    open_sink(f, "");
    assert_dead_letters(f, LETTER("0/300", "\"text\":\"b\""));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tables_are_percent_encoded),
        TEST(long_names_are_cut_and_stay_distinct),
        TEST(names_are_read_as_they_are_written),
        TEST(other_names_are_nobodys),
        TEST(a_file_is_named_after_its_first_and_last_change),
        TEST(nothing_is_durable_before_its_file_is_finished),
        TEST(an_open_file_of_one_table_holds_back_what_came_after_it),
        TEST(a_partial_transaction_is_durable_with_its_last_part),
        TEST(an_empty_change_set_moves_what_is_durable),
        TEST(rotation_by_rows_cuts_a_large_batch),
        TEST(another_schema_epoch_or_relation_begins_another_file),
        TEST(rotate_s_makes_the_sink_ask_for_a_sync),
        TEST(many_rows_become_several_record_batches_of_one_file),
        TEST(after_a_crash_staged_files_go_and_come_again),
        TEST(what_was_delivered_is_dropped_when_it_comes_again),
        TEST(only_the_rest_of_a_transaction_is_written),
        TEST(every_table_knows_its_own_position),
        TEST(rows_that_come_twice_in_one_run_are_written_once),
        TEST(old_files_may_be_moved_away),
        TEST(a_final_name_is_never_overwritten),
        TEST(after_a_failure_nothing_gets_its_final_name),
        TEST(position_is_the_highest_of_the_names),
        TEST(the_manifest_says_whose_the_directory_is),
        TEST(another_stream_is_refused_and_both_are_named),
        TEST(another_timeline_is_followed_when_it_is_told),
        TEST(opening_fsyncs_every_directory_whose_names_it_trusts),
        TEST(how_far_it_reached_is_known_after_a_crash),
        TEST(files_without_a_manifest_are_refused),
        TEST(a_damaged_manifest_is_refused),
        TEST(two_walrows_do_not_share_a_directory),
        TEST(a_file_in_the_place_of_the_directory_is_explained),
        TEST(a_snapshot_is_visible_when_its_table_is_finished),
        TEST(an_empty_tables_snapshot_is_recorded),
        TEST(an_unfinished_snapshot_is_forgotten_after_a_crash),
        TEST(a_recorded_snapshot_is_completed_after_a_crash),
        TEST(a_snapshot_that_could_not_be_renamed_is_completed_by_the_next_run),
        TEST(the_first_chunk_again_begins_the_table_anew),
        TEST(a_finished_table_is_not_written_again),
        TEST(changes_before_the_consistent_point_are_in_the_snapshot),
        TEST(dead_letters_are_there_when_their_rows_are),
        TEST(dead_letters_that_come_again_are_written_once),
        TEST(dead_letters_of_an_unfinished_snapshot_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
