"""Which items are worth a closer look: nearest means by faiss. The one module that imports faiss.

Another kind of index is another class beside `FlatShortlist` that meets `Shortlist`, named in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import faiss
import numpy as np
import numpy.typing as npt

from models.errors import ArtifactError

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows of a gallery, int64 [n], with the value that orders them, float32 [n]; the nearest comes first."""

    rows: Rows
    values: Floats


class Shortlist(Protocol):
    """An index over the means of one modality; row i is the i-th mean that it was built from."""

    @classmethod
    def build(cls, means: Floats) -> Self:
        """Index means [n, dim]."""
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; raises `ArtifactError` when that cannot be done."""
        ...

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        ...

    def __len__(self) -> int:
        """The number of means."""
        ...

    @property
    def dim(self) -> int:
        """The number of dimensions of a mean."""
        ...

    def search(self, mean: Floats, n: int) -> Ranking:
        """The min(n, len) rows nearest to `mean` [dim], by squared L2 distance, ties by row."""
        ...


class FlatShortlist:
    """Exact search: the squared L2 distance to every mean."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, means: Floats) -> Self:
        """Index means [n, dim]."""
        index = faiss.IndexFlatL2(means.shape[1])
        index.add(np.ascontiguousarray(means))
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; raises `ArtifactError` when that cannot be done."""
        return cls(_read(path, faiss.IndexFlat))

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self._index, str(path))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """The number of dimensions of a mean."""
        return int(self._index.d)

    def search(self, mean: Floats, n: int) -> Ranking:
        """The min(n, len) rows nearest to `mean` [dim], by squared L2 distance, ties by row."""
        query = np.ascontiguousarray(mean, dtype=np.float32)[None]
        n = min(n, len(self))
        if n == 0:
            return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
        # One query at a time: faiss then sums the squares of the differences, so that a mean is at distance 0 from
        # itself; batches of queries go through a matrix product, which rounds. Equal distances (captions repeat) come
        # by row, also where the cut goes through them: faiss does so without promising it, and the tests hold it to it.
        values, rows = self._index.search(query, n)
        return Ranking(rows[0], values[0])


KINDS: Final[Mapping[str, type[Shortlist]]] = {"flat": FlatShortlist}
"""The kinds of shortlist a gallery's manifest may name."""


def set_threads(count: int) -> None:
    """Let faiss use `count` threads, for the whole process."""
    faiss.omp_set_num_threads(count)


def _read(path: Path, kind: type) -> Any:
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise ArtifactError(
            f"{path} cannot be read as a faiss index: build the gallery again, or copy its folder whole"
        ) from error
    if not isinstance(index, kind):
        raise ArtifactError(f"{path} is another kind of faiss index than its gallery names: build it again")
    return index
