"""What a shortlist searches: the means of a modality, each with one more coordinate where they are lifted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from index.gaussians.storage import as_float32
from index.ranking import Floats, Rows, spread
from models.lifts import lifted

BLOCK: Final = 8_192


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a modality's items, read from where they lie; `models.lifts` says what a height is.

    Args:
        means: [n, dim] as they are stored, float32 or float16; may be memory-mapped.
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
        """The points of rows, in their order; float32 [k, dim], a copy."""
        means = as_float32(self.means, rows)
        points = means if self.heights is None else lifted(means, as_float32(self.heights, rows))
        return np.asarray(points.numpy())

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """All points, some thousand at a time, each block with the row that it starts at."""
        for start in range(0, len(self), BLOCK):
            yield start, self.take(slice(start, start + BLOCK))

    def sample(self, count: int) -> Floats:
        """Up to `count` points, evenly spread over the rows."""
        return self.take(spread(len(self), count))

    def query(self, mean: Floats) -> Floats:
        """The point [dim] of a query's mean: its height is zero."""
        plain = np.asarray(mean, np.float32)
        return plain if self.heights is None else np.append(plain, np.float32(0))
