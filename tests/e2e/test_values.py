"""The comparison of PostgreSQL's text with Arrow values is exact, edges included."""

import datetime
import decimal
import uuid

import pyarrow as pa
import pytest

from values import CANNOT_HOLD, plain, plain_column

MONTHS = pa.month_day_nano_interval()
STAMP = pa.timestamp("us")
STAMPTZ = pa.timestamp("us", "UTC")
PAIR = pa.struct([("a", pa.int32()), ("b", pa.utf8())])


@pytest.mark.parametrize(
    "cast, text, kind, expected",
    [
        ("bool", "t", pa.bool_(), True),
        ("int8", "-9223372036854775808", pa.int64(), -(2**63)),
        ("float4", "0.1", pa.float32(), 0.10000000149011612),
        ("float8", "NaN", pa.float64(), "NaN"),
        ("numeric", "1.50", pa.decimal128(5, 2), decimal.Decimal("1.50")),
        ("numeric", "NaN", pa.decimal128(5, 2), CANNOT_HOLD),
        ("bytea", "\\x00ff", pa.binary(), b"\x00\xff"),
        ("date", "1970-01-02", pa.date32(), 1),
        ("date", "0044-03-15 BC", pa.date32(), -735160),
        ("date", "5874897-12-31", pa.date32(), 2145042905),
        ("date", "infinity", pa.date32(), 2**31 - 1),
        ("time", "23:59:59.5", pa.time64("us"), 86399500000),
        ("time", "24:00:00", pa.time64("us"), CANNOT_HOLD),
        ("timestamp", "1969-12-31 23:59:59.999999", STAMP, -1),
        ("timestamp", "-infinity", STAMP, -(2**63)),
        ("timestamptz", "2026-01-01 00:00:00.5+00", STAMPTZ, 1767225600500000),
        ("timestamptz", "0001-01-01 00:00:00+00 BC", STAMPTZ, -62167219200000000),
        ("interval", "-1 years -2 mons +3 days -04:05:06.000007", MONTHS, (-14, 3, -14706000007000)),
        ("interval", "00:00:00", MONTHS, (0, 0, 0)),
        ("uuid", "00112233-4455-6677-8899-aabbccddeeff", pa.uuid(), uuid.UUID("00112233445566778899aabbccddeeff")),
        ("text[]", '{a,NULL,"NULL","x,\\"y\\\\z",""}', pa.list_(pa.utf8()), ["a", None, "NULL", 'x,"y\\z', ""]),
        ("int[]", "{{1,2},{3,4}}", pa.list_(pa.int32()), CANNOT_HOLD),
        ("int[]", "[0:1]={1,2}", pa.list_(pa.int32()), CANNOT_HOLD),
        ("int[]", "{}", pa.list_(pa.int32()), []),
        ("pair", '(1,"a ""b"", c")', PAIR, [("a", 1), ("b", 'a "b", c')]),
        ("pair", "(,)", PAIR, [("a", None), ("b", None)]),
        ("hstore", '"a"=>"1", "b\\"=>"=>NULL', pa.map_(pa.utf8(), pa.utf8()), [("a", "1"), ('b"=>', None)]),
    ],
)
def test_text_of_the_server_becomes_a_plain_value(server, cast, text, kind, expected):
    if cast not in ("pair", "hstore"):  # the text is what the server prints, not what this file imagines
        settings = "SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'"
        with server.connect() as connection:
            connection.execute(settings)
            assert connection.execute(f"SELECT (%s::{cast})::text", (text,)).fetchone()[0] in (text, "true")
    assert plain(text, kind) == expected


def test_arrow_columns_become_the_same_plain_values():
    day = datetime.date(1970, 1, 2)
    assert plain_column(pa.array([day, None])) == [1, None]
    assert plain_column(pa.array([-(2**63)], pa.int64()).view(STAMP)) == [-(2**63)]
    assert plain_column(pa.array([float("nan"), 1.5])) == ["NaN", 1.5]
    assert plain_column(pa.array([(1, 2, 3), None], MONTHS)) == [(1, 2, 3), None]
    assert plain_column(pa.array([[day], None, []], pa.list_(pa.date32()))) == [[1], None, []]
    assert plain_column(pa.array([{"a": 1, "b": None}, None], PAIR)) == [[("a", 1), ("b", None)], None]
    assert plain_column(pa.array([[("k", None)], None], pa.map_(pa.utf8(), pa.utf8()))) == [[("k", None)], None]
    assert plain_column(pa.array([uuid.UUID(int=5).bytes], pa.uuid())) == [uuid.UUID(int=5)]
