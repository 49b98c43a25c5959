/*
 * test_event.c
 *	  Change sets as JSON events: their fields, their values, their order.
 */
#include "changes.h"

#include <jansson.h>

#include "sink/event/event.h"

typedef struct fixture {
    walrow__table *t, *u; /* public.t and public.u, (id integer key, name text) */
    walrow__event_printer printer;
    walrow__strbuf text;
    walrow_error err;
    changes c;
} fixture;

static walrow_code
keep(void *arg, walrow__strbuf *buf, walrow_error *err)
{
    fixture *f = arg;
    (void)err;
    walrow__strbuf_add(&f->text, buf->data, buf->size);
    walrow__strbuf_clear(buf);
    return WALROW_OK;
}

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->t = simple_table("t", 1);
    f->u = simple_table("u", 2);
    walrow__strbuf_init(&f->text);
    walrow__event_options options;
    walrow__event_options_init(&options);
    walrow__event_init(&f->printer, &options, keep, f);
    begin_changes(&f->c);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__event_release(&f->printer);
    walrow__strbuf_release(&f->text);
    walrow__table_unref(f->t);
    walrow__table_unref(f->u);
    free(f);
    return 0;
}

/* Print the change set, and begin the next. */
static void
print(fixture *f, uint64_t end_lsn)
{
    ASSERT_OK(walrow__event_print(&f->printer, finish_changes(&f->c, end_lsn), &f->err), f->err);
    ASSERT_OK(walrow__event_flush(&f->printer, &f->err), f->err);
    end_changes(&f->c);
    begin_changes(&f->c);
}

static const char *
line(const fixture *f, int i)
{
    static char text[4000];
    const char *at = walrow__strbuf_text(&f->text);
    while (i-- > 0)
        at = strchr(at, '\n') + 1;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\n"), at);
    return text;
}

static const char *
text_in(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text == NULL ? "" : text;
}

/* All events so far, in short: "begin 0/100, insert t 0/100 0, commit 0/100". Every line must be JSON. */
static const char *
summary(const fixture *f)
{
    static char all[4000];
    all[0] = '\0';
    for (const char *at = walrow__strbuf_text(&f->text); *at != '\0'; at = strchr(at, '\n') + 1) {
        json_error_t error;
        json_t *event = json_loadb(at, strcspn(at, "\n"), JSON_DECODE_INT_AS_REAL, &error);
        if (event == NULL)
            fail_msg("not JSON: %.*s", (int)strcspn(at, "\n"), at);
        const char *what = text_in(event, "table");
        if (*what == '\0')
            what = text_in(event, "message_prefix");
        char seq[16] = "";
        if (json_object_get(event, "seq") != NULL && !json_is_null(json_object_get(event, "seq")))
            snprintf(seq, sizeof seq, " %d", (int)json_number_value(json_object_get(event, "seq")));
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s%s%s %s%s", used == 0 ? "" : ", ",
                 text_in(event, "event_type"), *what == '\0' ? "" : " ", what, text_in(event, "lsn"), seq);
        json_decref(event);
    }
    return all;
}

/* The compact JSON of one member of the i-th event. */
static const char *
member(const fixture *f, int i, const char *key)
{
    static char text[4000];
    json_t *event = json_loads(line(f, i), 0, NULL);
    json_t *value = json_object_get(event, key);
    char *dump = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    snprintf(text, sizeof text, "%s", dump == NULL ? "(none)" : dump);
    free(dump);
    json_decref(event);
    return text;
}

static void
add_message(fixture *f, uint64_t lsn, uint64_t commit_lsn, uint32_t seq, const char *prefix,
            const char *content, size_t size)
{
    f->c.messages[f->c.set.n_messages++] =
        (walrow_message){.prefix = prefix,
                         .content = content,
                         .content_size = size,
                         .transactional = commit_lsn != lsn,
                         .lsn = lsn,
                         .commit_lsn = commit_lsn,
                         .seq = seq,
                         .xid = commit_lsn != lsn ? (uint32_t)commit_lsn : 0};
}

/* ---- fields ---- */

