/*
 * test_wal2json_classic.c
 *	  Documents of wal2json's format 1: what they are taken for, and what is no such document.
 */
#include "fuzz.h"

#include "source/decoder.h"

enum { MUTATIONS = 100000 };

typedef struct fixture {
    walrow__collector collector;
    walrow__decoder *decoder;
    walrow_changes changes;
    walrow_error err;
} fixture;

static void
open_fixture(fixture *f)
{
    walrow__capture nothing = {0};
    memset(f, 0, sizeof *f);
    ASSERT_OK(walrow__collector_init(&f->collector, false, &f->err), f->err);
    ASSERT_OK(walrow__wal2json_classic_new(&f->collector, NULL, nothing, &f->decoder, &f->err), f->err);
}

static void
close_fixture(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    f->decoder->free(f->decoder);
    walrow__collector_release(&f->collector);
}

static int
set_up(void **state)
{
    *state = malloc(sizeof(fixture));
    open_fixture(*state);
    return 0;
}

static int
tear_down(void **state)
{
    close_fixture(*state);
    free(*state);
    return 0;
}

/* ---- acts ---- */

enum { AT = 0xABC }; /* where messages say they come from */

static walrow_code
feed_bytes(fixture *f, const void *text, size_t size)
{
    uint8_t *exact = malloc(size + !size); /* so that a read past its end is seen */
    memcpy(exact, text, size);
    walrow_code code = f->decoder->feed(f->decoder, exact, size, AT, &f->err);
    free(exact);
    return code;
}

static void
feed(fixture *f, const char *text)
{
    ASSERT_OK(feed_bytes(f, text, strlen(text)), f->err);
}

static const walrow_changes *
cut(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    ASSERT_OK(walrow__collector_cut(&f->collector, &f->changes, &f->err), f->err);
    assert_true(f->changes.documents);
    return &f->changes;
}

static void
assert_message(const walrow_changes *changes, size_t i, const char *text, uint64_t lsn, bool transactional)
{
    const walrow_message *message = &changes->messages[i];
    assert_true(i < changes->n_messages);
    assert_int_equal(message->content_size, strlen(text));
    assert_memory_equal(message->content, text, strlen(text));
    assert_int_equal(message->lsn, lsn);
    assert_int_equal(message->transactional, transactional);
}

#define CHANGE "{\"kind\":\"insert\",\"table\":\"t\",\"columnnames\":[\"change\"],\"columnvalues\":[1]}"
#define HEAD "{\"xid\":7,\"nextlsn\":\"0/108\",\"timestamp\":\"2024-05-01 12:00:00+00\",\"change\":["
#define WHOLE HEAD CHANGE "," CHANGE "]}"
#define PRETTY                                                                                               \
    "{\n\t\"nextlsn\": \"0/108\",\n\t\"change\": [\n\t\t{\n\t\t\t\"kind\": \"insert\"\n\t\t}\n\t]\n}"

/* ---- what they are ---- */

static void
a_document_is_a_transaction(void **state)
{
    fixture *f = *state;
    feed(f, WHOLE);
    const walrow_changes *changes = cut(f);
    assert_false(changes->partial);
    assert_int_equal(changes->end_lsn, 0x108);
    assert_int_equal(changes->n_batches, 0);
    assert_int_equal(changes->n_transactions, 1);
    assert_int_equal(changes->transactions[0].xid, 7);
    assert_int_equal(changes->transactions[0].commit_time, INT64_C(1714564800000000));
    assert_int_equal(changes->transactions[0].end_lsn, 0x108);
    assert_int_equal(changes->n_messages, 1);
    assert_message(changes, 0, WHOLE, 1, true);
}

static void
empty_and_pretty_documents_are_whole(void **state)
{
    fixture *f = *state;
    feed(f, "{\"nextlsn\":\"0/100\",\"change\":[]}");
    feed(f, PRETTY);
    feed(f, "{\n\t\"nextlsn\": \"0/110\",\n\t\"change\": [\n\t]\n}");
    const walrow_changes *changes = cut(f);
    assert_int_equal(changes->n_transactions, 3);
    assert_int_equal(changes->end_lsn, 0x110);
    assert_message(changes, 1, PRETTY, 1, true);
}

