"""Times of several things that do the same, taken in turns, so that a busy machine is unfair to none of them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, TypeVar

RUNS: Final = 15
_WARM_UPS: Final = 2

K = TypeVar("K")


def in_turns(works: Mapping[K, Callable[[], object]], runs: int) -> dict[K, list[float]]:
    """Milliseconds of each work in each of `runs` rounds, after two rounds that do not count."""
    rounds = [{name: milliseconds(work) for name, work in works.items()} for _ in range(_WARM_UPS + runs)]
    return {name: [each[name] for each in rounds[_WARM_UPS:]] for name in works}


def speedup(times: Mapping[K, list[float]], slow: K, fast: K) -> float:
    """The median, over the rounds, of the time of `slow` by that of `fast`."""
    return median(one / other for one, other in zip(times[slow], times[fast], strict=True))


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def milliseconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = perf_counter()
    work()
    return 1_000 * (perf_counter() - start)
