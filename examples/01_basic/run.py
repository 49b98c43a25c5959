"""One table, streamed by a program in C and by one in Python: both have to print the same."""

import os
import sys

import throwaway

TABLE = "CREATE TABLE fruit (id int PRIMARY KEY, name text); INSERT INTO fruit VALUES (1, 'apple'), (2, 'quince')"
CHANGES = """
    INSERT INTO fruit VALUES (3, NULL);
    UPDATE fruit SET name = 'medlar' WHERE id = 2;
    DELETE FROM fruit WHERE id = 1;
"""


def both(programs, db, title):
    """What each prints that it has not printed before. Each has a slot of its own: that is a reader's place in the WAL."""
    lines = {}
    for name, (program, *words) in programs.items():
        lines[name] = program(*words, db.dsn(), "public.fruit", f"in_{name}", "now", code=0).out.splitlines()
        print(f"{title}, in {name}:", *lines[name], sep="\n  ")
    return lines["c"], lines["python"]


def without_lsn(lines):
    return [(line.split()[0], *line.split()[2:]) for line in lines]


def main():
    programs = {
        "c": (throwaway.command(os.path.join(throwaway.OUT, "basic")),),
        "python": (throwaway.command(sys.executable), os.path.join(throwaway.HERE, "basic.py")),
    }
    with throwaway.database(TABLE) as db:
        in_c, in_python = both(programs, db, "the rows that are there")
        # their LSNs are those of the two slots' beginnings
        assert without_lsn(in_c) == without_lsn(in_python) == [("R", "1", "apple"), ("R", "2", "quince")]
        db.sql(CHANGES)
        in_c, in_python = both(programs, db, "what has changed")
        assert in_c == in_python
        assert without_lsn(in_c) == [("I", "3", "null"), ("U", "2", "medlar"), ("D", "1", "null")]
    print("C and Python agree")


if __name__ == "__main__":
    throwaway.run(main)