static void
chunks_are_the_parts_of_a_transaction(void **state)
{
    fixture *f = *state;
    feed(f, HEAD);
    feed(f, CHANGE);
    const walrow_changes *changes = cut(f);
    assert_true(changes->partial);
    assert_int_equal(changes->transactions[0].end_lsn, 0);
    assert_message(changes, 0, HEAD, 1, true);
    assert_message(changes, 1, CHANGE, 2, true);
    feed(f, "," CHANGE);
    feed(f, "\t\t,{\n\t\t\t\"kind\": \"delete\"\n\t\t}");
    feed(f, "\t]\n}");
    changes = cut(f);
    assert_false(changes->partial);
    assert_int_equal(changes->n_messages, 3);
    assert_message(changes, 2, "\t]\n}", 5, true);
    assert_int_equal(changes->end_lsn, 0x108);
}

static void
a_message_outside_of_transactions_has_the_stream_s_position(void **state)
{
    fixture *f = *state;
    const char *lone = "{\"change\":[{\"kind\":\"message\",\"transactional\":false}]}";
    feed(f, lone);
    const walrow_changes *changes = cut(f);
    assert_message(changes, 0, lone, AT, false);
    assert_int_equal(changes->end_lsn, AT);
}

static void
what_ends_behind_until_is_not_begun(void **state)
{
    fixture *f = *state;
    f->decoder->stop_lsn = 0x108;
    feed(f, WHOLE);
    assert_false(f->decoder->stopped);
    feed(f, "{\"nextlsn\":\"0/110\",\"change\":[");
    assert_true(f->decoder->stopped);
    assert_int_equal(cut(f)->n_messages, 1);
}

/* ---- what is none ---- */

static void
assert_refused(fixture *f, const char *text, const char *says)
{
    close_fixture(f);
    open_fixture(f);
    if (text[0] == '|') { /* after a head */
        feed(f, HEAD);
        text++;
    }
    assert_int_equal(feed_bytes(f, text, strlen(text)), WALROW_ERR_PROTOCOL);
    if (strstr(f->err.message, says) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, f->err.message, says);
}

static void
what_is_no_document_is_refused(void **state)
{
    fixture *f = *state;
    assert_refused(f, "", "not a document");
    assert_refused(f, "{\"action\":\"B\"}", "not a document");
    assert_refused(f, CHANGE, "not a document");
    assert_refused(f, "]}", "not a document");
    assert_refused(f, "{\"nextlsn\":\"0/108\" \"change\":[]}", "not JSON");
    assert_refused(f, "{\"nextlsn\":\"nowhere\",\"change\":[]}", "none");
    assert_refused(f, "{\"change\":[", "include-lsn");
    assert_refused(f, HEAD CHANGE, "does not end");
    assert_refused(f, HEAD CHANGE "]", "does not end");
    assert_refused(f, "|" WHOLE, "under way");
    assert_refused(f, "|,", "under way");
    assert_refused(f, "|{\"kind\":\"ins", "under way");
    assert_refused(f, "|" CHANGE "]}", "under way");
}

static void
every_prefix_but_the_head_is_an_error(void **state)
{
    fixture *f = *state;
    for (size_t size = 0; size < strlen(WHOLE); size++) {
        close_fixture(f);
        open_fixture(f);
        walrow_code code = feed_bytes(f, WHOLE, size);
        assert_int_equal(code, size == strlen(HEAD) ? WALROW_OK : WALROW_ERR_PROTOCOL);
    }
}

static void
bent_documents_are_survived(void **state)
{
    static const char *const documents[] = {WHOLE, PRETTY, HEAD, "," CHANGE, "]}"};
    enum { N_DOCUMENTS = sizeof documents / sizeof *documents };
    fixture *f = *state;
    seed = 47;
    size_t n_errors = 0;
    for (size_t k = 0; k < MUTATIONS; k++) {
        const char *document = documents[k % N_DOCUMENTS];
        close_fixture(f);
        open_fixture(f);
        if (k % N_DOCUMENTS > 2)
            feed(f, HEAD);
        bytes b = bent(document, strlen(document));
        begin_counting();
        n_errors += f->decoder->feed(f->decoder, b.data, b.size, AT, &f->err) != WALROW_OK;
        assert_in_proportion(b.size);
        free(b.data);
    }
    assert_in_range(n_errors, MUTATIONS / 10, MUTATIONS - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    watch_allocations();
    const struct CMUnitTest tests[] = {
        TEST(a_document_is_a_transaction),
        TEST(empty_and_pretty_documents_are_whole),
        TEST(chunks_are_the_parts_of_a_transaction),
        TEST(a_message_outside_of_transactions_has_the_stream_s_position),
        TEST(what_ends_behind_until_is_not_begun),
        TEST(what_is_no_document_is_refused),
        TEST(every_prefix_but_the_head_is_an_error),
        TEST(bent_documents_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
