/*
 * test_wal2json.c
 *	  Documents of wal2json's format 2, made by hand, into change sets.
 */
#include "wal2json.h"
#include "wire.h"

#include "source/wal2json_document.h"

static walrow__pg_attribute simple_columns[] = {
    {.name = (char *)"id", .oid = INT4, .typmod = -1, .is_key = true, .published_at = 0},
    {.name = (char *)"name", .oid = TEXT, .typmod = -1, .may_be_toasted = true, .published_at = 1}};
static walrow__pg_attribute kinds_columns[] = {
    {.name = (char *)"b", .oid = BOOL, .typmod = -1, .published_at = 0},
    {.name = (char *)"n", .oid = NUMERIC, .typmod = -1, .published_at = 1},
    {.name = (char *)"raw", .oid = BYTEA, .typmod = -1, .published_at = 2}};
static walrow__pg_attribute leaf_columns[] = {
    {.name = (char *)"name", .oid = TEXT, .typmod = -1, .published_at = 1},
    {.name = (char *)"made", .oid = INT4, .typmod = -1, .is_generated = true, .published_at = 1},
    {.name = (char *)"id", .oid = INT4, .typmod = -1, .is_key = true, .published_at = 0}};

#define TOLD(name_, identity_, columns_)                                                                     \
    {                                                                                                        \
        .relid = 1, .schema = (char *)"public", .name = (char *)name_, .identity = identity_,                \
        .own_identity = identity_, .is_table = true, .columns = columns_,                                    \
        .n_columns = sizeof columns_ / sizeof *columns_                                                      \
    }

static const walrow__pg_table today[] = {TOLD("t", 'd', simple_columns), TOLD("kinds", 'f', kinds_columns),
                                         TOLD("other", 'd', simple_columns)};

typedef struct fixture {
    told_catalog catalog;
    walrow__collector collector;
    walrow__decoder *decoder;
    walrow_changes changes;
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    walrow__capture capture = {.arg = f, .matches = all_but_other};
    f->catalog = told(&test_catalog, today, sizeof today / sizeof *today);
    f->catalog.as_of_lsn = 0x1000;
    ASSERT_OK(walrow__collector_init(&f->collector, false, &f->err), f->err);
    ASSERT_OK(walrow__wal2json_new(&f->collector, &f->catalog.base, capture, &f->decoder, &f->err), f->err);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    f->decoder->free(f->decoder);
    walrow__collector_release(&f->collector);
    free(f);
    return 0;
}

/* ---- acts ---- */

enum { AT = 0xABC }; /* where messages say they come from */

static walrow_code
try_feed(fixture *f, const char *document)
{
    size_t size = strlen(document);
    char *exact = malloc(size + !size); /* so that a read past its end is seen */
    memcpy(exact, document, size);
    walrow_code code = f->decoder->feed(f->decoder, (const uint8_t *)exact, size, AT, &f->err);
    free(exact);
    return code;
}

static void
feed(fixture *f, const char *document)
{
    ASSERT_OK(try_feed(f, document), f->err);
}

#define TIME_TEXT "\"timestamp\":\"2024-05-01 12:00:00+00\""
#define BEGIN_TEXT                                                                                           \
    "{\"action\":\"B\",\"xid\":7," TIME_TEXT ",\"origin\":0,\"lsn\":\"0/100\",\"nextlsn\":\"0/108\"}"
#define COMMIT_TEXT                                                                                          \
    "{\"action\":\"C\",\"xid\":7," TIME_TEXT ",\"origin\":0,\"lsn\":\"0/100\",\"nextlsn\":\"0/108\"}"
#define CHANGE(action, table) "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"" table "\""
#define ID(value) "{\"name\":\"id\",\"type\":\"integer\",\"typeoid\":23,\"value\":" value "}"
#define NAME(value) "{\"name\":\"name\",\"type\":\"text\",\"typeoid\":25,\"value\":" value "}"
#define COLUMNS(...) ",\"columns\":[" __VA_ARGS__ "]"
#define IDENTITY(...) ",\"identity\":[" __VA_ARGS__ "]"

static const char *
rows(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    ASSERT_OK(walrow__collector_cut(&f->collector, &f->changes, &f->err), f->err);
    return rows_of(&f->changes);
}

static const char *
rows_after_commit(fixture *f)
{
    feed(f, COMMIT_TEXT);
    return rows(f);
}

