/*
 * test_state_beside.c
 *	  walrow sinks list beside a stream that writes an entry after the other, so that the store's files come and go all the
 *	  time: never an error, and never less than was committed before it was asked.
 */
#include "changes.h"

#include "state/sinks.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOKS = 20, KEPT = 10 };

static const walrow__identity shop = {
    .system_identifier = 7311, .timeline = 1, .database = "shop", .slot = "walrow"};

typedef struct fixture {
    char path[64], scratch[80]; /* the state's, and where looks are taken */
    pid_t writer;
    _Atomic uint64_t *committed; /* the number of the last entry; shared with the writer */
    char entry[300000];
} fixture;

/* ---- the writer ---- */

static size_t
size_of(const fixture *f, uint64_t number)
{
    return number % 3 == 0 ? 1000 + number % 1000 : sizeof f->entry;
}

/* An entry, which the sink is the only one to want, and those before it trimmed in large steps. */
static walrow_code
write_entry(fixture *f, walrow__state *state, uint64_t number, walrow_error *err)
{
    walrow__store_write *write = walrow__store_begin();
    walrow__store_append(walrow__state_store(state), write, number, f->entry, size_of(f, number));
    if (number % KEPT == 0)
        walrow__store_remove(walrow__state_store(state), write, 0, number);
    walrow__state_put_log_next(write, number + 1);
    walrow_code code = walrow__state_put_cursor(write, "ipc:lake", number, err);
    if (code == WALROW_OK)
        return walrow__state_commit(state, write, number, err);
    walrow__store_abandon(write);
    return code;
}

static void
write_for_ever(fixture *f)
{
    walrow_error err = {0};
    walrow__state *state;
    walrow_code code = walrow__state_open(f->path, &shop, &state, &err);
    for (size_t i = 0; i < sizeof f->entry; i++)
        f->entry[i] = (char)(i * i >> 3);
    for (uint64_t number = 1; code == WALROW_OK; number++) {
        code = write_entry(f, state, number, &err);
        atomic_store(f->committed, number);
    }
    fprintf(stderr, "the writer: %s\n", err.message);
    _exit(1);
}

static void
assert_writes(const fixture *f)
{
    if (waitpid(f->writer, NULL, WNOHANG) != 0)
        fail_msg("the writer has ended");
}

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/walrow-test-beside-%d", (int)getpid());
    snprintf(f->scratch, sizeof f->scratch, "%s-scratch", f->path);
    if (mkdir(f->scratch, 0700) != 0 || setenv("TMPDIR", f->scratch, true) != 0)
        return -1;
    f->committed =
        mmap(NULL, sizeof *f->committed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f->committed == MAP_FAILED)
        return -1;
    f->writer = fork();
    if (f->writer == 0)
        write_for_ever(f);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    kill(f->writer, SIGKILL);
    waitpid(f->writer, NULL, 0);
    munmap((void *)f->committed, sizeof *f->committed);
    walrow_code removed = walrow__place_remove(f->path, NULL);
    (void)rmdir(f->scratch);
    free(f);
    return removed == WALROW_OK ? 0 : -1;
}

/* ---- the test ---- */

static void
look(const fixture *f, const walrow_options *options)
{
    walrow_error err = {0};
    walrow_known_sinks sinks;
    uint64_t before = atomic_load(f->committed);
    ASSERT_OK(walrow_sinks_list(options, &sinks, &err), err);
    assert_int_equal(sinks.count, 1);
    assert_true(sinks.items[0].cursor >= before);
    assert_int_equal(sinks.items[0].waiting, 1);
    assert_int_equal(sinks.items[0].waiting_bytes, size_of(f, sinks.items[0].cursor));
    walrow_known_sinks_release(&sinks);
}

static void
a_look_beside_a_writer_sees_all_that_was_committed(void **state)
{
    fixture *f = *state;
    walrow_error err = {0};
    walrow_options *options;
    ASSERT_OK(walrow_options_new(&options, &err), err);
    ASSERT_OK(walrow_options_set(options, "state", f->path, &err), err);
    while (atomic_load(f->committed) == 0) {
        assert_writes(f);
        usleep(1000);
    }
    for (int i = 0; i < LOOKS; i++)
        look(f, options);
    assert_writes(f);
    assert_int_equal(rmdir(f->scratch), 0); /* nothing is left of them */
    walrow_options_free(options);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_look_beside_a_writer_sees_all_that_was_committed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