static void
an_insert_has_all_fields(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x15D6B88, 0, ROW("1", "a \"b\"\n"));
    add_transaction(&f->c, 0x15D6B88, 0x15D6BB0);
    f->c.transactions[0].origin = "elsewhere";
    print(f, 0x15D6BB0);
    assert_string_equal(line(f, 0),
                        "{\"event_type\":\"begin\",\"lsn\":\"0/15D6B88\","
                        "\"timestamp\":\"2024-05-01T12:00:00.000000Z\",\"transaction_id\":22899592,"
                        "\"origin\":\"elsewhere\"}");
    assert_string_equal(
        line(f, 1),
        "{\"event_type\":\"insert\",\"schema\":\"public\",\"table\":\"t\","
        "\"data\":{\"id\":1,\"name\":\"a \\\"b\\\"\\n\"},\"old_data\":null,\"key_data\":{\"id\":1},"
        "\"lsn\":\"0/15D6B88\",\"seq\":0,\"timestamp\":\"2024-05-01T12:00:00.000000Z\","
        "\"transaction_id\":22899592,\"origin\":\"elsewhere\"}");
    assert_string_equal(line(f, 2),
                        "{\"event_type\":\"commit\",\"lsn\":\"0/15D6B88\","
                        "\"timestamp\":\"2024-05-01T12:00:00.000000Z\",\"transaction_id\":22899592,"
                        "\"origin\":\"elsewhere\"}");
}

static void
an_update_without_old_tuple_has_the_new_key(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'U', 0x100, 0, ROW("1", "new"));
    print(f, 0x108);
    assert_string_equal(member(f, 1, "event_type"), "\"update\"");
    assert_string_equal(member(f, 1, "data"), "{\"id\":1,\"name\":\"new\"}");
    assert_string_equal(member(f, 1, "old_data"), "null");
    assert_string_equal(member(f, 1, "key_data"), "{\"id\":1}");
}

static void
an_update_of_the_key_has_the_old_key(void **state)
{
    fixture *f = *state;
    add_old_row(&f->c, f->t, 'U', 0x100, 0, ROW("2", "x"), ROW("1", NULL));
    print(f, 0x108);
    assert_string_equal(member(f, 1, "data"), "{\"id\":2,\"name\":\"x\"}");
    assert_string_equal(member(f, 1, "old_data"), "{\"id\":1}");
    assert_string_equal(member(f, 1, "key_data"), "{\"id\":1}");
}

static void
under_full_identity_the_old_row_is_whole(void **state)
{
    fixture *f = *state;
    walrow__table *full = TABLE("public", "full", 3, 'f', COLUMN("a", INT4), COLUMN("b", TEXT));
    add_old_row(&f->c, full, 'U', 0x100, 0, ROW("2", "x"), ROW("1", NULL));
    print(f, 0x108);
    assert_string_equal(member(f, 1, "old_data"), "{\"a\":1,\"b\":null}");
    assert_string_equal(member(f, 1, "key_data"), "{\"a\":1,\"b\":null}");
    walrow__table_unref(full);
}

static void
a_delete_has_what_is_known_of_the_old_row(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'D', 0x100, 0, ROW("1", NULL));
    add_row(&f->c, f->t, 'D', 0x100, 1, ROW("2", "known"));
    print(f, 0x108);
    assert_string_equal(member(f, 1, "data"), "null");
    assert_string_equal(member(f, 1, "old_data"), "{\"id\":1}");
    assert_string_equal(member(f, 1, "key_data"), "{\"id\":1}");
    assert_string_equal(member(f, 2, "old_data"), "{\"id\":2,\"name\":\"known\"}");
}

static void
a_truncate_has_no_row(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'T', 0x100, 0, NULL);
    print(f, 0x108);
    assert_string_equal(member(f, 1, "event_type"), "\"truncate\"");
    assert_string_equal(member(f, 1, "data"), "null");
    assert_string_equal(member(f, 1, "old_data"), "null");
    assert_string_equal(member(f, 1, "key_data"), "null");
}

static void
an_unchanged_toast_value_is_named_and_absent(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'U', 0x100, 0, ROW("1", UNCHANGED));
    add_row(&f->c, f->t, 'U', 0x100, 1, ROW("1", NULL));
    print(f, 0x108);
    assert_string_equal(member(f, 1, "data"), "{\"id\":1}");
    assert_string_equal(member(f, 1, "unchanged"), "[\"name\"]");
    assert_string_equal(member(f, 2, "data"), "{\"id\":1,\"name\":null}");
    assert_string_equal(member(f, 2, "unchanged"), "(none)");
}

