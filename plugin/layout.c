#include "layout.h"

#include "published.h"

static int16
attribute_named(TupleDesc tuples, const char *name)
{
    for (int i = 0; i < tuples->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(tuples, i);
        if (published_has_attribute(attribute) && strcmp(NameStr(attribute->attname), name) == 0)
            return (int16)i;
    }
    return -1;
}

static void
describe_attributes(layout *layout, TupleDesc tuples)
{
    layout->n_stored = tuples->natts;
    for (int i = 0; i < tuples->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(tuples, i);
        layout->stored[i] =
            (stored_attribute){.column = -1,
                               .length = attribute->attlen,
                               .align_mask = (uint8)(att_align_nominal(1, attribute->attalign) - 1),
                               .by_value = attribute->attbyval};
    }
}

/* A partition may have its root's columns in another order, with dropped ones in between. */
static void
map_columns(layout *layout, TupleDesc tuples, TupleDesc table, const walrow__table *as)
{
    int16 n = 0;
    layout->whole = true;
    for (int i = 0; i < table->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(table, i);
        if (!published_has_attribute(column))
            continue;
        int16 at = tuples == table ? (int16)i : attribute_named(tuples, NameStr(column->attname));
        if (at >= 0) {
            layout->stored[at].column = n;
            layout->stored[at].kind = as->columns[n].type.kind;
        } else {
            layout->whole = false;
        }
        layout->attributes[n++] = at;
    }
}

layout *
layout_make(MemoryContext context, TupleDesc tuples, TupleDesc table, const walrow__table *as)
{
    Size size = offsetof(layout, stored) + sizeof(stored_attribute) * (Size)tuples->natts;
    layout *layout = MemoryContextAlloc(context, size + sizeof *layout->attributes * (Size)table->natts);
    layout->attributes = (int16 *)((char *)layout + size);
    describe_attributes(layout, tuples);
    map_columns(layout, tuples, table, as);
    return layout;
}
