/*
 * test_pgoutput_fuzz.c
 *	  Recorded streams (tests/data/record_stream.py), cut short and bent: an error or a result, never a crash,
 *	  never an allocation out of proportion to the input. The sanitizers watch.
 */
#include "fuzz.h"
#include "wire.h"

#include "base/strbuf.h"
#include "pg/catalog.h"
#include "source/copy.h"
#include "source/recording.h"
#include "source/tuple.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
    MESSAGE_MUTATIONS = 100000, /* over both recordings */
    COPY_MUTATIONS = 4000,      /* of each format */
    FILE_MUTATIONS = 1000,
    CATALOG_MUTATIONS = 300
};

/* ---- a recorded stream ---- */

enum { MAX_MESSAGES = 1024 };

typedef struct stream {
    walrow__recording recording;
    walrow__catalog *catalog;
    walrow__frame types; /* the last */
    walrow__frame messages[MAX_MESSAGES];
    size_t n_messages;
    /* the decoder under test */
    walrow__collector collector;
    walrow__decoder *decoder;
    size_t results, errors;
} stream;

static bool
matches(void *arg, const char *schema, const char *table)
{
    (void)arg;
    (void)schema;
    (void)table;
    return true;
}

static void
open_stream(stream *s, const char *name)
{
    char path[512];
    walrow_error err = {0};
    walrow__frame frame;
    memset(s, 0, sizeof *s);
    snprintf(path, sizeof path, "%s/%s", getenv("WALROW_TEST_DATA"), name);
    ASSERT_OK(walrow__recording_open(path, &s->recording, &err), err);
    while (walrow__recording_next(&s->recording, &frame, &err) == WALROW_OK) {
        assert_true(s->n_messages < MAX_MESSAGES);
        if (frame.kind == WALROW__FRAME_MESSAGE)
            s->messages[s->n_messages++] = frame;
        else
            s->types = frame;
    }
    ASSERT_OK(walrow__catalog_load((const char *)s->types.bytes, s->types.size, &s->catalog, &err), err);
}

static void
drop_decoder(stream *s)
{
    if (s->decoder == NULL)
        return;
    s->decoder->free(s->decoder);
    walrow__collector_release(&s->collector);
    s->decoder = NULL;
}

static void
close_stream(stream *s)
{
    drop_decoder(s);
    s->catalog->free(s->catalog);
    walrow__recording_close(&s->recording);
}

static walrow_code
feed(stream *s, const void *data, size_t size, walrow_error *err)
{
    return s->decoder->feed(s->decoder, data, size, 0x1234, err);
}

static void
feed_whole(stream *s, size_t i)
{
    walrow_error err = {0};
    ASSERT_OK(feed(s, s->messages[i].bytes, s->messages[i].size, &err), err);
}

static uint32_t
relid_of(const walrow__frame *message)
{
    return message->size < 5 || strchr("RIUD", message->bytes[0]) == NULL
               ? 0
               : walrow__load_u32(message->bytes + 1);
}

/* A new decoder in the state that message i finds: in its transaction, its table (all of them, if of none)
 * announced. */
static void
renew_decoder(stream *s, size_t i)
{
    walrow_error err = {0};
    walrow__capture capture = {.matches = matches};
    drop_decoder(s);
    ASSERT_OK(walrow__collector_init(&s->collector, false, &err), err);
    ASSERT_OK(walrow__pgoutput_new(&s->collector, s->catalog, capture, &s->decoder, &err), err);
    s->decoder->binary = s->recording.header.binary;
    size_t begin = SIZE_MAX;
    for (size_t k = 0; k < i; k++) {
        uint8_t kind = s->messages[k].bytes[0];
        if (kind == 'R' && (strchr("TR", s->messages[i].bytes[0]) != NULL ||
                            relid_of(&s->messages[k]) == relid_of(&s->messages[i])))
            feed_whole(s, k);
        else if (kind == 'B' || kind == 'C')
            begin = kind == 'B' ? k : SIZE_MAX;
    }
    if (begin != SIZE_MAX)
        feed_whole(s, begin);
}

/* Feed what may be broken in place of message i. false: the decoder is of no use any more. */
static bool
try_message(stream *s, bytes message)
{
    walrow_error err = {0};
    begin_counting();
    walrow_code code = feed(s, message.data, message.size, &err);
    assert_in_proportion(message.size);
    if (code == WALROW_OK) {
        s->results++;
        if (!s->decoder->needs_text && chance(8) == 0)
            check_changes(&s->collector);
    } else {
        s->errors++;
        if (err.message[0] == '\0' || err.code != code)
            fail_msg("an error without a word");
    }
    /* changes alone leave the state as it was, unless one broke off in the middle of its row */
    bool is_change = message.size == 0 || strchr("IUD", message.data[0]) != NULL;
    free(message.data);
    return is_change && (code == WALROW_OK || strstr(err.message, "malformed") != NULL);
}