static void
a_table_without_key_has_no_key_data(void **state)
{
    fixture *f = *state;
    walrow__table *keyless = TABLE("public", "log", 3, 'n', COLUMN("a", INT4));
    add_row(&f->c, keyless, 'I', 0x100, 0, ROW("1"));
    print(f, 0x108);
    assert_string_equal(member(f, 1, "key_data"), "null");
    walrow__table_unref(keyless);
}

/* ---- values ---- */

/* One row with one value of a type. */
static const char *
printed(fixture *f, uint32_t oid, int32_t typmod, const char *value)
{
    walrow__table *table = TABLE("public", "v", 3, 'n', {.name = "v", .oid = oid, .typmod = typmod});
    static uint64_t lsn = 0x1000;
    lsn += 0x100;
    walrow__strbuf_clear(&f->text);
    f->printer.state = (walrow__event_state){0};
    walrow__event_release(&f->printer); /* forget the table's last schema */
    walrow__event_options options;
    walrow__event_options_init(&options);
    walrow__event_init(&f->printer, &options, keep, f);
    add_row(&f->c, table, 'I', lsn, 0, ROW(value));
    print(f, lsn + 8);
    walrow__table_unref(table);
    static char text[500];
    const char *at = strstr(line(f, 1), "{\"v\":") + 5, *end = strstr(at, "},\"old_data\"");
    snprintf(text, sizeof text, "%.*s", (int)(end - at), at);
    summary(f); /* it is JSON */
    return text;
}

