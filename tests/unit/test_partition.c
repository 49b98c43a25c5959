/*
 * walrow_partition: every row to the owner of its key, once and in order, and what moves from one owner to another
 * in two halves.
 */
#include "every_type.h"

#include "arrays.h"
#include "kernels/slice.h"

#include <pthread.h>

enum { ROWS = 400, N = 7 };

static walrow_error err;

static int
forget_error(void **state)
{
    (void)state;
    memset(&err, 0, sizeof err);
    random_state = 1;
    return 0;
}

static void
divide(struct ArrowArray *batch, const walrow__table *table, const walrow_partitioning *how,
       struct ArrowArray *out)
{
    ASSERT_OK(walrow_partition(batch, &table->schema, how, out, &err), err);
    assert_null(batch->release);
    complaint why;
    for (uint32_t p = 0; p < how->n; p++)
        if (out[p].release != NULL) {
            struct ArrowArrayView view;
            ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_UNINITIALIZED);
            if (!arrays__view(&view, &table->schema, &out[p], &why))
                fail_msg("%s", why.text);
            ArrowArrayViewReset(&view);
        }
}

static void
release(struct ArrowArray *arrays, int n)
{
    for (int p = 0; p < n; p++)
        if (arrays[p].release != NULL)
            ArrowArrayRelease(&arrays[p]);
}

/* ---- looking at rows ---- */

static const struct ArrowArray *
column_of(const struct ArrowArray *rows, int column)
{
    return rows->children[column];
}

static bool
is_valid(const struct ArrowArray *array, int64_t i)
{
    return array->buffers[0] == NULL || ArrowBitGet(array->buffers[0], array->offset + i);
}

static char
op_of(const struct ArrowArray *rows, int64_t i)
{
    const struct ArrowArray *ops = column_of(rows, WALROW__OP);
    return ((const char *)ops->buffers[2])[((const int32_t *)ops->buffers[1])[ops->offset + i]];
}

static uint64_t
lsn_of(const struct ArrowArray *rows, int64_t i)
{
    const struct ArrowArray *lsns = column_of(rows, WALROW__COMMIT_LSN);
    return ((const uint64_t *)lsns->buffers[1])[lsns->offset + i];
}

/* -1: null */
static int32_t
integer_of(const struct ArrowArray *integers, int64_t i)
{
    return is_valid(integers, i) ? ((const int32_t *)integers->buffers[1])[integers->offset + i] : -1;
}

static int32_t
id_of(const struct ArrowArray *rows, int64_t i)
{
    return integer_of(column_of(rows, WALROW__N_META), i);
}

static const char *
text_of(const struct ArrowArray *texts, int64_t i)
{
    static char text[64];
    const int32_t *offsets = (const int32_t *)texts->buffers[1] + texts->offset;
    snprintf(text, sizeof text, "%.*s", (int)(offsets[i + 1] - offsets[i]),
             (const char *)texts->buffers[2] + offsets[i]);
    return is_valid(texts, i) ? text : "(null)";
}

static const char *
name_of(const struct ArrowArray *rows, int64_t i)
{
    return text_of(column_of(rows, WALROW__N_META + 1), i);
}

static uint32_t
owner_of_id(int64_t id, uint32_t n)
{
    uint64_t hash[2];
    walrow_murmur3_x64_128(&id, sizeof id, 0, hash);
    return (uint32_t)hash[0] % n;
}

/* The next id from `from` on that partition p of n owns. */
static int
id_owned_by(uint32_t p, uint32_t n, int from)
{
    while (owner_of_id(from, n) != p)
        from++;
    return from;
}

static int64_t
total(const struct ArrowArray *out, int n)
{
    int64_t rows = 0;
    for (int p = 0; p < n; p++)
        rows += out[p].release == NULL ? 0 : out[p].length;
    return rows;
}

/* ---- batches ---- */

typedef struct row {
    char op;
    const char *id, *name, *old_id;
} row;

