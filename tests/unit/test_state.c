/*
 * test_state.c
 *	  What was written is there again, as a whole; what is not as it was written is an error, never a beginning.
 */
#include "changes.h"

#include "state/buffer.h"
#include "state/store_inside.h"
#include "state/tables.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture {
    char path[64];
    walrow__state *state;
    walrow_error err;
} fixture;

static const walrow__identity shop = {
    .system_identifier = UINT64_C(7311234567890123456), .timeline = 1, .database = "shop", .slot = "walrow"};

static const walrow__state_table orders = {
    .schema = "public", .name = "orders", .relid = 16401, .point = 0x150, .entry = 12, .rows = 1001};

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/walrow-test-state-%d", (int)getpid());
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__state_close(f->state);
    walrow_code removed = walrow__place_remove(f->path, NULL);
    free(f);
    return removed == WALROW_OK ? 0 : -1;
}

static void
reopen(fixture *f)
{
    walrow__state_close(f->state);
    f->state = NULL;
    ASSERT_OK(walrow__state_open(f->path, &shop, &f->state, &f->err), f->err);
}

static void
assert_refused(fixture *f, const walrow__identity *identity, const char *why)
{
    walrow__state_close(f->state);
    f->state = NULL;
    assert_int_equal(walrow__state_open(f->path, identity, &f->state, &f->err), WALROW_ERR_STATE);
    if (strstr(f->err.message, why) == NULL || f->err.hint[0] == '\0')
        fail_msg("\"%s\" does not say \"%s\" and what to do", f->err.message, why);
}

/* The files of the store whose names begin so. */
static int
each_file(const fixture *f, const char *prefix, void (*act)(const char *path))
{
    char folder[96], path[400];
    snprintf(folder, sizeof folder, "%s/db", f->path);
    DIR *dir = opendir(folder);
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t length = strlen(entry->d_name), wanted = strlen(prefix);
        bool log =
            strcmp(prefix, "*.log") == 0 && length > 4 && strcmp(entry->d_name + length - 4, ".log") == 0;
        if (!log && strncmp(entry->d_name, prefix, wanted) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        act(path);
        n++;
    }
    closedir(dir);
    return n;
}

static void
remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void
damage_middle(const char *path)
{
    int fd = open(path, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, size / 2), 1);
    byte ^= 0x55;
    assert_int_equal(pwrite(fd, &byte, 1, size / 2), 1);
    close(fd);
}

static void
cut_tail(const char *path)
{
    int fd = open(path, O_RDWR);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 3), 0);
    close(fd);
}

/* ---- what is kept ---- */

static void
a_new_state_knows_nothing(void **state)
{
    fixture *f = *state;
    bool done;
    uint64_t lsn;
    walrow__state_table read;
    char *counters;
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), 0);
    assert_false(walrow__state_made_slot(f->state));
    ASSERT_OK(walrow__state_sink(f->state, "jsonl:-", &lsn, &f->err), f->err);
    assert_int_equal(lsn, 0);
    ASSERT_OK(walrow__state_snapshot(f->state, "public", "orders", 0, &done, &read, &f->err), f->err);
    assert_false(done);
    ASSERT_OK(walrow__state_counters(f->state, &counters, &f->err), f->err);
    assert_null(counters);
}

static void
a_commit_point_is_there_after_the_next_start(void **state)
{
    fixture *f = *state;
    bool done;
    uint64_t lsn;
    walrow__state_table read;
    char *counters;
    reopen(f);
    ASSERT_OK(walrow__state_note_slot_made(f->state, &f->err), f->err);
    walrow__store_write *write = walrow__store_begin();
    ASSERT_OK(walrow__state_put_sink(write, "parquet:lake", 0x200, &f->err), f->err);
    ASSERT_OK(walrow__state_put_snapshot(write, &orders, &f->err), f->err);
    walrow__state_put_counters(write, "{\"transactions\": 3}");
    ASSERT_OK(walrow__state_commit(f->state, write, 0x1A0, &f->err), f->err);
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), 0x1A0);
    assert_true(walrow__state_made_slot(f->state));
    ASSERT_OK(walrow__state_sink(f->state, "parquet:lake", &lsn, &f->err), f->err);
    assert_int_equal(lsn, 0x200);
    ASSERT_OK(walrow__state_snapshot(f->state, "public", "orders", 16401, &done, &read, &f->err), f->err);
    assert_true(done && read.point == 0x150 && read.entry == 12);
    ASSERT_OK(walrow__state_counters(f->state, &counters, &f->err), f->err);
    assert_string_equal(counters, "{\"transactions\": 3}");
    free(counters);
}

