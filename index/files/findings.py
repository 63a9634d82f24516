"""What a finished index is checked for: items that find themselves, and variances that mean something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from index.gaussians.points import Points
from index.gaussians.storage import StoredGaussians
from index.ranking import spread
from index.shortlists.contract import Effort, Shortlist
from models.variances import VarianceState, variance_state

SELF_RETRIEVAL_SAMPLE: Final = 200
VARIANCE_SAMPLE: Final = 10_000


@dataclass(frozen=True)
class SelfRetrieval:
    """How many of the sampled items are the nearest to their own point; `failed` are rows of those that are not.

    An item that shares its point with another one (`tied`) may come after it.
    """

    checked: int
    found: int
    tied: int
    failed: Sequence[int]

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.checked:
            return "There is nothing to search."
        if self.failed:
            return f"{len(self.failed)} of {self.checked} items do not find themselves; build the index again."
        return f"All {self.checked} items sampled find themselves ({self.tied} share their mean with another)."

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SelfRetrieval:
        """From JSON."""
        return cls(**{**values, "failed": tuple(values["failed"])})


@dataclass(frozen=True)
class Variances:
    """Whether the variances of a modality say anything; the state is None for fewer than two items."""

    state: VarianceState | None

    @property
    def verdict(self) -> str:
        """One sentence."""
        return self.state.verdict if self.state else "There are too few items to judge their variances."

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Variances:
        """From JSON; earlier versions wrote `steady_dimensions` beside the state."""
        state, beside = values["state"], {key: value for key, value in values.items() if key != "state"}
        return cls(None if state is None else VarianceState.from_dict({**beside, **state}))


def check_self_retrieval(shortlist: Shortlist, points: Points, size: int, effort: Effort) -> SelfRetrieval:
    """Search up to 200 items, evenly spread over the rows, with their own points, as any search of a size is done."""
    rows, own_points = spread(len(points), SELF_RETRIEVAL_SAMPLE), points.sample(SELF_RETRIEVAL_SAMPLE)
    nearest = [shortlist.search(point, size, effort).rows[:1] for point in own_points]
    itself = [found.tolist() == [row] for row, found in zip(rows, nearest, strict=True)]
    tied = [
        not own and np.array_equal(points.take(found)[0], point)
        for point, found, own in zip(own_points, nearest, itself, strict=True)
    ]
    failed = tuple(row for row, own, tie in zip(rows.tolist(), itself, tied, strict=True) if not own and not tie)
    return SelfRetrieval(len(rows), len(rows) - len(failed), sum(tied), failed)


def check_variances(gaussians: StoredGaussians) -> Variances:
    """Measure the variances of a modality, on up to 10,000 of its items evenly spread over the rows."""
    rows = spread(len(gaussians), VARIANCE_SAMPLE)
    return Variances(None if len(rows) < 2 else variance_state(gaussians.take(rows)))
