"""Galleries of growing size: built in one process, searched in another, each of which says what it took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from index.shortlists.kinds import KINDS

SIZES = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Case:
    """One gallery: how many items of how many dimensions, which kind of shortlist, how stored, how many queries."""

    count: int
    dim: int
    kind: str
    storage: str
    queries: int = 200
    exhaustive: int = 50
    threads: int = 2
    seed: int = 0


def cases(sizes: tuple[int, ...], dim: int, storage: str, threads: int, kinds: tuple[str, ...] = ()) -> Iterator[Case]:
    """Every size with every kind that this version has."""
    for count in sizes:
        for kind in kinds or tuple(KINDS):
            yield Case(count, dim, kind, storage, threads=threads)


def measure(case: Case, scratch: Path) -> dict[str, Any]:
    """Build the gallery of a case under a folder, search it, and remove it."""
    gallery = scratch / f"{case.kind}-{case.count}-{case.dim}"
    built = _process("benchmarks.scale_build", case, gallery)
    try:
        found = _process("benchmarks.scale_search", case, gallery)
    finally:
        rmtree(gallery, ignore_errors=True)
    own = found["resident"]["own"] - found["resident_before"]["own"]
    return {**asdict(case), "build": built, "search": found, "share_of_float32": own / (8 * case.count * case.dim)}


def _process(module: str, case: Case, gallery: Path) -> dict[str, Any]:
    """A fresh process, so that its memory is that of its own work."""
    command = [sys.executable, "-m", module, json.dumps(asdict(case)), str(gallery)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))
