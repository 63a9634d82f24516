"""What a shortlist searches: the means of a modality, each with one more coordinate where they are lifted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

BLOCK: Final = 8_192


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a modality's items, read from where they lie; `models.lifts` says what a height is.

    Args:
        means: [n, dim] of any floating type; may be memory-mapped.
        heights: float32 [n], or None where the means are the points.
    """

    means: npt.NDArray[Any]
    heights: Floats | None = None

    def __len__(self) -> int:
        return len(self.means)

    @property
    def dim(self) -> int:
        """The coordinates of a point."""
        return int(self.means.shape[1]) + (self.heights is not None)

    def take(self, rows: Rows | slice) -> Floats:
        """The points of rows, float32 [k, dim], a copy; rows in their order read a file from front to back."""
        means = np.array(self.means[rows], np.float32)
        return means if self.heights is None else np.column_stack([means, self.heights[rows]])

    def blocks(self) -> Iterator[Floats]:
        """All points, some thousand at a time."""
        for start in range(0, len(self), BLOCK):
            yield self.take(slice(start, start + BLOCK))

    def sample(self, count: int) -> Floats:
        """Up to `count` points, evenly spread over the rows."""
        return self.take(spread(len(self), count))

    def query(self, mean: Floats) -> Floats:
        """The point [dim] of a query's mean: its height is zero."""
        plain = np.asarray(mean, np.float32)
        return plain if self.heights is None else np.append(plain, np.float32(0))


def spread(count: int, sample: int) -> Rows:
    """Up to `sample` of the rows 0 … count − 1, evenly spread, each once, in their order."""
    return np.unique(np.linspace(0, count - 1, min(count, sample)).astype(np.int64))
