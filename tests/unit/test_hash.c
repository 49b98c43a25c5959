/*
 * kernels/murmur3 and kernels/hash: the published hash, and one hash for one value wherever it is.
 */
#include "every_type.h"

#include "kernels/hash.h"
#include "kernels/slice.h"

static const walrow_hash both[] = {WALROW_HASH_MURMUR3_X64_128, WALROW_HASH_MURMUR3_X86_32};

/* ---- MurmurHash3 ---- */

/* SMHasher's VerificationTest (KeysetTest.cpp), whose results are the ones main.cpp lists for the two functions. */
typedef void (*hash_fn)(const void *bytes, size_t size, uint32_t seed, uint8_t *out);

static uint32_t
verification_value(hash_fn hash, size_t width)
{
    uint8_t key[256], hashes[256 * 16], last[16];
    for (int i = 0; i < 256; i++) {
        key[i] = (uint8_t)i;
        hash(key, (size_t)i, (uint32_t)(256 - i), hashes + (size_t)i * width);
    }
    hash(hashes, 256 * width, 0, last);
    return last[0] | (uint32_t)last[1] << 8 | (uint32_t)last[2] << 16 | (uint32_t)last[3] << 24;
}

static void
x86_32(const void *bytes, size_t size, uint32_t seed, uint8_t *out)
{
    uint32_t hash = walrow_murmur3_x86_32(bytes, size, seed);
    memcpy(out, &hash, sizeof hash);
}

static void
x64_128(const void *bytes, size_t size, uint32_t seed, uint8_t *out)
{
    uint64_t hash[2];
    walrow_murmur3_x64_128(bytes, size, seed, hash);
    memcpy(out, hash, sizeof hash);
}

static void
the_authors_verification_agrees(void **state)
{
    (void)state;
    assert_int_equal(verification_value(x86_32, 4), 0xB0F57EE3);
    assert_int_equal(verification_value(x64_128, 16), 0x6384BA69);
}

static void
published_vectors_agree(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seed, hash;
    } vectors[] = {
        {"", 0, 0},
        {"", 1, 0x514E28B7},
        {"", 0xFFFFFFFF, 0x81F16F39},
        {"test", 0x9747B28C, 0x704B81DC},
        {"Hello, world!", 0x9747B28C, 0x24884CBA},
        {"The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD},
    };
    uint64_t hash[2];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_int_equal(walrow_murmur3_x86_32(vectors[i].text, strlen(vectors[i].text), vectors[i].seed),
                         vectors[i].hash);
    walrow_murmur3_x64_128("The quick brown fox jumps over the lazy dog", 43, 0, hash);
    assert_true(hash[0] == UINT64_C(0xE34BBC7BBC071B6C) && hash[1] == UINT64_C(0x7A433CA9C49A9347));
    walrow_murmur3_x64_128("hello", 5, 0, hash);
    assert_true(hash[0] == UINT64_C(0xCBD8A7B341BD9B02) && hash[1] == UINT64_C(0x5B1E906A48AE1D19));
}

/* ---- values ---- */

/* A table with one column of one row. */
static uint64_t
hash_of(walrow_hash hash, uint32_t oid, int32_t typmod, const char *text)
{
    walrow__column_spec spec = {.name = "v", .oid = oid, .typmod = typmod};
    walrow__table *table = a_table("public", "t", 1, 'd', &spec, 1);
    walrow__batch_builder builder;
    walrow_error err = {0};
    struct ArrowArray batch;
    ASSERT_OK(walrow__batch_init(&builder, table, ArrowBufferAllocatorDefault(), &err), err);
    put_row(&builder, 'I', 1, 0, NOON, &text, NULL);
    ASSERT_OK(walrow__batch_finish(&builder, &batch, &err), err);
    walrow__batch_release(&builder);
    uint64_t result = 42;
    walrow__hash_column(hash, &table->columns[0].type, batch.children[WALROW__N_META], 0, 1, &result);
    ArrowArrayRelease(&batch);
    walrow__table_unref(table);
    return result;
}

#define ASSERT_SAME_HASH(oid_a, text_a, oid_b, text_b)                                                       \
    for (int i = 0; i < 2; i++)                                                                              \
    assert_true(hash_of(both[i], oid_a, -1, text_a) == hash_of(both[i], oid_b, -1, text_b))

static void
a_number_is_hashed_not_its_width(void **state)
{
    (void)state;
    ASSERT_SAME_HASH(INT2, "-5", INT8, "-5");
    ASSERT_SAME_HASH(INT4, "-5", INT8, "-5");
    ASSERT_SAME_HASH(OID, "4294967295", INT8, "4294967295");
    ASSERT_SAME_HASH(BOOL, "t", INT4, "1");
    ASSERT_SAME_HASH(FLOAT4, "1.5", FLOAT8, "1.5");
    ASSERT_SAME_HASH(FLOAT4, "NaN", FLOAT8, "NaN");
    ASSERT_SAME_HASH(FLOAT8, "-0", FLOAT8, "0");
    ASSERT_SAME_HASH(TEXT, "[]", JSON, "[]");
    for (int i = 0; i < 2; i++)
        assert_true(hash_of(both[i], NUMERIC, NUMERIC_TYPMOD(12, 2), "-1.50") ==
                    hash_of(both[i], NUMERIC, NUMERIC_TYPMOD(60, 2), "-1.50"));
}

