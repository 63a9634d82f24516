"""How the uncertainties of a gallery's items are distributed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from index.ranking import Floats, Rows

MARGIN: Final = 0.01
"""Where all σ are equal, their one bin reaches so much of it to both sides."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Bins of σ.

    Args:
        edges: float32 [n + 1], rising; empty where there is nothing.
        counts: int64 [n], how many σ lie from an edge to below the next; in the last bin up to the last edge itself.
    """

    edges: Floats
    counts: Rows


def histogram(ordered: Floats, bins: int) -> Histogram:
    """The histogram of rising σ [n], in bins of equal width from the least to the greatest.

    There are fewer than `bins` where float32 knows no more edges between these.
    """
    if not len(ordered):
        return Histogram(ordered[:0], np.empty(0, np.int64))
    least, most = ordered[0], ordered[-1]
    if least == most:
        edges = np.array([least * (1 - MARGIN), most * (1 + MARGIN)], np.float32)
    else:
        edges = np.unique(np.linspace(least, most, bins + 1, dtype=np.float32))
    below = np.searchsorted(ordered, edges)
    below[-1] = len(ordered)
    return Histogram(edges, np.diff(below).astype(np.int64))
