"""Which items are worth a closer look: the nearest points by faiss. The one module that imports faiss.

A kind is a class that meets `index.shortlists.contract`, and a line of `KINDS`. `flat` computes every distance. The
others find candidates by codes of a byte or a bit a coordinate, and order them by the exact distances to the points
themselves, which stay where they lie: what these return has exact values in exact order, and all that can be missing is
an item that was no candidate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from math import ceil, log2, sqrt
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import faiss
import numpy as np
import numpy.typing as npt

from index.allowed import Allowed
from index.gaussians.points import BLOCK, Points
from index.kept import kept
from index.ranking import Floats, Ranking, Rows
from index.shortlists.contract import Effort, Shortlist
from models.errors import ArtifactError

# Its stubs are older than it is.
_FAISS: Final[Any] = faiss


ANY_EFFORT: Final = Effort()
FEW: Final = 2_000
"""So many allowed rows are compared one by one sooner than any index has looked where they may be."""


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
        """Write the index to a file; raises `OSError` when it cannot be written."""
        _write(self._index, path)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, point: Floats, n: int, effort: Effort = ANY_EFFORT, allowed: Allowed | None = None) -> Ranking:
        """The n rows, or as many as may answer, nearest to `point` [dim], by squared L2 distance, ties by row."""
        n = min(n, len(self) if allowed is None else allowed.count)
        if n == 0:
            return _nothing()
        # One query at a time: faiss then sums the squares of the differences, so that a point is at distance 0 from
        # itself; batches of queries go through a matrix product, which rounds. Equal distances (captions repeat) come
        # by row, also where the cut goes through them: faiss does so without promising it, and the tests hold it to it.
        # On one thread, because with several it shares out one query over many points as a product too.
        with _one_thread():
            values, rows = self._index.search(_one(point), n, params=_FAISS.SearchParameters(**_selecting(allowed)))
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
        """Write the index to a file; raises `OSError` when it cannot be written."""
        _write(self._index, path)

    def __len__(self) -> int:
        return len(self._points)

    def search(self, point: Floats, n: int, effort: Effort, allowed: Allowed | None = None) -> Ranking:
        """The n rows, or as many as may answer, nearest to `point` [dim] among the candidates, ties by row.

        A search for a good part of all that may answer compares them all, and so does one among few, and one that the
        codes leave short of rows.
        """
        there = len(self) if allowed is None else allowed.count
        n, wanted = min(n, there), n * effort.refine
        if 0 < 2 * wanted < there and (allowed is None or there > FEW):
            query = _one(point)
            for reach in self._reaches(query, wanted, effort.reach, allowed):
                rows = self._candidates(query, wanted, reach, allowed)
                if len(rows) >= (n if allowed is None else wanted):
                    return _exact(self._points.take(rows), rows, point, n)
        return _scan(self._points, point, n, allowed)

    def _reaches(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Iterable[int]:
        """The reaches to try one after the other, until `count` candidates are found."""
        return reach, *(farther for farther in self.reaches if farther > reach)

    @abstractmethod
    def _candidates(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Rows:
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

    def _candidates(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Rows:
        parameters = _FAISS.SearchParameters(**_selecting(allowed))
        return _found(self._index.search(query, count, params=parameters)[1])


class GraphShortlist(_Refined):
    """A navigable small world of the points (Malkov and Yashunin, 2018, "HNSW") with codes of a byte a coordinate."""

    kind = faiss.IndexHNSWSQ
    reaches: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    refines: tuple[int, ...] = (1, 2, 4)
    LINKS: Final = 16
    BREADTH: Final = 100
    STEPS: Final = 8
    """Points that one in sight costs, in those of a plain scan; measured with 200,000 items."""

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

    def _reaches(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Iterable[int]:
        """As far as leads past those that may not answer, and twice as far each time, while that is quicker than to
        compare all that may."""
        if allowed is None:
            yield from super()._reaches(query, count, reach, None)
        else:
            breadth = ceil(max(reach, count) / allowed.share)
            while breadth * self.STEPS <= allowed.count:
                yield breadth
                breadth *= 2

    def _candidates(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Rows:
        breadth = max(reach, count)
        found = self._index.search(query, breadth, params=_FAISS.SearchParametersHNSW(efSearch=breadth))[1]
        found = found[found >= 0]
        # Told which rows may answer, faiss would give any that it passed on its way, also where all of those that are
        # near may not. Of the nearest, those that may are the nearest that may.
        return np.sort((found if allowed is None else found[allowed.mask[found]])[:count])


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
        self._allowed_sizes = kept(self._count_allowed, 16)

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

    def _reaches(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Iterable[int]:
        """First as many lists as hold as many rows that may answer as `reach` lists hold of all."""
        if allowed is None:
            return super()._reaches(query, count, reach, None)
        order = self._lists.quantizer.search(self._rotated(query), self._lists.nlist)[1][0]
        wanted = self._sizes[order[:reach]].sum()
        held = np.cumsum(self._allowed_sizes(allowed)[order])
        return super()._reaches(query, count, 1 + int(np.searchsorted(held[:-1], wanted)), allowed)

    def _count_allowed(self, allowed: Allowed) -> Rows:
        """How many rows that may answer each list has."""
        return np.bincount(self._list_of[allowed.rows], minlength=self._lists.nlist)

    @cached_property
    def _sizes(self) -> Rows:
        """How many rows each list has."""
        return np.bincount(self._list_of, minlength=self._lists.nlist)

    @cached_property
    def _list_of(self) -> npt.NDArray[np.int32]:
        """The list that each row is in."""
        found, lists = np.empty(len(self), np.int32), self._lists.invlists
        for number in range(self._lists.nlist):
            found[faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))] = number
        return found

    def _rotated(self, query: Floats) -> Floats:
        rotated: Floats = self._index.chain.at(0).apply(query)
        return rotated

    def _candidates(self, query: Floats, count: int, reach: int, allowed: Allowed | None) -> Rows:
        parameters = _FAISS.IVFRaBitQSearchParameters(nprobe=reach, qb=self.QUERY_BITS, **_selecting(allowed))
        return _found(self._lists.search(self._rotated(query), count, params=parameters)[1])


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


def _selecting(allowed: Allowed | None) -> dict[str, Any]:
    """What search parameters say of the rows that may answer."""
    return {} if allowed is None else {"sel": _FAISS.IDSelectorBitmap(allowed.bits)}


def _found(rows: Rows) -> Rows:
    """The rows of one search in their order; faiss fills up with −1."""
    return np.sort(rows[0][rows[0] >= 0])


def nearest_of(points: Floats, rows: Rows, point: Floats, n: int) -> Ranking:
    """The n of some points [k, dim] that are nearest to `point` [dim], ties by row: as `FlatShortlist` has it."""
    order = np.argsort(rows, kind="stable")
    return _exact(points[order], rows[order], point, n) if len(rows) else _nothing()


def _exact(points: Floats, rows: Rows, point: Floats, n: int) -> Ranking:
    """The same of points of ascending rows, one at least."""
    with _one_thread():
        values, places = faiss.knn(_one(point), points, min(n, len(rows)))
    return Ranking(rows[places[0]], values[0])


def _scan(points: Points, point: Floats, n: int, allowed: Allowed | None) -> Ranking:
    """The n nearest of all points that may answer, block by block."""
    best = _nothing()
    for block_rows, block in _blocks(points, allowed) if n else ():
        found = _exact(block, block_rows, point, n)
        rows, values = np.append(best.rows, found.rows), np.append(best.values, found.values)
        order = np.lexsort((rows, values))[:n]
        best = Ranking(rows[order], values[order])
    return best


def _blocks(points: Points, allowed: Allowed | None) -> Iterator[tuple[Rows, Floats]]:
    """The points that may answer, some thousand at a time, each block with its rows."""
    if allowed is None:
        yield from ((np.arange(start, start + len(block)), block) for start, block in points.blocks())
    else:
        yield from ((rows, points.take(rows)) for rows in allowed.blocks(BLOCK))


def _nothing() -> Ranking:
    return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))


def _write(index: Any, path: Path) -> None:
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(None, str(error), str(path)) from error


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
