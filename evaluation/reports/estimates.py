"""A figure over the seeds of a method, and which method is ahead by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.reports.grouping import Method
from evaluation.reports.reading import figure
from evaluation.reports.wording import NONE, fixed


@dataclass(frozen=True)
class Estimate:
    """A figure over the seeds of a method; `deviation` is None where n is below 2, both where n is 0."""

    mean: float | None
    deviation: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Estimate:
        """From the figures of the runs; those that are none are left out."""
        known = np.array([value for value in values if value is not None], dtype=np.float64)
        mean = float(known.mean()) if len(known) else None
        return cls(mean, float(known.std(ddof=1)) if len(known) > 1 else None, len(known))


@dataclass(frozen=True)
class Column:
    """A figure of a table.

    Args:
        heading: over its column.
        path: of the figure within a report; `D` stands for the direction.
        decimals: shown.
        percent: shown as a percentage.
        lower: whether less is better; None where neither is.
    """

    heading: str
    path: tuple[str, ...]
    decimals: int
    percent: bool = False
    lower: bool | None = None

    def estimate(self, method: Method, direction: str = "") -> Estimate:
        """Over the runs of a method."""
        path = [direction if key == "D" else key for key in self.path]
        return Estimate.of(figure(run.figures, *path) for run in method.runs)

    def text(self, estimate: Estimate, runs: int) -> str:
        """As a cell of a method of so many runs shows it."""
        if estimate.mean is None:
            return NONE
        factor = 100 if self.percent else 1
        mean = fixed(factor * estimate.mean, self.decimals)
        spread = "" if estimate.deviation is None else f" ± {fixed(factor * estimate.deviation, self.decimals)}"
        return mean + spread + (f" (n {estimate.n})" if estimate.n < runs else "")


def leader(estimates: Sequence[Estimate], lower: bool | None) -> int | None:
    """The place of the estimate that is ahead of all others by more than both spreads; None where there is none.

    A single seed has no spread, so nothing can be said to be ahead of it, or it of anything.
    """
    known = [(place, each) for place, each in enumerate(estimates) if each.mean is not None]
    if lower is None or len(known) < 2 or any(each.deviation is None for _, each in known):
        return None
    sign = -1 if lower else 1
    spans = {place: (sign * (e.mean or 0.0), e.deviation or 0.0) for place, e in known}
    best = max(spans, key=lambda place: spans[place][0])
    bottom = spans[best][0] - spans[best][1]
    return best if all(bottom > mean + spread for place, (mean, spread) in spans.items() if place != best) else None
