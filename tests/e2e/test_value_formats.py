"""walrow makes the same of a value's text and of its binary form, and prints the latter as the server does."""

import os
import subprocess
import sys

import pytest
from postgres import clean_environment

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RECORD = os.path.join(ROOT, "tests", "data", "record_values.py")
CHECK = os.path.join(ROOT, "build-asan", "tests", "unit", "test_values")
N_RANDOM = os.environ.get("N_RANDOM_VALUES", "400")


@pytest.mark.skipif(not os.path.exists(CHECK), reason="make build-asan builds what this needs")
def test_new_random_values_of_every_type(db, tmp_path):
    """The unit test of the recorded values, on values of this server and this run (left in tmp_path)."""
    subprocess.run([sys.executable, RECORD, db.dsn(), str(tmp_path), N_RANDOM], check=True, capture_output=True)
    done = subprocess.run(
        [CHECK], env=clean_environment(WALROW_TEST_DATA=tmp_path), capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stdout + done.stderr[:5000]
    assert "[  PASSED  ]" in done.stdout + done.stderr
