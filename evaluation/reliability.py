"""How good probabilities are: over pairs, in bins, and query by query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

ECE_BINS: Final = 15
# Answers of a search that a person looks at.
SHOWN: Final = 10
# Queries of more true matches than this are answered well by any order; those of fewer are what a count is asked for.
COUNTED: Final = (1, 200)
FACTOR: Final = 1.5


@dataclass(frozen=True)
class Diagram:
    """A reliability diagram: bins of equally many pairs, by rising probability.

    Args:
        probability: the mean of each bin.
        frequency: the share of each bin that matches.
        count: the pairs of each bin.
    """

    probability: tuple[float, ...]
    frequency: tuple[float, ...]
    count: tuple[int, ...]

    @property
    def ece(self) -> float:
        """Mean |probability − frequency| (Naeini et al., 2015; equal-mass bins: Nguyen and O'Connor, 2015)."""
        gaps = (abs(p - f) * n for p, f, n in zip(self.probability, self.frequency, self.count, strict=True))
        return sum(gaps) / sum(self.count)


@dataclass(frozen=True)
class Shown:
    """The ten most probable items of each query, which is what a search shows of its probabilities.

    Most items of a shortlist do not match and are easily given a small probability, so that all of them together may
    be calibrated and these are not.

    Args:
        probability: their mean.
        frequency: the share of them that match.
        ece: of the diagram.
        diagram: in 15 bins.
    """

    probability: float
    frequency: float
    ece: float
    diagram: Diagram


@dataclass(frozen=True)
class PerQuery:
    """The probabilities of a query against the items of its shortlist, over queries.

    Args:
        within: share of the queries whose expected matches, the sum over the shortlist, are within a factor of 1.5 of
            the true number among all items, of those whose true number is 1 to 200; None where there are none.
        counted: how many those are.
        only_match: median probability of the match, over queries that match a single item; None where there are none.
        single: how many those are.
    """

    within: float | None
    counted: int
    only_match: float | None
    single: int


@dataclass(frozen=True)
class Reliability:
    """How good a probability is: log-loss (nats), Brier score, expected calibration error, all over pairs.

    Args:
        log_loss: mean −log of the probability given to what is the case.
        brier: mean squared difference.
        ece: of the diagram.
        diagram: in 15 bins.
        queries: the same probabilities query by query; None where pairs of several collections were pooled.
        shown: the same of what a search shows; None likewise.
    """

    log_loss: float
    brier: float
    ece: float
    diagram: Diagram
    queries: PerQuery | None = None
    shown: Shown | None = None


def reliability(probability: Tensor, match: Tensor, counts: Tensor | None = None) -> Reliability:
    """Judge probabilities against what matched.

    Args:
        probability: [pairs], or [queries, items] of each query's shortlist.
        match: of the same shape, 1 where they match and 0 where not.
        counts: [queries], how many of all items match, in a shortlist or not; then the queries are judged one by one.
    """
    flat, matched = probability.flatten().double(), match.flatten().double()
    log_loss = torch.nn.functional.binary_cross_entropy(flat.clamp(1e-12, 1 - 1e-12), matched)
    brier, drawn = (flat - matched).square().mean(), diagram(flat, matched)
    if counts is None:
        return Reliability(float(log_loss), float(brier), drawn.ece, drawn)
    queries, first = per_query(probability, match, counts), shown(probability, match)
    return Reliability(float(log_loss), float(brier), drawn.ece, drawn, queries, first)


def shown(probability: Tensor, match: Tensor) -> Shown:
    """Judge the most probable items of each query, at most ten, from probabilities and matches [queries, items].

    Of equally probable items the earlier ones are shown, which in a shortlist are the nearer ones.
    """
    first = probability.argsort(dim=1, descending=True, stable=True)[:, :SHOWN]
    told, matched = (each.gather(1, first).flatten().double() for each in (probability, match))
    drawn = diagram(told, matched)
    return Shown(float(told.mean()), float(matched.mean()), drawn.ece, drawn)


def diagram(probability: Tensor, match: Tensor, bins: int = ECE_BINS) -> Diagram:
    """The reliability diagram of probabilities [pairs]; with fewer pairs than bins, a bin for each."""
    order = probability.argsort(stable=True)
    parts = [part for part in order.tensor_split(bins) if len(part)]
    mean, share = (tuple(float(values[part].mean()) for part in parts) for values in (probability, match))
    return Diagram(mean, share, tuple(len(part) for part in parts))


def per_query(probability: Tensor, match: Tensor, counts: Tensor) -> PerQuery:
    """Count matches query by query, from probabilities and matches [queries, items] of the shortlists, and `counts`.

    A single match that is not in its query's shortlist was given a probability of 0.
    """
    expected, single = probability.sum(1, dtype=torch.float64), counts == 1
    counted = (counts >= COUNTED[0]) & (counts <= COUNTED[1])
    ratio = expected[counted] / counts[counted]
    near = (ratio <= FACTOR) & (ratio >= 1 / FACTOR)
    only = (probability * match)[single].sum(1, dtype=torch.float64)
    return PerQuery(
        float(near.double().mean()) if len(near) else None,
        len(near),
        float(only.quantile(0.5)) if len(only) else None,
        len(only),
    )