static void
assert_refused(fixture *f, const char *document, const char *why)
{
    assert_int_equal(try_feed(f, document), WALROW_ERR_PROTOCOL);
    if (strstr(f->err.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, why);
    if (strstr(f->err.message, "wal2json at 0/ABC") == NULL)
        fail_msg("\"%s\" does not say where", f->err.message);
}

/* ---- what is decoded ---- */

static void
a_transaction_has_positions_and_a_time(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "t") COLUMNS(ID("1") "," NAME("\"one\"")) "}");
    feed(f, CHANGE("I", "other") COLUMNS(ID("1") "," NAME("\"not captured\"")) "}");
    feed(f, CHANGE("U", "t") COLUMNS(ID("1") "," NAME("null")) IDENTITY(ID("1")) "}");
    feed(f, CHANGE("D", "t") IDENTITY(ID("1")) "}");
    feed(f, CHANGE("T", "t") "}");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 one\nU 100/1 1 -\nD 100/2 1 -\nT 100/3 - -\n");
    const walrow_transaction *transaction = &f->changes.transactions[0];
    assert_int_equal(f->changes.n_transactions, 1);
    assert_int_equal(transaction->xid, 7);
    assert_int_equal(transaction->commit_lsn, 0x100);
    assert_int_equal(transaction->end_lsn, 0x108);
    assert_int_equal(transaction->commit_time, NOON);
    assert_null(transaction->origin);
}

static void
an_old_key_is_there_only_if_it_is_another(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("U", "t") COLUMNS(ID("1") "," NAME("\"a\"")) IDENTITY(ID("1")) "}");
    feed(f, CHANGE("U", "t") COLUMNS(ID("2") "," NAME("\"a\"")) IDENTITY(ID("1")) "}");
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 1 a\nU 100/1 2 a was 1 -\n");
}

static void
keys_may_come_in_any_order(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, "{\"columns\":[{\"value\":1,\"optional\":true,\"typeoid\":23,\"name\":\"id\"},"
            "{\"typeoid\":25,\"name\":\"name\",\"value\":\"a\"}],\"new\":{\"x\":[1]},\"table\":\"t\","
            "\"schema\":\"public\",\"action\":\"I\"}");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\n");
}

static void
texts_are_what_their_escapes_say(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "t") COLUMNS(ID("1") "," NAME("\"\\\"\\\\\\/\\u00e9\\ud83d\\ude00 ü\"")) "}");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 \"\\/é😀 ü\n");
}

/* Numbers pass no double, booleans are t and f, a bytea has no \x. */
static void
values_are_the_texts_they_stand_for(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "kinds")
                COLUMNS("{\"name\":\"b\",\"typeoid\":16,\"value\":true},"
                        "{\"name\":\"n\",\"typeoid\":1700,\"value\":123456789012345678901234567890.10},"
                        "{\"name\":\"raw\",\"typeoid\":17,\"value\":\"6869\"}") "}");
    feed(f, CHANGE("I", "kinds") COLUMNS("{\"name\":\"b\",\"typeoid\":16,\"value\":false},"
                                         "{\"name\":\"n\",\"typeoid\":1700,\"value\":\"NaN\"},"
                                         "{\"name\":\"raw\",\"typeoid\":17,\"value\":\"\"}") "}");
    const char *printed = rows_after_commit(f);
    assert_non_null(strstr(printed, "I 100/0 1 123456789012345678901234567890.10 "));
    assert_non_null(strstr(printed, "I 100/1 0 NaN "));
    const struct ArrowArray *raw = f->changes.batches[0].array.children[WALROW__N_META + 2];
    const int32_t *ends = raw->buffers[1];
    assert_int_equal(ends[1], 2);
    assert_int_equal(ends[2], 2);
    assert_memory_equal(raw->buffers[2], "hi", 2);
}

static void
an_origin_has_its_name(void **state)
{
    fixture *f = *state;
    feed(f,
         "{\"action\":\"B\",\"xid\":7," TIME_TEXT ",\"origin\":7,\"lsn\":\"0/100\",\"nextlsn\":\"0/108\"}");
    feed(f, CHANGE("I", "t") COLUMNS(ID("1") "," NAME("null")) "}");
    rows_after_commit(f);
    assert_string_equal(f->changes.transactions[0].origin, "elsewhere");
}

static void
messages_are_handed_on(void **state)
{
    fixture *f = *state;
    feed(f, "{\"action\":\"M\",\"xid\":null,\"timestamp\":null,\"lsn\":\"0/90\",\"transactional\":false,"
            "\"prefix\":\"p\",\"content\":\"alone\"}");
    feed(f, BEGIN_TEXT);
    feed(f, "{\"action\":\"M\",\"lsn\":\"0/98\",\"transactional\":true,\"prefix\":\"q\",\"content\":\"é\"}");
    rows_after_commit(f);
    assert_int_equal(f->changes.n_messages, 2);
    assert_int_equal(f->changes.messages[0].commit_lsn, 0x90);
    assert_int_equal(f->changes.messages[1].commit_lsn, 0x100);
    assert_int_equal(f->changes.messages[1].content_size, 2);
}

