/*
 * test_wal2json_fuzz.c
 *	  Documents of the real plugin (tests/data/record_wal2json.py), cut short and bent: an error or a result, never a
 *	  crash, never an allocation out of proportion to the input. The sanitizers watch.
 */
#include "fuzz.h"
#include "wal2json.h"

#include "pg/catalog.h"

enum { MAX_DOCUMENTS = 256, MUTATIONS = 100000 };

typedef struct documents {
    char *text, *types_text;
    bytes items[MAX_DOCUMENTS]; /* in text */
    size_t count;
    walrow__catalog *types;
    told_catalog catalog;
    walrow__collector collector;
    walrow__decoder *decoder;
    size_t results, errors;
} documents;

/* Its value lies in TOAST; all others are what the changes themselves say. */
static walrow__pg_attribute wide_columns[] = {
    {.name = (char *)"id", .oid = INT4, .typmod = -1, .is_key = true, .published_at = 0},
    {.name = (char *)"toast", .oid = TEXT, .typmod = -1, .may_be_toasted = true, .published_at = 1},
    {.name = (char *)"other", .oid = INT4, .typmod = -1, .published_at = 2}};
static const walrow__pg_table wide = {.relid = 1,
                                      .schema = (char *)"public",
                                      .name = (char *)"wide",
                                      .identity = 'd',
                                      .own_identity = 'd',
                                      .is_table = true,
                                      .columns = wide_columns,
                                      .n_columns = 3};

static bool
matches(void *arg, const char *schema, const char *table)
{
    (void)arg;
    (void)schema;
    (void)table;
    return true;
}

static char *
read_file(const char *name, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("WALROW_TEST_DATA"), name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    assert_int_equal(fread(text, 1, *size, file), *size);
    text[*size] = '\0';
    fclose(file);
    return text;
}

static void
open_documents(documents *d)
{
    size_t size;
    walrow_error err = {0};
    memset(d, 0, sizeof *d);
    d->types_text = read_file("wal2json-types.json", &size);
    ASSERT_OK(walrow__catalog_load(d->types_text, size, &d->types, &err), err);
    d->text = read_file("wal2json.jsonl", &size);
    for (char *at = d->text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        assert_true(d->count < MAX_DOCUMENTS);
        d->items[d->count++] = (bytes){(uint8_t *)at, (size_t)(end - at)};
    }
    d->catalog = told(d->types, &wide, 1);
    d->catalog.as_of_lsn = UINT64_MAX;
}

static void
drop_decoder(documents *d)
{
    if (d->decoder == NULL)
        return;
    d->decoder->free(d->decoder);
    walrow__collector_release(&d->collector);
    d->decoder = NULL;
}

static void
close_documents(documents *d)
{
    drop_decoder(d);
    d->types->free(d->types);
    free(d->text);
    free(d->types_text);
}

static void
feed_whole(documents *d, size_t i)
{
    walrow_error err = {0};
    ASSERT_OK(d->decoder->feed(d->decoder, d->items[i].data, d->items[i].size, 0x1234, &err), err);
}

static bool
begins(const documents *d, size_t i)
{
    return strncmp((const char *)d->items[i].data, "{\"action\":\"B\"", 13) == 0;
}

/* A new decoder in the transaction that document i is of. */
static void
renew_decoder(documents *d, size_t i)
{
    walrow_error err = {0};
    size_t begin = i;
    drop_decoder(d);
    ASSERT_OK(walrow__collector_init(&d->collector, false, &err), err);
    ASSERT_OK(walrow__wal2json_new(&d->collector, &d->catalog.base, (walrow__capture){.matches = matches},
                                   &d->decoder, &err),
              err);
    while (begin > 0 && !begins(d, begin))
        begin--;
    if (begin < i)
        feed_whole(d, begin);
}

/* Takes the document. */
static void
try_document(documents *d, size_t i, bytes document)
{
    walrow_error err = {0};
    renew_decoder(d, i);
    begin_counting();
    walrow_code code = d->decoder->feed(d->decoder, document.data, document.size, 0x1234, &err);
    assert_in_proportion(document.size);
    if (code == WALROW_OK) {
        d->results++;
        check_changes(&d->collector);
    } else {
        d->errors++;
        if (err.message[0] == '\0' || err.code != code)
            fail_msg("an error without a word");
    }
    free(document.data);
}

static void
recorded_documents_decode(void **state)
{
    documents d;
    (void)state;
    open_documents(&d);
    renew_decoder(&d, 0);
    for (size_t i = 0; i < d.count; i++) {
        begin_counting();
        feed_whole(&d, i);
        assert_in_proportion(d.items[i].size);
    }
    assert_false(d.collector.in_transaction);
    assert_true(d.collector.rows > 40);
    check_changes(&d.collector);
    close_documents(&d);
}

static void
every_prefix_of_every_document_is_an_error(void **state)
{
    documents d;
    (void)state;
    open_documents(&d);
    for (size_t i = 0; i < d.count; i++)
        for (size_t size = 0; size < d.items[i].size; size++)
            try_document(&d, i, prefix(d.items[i].data, size));
    assert_int_equal(d.results, 0);
    close_documents(&d);
}

static void
bent_documents_are_survived(void **state)
{
    documents d;
    (void)state;
    seed = 46;
    open_documents(&d);
    for (size_t k = 0; k < MUTATIONS; k++)
        try_document(&d, k * d.count / MUTATIONS,
                     bent(d.items[k * d.count / MUTATIONS].data, d.items[k * d.count / MUTATIONS].size));
    assert_true(d.results > MUTATIONS / 100 && d.errors > MUTATIONS / 2);
    close_documents(&d);
}

int
main(void)
{
    watch_allocations();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_documents_decode),
        cmocka_unit_test(every_prefix_of_every_document_is_an_error),
        cmocka_unit_test(bent_documents_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