/* Of simple_table, at LSNs 100, 101 ... */
static struct ArrowArray
batch_of(walrow__table *table, const row *rows, int n)
{
    changes c;
    struct ArrowArray batch;
    begin_changes(&c);
    for (int i = 0; i < n; i++)
        add_old_row(&c, table, rows[i].op, 100 + (uint64_t)i, 0,
                    rows[i].op == 'T' ? NULL : ROW(rows[i].id, rows[i].name),
                    rows[i].old_id == NULL ? NULL : ROW(rows[i].old_id, NULL));
    finish_changes(&c, 1000);
    ArrowArrayMove(&c.batches[0].array, &batch);
    end_changes(&c);
    return batch;
}

#define BATCH(table, ...)                                                                                    \
    batch_of(table, (const row[]){__VA_ARGS__}, (int)(sizeof((const row[]){__VA_ARGS__}) / sizeof(row)))

/* The text of a number that stays. */
static const char *
text(int number)
{
    static char texts[8][12];
    static int next;
    next = (next + 1) % 8;
    snprintf(texts[next], sizeof *texts, "%d", number);
    return texts[next];
}

/* ---- every row once ---- */

/* By what is none of walrow_partition's business: the position, which is unique. */
static uint32_t
row_at(const struct ArrowArray *batch, uint64_t lsn)
{
    uint32_t i = 0;
    while (lsn_of(batch, i) != lsn)
        i++;
    return i;
}

