"""On what a measurement was made, and how its figures are taken and kept."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from index.threads import available
from models.runtimes.timing import processor

PACKAGES = ("torch", "numpy", "faiss-cpu", "hnswlib", "usearch", "fastapi", "uvicorn", "pillow")


def machine() -> dict[str, Any]:
    """The machine and the versions of what computes on it."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": available(),
        "load_average": os.getloadavg()[0],
        "memory_bytes": _memory(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    median, tail = np.percentile(values, [50, 95])
    return {"p50": float(median), "p95": float(tail)}


def resident() -> dict[str, int]:
    """Bytes of this process in memory: its own, and pages of files that are mapped, which the system may take back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return {"own": 1024 * int(found["RssAnon"]), "mapped_files": 1024 * int(found["RssFile"])}


def save(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON, with the machine; figures that the file has of other benchmarks stay."""
    before = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({**before, **{name: {"machine": machine(), **each} for name, each in figures.items()}}, indent=2)
    )


def _memory() -> int | None:
    try:
        first = Path("/proc/meminfo").read_text().splitlines()[0]
    except OSError:
        return None
    return 1024 * int(first.split()[1])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