/* ---- pgoutput ---- */

static void
recorded_messages_decode(void **state)
{
    const char *const names[] = {"stream-binary.walrow", "stream-text.walrow"};
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        stream s;
        open_stream(&s, names[n]);
        renew_decoder(&s, 0);
        for (size_t i = 0; i < s.n_messages; i++) {
            begin_counting();
            feed_whole(&s, i);
            assert_in_proportion(s.messages[i].size);
        }
        assert_false(s.decoder->needs_text);
        assert_false(s.collector.in_transaction);
        check_changes(&s.collector);
        close_stream(&s);
    }
}

static void
try_prefixes(const char *name)
{
    stream s;
    open_stream(&s, name);
    for (size_t i = 0; i < s.n_messages; i++) {
        bool usable = false;
        for (size_t size = 0; size < s.messages[i].size; size++) {
            if (!usable)
                renew_decoder(&s, i);
            usable = try_message(&s, prefix(s.messages[i].bytes, size));
        }
    }
    /* only prefixes of messages whose ends are not looked at may be taken for whole */
    assert_true(s.errors > 10 * s.results);
    close_stream(&s);
}

static void
every_prefix_of_every_message_is_survived(void **state)
{
    (void)state;
    seed = 1;
    try_prefixes("stream-binary.walrow");
    try_prefixes("stream-text.walrow");
}

static void
try_mutations(const char *name, int n)
{
    stream s;
    open_stream(&s, name);
    bool usable = false;
    for (int k = 0; k < n; k++) {
        size_t i = (size_t)k * s.n_messages /
                   (size_t)n; /* those of one message together: its state serves them all */
        const walrow__frame *message = &s.messages[i];
        if (!usable || i != (size_t)(k - 1) * s.n_messages / (size_t)n)
            renew_decoder(&s, i);
        usable = try_message(&s, bent(message->bytes, message->size));
    }
    assert_true(s.errors > 0 && s.results > 0);
    close_stream(&s);
}

static void
mutated_messages_are_survived(void **state)
{
    (void)state;
    seed = 42;
    try_mutations("stream-binary.walrow", MESSAGE_MUTATIONS / 2);
    try_mutations("stream-text.walrow", MESSAGE_MUTATIONS / 2);
}

/* ---- COPY ---- */

static void
add_copy_field(walrow__strbuf *out, const walrow__field *field, bool binary, bool last)
{
    if (binary) {
        wire length = {.size = 0};
        put_uint(&length, field->kind == 'b' ? field->size : UINT32_MAX, 4);
        walrow__strbuf_add(out, length.bytes, 4);
        walrow__strbuf_add(out, field->bytes, field->kind == 'b' ? field->size : 0);
        return;
    }
    if (field->kind != 't')
        walrow__strbuf_add_text(out, "\\N");
    for (uint32_t i = 0; field->kind == 't' && i < field->size; i++) {
        char c = (char)field->bytes[i];
        if (strchr("\\\t\n", c) != NULL && c != '\0')
            walrow__strbuf_add_char(out, '\\');
        walrow__strbuf_add_char(out, c == '\t' ? 't' : c == '\n' ? 'n' : c);
    }
    walrow__strbuf_add_char(out, last ? '\n' : '\t');
}

