/*
 * test_recording.c
 *	  A recording is read back as it was written; a broken one is refused.
 */
#include "changes.h"

#include "source/recording.h"

#include <unistd.h>

typedef struct fixture {
    char path[64];
    walrow__recording recording;
    walrow_error err;
} fixture;

static const walrow__recording_header written_header = {.plugin = "pgoutput",
                                                        .binary = true,
                                                        .system_identifier = UINT64_C(18446744073709551615),
                                                        .timeline = 3,
                                                        .database = "shop \"é\"",
                                                        .slot = "walrow",
                                                        .server_version = 150018};

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    FILE *file = NULL;
    snprintf(f->path, sizeof f->path, "/tmp/walrow-test-recording-%d", (int)getpid());
    unlink(f->path);
    ASSERT_OK(walrow__recording_create(f->path, &written_header, &file, &f->err), f->err);
    ASSERT_OK(walrow__recording_write(file, WALROW__FRAME_TYPES, 0, "{}", 2, &f->err), f->err);
    ASSERT_OK(walrow__recording_write(file, WALROW__FRAME_MESSAGE, 0x123456789A, "Bytes", 5, &f->err),
              f->err);
    ASSERT_OK(walrow__recording_write(file, WALROW__FRAME_MESSAGE, 1, "", 0, &f->err), f->err);
    ASSERT_OK(walrow__recording_finish(file, &f->err), f->err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    walrow__recording_close(&f->recording);
    unlink(f->path);
    free(f);
    return 0;
}

static void assert_next(fixture *f, uint8_t kind, uint64_t lsn, const char *bytes)
{
    walrow__frame frame;
    ASSERT_OK(walrow__recording_next(&f->recording, &frame, &f->err), f->err);
    assert_int_equal(frame.kind, kind);
    assert_int_equal(frame.lsn, lsn);
    assert_int_equal(frame.size, strlen(bytes));
    assert_memory_equal(frame.bytes, bytes, frame.size);
}

static void assert_refused(fixture *f, const char *why)
{
    assert_int_equal(walrow__recording_open(f->path, &f->recording, &f->err), WALROW_ERR_PROTOCOL);
    if (strstr(f->err.message, why) == NULL || f->err.hint[0] == '\0')
        fail_msg("\"%s\" does not say \"%s\" and what to do", f->err.message, why);
}

static void overwrite(fixture *f, const char *bytes, size_t size)
{
    FILE *file = fopen(f->path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void what_was_written_is_read(void **state)
{
    fixture *f = *state;
    ASSERT_OK(walrow__recording_open(f->path, &f->recording, &f->err), f->err);
    const walrow__recording_header *header = &f->recording.header;
    assert_string_equal(header->plugin, "pgoutput");
    assert_true(header->binary);
    assert_true(header->system_identifier == written_header.system_identifier);
    assert_int_equal(header->timeline, 3);
    assert_string_equal(header->database, "shop \"é\"");
    assert_string_equal(header->slot, "walrow");
    assert_int_equal(header->server_version, 150018);
    assert_next(f, 'T', 0, "{}");
    assert_next(f, 'w', 0x123456789A, "Bytes");
    assert_next(f, 'w', 1, "");
    walrow__frame frame;
    assert_int_equal(walrow__recording_next(&f->recording, &frame, &f->err), WALROW_END);
    assert_int_equal(walrow__recording_next(&f->recording, &frame, &f->err), WALROW_END);
}

static void an_existing_file_is_not_overwritten(void **state)
{
    fixture *f = *state;
    FILE *file = NULL;
    assert_int_equal(walrow__recording_create(f->path, &written_header, &file, &f->err), WALROW_ERR_SINK);
    assert_null(file);
    assert_int_not_equal(f->err.hint[0], '\0');
}

static void a_file_cut_off_says_so(void **state)
{
    fixture *f = *state;
    walrow__frame frame;
    ASSERT_OK(walrow__recording_open(f->path, &f->recording, &f->err), f->err);
    size_t size = f->recording.size;
    walrow__recording_close(&f->recording);
    assert_int_equal(truncate(f->path, (off_t)size - 14), 0); /* the empty message's 13 bytes, and one more */
    ASSERT_OK(walrow__recording_open(f->path, &f->recording, &f->err), f->err);
    assert_next(f, 'T', 0, "{}");
    assert_int_equal(walrow__recording_next(&f->recording, &frame, &f->err), WALROW_ERR_PROTOCOL);
    assert_non_null(strstr(f->err.message, "middle of a frame"));
}

static void other_files_are_refused(void **state)
{
    fixture *f = *state;
    overwrite(f, "", 0);
    assert_refused(f, "not a file that walrow record wrote");
    overwrite(f, "WALROW\2\n", 8);
    assert_refused(f, "not a file that walrow record wrote");
    overwrite(f, "WALROW\1", 7);
    assert_refused(f, "not a file that walrow record wrote");
}

static void without_a_header_it_is_refused(void **state)
{
    fixture *f = *state;
    overwrite(f, "WALROW\1\n", 8);
    assert_refused(f, "no header");
    overwrite(f, "WALROW\1\nw\0\0\0\0\0\0\0\0\0\0\0\0", 21);
    assert_refused(f, "no header");
    overwrite(f, "WALROW\1\nH\0\0\0\0\0\0\0\0\0\0\0\2{}", 23);
    assert_refused(f, "header cannot be read");
    overwrite(f, "WALROW\1\nH\0\0\0\0\0\0\0\0\377\377\377\377{}", 23);
    assert_refused(f, "middle of a frame");
}

static void a_missing_file_is_wrong_usage(void **state)
{
    fixture *f = *state;
    unlink(f->path);
    assert_int_equal(walrow__recording_open(f->path, &f->recording, &f->err), WALROW_ERR_USAGE);
    assert_non_null(strstr(f->err.message, f->path));
}

static void a_directory_is_not_a_recording(void **state)
{
    fixture *f = *state;
    walrow_code code = walrow__recording_open("/tmp", &f->recording, &f->err);
    assert_true(code == WALROW_ERR_USAGE || code == WALROW_ERR_PROTOCOL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),       TEST(an_existing_file_is_not_overwritten),
        TEST(a_file_cut_off_says_so),         TEST(other_files_are_refused),
        TEST(without_a_header_it_is_refused), TEST(a_missing_file_is_wrong_usage),
        TEST(a_directory_is_not_a_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
