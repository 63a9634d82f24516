"""Maximum likelihood: match heads and monotone maps from pairs whose matches are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from evaluation.pairs import Pairs
from models.gaussian import Gaussian
from models.match import (
    LogVarianceTerm,
    MatchHead,
    TraceTerm,
    VarianceTerm,
    distance_moments,
    distance_of_means,
    squashed,
)
from models.probability_map import EPSILON, IsotonicMap, PlattMap

# Pulls the weights of a model whose variances are all alike towards zero (per pair, in whitened units).
RIDGE: Final = 1e-6
LOG_VARIANCE_RIDGE: Final = 1e-5
MAX_STEPS: Final = 50
MAX_DAMPING: Final = 1e6
# A map must rise: where what is mapped knows nothing, it hardly does.
LEAST_SLOPE: Final = 1e-6
# Nats a pair that a step must gain to be followed by another one.
TOLERANCE: Final = 1e-9


class Sees(StrEnum):
    """What a head is shown of the variances."""

    NOTHING = "nothing"
    """The distance of the means alone."""
    TRACES = "traces"
    """The total variances and their squares."""
    LOG_VARIANCES = "log variances"
    """A weight for each dimension's log variance, and the square of the sum."""


@dataclass(frozen=True, eq=False)
class _Side:
    """Features of queries, or of items: made uncorrelated with unit variance, so that the fit is well conditioned."""

    sees: Sees
    centre: Tensor
    whiten: Tensor

    @classmethod
    def of(cls, gaussians: Sequence[Gaussian], sees: Sees) -> _Side:
        seen = torch.cat([_seen(g, sees) for g in gaussians])
        centre = seen.mean(0)
        _, width, axes = torch.linalg.svd(seen - centre, full_matrices=False)
        spread = width / math.sqrt(max(len(seen), 1))
        kept = spread > 1e-6 * spread.sum().clamp_min(1e-6)
        return cls(sees, centre, axes[kept].mT / spread[kept])

    def __call__(self, gaussian: Gaussian) -> Tensor:
        return (_seen(gaussian, self.sees) - self.centre) @ self.whiten

    def term(self, weights: Tensor, curve: float, gaussians: Sequence[Gaussian]) -> tuple[VarianceTerm, float]:
        """The term that weights of the features amount to, and what it adds to the shift."""
        plain = self.whiten @ weights.double()
        centre = float(self.centre @ plain)
        seen = torch.cat([_seen(g, self.sees) for g in gaussians])
        if self.sees is Sees.TRACES:
            traces = seen[:, 0]
            return TraceTerm(float(plain[0]), float(plain[1]), float(traces.min()), float(traces.max())), -centre
        if self.sees is Sees.LOG_VARIANCES:
            read = seen @ plain - centre
            return LogVarianceTerm(tuple(plain.tolist()), centre, curve, float(read.min()), float(read.max())), 0.0
        return TraceTerm(), 0.0


def _seen(gaussian: Gaussian, sees: Sees) -> Tensor:
    if sees is Sees.TRACES:
        trace = gaussian.total_variance.double()
        return torch.stack([trace, trace.square()], -1)
    return (
        gaussian.log_variance.double()
        if sees is Sees.LOG_VARIANCES
        else gaussian.mean.new_zeros(len(gaussian), 0).double()
    )


def fit_head(blocks: Sequence[Pairs], sees: Sees) -> MatchHead:
    """The head of least log-loss over pairs, with a positive scale: maximum likelihood by Fisher scoring.

    The numbers of a head touch a pair through its query, through its item, or through its distance, so that the
    information matrix comes from products of [numbers, queries], [queries, items] and [items, numbers]: a step costs
    little more than looking at every pair once, and a dozen steps are enough (McCullagh and Nelder, 1989, 2.5).

    Args:
        blocks: pairs; each weighs the same.
        sees: what the head is shown of the variances.
    """
    problem = _Problem.of(blocks, sees)
    return problem.head(least(problem.loss, problem.step, problem.start()))