/* The first row inserted, as COPY would send it. */
static size_t
make_copy(const stream *s, walrow__strbuf *out)
{
    static walrow__tuple tuple;
    bool binary = s->recording.header.binary;
    size_t i = 0;
    while (s->messages[i].bytes[0] != 'I')
        i++;
    walrow__cursor cursor = walrow__cursor_over(s->messages[i].bytes + 6, s->messages[i].size - 6);
    int n = walrow__load_u16(cursor.at);
    assert_true(walrow__read_tuple(&cursor, n, &tuple));
    if (binary) {
        walrow__strbuf_add(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
        walrow__strbuf_add(out, (uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
    }
    for (int column = 0; column < n; column++)
        add_copy_field(out, &tuple.fields[column], binary, column == n - 1);
    if (binary)
        walrow__strbuf_add(out, "\377\377", 2);
    return i;
}

static walrow__table *
table_of(stream *s, size_t i)
{
    while (s->messages[i].bytes[0] != 'R')
        i--;
    walrow_error err = {0};
    walrow__relation_message message;
    walrow__table *table = NULL;
    ASSERT_OK(walrow__pgoutput_read_relation(s->messages[i].bytes, s->messages[i].size, 0, &message, &err),
              err);
    ASSERT_OK(walrow__table_new(s->catalog, message.schema, message.name, message.relid, message.identity,
                                message.columns, message.n_columns, &table, &err),
              err);
    free(message.columns);
    return table;
}

static walrow_code
try_copy(stream *s, walrow__table *table, bytes copied)
{
    walrow_error err = {0};
    walrow__copy copy;
    walrow__feed *destination = NULL;
    walrow_transaction snapshot = {.commit_lsn = 1};
    ASSERT_OK(walrow__collector_init(&s->collector, false, &err), err);
    s->collector.snapshot = true;
    ASSERT_OK(walrow__collector_begin(&s->collector, &snapshot, &err), err);
    ASSERT_OK(walrow__feed_new(table, 0, &destination, &err), err);
    walrow__copy_init(&copy, &s->collector, destination, s->recording.header.binary);
    begin_counting();
    walrow_code code = walrow__copy_feed(&copy, copied.data, copied.size, &err);
    assert_in_proportion(copied.size);
    assert_true(code == WALROW_OK || err.message[0] != '\0');
    if (code == WALROW_OK)
        check_changes(&s->collector);
    walrow__copy_release(&copy);
    walrow__feed_free(destination);
    walrow__collector_release(&s->collector);
    free(copied.data);
    return code;
}

static void
try_copies(const char *name)
{
    stream s;
    open_stream(&s, name);
    walrow__strbuf whole;
    walrow__strbuf_init(&whole);
    walrow__table *table = table_of(&s, make_copy(&s, &whole));
    assert_int_equal(try_copy(&s, table, prefix(whole.data, whole.size)), WALROW_OK);
    for (size_t size = 0; size < whole.size; size++)
        (void)try_copy(&s, table, prefix(whole.data, size));
    for (int k = 0; k < COPY_MUTATIONS; k++)
        (void)try_copy(&s, table, bent(whole.data, whole.size));
    walrow__table_unref(table);
    walrow__strbuf_release(&whole);
    close_stream(&s);
}

static void
bent_copies_are_survived(void **state)
{
    (void)state;
    seed = 43;
    try_copies("stream-binary.walrow");
    try_copies("stream-text.walrow");
}

/* ---- the recording's file, the type catalogue in it ---- */

static void
try_file(int fd, bytes file)
{
    char path[64];
    walrow_error err = {0};
    walrow__recording recording;
    walrow__frame frame;
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, file.data, file.size, 0), file.size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    begin_counting();
    walrow_code code = walrow__recording_open(path, &recording, &err);
    if (code == WALROW_OK) {
        unsigned sum = 0;
        while ((code = walrow__recording_next(&recording, &frame, &err)) == WALROW_OK)
            for (size_t i = 0; i < frame.size; i++)
                sum += frame.bytes[i]; /* it is all there */
        assert_true(sum + 1 > 0);
        walrow__recording_close(&recording);
    }
    assert_true(code == WALROW_END || (code == WALROW_ERR_PROTOCOL && err.message[0] != '\0'));
    assert_in_proportion(file.size);
    free(file.data);
}

static void
bent_recordings_are_survived(void **state)
{
    (void)state;
    seed = 44;
    stream s;
    open_stream(&s, "stream-binary.walrow");
    int fd = memfd_create("recording", MFD_CLOEXEC);
    assert_true(fd >= 0);
    size_t size = s.recording.size < 4096 ? s.recording.size : 4096; /* header, types, and some messages */
    for (size_t n = 0; n < size; n += 1 + n / 64) /* every one of the header's, then some */
        try_file(fd, prefix(s.recording.bytes, n));
    for (int k = 0; k < FILE_MUTATIONS; k++)
        try_file(fd, bent(s.recording.bytes, k % 2 == 0 ? 512 : size));
    close(fd);
    close_stream(&s);
}

/* Load it; if that succeeds, make every table of the stream from it. */
static void
try_catalog(stream *s, bytes json)
{
    walrow_error err = {0};
    walrow__catalog *catalog = NULL, *sound = s->catalog;
    begin_counting();
    walrow_code code = walrow__catalog_load((const char *)json.data, json.size, &catalog, &err);
    if (code == WALROW_OK) {
        s->catalog = catalog;
        for (size_t i = 0; i < s->n_messages; i++) {
            walrow__relation_message message;
            walrow__table *table = NULL;
            const walrow__frame *frame = &s->messages[i];
            if (frame->bytes[0] != 'R')
                continue;
            begin_counting();
            ASSERT_OK(walrow__pgoutput_read_relation(frame->bytes, frame->size, 0, &message, &err), err);
            if (walrow__table_new(catalog, message.schema, message.name, message.relid, message.identity,
                                  message.columns, message.n_columns, &table, &err) == WALROW_OK)
                walrow__table_unref(table);
            free(message.columns);
            assert_in_proportion(json.size + frame->size);
        }
        s->catalog = sound;
        catalog->free(catalog);
    } else {
        assert_int_equal(code, WALROW_ERR_PROTOCOL);
        assert_in_proportion(json.size);
    }
    free(json.data);
}

static void
bent_catalogues_are_survived(void **state)
{
    (void)state;
    seed = 45;
    stream s;
    open_stream(&s, "stream-binary.walrow");
    for (size_t size = 0; size < s.types.size; size += 1 + size / 512)
        try_catalog(&s, prefix(s.types.bytes, size));
    for (int k = 0; k < CATALOG_MUTATIONS; k++)
        try_catalog(&s, bent(s.types.bytes, s.types.size));
    close_stream(&s);
}

static void
try_document(const char *json)
{
    stream s;
    open_stream(&s, "stream-binary.walrow");
    try_catalog(&s, prefix(json, strlen(json)));
    close_stream(&s);
}

static void
catalogues_of_another_shape_are_survived(void **state)
{
    (void)state;
    try_document("");
    try_document("[]");
    try_document("{\"types\": 1, \"formats\": \"x\"}");
    try_document("{\"types\": [1], \"formats\": []}");
    try_document("{\"types\": [], \"formats\": [[]]}");
}

/* Types that hold each other, each twice: 2^30 of them if all were made. */
static void
a_catalogue_that_explodes_is_refused(void **state)
{
    (void)state;
    walrow__strbuf json;
    walrow__strbuf_init(&json);
    walrow__strbuf_add_text(&json, "{\"types\":[");
    for (int i = 0; i < 30; i++)
        walrow__strbuf_addf(
            &json,
            "{\"oid\":%d,\"kind\":\"c\",\"schema\":\"s\",\"name\":\"n\",\"output\":\"record_out\","
            "\"element\":0,"
            "\"delimiter\":\",\",\"base\":0,\"base_typmod\":-1,\"fields\":[{\"name\":\"a\",\"oid\":%d,"
            "\"typmod\":-1},{\"name\":\"b\",\"oid\":%d,\"typmod\":-1}]},",
            1000 + i, 1001 + i, 1001 + i);
    walrow__strbuf_addf(
        &json,
        "{\"oid\":1030,\"kind\":\"b\",\"schema\":\"s\",\"name\":\"n\",\"output\":\"int4out\",\"element\":0,"
        "\"delimiter\":\",\",\"base\":0,\"base_typmod\":-1,\"fields\":[]}],\"formats\":[");
    for (int i = 0; i <= 30; i++)
        walrow__strbuf_addf(&json, "%s{\"oid\":%d,\"typmod\":-1,\"text\":\"t\"}", i == 0 ? "" : ",",
                            1000 + i);
    walrow__strbuf_add_text(&json, "]}");
    walrow_error err = {0};
    walrow__catalog *catalog = NULL;
    walrow__table *table = NULL;
    const walrow__column_spec column = KEY("c", 1000);
    ASSERT_OK(walrow__catalog_load(json.data, json.size, &catalog, &err), err);
    assert_int_equal(walrow__table_new(catalog, "s", "t", 1, 'd', &column, 1, &table, &err),
                     WALROW_ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "type"));
    catalog->free(catalog);
    walrow__strbuf_release(&json);
}

int
main(void)
{
    watch_allocations();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_messages_decode),
        cmocka_unit_test(every_prefix_of_every_message_is_survived),
        cmocka_unit_test(mutated_messages_are_survived),
        cmocka_unit_test(bent_copies_are_survived),
        cmocka_unit_test(bent_recordings_are_survived),
        cmocka_unit_test(bent_catalogues_are_survived),
        cmocka_unit_test(catalogues_of_another_shape_are_survived),
        cmocka_unit_test(a_catalogue_that_explodes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
