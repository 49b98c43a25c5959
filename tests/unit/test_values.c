/*
 * Values as real servers print and send them (tests/data/values.tsv, made by tests/data/record_values.py):
 * text and binary become the same bits, binary prints as the text, and whatever happens to the bytes nothing
 * breaks.
 */
#include "columns/column.h"

#include "arrays.h"
#include "base/hash.h"
#include "pg/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FUZZ_ROUNDS = 100000 };

typedef struct recorded {
    uint8_t *binary, *text;
    size_t binary_size, text_size;
} recorded;

typedef struct group {
    walrow__type type;
    struct ArrowSchema schema;
    recorded *values;
    size_t count;
} group;

typedef struct zoo {
    walrow__catalog *catalog;
    group *groups;
    size_t count;
} zoo;

static struct ArrowBufferAllocator allocator;
static walrow_error err;

/* ---- the recording ---- */

static char *
read_file(const char *name)
{
    char path[1024];
    const char *folder = getenv("WALROW_TEST_DATA");
    snprintf(path, sizeof path, "%s/%s", folder == NULL ? "tests/data" : folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *content = malloc(size + 1);
    assert_non_null(content);
    assert_int_equal(fread(content, 1, size, file), size);
    content[size] = '\0';
    fclose(file);
    return content;
}

static unsigned
hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t
read_hex(const char *from, uint8_t *to)
{
    size_t n = 0;
    for (; *from != '\0'; from += 2)
        to[n++] = (uint8_t)(hex_digit(from[0]) << 4 | hex_digit(from[1]));
    return n;
}

static size_t
read_escaped(const char *from, uint8_t *to)
{
    size_t n = 0;
    for (; *from != '\0'; from++) {
        char c = *from;
        if (c == '\\') {
            from++;
            c = *from == 't' ? '\t' : *from == 'n' ? '\n' : *from == 'r' ? '\r' : '\\';
        }
        to[n++] = (uint8_t)c;
    }
    return n;
}

/* Exactly as many bytes as there are, so that the sanitizer sees a read past the end. */
static uint8_t *
exact_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return size > 0 ? copy : realloc(copy, 1);
}

static group *
group_for(zoo *all, uint32_t oid, int32_t typmod)
{
    group *last = all->count > 0 ? &all->groups[all->count - 1] : NULL;
    if (last != NULL && last->type.oid == oid && last->type.typmod == typmod)
        return last;
    all->groups = realloc(all->groups, (all->count + 1) * sizeof *all->groups);
    assert_non_null(all->groups);
    last = &all->groups[all->count++];
    memset(last, 0, sizeof *last);
    if (walrow__type_resolve(all->catalog, oid, typmod, NULL, &last->type, &err) != WALROW_OK ||
        walrow__type_schema(&last->type, &last->schema, &err) != WALROW_OK)
        fail_msg("type %u: %s", oid, err.message);
    return last;
}

static void
add_value(group *to, const char *binary, const char *text)
{
    to->values = realloc(to->values, (to->count + 1) * sizeof *to->values);
    assert_non_null(to->values);
    recorded *value = &to->values[to->count++];
    size_t room = strlen(binary) + strlen(text) + 1;
    uint8_t *scratch = malloc(room);
    assert_non_null(scratch);
    value->binary_size = read_hex(binary, scratch);
    value->binary = exact_copy(scratch, value->binary_size);
    value->text_size = read_escaped(text, scratch);
    value->text = exact_copy(scratch, value->text_size);
    free(scratch);
}

static void
read_line(zoo *all, char *line)
{
    char *fields[4];
    for (int i = 0; i < 4; i++) {
        fields[i] = line;
        line = strchr(line, '\t');
        if (line != NULL)
            *line++ = '\0';
        assert_true(line != NULL || i == 3);
    }
    uint32_t oid = (uint32_t)strtoul(fields[0], NULL, 10);
    add_value(group_for(all, oid, (int32_t)strtol(fields[1], NULL, 10)), fields[2], fields[3]);
}

