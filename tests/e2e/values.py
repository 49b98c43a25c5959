"""Comparing a value that PostgreSQL prints with the same value in an Arrow column.

    plain_column(array)       the column's values as plain Python: what to_pylist gives, but exact at the edges
    plain(text, arrow_type)   the same from PostgreSQL's text (TimeZone UTC, DateStyle ISO, IntervalStyle postgres)

Dates and times are counts since 1970 (so that infinities, years before 1 and after 9999 fit), intervals
(months, days, nanoseconds), decimals Decimal, structs and maps lists of pairs. What the column's type cannot hold
(DESIGN: a dead letter) is CANNOT_HOLD.
"""

import decimal
import math
import re
import uuid

import pyarrow as pa

CANNOT_HOLD = "<dead letter>"
_exact = decimal.Context(prec=2000, traps=[decimal.InvalidOperation])


# ---- from Arrow ---------------------------------------------------------------------------------------------


def plain_column(array):
    """A pyarrow array or chunked array as a list of plain values."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in plain_column(chunk)]
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = plain_column(array.storage)
        return [v if v is None else uuid.UUID(bytes=v) for v in storage] if is_uuid(kind) else storage
    if pa.types.is_date32(kind):
        return array.view(pa.int32()).to_pylist()
    if pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return array.view(pa.int64()).to_pylist()
    if pa.types.is_floating(kind):
        return [None if v is None else "NaN" if math.isnan(v) else v for v in array.to_pylist()]
    if kind == pa.month_day_nano_interval():
        return [v if v is None else (v.months, v.days, v.nanoseconds) for v in array.to_pylist()]
    if pa.types.is_map(kind):
        keys, items = plain_column(array.keys), plain_column(array.items)
        return _slices(array, list(zip(keys, items)))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _slices(array, plain_column(array.values))
    if pa.types.is_struct(kind):
        columns = [plain_column(array.field(i)) for i in range(kind.num_fields)]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        valid = array.is_valid().to_pylist()
        rows = zip(*columns) if columns else [()] * len(array)
        return [[*zip(names, row)] if ok else None for ok, row in zip(valid, rows)]
    if pa.types.is_decimal(kind):
        return _decimals(array)
    return array.to_pylist()


def _decimals(array):
    """By hand: pyarrow cannot read all that it writes of a negative scale."""
    width, data = array.type.bit_width // 8, array.buffers()[1]
    data = memoryview(b"" if data is None else data)[array.offset * width :]
    unscaled = (int.from_bytes(data[i * width : (i + 1) * width], "little", signed=True) for i in range(len(array)))
    return [
        decimal.Decimal(number).scaleb(-array.type.scale, _exact) if ok else None
        for ok, number in zip(array.is_valid().to_pylist(), unscaled)
    ]


def _slices(array, values):
    offsets, valid = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return [values[offsets[i] : offsets[i + 1]] if valid[i] else None for i in range(len(array))]


def is_uuid(kind):
    return getattr(kind, "extension_name", None) == "arrow.uuid"


# ---- from PostgreSQL's text ---------------------------------------------------------------------------------


def plain(text, kind):
    """What plain_column gives for a value that PostgreSQL prints as text; None is null."""
    if text is None:
        return None
    if is_uuid(kind):
        return uuid.UUID(text)
    if isinstance(kind, pa.BaseExtensionType):
        return plain(text, kind.storage_type)
    for is_kind, read in _READERS:
        if is_kind(kind):
            return read(text, kind)
    raise NotImplementedError(str(kind))


def _bool(text, _):
    return {"t": True, "true": True, "f": False, "false": False}[text]


def _float(text, kind):
    value = float(text)
    if math.isnan(value):
        return "NaN"
    # the shortest text of a float4 is not its value in double
    return pa.scalar(value, pa.float32()).as_py() if pa.types.is_float32(kind) else value


def _decimal(text, _):
    value = _exact.create_decimal(text)
    return value if value.is_finite() else CANNOT_HOLD


def _bytes(text, kind):
    assert text.startswith("\\x"), text
    return bytes.fromhex(text[2:])


def days_from_civil(year, month, day):
    """Days since 1970-01-01 in the proleptic Gregorian calendar, for any year (0 is 1 BC)."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


_DATE = r"(?P<year>\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?"


def _parts(pattern, text):
    found = re.fullmatch(pattern, text)
    if not found:
        raise ValueError(f"not of the form {pattern}: {text!r}")
    return found.groupdict()


def _days(part):
    year = int(part["year"])
    return days_from_civil(1 - year if part["bc"] else year, int(part["month"]), int(part["day"]))


def _microseconds(part):
    seconds = int(part["hour"]) * 3600 + int(part["minute"]) * 60 + int(part["second"])
    return seconds * 1_000_000 + int((part["fraction"] or "").ljust(6, "0"))


def _date(text, _):
    if text in ("infinity", "-infinity"):
        return 2**31 - 1 if text == "infinity" else -(2**31)
    return _days(_parts(_DATE + "(?P<bc> BC)?", text))


