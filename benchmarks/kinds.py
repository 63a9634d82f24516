"""What the benchmarks of the kinds of shortlist share: their arguments, and the processor's clock."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time

from index.shortlists.kinds import KINDS


@dataclass(frozen=True)
class Asked:
    """What is to be measured: which kinds, over how many items of how many dimensions."""

    kinds: Sequence[str]
    items: int
    dim: int

    @classmethod
    def read(cls, description: str | None) -> Asked:
        """From the command line.

        Args:
            description: what its help says first.
        """
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("kinds", nargs="+", choices=list(KINDS))
        parser.add_argument("--items", type=int, default=200_000)
        parser.add_argument("--dim", type=int, default=256)
        given = parser.parse_args()
        return cls(given.kinds, given.items, given.dim)


def processor_milliseconds(work: Callable[[], object]) -> float:
    """The processor's time, of all threads, that a piece of work takes."""
    started = process_time()
    work()
    return 1_000 * (process_time() - started)