static int
set_up(void **state)
{
    zoo *all = calloc(1, sizeof *all);
    assert_non_null(all);
    allocator = ArrowBufferAllocatorDefault();
    char *types = read_file("types.json"), *values = read_file("values.tsv");
    if (walrow__catalog_load(types, strlen(types), &all->catalog, &err) != WALROW_OK)
        fail_msg("types.json: %s", err.message);
    for (char *line = values, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        read_line(all, line);
    }
    free(types);
    free(values);
    *state = all;
    return 0;
}

static int
tear_down(void **state)
{
    zoo *all = *state;
    for (size_t g = 0; g < all->count; g++) {
        group *of = &all->groups[g];
        for (size_t i = 0; i < of->count; i++) {
            free(of->values[i].binary);
            free(of->values[i].text);
        }
        free(of->values);
        walrow__type_release(&of->type);
        ArrowSchemaRelease(&of->schema);
    }
    free(all->groups);
    all->catalog->free(all->catalog);
    free(all);
    return 0;
}

/* ---- reading values ---- */

typedef enum form { TEXT, BINARY } form;

static walrow__appended
append(walrow__column *column, form form, const uint8_t *bytes, size_t size, const char **reason)
{
    *reason = NULL;
    return form == TEXT ? walrow__column_append_text(column, bytes, size, reason)
                        : walrow__column_append_binary(column, bytes, size, reason);
}

static const char *
outcome_name(walrow__appended outcome)
{
    static const char *const names[] = {"appended", "unrepresentable", "malformed", "no memory"};
    return names[outcome];
}

static walrow__column
new_column(const group *of)
{
    walrow__column column;
    assert_int_equal(walrow__column_init(&column, &of->type, allocator, &err), WALROW_OK);
    return column;
}

static struct ArrowArray
finished(const group *of, walrow__column *column)
{
    struct ArrowArray array;
    complaint why;
    int64_t length = column->length;
    assert_int_equal(walrow__column_finish(column, &array, &err), WALROW_OK);
    assert_int_equal(array.length, length);
    if (!array_is_canonical(&of->schema, &array, &why))
        fail_msg("%s: %s", of->type.name, why.text);
    walrow__column_release(column);
    return array;
}

static bool
has_binary(const group *of)
{
    return of->type.wire != WALROW__WIRE_NONE;
}

/* All values of the group; nulls instead of what cannot be held, and now and then between. */
static struct ArrowArray
read_values(const group *of, form form, size_t null_every)
{
    walrow__column column = new_column(of);
    for (size_t i = 0; i < of->count; i++) {
        const recorded *value = &of->values[i];
        const char *reason;
        walrow__appended outcome = form == TEXT
                                       ? append(&column, form, value->text, value->text_size, &reason)
                                       : append(&column, form, value->binary, value->binary_size, &reason);
        if (outcome == WALROW__UNREPRESENTABLE)
            walrow__column_append_nulls(&column, 1);
        else if (outcome != WALROW__APPENDED)
            fail_msg("%s, %s form: %s (%s): %.*s", of->type.name, form == TEXT ? "text" : "binary",
                     outcome_name(outcome), reason == NULL ? "no reason" : reason, (int)value->text_size,
                     value->text);
        assert_true(outcome == WALROW__APPENDED || reason != NULL);
        if (null_every > 0 && i % null_every == 0)
            walrow__column_append_nulls(&column, (int64_t)(i % 3));
        assert_true(column.length > (int64_t)i);
    }
    return finished(of, &column);
}

static void
assert_same(const group *of, const struct ArrowArray *a, const struct ArrowArray *b)
{
    complaint why;
    if (!arrays_are_equal(&of->schema, a, b, &why))
        fail_msg("%s: %s", of->type.name, why.text);
}

/* ---- tests ---- */