static void
every_row_of_every_type_goes_to_one_partition_in_order(void **state)
{
    (void)state;
    walrow__table *table = table_of_every_type('d');
    struct ArrowArray batch = random_batch(table, "I", ROWS), copy, out[N];
    uint32_t all[ROWS], numbers[ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        all[i] = i;
    copy = copy_row_by_row(&table->schema, &batch, all, ROWS);
    divide(&batch, table, &(walrow_partitioning){.n = N}, out);
    assert_int_equal(total(out, N), ROWS);
    for (int p = 0; p < N; p++) {
        if (out[p].release == NULL)
            continue;
        for (int64_t i = 0; i < out[p].length; i++) {
            numbers[i] = row_at(&copy, lsn_of(&out[p], i));
            assert_true(i == 0 || numbers[i] > numbers[i - 1]);
        }
        struct ArrowArray expected = copy_row_by_row(&table->schema, &copy, numbers, out[p].length);
        complaint why;
        if (!arrays_are_equal(&table->schema, &expected, &out[p], &why))
            fail_msg("partition %d: %s", p, why.text);
        ArrowArrayRelease(&expected);
    }
    ArrowArrayRelease(&copy);
    release(out, N);
    walrow__table_unref(table);
}

static void
a_row_goes_where_its_key_says_in_every_batch(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    for (int rows = 1; rows <= 64; rows *= 4) {
        row list[64];
        for (int i = 0; i < rows; i++)
            list[i] = (row){'I', every_type[0].values[random_below(4)], "x", NULL};
        struct ArrowArray out[N], batch = batch_of(table, list, rows);
        divide(&batch, table, &(walrow_partitioning){.n = N}, out);
        for (uint32_t p = 0; p < N; p++)
            for (int64_t i = 0; out[p].release != NULL && i < out[p].length; i++)
                assert_int_equal(owner_of_id(id_of(&out[p], i), N), p);
        release(out, N);
    }
    walrow__table_unref(table);
}

static void
one_partition_gets_the_batch_itself(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    struct ArrowArray out[1], batch = BATCH(table, {'I', "1", "a"}, {'D', "2"}, {'T'}, {'R', "3", "c"});
    const void *names = column_of(&batch, WALROW__N_META + 1)->buffers[2];
    divide(&batch, table, &(walrow_partitioning){.n = 1}, out);
    assert_int_equal(out[0].length, 4);
    assert_ptr_equal(column_of(&out[0], WALROW__N_META + 1)->buffers[2], names);
    release(out, 1);
    walrow__table_unref(table);
}

static void
rows_that_follow_each_other_are_a_slice(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    const char *first = text(id_owned_by(0, 2, 1)), *second = text(id_owned_by(1, 2, 1));
    struct ArrowArray out[2], batch = BATCH(table, {'I', first, "a"}, {'I', first, NULL}, {'I', second, "b"});
    const void *names = column_of(&batch, WALROW__N_META + 1)->buffers[2];
    divide(&batch, table, &(walrow_partitioning){.n = 2}, out);
    for (int p = 0; p < 2; p++) {
        assert_ptr_equal(column_of(&out[p], WALROW__N_META + 1)->buffers[2], names);
        assert_int_equal(out[p].length, 2 - p);
        assert_int_equal(out[p].offset, 0);
        assert_int_equal(column_of(&out[p], WALROW__N_META + 1)->null_count, 1 - p);
    }
    assert_string_equal(name_of(&out[1], 0), "b");
    release(out, 2);
    walrow__table_unref(table);
}

static void *
release_in_a_thread(void *arg)
{
    ArrowArrayRelease(arg);
    return NULL;
}

static void
slices_may_go_to_different_threads(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    const char *first = text(id_owned_by(0, 2, 1)), *second = text(id_owned_by(1, 2, 1));
    struct ArrowArray out[2], batch = BATCH(table, {'I', first, "a"}, {'I', second, "b"});
    divide(&batch, table, &(walrow_partitioning){.n = 2}, out);
    pthread_t threads[2];
    for (int p = 0; p < 2; p++)
        assert_int_equal(pthread_create(&threads[p], NULL, release_in_a_thread, &out[p]), 0);
    for (int p = 0; p < 2; p++)
        pthread_join(threads[p], NULL);
    walrow__table_unref(table);
}

static void
nothing_gives_nothing(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    walrow__rows none;
    begin_rows(&none, &table->schema);
    struct ArrowArray out[N], batch = end_rows(&none);
    divide(&batch, table, &(walrow_partitioning){.n = N}, out);
    for (int p = 0; p < N; p++)
        assert_null(out[p].release);
    walrow__table_unref(table);
}

static void
null_has_its_place(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    const char *const columns[] = {"name"};
    struct ArrowArray out[N], batch = BATCH(table, {'I', "1", NULL}, {'I', "2", "a"}, {'I', "3", NULL});
    divide(&batch, table, &(walrow_partitioning){.n = N, .columns = columns, .n_columns = 1}, out);
    uint64_t hash[2];
    walrow_murmur3_x64_128("\xFF", 1, 0, hash);
    const struct ArrowArray *nulls = &out[(uint32_t)hash[0] % N];
    assert_int_equal(nulls->length, 2);
    assert_int_equal(id_of(nulls, 0), 1);
    assert_int_equal(id_of(nulls, 1), 3);
    release(out, N);
    walrow__table_unref(table);
}

static void
a_table_has_one_partition(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    struct ArrowArray out[N],
        batch = BATCH(table, {'I', "1", "a"}, {'U', "2", "b", "3"}, {'T'}, {'I', "4", "d"});
    divide(&batch, table, &(walrow_partitioning){.n = N, .by = WALROW_PARTITION_BY_TABLE}, out);
    uint64_t hash[2];
    walrow_murmur3_x64_128("public", 6, 0, hash);
    walrow_murmur3_x64_128("t", 1, hash[0], hash);
    assert_int_equal(total(out, N), 4);
    assert_int_equal(out[(uint32_t)hash[0] % N].length, 4);
    release(out, N);
    walrow__table_unref(table);
}

static void
the_other_hash_divides_by_itself(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    const char *const columns[] = {"name", "id"};
    struct ArrowArray out[N], batch = BATCH(table, {'I', "7", "seven"});
    divide(&batch, table,
           &(walrow_partitioning){
               .n = N, .hash = WALROW_HASH_MURMUR3_X86_32, .seed = 99, .columns = columns, .n_columns = 2},
           out);
    const int64_t seven = 7;
    uint32_t hash = walrow_murmur3_x86_32(&seven, 8, walrow_murmur3_x86_32("seven", 5, 99));
    assert_int_equal(out[hash % N].length, 1);
    release(out, N);
    walrow__table_unref(table);
}

/* ---- changes of keys ---- */

static void
an_update_that_moves_a_row_is_a_delete_and_an_insert(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    int here = id_owned_by(0, 2, 1), there = id_owned_by(1, 2, 1);
    struct ArrowArray out[2],
        batch = BATCH(table, {'I', text(here), "a"}, {'U', text(there), "b", text(here)},
                      {'I', text(here), "c"}, {'U', text(there), "d"});
    divide(&batch, table, &(walrow_partitioning){.n = 2}, out);

    assert_int_equal(out[0].length, 3);
    assert_int_equal(op_of(&out[0], 1), 'D');
    assert_int_equal(id_of(&out[0], 1), here);
    assert_string_equal(name_of(&out[0], 1), "(null)"); /* not of the key: not known */
    assert_string_equal(name_of(&out[0], 2), "c");
    assert_int_equal(out[1].length, 2);
    assert_int_equal(op_of(&out[1], 0), 'I');
    assert_int_equal(id_of(&out[1], 0), there);
    assert_string_equal(name_of(&out[1], 0), "b");
    assert_int_equal(op_of(&out[1], 1), 'U');
    for (int p = 0; p < 2; p++) {
        int64_t half = 1 - p;
        assert_int_equal(lsn_of(&out[p], half), 101);
        assert_int_equal(integer_of(column_of(&out[p], WALROW__XID), half), 101);
        assert_false(is_valid(column_of(&out[p], WALROW__OLD), half));
        assert_false(is_valid(column_of(&out[p], WALROW__UNCHANGED), half));
    }
    release(out, 2);
    walrow__table_unref(table);
}

static void
an_update_within_a_partition_stays_whole(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    int one = id_owned_by(1, 2, 1), another = id_owned_by(1, 2, one + 1);
    struct ArrowArray out[2], batch = BATCH(table, {'U', text(another), "b", text(one)});
    divide(&batch, table, &(walrow_partitioning){.n = 2}, out);
    assert_int_equal(out[1].length, 1);
    assert_int_equal(op_of(&out[1], 0), 'U');
    assert_int_equal(integer_of(column_of(&out[1], WALROW__OLD)->children[0], 0), one);
    release(out, 2);
    walrow__table_unref(table);
}

static void
the_insert_says_which_values_it_lacks(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    int here = id_owned_by(0, 2, 1), there = id_owned_by(1, 2, 1);
    struct ArrowArray out[2], batch = BATCH(table, {'U', text(there), UNCHANGED, text(here)});
    divide(&batch, table, &(walrow_partitioning){.n = 2}, out);
    assert_false(is_valid(column_of(&out[0], WALROW__UNCHANGED), 0));
    assert_true(is_valid(column_of(&out[1], WALROW__UNCHANGED), 0));
    assert_string_equal(text_of(column_of(&out[1], WALROW__UNCHANGED)->children[0], 0), "name");
    release(out, 2);
    walrow__table_unref(table);
}

static void
a_truncate_goes_to_all(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    struct ArrowArray out[N], batch = BATCH(table, {'I', "1", "a"}, {'T'}, {'I', "1", "b"}, {'I', "2", "c"});
    divide(&batch, table, &(walrow_partitioning){.n = N}, out);
    for (int p = 0; p < N; p++) {
        int64_t at = 0;
        while (at < out[p].length && op_of(&out[p], at) != 'T')
            at++;
        assert_int_equal(lsn_of(&out[p], at), 101);
        assert_int_equal(at, owner_of_id(1, N) == (uint32_t)p);
    }
    assert_int_equal(total(out, N), 3 + N);
    release(out, N);
    walrow__table_unref(table);
}

/* The old row's owner loses it, the new row's has it. */
static void
assert_moved(const struct ArrowArray *batch, int64_t i, const struct ArrowArray *out, uint32_t *met)
{
    const struct ArrowArray *old = column_of(batch, WALROW__OLD);
    bool has_old = op_of(batch, i) == 'U' && is_valid(old, i);
    uint32_t owner = owner_of_id(id_of(batch, i), N);
    uint32_t loser = has_old ? owner_of_id(integer_of(old->children[0], i), N) : owner;
    char op = op_of(batch, i);
    if (loser != owner) {
        assert_int_equal(lsn_of(&out[loser], met[loser]), lsn_of(batch, i));
        assert_int_equal(op_of(&out[loser], met[loser]), 'D');
        assert_int_equal(id_of(&out[loser], met[loser]++), integer_of(old->children[0], i));
        op = 'I';
    }
    assert_int_equal(lsn_of(&out[owner], met[owner]), lsn_of(batch, i));
    assert_int_equal(op_of(&out[owner], met[owner]), op);
    assert_int_equal(id_of(&out[owner], met[owner]++), id_of(batch, i));
}

static void
random_changes_go_to_the_owners_of_their_keys(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    for (int round = 0; round < 50; round++) {
        row list[100];
        int n = 1 + (int)random_below(100);
        for (int i = 0; i < n; i++) {
            char op = "IUD"[random_below(3)];
            list[i] = (row){op, every_type[0].values[random_below(3)], op == 'D' ? NULL : "x",
                            op == 'U' && random_below(2) ? every_type[0].values[random_below(3)] : NULL};
        }
        struct ArrowArray out[N], batch = batch_of(table, list, n), expected = batch_of(table, list, n);
        uint32_t met[N] = {0};
        divide(&batch, table, &(walrow_partitioning){.n = N}, out);
        for (int64_t i = 0; i < n; i++)
            assert_moved(&expected, i, out, met);
        for (int p = 0; p < N; p++)
            assert_int_equal(out[p].release == NULL ? 0 : out[p].length, met[p]);
        ArrowArrayRelease(&expected);
        release(out, N);
    }
    walrow__table_unref(table);
}

/* Behind an offset all is as without. */
static void
a_slice_is_divided_as_a_batch_is(void **state)
{
    (void)state;
    walrow__table *table = table_of_every_type('f');
    enum { START = 11, LENGTH = 300 };
    struct ArrowArray batch = random_batch(table, "IUDT", ROWS), slice, copy, of_slice[N], of_copy[N];
    uint32_t numbers[LENGTH];
    for (uint32_t i = 0; i < LENGTH; i++)
        numbers[i] = START + i;
    copy = copy_row_by_row(&table->schema, &batch, numbers, LENGTH);
    walrow__shared *shared = walrow__shared_new(&batch);
    ASSERT_OK(walrow__slice(shared, START - 4, LENGTH + 4, &slice, &err), err);
    slice.offset = 4;
    slice.length -= 4;
    divide(&slice, table, &(walrow_partitioning){.n = N}, of_slice);
    divide(&copy, table, &(walrow_partitioning){.n = N}, of_copy);
    complaint why;
    for (int p = 0; p < N; p++) {
        assert_true((of_slice[p].release == NULL) == (of_copy[p].release == NULL));
        if (of_copy[p].release != NULL && !arrays_are_equal(&table->schema, &of_slice[p], &of_copy[p], &why))
            fail_msg("partition %d: %s", p, why.text);
    }
    release(of_slice, N);
    release(of_copy, N);
    walrow__shared_unref(shared);
    walrow__table_unref(table);
}

/* ---- any struct array ---- */

static void
a_batch_of_others_is_divided_by_columns(void **state)
{
    (void)state;
    struct ArrowSchema schema;
    struct ArrowArray batch, out[N];
    const char *const columns[] = {"n"};
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, 1), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INT64), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], "n"), NANOARROW_OK);
    assert_int_equal(ArrowArrayInitFromSchema(&batch, &schema, NULL), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(&batch), NANOARROW_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ArrowArrayAppendInt(batch.children[0], i), NANOARROW_OK);
        assert_int_equal(ArrowArrayFinishElement(&batch), NANOARROW_OK);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(&batch, NULL), NANOARROW_OK);
    walrow_partitioning how = {.n = N, .columns = columns, .n_columns = 1};
    ASSERT_OK(walrow_partition(&batch, &schema, &how, out, &err), err);
    assert_int_equal(total(out, N), 20);
    for (uint32_t p = 0; p < N; p++)
        for (int64_t i = 0; out[p].release != NULL && i < out[p].length; i++)
            assert_int_equal(
                owner_of_id(((const int64_t *)out[p].children[0]->buffers[1])[i + out[p].children[0]->offset],
                            N),
                p);
    release(out, N);
    ArrowSchemaRelease(&schema);
}

