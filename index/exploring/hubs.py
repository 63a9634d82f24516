"""Items that answer too many queries, as happens in spaces of many dimensions: k-occurrences and their skewness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import torch

from index.gaussians.exhaustive import probability_blocks
from index.items import Modality
from index.local.gallery import Gallery
from index.ranking import Best, Rows
from models.match import MatchHead

ANSWERS: Final = 10
"""k: the first answers of a query, among which an item occurs."""
QUERIES: Final = 2_000
"""So many items ask at most; where there are more, they are drawn."""
SEED: Final = 0


@dataclass(frozen=True, eq=False)
class Occurrences:
    """How often items are among the first answers of queries.

    Args:
        rows: of all items of the modality that answers.
        counts: N_k of each.
        queries: how many asked.
        answers: k; fewer where there are fewer items.
    """

    rows: Rows
    counts: Rows
    queries: int
    answers: int

    @property
    def expected(self) -> float:
        """N_k of each item if chance drew the answers."""
        return self.queries * self.answers / max(1, len(self.rows))

    @property
    def skewness(self) -> float | None:
        """E(N_k − mean)³ / σ³ (Radovanović, Nanopoulos and Ivanović, 2010, section 3); None where all are equal."""
        off = self.counts - self.expected
        spread = float(np.mean(off**2)) if len(off) else 0.0
        return float(np.mean(off**3)) / spread**1.5 if spread else None

    @property
    def skewness_by_chance(self) -> float | None:
        """The same if chance drew the answers: N_k is binomial; None where every item is always drawn."""
        share = self.answers / max(1, len(self.rows))
        spread = self.queries * share * (1 - share)
        return (1 - 2 * share) / sqrt(spread) if spread else None


@torch.inference_mode()
def occurrences(
    gallery: Gallery, modality: Modality, head: MatchHead, progress: Callable[[int, int], None] = lambda *_: None
) -> Occurrences:
    """Let items of the other modality ask for those of one, and count who answers.

    Every item is compared, by closed-form match probability: no shortlist, no sampling noise.

    Args:
        gallery: whose items ask and answer.
        modality: that answers.
        head: of that direction.
        progress: told how many items are compared, of how many rows.
    """
    [other] = (each for each in Modality if each is not modality)
    rows, asking = gallery.rows(modality), gallery.rows(other)
    if len(asking) > QUERIES:
        asking = np.sort(np.random.default_rng(SEED).choice(asking, QUERIES, replace=False))
    k, stored = min(ANSWERS, len(rows)), gallery.stored(modality)
    if not len(asking) or not len(rows):
        return Occurrences(rows, np.zeros(len(rows), np.int64), len(asking), k)
    best, there = Best(len(asking), k, largest=True), np.zeros(len(stored), np.bool_)
    there[rows] = True
    for start, probabilities in probability_blocks(gallery.gaussians(other, asking), stored, head):
        end = start + probabilities.shape[1]
        # What was removed still has its row, and never answers.
        best.see(probabilities.masked_fill(torch.from_numpy(~there[start:end]), -1), start)
        progress(end, len(stored))
    counts = np.bincount(best.rows.flatten().numpy(), minlength=len(stored))
    return Occurrences(rows, counts[rows], len(asking), k)
