"""Embed a collection, rank it both ways, and say how good the ranking is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np

from corpus.manifest import Entry
from evaluation.metrics import first_ranks, map_at_r, median_rank, r_precision, recall_at
from evaluation.positives import DistancesOf, Floats, Positives, Progress, Ranks, rank_positives
from evaluation.relevance import Relevance, for_direction, owners, plausible, relevant
from models.calibration import Direction
from models.distances import closest_squared_l2
from models.encoders import Encoder
from models.errors import ConfigError
from models.gaussian import Gaussian, concatenate
from models.image import Pixels, decode, frame, normalise


@dataclass(frozen=True, eq=False)
class Embedded:
    """A collection as Gaussians: images [n, dim] and captions [t, dim], in the order of the entries."""

    entries: Sequence[Entry]
    images: Gaussian
    texts: Gaussian

    @property
    def one_point(self) -> bool:
        """Whether an item is one point or Gaussian; of several there is a ranking, and no match probability."""
        return len(self.images.batch_shape) == 1

    def sides(self, direction: Direction) -> tuple[Gaussian, Gaussian]:
        """Queries and items of a direction."""
        if direction is Direction.TEXT_TO_IMAGE:
            return self.texts, self.images
        return self.images, self.texts


@dataclass(frozen=True)
class RankingQuality:
    """How good a ranking is, as shares of the queries that something matches.

    Recall@K and the median rank are by instance (or by what stands for it), R-Precision and MAP@R by what plausibly
    matches.
    """

    recall_1: float
    recall_5: float
    recall_10: float
    median_rank: float
    r_precision: float
    map_at_r: float
    queries: int


def embed(encoder: Encoder, entries: Sequence[Entry], progress: Progress | None = None, batch: int = 64) -> Embedded:
    """Encode all images and captions of a collection; pictures are decoded beside the encoder."""
    report = progress or (lambda done, total: None)
    texts = [caption for entry in entries for caption in entry.captions]
    total = len(entries) + len(texts)
    images, done = [], 0
    with ThreadPoolExecutor(2) as pool:
        for pixels in framed(encoder, entries, pool, batch):
            images.append(encoder.encode_pixels(normalise(pixels)).to("cpu"))
            done += len(pixels)
            report(done, total)
    captions = []
    for start in range(0, len(texts), 4 * batch):
        captions.append(encoder.encode_texts(texts[start : start + 4 * batch]).to("cpu"))
        report(done + min(start + 4 * batch, len(texts)), total)
    encoded = concatenate(images)
    return Embedded(entries, encoded, concatenate(captions) if captions else encoded[:0])


def framed(encoder: Encoder, entries: Sequence[Entry], pool: ThreadPoolExecutor, batch: int) -> Iterator[Pixels]:
    """Batches of framed pictures, one batch ahead of who asks."""

    def read(part: Sequence[Entry]) -> Pixels:
        framing = encoder.config.framing
        return np.stack([frame(decode(entry.image.read_bytes()), framing) for entry in part])

    parts = [entries[start : start + batch] for start in range(0, len(entries), batch)]
    waiting = [pool.submit(read, part) for part in parts[:2]]
    for index in range(len(parts)):
        if index + 2 < len(parts):
            waiting.append(pool.submit(read, parts[index + 2]))
        yield waiting[index].result()


def distances_between(queries: Gaussian, items: Gaussian) -> DistancesOf:
    """Squared distances of the means, or of the closest of several points, a block of queries at a time."""
    return lambda block: closest_squared_l2(queries[block], items).numpy()


@dataclass(frozen=True, eq=False)
class Ranked:
    """One ranking of all items for every query, by the distance of the means.

    Args:
        own: ranks of the instances that each query should find first.
        wider: ranks of all that plausibly matches.
        nearest: [queries], the distance to the first answer.
    """

    own: Ranks
    wider: Ranks
    nearest: Floats

    @property
    def quality(self) -> RankingQuality:
        """Its figures."""
        return quality_of(self.own, self.wider)

    @property
    def found_first(self) -> Floats:
        """[queries]: 1 where an instance comes first and 0 elsewhere, nan where there is none; Recall@1 is the mean."""
        found = np.where(self.own.counts > 0, 0.0, np.nan)
        found[self.own.queries[self.own.values == 0]] = 1
        return found


def rank(
    queries: Gaussian, items: Gaussian, own: Positives, wider: Positives, progress: Progress | None = None
) -> Ranked:
    """Rank all items for every query in blocks of queries.

    Args:
        queries: Gaussian [queries, dim].
        items: Gaussian [items, dim].
        own: the items that each query should find first.
        wider: all that plausibly matches.
        progress: is told (queries done, queries).
    """
    squared, nearest = distances_between(queries, items), np.empty(len(queries))

    def noted(block: slice) -> Floats:
        table = squared(block)
        nearest[block] = np.sqrt(table.min(axis=1, initial=np.inf))
        return table

    by_own, by_wider = rank_positives(noted, own, wider, progress=progress)
    return Ranked(by_own, by_wider, nearest)


def rank_both_ways(
    embedded: Embedded, own: Positives, wider: Positives, progress: Progress | None = None
) -> dict[Direction, Ranked]:
    """Rank all images for every caption, and all captions for every image.

    Args:
        embedded: the collection.
        own: the images that each caption should find first.
        wider: the images that each caption matches.
        progress: is told (queries done, queries) through both directions.
    """
    total, done, ranked = len(embedded.texts) + len(embedded.images), 0, {}
    for direction in Direction:
        queries, items = embedded.sides(direction)
        mine, all_of_mine = (for_direction(positives, direction) for positives in (own, wider))
        ranked[direction] = rank(queries, items, mine, all_of_mine, _shifted(progress, done, total))
        done += len(queries)
    return ranked


def ranking_quality(
    embedded: Embedded,
    kind: Relevance | None = None,
    instance: Positives | None = None,
    progress: Progress | None = None,
) -> dict[Direction, RankingQuality]:
    """The figures of `rank_both_ways`.

    Args:
        embedded: the collection.
        kind: what counts as a match for R-Precision and MAP@R; the best that is known when left out.
        instance: the images that each caption should find first; its own when left out.
        progress: is told (queries done, queries).
    """
    own = instance or relevant(embedded.entries, Relevance.INSTANCE)
    wider = relevant(embedded.entries, kind or plausible(embedded.entries))
    return {key: each.quality for key, each in rank_both_ways(embedded, own, wider, progress).items()}


def _shifted(progress: Progress | None, done: int, total: int) -> Progress | None:
    """Progress of a part that begins when `done` of `total` are done."""
    return None if progress is None else lambda count, _: progress(done + count, total)


def quality_of(own: Ranks, wider: Ranks) -> RankingQuality:
    """The figures of a ranking: recalls from the ranks of the instances, the rest from those of all that matches."""
    one, five, ten = (recall_at(own, k) for k in (1, 5, 10))
    return RankingQuality(one, five, ten, median_rank(own), r_precision(wider), map_at_r(wider), len(first_ranks(own)))


def rsum(ranking: Mapping[Direction, RankingQuality]) -> float:
    """The sum of Recall@1, @5 and @10 of both directions in per cent, 600 at best."""
    return 100 * sum(q.recall_1 + q.recall_5 + q.recall_10 for q in ranking.values())


def quality_in_folds(embedded: Embedded, folds: int, kind: Relevance | None = None) -> dict[Direction, RankingQuality]:
    """The same, averaged over parts of the collection that are ranked alone.

    Five folds of the 5,000 test images are what COCO 1K means (Karpathy and Fei-Fei, 2015).

    Args:
        embedded: the collection; its images are cut into `folds` parts in their order.
        folds: how many; each gets as many images as the others, and what is left over is left out.
        kind: as for `ranking_quality`.

    Raises:
        ConfigError: there are fewer images than folds.
    """
    owner, size = owners(embedded.entries), len(embedded.entries) // max(folds, 1)
    if folds < 1 or size < 1:
        raise ConfigError(f"{len(embedded.entries)} images cannot be cut into {folds} folds: ask for fewer")
    found: dict[Direction, list[RankingQuality]] = {direction: [] for direction in Direction}
    for fold in range(folds):
        images = slice(fold * size, (fold + 1) * size)
        texts = slice(*np.searchsorted(owner, [images.start, images.stop]).tolist())
        part = Embedded(embedded.entries[images], embedded.images[images], embedded.texts[texts])
        for direction, quality in ranking_quality(part, kind).items():
            found[direction].append(quality)
    return {direction: _averaged(qualities) for direction, qualities in found.items()}


def _averaged(qualities: Sequence[RankingQuality]) -> RankingQuality:
    names = [field.name for field in fields(RankingQuality) if field.name != "queries"]
    means = {name: float(np.mean([getattr(quality, name) for quality in qualities])) for name in names}
    return RankingQuality(**means, queries=sum(quality.queries for quality in qualities))
