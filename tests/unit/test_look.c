/*
 * test_look.c
 *	  Looks at a folder where tables come and go meanwhile, as in a store: whatever the manifest of a look
 *	  names is there, and can still be read when it is long gone.
 */
#include "changes.h"

#include "base/files.h"
#include "state/look.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOKS = 500, TABLES_OF_A_MANIFEST = 20, RECORD = 9, CHANGES = 3, LONGEST_PAUSE_US = 200 };

typedef struct fixture {
    char store[64];
    pthread_t writer;
    sem_t wanted, done; /* changes */
    atomic_bool ends;
    walrow_error err;
} fixture;

/* ---- the store: each record of its manifest names the only table that counts from then on ---- */

static void
write_file(const char *folder, const char *name, const char *how, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, how);
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

static void
remove_file(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (unlink(path) != 0)
        abort();
}

static void
change_table(const char *store, unsigned number)
{
    char table[32], record[32], manifest[32], old[32];
    snprintf(table, sizeof table, "%08u.sst", number);
    snprintf(record, sizeof record, "%08u\n", number);
    snprintf(manifest, sizeof manifest, "MANIFEST-%u", number / TABLES_OF_A_MANIFEST);
    write_file(store, table, "w", record);
    write_file(store, manifest, "a", record);
    if (number % TABLES_OF_A_MANIFEST == 0) {
        char current[96], name[64];
        snprintf(current, sizeof current, "%s/CURRENT", store);
        int size = snprintf(name, sizeof name, "%s\n", manifest);
        if (walrow__files_replace(current, name, (size_t)size, NULL) != WALROW_OK)
            abort();
    }
    if (number == 0)
        return;
    snprintf(old, sizeof old, "%08u.sst", number - 1);
    remove_file(store, old);
    snprintf(old, sizeof old, "MANIFEST-%u", (number - 1) / TABLES_OF_A_MANIFEST);
    if (strcmp(old, manifest) != 0)
        remove_file(store, old);
}

/* A few for each look, so that it is over at some time however slow the machine is. */
static void *
write_what_is_wanted(void *arg)
{
    fixture *f = arg;
    for (unsigned number = 1; sem_wait(&f->wanted) == 0 && !atomic_load(&f->ends); number++) {
        usleep(number * 37 % LONGEST_PAUSE_US);
        change_table(f->store, number);
        sem_post(&f->done);
    }
    return NULL;
}

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->store, sizeof f->store, "/tmp/walrow-test-look-%d", (int)getpid());
    if (mkdir(f->store, 0700) != 0 || sem_init(&f->wanted, 0, 0) != 0 || sem_init(&f->done, 0, 0) != 0)
        return -1;
    change_table(f->store, 0);
    *state = f;
    return pthread_create(&f->writer, NULL, write_what_is_wanted, f);
}

static void
stop_writer(fixture *f)
{
    if (atomic_exchange(&f->ends, true))
        return;
    sem_post(&f->wanted);
    pthread_join(f->writer, NULL);
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    stop_writer(f);
    int failed = walrow__files_remove_tree(f->store);
    free(f);
    return failed;
}

/* ---- tests ---- */

/* Of a file of the look; 0: it is not there. */
static size_t
read_file(const walrow__look *look, const char *name, char *text, size_t size)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", walrow__look_folder(look), name);
    FILE *file = fopen(path, "r");
    size_t n = file == NULL ? 0 : fread(text, 1, size - 1, file);
    if (file != NULL)
        fclose(file);
    text[n] = '\0';
    return n;
}

static void
assert_is_whole(const walrow__look *look)
{
    char name[64], records[TABLES_OF_A_MANIFEST * RECORD + RECORD], table[64], content[64];
    assert_true(read_file(look, "CURRENT", name, sizeof name) > 0);
    name[strcspn(name, "\n")] = '\0';
    size_t size = read_file(look, name, records, sizeof records);
    assert_true(size > 0 && size % RECORD == 0);
    const char *last = records + size - RECORD;
    snprintf(table, sizeof table, "%.8s.sst", last);
    assert_int_equal(read_file(look, table, content, sizeof content), RECORD);
    assert_string_equal(content, last);
}

static void
what_the_manifest_names_is_there(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < LOOKS; i++) {
        walrow__look *look;
        for (int change = 0; change < CHANGES; change++)
            sem_post(&f->wanted);
        ASSERT_OK(walrow__look_open(f->store, &look, &f->err), f->err);
        assert_is_whole(look);
        walrow__look_close(look);
        for (int change = 0; change < CHANGES; change++)
            sem_wait(&f->done);
    }
}

static void
what_is_gone_can_still_be_read(void **state)
{
    fixture *f = *state;
    walrow__look *look;
    ASSERT_OK(walrow__look_open(f->store, &look, &f->err), f->err);
    stop_writer(f);
    assert_int_equal(walrow__files_remove_tree(f->store), 0);
    assert_is_whole(look);
    walrow__look_close(look);
}

static void
a_place_for_it_that_is_not_there_is_said(void **state)
{
    fixture *f = *state;
    walrow__look *look;
    const char *before = getenv("TMPDIR");
    char *kept = before == NULL ? NULL : strdup(before);
    setenv("TMPDIR", "/nowhere", true);
    assert_int_equal(walrow__look_open(f->store, &look, &f->err), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.hint, "TMPDIR"));
    if (kept == NULL)
        unsetenv("TMPDIR");
    else
        setenv("TMPDIR", kept, true);
    free(kept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_manifest_names_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_gone_can_still_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_place_for_it_that_is_not_there_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
