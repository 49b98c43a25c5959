/*
 * bench/partition.c
 *	  Rows of eight columns divided among 16 partitions by their first: millions a second, on one core, of the
 *	  whole, and of its two halves alone.
 *	  ninja -C build bench/partition && build/bench/partition [FILE]
 *
 * FILE gets the rows with their owners in a ninth column, as an Arrow IPC stream, so that others can take the same.
 */
#include "base/clock.h"
#include "columns/ipc.h"
#include "kernels/hash.h"
#include "kernels/rows.h"
#include "kernels/slice.h"
#include "kernels/take.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 65536, PARTITIONS = 16, ROUNDS = 2, SLICES = 150 };

static const struct {
    const char *name;
    enum ArrowType type;
} columns[] = {
    {"id", NANOARROW_TYPE_INT64},         {"quantity", NANOARROW_TYPE_INT32},
    {"status", NANOARROW_TYPE_INT32},     {"name", NANOARROW_TYPE_STRING},
    {"note", NANOARROW_TYPE_STRING},      {"price", NANOARROW_TYPE_DECIMAL128},
    {"created_at", NANOARROW_TYPE_INT64}, {"paid", NANOARROW_TYPE_BOOL},
    {"owner", NANOARROW_TYPE_INT32},
};
enum { N_COLUMNS = sizeof columns / sizeof *columns - 1 };

static uint32_t owners[ROWS];

static void
demand(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "partition: %s\n", what);
    exit(1);
}

/* ---- the rows ---- */

static void
make_schema(struct ArrowSchema *schema, int n)
{
    ArrowSchemaInit(schema);
    bool good = ArrowSchemaSetTypeStruct(schema, n) == NANOARROW_OK;
    for (int i = 0; good && i < n; i++) {
        struct ArrowSchema *field = schema->children[i];
        good = columns[i].type == NANOARROW_TYPE_DECIMAL128
                   ? ArrowSchemaSetTypeDecimal(field, columns[i].type, 12, 2) == NANOARROW_OK
                   : ArrowSchemaSetType(field, columns[i].type) == NANOARROW_OK;
        good = good && ArrowSchemaSetName(field, columns[i].name) == NANOARROW_OK;
    }
    demand(good, "no schema");
}

static uint32_t
owner_of(int64_t id)
{
    uint64_t hash[2];
    walrow_murmur3_x64_128(&id, sizeof id, 0, hash);
    return (uint32_t)hash[0] % PARTITIONS;
}

static bool
append_row(struct ArrowArray *row, int64_t i)
{
    char name[32], note[32];
    struct ArrowDecimal price;
    ArrowDecimalInit(&price, 128, 12, 2);
    ArrowDecimalSetInt(&price, i * 37 % 100000);
    snprintf(name, sizeof name, "customer %lld", (long long)(i % 1000));
    snprintf(note, sizeof note, "%.*s", (int)(i * 7 % 30), "delivered to the neighbours' door");
    owners[i] = owner_of(i);
    return ArrowArrayAppendInt(row->children[0], i) == NANOARROW_OK &&
           ArrowArrayAppendInt(row->children[1], i % 9) == NANOARROW_OK &&
           ArrowArrayAppendInt(row->children[2], i % 4) == NANOARROW_OK &&
           ArrowArrayAppendString(row->children[3], ArrowCharView(name)) == NANOARROW_OK &&
           (i % 5 == 0 ? ArrowArrayAppendNull(row->children[4], 1)
                       : ArrowArrayAppendString(row->children[4], ArrowCharView(note))) == NANOARROW_OK &&
           ArrowArrayAppendDecimal(row->children[5], &price) == NANOARROW_OK &&
           ArrowArrayAppendInt(row->children[6], 1714564800000000 + i * 1000) == NANOARROW_OK &&
           ArrowArrayAppendInt(row->children[7], i % 3 == 0) == NANOARROW_OK &&
           (row->n_children == N_COLUMNS ||
            ArrowArrayAppendInt(row->children[8], owners[i]) == NANOARROW_OK) &&
           ArrowArrayFinishElement(row) == NANOARROW_OK;
}

