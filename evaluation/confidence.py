"""The first answer to every query, how sure of it one may be, and whether it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from evaluation.contest import Contest, Scored, contests
from evaluation.metrics import precision_at_r
from evaluation.positives import Bools, Floats, Ints, Positives, query_blocks
from evaluation.protocols import Embedded, Ranked
from evaluation.relevance import owners
from evaluation.selective import Abstention, Bins, abstention, in_bins
from evaluation.uncertainty import telling_sigma
from models.calibration import Direction
from models.distances import pairwise_squared_l2
from models.gaussian import Gaussian
from models.match import MatchHead, closed_form

SCORES: Final = ("sigma", "probability", "margin", "mean_only_probability", "mean_only_margin")

TITLES: Final = {
    "sigma": "σ",
    "probability": "the calibrated probability",
    "mean_only_probability": "the mean-only probability",
}


@dataclass(frozen=True, eq=False)
class Tops:
    """The first answers: their item [queries], their probability, and how far it is above that of the second."""

    item: Tensor
    probability: Floats
    margin: Floats


@dataclass(frozen=True)
class Confidence:
    """What abstaining by each of `SCORES` keeps away, and ranking figures in bins of what a query is doubted by.

    Args:
        abstention: by σ of the query, by the probability of the first answer and by its margin; the last two also of a
            model that sees the means alone, for the answers of that model. Without `sigma` where σ tells no query from
            another.
        recall_1: Recall@1 by instance, in bins of σ; None where σ tells no query from another.
        r_precision: R-Precision by what plausibly matches, likewise.
        mean_only_recall_1: Recall@1 in bins of the first answer's probability by the means alone.
        mean_only_r_precision: R-Precision likewise.
        contests: σ and the probability, each against the probability by the means alone; none where σ tells nothing
            apart, of the queries or of the items.
    """

    abstention: Mapping[str, Abstention]
    recall_1: Bins | None
    r_precision: Bins | None
    mean_only_recall_1: Bins
    mean_only_r_precision: Bins
    contests: tuple[Contest, ...]

    @property
    def sentences(self) -> Iterator[str]:
        """What σ and the probabilities know of the answers, beside what the means alone know."""
        for name, bins, beside in (
            ("Recall@1", self.recall_1, self.mean_only_recall_1),
            ("R-Precision", self.r_precision, self.mean_only_r_precision),
        ):
            if bins is not None:
                yield (
                    f"over ten bins of σ, Spearman's ρ with {name} is {bins.spearman:.2f} (slope {bins.slope:.3g}); "
                    f"over ten bins of the mean-only probability {beside.spearman:.2f} (slope {beside.slope:.3g})."
                )
        for figure, title in (("auroc", "R-AUROC"), ("area", "area under risk against coverage")):
            said = [_outcome(each) for each in self.contests if each.figure == figure]
            if said:
                yield f"knowing which first answers are wrong, by {title}: {'; '.join(said)}."

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "contests": [each.to_dict() for each in self.contests]}


def confidence(
    embedded: Embedded, direction: Direction, ranked: Ranked, wider: Positives, head: MatchHead, mean_only: MatchHead
) -> Confidence:
    """Measure.

    Args:
        embedded: the collection.
        direction: which side asks.
        ranked: its ranking by the distance of the means.
        wider: all that plausibly matches; an answer outside it is wrong. Queries that nothing matches are left out.
        head: gives the probabilities.
        mean_only: gives those of a model without variances.
    """
    queries, items = embedded.sides(direction)
    asked = np.flatnonzero(wider.counts > 0)
    queries, wider = queries[torch.from_numpy(asked)], wider.take(asked, np.arange(wider.item_count))
    sigma, points, scored = doubts(queries, items, wider, head, mean_only)
    first, precision = (each[asked] for each in (ranked.found_first, precision_at_r(ranked.wider)))
    owner = owners(embedded.entries)[asked] if direction is Direction.TEXT_TO_IMAGE else asked
    groups = np.unique(owner, return_inverse=True)[1]
    return Confidence(
        {name: abstention(each.score, each.wrong) for name, each in scored.items()},
        None if sigma is None else in_bins(sigma, first),
        None if sigma is None else in_bins(sigma, precision),
        in_bins(points.probability, first),
        in_bins(points.probability, precision),
        # Where no σ differs, the two probabilities are one up to rounding.
        () if sigma is None and telling_sigma(items) is None else _against_means(scored, groups),
    )


def doubts(
    queries: Gaussian, items: Gaussian, wider: Positives, head: MatchHead, mean_only: MatchHead
) -> tuple[Floats | None, Tops, dict[str, Scored]]:
    """σ of the queries, the first answers by the means alone, and the answers scored by each of `SCORES`."""
    full, points = tops(queries, items, head), tops(queries, items, mean_only, means_alone=True)
    wrong, wrong_by_means = (~_listed(wider, each.item.numpy()) for each in (full, points))
    sigma = telling_sigma(queries)
    scores = (
        (sigma, wrong),
        (-full.probability, wrong),
        (-full.margin, wrong),
        (-points.probability, wrong_by_means),
        (-points.margin, wrong_by_means),
    )
    named = zip(SCORES, scores, strict=True)
    return sigma, points, {name: Scored(name, score, bad) for name, (score, bad) in named if score is not None}


def _outcome(contest: Contest) -> str:
    one, other = (TITLES[name] for name in (contest.score, contest.rival))
    if contest.winner is None:
        if not np.isfinite(contest.advantage):
            return f"{one} and {other} cannot be compared, as all answers are right or all are wrong"
        return f"no difference between {one} and {other} ({contest.low:+.3f} to {contest.high:+.3f})"
    if contest.winner == contest.score:
        return f"{one} beats {other} by {contest.advantage:.3f} ({contest.low:.3f} to {contest.high:.3f})"
    return f"{other} beats {one} by {-contest.advantage:.3f} ({-contest.high:.3f} to {-contest.low:.3f})"


def _against_means(scored: Mapping[str, Scored], groups: Ints) -> tuple[Contest, ...]:
    rival = scored["mean_only_probability"]
    return tuple(
        each for name in ("sigma", "probability") if name in scored for each in contests(scored[name], rival, groups)
    )


def tops(queries: Gaussian, items: Gaussian, head: MatchHead, *, means_alone: bool = False) -> Tops:
    """The first answers of a closed-form ranking, or, with `means_alone`, of one by the distance of the means.

    The margin is the difference to the second probability; it is the probability itself where there is one item only.
    """
    blocks = query_blocks(len(queries), len(items))
    parts = [_two_best(queries[block], items, head, means_alone) for block in blocks]
    item, first, second = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return Tops(item, first.double().numpy(), (first - second).double().numpy())


def _two_best(queries: Gaussian, items: Gaussian, head: MatchHead, means_alone: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The first item, its probability and the second one; of equally probable items the nearest is first, as shown."""
    probability = closed_form(queries, items, replace(head, means_alone=True) if means_alone else head)
    best = probability.topk(min(2, len(items)), dim=1).values
    distance = pairwise_squared_l2(queries.mean, items.mean)
    first = distance.masked_fill(probability < best[:, :1], torch.inf).argmin(1)
    second = best[:, 1] if len(items) > 1 else torch.zeros(len(queries))
    return first, best[:, 0], second


def _listed(positives: Positives, items: Ints) -> Bools:
    """[queries]: whether a query's item is one of its positives."""
    hits = positives.items == items[positives.queries]
    return np.asarray(np.bincount(positives.queries[hits], minlength=len(positives)) > 0)