static uint64_t
after(walrow_hash hash, uint64_t so_far, const void *bytes, size_t size)
{
    uint64_t out[2];
    if (hash == WALROW_HASH_MURMUR3_X86_32)
        return walrow_murmur3_x86_32(bytes, size, (uint32_t)so_far);
    walrow_murmur3_x64_128(bytes, size, so_far, out);
    return out[0];
}

static uint64_t
after_number(walrow_hash hash, uint64_t so_far, int64_t number)
{
    return after(hash, so_far, &number, sizeof number);
}

/* As walrow.h says, so that others can find a row's partition. */
static void
the_bytes_of_a_value_are_those_promised(void **state)
{
    (void)state;
    static const uint8_t decimal[32] = {150}, uuid[16] = {0xA0, 0xEE, 0xBC, 0x99, 0x9C, 0x0B, 0x4E, 0xF8,
                                                          0xBB, 0x6D, 0x6B, 0xB9, 0xBD, 0x38, 0x0A, 0x11};
    const double one_and_a_half = 1.5;
    for (int i = 0; i < 2; i++) {
        walrow_hash h = both[i];
        assert_true(hash_of(h, INT4, -1, NULL) == after(h, 42, "\xFF", 1));
        assert_true(hash_of(h, TEXT, -1, "") == after(h, 42, "", 0));
        assert_true(hash_of(h, TEXT, -1, "shop") == after(h, 42, "shop", 4));
        assert_true(hash_of(h, INT4, -1, "-7") == after_number(h, 42, -7));
        assert_true(hash_of(h, FLOAT4, -1, "1.5") == after(h, 42, &one_and_a_half, 8));
        assert_true(hash_of(h, NUMERIC, NUMERIC_TYPMOD(12, 2), "1.50") == after(h, 42, decimal, 32));
        assert_true(hash_of(h, UUID, -1, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11") == after(h, 42, uuid, 16));
        uint64_t list = after_number(h, after(h, after_number(h, 42, 2), "\xFF", 1), 9);
        assert_true(hash_of(h, INT4_ARRAY, -1, "{NULL,9}") == list);
        uint64_t pair = after(h, after_number(h, 42, 3), "x", 1);
        assert_true(hash_of(h, POINT_PAIR, -1, "(3,x)") == pair);
        uint64_t map = after(h, after(h, after_number(h, 42, 1), "k", 1), "v", 1);
        assert_true(hash_of(h, HSTORE, -1, "\"k\"=>\"v\"") == map);
    }
}

/* ---- columns ---- */

enum { ROWS = 700, START = 13, LENGTH = 600 };

static void
hash_rows(walrow_hash hash, const walrow__table *table, const struct ArrowArray *batch, int64_t start,
          int64_t n, uint64_t *hashes)
{
    for (int64_t i = 0; i < n; i++)
        hashes[i] = 42;
    for (int c = 0; c < table->n_columns; c++)
        walrow__hash_column(hash, &table->columns[c].type, batch->children[WALROW__N_META + c], start, n,
                            hashes);
}

/* Alone, in the middle of many with and without nulls, behind an offset. */
static void
a_rows_hash_is_the_same_in_every_batch(void **state)
{
    (void)state;
    random_state = 1;
    walrow__table *table = table_of_every_type('d');
    struct ArrowArray batch = random_batch(table, "I", ROWS), slice;
    walrow_error err = {0};
    static uint64_t in_batch[2][ROWS], in_slice[LENGTH], alone;
    for (int h = 0; h < 2; h++)
        hash_rows(both[h], table, &batch, 0, ROWS, in_batch[h]);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct ArrowArray row = copy_row_by_row(&table->schema, &batch, &i, 1);
        for (int h = 0; h < 2; h++) {
            hash_rows(both[h], table, &row, 0, 1, &alone);
            assert_true(alone == in_batch[h][i]);
        }
        ArrowArrayRelease(&row);
    }
    walrow__shared *shared = walrow__shared_new(&batch);
    ASSERT_OK(walrow__slice(shared, START - 1, LENGTH + 1, &slice, &err), err);
    for (int h = 0; h < 2; h++) {
        hash_rows(both[h], table, &slice, 1, LENGTH, in_slice);
        assert_memory_equal(in_slice, in_batch[h] + START, sizeof in_slice);
    }
    ArrowArrayRelease(&slice);
    walrow__shared_unref(shared);
    walrow__table_unref(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_authors_verification_agrees),
        cmocka_unit_test(published_vectors_agree),
        cmocka_unit_test(a_number_is_hashed_not_its_width),
        cmocka_unit_test(the_bytes_of_a_value_are_those_promised),
        cmocka_unit_test(a_rows_hash_is_the_same_in_every_batch),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
