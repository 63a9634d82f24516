"""Which rows of a modality may answer a search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from index.ranking import Rows

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Allowed:
    """The rows of a modality that may answer; what follows from them is computed once, when it is asked for.

    Args:
        mask: bool [n], for every row whether it may.
    """

    mask: Mask

    def __and__(self, other: Allowed) -> Allowed:
        """The rows that both allow."""
        return Allowed(self.mask & other.mask)

    @cached_property
    def count(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def rows(self) -> Rows:
        """They themselves, rising."""
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> npt.NDArray[np.uint8]:
        """A bit a row, the lowest bit of a byte first, as faiss reads them."""
        return np.packbits(self.mask, bitorder="little")

    @property
    def share(self) -> float:
        """How many they are of all, 0 to 1."""
        return self.count / max(1, len(self.mask))

    def places(self, rows: Rows) -> Rows:
        """Where some of these rows stand among them."""
        return np.searchsorted(self.rows, rows)

    def blocks(self, size: int) -> Iterator[Rows]:
        """The rows, `size` of them at a time."""
        for start in range(0, self.count, size):
            yield self.rows[start : start + size]
