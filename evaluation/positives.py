"""Which items match each query, and at which ranks of a ranking they lie: sparse, so that 25,000 × 5,000 is small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]
DistancesOf = Callable[[slice], Floats]
"""Distances [queries of the slice, items], lower is closer; they may have any sign and size."""

# Distances that a ranking holds at once: a block of queries times all items.
BLOCK_CELLS = 1 << 22


@dataclass(frozen=True, eq=False)
class PerQuery:
    """What each query has any number of, one after the other in arrays [total].

    Args:
        offsets: [queries + 1], where each query's part begins and ends.
    """

    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def counts(self) -> Ints:
        """[queries]: how many positives there are, R."""
        return np.diff(self.offsets)

    @cached_property
    def queries(self) -> Ints:
        """[total]: the query of each entry."""
        return np.repeat(np.arange(len(self)), self.counts)


@dataclass(frozen=True, eq=False)
class Positives(PerQuery):
    """For each query the rows of the items that match it.

    Args:
        items: [total], item rows, ascending within a query.
        item_count: how many items there are.
    """

    items: Ints
    item_count: int

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | Ints], item_count: int) -> Positives:
        """From the item rows of each query, in any order; one that is named twice counts once."""
        parts = [np.unique(np.asarray(row, dtype=np.int64)) for row in rows]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        return cls(offsets, np.concatenate([*parts, np.empty(0, np.int64)]), item_count)

    @classmethod
    def of_mask(cls, mask: Bools) -> Positives:
        """From a table bool [queries, items]."""
        offsets = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        return cls(offsets, np.nonzero(mask)[1].astype(np.int64), mask.shape[1])

    @classmethod
    def of_groups(cls, queries: Ints, items: Ints) -> Positives:
        """A query matches the items of its own group: [queries] and [items] name groups by numbers."""
        order = np.argsort(items, kind="stable")
        first, last = (np.searchsorted(items[order], queries, side=side) for side in ("left", "right"))
        return cls.of((order[a:b] for a, b in zip(first, last, strict=True)), len(items))

    def transposed(self) -> Positives:
        """Which queries match each item: the same pairs, asked the other way."""
        order = np.argsort(self.items, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(self.items, minlength=self.item_count))])
        return Positives(offsets.astype(np.int64), self.queries[order], len(self))

    def mask(self, rows: Ints | None = None) -> Bools:
        """The table bool [rows, items] of some queries, or of all."""
        rows = np.arange(len(self)) if rows is None else rows
        table = np.zeros((len(rows), self.item_count), dtype=bool)
        for place, row in enumerate(rows):
            table[place, self.items[self.offsets[row] : self.offsets[row + 1]]] = True
        return table

    def take(self, rows: Ints, columns: Ints) -> Positives:
        """The positives of some queries among some items, both numbered anew in the order given."""
        renumbered = np.full(self.item_count, -1, dtype=np.int64)
        renumbered[columns] = np.arange(len(columns))
        kept = (renumbered[self.items[self.offsets[row] : self.offsets[row + 1]]] for row in rows)
        return Positives.of((row[row >= 0] for row in kept), len(columns))


@dataclass(frozen=True, eq=False)
class Ranks(PerQuery):
    """Where the positives of each query lie in its ranking; all metrics of rankings follow from it.

    Args:
        values: [total], ranks from 0, ascending within a query.
        item_count: how many items were ranked.
    """

    values: Ints
    item_count: int

    @cached_property
    def places(self) -> Ints:
        """[total]: how many positives of the same query lie before each one."""
        return np.arange(len(self.values)) - self.offsets[self.queries]


def rank_positives(distances: DistancesOf, *kinds: Positives, progress: Progress | None = None) -> tuple[Ranks, ...]:
    """Rank all items for every query, in blocks of queries, and keep the ranks of the positives.

    Args:
        distances: of a slice of the queries to all items. Ties go to the lower row.
        kinds: positives of all queries, by one meaning of a match or by several.
        progress: is told (queries done, queries).

    Returns:
        the ranks of each kind of positives.
    """
    count, items = len(kinds[0]), kinds[0].item_count
    found = [np.empty(len(positives.items), dtype=np.int64) for positives in kinds]
    for block in query_blocks(count, items):
        ranks = _ranks(distances(block))
        for positives, values in zip(kinds, found, strict=True):
            part = slice(positives.offsets[block.start], positives.offsets[block.stop])
            values[part] = ranks[positives.queries[part] - block.start, positives.items[part]]
        if progress is not None:
            progress(block.stop, count)
    return tuple(
        Ranks(positives.offsets, values[np.lexsort((values, positives.queries))], items)
        for positives, values in zip(kinds, found, strict=True)
    )


def query_blocks(queries: int, items: int) -> Iterator[slice]:
    """Slices of the queries, each with about `BLOCK_CELLS` pairs of a query and an item."""
    size = max(1, BLOCK_CELLS // max(items, 1))
    for start in range(0, queries, size):
        yield slice(start, min(start + size, queries))


def _ranks(distances: Floats) -> Ints:
    """[queries, items]: the rank of every item."""
    order = np.argsort(distances, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return ranks
