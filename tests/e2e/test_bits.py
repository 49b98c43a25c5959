"""The comparison of bits sees what == does not, and what is not canonical."""

import struct
from decimal import Decimal

import pyarrow as pa
import pytest

import bits
from equality import differences

NAN, OTHER_NAN = (pa.py_buffer(b"\x00" * 8 + bytes([last, 0, 0, 0, 0, 0, 0xF8, 0x7F])) for last in (0, 1))
FIRST_NULL, NONE_NULL = pa.py_buffer(b"\x02"), pa.py_buffer(b"\x03")


def doubles(values, validity=None):
    return pa.Array.from_buffers(pa.float64(), 2, [validity, values])


def pack(code, *values):
    return pa.py_buffer(struct.pack(f"<{len(values)}{code}", *values))


def texts(validity, offsets, data):
    return pa.Array.from_buffers(pa.utf8(), 2, [validity, pack("i", *offsets), pa.py_buffer(data)])


PAIRS = {
    "a value": (pa.array([1, 2]), pa.array([1, 3])),
    "a null": (pa.array([0, 1]), pa.array([None, 1])),
    "the NaN": (doubles(NAN), doubles(OTHER_NAN)),
    "the sign of zero": (pa.array([0.0]), pa.array([-0.0])),
    "what is under a null": (doubles(pack("d", 0, 1), FIRST_NULL), doubles(pack("d", 5, 1), FIRST_NULL)),
    "text under a null": (texts(FIRST_NULL, (0, 0, 1), b"b"), texts(FIRST_NULL, (0, 1, 2), b"ab")),
    "a needless validity buffer": (doubles(pack("d", 0, 1)), doubles(pack("d", 0, 1), NONE_NULL)),
    "null and empty": (pa.array(["", None]), pa.array([None, ""])),
    "where a text ends": (pa.array(["ab", "c"]), pa.array(["a", "bc"])),
    "a bool": (pa.array([True, False]), pa.array([True, True])),
    "an element": (pa.array([["a", None], []]), pa.array([["a", ""], []])),
    "where a list ends": (pa.array([[1, 2], [3]]), pa.array([[1], [2, 3]])),
    "null and an empty list": (pa.array([[], None], pa.list_(pa.int32())), pa.array([None, []], pa.list_(pa.int32()))),
    "a field": (pa.array([{"a": 1, "b": "y"}]), pa.array([{"a": 1, "b": "x"}])),
    "a map's value": (pa.array([[("k", "v")]], pa.map_(pa.utf8(), pa.utf8())), pa.array([[("k", None)]], pa.map_(pa.utf8(), pa.utf8()))),
    "an interval": (pa.array([(1, 0, 0)], pa.month_day_nano_interval()), pa.array([(0, 30, 0)], pa.month_day_nano_interval())),
    "a uuid": (pa.array([b"0" * 16], pa.uuid()), pa.array([b"0" * 15 + b"1"], pa.uuid())),
    "a decimal": (pa.array([Decimal(1)], pa.decimal256(40, 2)), pa.array([Decimal(-1)], pa.decimal256(40, 2))),
}


@pytest.mark.parametrize("name", PAIRS)
def test_bits_differ_in(name):
    left, right = PAIRS[name]
    assert bits.parts(left) != bits.parts(right)
    assert bits.parts(left) == bits.parts(pa.concat_arrays([left.slice(0, 1), left.slice(1)]))


FLAWS = {
    "a needless validity buffer": (doubles(pack("d", 0, 1), NONE_NULL), "validity buffer where nothing is null"),
    "a number under a null": (doubles(pack("d", 5, 1), FIRST_NULL), "[0]: something under a null"),
    "a text under a null": (texts(FIRST_NULL, (0, 1, 2), b"ab"), "[0]: something under a null"),
    "a field under a null": (
        pa.StructArray.from_arrays([pa.array([1, 2])], ["a"], mask=pa.array([True, False])), "[0]: something under a null",
    ),
    "another NaN": (doubles(OTHER_NAN), "[1]: another NaN"),
    "bits past the end": (pa.Array.from_buffers(pa.bool_(), 1, [None, pa.py_buffer(b"\x03")]), "bits past the end"),
    "offsets from elsewhere": (texts(None, (1, 2, 3), b"xab"), "offsets do not rise from 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAWS)
def test_what_is_not_canonical_is_found(name):
    array, what = FLAWS[name]
    (flaw,) = bits.flaws(array)
    assert what in flaw


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_canonical_is_left_alone(name):
    assert bits.flaws(PAIRS[name][0]) == []


def test_a_needless_validity_buffer_is_found_in_a_file(tmp_path):
    pairs = pa.StructArray.from_arrays([pa.array([1, None])], ["a"], mask=pa.array([False, True]))
    batch = pa.record_batch([pa.array([[1.5, None], None]), pairs], ["l", "s"])
    path = tmp_path / "file.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    assert bits.needless_validity(str(path)) == []  # pyarrow writes none
    data, nodes = path.read_bytes(), struct.pack("<qqqqqqqq", 2, 1, 2, 1, 2, 1, 2, 1)
    assert data.count(nodes) == 1
    for i, place in enumerate((".l", ".l.item", ".s", ".s.a")):
        counts = [0 if at == i else 1 for at in range(4)]
        path.write_bytes(data.replace(nodes, struct.pack("<qqqqqqqq", *(n for count in counts for n in (2, count)))))
        assert bits.needless_validity(str(path)) == [f"batch 0: {place}: 1 bytes of validity where nothing is null"]


# ---- what a difference says ---------------------------------------------------------------------------------


class Delivery:
    def __init__(self, name, value="v", seq=0, table="public.t", dead_letters=(), events=()):
        self.name, self.dead_letters, self.events = name, list(dead_letters), list(events)
        columns = {"_op": ["I"], "_commit_lsn": [0x1_0000_0010], "_seq": [seq], "v": [value]}
        self.tables = {(table, "16385", "00ff"): pa.table(columns)}


DIFFERENCES = [
    ({}, []),
    ({"value": "w"}, ["public.t (relid 16385) epoch 00ff, column v, row 0 at 1/10, 0: a 'v' [values 76], b 'w' [values 77]"]),
    ({"value": 5}, ["public.t (relid 16385) epoch 00ff, schema\na:"]),
    ({"seq": 1}, ["public.t (relid 16385) epoch 00ff, 1 of 1 rows are only in a, the first at 1/10, 0"]),
    ({"table": "public.u"}, ["public.t (relid 16385) epoch 00ff is only in a", "public.u (relid 16385) epoch 00ff is only in b"]),
    ({"dead_letters": [b"{}"]}, ["1 dead letters more in b, the first {}"]),
    ({"events": [b"{}"]}, ["1 events more in b, the first {}"]),
]


@pytest.mark.parametrize("other, want", DIFFERENCES, ids=lambda value: str(value)[:30])
def test_a_difference_says_where(other, want):
    found = differences(Delivery("a"), Delivery("b", **other))
    assert len(found) == len(want)
    assert all(one.startswith(start) for one, start in zip(found, want)), found
