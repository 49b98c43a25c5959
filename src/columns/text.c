/*
 * columns/text.c
 *	  Values as the types' output functions print them under walrow's session settings (DateStyle ISO,
 *	  IntervalStyle postgres, TimeZone UTC, extra_float_digits 3, bytea_output hex).
 */
#include "columns/append.h"
#include "columns/datetime.h"
#include "columns/float.h"
#include "columns/numeric.h"

enum { MAX_DEPTH = 32 /* of arrays and composites in each other */ };

static walrow__appended append_value(walrow__column *column, const uint8_t *bytes, size_t size, int depth,
                                     const char **reason);

/* ---- scalars ---- */

/* The whole text as an integer from -limit-1 (or 0, of an unsigned) to limit. */
static bool
parse_integer(const uint8_t *bytes, size_t size, uint64_t limit, bool is_signed, int64_t *out)
{
    size_t i = 0;
    bool negative = is_signed && size > 0 && bytes[0] == '-';
    uint64_t value = 0;
    if (negative) {
        i++;
        limit++;
    }
    if (i == size || size > 20)
        return false;
    for (; i < size; i++) {
        unsigned digit = (unsigned)bytes[i] - '0';
        if (digit > 9 || value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

static walrow__appended
append_integer(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    static const struct {
        uint64_t limit;
        int64_t width;
        bool is_signed;
    } integers[] = {
        [WALROW__INT16] = {INT16_MAX, 2, true},
        [WALROW__INT32] = {INT32_MAX, 4, true},
        [WALROW__INT64] = {INT64_MAX, 8, true},
        [WALROW__UINT32] = {UINT32_MAX, 4, false},
    };
    walrow__kind kind = column->type->kind;
    int64_t value;
    if (!parse_integer(bytes, size, integers[kind].limit, integers[kind].is_signed, &value))
        return walrow__malformed(reason, "not an integer of the type's range");
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the low bytes of an integer are its first"
#endif
    return walrow__append_fixed(column, &value, integers[kind].width);
}

static walrow__appended
append_boolean(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 1 || (bytes[0] != 't' && bytes[0] != 'f'))
        return walrow__malformed(reason, "not t or f");
    return walrow__append_bool(column, bytes[0] == 't');
}

static walrow__appended
append_float32(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    float value;
    if (!walrow__parse_float(bytes, size, &value))
        return walrow__malformed(reason, "not a float4");
    return walrow__append_float(column, value);
}

static walrow__appended
append_float64(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    double value;
    if (!walrow__parse_double(bytes, size, &value))
        return walrow__malformed(reason, "not a float8");
    return walrow__append_double(column, value);
}

static walrow__appended
append_date(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    int32_t days;
    walrow__appended outcome = walrow__parse_date(bytes, size, &days, reason);
    return outcome != WALROW__APPENDED ? outcome : walrow__append_fixed(column, &days, sizeof days);
}

/* time, timestamp and timestamptz: microseconds */
static walrow__appended
append_moment(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    walrow__kind kind = column->type->kind;
    int64_t us;
    walrow__appended outcome =
        kind == WALROW__TIME64
            ? walrow__parse_time(bytes, size, &us, reason)
            : walrow__parse_timestamp(bytes, size, kind == WALROW__TIMESTAMPTZ, &us, reason);
    return outcome != WALROW__APPENDED ? outcome : walrow__append_fixed(column, &us, sizeof us);
}

static walrow__appended
append_interval(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    walrow__month_day_nano interval;
    walrow__appended outcome = walrow__parse_interval(bytes, size, &interval, reason);
    return outcome != WALROW__APPENDED ? outcome : walrow__append_fixed(column, &interval, sizeof interval);
}

/* 0 to 15, or something above */
static unsigned
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

static bool
read_hex(const uint8_t *digits, size_t n_bytes, uint8_t *out)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);
        bad |= high | low;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return bad < 16;
}

