"""The same in Python: basic.py CONNINFO TABLE SLOT [LSN|now]"""

import sys

import pyarrow

import walrow


def lsn_text(lsn):
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def print_changes(batch):
    for row in pyarrow.record_batch(batch).to_pylist():
        values = ["null" if value is None else value for name, value in row.items() if not name.startswith("_")]
        print(row["_op"], lsn_text(row["_commit_lsn"]), *values)


def main(source, table, slot, until=None):
    with walrow.auto_configure(source=source, tables=table, slot=slot, until=until) as readers:
        reader = readers[table]
        for batch in reader:
            print_changes(batch)
            reader.ack(batch)  # the server may forget them now


if __name__ == "__main__":
    main(*sys.argv[1:])