static void
a_transaction_past_the_end_is_not_begun(void **state)
{
    fixture *f = *state;
    f->decoder->stop_lsn = 0x100;
    feed(f, BEGIN_TEXT);
    assert_true(f->decoder->stopped);
    assert_false(f->collector.in_transaction);
}

/* ---- what the catalogue says ---- */

static void
a_missing_value_is_unchanged_if_its_column_is_there(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("U", "t") COLUMNS(ID("1")) IDENTITY(ID("1")) "}");
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 1 - unchanged name\n");
    assert_int_equal(f->catalog.asked, 1); /* what it said then is younger than the change */
}

static void
a_missing_value_of_a_column_that_is_gone_is_not(void **state)
{
    static const walrow__pg_table dropped = {.relid = 1,
                                             .schema = (char *)"public",
                                             .name = (char *)"t",
                                             .identity = 'd',
                                             .own_identity = 'd',
                                             .is_table = true,
                                             .columns = simple_columns,
                                             .n_columns = 1};
    fixture *f = *state;
    f->catalog.as_of_lsn = 0x80; /* when the first change is looked up */
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "t") COLUMNS(ID("1") "," NAME("\"a\"")) "}");
    f->catalog.tables = &dropped;
    f->catalog.n_tables = 1;
    f->catalog.as_of_lsn = 0x1000;
    feed(f, CHANGE("U", "t") COLUMNS(ID("1")) IDENTITY(ID("1")) "}");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\nt:\nU 100/1 1\n");
}

static void
a_partition_is_its_root(void **state)
{
    static const walrow__pg_table leaf = {.relid = 1,
                                          .schema = (char *)"public",
                                          .name = (char *)"leaf",
                                          .identity = 'd',
                                          .own_identity = 'd',
                                          .is_partition = true,
                                          .is_table = true,
                                          .columns = leaf_columns,
                                          .n_columns = 3};
    fixture *f = *state;
    f->catalog.tables = &leaf;
    f->catalog.n_tables = 1;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "leaf")
                COLUMNS(NAME("\"a\"") ",{\"name\":\"made\",\"typeoid\":23,\"value\":5}," ID("1")) "}");
    feed(f, CHANGE("T", "leaf") "}"); /* the root's affair */
    assert_string_equal(rows_after_commit(f), "leaf:\nI 100/0 1 a\n");
}

static void
a_table_nobody_knows_is_what_its_changes_say(void **state)
{
    fixture *f = *state;
    f->catalog.n_tables = 0;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "gone") COLUMNS(ID("1") ",{\"name\":\"n\",\"type\":\"numeric(8,2)\",\"typeoid\":1700,"
                                                "\"value\":1.50}") ",\"pk\":[{\"name\":\"id\",\"type\":"
                                                                   "\"integer\",\"typeoid\":23}]}");
    rows_after_commit(f);
    const int64_t *cents = f->changes.batches[0].array.children[WALROW__N_META + 1]->buffers[1];
    assert_int_equal(cents[0], 150);
    const struct ArrowSchema *schema = f->changes.batches[0].schema;
    struct ArrowStringView key;
    assert_int_equal(ArrowMetadataGetValue(schema->metadata, ArrowCharView("walrow.key"), &key), 0);
    assert_int_equal(key.size_bytes, strlen("[\"id\"]"));
    assert_string_equal(schema->children[WALROW__N_META + 1]->format, "d:8,2");
}

/* wal2json 2.3. The type that a column has today is known by how it is printed, any other is asked for. */
static void
types_without_oids_are_what_is_printed(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("I", "t") COLUMNS("{\"name\":\"id\",\"type\":\"integer\",\"value\":1},"
                                     "{\"name\":\"n\",\"type\":\"numeric(8,2)\",\"value\":1.50}") "}");
    rows_after_commit(f);
    struct ArrowSchema **columns = f->changes.batches[0].schema->children;
    assert_string_equal(columns[WALROW__N_META]->format, "i");
    assert_string_equal(columns[WALROW__N_META + 1]->format, "d:8,2");
}

/* Columns that an update leaves out and its old row has: they stand where the old row has them. */
static void
old_rows_say_what_new_ones_leave_out(void **state)
{
    fixture *f = *state;
    f->catalog.n_tables = 0;
    feed(f, BEGIN_TEXT);
    feed(f, CHANGE("U", "gone") COLUMNS(ID("2")) IDENTITY(NAME("\"a\"") "," ID("1")) "}");
    feed(f, CHANGE("U", "gone") COLUMNS(ID("3") "," NAME("\"b\"")) IDENTITY(ID("2") "," NAME("\"a\"")) "}");
    assert_string_equal(rows_after_commit(f), "gone:\nU 100/0 a 2 was a 1\ngone:\nU 100/1 3 b was 2 a\n");
}