static void
text_and_binary_become_the_same_bits(void **state)
{
    const zoo *all = *state;
    for (size_t g = 0; g < all->count; g++) {
        const group *of = &all->groups[g];
        for (size_t null_every = 0; null_every < 3; null_every++) {
            struct ArrowArray text = read_values(of, TEXT, null_every);
            struct ArrowArray binary = read_values(of, has_binary(of) ? BINARY : TEXT, null_every);
            assert_same(of, &text, &binary);
            ArrowArrayRelease(&text);
            ArrowArrayRelease(&binary);
        }
    }
}

static void
binary_prints_as_the_server_prints_it(void **state)
{
    const zoo *all = *state;
    walrow__strbuf out;
    walrow__strbuf_init(&out);
    for (size_t g = 0; g < all->count; g++) {
        const group *of = &all->groups[g];
        for (size_t i = 0; has_binary(of) && i < of->count; i++) {
            const recorded *value = &of->values[i];
            walrow__strbuf_clear(&out);
            if (!walrow__print_binary(&of->type, value->binary, value->binary_size, &out))
                fail_msg("%s: not printed: %.*s", of->type.name, (int)value->text_size, value->text);
            if (out.size != value->text_size || memcmp(walrow__strbuf_text(&out), value->text, out.size) != 0)
                fail_msg("%s: %s instead of %.*s", of->type.name, walrow__strbuf_text(&out),
                         (int)value->text_size, value->text);
        }
    }
    walrow__strbuf_release(&out);
}

static void
ranges_copied_piece_by_piece_are_the_whole(void **state)
{
    const zoo *all = *state;
    for (size_t g = 0; g < all->count; g++) {
        const group *of = &all->groups[g];
        struct ArrowArray whole = read_values(of, TEXT, 2);
        walrow__column column = new_column(of);
        for (int64_t at = 0, n; at < whole.length; at += n) {
            n = at % 5 + 1 < whole.length - at ? at % 5 + 1 : whole.length - at;
            assert_int_equal(walrow__column_append_range(&column, &whole, at, n), WALROW__APPENDED);
        }
        struct ArrowArray copy = finished(of, &column);
        assert_same(of, &whole, &copy);
        ArrowArrayRelease(&whole);
        ArrowArrayRelease(&copy);
    }
}

static void
what_is_truncated_leaves_no_trace(void **state)
{
    const zoo *all = *state;
    for (size_t g = 0; g < all->count; g++) {
        const group *of = &all->groups[g];
        struct ArrowArray whole = read_values(of, TEXT, 2);
        walrow__column column = new_column(of);
        for (int64_t at = 0; at < whole.length; at++) {
            int64_t more = whole.length - at < 9 ? whole.length - at : 9;
            assert_int_equal(walrow__column_append_range(&column, &whole, at, more), WALROW__APPENDED);
            walrow__column_append_nulls(&column, at % 3);
            walrow__column_truncate(&column, at + 1);
        }
        struct ArrowArray copy = finished(of, &column);
        assert_same(of, &whole, &copy);
        ArrowArrayRelease(&whole);
        ArrowArrayRelease(&copy);
    }
}

/* ---- hostile bytes ---- */

static uint64_t random_state;

static uint64_t
random_below(uint64_t limit)
{
    random_state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % limit;
}

/* Whatever the bytes are: appended, or the column is as before. */
static void
append_hostile(const group *of, walrow__column *column, form form, const uint8_t *bytes, size_t size)
{
    const char *reason;
    uint8_t *copy = exact_copy(bytes, size);
    int64_t length = column->length, nulls = column->null_count;
    walrow__appended outcome = append(column, form, copy, size, &reason);
    assert_int_not_equal(outcome, WALROW__NO_MEMORY);
    assert_int_equal(column->length, length + (outcome == WALROW__APPENDED));
    assert_int_equal(column->null_count, nulls);
    assert_true(outcome == WALROW__APPENDED || reason != NULL);
    if (outcome == WALROW__UNREPRESENTABLE)
        walrow__column_append_nulls(column, 1);
    if (form == BINARY) {
        walrow__strbuf out;
        walrow__strbuf_init(&out);
        (void)walrow__print_binary(&of->type, copy, size, &out);
        walrow__strbuf_release(&out);
    }
    free(copy);
}

