"""The command is there and says what it is."""

import re


def test_version_prints_the_version(walrow):
    result = walrow("version", code=0)
    assert re.match(r"walrow \d+\.\d+\.\d+", result.out)
