"""The buffers of Arrow arrays: exactly the bytes that mean something, none of the padding.

    parts(array)                [(path, part, bytes)], depth first; two arrays are the same bits when these are equal
    cell(array, i)              the same of one slot, whatever is in it, null or not
    flaws(array)                what is not canonical: something under a null, another NaN, a needless validity buffer
    needless_validity(path)     the same of buffers that pyarrow does not even look at, from an IPC file's headers
"""

import struct

import pyarrow as pa

CANONICAL_NAN = {2: b"\x00\x7e", 4: b"\x00\x00\xc0\x7f", 8: b"\x00\x00\x00\x00\x00\x00\xf8\x7f"}


class Node:
    """One array of a tree, without offset: its length, its buffers cut to their meaning, its children."""

    def __init__(self, kind, length, buffers, path):
        while isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        self.kind, self.length, self.path = kind, length, path
        self.validity = self._bits(next(buffers))
        self.values = self.offsets = None
        self.children = []
        if pa.types.is_struct(kind):
            self.children = [self._child(field, length, buffers) for field in kind]
        elif pa.types.is_list(kind) or pa.types.is_map(kind):
            self.offsets = self._offsets(next(buffers))
            field = kind.value_field if pa.types.is_list(kind) else pa.field("entries", entries_of(kind), False)
            self.children = [self._child(field, self.offsets[-1], buffers)]
        elif pa.types.is_string(kind) or pa.types.is_binary(kind):
            self.offsets = self._offsets(next(buffers))
            self.values = cut(next(buffers), self.offsets[-1])
        elif pa.types.is_boolean(kind):
            self.values = self._bits(next(buffers)) or b""
        else:
            self.values = cut(next(buffers), length * kind.bit_width // 8)

    def _child(self, field, length, buffers):
        return Node(field.type, length, buffers, f"{self.path}.{field.name}")

    def _bits(self, buffer):
        return None if buffer is None else cut(buffer, (self.length + 7) // 8)

    def _offsets(self, buffer):
        if self.length == 0:  # Arrow lets the one offset of no slots be missing
            return memoryview(bytes(4)).cast("i")
        return memoryview(cut(buffer, 4 * (self.length + 1))).cast("i")

    def is_valid(self, i):
        return self.validity is None or self.validity[i >> 3] >> (i & 7) & 1 == 1

    def parts(self, lone=False):
        """lone: of a slice, whose validity buffer may be there for the sake of other slots"""
        yield self.path, "length", str(self.length).encode()
        for part in ("validity", "offsets", "values"):
            value = getattr(self, part)
            if value is not None and not (lone and part == "validity" and all(map(self.is_valid, range(self.length)))):
                yield self.path, part, bytes(value)
        for child in self.children:
            yield from child.parts(lone)

    # -- what is canonical --

    def flaws(self):
        if self.validity is not None:
            yield from self._flaws_of_bits("validity", self.validity)
            nulls = [i for i in range(self.length) if not self.is_valid(i)]
            if not nulls:
                yield f"{self.path}: a validity buffer where nothing is null"
            for i in nulls:
                if not self._is_empty(i):
                    yield f"{self.path}[{i}]: something under a null"
        if pa.types.is_boolean(self.kind):
            yield from self._flaws_of_bits("values", self.values)
        if pa.types.is_floating(self.kind):
            yield from self._flaws_of_nans()
        if self.offsets is not None and (self.offsets[0] != 0 or list(self.offsets) != sorted(self.offsets)):
            yield f"{self.path}: offsets do not rise from 0"
        for child in self.children:
            yield from child.flaws()

    def _flaws_of_bits(self, part, bits):
        if self.length % 8 and bits[-1] >> (self.length % 8):
            yield f"{self.path}: {part} has bits past the end"

    def _flaws_of_nans(self):
        width, values = self.kind.bit_width // 8, memoryview(self.values).cast("f" if self.kind.bit_width == 32 else "d")
        for i, value in enumerate(values):
            if value != value and self.values[i * width : (i + 1) * width] != CANONICAL_NAN[width]:
                yield f"{self.path}[{i}]: another NaN than the canonical one"

    def _is_empty(self, i):
        if self.offsets is not None:
            return self.offsets[i] == self.offsets[i + 1]
        if pa.types.is_struct(self.kind):
            return all(not child.is_valid(i) and child._is_empty(i) for child in self.children)
        if pa.types.is_boolean(self.kind):
            return self.values[i >> 3] >> (i & 7) & 1 == 0
        width = self.kind.bit_width // 8
        return not any(self.values[i * width : (i + 1) * width])


def entries_of(kind):
    return pa.struct([pa.field("key", kind.key_type, False), pa.field("value", kind.item_type)])


def cut(buffer, size):
    """Its first size bytes; a buffer of no bytes may be missing."""
    return b"" if buffer is None else buffer.slice(0, size).to_pybytes()


def node(array, path=""):
    assert array.offset == 0, f"{path}: an offset of {array.offset}"
    return Node(array.type, len(array), iter(array.buffers()), path)


def parts(array, path=""):
    return list(node(array, path).parts())


def flaws(array, path=""):
    return list(node(array, path).flaws())


def cell(array, i):
    return list(node(pa.concat_arrays([array.slice(i, 1), array.slice(0, 0)])).parts(lone=True))


# ---- headers of record batches ------------------------------------------------------------------------------


def needless_validity(path):
    """Places in an IPC file where a field without nulls has a validity buffer all the same."""
    found = []
    with pa.OSFile(path) as file:
        schema = pa.ipc.open_file(file).schema
        file.seek(8)  # behind the magic a file goes on as a stream does
        messages = pa.ipc.MessageReader.open_stream(file)
        headers = (read_header(message.metadata.to_pybytes()) for message in messages if message.type == "record batch")
        for i, (nodes, buffers) in enumerate(headers):
            nodes, buffers = iter(nodes), iter(buffers)
            found += [f"batch {i}: {place}" for field in schema for place in _needless(field, nodes, buffers, "")]
    return found


def _needless(field, nodes, buffers, path):
    path = f"{path}.{field.name}"
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    (_, null_count), (_, size) = next(nodes), next(buffers)
    if null_count == 0 and size != 0:
        yield f"{path}: {size} bytes of validity where nothing is null"
    is_nested = pa.types.is_struct(kind) or pa.types.is_list(kind) or pa.types.is_map(kind)
    for _ in range(0 if pa.types.is_struct(kind) else 2 if pa.types.is_string(kind) or pa.types.is_binary(kind) else 1):
        next(buffers)
    if is_nested:
        children = [pa.field("entries", entries_of(kind), False)] if pa.types.is_map(kind) else [kind.field(i) for i in range(kind.num_fields)]
        for child in children:
            yield from _needless(child, nodes, buffers, path)


def read_header(metadata):
    """(length, null count) of each node and (offset, size) of each buffer: Message.fbs and Schema.fbs, format/ of Arrow."""

    def field(table, slot):
        vtable = table - struct.unpack_from("<i", metadata, table)[0]
        return table + struct.unpack_from("<H", metadata, vtable + 4 + 2 * slot)[0]

    def follow(at):
        return at + struct.unpack_from("<I", metadata, at)[0]

    def pairs(at):
        (n,) = struct.unpack_from("<I", metadata, at)
        return list(struct.iter_unpack("<qq", metadata[at + 4 : at + 4 + 16 * n]))

    batch = follow(field(follow(0), 2))
    return pairs(follow(field(batch, 1))), pairs(follow(field(batch, 2)))
