"""A short campaign of crashes (campaign.py): nothing lost, nothing doubled. The long one is `make campaign`."""

import os
import subprocess
import sys

from conftest import ROOT
from postgres import clean_environment


def test_cycles_of_crashes_lose_and_double_nothing(tmp_path):
    """In a process of its own, for its mounts."""
    binary = os.environ.get("WALROW_CAMPAIGN_BIN") or os.path.join(ROOT, "build-campaign", "walrow")
    program = os.path.join(ROOT, "tests", "e2e", "campaign.py")
    command = [sys.executable, program, "--cycles", "20", "--seed", "7", "--verbose"]
    environment = clean_environment() | {"WALROW_CAMPAIGN_BIN": binary}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 cycles" in done.stdout
