/*
 * test_table.c
 *	  The Arrow schema of a change batch: columns, metadata, fingerprint.
 */
#include "changes.h"

static const char *
metadata_of(const struct ArrowSchema *schema, const char *key)
{
    static char text[200];
    struct ArrowStringView value = ArrowCharView(NULL);
    assert_int_equal(ArrowMetadataGetValue(schema->metadata, ArrowCharView(key), &value), 0);
    if (value.data == NULL)
        return "(none)";
    snprintf(text, sizeof text, "%.*s", (int)value.size_bytes, value.data);
    return text;
}

static void
seven_columns_come_first(void **state)
{
    (void)state;
    walrow__table *table = simple_table("t", 16401);
    const char *expected[][2] = {
        {"_op", "u"},         {"_commit_lsn", "L"}, {"_seq", "I"}, {"_xid", "I"}, {"_commit_time", "tsu:UTC"},
        {"_unchanged", "+l"}, {"_old", "+s"},       {"id", "i"},   {"name", "u"}};
    assert_int_equal(table->schema.n_children, 9);
    for (int i = 0; i < 9; i++) {
        assert_string_equal(table->schema.children[i]->name, expected[i][0]);
        assert_string_equal(table->schema.children[i]->format, expected[i][1]);
        assert_int_equal(table->schema.children[i]->flags, ARROW_FLAG_NULLABLE);
    }
    assert_string_equal(table->schema.children[WALROW__UNCHANGED]->children[0]->format, "u");
    walrow__table_unref(table);
}

static void
schema_metadata_says_which_table(void **state)
{
    (void)state;
    walrow__table *table =
        TABLE("Odd \"one\"", "t", 16401, 'd', KEY("b", INT4), COLUMN("x", TEXT), KEY("a\"", TEXT));
    char epoch[20];
    snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)table->epoch);
    assert_string_equal(metadata_of(&table->schema, "walrow.schema"), "Odd \"one\"");
    assert_string_equal(metadata_of(&table->schema, "walrow.table"), "t");
    assert_string_equal(metadata_of(&table->schema, "walrow.relid"), "16401");
    assert_string_equal(metadata_of(&table->schema, "walrow.epoch"), epoch);
    assert_string_equal(metadata_of(&table->schema, "walrow.key"), "[\"b\",\"a\\\"\"]");
    assert_string_equal(metadata_of(&table->schema, "walrow.version"), walrow_version());
    walrow__table_unref(table);
}

static void
fields_say_their_postgresql_type(void **state)
{
    (void)state;
    walrow__table *table =
        TABLE("public", "t", 1, 'd', {.name = "price", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(12, 2)},
              COLUMN("id", UUID));
    const struct ArrowSchema *places[] = {table->schema.children[WALROW__N_META],
                                          table->schema.children[WALROW__OLD]->children[0]};
    for (int i = 0; i < 2; i++) {
        assert_string_equal(places[i]->name, "price");
        assert_string_equal(places[i]->format, "d:12,2");
        assert_string_equal(metadata_of(places[i], "pg.type"), "numeric");
        assert_string_equal(metadata_of(places[i], "pg.oid"), "1700");
        assert_string_equal(metadata_of(places[i], "pg.typmod"), "786438");
    }
    const struct ArrowSchema *uuid = table->schema.children[WALROW__N_META + 1];
    assert_string_equal(metadata_of(uuid, "ARROW:extension:name"), "arrow.uuid");
    assert_string_equal(metadata_of(uuid, "pg.oid"), "2950");
    walrow__table_unref(table);
}

static void
under_full_identity_every_column_is_key(void **state)
{
    (void)state;
    walrow__table *table = TABLE("public", "t", 1, 'f', KEY("b", INT4), COLUMN("a", TEXT));
    assert_string_equal(metadata_of(&table->schema, "walrow.key"), "[\"b\",\"a\"]");
    walrow__table_unref(table);
}

static void
a_table_without_key_has_an_empty_list(void **state)
{
    (void)state;
    walrow__table *table = TABLE("public", "t", 1, 'n', COLUMN("a", TEXT));
    assert_string_equal(metadata_of(&table->schema, "walrow.key"), "[]");
    walrow__table_unref(table);
}

static void
a_table_that_owns_one_of_our_names_gets_all_prefixed(void **state)
{
    (void)state;
    walrow__table *table = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("_seq", INT4));
    assert_string_equal(table->schema.children[WALROW__OP]->name, "_walrow_op");
    assert_string_equal(table->schema.children[WALROW__OLD]->name, "_walrow_old");
    assert_string_equal(table->schema.children[WALROW__N_META + 1]->name, "_seq");
    walrow__table_unref(table);
}

static void
epoch_is_of_columns_and_key_alone(void **state)
{
    (void)state;
    walrow__table *tables[] = {
        simple_table("t", 1),
        TABLE("other", "name", 2, 'd', KEY("id", INT4), COLUMN("name", TEXT)), /* the same */
        TABLE("public", "t", 1, 'd', KEY("id", INT8), COLUMN("name", TEXT)),
        TABLE("public", "t", 1, 'd', KEY("id", INT4), KEY("name", TEXT)),
        TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("nam", TEXT)),
        TABLE("public", "t", 1, 'd', KEY("id", INT4)),
        TABLE("public", "t", 1, 'd', KEY("id", INT4), {.name = "name", .oid = TEXT, .typmod = 8}),
    };
    assert_true(tables[0]->epoch == tables[1]->epoch);
    for (int i = 2; i < 7; i++)
        assert_true(tables[0]->epoch != tables[i]->epoch);
    assert_true(tables[0]->epoch ==
                UINT64_C(0x330277674de0d469)); /* written into files: it may never change */
    for (int i = 0; i < 7; i++)
        walrow__table_unref(tables[i]);
}

static void
the_first_column_without_binary_form_is_named(void **state)
{
    (void)state;
    const char *column = NULL;
    walrow__table *table = TABLE("public", "t", 1, 'd', KEY("id", INT4),
                                 {.name = "x", .oid = INT4_ARRAY, .typmod = -1, .override = "utf8"});
    assert_false(walrow__table_has_binary(table, &column));
    assert_string_equal(column, "x");
    walrow__table_unref(table);
}

static void
a_table_without_columns_is_fine(void **state)
{
    (void)state;
    walrow__table *table = a_table("public", "t", 1, 'd', NULL, 0);
    assert_int_equal(table->schema.n_children, WALROW__N_META);
    assert_int_equal(table->schema.children[WALROW__OLD]->n_children, 0);
    walrow__table_unref(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seven_columns_come_first),
        cmocka_unit_test(schema_metadata_says_which_table),
        cmocka_unit_test(fields_say_their_postgresql_type),
        cmocka_unit_test(under_full_identity_every_column_is_key),
        cmocka_unit_test(a_table_without_key_has_an_empty_list),
        cmocka_unit_test(a_table_that_owns_one_of_our_names_gets_all_prefixed),
        cmocka_unit_test(epoch_is_of_columns_and_key_alone),
        cmocka_unit_test(the_first_column_without_binary_form_is_named),
        cmocka_unit_test(a_table_without_columns_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
