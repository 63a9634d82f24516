"""Fit the match head on held-out pairs, so that a probability of 0.7 is right seven times in ten.

The head is logit = −a·d + b + f(tr Σ_q) + g(tr Σ_x), f and g quadratic (`TraceTerm`), seen through the closed-form
match probability: the same numbers serve the sampled estimator, whose limit it approximates. Beside it, always, a head
that is calibrated on the distance of the means alone; where the variances do not beat it, the figures say so.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor

from evaluation.positives import Positives
from evaluation.protocols import Embedded
from evaluation.relevance import Relevance, for_direction, plausible, relevant
from models.calibration import Calibration, Direction
from models.distances import pairwise_squared_l2
from models.gaussian import Gaussian
from models.match import DISTANCE_EPSILON, MatchHead, TraceTerm, distance_moments

MAX_QUERIES = 1_500
MAX_ITEMS = 4_000
ECE_BINS = 15
# Pulls the trace weights of a model whose traces are all alike towards zero (per pair, in standardised units).
RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Pairs:
    """What a head sees of query-item pairs, flat [pairs] and in float64, and whether they match."""

    distance: Tensor
    distance_variance: Tensor
    query_trace: Tensor
    item_trace: Tensor
    match: Tensor
    query: Tensor

    def __getitem__(self, chosen: Tensor) -> Pairs:
        return Pairs(*(value[chosen] for value in vars(self).values()))

    def means_only(self, squared: Tensor) -> Pairs:
        """The same pairs as a model without variances sees them; `squared` [pairs] are distances of the means."""
        zero = torch.zeros_like(self.distance)
        return Pairs((squared + DISTANCE_EPSILON).sqrt(), zero, zero, zero, self.match, self.query)


@dataclass(frozen=True)
class Reliability:
    """How good a probability is: log-loss (nats), Brier score, expected calibration error, all over pairs."""

    log_loss: float
    brier: float
    ece: float


def calibrate(embedded: Embedded, raw: MatchHead, kind: Relevance | None = None, seed: int = 0) -> Calibration:
    """Fit a head for each direction, and measure it on queries it was not fitted on (two folds).

    Args:
        embedded: a held-out collection, not trained on.
        raw: the head as trained, for comparison.
        kind: which pairs match; the best that is known when left out.
        seed: chooses queries and items where there are too many.
    """
    kind = kind or plausible(embedded.entries)
    matches = relevant(embedded.entries, kind)
    heads, mean_only, figures = {}, {}, {}
    for direction in Direction:
        pairs, points = pairs_of_direction(embedded, direction, matches, seed)
        heads[direction], mean_only[direction] = fit_head(pairs), fit_head(points)
        figures[str(direction)] = _figures(pairs, points, raw, seed)
    return Calibration(heads, mean_only, {"relevance": str(kind), "seed": seed, **figures})


def pairs_of_direction(
    embedded: Embedded, direction: Direction, matches: Positives, seed: int = 0
) -> tuple[Pairs, Pairs]:
    """The pairs of a direction, as they are and as a model without variances sees them.

    Args:
        embedded: the collection.
        direction: which side asks.
        matches: the images that each caption matches.
        seed: chooses queries and items where there are too many.
    """
    return pairs_of(*embedded.sides(direction), for_direction(matches, direction), seed)


def pairs_of(queries: Gaussian, items: Gaussian, matches: Positives, seed: int) -> tuple[Pairs, Pairs]:
    """All pairs of at most `MAX_QUERIES` queries and `MAX_ITEMS` items, with their variances and without."""
    rng = default_rng(seed)
    rows = np.sort(rng.permutation(len(queries))[:MAX_QUERIES])
    columns = np.sort(rng.permutation(len(items))[:MAX_ITEMS])
    x, y = queries[torch.from_numpy(rows)], items[torch.from_numpy(columns)]
    mean, variance = distance_moments(x, y)
    shape = mean.shape
    columns_of = (
        mean,
        variance,
        x.total_variance[:, None].expand(shape),
        y.total_variance.expand(shape),
        torch.from_numpy(matches.mask(rows)[:, columns]),
        torch.arange(shape[0])[:, None].expand(shape),
    )
    pairs = Pairs(*(value.flatten().double() for value in columns_of))
    return pairs, pairs.means_only(pairwise_squared_l2(x.mean, y.mean).double().flatten())


def fit_head(pairs: Pairs) -> MatchHead:
    """The head of least log-loss over pairs (maximum likelihood, L-BFGS), with a positive scale."""
    q, x = pairs.query_trace, pairs.item_trace
    traces = torch.stack([q, x, q.square(), x.square()])
    centre, width = traces.mean(1), traces.std(1).clamp_min(1e-9)
    standard = (traces - centre[:, None]) / width[:, None]
    unit = float(pairs.distance.mean())
    parameters = torch.tensor([math.log(8.0), 4.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe", tolerance_change=1e-10)

    def loss() -> Tensor:
        optimiser.zero_grad()
        scale = parameters[0].exp() / unit
        offset = parameters[1] + parameters[2:] @ standard
        value = _log_loss(_squash(offset - scale * pairs.distance, scale, pairs), pairs.match)
        value = value + RIDGE * parameters[2:].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    found = parameters.detach()
    weights = found[2:] / width
    shift = found[1] - weights @ centre
    terms = (
        TraceTerm(float(slope), float(curve), float(t.min()), float(t.max()))
        for slope, curve, t in zip(weights[:2], weights[2:], (q, x), strict=True)
    )
    return MatchHead(float(found[0].exp() / unit), float(shift), *terms)


def predict(head: MatchHead, pairs: Pairs) -> Tensor:
    """[pairs]: closed-form match probabilities."""
    offset = head.offset_of(pairs.query_trace, pairs.item_trace)
    return torch.sigmoid(_squash(offset - head.scale * pairs.distance, head.scale, pairs))


def _squash(logit: Tensor, scale: Tensor | float, pairs: Pairs) -> Tensor:
    """The logit whose logistic is the expectation over a normal distance (MacKay, 1992)."""
    return logit / (1 + math.pi / 8 * scale**2 * pairs.distance_variance).sqrt()


def _log_loss(logit: Tensor, match: Tensor) -> Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(logit, match)


def reliability(probability: Tensor, match: Tensor) -> Reliability:
    """Log-loss, Brier score and ECE of probabilities [pairs] against what matched [pairs]."""
    clipped = probability.clamp(1e-12, 1 - 1e-12)
    log_loss = torch.nn.functional.binary_cross_entropy(clipped, match)
    brier = (probability - match).square().mean()
    return Reliability(float(log_loss), float(brier), expected_calibration_error(probability, match))


def expected_calibration_error(probability: Tensor, match: Tensor, bins: int = ECE_BINS) -> float:
    """Mean |probability − frequency| over equal-mass bins (Naeini et al., 2015; equal-mass: Nguyen and O'Connor)."""
    order = probability.argsort(stable=True)
    gaps = [
        abs(float(probability[part].mean() - match[part].mean())) * len(part)
        for part in order.tensor_split(bins)
        if len(part)
    ]
    return sum(gaps) / len(order)


def _figures(pairs: Pairs, points: Pairs, raw: MatchHead, seed: int) -> dict[str, Any]:
    """Raw, calibrated, and calibrated on the means alone, each judged on the half of the queries it did not see."""
    fold = torch.from_numpy(default_rng([seed, 1]).permutation(int(pairs.query.max()) + 1) % 2)[pairs.query.long()]
    shown = {"raw": reliability(predict(raw, pairs), pairs.match)}
    for name, seen in (("calibrated", pairs), ("calibrated_mean_only", points)):
        probability = torch.empty_like(pairs.distance)
        for half in (0, 1):
            probability[fold == half] = predict(fit_head(seen[fold != half]), seen[fold == half])
        shown[name] = reliability(probability, pairs.match)
    counts = {"pairs": len(pairs.match), "matches": int(pairs.match.sum())}
    return {**counts, **{name: asdict(value) for name, value in shown.items()}}