/* ---- what is refused ---- */

static void
what_is_not_json_is_refused_with_its_byte(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    assert_refused(f, "", "not JSON at byte 0");
    assert_refused(f, "{\"action\":\"I\",", "not JSON at byte 14");
    assert_refused(f, CHANGE("I", "t") COLUMNS(ID("1")) "} x", "not JSON at byte");
    assert_refused(f, CHANGE("I", "t") COLUMNS(ID("01")) "}", "not JSON at byte");
    assert_refused(f, CHANGE("I", "t") COLUMNS(NAME("\"\\ud83d\"")) "}", "not JSON at byte");
    assert_refused(f, CHANGE("I", "t") COLUMNS(NAME("\"\\x\"")) "}", "not JSON at byte");
    assert_refused(f, CHANGE("I", "t") COLUMNS("{\"name\":\"m\",\"type\":\"Odd\".m,\"value\":1}") "}",
                   "not JSON at byte");
    assert_non_null(strstr(f->err.hint, "include-types"));
}

static void
what_is_no_message_is_refused(void **state)
{
    fixture *f = *state;
    assert_refused(f, "[]", "not a JSON object");
    assert_refused(f, "{\"change\":[]}", "format 2");
    assert_refused(f, "{\"action\":\"B\"}", "include-lsn");
    assert_refused(f, "{\"action\":\"B\",\"lsn\":\"0/1\",\"nextlsn\":\"0/2\"}", "include-xids");
    assert_refused(f, CHANGE("I", "t") COLUMNS(ID("1")) "}", "outside a transaction");
    feed(f, BEGIN_TEXT);
    assert_refused(f, BEGIN_TEXT, "begins inside");
    assert_refused(f, CHANGE("I", "t") "}", "without columns");
    assert_refused(f, "{\"action\":\"I\",\"table\":\"t\",\"columns\":[]}", "without schema");
    assert_refused(f, CHANGE("I", "t") COLUMNS("{\"name\":\"id\",\"value\":[1]}") "}",
                   "without name or value");
    assert_refused(f, CHANGE("I", "t") COLUMNS("{\"name\":\"i\\u0000d\",\"value\":1}") "}", "without name");
    assert_refused(f, CHANGE("I", "t") COLUMNS("{\"name\":\"x\",\"value\":1}") "}", "include-type-oids");
    assert_refused(f, CHANGE("I", "t") COLUMNS("{\"name\":\"x\",\"type\":\"gone\",\"value\":1}") "}",
                   "column x was of type gone, which is there no more");
    assert_refused(f, CHANGE("I", "t") COLUMNS(ID("\"x\"") "," NAME("null")) "}", "public.t.id: not a text");
}

static void
a_commit_of_another_transaction_is_refused(void **state)
{
    fixture *f = *state;
    feed(f, BEGIN_TEXT);
    assert_refused(f, "{\"action\":\"C\",\"xid\":7," TIME_TEXT ",\"lsn\":\"0/101\",\"nextlsn\":\"0/108\"}",
                   "another transaction");
    assert_refused(f, "{\"action\":\"C\",\"xid\":7," TIME_TEXT ",\"lsn\":\"0/100\",\"nextlsn\":\"0/100\"}",
                   "ends before");
}

static void
an_action_is_told_without_reading_the_rest(void **state)
{
    (void)state;
    assert_int_equal(walrow__wal2json_peek((const uint8_t *)BEGIN_TEXT, strlen(BEGIN_TEXT)), 'B');
    assert_int_equal(walrow__wal2json_peek((const uint8_t *)"{\"action\":\"", 11), 0);
    assert_int_equal(walrow__wal2json_peek((const uint8_t *)"", 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_has_positions_and_a_time),
        TEST(an_old_key_is_there_only_if_it_is_another),
        TEST(keys_may_come_in_any_order),
        TEST(texts_are_what_their_escapes_say),
        TEST(values_are_the_texts_they_stand_for),
        TEST(an_origin_has_its_name),
        TEST(messages_are_handed_on),
        TEST(a_transaction_past_the_end_is_not_begun),
        TEST(a_missing_value_is_unchanged_if_its_column_is_there),
        TEST(a_missing_value_of_a_column_that_is_gone_is_not),
        TEST(a_partition_is_its_root),
        TEST(a_table_nobody_knows_is_what_its_changes_say),
        TEST(types_without_oids_are_what_is_printed),
        TEST(old_rows_say_what_new_ones_leave_out),
        TEST(what_is_not_json_is_refused_with_its_byte),
        TEST(what_is_no_message_is_refused),
        TEST(a_commit_of_another_transaction_is_refused),
        TEST(an_action_is_told_without_reading_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