/* byteaout: \x and two digits a byte. The slot is taken first and then filled, so that nothing is copied
 * twice. */
static walrow__appended
append_bytea(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size < 2 || size % 2 != 0 || memcmp(bytes, "\\x", 2) != 0)
        return walrow__malformed(reason, "not a bytea in hex");
    size_t n = (size - 2) / 2;
    int64_t length = column->length;
    walrow__appended outcome = walrow__append_bytes(column, bytes, n);
    if (outcome != WALROW__APPENDED || n == 0)
        return outcome;
    if (!read_hex(bytes + 2, n, column->data.data + column->data.size_bytes - n)) {
        walrow__column_truncate(column, length);
        return walrow__malformed(reason, "not a bytea in hex");
    }
    return WALROW__APPENDED;
}

static walrow__appended
append_uuid(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    static const struct {
        uint8_t from, at, n;
    } groups[] = {{0, 0, 4}, {9, 4, 2}, {14, 6, 2}, {19, 8, 2}, {24, 10, 6}};
    uint8_t uuid[16];
    bool good = size == 36;
    for (int i = 0; good && i < 5; i++)
        good = read_hex(bytes + groups[i].from, groups[i].n, uuid + groups[i].at) &&
               (i == 0 || bytes[groups[i].from - 1] == '-');
    return good ? walrow__append_fixed(column, uuid, sizeof uuid) : walrow__malformed(reason, "not a uuid");
}

/* ---- quoted pieces of nested values ---- */

typedef struct piece {
    const uint8_t *bytes;
    size_t size;
} piece;

/*
 * What stands between the quotes at *at, past which *at moves. \ takes the next character as it is and, in a
 * record, "" is a quote. Without any of them the piece is the text itself, else it lies in scratch.
 */
static bool
read_quoted(const uint8_t **at, const uint8_t *end, bool doubled, walrow__strbuf *scratch, piece *out)
{
    const uint8_t *p = *at + 1, *run = p;
    bool copied = false;
    walrow__strbuf_clear(scratch);
    for (;; p++) {
        if (p == end)
            return false;
        bool escape = *p == '\\', quote = *p == '"';
        if (!escape && !quote)
            continue;
        if (quote && !(doubled && p + 1 < end && p[1] == '"'))
            break;
        walrow__strbuf_add(scratch, run, (size_t)(p - run));
        copied = true;
        run = ++p; /* what is escaped begins the next run */
        if (p == end)
            return false;
    }
    *at = p + 1;
    *out = (piece){run, (size_t)(p - run)};
    if (copied) {
        walrow__strbuf_add(scratch, run, (size_t)(p - run));
        *out = (piece){(const uint8_t *)walrow__strbuf_text(scratch), scratch->size};
    }
    return true;
}

static bool
equals(piece piece, const char *text)
{
    return piece.size == strlen(text) && memcmp(piece.bytes, text, piece.size) == 0;
}

/* Append what was between quotes, from the child's own scratch; its children have theirs. */
static walrow__appended
append_piece(walrow__column *child, piece piece, int depth, const char **reason)
{
    if (child->scratch.failed)
        return WALROW__NO_MEMORY;
    return append_value(child, piece.bytes, piece.size, depth + 1, reason);
}

/* ---- arrays ---- */

/* "[0:2]={...}": array_out says the bounds if one is not 1. */
static walrow__appended
refuse_bounds(const uint8_t *bytes, size_t size, const char **reason)
{
    const uint8_t *close = memchr(bytes, ']', size);
    if (close == NULL || bytes[size - 1] != '}')
        return walrow__malformed(reason, "not an array");
    if (close[1] == '[')
        return walrow__unrepresentable(reason, "an array of several dimensions");
    return walrow__unrepresentable(reason, "an array that does not begin at 1");
}

