/*
 * lake.h
 *	  A directory sink in a temporary directory, for tests: opened, written, crashed, looked at.
 */
#ifndef WALROW_TEST_LAKE_H
#define WALROW_TEST_LAKE_H

#include "changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "sink/names.h"
#include "sink/sink.h"

typedef struct fixture {
    char dir[64];
    const char *scheme; /* "ipc" unless a test says otherwise */
    walrow__sink *sink;
    walrow__table *t, *u; /* public.t and public.u, (id integer key, name text) */
    walrow__identity identity;
    walrow_error err;
} fixture;

UNUSED_FN static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/walrow-sink-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->scheme = "ipc";
    f->t = simple_table("t", 1);
    f->u = simple_table("u", 2);
    f->identity =
        (walrow__identity){.system_identifier = 7311, .timeline = 1, .database = "shop", .slot = "walrow"};
    *state = f;
    return 0;
}

UNUSED_FN static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__sink_free(f->sink);
    walrow__table_unref(f->t);
    walrow__table_unref(f->u);
    (void)walrow__files_remove_tree(f->dir);
    free(f);
    return 0;
}

UNUSED_FN static walrow_code
try_open(fixture *f, const char *params)
{
    char uri[128];
    snprintf(uri, sizeof uri, "%s:%s%s", f->scheme, f->dir, params);
    ASSERT_OK(walrow__sink_new(uri, &f->sink, &f->err), f->err);
    return walrow__sink_open(f->sink, &f->identity, &f->err);
}

UNUSED_FN static void
open_sink(fixture *f, const char *params)
{
    ASSERT_OK(try_open(f, params), f->err);
}

/* What a crash does: nothing more is written, nothing cleaned up. Staged files are put back as they were. */
UNUSED_FN static void
crash(fixture *f)
{
    char command[256];
    snprintf(command, sizeof command, "cp -a %s %s.crash", f->dir, f->dir);
    assert_int_equal(system(command), 0);
    walrow__sink_free(f->sink);
    f->sink = NULL;
    snprintf(command, sizeof command, "rm -rf %s && mv %s.crash %s", f->dir, f->dir, f->dir);
    assert_int_equal(system(command), 0);
}

UNUSED_FN static void
write_set(fixture *f, changes *c, uint64_t end_lsn)
{
    ASSERT_OK(walrow__sink_write(f->sink, finish_changes(c, end_lsn), &f->err), f->err);
    end_changes(c);
}

/* One transaction of n rows in the table. */
UNUSED_FN static void
write_rows_at(fixture *f, walrow__table *table, uint64_t lsn, uint32_t n, int64_t time)
{
    changes c;
    begin_changes(&c);
    c.time = time;
    for (uint32_t seq = 0; seq < n; seq++)
        add_row(&c, table, 'I', lsn, seq, ROW("1", "one"));
    add_transaction(&c, lsn, lsn + 8);
    write_set(f, &c, lsn + 8);
}

UNUSED_FN static void
write_rows(fixture *f, walrow__table *table, uint64_t lsn, uint32_t n)
{
    write_rows_at(f, table, lsn, n, NOON);
}

UNUSED_FN static uint64_t
sync_sink(fixture *f, bool finish_files)
{
    uint64_t durable_lsn = 12345;
    ASSERT_OK(walrow__sink_sync(f->sink, finish_files, &durable_lsn, &f->err), f->err);
    return durable_lsn;
}

/* A snapshot chunk of n rows with a consistent point. */
UNUSED_FN static void
write_chunk(fixture *f, walrow__table *table, uint64_t point, uint32_t chunk, int n, bool last)
{
    changes c;
    begin_changes(&c);
    for (int i = 0; i < n; i++)
        add_row(&c, table, 'R', point - 1, 0, ROW("1", "one"));
    c.set.snapshot = true;
    finish_changes(&c, point);
    if (n == 0) {
        c.batches[0] = (walrow_batch){.schema_name = table->schema_name,
                                      .table_name = table->name,
                                      .relid = table->relid,
                                      .epoch = table->epoch,
                                      .schema = &table->schema};
        c.set.n_batches = 1;
    }
    c.set.chunk = chunk;
    c.set.snapshot_end = last;
    ASSERT_OK(walrow__sink_write(f->sink, &c.set, &f->err), f->err);
    end_changes(&c);
}

/* ---- what is on disk ---- */

UNUSED_FN static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The names in a directory below DIR, sorted, one after another; "" if it is not there. */
UNUSED_FN static const char *
names_in(const fixture *f, const char *below)
{
    static char names[2000];
    char path[256];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", f->dir, below);
    int n = scandir(path, &entries, NULL, by_name);
    names[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names == '\0' ? "" : " ",
                     entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return names;
}

UNUSED_FN static char *
content_of(const fixture *f, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    char *bytes;
    size_t size;
    walrow_error err = {0};
    ASSERT_OK(walrow__files_read(path, &bytes, &size, &err), err);
    return bytes;
}

UNUSED_FN static void
put_file(const fixture *f, const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

#endif