static void
a_table_made_anew_was_not_read(void **state)
{
    fixture *f = *state;
    bool done;
    walrow__state_table read;
    reopen(f);
    walrow__store_write *write = walrow__store_begin();
    ASSERT_OK(walrow__state_put_snapshot(write, &orders, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    ASSERT_OK(walrow__state_snapshot(f->state, "public", "orders", 16402, &done, &read, &f->err), f->err);
    assert_false(done);
}

static walrow_code
list_table(void *arg, const char *table, int64_t rows, int64_t total, bool done, walrow_error *err)
{
    char *list = arg;
    (void)err;
    sprintf(list + strlen(list), "%s %d/%d%s\n", table, (int)rows, (int)total, done ? " done" : "");
    return WALROW_OK;
}

static void
expect_tables(fixture *f, const char *expected)
{
    char list[256] = "";
    ASSERT_OK(walrow__state_each_table(f->state, list_table, list, &f->err), f->err);
    assert_string_equal(list, expected);
}

static void
put_reading(fixture *f, const char *name, int64_t rows)
{
    walrow__store_write *write = walrow__store_begin();
    const walrow__state_reading reading = {.schema = "public", .name = name, .rows = rows, .total = 1000};
    ASSERT_OK(walrow__state_put_reading(write, &reading, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
}

static void
tables_are_on_their_way_until_they_were_read(void **state)
{
    fixture *f = *state;
    reopen(f);
    put_reading(f, "orders", 0);
    put_reading(f, "users", 0);
    put_reading(f, "orders", 500);
    reopen(f);
    expect_tables(f, "public.orders 500/1000\npublic.users 0/1000\n");
    walrow__store_write *write = walrow__store_begin();
    ASSERT_OK(walrow__state_put_snapshot(write, &orders, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    expect_tables(f, "public.orders 1001/-1 done\npublic.users 0/1000\n");
    write = walrow__store_begin();
    ASSERT_OK(walrow__state_forget_reading(f->state, write, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    expect_tables(f, "public.orders 1001/-1 done\n");
}

static void
what_was_confirmed_never_goes_back(void **state)
{
    fixture *f = *state;
    reopen(f);
    ASSERT_OK(walrow__state_commit(f->state, NULL, 0x300, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, NULL, 0x100, &f->err), f->err);
    assert_int_equal(walrow__state_confirmed(f->state), 0x300);
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), 0x300);
}

static void
a_commit_survives_a_process_that_is_killed(void **state)
{
    fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        if (walrow__state_open(f->path, &shop, &f->state, &f->err) == WALROW_OK &&
            walrow__state_commit(f->state, NULL, 0x777, &f->err) == WALROW_OK)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), 0x777);
}

static void
others_may_look_at_it(void **state)
{
    fixture *f = *state;
    walrow__state *seen = NULL;
    reopen(f);
    ASSERT_OK(walrow__state_commit(f->state, NULL, 0x300, &f->err), f->err);
    ASSERT_OK(walrow__state_read(f->path, &seen, &f->err), f->err);
    assert_int_equal(walrow__state_confirmed(seen), 0x300);
    walrow__state_close(seen);
}

static void
where_there_is_none_there_is_none(void **state)
{
    fixture *f = *state;
    walrow__state *seen = NULL;
    ASSERT_OK(walrow__state_read(f->path, &seen, &f->err), f->err);
    assert_null(seen);
}

/* ---- the log ---- */

static walrow__store *
open_log(fixture *f)
{
    char folder[96];
    walrow__store *store;
    reopen(f);
    walrow__state_close(f->state);
    f->state = NULL;
    snprintf(folder, sizeof folder, "%s/db", f->path);
    ASSERT_OK(walrow__store_open(folder, WALROW__STORE_EXISTING, &store, &f->err), f->err);
    return store;
}

static void
add_number(void *arg, uint64_t number, char first, size_t size)
{
    char *seen = arg;
    assert_int_equal(first, 'e');
    snprintf(seen + strlen(seen), 100 - strlen(seen), "%d:%d ", (int)number, (int)size);
}

static walrow_code
expect_entry(void *arg, const char *bytes, size_t size, walrow_error *err)
{
    (void)err;
    const char *expected = arg;
    if (expected == NULL)
        assert_null(bytes);
    else {
        assert_int_equal(size, strlen(expected));
        assert_memory_equal(bytes, expected, size);
    }
    return WALROW_OK;
}

static void
append(fixture *f, walrow__store *store, uint64_t number)
{
    walrow__store_write *write = walrow__store_begin();
    walrow__store_append(store, write, number, "entry", number - 253);
    ASSERT_OK(walrow__store_commit(store, write, &f->err), f->err);
}

/* As a walrow did that knew no labels; size 0: trims it. */
static void
put_without_label(fixture *f, walrow__store *store, uint64_t number, size_t size)
{
    const char key[8] = {[6] = (char)(number >> 8), [7] = (char)number};
    walrow__store_write *write = walrow__store_begin();
    rocksdb_column_family_handle_t *log = store->families[WALROW__STORE_LOG];
    if (size == 0)
        rocksdb_writebatch_delete_cf(walrow__store_batch(write), log, key, sizeof key);
    else
        rocksdb_writebatch_put_cf(walrow__store_batch(write), log, key, sizeof key, "entry", size);
    ASSERT_OK(walrow__store_commit(store, write, &f->err), f->err);
}

static void
assert_entries(fixture *f, walrow__store *store, const char *expected)
{
    char seen[100] = "";
    ASSERT_OK(walrow__store_each_entry(store, add_number, seen, &f->err), f->err);
    assert_string_equal(seen, expected);
}

static void
entries_are_listed_without_being_read(void **state)
{
    fixture *f = *state;
    walrow__store *store = open_log(f);
    for (uint64_t number = 254; number <= 257; number++)
        append(f, store, number);
    put_without_label(f, store, 256, 5); /* of a size that its label does not know */
    assert_entries(f, store, "254:1 255:2 256:3 257:4 ");
    walrow__store_close(store);
}

static void
entries_of_an_older_walrow_are_listed_all_the_same(void **state)
{
    fixture *f = *state;
    walrow__store *store = open_log(f);
    put_without_label(f, store, 254, 1);
    assert_entries(f, store, "254:1 ");
    append(f, store, 255); /* first comes one without */
    assert_entries(f, store, "254:1 255:2 ");
    append(f, store, 254);
    put_without_label(f, store, 256, 3); /* now last */
    assert_entries(f, store, "254:1 255:2 256:3 ");
    append(f, store, 257); /* in the middle */
    assert_entries(f, store, "254:1 255:2 256:3 257:4 ");
    append(f, store, 254);
    append(f, store, 256);
    put_without_label(f, store, 254, 0);
    assert_entries(f, store, "255:2 256:3 257:4 ");
    walrow__store_close(store);
}

static void
entries_are_kept_in_order_until_they_are_trimmed(void **state)
{
    fixture *f = *state;
    walrow__store *store = open_log(f);
    char there[] = "entr";
    for (uint64_t number = 254; number <= 258; number++)
        append(f, store, number);
    walrow__store_write *write = walrow__store_begin();
    walrow__store_remove(store, write, 0, 256);
    ASSERT_OK(walrow__store_commit(store, write, &f->err), f->err);
    assert_entries(f, store, "256:3 257:4 258:5 ");
    ASSERT_OK(walrow__store_read_entry(store, 257, expect_entry, there, &f->err), f->err);
    ASSERT_OK(walrow__store_read_entry(store, 255, expect_entry, NULL, &f->err), f->err);
    walrow__store_close(store);
}

/* Put one change set without rows; partial: more of its transaction is to come. */
static void
put_changes(fixture *f, walrow__buffer *buffer, bool partial)
{
    walrow_changes changes = {.end_lsn = 0x100, .partial = partial};
    walrow__store_write *write = walrow__store_begin();
    ASSERT_OK(walrow__buffer_put(buffer, write, &changes, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    walrow__buffer_publish(buffer);
}

static walrow__buffer *
open_buffer(fixture *f)
{
    walrow__buffer *buffer;
    reopen(f);
    ASSERT_OK(walrow__buffer_open(f->state, 1 << 20, &buffer, &f->err), f->err);
    return buffer;
}

static void
what_was_not_finished_is_dropped_and_leaves_no_gap(void **state)
{
    fixture *f = *state;
    walrow__buffer *buffer = open_buffer(f);
    put_changes(f, buffer, false);
    put_changes(f, buffer, true);
    put_changes(f, buffer, true);
    assert_int_equal(walrow__buffer_next(buffer), 4);
    walrow__buffer_free(buffer);
    buffer = open_buffer(f);
    assert_int_equal(walrow__buffer_next(buffer), 2);
    walrow__store_write *write = walrow__store_begin();
    walrow__buffer_trim(buffer, write, 2);
    put_changes(f, buffer, true);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    for (int i = 0; i < 2; i++) { /* the second time there is nothing left to drop */
        walrow__buffer_free(buffer);
        buffer = open_buffer(f);
        assert_int_equal(walrow__buffer_first(buffer), 2);
        assert_int_equal(walrow__buffer_next(buffer), 2);
    }
    walrow__buffer_free(buffer);
}

/* ---- what is refused ---- */

static void
one_process_at_a_time(void **state)
{
    fixture *f = *state;
    walrow__state *second = NULL;
    char pid[16];
    reopen(f);
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    assert_int_equal(walrow__state_open(f->path, &shop, &second, &f->err), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, pid));
    assert_int_equal(walrow__place_remove(f->path, &f->err), WALROW_ERR_STATE);
}

static void
another_servers_state_is_not_used(void **state)
{
    fixture *f = *state;
    walrow__identity other = shop;
    reopen(f);
    other.system_identifier++;
    assert_refused(f, &other, "7311234567890123457");
    other = shop;
    other.database = "store";
    assert_refused(f, &other, "\"database\": \"store\"");
    other = shop;
    other.slot = "second";
    assert_refused(f, &other, "\"slot\": \"second\"");
    reopen(f);
}

static void
a_timeline_is_followed_to_where_it_branched_off(void **state)
{
    fixture *f = *state;
    walrow__identity promoted = shop;
    reopen(f);
    walrow__state_reach(f->state, 0x200);
    ASSERT_OK(walrow__state_commit(f->state, NULL, 0x300, &f->err), f->err);
    walrow__state_close(f->state);
    promoted.timeline = 2;
    ASSERT_OK(walrow__state_open(f->path, &promoted, &f->state, &f->err), f->err);
    assert_int_equal(walrow__state_timeline(f->state), 1);
    assert_int_equal(walrow__state_reached(f->state), 0x200);
    ASSERT_OK(walrow__state_follow(f->state, 2, 0x280, &f->err), f->err);
    assert_int_equal(walrow__state_confirmed(f->state), 0x280);
    reopen(f);
    assert_int_equal(walrow__state_timeline(f->state), 2);
    assert_int_equal(walrow__state_confirmed(f->state), 0x280);
    assert_int_equal(walrow__state_reached(f->state), 0x200);
}

static void
what_an_older_walrow_confirmed_may_have_been_delivered(void **state)
{
    fixture *f = *state;
    reopen(f);
    ASSERT_OK(walrow__state_commit(f->state, NULL, 0x300, &f->err), f->err);
    assert_int_equal(walrow__state_reached(f->state), 0);
    walrow__store_write *write = walrow__store_begin();
    walrow__store_delete(write, "reached");
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    reopen(f);
    assert_int_equal(walrow__state_reached(f->state), 0x300);
}

static void
a_newer_version_is_not_read(void **state)
{
    fixture *f = *state;
    walrow__store *store;
    char folder[96];
    reopen(f);
    walrow__state_close(f->state);
    f->state = NULL;
    snprintf(folder, sizeof folder, "%s/db", f->path);
    ASSERT_OK(walrow__store_open(folder, WALROW__STORE_EXISTING, &store, &f->err), f->err);
    walrow__store_write *write = walrow__store_begin();
    walrow__store_put_text(write, "version", "2");
    ASSERT_OK(walrow__store_commit(store, write, &f->err), f->err);
    walrow__store_close(store);
    assert_refused(f, &shop, "version 2");
}

/* Some commits, in the log only. */
static void
make_with_commits(fixture *f)
{
    reopen(f);
    for (uint64_t lsn = 1; lsn <= 50; lsn++)
        ASSERT_OK(walrow__state_commit(f->state, NULL, lsn << 20, &f->err), f->err);
    walrow__state_close(f->state);
    f->state = NULL;
}

static void
a_lost_file_is_no_beginning(void **state)
{
    fixture *f = *state;
    make_with_commits(f);
    assert_int_equal(each_file(f, "CURRENT", remove_file), 1);
    assert_refused(f, &shop, "CURRENT");
}

static void
a_lost_manifest_is_no_beginning(void **state)
{
    fixture *f = *state;
    make_with_commits(f);
    assert_true(each_file(f, "MANIFEST", remove_file) > 0);
    assert_refused(f, &shop, "MANIFEST");
}

/* Who only looks reads the files from elsewhere. */
static void
what_is_wrong_is_said_to_be_where_it_is(void **state)
{
    fixture *f = *state;
    walrow__state *seen;
    char manifest[128];
    make_with_commits(f);
    snprintf(manifest, sizeof manifest, "%s/db/MANIFEST", f->path);
    assert_true(each_file(f, "MANIFEST", remove_file) > 0);
    assert_int_equal(walrow__state_read(f->path, &seen, &f->err), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, manifest));
}

static void
a_damaged_log_is_said(void **state)
{
    fixture *f = *state;
    make_with_commits(f);
    assert_true(each_file(f, "*.log", damage_middle) > 0);
    assert_refused(f, &shop, "Corruption");
}

static void
the_torn_end_of_a_log_is_what_a_crash_leaves(void **state)
{
    fixture *f = *state;
    make_with_commits(f);
    assert_true(each_file(f, "*.log", cut_tail) > 0);
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), UINT64_C(49) << 20);
}

static void
a_store_that_was_being_made_is_made_again(void **state)
{
    fixture *f = *state;
    char file[192];
    reopen(f);
    walrow__state_close(f->state);
    f->state = NULL;
    ASSERT_OK(walrow__place_remove(f->path, &f->err), f->err);
    snprintf(file, sizeof file, "mkdir -p %s/db.new && echo x > %s/db.new/CURRENT", f->path, f->path);
    assert_int_equal(system(file), 0);
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), 0);
}