def _time(text, _):
    value = _microseconds(_parts(_TIME, text))
    return value if value < 86_400_000_000 else CANNOT_HOLD


def _timestamp(text, kind):
    if text in ("infinity", "-infinity"):
        return 2**63 - 1 if text == "infinity" else -(2**63)
    part = _parts(f"{_DATE} {_TIME}" + (r"\+00" if kind.tz else "") + "(?P<bc> BC)?", text)
    value = _days(part) * 86_400_000_000 + _microseconds(part)
    return value if -(2**63) < value < 2**63 - 1 else CANNOT_HOLD  # those two are the infinities


def _interval(text, _):
    if text in ("infinity", "-infinity"):
        return CANNOT_HOLD
    months = days = 0
    for number, unit in re.findall(r"([+-]?\d+) (year|mon|day)", text):
        if unit == "day":
            days += int(number)
        else:
            months += int(number) * (12 if unit == "year" else 1)
    nanoseconds = 0
    clock = re.search(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?$", text)
    if clock:
        sign, hours, minutes, seconds, fraction = clock.groups()
        whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
        nanoseconds = (whole * 1_000_000 + int((fraction or "").ljust(6, "0"))) * 1000 * (-1 if sign == "-" else 1)
    return (months, days, nanoseconds) if -(2**63) <= nanoseconds < 2**63 else CANNOT_HOLD


def parse_array(text, delimiter=","):
    """An array literal as (nested) lists of texts and None; None if it has other bounds than 1."""
    if text.startswith("["):
        return None
    at = 0

    def element():
        nonlocal at
        if text[at] == "{":
            return items()
        if text[at] == '"':
            value, at = _read_quoted(text, at)
            return value
        end = at
        while text[end] not in delimiter + "}":
            end += 2 if text[end] == "\\" else 1
        word, at = text[at:end], end
        return None if word.upper() == "NULL" else re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL)

    def items():
        nonlocal at
        at += 1
        found = []
        while text[at] != "}":
            found.append(element())
            if text[at] == delimiter:
                at += 1
        at += 1
        return found

    found = items()
    assert at == len(text), text
    return found


def _read_quoted(text, at):
    """A double-quoted word with backslashes (and, in composites, doubled quotes); it and the place behind it."""
    parts = []
    at += 1
    while True:
        char = text[at]
        if char == "\\":
            parts.append(text[at + 1])
            at += 2
        elif char == '"':
            if text[at + 1 : at + 2] != '"':
                return "".join(parts), at + 1
            parts.append('"')
            at += 2
        else:
            parts.append(char)
            at += 1


def _list(text, kind):
    elements = parse_array(text, ";" if (kind.value_field.metadata or {}).get(b"pg.type") == b"box" else ",")
    if elements is None or any(isinstance(element, list) for element in elements):
        return CANNOT_HOLD
    values = [plain(element, kind.value_type) for element in elements]
    return CANNOT_HOLD if CANNOT_HOLD in values else values


def parse_composite(text):
    """(a,"b c",) as a list of texts and None"""
    fields, at = [], 1
    if text == "()":
        return []
    while True:
        parts, quoted = [], False
        while text[at] not in ",)":
            if text[at] == '"':
                word, at = _read_quoted(text, at)
                parts.append(word)
                quoted = True
            elif text[at] == "\\":
                parts.append(text[at + 1])
                at += 2
            else:
                parts.append(text[at])
                at += 1
        fields.append("".join(parts) if parts or quoted else None)
        if text[at] == ")":
            return fields
        at += 1


def _struct(text, kind):
    fields = parse_composite(text) or [None] * kind.num_fields  # a null alone prints as nothing does
    values = [plain(value, kind.field(i).type) for i, value in enumerate(fields)]
    if CANNOT_HOLD in values:
        return CANNOT_HOLD
    return [(kind.field(i).name, value) for i, value in enumerate(values)]


def _map(text, _):
    """hstore: "a"=>"1", "b"=>NULL"""
    pairs, at = [], 0
    while at < len(text):
        key, at = _read_quoted(text, at)
        assert text.startswith("=>", at), text
        at += 2
        if text.startswith("NULL", at):
            value, at = None, at + 4
        else:
            value, at = _read_quoted(text, at)
        pairs.append((key, value))
        at += 2 if text.startswith(", ", at) else 0
    return pairs


_READERS = [
    (pa.types.is_boolean, _bool),
    (pa.types.is_integer, lambda text, kind: int(text)),
    (pa.types.is_floating, _float),
    (pa.types.is_decimal, _decimal),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), lambda text, kind: text),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind), _bytes),
    (pa.types.is_date32, _date),
    (pa.types.is_time, _time),
    (pa.types.is_timestamp, _timestamp),
    (lambda kind: kind == pa.month_day_nano_interval(), _interval),
    (pa.types.is_map, _map),
    (lambda kind: pa.types.is_list(kind) or pa.types.is_large_list(kind), _list),
    (pa.types.is_struct, _struct),
]
