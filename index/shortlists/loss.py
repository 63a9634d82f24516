"""How much of the exhaustive answer a shortlist holds, measured on a gallery's own items as queries.

The exhaustive answer to a query is the ten most probable of all items, by the match probability in closed form with the
head that the gallery answers with, before the head's map: a map keeps the order, and may make steps in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
import torch

from index.gaussians.exhaustive import nearest, probability_blocks
from index.gaussians.points import Points
from index.gaussians.storage import StoredGaussians
from index.ranking import Best, Rows
from models.distances import expected_squared
from models.errors import ArtifactError
from models.gaussian import Gaussian
from models.match import MatchHead

TOP: Final = 10
SIZES: Final = (20, 50, 100, 200, 500, 1_000)
"""Sizes of a shortlist for which the loss is measured."""

# Two probabilities whose logits differ by less are the same but for rounding.
_SAME: Final = 1e-4
_EPSILON: Final = 1e-7

Curve = tuple[float, ...]
"""The share of the exhaustive ten that a shortlist holds, for each of `SIZES`."""


class Space(StrEnum):
    """What a shortlist orders items by."""

    MEAN = "mean"
    """The distance of the means."""
    EXPECTED = "expected"
    """The expected squared distance: means lifted by tr Σ."""
    HEAD = "head"
    """Nearly the logit of the match head: means lifted by tr Σ and what the head makes of the item's variances."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The exhaustive answers to some queries.

    Args:
        queries: Gaussian [q, dim].
        rows: for each query, the rows whose probability reaches that of the tenth (all, in a gallery of fewer): equally
            probable items are equally good. No more than 1,000 of them.
        exchange: what one of a logit is worth in squared distance near the tenth answer, 2·d/a_q, d being
            √(‖Δ‖² + tr Σ_q + tr Σ_x) and a_q the head's scale; the median over the queries.
    """

    queries: Gaussian
    rows: Sequence[Rows]
    exchange: float

    def held(self, shortlists: Sequence[Rows]) -> float:
        """The share of the ten that a shortlist of rows for each query holds, the mean over the queries."""
        shares = [_share(found, best) for found, best in zip(shortlists, self.rows, strict=True)]
        return float(np.mean(shares))

    def curve(self, nearest: Sequence[Rows]) -> Curve:
        """What the first rows of an order for each query hold, for each of `SIZES`."""
        return tuple(self.held([rows[:size] for rows in nearest]) for size in SIZES)


@dataclass(frozen=True)
class Loss:
    """What a shortlist was measured to hold of the exhaustive ten, the mean over queries that it was not tuned on.

    Args:
        queries: how many items asked.
        asked_by: their modality.
        target: the share that was wanted.
        sizes: of the shortlists that were measured.
        curves: for each space, the share held by an exact shortlist of each size.
        built: the same for the shortlist as it was built.
        head: fingerprint of the match head whose answers were compared with.
    """

    queries: int
    asked_by: str
    target: float
    sizes: tuple[int, ...]
    curves: Mapping[Space, Curve]
    built: Curve
    head: str

    @property
    def by_size(self) -> dict[int, float]:
        """What the shortlist as it was built holds, for each size."""
        return dict(zip(self.sizes, self.built, strict=True))

    @property
    def exactly_by_size(self) -> dict[Space, dict[int, float]]:
        """What exact shortlists hold, for each space and size."""
        return {space: dict(zip(self.sizes, curve, strict=True)) for space, curve in self.curves.items()}

    def compared_with(self, head: MatchHead) -> bool:
        """Whether it is of this match head: a model may be calibrated again after a gallery was built."""
        return self.head == head_fingerprint(head)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Loss:
        """From JSON."""
        curves = {Space(name): tuple(curve) for name, curve in values["curves"].items()}
        return cls(**{**values, "sizes": tuple(values["sizes"]), "curves": curves, "built": tuple(values["built"])})


def head_fingerprint(head: MatchHead) -> str:
    """SHA-256 (hex) of what a match head is."""
    return hashlib.sha256(repr(head).encode()).hexdigest()


@torch.inference_mode()
def exhaustive(queries: Gaussian, items: StoredGaussians, head: MatchHead) -> Truth:
    """The most probable of all items, in blocks: at no time are all probabilities in memory.

    Raises:
        ArtifactError: probabilities are no numbers, so that nothing could be ranked by them.
    """
    best = Best(len(queries), SIZES[-1], largest=True)
    for start, block in probability_blocks(queries, items, replace(head, map=None)):
        best.see(block, start)
    top = best.values.double()
    if top.isnan().any():
        raise ArtifactError(
            "the match probabilities of this model are no numbers, for its variances are beyond any range: train it "
            "again, or check what was imported"
        )
    tenth = top[:, min(TOP, len(items)) - 1]
    least = tenth - _SAME * torch.minimum(tenth, 1 - tenth) - _EPSILON * tenth
    rows = [found[reached].numpy() for found, reached in zip(best.rows, top >= least[:, None], strict=True)]
    last = items.take(best.rows[:, min(TOP, len(items)) - 1].numpy())
    distances = expected_squared(queries, last).sqrt()
    return Truth(queries, rows, float((2 * distances / head.scale_of(queries)).median()))


@torch.inference_mode()
def exact_curve(truth: Truth, points: Points) -> Curve:
    """What exact shortlists of some points hold."""
    return truth.curve(list(nearest(truth.queries.mean, points, SIZES[-1])))


def _share(found: Rows, best: Rows) -> float:
    full = min(TOP, len(best))
    return min(len(set(found.tolist()).intersection(best.tolist())), full) / full