static walrow_code
commit_a_megabyte(fixture *f)
{
    static char megabyte[1 << 20];
    walrow__store_write *write = walrow__store_begin();
    walrow__store_put(write, "megabyte", megabyte, sizeof megabyte);
    return walrow__state_commit(f->state, write, 0x300, &f->err);
}

static void
after_a_write_that_failed_nothing_is_written(void **state)
{
    fixture *f = *state;
    struct rlimit none, some;
    reopen(f);
    ASSERT_OK(walrow__state_commit(f->state, NULL, 0x200, &f->err), f->err);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &none), 0);
    some = (struct rlimit){.rlim_cur = 64 << 10, .rlim_max = none.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &some), 0);
    walrow_code first = commit_a_megabyte(f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(first, WALROW_ERR_STATE);
    assert_int_equal(walrow__state_commit(f->state, NULL, 0x400, &f->err), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "cannot write the state"));
    reopen(f);
    assert_int_equal(walrow__state_confirmed(f->state), 0x200);
    ASSERT_OK(commit_a_megabyte(f), f->err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_state_knows_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_point_is_there_after_the_next_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_made_anew_was_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_are_on_their_way_until_they_were_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_confirmed_never_goes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_survives_a_process_that_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_may_look_at_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_there_is_none_there_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_are_listed_without_being_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_of_an_older_walrow_are_listed_all_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(entries_are_kept_in_order_until_they_are_trimmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_finished_is_dropped_and_leaves_no_gap, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_process_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_servers_state_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_timeline_is_followed_to_where_it_branched_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_older_walrow_confirmed_may_have_been_delivered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_newer_version_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_file_is_no_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_manifest_is_no_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_to_be_where_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_log_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_torn_end_of_a_log_is_what_a_crash_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_was_being_made_is_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_write_that_failed_nothing_is_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
