"""Killed or refused at some of the points that `make faults` tries all of, a gallery loses nothing acknowledged."""

from __future__ import annotations

import os
import re
import subprocess
import sys


def test_some_of_the_faults() -> None:
    """A few kills and every fifteenth write refused, of additions and compactions, lose nothing, and that is said."""
    # Apart from this process, whose threads its children would not have.
    command = [sys.executable, "-W", "error", "-m", "faults", "add", "compaction", "--kills", "2", "--stride", "15"]
    found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"}, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr
    told = re.search(r"4 points killed, (\d+) writes failed, lost: 0", found.stdout)
    assert told is not None, found.stdout
    assert int(told[1]) >= 15
