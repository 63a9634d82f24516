"""Galleries of any size without an encoder: clustered Gaussians of varied σ, drawn piece by piece from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import sqrt
from pathlib import Path
from typing import overload

import torch
from torch import Tensor
from torch.nn.functional import normalize

from corpus.manifest import Entry
from index.building.assembly import Origin, Plan, assemble
from index.files.manifest import Manifest, Parameters
from index.files.shards import Shard
from index.gaussians.storage import Storage
from index.items import Modality
from index.shortlists.choice import AUTO, MEASURED, Wanted, choose
from models.artifact import staged
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm

PIECE = 4_096
TOPICS, MOST_CLUSTERS = 64, 20_000
HEAD = MatchHead(15.0, 13.0, item=TraceTerm(2.0))
"""Under it the nearest items match with about even chances, and σ changes their order."""


@dataclass(frozen=True)
class Collection:
    """Clusters of topics on the unit sphere; items, and queries near to some of them.

    Means lie about the centres of clusters of some 64 items with a cosine of about 0.9, and these about 64 topics.
    Traces are log-normal: of ten items one has less than 0.4 times the median and one more than 2.5 times.

    Args:
        count: how many items.
        dim: dimensions.
        queries: how many queries.
        seed: the same seed gives the same numbers.
    """

    count: int
    dim: int
    queries: int = 1_000
    seed: int = 0

    def items(self) -> Iterator[Shard]:
        """All items, in pieces."""
        return self._pieces(self.count, 0)

    def asking(self) -> Iterator[Shard]:
        """All queries, in pieces."""
        return self._pieces(self.queries, 1)

    @cached_property
    def _centres(self) -> Tensor:
        generator = self._generator(0, 2)
        topics = self._points(TOPICS, generator)
        clusters = min(MOST_CLUSTERS, max(1, self.count // 64))
        return normalize(topics[torch.arange(clusters) % TOPICS] + 0.8 * self._points(clusters, generator), dim=-1)

    def _pieces(self, count: int, kind: int) -> Iterator[Shard]:
        for start in range(0, count, PIECE):
            length = min(PIECE, count - start)
            yield Shard(self._piece(start, length, kind), tuple(range(length)))

    def _piece(self, start: int, length: int, kind: int) -> Gaussian:
        generator = self._generator(start, kind)
        rows = torch.randint(len(self._centres), (length,), generator=generator)
        means = normalize(self._centres[rows] + 0.5 * self._points(length, generator), dim=-1)
        traces = -1.5 + 0.7 * torch.randn(length, 1, generator=generator)
        shape = 0.5 * torch.randn(length, self.dim, generator=generator)
        return Gaussian(means, traces - torch.tensor(float(self.dim)).log() + shape)

    def _points(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, self.dim, generator=generator) / sqrt(self.dim)

    def _generator(self, start: int, kind: int) -> torch.Generator:
        return torch.Generator().manual_seed(1_000_003 * self.seed + 7 * start + kind)


class _Entries(Sequence[Entry]):
    """Entries that exist while they are looked at; the first ones have a caption each, which stand for the queries."""

    def __init__(self, count: int, captioned: int) -> None:
        self._count, self._captioned = count, captioned

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self._count))]
        if not 0 <= place < self._count:
            raise IndexError(place)
        captions = ("a query",) if place < self._captioned else ()
        return Entry(f"item-{place}", Path("none"), captions, meta={"number": place})


def write_gallery(
    directory: Path, collection: Collection, kind: str, storage: Storage | None, over: str = AUTO
) -> Manifest:
    """Write a collection as a gallery: its items as images without pictures, its queries as captions."""
    wanted, dim = Wanted(kind, over), collection.dim
    kinds = {
        **choose(wanted, {Modality.IMAGE: collection.count}, dim),
        **choose(MEASURED, {Modality.TEXT: collection.queries}, dim),
    }
    plan = Plan(Parameters(PIECE, wanted, 256, storage), kinds, dict.fromkeys(Modality, HEAD))
    origin = Origin("none", "none", f"synthetic-{collection.seed}", collection.dim)
    entries = _Entries(collection.count, collection.queries)
    pieces = (partial(collection.items), partial(collection.asking))
    with staged(directory) as aside:
        return assemble(aside, origin, plan, entries, *pieces, ())