@dataclass(frozen=True, eq=False)
class _Problem:
    """What a head is fitted to; its numbers are [log scale, shift, curve and weights of queries, the same of items]."""

    sees: Sees
    sides: tuple[_Side, _Side]
    gaussians: tuple[list[Gaussian], list[Gaussian]]
    features: tuple[list[Tensor], list[Tensor]]
    moments: list[tuple[Tensor, Tensor]]
    matches: list[Tensor]

    @classmethod
    def of(cls, blocks: Sequence[Pairs], sees: Sees) -> _Problem:
        gaussians = [block.queries for block in blocks], [block.items for block in blocks]
        sides = _Side.of(gaussians[0], sees), _Side.of(gaussians[1], sees)
        features = [sides[0](g) for g in gaussians[0]], [sides[1](g) for g in gaussians[1]]
        moments = [_moments(block, sees) for block in blocks]
        return cls(sees, sides, gaussians, features, moments, [block.match.double() for block in blocks])

    def start(self) -> Tensor:
        """A head without terms, steep enough to be a start for any distances."""
        unit = float(torch.cat([mean.flatten() for mean, _ in self.moments]).mean())
        numbers = torch.zeros(4 + sum(side.whiten.shape[1] for side in self.sides), dtype=torch.float64)
        numbers[0], numbers[1] = math.log(8.0 / unit), 4.0
        return numbers

    def split(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """[curve, weights] of each side."""
        first = 3 + self.sides[0].whiten.shape[1]
        return numbers[2:first], numbers[first:]

    def loss(self, numbers: Tensor) -> float:
        """The log-loss, with what pulls the terms to zero."""
        total = sum(float(_log_loss(self._logit(place, numbers)[0], match)) for place, match in enumerate(self.matches))
        return total / self.pairs + float((self.pull() * numbers.square()).sum())

    @property
    def pairs(self) -> int:
        return sum(match.numel() for match in self.matches)

    def pull(self) -> Tensor:
        """Of each number: nothing on scale and shift."""
        strength = LOG_VARIANCE_RIDGE if self.sees is Sees.LOG_VARIANCES else RIDGE
        return torch.cat([torch.zeros(2), torch.full((len(self.start()) - 2,), strength)]).double()

    def step(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and Fisher information of the loss."""
        pull = self.pull()
        gradient, information = 2 * pull * numbers, torch.diag(2 * pull)
        for place, match in enumerate(self.matches):
            logit, squash, by_scale = self._logit(place, numbers)
            probability = torch.sigmoid(logit)
            error, certain = probability - match, probability * (1 - probability)
            q, x = (self._slopes(side, place, numbers) for side in (0, 1))
            q = torch.cat([q.new_ones(len(q), 1), q], 1)
            flat = certain * squash
            parts = [(error * by_scale).sum()[None], q.mT @ (error * squash).sum(1), x.mT @ (error * squash).sum(0)]
            gradient = gradient + torch.cat(parts) / self.pairs
            both = flat * squash
            scaled = flat * by_scale
            qx = q.mT @ both @ x
            rows = [
                torch.cat([(certain * by_scale.square()).sum()[None], q.mT @ scaled.sum(1), x.mT @ scaled.sum(0)])[
                    None
                ],
                torch.cat([(q.mT @ scaled.sum(1))[:, None], q.mT @ (both.sum(1)[:, None] * q), qx], 1),
                torch.cat([(x.mT @ scaled.sum(0))[:, None], qx.mT, x.mT @ (both.sum(0)[:, None] * x)], 1),
            ]
            information = information + torch.cat(rows) / self.pairs
        return gradient, information

    def _read(self, side: int, place: int, numbers: Tensor) -> Tensor:
        own = self.split(numbers)[side]
        return self.features[side][place] @ own[1:]

    def _slopes(self, side: int, place: int, numbers: Tensor) -> Tensor:
        """Derivatives of a term by its curve and weights."""
        read, curve = self._read(side, place, numbers), self.split(numbers)[side][0]
        bent = self.sees is Sees.LOG_VARIANCES
        by_weight = self.features[side][place] * (1 + 2 * curve * read)[:, None]
        return torch.cat([(read.square() if bent else torch.zeros_like(read))[:, None], by_weight], 1)

    def _logit(self, place: int, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, what the squashing multiplies them by, and their derivative by log scale."""
        mean, variance = self.moments[place]
        scale, (q, x) = numbers[0].exp(), (self._read(side, place, numbers) for side in (0, 1))
        curve_q, curve_x = (own[0] for own in self.split(numbers))
        offset = numbers[1] + (q + curve_q * q.square())[:, None] + x + curve_x * x.square()
        squash = squashed(torch.ones_like(mean), scale, variance)
        logit = (offset - scale * mean) * squash
        by_scale = -scale * mean * squash - logit * (1 - squash.square())
        return logit, squash, by_scale

    def head(self, numbers: Tensor) -> MatchHead:
        """The head that numbers stand for."""
        (query, one), (item, two) = (
            side.term(own[1:], float(own[0]), gs)
            for side, own, gs in zip(self.sides, self.split(numbers), self.gaussians, strict=True)
        )
        shift = float(numbers[1]) + one + two
        return MatchHead(float(numbers[0].exp()), shift, query, item, means_alone=self.sees is Sees.NOTHING)


def least(loss: Callable[[Tensor], float], step: Callable[[Tensor], tuple[Tensor, Tensor]], numbers: Tensor) -> Tensor:
    """The numbers of least loss, by damped steps (Levenberg, 1944).

    Args:
        loss: of numbers.
        step: gradient and Fisher information of the loss there.
        numbers: where to start.
    """
    damping, best = 1e-3, loss(numbers)
    for _ in range(MAX_STEPS):
        gradient, information = step(numbers)
        width = information.diagonal().clamp_min(1e-12)
        found = math.inf
        while not found <= best and damping < MAX_DAMPING:
            tried = numbers - torch.linalg.solve(information + torch.diag(damping * width), gradient)
            found = loss(tried)
            damping *= 8
        if not found <= best:
            break
        gained, numbers, best, damping = best - found, tried, found, max(damping / 32, 1e-9)
        if gained < TOLERANCE:
            break
    return numbers


def _moments(pairs: Pairs, sees: Sees) -> tuple[Tensor, Tensor]:
    if sees is Sees.NOTHING:
        distance = distance_of_means(pairs.queries, pairs.items).double()
        return distance, torch.zeros_like(distance)
    mean, variance = distance_moments(pairs.queries, pairs.items)
    return mean.double(), variance.double()


def _log_loss(logit: Tensor, match: Tensor) -> Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(logit, match, reduction="sum")


def fit_platt(probability: Tensor, match: Tensor) -> PlattMap:
    """Logistic regression of what matched on the logit of a probability, both [pairs] (Platt, 1999)."""
    logit, matched = torch.logit(probability.double(), EPSILON), match.double()
    line = torch.stack([logit, torch.ones_like(logit)], 1)

    def loss(numbers: Tensor) -> float:
        return float(_log_loss(line @ numbers, matched)) / len(line)

    def step(numbers: Tensor) -> tuple[Tensor, Tensor]:
        expected = torch.sigmoid(line @ numbers)
        information = line.mT @ ((expected * (1 - expected))[:, None] * line)
        return line.mT @ (expected - matched) / len(line), information / len(line)

    scale, shift = least(loss, step, torch.tensor([1.0, 0.0], dtype=torch.float64)).tolist()
    return PlattMap(max(scale, LEAST_SLOPE), shift)


def fit_isotonic(probability: Tensor, match: Tensor) -> IsotonicMap:
    """Isotonic regression of what matched on a probability, both [pairs] (Zadrozny and Elkan, 2002).

    Its steps keep their ends as knots. Their values are held half a pair away from 0 and 1, which no number of pairs
    can prove.
    """
    knots, place, counts = np.unique(probability.numpy(), return_inverse=True, return_counts=True)
    share = np.bincount(place, match.double().numpy()) / counts
    steps = isotonic_regression(share, weights=counts)
    held = np.clip(steps.x, 0.5 / len(place), 1 - 0.5 / len(place))
    ends = np.unique(np.concatenate([steps.blocks[:-1], steps.blocks[1:] - 1]))
    if len(ends) == 1:
        level = float(held[0])
        return IsotonicMap((0.0, 1.0), (level, level))
    return IsotonicMap(tuple(knots[ends].tolist()), tuple(held[ends].tolist()))