static void
make_rows(struct ArrowArray *rows, const struct ArrowSchema *schema)
{
    bool good = ArrowArrayInitFromSchema(rows, schema, NULL) == NANOARROW_OK &&
                ArrowArrayStartAppending(rows) == NANOARROW_OK;
    for (int64_t i = 0; good && i < ROWS; i++)
        good = append_row(rows, i);
    demand(good && ArrowArrayFinishBuildingDefault(rows, NULL) == NANOARROW_OK, "no rows");
}

static walrow_code
write_bytes(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    (void)err;
    demand(fwrite(bytes, 1, size, arg) == size, "cannot write");
    return WALROW_OK;
}

static void
write_rows(const char *path)
{
    struct ArrowSchema schema;
    struct ArrowArray rows;
    walrow__ipc_writer writer;
    FILE *file = fopen(path, "wb");
    demand(file != NULL, "cannot create the file");
    make_schema(&schema, N_COLUMNS + 1);
    make_rows(&rows, &schema);
    demand(walrow__ipc_open(&writer, WALROW__IPC_STREAM, &schema, write_bytes, file, NULL) == WALROW_OK &&
               walrow__ipc_write(&writer, &rows, NULL) == WALROW_OK &&
               walrow__ipc_finish(&writer, NULL) == WALROW_OK && fclose(file) == 0,
           "cannot write");
    walrow__ipc_release(&writer);
    ArrowArrayRelease(&rows);
    ArrowSchemaRelease(&schema);
}

/* ---- what is measured ---- */

typedef struct subject {
    struct ArrowSchema schema;
    walrow__shared *batch;
    walrow__rows rows;
    uint32_t lists[PARTITIONS][ROWS];
    int64_t lengths[PARTITIONS];
} subject;

static void
partition(subject *self)
{
    static const char *const key[] = {"id"};
    walrow_partitioning how = {.n = PARTITIONS, .columns = key, .n_columns = 1};
    struct ArrowArray batch, out[PARTITIONS];
    demand(walrow__slice(self->batch, 0, ROWS, &batch, NULL) == WALROW_OK &&
               walrow_partition(&batch, &self->schema, &how, out, NULL) == WALROW_OK,
           "not divided");
    for (int p = 0; p < PARTITIONS; p++)
        ArrowArrayRelease(&out[p]);
}

static void
hash(subject *self)
{
    static uint64_t hashes[ROWS];
    memset(hashes, 0, sizeof hashes);
    walrow__hash_column(WALROW_HASH_MURMUR3_X64_128, &self->rows.type.children[0],
                        self->batch->array.children[0], 0, ROWS, hashes);
    demand((uint32_t)hashes[ROWS - 1] % PARTITIONS == owners[ROWS - 1], "another hash");
}

static void
take(subject *self)
{
    struct ArrowArray out;
    for (int p = 0; p < PARTITIONS; p++) {
        demand(walrow__column_take(&self->rows.column, &self->batch->array, self->lists[p],
                                   self->lengths[p]) == WALROW__APPENDED &&
                   walrow__rows_take(&self->rows, &out, NULL) == WALROW_OK,
               "not taken");
        ArrowArrayRelease(&out);
    }
}

/* A quiet machine's slice is the one that says what the code costs: the best of many counts. */
static void
measure(const char *name, void (*work)(subject *), subject *self)
{
    int64_t best = INT64_MAX;
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t start = walrow__now_us();
        for (int round = 0; round < ROUNDS; round++)
            work(self);
        int64_t us = walrow__now_us() - start;
        best = us < best ? us : best;
    }
    printf("%s %.1f\n", name, (double)ROWS * ROUNDS / (double)best);
}

int
main(int argc, char **argv)
{
    static subject self;
    struct ArrowArray rows;
    if (argc > 1)
        write_rows(argv[1]);
    make_schema(&self.schema, N_COLUMNS);
    make_rows(&rows, &self.schema);
    self.batch = walrow__shared_new(&rows);
    demand(self.batch != NULL && walrow__rows_init(&self.rows, &self.schema, NULL) == WALROW_OK, "no memory");
    for (uint32_t i = 0; i < ROWS; i++)
        self.lists[owners[i]][self.lengths[owners[i]]++] = i;
    measure("partition", partition, &self);
    measure("hash", hash, &self);
    measure("take", take, &self);
    walrow__rows_release(&self.rows);
    walrow__shared_unref(self.batch);
    ArrowSchemaRelease(&self.schema);
    return 0;
}
