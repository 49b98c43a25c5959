"""The same as reader.c in Python: every batch becomes pyarrow's.

usage: reader.py SCHEMA.TABLE N NAME=VALUE...
"""

import os
import sys
import time

import pyarrow

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))

from walrow import Stream  # noqa: E402


def main(table, wanted, *options):
    with Stream(**{name.replace("-", "_"): value for name, value in (option.split("=", 1) for option in options)}) as stream:
        came = 0
        reader = stream.reader(table)
        for batch in reader:
            if came == 0:
                first = time.monotonic()
            came += pyarrow.record_batch(batch).num_rows
            reader.ack()
            if came >= int(wanted):
                break
        print(came, time.monotonic() - first)


main(*sys.argv[1:])