/* ---- errors: the batch stays the caller's ---- */

static void
assert_refused(struct ArrowArray batch, const walrow__table *table, walrow_partitioning how,
               const char *message, const char *hint)
{
    struct ArrowArray out[N];
    assert_int_equal(walrow_partition(&batch, &table->schema, &how, out, &err), WALROW_ERR_USAGE);
    assert_string_equal(err.message, message);
    assert_string_equal(err.hint, hint);
    assert_non_null(batch.release);
    ArrowArrayRelease(&batch);
    memset(&err, 0, sizeof err);
}

static void
what_cannot_be_divided_is_refused(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    walrow__table *keyless = TABLE("public", "log", 2, 'n', COLUMN("id", INT4), COLUMN("line", TEXT));
    const char *const columns[] = {"nane"};
    assert_refused(BATCH(table, {'I', "1", "a"}), table, (walrow_partitioning){.n = 0},
                   "a batch cannot be divided into 0 partitions", "");
    assert_refused(BATCH(table, {'I', "1", "a"}), table,
                   (walrow_partitioning){.n = N, .columns = columns, .n_columns = 1},
                   "public.t has no column \"nane\" to partition by", "did you mean name?");
    assert_refused(BATCH(keyless, {'I', "1", "a"}), keyless, (walrow_partitioning){.n = N},
                   "public.log has no key to partition by", "name columns, or partition by table");
    walrow__table *other = TABLE("public", "t", 1, 'd', KEY("id", INT4));
    assert_refused(BATCH(table, {'I', "1", "a"}), other, (walrow_partitioning){.n = N},
                   "the batch is not of the schema that came with it", "");
    walrow__table_unref(other);
    walrow__table_unref(keyless);
    walrow__table_unref(table);
}

