"""Rows of a gallery and their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows of a gallery, int64 [n], with the value that orders them, float32 [n]; the nearest comes first."""

    rows: Rows
    values: Floats


def spread(count: int, sample: int) -> Rows:
    """Up to `sample` of the rows 0 … count − 1, evenly spread, each once, in their order."""
    return np.unique(np.linspace(0, count - 1, min(count, sample)).astype(np.int64))


class Best:
    """The k greatest or smallest values of each query, of rows that are seen block by block.

    Args:
        queries: how many.
        k: how many of each.
        largest: the greatest; the smallest otherwise.
    """

    def __init__(self, queries: int, k: int, *, largest: bool) -> None:
        self._k, self._largest = k, largest
        self.values, self.rows = torch.empty(queries, 0), torch.empty(queries, 0, dtype=torch.int64)

    def see(self, values: Tensor, start: int) -> None:
        """Take in the values [q, n] of the rows from `start` on; `values` and `rows` [q, up to k], the best first."""
        rows = torch.arange(start, start + values.shape[1]).expand(len(values), -1)
        values, rows = torch.cat([self.values, values], 1), torch.cat([self.rows, rows], 1)
        self.values, places = values.topk(min(self._k, values.shape[1]), largest=self._largest)
        self.rows = rows.gather(1, places)
