"""The first answer to every query, how sure of it one may be, and whether it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from evaluation.metrics import precision_at_r
from evaluation.positives import Bools, Floats, Positives, query_blocks, rank_positives
from evaluation.protocols import Embedded, distances_between
from evaluation.selective import Abstention, Bins, abstention, in_bins
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead, closed_form

SCORES: Final = ("sigma", "probability", "margin", "mean_only_probability", "mean_only_margin")


@dataclass(frozen=True, eq=False)
class Tops:
    """The first answers: their item [queries], their probability, and how far it is above that of the second."""

    item: Tensor
    probability: Floats
    margin: Floats


@dataclass(frozen=True)
class Confidence:
    """What abstaining by each of `SCORES` keeps away, and ranking figures in bins of the query's σ.

    Args:
        abstention: by σ of the query, by the probability of the first answer and by its margin; the last two also of a
            model that sees the means alone, for the answers of that model.
        recall_1: Recall@1 by instance, in bins of σ.
        r_precision: R-Precision by what plausibly matches, likewise.
    """

    abstention: Mapping[str, Abstention]
    recall_1: Bins
    r_precision: Bins

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def confidence(
    embedded: Embedded, direction: Direction, own: Positives, wider: Positives, head: MatchHead, mean_only: MatchHead
) -> Confidence:
    """Measure.

    Args:
        embedded: the collection.
        direction: which side asks.
        own: the instances that each query should find first.
        wider: all that plausibly matches; an answer outside it is wrong. Queries that nothing matches are left out.
        head: gives the probabilities.
        mean_only: gives those of a model without variances.
    """
    queries, items = embedded.sides(direction)
    asked = np.flatnonzero(wider.counts > 0)
    everything = np.arange(wider.item_count)
    queries, own, wider = queries[torch.from_numpy(asked)], own.take(asked, everything), wider.take(asked, everything)
    full, points = tops(queries, items, head), tops(queries, items, mean_only, means_alone=True)
    sigma = queries.sigma.numpy()
    wrong, wrong_by_means = (~_listed(wider, each.item.numpy()) for each in (full, points))
    kept_away = {
        "sigma": abstention(sigma, wrong),
        "probability": abstention(-full.probability, wrong),
        "margin": abstention(-full.margin, wrong),
        "mean_only_probability": abstention(-points.probability, wrong_by_means),
        "mean_only_margin": abstention(-points.margin, wrong_by_means),
    }
    by_own, by_wider = rank_positives(distances_between(queries, items), own, wider)
    found_first = np.zeros(len(queries))
    found_first[by_own.queries[by_own.values == 0]] = 1
    return Confidence(kept_away, in_bins(sigma, found_first), in_bins(sigma, precision_at_r(by_wider)))


def tops(queries: Gaussian, items: Gaussian, head: MatchHead, *, means_alone: bool = False) -> Tops:
    """The first answers of a closed-form ranking, or, with `means_alone`, of one by the distance of the means.

    The margin is the difference to the second probability; it is the probability itself where there is one item only.
    """
    blocks = query_blocks(len(queries), len(items))
    parts = [_two_best(queries[block], items, head, means_alone) for block in blocks]
    item, first, second = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return Tops(item, first.double().numpy(), (first - second).double().numpy())


def _two_best(queries: Gaussian, items: Gaussian, head: MatchHead, means_alone: bool) -> tuple[Tensor, Tensor, Tensor]:
    probability = closed_form(queries, items, replace(head, means_alone=True) if means_alone else head)
    best = probability.topk(min(2, len(items)), dim=1)
    second = best.values[:, 1] if len(items) > 1 else torch.zeros(len(queries))
    return best.indices[:, 0], best.values[:, 0], second


def _listed(positives: Positives, items: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Bools:
    """[queries]: whether a query's item is one of its positives."""
    hits = positives.items == items[positives.queries]
    return np.asarray(np.bincount(positives.queries[hits], minlength=len(positives)) > 0)