static void
values_are_json_where_json_has_them(void **state)
{
    const struct {
        uint32_t oid;
        int32_t typmod;
        const char *value, *json;
    } cases[] = {
        {BOOL, -1, "t", "true"},
        {INT4, -1, "-2147483648", "-2147483648"},
        {INT8, -1, "-9223372036854775808", "-9223372036854775808"},
        {FLOAT8, -1, "0.1", "0.1"},
        {FLOAT8, -1, "1e+300", "1e+300"},
        {FLOAT8, -1, "-0", "-0"},
        {FLOAT8, -1, "NaN", "\"NaN\""},
        {FLOAT8, -1, "-Infinity", "\"-Infinity\""},
        {NUMERIC, NUMERIC_TYPMOD(12, 2), "-1234567890.10", "-1234567890.10"},
        {NUMERIC, NUMERIC_TYPMOD(12, 2), "0.05", "0.05"},
        {NUMERIC, NUMERIC_TYPMOD(12, 2), "0.00", "0.00"},
        {NUMERIC, NUMERIC_TYPMOD(3, 3), "-0.001", "-0.001"},
        {NUMERIC, NUMERIC_TYPMOD(38, 0), "99999999999999999999999999999999999999",
         "99999999999999999999999999999999999999"},
        {NUMERIC, NUMERIC_TYPMOD(60, 4), "-12345678901234567890123456789012345678901234567890.0001",
         "-12345678901234567890123456789012345678901234567890.0001"},
        {NUMERIC, NUMERIC_TYPMOD(76, 0),
         "-9999999999999999999999999999999999999999999999999999999999999999999999999999",
         "-9999999999999999999999999999999999999999999999999999999999999999999999999999"},
        {NUMERIC, NUMERIC_TYPMOD(76, 76),
         "0.1000000000000000000000000000000000000000000000000000000000000000000000000000",
         "0.1000000000000000000000000000000000000000000000000000000000000000000000000000"},
        {NUMERIC, NUMERIC_TYPMOD(4, 0x7FE), "12300", "12300"}, /* scale -2 */
        {NUMERIC, -1, "3.1415926535897932384626433832795028841971",
         "3.1415926535897932384626433832795028841971"},
        {NUMERIC, -1, "NaN", "\"NaN\""},
        {NUMERIC, -1, "-Infinity", "\"-Infinity\""},
        {NUMERIC_ARRAY, -1, "{1.10,NaN,NULL}", "[1.10,\"NaN\",null]"},
        {TEXT, -1, "käse\t\\ \x01 \x7f", "\"käse\\t\\\\ \\u0001 \x7f\""},
        {TEXT, -1, "", "\"\""},
        {TEXT, -1, NULL, "null"},
        {BYTEA, -1, "\\x00ff6869", "\"\\\\x00ff6869\""},
        {BYTEA, -1, "\\x", "\"\\\\x\""},
        {JSON, -1, "{\"a\": [1]}", "\"{\\\"a\\\": [1]}\""},
        {UUID, -1, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
        {INT4_ARRAY, -1, "{1,NULL,3}", "[1,null,3]"},
        {INT4_ARRAY, -1, "{}", "[]"},
        {POINT_PAIR, -1, "(7,\"a b\")", "{\"x\":7,\"label\":\"a b\"}"},
        {POINT_PAIR, -1, "(,)", "{\"x\":null,\"label\":null}"},
        {HSTORE, -1, "\"a\"=>\"1\", \"b\"=>NULL", "{\"a\":\"1\",\"b\":null}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(printed(*state, cases[i].oid, cases[i].typmod, cases[i].value), cases[i].json);
}

static void
dates_and_times_are_postgresqls_text(void **state)
{
    const struct {
        uint32_t oid;
        const char *text;
    } cases[] = {
        {DATE, "2024-02-29"},
        {DATE, "0044-03-15 BC"},
        {DATE, "5874897-12-31"},
        {DATE, "infinity"},
        {DATE, "-infinity"},
        {TIME, "23:59:59.999999"},
        {TIME, "04:05:06.7"},
        {TIMESTAMP, "2024-05-01 12:00:00"},
        {TIMESTAMP, "1969-12-31 23:59:59.5"},
        {TIMESTAMP, "0001-12-31 00:00:00 BC"},
        {TIMESTAMP, "infinity"},
        {TIMESTAMPTZ, "2024-05-01 12:00:00.25+00"},
        {TIMESTAMPTZ, "-infinity"},
        {INTERVAL, "1 year 2 mons 3 days 04:05:06.789"},
        {INTERVAL, "-1 years -2 mons +3 days -04:05:06.789"},
        {INTERVAL, "-1 days +02:03:00"},
        {INTERVAL, "1 mon"},
        {INTERVAL, "100:00:00"},
        {INTERVAL, "00:00:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[80];
        snprintf(expected, sizeof expected, "\"%s\"", cases[i].text);
        assert_string_equal(printed(*state, cases[i].oid, -1, cases[i].text), expected);
    }
}

/* ---- order ---- */

static void
events_of_all_tables_are_in_position_order(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "a"));
    add_row(&f->c, f->u, 'I', 0x100, 1, ROW("1", "b"));
    add_row(&f->c, f->t, 'I', 0x100, 2, ROW("2", "c"));
    add_row(&f->c, f->u, 'I', 0x200, 0, ROW("2", "d"));
    add_row(&f->c, f->t, 'I', 0x300, 0, ROW("3", "e"));
    add_transaction(&f->c, 0x100, 0x108);
    add_transaction(&f->c, 0x200, 0x208);
    add_transaction(&f->c, 0x300, 0x308);
    print(f, 0x308);
    assert_string_equal(summary(f),
                        "begin 0/100, insert t 0/100 0, insert u 0/100 1, insert t 0/100 2, commit 0/100, "
                        "begin 0/200, insert u 0/200 0, commit 0/200, "
                        "begin 0/300, insert t 0/300 0, commit 0/300");
}

static void
a_transaction_in_parts_begins_once_and_commits_once(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    add_transaction(&f->c, 0x200, 0);
    f->c.set.partial = true;
    print(f, 0x108);
    add_row(&f->c, f->t, 'I', 0x200, 1, ROW("1", "a"));
    add_transaction(&f->c, 0x200, 0);
    f->c.set.partial = true;
    print(f, 0x108);
    add_row(&f->c, f->u, 'I', 0x200, 2, ROW("1", "a"));
    add_transaction(&f->c, 0x200, 0x208);
    print(f, 0x208);
    assert_string_equal(summary(f),
                        "begin 0/200, insert t 0/200 0, insert t 0/200 1, insert u 0/200 2, commit 0/200");
}

static void
a_transaction_may_end_in_a_set_that_has_nothing_else_of_it(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    add_transaction(&f->c, 0x200, 0);
    f->c.set.partial = true;
    print(f, 0x108);
    add_row(&f->c, f->t, 'I', 0x300, 0, ROW("1", "a"));
    add_transaction(&f->c, 0x200, 0x208);
    add_transaction(&f->c, 0x300, 0x308);
    print(f, 0x308);
    assert_string_equal(summary(f), "begin 0/200, insert t 0/200 0, commit 0/200, "
                                    "begin 0/300, insert t 0/300 0, commit 0/300");
}

static void
a_transaction_without_anything_has_no_events(void **state)
{
    fixture *f = *state;
    add_transaction(&f->c, 0x100, 0x108);
    print(f, 0x108);
    assert_string_equal(summary(f), "");
}

static void
messages_stand_where_they_were_written(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "a"));
    add_row(&f->c, f->u, 'I', 0x100, 1, ROW("1", "b"));
    add_message(f, 0x80, 0x100, 0, "first", "x", 1);
    add_message(f, 0x90, 0x100, 1, "between", "x", 1);
    add_message(f, 0x98, 0x100, 2, "last", "x", 1);
    add_message(f, 0x110, 0x110, 0, "alone", "x", 1); /* not transactional */
    add_message(f, 0x180, 0x200, 0, "only", "x", 1);
    add_transaction(&f->c, 0x100, 0x108);
    add_transaction(&f->c, 0x200, 0x208);
    print(f, 0x208);
    assert_string_equal(summary(f),
                        "begin 0/100, message first 0/100 0, insert t 0/100 0, message between 0/100 1, "
                        "insert u 0/100 1, message last 0/100 2, commit 0/100, message alone 0/110, "
                        "begin 0/200, message only 0/200 0, commit 0/200");
}