/* An element from *at, up to the delimiter or the end. */
static walrow__appended
append_element(walrow__column *column, const uint8_t **at, const uint8_t *end, int depth, const char **reason)
{
    walrow__column *child = &column->children[0];
    piece piece;
    if (*at < end && **at == '{')
        return walrow__unrepresentable(reason, "an array of several dimensions");
    if (*at < end && **at == '"') {
        if (!read_quoted(at, end, false, &child->scratch, &piece))
            return walrow__malformed(reason, "an array with a quote left open");
        return append_piece(child, piece, depth, reason);
    }
    piece.bytes = *at;
    while (*at < end && **at != (uint8_t)column->type->delimiter && **at != '{' && **at != '}' &&
           **at != '"' && **at != '\\')
        ++*at;
    piece.size = (size_t)(*at - piece.bytes);
    if (piece.size == 0)
        return walrow__malformed(reason, "an array with nothing for an element");
    if (equals(piece, "NULL")) {
        walrow__column_append_nulls(child, 1);
        return WALROW__APPENDED;
    }
    return append_value(child, piece.bytes, piece.size, depth + 1, reason);
}

static walrow__appended
append_array(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    if (size > 0 && bytes[0] == '[')
        return refuse_bounds(bytes, size, reason);
    if (size < 2 || bytes[0] != '{' || bytes[size - 1] != '}')
        return walrow__malformed(reason, "not an array");
    const uint8_t *at = bytes + 1, *end = bytes + size - 1;
    for (bool more = at < end; more;) {
        walrow__appended outcome = append_element(column, &at, end, depth, reason);
        if (outcome != WALROW__APPENDED)
            return outcome;
        more = at < end;
        if (more && *at++ != (uint8_t)column->type->delimiter)
            return walrow__malformed(reason, "an array without a delimiter between elements");
    }
    return walrow__column_append_nested(column);
}

/* ---- composites ---- */

static const char altered[] = "a composite value from before or after its type was altered";

/* A field from *at, up to the comma or the end; an empty one is null. */
static walrow__appended
append_field(walrow__column *child, const uint8_t **at, const uint8_t *end, int depth, const char **reason)
{
    piece piece;
    if (*at < end && **at == '"') {
        if (!read_quoted(at, end, true, &child->scratch, &piece))
            return walrow__malformed(reason, "a composite with a quote left open");
        return append_piece(child, piece, depth, reason);
    }
    piece.bytes = *at;
    while (*at < end && **at != ',' && **at != '(' && **at != ')' && **at != '"' && **at != '\\')
        ++*at;
    piece.size = (size_t)(*at - piece.bytes);
    if (piece.size == 0) {
        walrow__column_append_nulls(child, 1);
        return WALROW__APPENDED;
    }
    return append_value(child, piece.bytes, piece.size, depth + 1, reason);
}

/*
 * How many fields there are, or -1: not a composite. Asked first, because one dropped attribute makes fields
 * meet types that are not theirs.
 */
static int64_t
count_fields(const uint8_t *at, const uint8_t *end)
{
    int64_t n = 1;
    bool quoted = false;
    for (; at < end; at++) {
        if (*at == '\\')
            at += at + 1 < end; /* what is escaped is neither quote nor comma */
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == ',' && !quoted)
            n++;
    }
    return quoted ? -1 : n;
}

static walrow__appended
append_record(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    if (size < 2 || bytes[0] != '(' || bytes[size - 1] != ')')
        return walrow__malformed(reason, "not a composite value");
    const uint8_t *at = bytes + 1, *end = bytes + size - 1;
    int64_t n = at == end && column->n_children == 0 ? 0 : count_fields(at, end);
    if (n < 0)
        return walrow__malformed(reason, "a composite with a quote left open");
    if (n != column->n_children)
        return walrow__unrepresentable(reason, altered);
    walrow__column_begin_nested(column);
    for (int i = 0; i < column->n_children; i++) {
        if (i > 0 && *at++ != ',')
            return walrow__malformed(reason, "a composite without a comma between fields");
        walrow__appended outcome = append_field(&column->children[i], &at, end, depth, reason);
        if (outcome == WALROW__MALFORMED)
            return walrow__unrepresentable(reason, altered); /* as many attributes, but others */
        if (outcome != WALROW__APPENDED)
            return outcome;
    }
    if (at != end)
        return walrow__malformed(reason, "text after a composite's last field");
    return walrow__column_append_nested(column);
}