static void
assert_canonical_and_release(const group *of, walrow__column *column)
{
    struct ArrowArray array = finished(of, column);
    ArrowArrayRelease(&array);
}

static void
every_prefix_is_survived(const zoo *all, form form)
{
    for (size_t g = 0; g < all->count; g++) {
        const group *of = &all->groups[g];
        walrow__column column = new_column(of);
        for (size_t i = 0; i < of->count && i < 200; i++) {
            const recorded *value = &of->values[i];
            size_t size = form == TEXT ? value->text_size : value->binary_size;
            for (size_t n = 0; n < size && n < 400; n++)
                append_hostile(of, &column, form, form == TEXT ? value->text : value->binary, n);
        }
        assert_canonical_and_release(of, &column);
    }
}

static size_t
mutate(uint8_t *bytes, size_t size, size_t room)
{
    static const char telling[] = "\\\"{}(),;=>[]NULL:-+. e09\0\xff\x80\x7f";
    for (uint64_t changes = random_below(4) + 1; changes > 0; changes--) {
        size_t at = size > 0 ? random_below(size) : 0;
        uint8_t byte =
            random_below(2) ? (uint8_t)random_below(256) : (uint8_t)telling[random_below(sizeof telling)];
        switch (random_below(4)) {
        case 0: /* insert */
            if (size < room) {
                memmove(bytes + at + 1, bytes + at, size - at);
                bytes[at] = byte;
                size++;
            }
            break;
        case 1: /* remove */
            if (size > 0) {
                memmove(bytes + at, bytes + at + 1, size - at - 1);
                size--;
            }
            break;
        default:
            if (size > 0)
                bytes[at] = byte;
            break;
        }
    }
    return size;
}

static void
every_mutation_is_survived(const zoo *all, form form)
{
    random_state = 20261121;
    size_t rounds = FUZZ_ROUNDS / all->count;
    for (size_t g = 0; g < all->count; g++) {
        const group *of = &all->groups[g];
        walrow__column column = new_column(of);
        for (size_t round = 0; round < rounds; round++) {
            const recorded *value = &of->values[random_below(of->count)];
            size_t size = form == TEXT ? value->text_size : value->binary_size;
            uint8_t bytes[2048];
            size = size < sizeof bytes - 8 ? size : sizeof bytes - 8;
            memcpy(bytes, form == TEXT ? value->text : value->binary, size);
            append_hostile(of, &column, form, bytes, mutate(bytes, size, sizeof bytes));
        }
        assert_canonical_and_release(of, &column);
    }
}

static void
every_prefix_of_binary_is_survived(void **state)
{
    every_prefix_is_survived(*state, BINARY);
}

static void
every_prefix_of_text_is_survived(void **state)
{
    every_prefix_is_survived(*state, TEXT);
}

static void
mutated_binary_is_survived(void **state)
{
    every_mutation_is_survived(*state, BINARY);
}

static void
mutated_text_is_survived(void **state)
{
    every_mutation_is_survived(*state, TEXT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_binary_become_the_same_bits),
        cmocka_unit_test(binary_prints_as_the_server_prints_it),
        cmocka_unit_test(ranges_copied_piece_by_piece_are_the_whole),
        cmocka_unit_test(what_is_truncated_leaves_no_trace),
        cmocka_unit_test(every_prefix_of_binary_is_survived),
        cmocka_unit_test(every_prefix_of_text_is_survived),
        cmocka_unit_test(mutated_binary_is_survived),
        cmocka_unit_test(mutated_text_is_survived),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