/* The LSN of such a message is where its record ends: often the commit record begins there. */
static void
a_message_alone_may_have_the_lsn_of_the_commit_after_it(void **state)
{
    fixture *f = *state;
    for (int time = 0; time < 3; time++) {
        add_message(f, 0x200, 0x200, 0, "alone", "x", 1);
        if (time > 0) {
            add_row(&f->c, f->t, 'I', 0x200, 0, ROW("1", "a"));
            add_message(f, 0x180, 0x200, 1, "inside", "x", 1);
            add_transaction(&f->c, 0x200, 0x208);
        }
        print(f, time == 0 ? 0x200 : 0x208);
    }
    assert_string_equal(summary(f),
                        "message alone 0/200, begin 0/200, insert t 0/200 0, message inside 0/200 1, "
                        "commit 0/200");
}

static void
a_message_alone_that_comes_again_within_a_transaction_is_not_printed_again(void **state)
{
    fixture *f = *state;
    for (int time = 0; time < 2; time++) {
        add_message(f, 0x150, 0x150, 0, "alone", "x", 1);
        add_row(&f->c, f->t, 'I', 0x200, (uint32_t)time, ROW("1", "a"));
        add_transaction(&f->c, 0x200, time == 0 ? 0 : 0x208);
        f->c.set.partial = time == 0;
        print(f, time == 0 ? 0x150 : 0x208);
    }
    assert_string_equal(summary(f),
                        "message alone 0/150, begin 0/200, insert t 0/200 0, insert t 0/200 1, commit 0/200");
}

static void
a_message_has_its_fields(void **state)
{
    fixture *f = *state;
    add_message(f, 0x110, 0x110, 0, "audit", "who \"I\"", 7);
    add_message(f, 0x120, 0x120, 0, "raw", "\xff\x00", 2);
    print(f, 0x208);
    assert_string_equal(line(f, 0),
                        "{\"event_type\":\"message\",\"message_prefix\":\"audit\","
                        "\"message_content\":\"who \\\"I\\\"\",\"transactional\":false,\"lsn\":\"0/110\","
                        "\"seq\":null,\"timestamp\":null,\"transaction_id\":null,\"origin\":null}");
    assert_string_equal(member(f, 1, "message_content"), "null");
    assert_string_equal(member(f, 1, "message_content_base64"), "\"/wA=\"");
}

static void
a_change_of_schema_is_told_before_its_first_row(void **state)
{
    fixture *f = *state;
    walrow__table *altered = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("born", DATE));
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "a"));
    add_transaction(&f->c, 0x100, 0x108);
    add_row(&f->c, altered, 'I', 0x200, 0, ROW("1", "2024-05-01"));
    add_row(&f->c, altered, 'I', 0x200, 1, ROW("2", "2024-05-02"));
    add_transaction(&f->c, 0x200, 0x208);
    print(f, 0x208);
    assert_string_equal(summary(f),
                        "begin 0/100, insert t 0/100 0, commit 0/100, begin 0/200, schema_change t 0/200 0, "
                        "insert t 0/200 0, insert t 0/200 1, commit 0/200");
    assert_string_equal(member(f, 4, "data"), "{\"id\":\"integer\",\"born\":\"date\"}");
    assert_string_equal(member(f, 4, "key"), "[\"id\"]");
    assert_string_equal(member(f, 6, "data"), "{\"id\":2,\"born\":\"2024-05-02\"}");
    walrow__table_unref(altered);
}