/* ---- hstore ---- */

static bool
skip(const uint8_t **at, const uint8_t *end, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(end - *at) < size || memcmp(*at, text, size) != 0)
        return false;
    *at += size;
    return true;
}

static walrow__appended
append_quoted(walrow__column *child, const uint8_t **at, const uint8_t *end, int depth, const char **reason)
{
    piece piece;
    if (*at == end || **at != '"' || !read_quoted(at, end, false, &child->scratch, &piece))
        return walrow__malformed(reason, "not an hstore");
    return append_piece(child, piece, depth, reason);
}

static walrow__appended
append_hstore(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    const uint8_t *at = bytes, *end = size == 0 ? bytes : bytes + size;
    while (at < end) {
        if (at > bytes && !skip(&at, end, ", "))
            return walrow__malformed(reason, "an hstore without a comma between pairs");
        walrow__appended outcome = append_quoted(&column->children[0], &at, end, depth, reason);
        if (outcome != WALROW__APPENDED)
            return outcome;
        if (!skip(&at, end, "=>"))
            return walrow__malformed(reason, "an hstore key without =>");
        if (skip(&at, end, "NULL"))
            walrow__column_append_nulls(&column->children[1], 1);
        else if ((outcome = append_quoted(&column->children[1], &at, end, depth, reason)) != WALROW__APPENDED)
            return outcome;
    }
    return walrow__column_append_nested(column);
}

/* ---- any ---- */

static walrow__appended
append_nested(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    if (depth > MAX_DEPTH)
        return walrow__unrepresentable(reason, "a value nested too deep");
    int64_t length = column->length;
    walrow__appended outcome;
    switch (column->type->kind) {
    case WALROW__LIST:
        outcome = append_array(column, bytes, size, depth, reason);
        break;
    case WALROW__STRUCT:
        outcome = append_record(column, bytes, size, depth, reason);
        break;
    default:
        outcome = append_hstore(column, bytes, size, depth, reason);
        break;
    }
    if (outcome != WALROW__APPENDED)
        walrow__column_truncate(column, length);
    return outcome;
}

static walrow__appended
append_value(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    switch (column->type->kind) {
    case WALROW__INT16:
    case WALROW__INT32:
    case WALROW__INT64:
    case WALROW__UINT32:
        return append_integer(column, bytes, size, reason);
    case WALROW__UTF8:
    case WALROW__JSON:
        return walrow__append_text(column, bytes, size, reason);
    case WALROW__DECIMAL128:
    case WALROW__DECIMAL256:
        return walrow__decimal_append_text(column, bytes, size, reason);
    case WALROW__BOOL:
        return append_boolean(column, bytes, size, reason);
    case WALROW__FLOAT32:
        return append_float32(column, bytes, size, reason);
    case WALROW__FLOAT64:
        return append_float64(column, bytes, size, reason);
    case WALROW__BINARY:
        return append_bytea(column, bytes, size, reason);
    case WALROW__DATE32:
        return append_date(column, bytes, size, reason);
    case WALROW__TIME64:
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        return append_moment(column, bytes, size, reason);
    case WALROW__INTERVAL:
        return append_interval(column, bytes, size, reason);
    case WALROW__UUID:
        return append_uuid(column, bytes, size, reason);
    case WALROW__LIST:
    case WALROW__STRUCT:
    case WALROW__MAP:
        return append_nested(column, bytes, size, depth, reason);
    }
    return walrow__malformed(reason, "a type nobody knows");
}

walrow__appended
walrow__column_append_text(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    return append_value(column, bytes, size, 0, reason);
}
