"""What every kind of shortlist has to be; `kinds` has the kinds, and `tests/index` holds them all to this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from index.allowed import Allowed
from index.gaussians.points import Points
from index.ranking import Floats, Ranking


@dataclass(frozen=True)
class Effort:
    """How hard an approximate shortlist looks; an exact one looks at everything.

    Args:
        reach: lists that are scanned (`ivf_rabitq`), or nodes of the graph that are kept in sight (`hnsw`).
        refine: candidates for each row asked for, whose exact distances are computed.
    """

    reach: int = 1
    refine: int = 1


class Shortlist(Protocol):
    """An index over the points of one modality; row i is the i-th point that it was built from."""

    exact: bool
    """Whether no row can be missing; effort then changes nothing."""
    reaches: tuple[int, ...]
    """The values of `Effort.reach` that are worth trying, ascending."""
    refines: tuple[int, ...]
    """Those of `Effort.refine`."""
    least: int
    """Points that one can be built of: none at all, or so many and more."""

    @classmethod
    def build(cls, points: Points) -> Self:
        """Index points."""
        ...

    @classmethod
    def load(cls, path: Path, points: Points) -> Self:
        """Read what `save` wrote of the same points; raises `ArtifactError` when that cannot be done."""
        ...

    @staticmethod
    def memory_bytes(count: int, dim: int) -> int:
        """What an index of `count` points of `dim` coordinates takes while it is open, nearly."""
        ...

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        ...

    def __len__(self) -> int:
        """The number of points."""
        ...

    def search(self, point: Floats, n: int, effort: Effort, allowed: Allowed | None = None) -> Ranking:
        """The rows nearest to `point` [dim], by squared L2 distance, ties by row; from any thread.

        There are n of them, or as many as may answer: all, or those `allowed`, however few these are of all.
        """
        ...