static void
snapshot_rows_are_reads_without_begin_and_commit(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'R', 0xFF, 0, ROW("1", "a"));
    add_row(&f->c, f->t, 'R', 0xFF, 0, ROW("2", "b"));
    f->c.set.snapshot = true;
    print(f, 0x100);
    assert_string_equal(summary(f), "read t 0/FF 0, read t 0/FF 0");
    assert_string_equal(member(f, 1, "data"), "{\"id\":2,\"name\":\"b\"}");
    assert_string_equal(member(f, 1, "transaction_id"), "null");
}

/* ---- once ---- */

static void
what_was_printed_is_not_printed_again(void **state)
{
    fixture *f = *state;
    for (int time = 0; time < 2; time++) {
        add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "a"));
        add_message(f, 0x80, 0x100, 1, "m", "x", 1);
        add_message(f, 0x110, 0x110, 0, "alone", "x", 1);
        add_transaction(&f->c, 0x100, 0x108);
        print(f, 0x118);
    }
    assert_string_equal(
        summary(f), "begin 0/100, insert t 0/100 0, message m 0/100 1, commit 0/100, message alone 0/110");
}

static void
after_a_restart_the_rest_of_a_transaction_is_printed(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    add_message(f, 0x80, 0x200, 1, "m", "x", 1);
    add_transaction(&f->c, 0x200, 0);
    f->c.set.partial = true;
    print(f, 0x108);
    walrow__event_state stored = f->printer.state;
    walrow__event_release(&f->printer);
    walrow__event_options options;
    walrow__event_options_init(&options);
    walrow__event_init(&f->printer, &options, keep, f);
    f->printer.state = stored;
    add_row(&f->c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    add_message(f, 0x80, 0x200, 1, "m", "x", 1);
    add_row(&f->c, f->t, 'I', 0x200, 1, ROW("2", "b"));
    add_transaction(&f->c, 0x200, 0x208);
    print(f, 0x208);
    assert_string_equal(summary(f),
                        "begin 0/200, insert t 0/200 0, message m 0/200 1, insert t 0/200 1, commit 0/200");
    assert_string_equal(member(f, 4, "transaction_id"), "512");
}

static void
rows_in_the_tables_snapshot_are_skipped(void **state)
{
    fixture *f = *state;
    ASSERT_OK(walrow__event_skip_below(&f->printer, "public", "t", 0x200, &f->err), f->err);
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "a"));
    add_row(&f->c, f->u, 'I', 0x100, 1, ROW("1", "a"));
    add_row(&f->c, f->t, 'I', 0x180, 0, ROW("1", "a"));
    add_row(&f->c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    add_transaction(&f->c, 0x100, 0x108);
    add_transaction(&f->c, 0x180, 0x188);
    add_transaction(&f->c, 0x200, 0x208);
    print(f, 0x208);
    assert_string_equal(summary(f),
                        "begin 0/100, insert u 0/100 1, commit 0/100, begin 0/200, insert t 0/200 0, "
                        "commit 0/200");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_insert_has_all_fields),
        TEST(an_update_without_old_tuple_has_the_new_key),
        TEST(an_update_of_the_key_has_the_old_key),
        TEST(under_full_identity_the_old_row_is_whole),
        TEST(a_delete_has_what_is_known_of_the_old_row),
        TEST(a_truncate_has_no_row),
        TEST(an_unchanged_toast_value_is_named_and_absent),
        TEST(a_table_without_key_has_no_key_data),
        TEST(values_are_json_where_json_has_them),
        TEST(dates_and_times_are_postgresqls_text),
        TEST(events_of_all_tables_are_in_position_order),
        TEST(a_transaction_in_parts_begins_once_and_commits_once),
        TEST(a_transaction_may_end_in_a_set_that_has_nothing_else_of_it),
        TEST(a_transaction_without_anything_has_no_events),
        TEST(messages_stand_where_they_were_written),
        TEST(a_message_alone_may_have_the_lsn_of_the_commit_after_it),
        TEST(a_message_alone_that_comes_again_within_a_transaction_is_not_printed_again),
        TEST(a_message_has_its_fields),
        TEST(a_change_of_schema_is_told_before_its_first_row),
        TEST(snapshot_rows_are_reads_without_begin_and_commit),
        TEST(what_was_printed_is_not_printed_again),
        TEST(after_a_restart_the_rest_of_a_transaction_is_printed),
        TEST(rows_in_the_tables_snapshot_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
