"""Embed a collection, rank it both ways, and say how good the ranking is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from corpus.manifest import Entry
from evaluation.metrics import Bools, Floats, first_ranks, median_rank, ordered_relevance, r_precision, recall_at
from evaluation.relevance import Relevance, plausible, relevant
from models.calibration import Direction
from models.distances import pairwise_squared_l2
from models.encoders import Encoder
from models.gaussian import Gaussian, concatenate
from models.image import Pixels, decode, frame, normalise

Progress = Callable[[int, int], None]
QUERY_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Embedded:
    """A collection as Gaussians: images [n, dim] and captions [t, dim], in the order of the entries."""

    entries: Sequence[Entry]
    images: Gaussian
    texts: Gaussian

    def sides(self, direction: Direction) -> tuple[Gaussian, Gaussian]:
        """Queries and items of a direction."""
        if direction is Direction.TEXT_TO_IMAGE:
            return self.texts, self.images
        return self.images, self.texts


@dataclass(frozen=True)
class RankingQuality:
    """How good a ranking is: Recall@K and median rank by instance, R-Precision by what plausibly matches (shares)."""

    recall_1: float
    recall_5: float
    recall_10: float
    median_rank: float
    r_precision: float
    queries: int


def embed(encoder: Encoder, entries: Sequence[Entry], progress: Progress | None = None, batch: int = 64) -> Embedded:
    """Encode all images and captions of a collection; pictures are decoded beside the encoder."""
    report = progress or (lambda done, total: None)
    texts = [caption for entry in entries for caption in entry.captions]
    total = len(entries) + len(texts)
    images, done = [], 0
    with ThreadPoolExecutor(2) as pool:
        for pixels in _framed(encoder, entries, pool, batch):
            images.append(encoder.encode_pixels(normalise(pixels)).to("cpu"))
            done += len(pixels)
            report(done, total)
    captions = []
    for start in range(0, len(texts), 4 * batch):
        captions.append(encoder.encode_texts(texts[start : start + 4 * batch]).to("cpu"))
        report(done + min(start + 4 * batch, len(texts)), total)
    return Embedded(entries, concatenate(images), concatenate(captions))


def _framed(encoder: Encoder, entries: Sequence[Entry], pool: ThreadPoolExecutor, batch: int) -> Iterator[Pixels]:
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


def ranking_quality(embedded: Embedded, kind: Relevance | None = None) -> dict[Direction, RankingQuality]:
    """Rank everything by the distance of the means, both ways, in blocks of queries.

    Args:
        embedded: the collection.
        kind: what counts as a match for R-Precision; the best that is known when left out. Recall@K counts the
            caption's own image alone.
    """
    instance = relevant(embedded.entries, Relevance.INSTANCE)
    wider = relevant(embedded.entries, kind or plausible(embedded.entries))
    qualities = {}
    for direction in Direction:
        queries, items = embedded.sides(direction)
        turned = (m if direction is Direction.TEXT_TO_IMAGE else m.T for m in (instance, wider))
        qualities[direction] = _quality(queries.mean, items.mean, *turned)
    return qualities


def _quality(queries: torch.Tensor, items: torch.Tensor, instance: Bools, wider: Bools) -> RankingQuality:
    firsts, precisions = [], []
    for start in range(0, len(queries), QUERY_BLOCK):
        block = slice(start, start + QUERY_BLOCK)
        distances: Floats = pairwise_squared_l2(queries[block], items).numpy()
        firsts.append(first_ranks(ordered_relevance(distances, instance[block])))
        precisions.append(r_precision(ordered_relevance(distances, wider[block])))
    first, precision = np.concatenate(firsts), float(np.nanmean(np.concatenate(precisions)))
    recall_1, recall_5, recall_10 = (recall_at(first, k) for k in (1, 5, 10))
    return RankingQuality(recall_1, recall_5, recall_10, median_rank(first), precision, len(first))
