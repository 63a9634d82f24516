"""The match head of greatest likelihood, from pairs whose matches are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import torch
from torch import Tensor

from evaluation.likelihood import least, log_loss
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

# Pulls the weights of a model whose variances are all alike towards zero (per pair, in whitened units).
RIDGE: Final = 1e-6
LOG_VARIANCE_RIDGE: Final = 1e-5


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
        total = sum(float(log_loss(self._logit(place, numbers)[0], match)) for place, match in enumerate(self.matches))
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
            error, certainty = probability - match, probability * (1 - probability)
            q, x = (self._slopes(side, place, numbers) for side in (0, 1))
            q = torch.cat([q.new_ones(len(q), 1), q], 1)
            gradient = gradient + _gathered(error * by_scale, error * squash, q, x) / self.pairs
            information = information + _information(certainty, squash, by_scale, q, x) / self.pairs
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


def _gathered(by_scale: Tensor, by_offset: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """[numbers]: what pairs [queries, items] have by log scale, and by their offset through the features q and x."""
    return torch.cat([by_scale.sum()[None], q.mT @ by_offset.sum(1), x.mT @ by_offset.sum(0)])


def _information(certainty: Tensor, squash: Tensor, by_scale: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """[numbers, numbers]: Σ certainty · (derivatives of a pair's logit) (the same)ᵀ, in blocks of scale, q and x."""
    both = certainty * squash.square()
    edge = _gathered(certainty * by_scale.square(), certainty * squash * by_scale, q, x)
    qx = q.mT @ both @ x
    qq, xx = q.mT @ (both.sum(1)[:, None] * q), x.mT @ (both.sum(0)[:, None] * x)
    inner = torch.cat([torch.cat([qq, qx], 1), torch.cat([qx.mT, xx], 1)])
    return torch.cat([edge[None], torch.cat([edge[1:, None], inner], 1)])


def _moments(pairs: Pairs, sees: Sees) -> tuple[Tensor, Tensor]:
    if sees is Sees.NOTHING:
        distance = distance_of_means(pairs.queries, pairs.items).double()
        return distance, torch.zeros_like(distance)
    mean, variance = distance_moments(pairs.queries, pairs.items)
    return mean.double(), variance.double()
