"""Which items are worth a closer look: the nearest points by faiss. The one module that imports faiss.

A kind is a class that meets `index.shortlist_contract`, and a line of `KINDS`. `flat` computes every distance. The
others find candidates by codes of a byte or a bit a coordinate, and order them by the exact distances to the points
themselves, which stay where they lie: what these return has exact values in exact order, and all that can be missing is
an item that was no candidate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import log2, sqrt
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import faiss
import numpy as np

from index.points import Points
from index.ranking import Floats, Ranking, Rows
from index.shortlist_contract import Effort, Shortlist
from models.errors import ArtifactError

# Its stubs are older than it is.
_FAISS: Final[Any] = faiss


ANY_EFFORT: Final = Effort()


class FlatShortlist:
    """Exact search: the squared L2 distance to every point."""

    exact: bool = True
    reaches: tuple[int, ...] = (1,)
    refines: tuple[int, ...] = (1,)
    least: int = 1

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, points: Points) -> Self:
        """Index points."""
        return cls(_filled(faiss.IndexFlatL2(points.dim), points))

    @classmethod
    def load(cls, path: Path, points: Points) -> Self:
        """Read what `save` wrote; raises `ArtifactError` when that cannot be done."""
        return cls(_read(path, faiss.IndexFlat, points))

    @staticmethod
    def memory_bytes(count: int, dim: int) -> int:
        """A float32 a coordinate."""
        return 4 * count * dim

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self._index, str(path))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, point: Floats, n: int, effort: Effort = ANY_EFFORT) -> Ranking:
        """The min(n, len) rows nearest to `point` [dim], by squared L2 distance, ties by row."""
        n = min(n, len(self))
        if n == 0:
            return _nothing()
        # One query at a time: faiss then sums the squares of the differences, so that a point is at distance 0 from
        # itself; batches of queries go through a matrix product, which rounds. Equal distances (captions repeat) come
        # by row, also where the cut goes through them: faiss does so without promising it, and the tests hold it to it.
        values, rows = self._index.search(_one(point), n)
        return Ranking(rows[0], values[0])


class _Refined(ABC):
    """Candidates by codes, ordered by the exact distances to their points."""

    exact: bool = False
    reaches: tuple[int, ...] = (1,)
    refines: tuple[int, ...] = (1, 2, 4, 8)
    least: int = 1
    kind: ClassVar[type]

    def __init__(self, index: Any, points: Points) -> None:
        self._index = index
        self._points = points

    @classmethod
    @abstractmethod
    def build(cls, points: Points) -> Self:
        """Index points."""

    @classmethod
    def load(cls, path: Path, points: Points) -> Self:
        """Read what `save` wrote of the same points; raises `ArtifactError` when that cannot be done."""
        return cls(_read(path, cls.kind, points), points)

    @staticmethod
    @abstractmethod
    def memory_bytes(count: int, dim: int) -> int:
        """What an index of `count` points of `dim` coordinates takes while it is open, nearly."""

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self._index, str(path))

    def __len__(self) -> int:
        return len(self._points)

    def search(self, point: Floats, n: int, effort: Effort) -> Ranking:
        """The min(n, len) rows nearest to `point` [dim] among the candidates, ties by row.

        A search for a good part of all compares them all, and so does one that the codes leave short of rows.
        """
        n, wanted = min(n, len(self)), n * effort.refine
        if 0 < 2 * wanted < len(self):
            for reach in (effort.reach, *(reach for reach in self.reaches if reach > effort.reach)):
                rows = self._candidates(_one(point), wanted, reach)
                if len(rows) >= n:
                    return _exact(self._points.take(rows), rows, point, n)
        return _scan(self._points, point, n)

    @abstractmethod
    def _candidates(self, query: Floats, count: int, reach: int) -> Rows:
        """Up to `count` rows in their order, those that the codes hold to be nearest to `query` [1, dim]."""


class CodesShortlist(_Refined):
    """Every item's code of a byte a coordinate is compared, then the candidates' points."""

    kind = faiss.IndexScalarQuantizer

    @classmethod
    def build(cls, points: Points) -> Self:
        """Index points."""
        codes = faiss.IndexScalarQuantizer(points.dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)
        return cls(_filled(codes, points), points)

    @staticmethod
    def memory_bytes(count: int, dim: int) -> int:
        """A byte a coordinate."""
        return count * dim

    def _candidates(self, query: Floats, count: int, reach: int) -> Rows:
        return _found(self._index.search(query, count)[1])


class GraphShortlist(_Refined):
    """A navigable small world of the points (Malkov and Yashunin, 2018, "HNSW") with codes of a byte a coordinate."""

    kind = faiss.IndexHNSWSQ
    reaches: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    refines: tuple[int, ...] = (1, 2, 4)
    LINKS: Final = 16
    BREADTH: Final = 100

    @classmethod
    def build(cls, points: Points) -> Self:
        """Index points, on one thread: with several the graph would be another one every time."""
        index: Any = _FAISS.IndexHNSWSQ(points.dim, faiss.ScalarQuantizer.QT_8bit, cls.LINKS, faiss.METRIC_L2)
        index.hnsw.efConstruction = cls.BREADTH
        with _one_thread():
            return cls(_filled(index, points), points)

    @classmethod
    def memory_bytes(cls, count: int, dim: int) -> int:
        """Codes and links of four bytes, of which the lowest layer has twice as many; those above add little."""
        return count * (dim + 4 * 2 * cls.LINKS + 16)

    def _candidates(self, query: Floats, count: int, reach: int) -> Rows:
        parameters = _FAISS.SearchParametersHNSW(efSearch=max(reach, count))
        return _found(self._index.search(query, count, params=parameters)[1])


class ListsShortlist(_Refined):
    """Inverted lists of codes of a bit a coordinate (Gao and Long, 2024, "RaBitQ"), of randomly rotated points.

    The rotation is what the codes' error bounds rest on: it spreads any coordinate, a height too, over all of them.
    """

    kind = faiss.IndexPreTransform
    least: int = 5_000
    SAMPLE: Final = 64
    """Points a list that training sees; faiss asks for 39."""
    QUERY_BITS: Final = 4

    def __init__(self, index: Any, points: Points) -> None:
        super().__init__(index, points)
        self._lists: Any = _FAISS.downcast_index(index.index)
        self.reaches = tuple(2**power for power in range(self._lists.nlist.bit_length()))

    @classmethod
    def build(cls, points: Points) -> Self:
        """Index points, on one thread: with several the lists would be others."""
        lists = cls.lists(len(points))
        dim = -(-points.dim // 64) * 64
        rotation = faiss.RandomRotationMatrix(points.dim, dim)
        rotation.init(0)
        centres = faiss.IndexFlatL2(dim)
        codes = faiss.IndexIVFRaBitQ(centres, dim, lists, faiss.METRIC_L2)
        codes.qb = cls.QUERY_BITS
        index = faiss.IndexPreTransform(rotation, codes)
        with _one_thread():
            return cls(_filled(index, points, lists * cls.SAMPLE), points)

    @classmethod
    def memory_bytes(cls, count: int, dim: int) -> int:
        """A bit a coordinate, two factors and the row for each point; then the centres of the lists."""
        return count * (dim // 8 + 16 + 8) + 4 * dim * cls.lists(count)

    @staticmethod
    def lists(count: int) -> int:
        """How many lists so many points get: about 1.5·√count, a power of two."""
        return 2 ** round(log2(1.5 * sqrt(count))) if count else 1

    def _candidates(self, query: Floats, count: int, reach: int) -> Rows:
        parameters = _FAISS.IVFRaBitQSearchParameters(nprobe=reach, qb=self.QUERY_BITS)
        rotated = self._index.chain.at(0).apply(query)
        return _found(self._lists.search(rotated, count, params=parameters)[1])


KINDS: Final[Mapping[str, type[Shortlist]]] = {
    "flat": FlatShortlist,
    "sq8": CodesShortlist,
    "hnsw": GraphShortlist,
    "ivf_rabitq": ListsShortlist,
}
"""The kinds of shortlist that a gallery may have."""


def set_threads(count: int) -> None:
    """Let faiss use `count` threads, for what the calling thread computes."""
    faiss.omp_set_num_threads(count)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _filled(index: Any, points: Points, sample: int = 100_000) -> Any:
    """The index, trained on a sample where it has to be, with all points in it."""
    if len(points) and not index.is_trained:
        index.train(points.sample(sample))
    for _, block in points.blocks():
        index.add(block)
    return index


def _one(point: Floats) -> Floats:
    return np.ascontiguousarray(point, dtype=np.float32)[None]


def _found(rows: Rows) -> Rows:
    """The rows of one search in their order; faiss fills up with −1."""
    return np.sort(rows[0][rows[0] >= 0])


def _exact(points: Floats, rows: Rows, point: Floats, n: int) -> Ranking:
    """The n of some points, of ascending rows, that are nearest to `point`, ties by row: as `FlatShortlist` has it."""
    values, places = faiss.knn(_one(point), points, min(n, len(rows)))
    return Ranking(rows[places[0]], values[0])


def _scan(points: Points, point: Floats, n: int) -> Ranking:
    """The n nearest of all points, block by block."""
    best = _nothing()
    for start, block in points.blocks() if n else ():
        found = _exact(block, np.arange(start, start + len(block)), point, n)
        rows, values = np.append(best.rows, found.rows), np.append(best.values, found.values)
        order = np.lexsort((rows, values))[:n]
        best = Ranking(rows[order], values[order])
    return best


def _nothing() -> Ranking:
    return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))


def _read(path: Path, kind: type, points: Points) -> Any:
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise ArtifactError(
            f"{path} cannot be read as a faiss index: build the gallery again, or copy its folder whole"
        ) from error
    if not isinstance(index, kind):
        raise ArtifactError(f"{path} is another kind of faiss index than its gallery names: build it again")
    if (index.ntotal, index.d) != (len(points), points.dim):
        raise ArtifactError(
            f"{path} holds {index.ntotal} points of {index.d} dimensions instead of {len(points)} of {points.dim}: "
            "build the gallery again, or copy its folder whole"
        )
    return index