static void
a_column_that_old_rows_lack_divides_only_inserts(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 1);
    const char *const columns[] = {"name"};
    walrow_partitioning how = {.n = N, .columns = columns, .n_columns = 1};
    struct ArrowArray out[N], batch = BATCH(table, {'I', "1", "a"}, {'R', "2", "b"}, {'T'});
    divide(&batch, table, &how, out);
    assert_int_equal(total(out, N), 2 + N);
    release(out, N);
    assert_refused(BATCH(table, {'I', "1", "a"}, {'D', "1"}), table, how,
                   "public.t cannot be partitioned by \"name\": its deletes do not have the old value",
                   "name columns of its replica identity, or: ALTER TABLE public.t REPLICA IDENTITY FULL");
    walrow__table_unref(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_row_of_every_type_goes_to_one_partition_in_order, forget_error),
        cmocka_unit_test_setup(a_row_goes_where_its_key_says_in_every_batch, forget_error),
        cmocka_unit_test_setup(one_partition_gets_the_batch_itself, forget_error),
        cmocka_unit_test_setup(rows_that_follow_each_other_are_a_slice, forget_error),
        cmocka_unit_test_setup(slices_may_go_to_different_threads, forget_error),
        cmocka_unit_test_setup(nothing_gives_nothing, forget_error),
        cmocka_unit_test_setup(null_has_its_place, forget_error),
        cmocka_unit_test_setup(a_table_has_one_partition, forget_error),
        cmocka_unit_test_setup(the_other_hash_divides_by_itself, forget_error),
        cmocka_unit_test_setup(an_update_that_moves_a_row_is_a_delete_and_an_insert, forget_error),
        cmocka_unit_test_setup(an_update_within_a_partition_stays_whole, forget_error),
        cmocka_unit_test_setup(the_insert_says_which_values_it_lacks, forget_error),
        cmocka_unit_test_setup(a_truncate_goes_to_all, forget_error),
        cmocka_unit_test_setup(random_changes_go_to_the_owners_of_their_keys, forget_error),
        cmocka_unit_test_setup(a_slice_is_divided_as_a_batch_is, forget_error),
        cmocka_unit_test_setup(a_batch_of_others_is_divided_by_columns, forget_error),
        cmocka_unit_test_setup(what_cannot_be_divided_is_refused, forget_error),
        cmocka_unit_test_setup(a_column_that_old_rows_lack_divides_only_inserts, forget_error),
    };
    return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
