"""Seeds of random tables, changes and DDL: every source says the same, and what test_decoding says.

    make e2e ARGS='-k generator --seeds=17'        one seed alone
    make e2e ARGS='-k generator --seeds=16-19'     with its neighbours, whose transactions are interleaved with its own
    make e2e ARGS='-k generator --seeds=0-199'     more than make test runs
    tests/e2e/generator.py 17                      its SQL
"""

import re

import pytest

from agreement import Captured, catalog_of, disagreements
from conftest import SEEDS, new_walrow
from edges import create_types
from equality import PULLED, SOURCES, Watch, differences
from generator import NEIGHBOURS, Seed, prepare, run
from oracle import Oracle

SPILL = "ALTER DATABASE {} SET logical_decoding_work_mem = '64kB'"  # what is decoded goes to disk and comes back
GROUPS = {
    "listed": ("g*.*", ("--insert-only", "g*.only*"), False),
    # tables that come and go are in it, too; transactions go out in parts
    "wide": ("*.*", ("--publish", "wide"), True),
}


def seeds_of(request, group):
    first, _, last = request.config.getoption("--seeds").partition("-")
    seeds = range(int(first), int(last or first) + 1)
    return [Seed(seed, group == "wide") for seed in seeds if (seed // NEIGHBOURS % 4 == 3) == (group == "wide")]


@pytest.fixture(scope="module", params=GROUPS)
def generated(request, arrow_server, tmp_path_factory):
    """What comes of a group's seeds: (deliveries, test_decoding's transactions, which of them are captured)."""
    tables, options, wide = GROUPS[request.param]
    seeds = seeds_of(request, request.param)
    if not seeds:
        pytest.skip("none of the seeds is in this group")
    db = arrow_server.create_database(f"equal_{request.param}")
    db.sql(SPILL.format(db.name))
    create_types(db)
    prepare(db, seeds)
    with new_walrow(tmp_path_factory.mktemp(request.param)) as walrow:
        watch, oracle = Watch(db, walrow, walrow.folder, tables, SOURCES + PULLED, options), Oracle(db)
        watch.setup()
        run(db, seeds)
        watch.stream(*(("--batch-rows", "20") if wide else ()))
        captured = Captured(lambda name: "I" if ".only" in name else "IUDT", **catalog_of(db))
        yield watch.read(), oracle.read(roots=False), captured
    db.drop()


def by_seed(found):
    """What was found, with what to do to see it again."""
    for what in found:
        seed = re.search(r"\bg(\d{4})\b", what)
        if seed is None:
            yield what
            continue
        first = int(seed.group(1)) // NEIGHBOURS * NEIGHBOURS
        yield f"seed {int(seed.group(1))} (-k generator --seeds={first}-{first + NEIGHBOURS - 1}): {what}"


def test_seeds_are_the_same_from_all_sources(generated):
    (first, *others), _, _ = generated
    found = [flaw for one in (first, *others) for flaw in one.flaws()]
    found += [what for other in others for what in differences(first, other)]
    assert list(by_seed(found)) == []


def test_seeds_are_what_test_decoding_says(generated):
    deliveries, transactions, captured = generated
    assert [what for one in deliveries for what in by_seed(disagreements(one, transactions, captured))] == []


def test_seeds_are_worth_it(generated, request):
    (first, *_), transactions, _ = generated
    if request.config.getoption("--seeds") != SEEDS:
        pytest.skip("of the usual seeds together only")
    rows = sum(table.num_rows for table in first.tables.values())
    ops = {op for table in first.tables.values() for op in table.column(0).to_pylist()}
    unchanged = sum(len(table) - table.column(5).null_count for table in first.tables.values())
    assert rows > 1500 and len(transactions) > 50 and ops == set("IUDT") and unchanged > 10
    assert len(first.dead_letters) > 80 and len(first.tables) > 40
