"""What walrow's sinks have written, as pyarrow and Python see it."""

import decimal
import json
import os
import urllib.parse

import pyarrow as pa
import pyarrow.parquet


class Lake(dict):
    """{"schema.table": [File, ...]}, a table's files in the order of their names."""

    def rows(self, table):
        """The rows of all of a table's files."""
        return [row for file in self.get(table, []) for row in file.table.to_pylist()]

    def table(self, table):
        """All of a table as one pyarrow.Table (of one schema epoch)."""
        return pa.concat_tables([file.table for file in self[table]])

    def positions(self, table):
        return [(row["_commit_lsn"], row["_seq"]) for row in self.rows(table)]


class File:
    def __init__(self, path, table):
        self.path = path
        self.name = os.path.basename(path)
        self.table = table

    @property
    def metadata(self):
        """Schema metadata as text."""
        return {k.decode(): v.decode() for k, v in (self.table.schema.metadata or {}).items()}

    def field_metadata(self, column):
        return {k.decode(): v.decode() for k, v in (self.table.schema.field(column).metadata or {}).items()}

    def __repr__(self):
        return f"<{self.path}: {self.table.num_rows} rows>"


def final_files(folder, suffix):
    """Paths of the files that have their final names, by folder of the table and name."""
    found = []
    for parent, folders, names in os.walk(folder):
        # a table's folder may begin with _ only as a partition's does: _commit_date=...
        folders[:] = sorted(f for f in folders if f.startswith("_commit_date=") or not f.startswith(("_", ".")))
        found += [os.path.join(parent, name) for name in names if name.endswith(suffix) and name[0] not in "_."]
    return sorted(found, key=lambda path: (os.path.relpath(path, folder).split(os.sep)[0], os.path.basename(path)))


def table_of(folder, path):
    """"public.t" of DIR/public.t/FILE; a name too long for that is in the metadata."""
    encoded = os.path.relpath(path, folder).split(os.sep)[0]
    return ".".join(map(urllib.parse.unquote, encoded.split(".")))


def _read(folder, suffix, read):
    lake = Lake()
    for path in final_files(folder, suffix):
        file = File(path, read(path))
        metadata = file.metadata
        name = table_of(folder, path)
        if "walrow.schema" in metadata and "walrow.table" in metadata:
            name = f"{metadata['walrow.schema']}.{metadata['walrow.table']}"
        lake.setdefault(name, []).append(file)
    return lake


def read_ipc(folder):
    """Every final .arrow file under an ipc: sink's folder."""

    def read(path):
        with pa.OSFile(path) as source, pa.ipc.open_file(source) as file:
            return file.read_all()

    return _read(folder, ".arrow", read)


def read_parquet(folder):
    """Every final .parquet file under a parquet: sink's folder; partitions in path names add no column."""
    return _read(folder, ".parquet", lambda path: pyarrow.parquet.ParquetFile(path).read())


def read_jsonl(source, exact=False):
    """The events of a file, or of text that a command printed. exact: numbers with a point as Decimal, all digits.

    A line that is still being written does not count.
    """
    if isinstance(source, str) and "\n" in source or source == "":
        text = source
    else:
        with open(source, encoding="utf-8") as file:
            text = file.read()
    lines = text.split("\n")[:-1]
    return [json.loads(line, parse_float=decimal.Decimal if exact else float) for line in lines if line]
