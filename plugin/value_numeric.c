/*
 * value_numeric.c
 *	  numeric as it lies in a tuple. Its struct is known to PostgreSQL's src/backend/utils/adt/numeric.c alone,
 *	  but it is on disk, so that every version from 9.1 on has it: a 16-bit header, in the long form a weight, and
 *	  digits of base 10000, in the machine's byte order.
 */
#include "postgres.h"

#include "columns/append.h"
#include "columns/numeric.h"
#include "value.h"

/* The header's two highest bits say which form it is, and in the long form the sign. */
enum {
    FORM_MASK = 0xC000,
    SHORT_FORM = 0x8000,
    SPECIAL_FORM = 0xC000, /* NaN, and since 14 the infinities */
    SPECIAL_MASK = 0xF000,
    LONG_SCALE_MASK = 0x3FFF,
    SHORT_NEGATIVE = 0x2000,
    SHORT_SCALE_MASK = 0x1F80,
    SHORT_SCALE_SHIFT = 7,
    SHORT_WEIGHT_NEGATIVE = 0x0040,
    SHORT_WEIGHT_MASK = 0x003F
};

static inline void
read_short(uint16 header, walrow__numeric *out)
{
    out->sign = header & SHORT_NEGATIVE ? WALROW__NUMERIC_NEGATIVE : WALROW__NUMERIC_POSITIVE;
    out->scale = (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT;
    out->weight = header & SHORT_WEIGHT_MASK;
    if (header & SHORT_WEIGHT_NEGATIVE)
        out->weight |= ~SHORT_WEIGHT_MASK;
}

/* false: too short for its form */
static inline bool
read_numeric(const uint8_t *bytes, size_t size, walrow__numeric *out)
{
    uint16 header;
    int16 weight;
    size_t head = sizeof header;
    if (size < head)
        return false;
    memcpy(&header, bytes, sizeof header);
    switch (header & FORM_MASK) {
    case SHORT_FORM:
        read_short(header, out);
        break;
    case SPECIAL_FORM:
        *out = (walrow__numeric){.sign = header & SPECIAL_MASK};
        return true;
    default:
        head += sizeof weight;
        if (size < head)
            return false;
        memcpy(&weight, bytes + sizeof header, sizeof weight);
        out->sign = header & FORM_MASK;
        out->scale = header & LONG_SCALE_MASK;
        out->weight = weight;
        break;
    }
    out->groups = bytes + head;
    out->n_groups = (int)((size - head) / sizeof(int16));
    out->swapped = false;
    return true;
}

walrow__appended
value_append_decimal(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    struct varlena *varlena = value_detoast(value);
    walrow__numeric numeric;
    if (!read_numeric((const uint8_t *)VARDATA_ANY(varlena), VARSIZE_ANY_EXHDR(varlena), &numeric))
        return walrow__malformed(reason, "not a numeric");
    return walrow__decimal_append(column, &numeric, reason);
}
