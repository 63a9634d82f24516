"""The match head of greatest likelihood, from pairs whose matches are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

import torch
from scipy.sparse import csr_array
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

# Pulls the weights of a model whose variances are all alike towards zero (per pair, in whitened units). A few pairs can
# be told apart perfectly by endless weights: the weight of one pair is added.
RIDGE: Final = 1e-6
LOG_VARIANCE_RIDGE: Final = 1e-5
# Directions along which log variances differ by less (a standard deviation; a thousandth of a variance) are not read:
# the weights there would be in the thousands, and a probability would follow what float32, storage or a runtime rounds.
STEADY: Final = 1e-3
# Total variances that differ by less than this share of them differ by rounding.
ALIKE: Final = 1e-5


class Sees(StrEnum):
    """What a head is shown of the variances."""

    NOTHING = "nothing"
    """The distance of the means alone."""
    TRACES = "traces"
    """The total variances and their squares, also of how steeply the logit falls with the distance."""
    LOG_VARIANCES = "log variances"
    """A weight for each dimension's log variance, and the square of the sum, likewise."""


@dataclass(frozen=True, eq=False)
class _Side:
    """Features of queries, or of items: made uncorrelated with unit variance, so that the fit is well conditioned."""

    sees: Sees
    blank: TraceTerm
    seen: Tensor
    centre: Tensor
    whiten: Tensor

    @classmethod
    def of(cls, gaussian: Gaussian, sees: Sees) -> _Side:
        blank = _blank(gaussian)
        seen = _seen(gaussian, sees, blank)
        centre = seen.mean(0)
        _, width, axes = torch.linalg.svd(seen - centre, full_matrices=False)
        spread = width / math.sqrt(max(len(seen), 1))
        least = STEADY if sees is Sees.LOG_VARIANCES else 1e-6 * spread.sum().clamp_min(1e-6)
        kept = spread > least
        return cls(sees, blank, seen, centre, axes[kept].mT / spread[kept])

    @cached_property
    def features(self) -> Tensor:
        """[items, features]."""
        return (self.seen - self.centre) @ self.whiten

    def plain(self, weights: Tensor) -> tuple[Tensor, float]:
        """Weights of what is seen that amount to weights of the features, and what these have beyond those."""
        plain = self.whiten @ weights
        return plain, -float(self.centre @ plain)

    def term(self, curve: float, weights: Tensor) -> tuple[VarianceTerm, float]:
        """The term that weights of the features amount to, and what it adds to the shift."""
        plain, beyond = self.plain(weights)
        if self.sees is Sees.TRACES:
            return replace(self.blank, slope=float(plain[0]), curve=float(plain[1])), beyond
        if self.sees is Sees.LOG_VARIANCES:
            read = self.seen @ plain + beyond
            return LogVarianceTerm(tuple(plain.tolist()), -beyond, curve, float(read.min()), float(read.max())), 0.0
        return TraceTerm(), 0.0


def _blank(gaussian: Gaussian) -> TraceTerm:
    """A term without weights for these total variances; ones that are all alike up to rounding are left as they are."""
    trace = gaussian.total_variance.double()
    spread, mean = trace.std(correction=0), trace.mean()
    unit = spread if spread > ALIKE * mean else torch.ones(())
    return TraceTerm(0.0, 0.0, *(float(each) for each in (trace.min(), trace.max(), mean, unit)))


def _seen(gaussian: Gaussian, sees: Sees, blank: TraceTerm) -> Tensor:
    wide = gaussian.to(dtype=torch.float64)
    if sees is Sees.TRACES:
        reading = blank.read(wide)
        return torch.stack([reading, reading.square()], -1)
    return wide.log_variance if sees is Sees.LOG_VARIANCES else wide.mean.new_zeros(len(wide), 0)


def fit_head(pairs: Pairs, sees: Sees) -> MatchHead:
    """The head of least weighted log-loss over pairs: maximum likelihood by Fisher scoring.

    The numbers of a head touch a pair through its query, through its item, or through its distance, so that the
    information matrix comes from products of features with what the pairs have, and those are few: a step costs little
    more than looking at every pair once, and a dozen steps are enough (McCullagh and Nelder, 1989, 2.5).

    Args:
        pairs: of queries and their shortlists, with their weights.
        sees: what the head is shown of the variances.
    """
    problem = _Problem.of(pairs, sees)
    return problem.head(least(problem.loss, problem.step, problem.start()))


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The numbers of a head: [log scale, steepness (2), shift, curve and weights of queries, the same of items]."""

    log_scale: Tensor
    steepness: Tensor
    shift: Tensor
    query: tuple[Tensor, Tensor]
    item: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, flat: Tensor, widths: tuple[int, int]) -> _Numbers:
        """From a row of them, for so many features of each side."""
        log_scale, steepness, shift, c, w, d, v = torch.split(flat, [1, 2, 1, 1, widths[0], 1, widths[1]])
        return cls(log_scale, steepness, shift, (c, w), (d, v))


@dataclass(frozen=True, eq=False)
class _Logits:
    """Logits [q, s] of pairs, and how they change.

    Args:
        value: the logits.
        by_offset: their derivative by what is added to the offset.
        by_log_scale: their derivative by the logarithm of the query's scale.
        reading: [q], what is read of each query.
        steep: [q, 2], what the steepness multiplies.
    """

    value: Tensor
    by_offset: Tensor
    by_log_scale: Tensor
    reading: Tensor
    steep: Tensor


@dataclass(frozen=True, eq=False)
class _Problem:
    """What a head is fitted to."""

    pairs: Pairs
    sees: Sees
    query: _Side
    item: _Side
    distance: Tensor
    variance: Tensor
    match: Tensor
    weight: Tensor

    @classmethod
    def of(cls, pairs: Pairs, sees: Sees) -> _Problem:
        sides = _Side.of(pairs.queries, sees), _Side.of(pairs.items, sees)
        distance, variance = _moments(pairs, sees)
        weight = pairs.weight / pairs.match.numel()
        return cls(pairs, sees, *sides, distance, variance, pairs.match.double(), weight)

    @property
    def _widths(self) -> tuple[int, int]:
        return self.query.features.shape[1], self.item.features.shape[1]

    def start(self) -> Tensor:
        """A head without terms, steep enough to be a start for any distances."""
        numbers = torch.zeros(6 + sum(self._widths), dtype=torch.float64)
        numbers[0], numbers[3] = math.log(8.0 / float(self.distance.mean())), 4.0
        return numbers

    def loss(self, flat: Tensor) -> float:
        """The log-loss, with what pulls the terms to zero."""
        fit = log_loss(self._logits(_Numbers.of(flat, self._widths)).value, self.match, self.weight)
        return float(fit + (self._pull() * flat.square()).sum())

    def step(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and Fisher information of the loss."""
        numbers, pull = _Numbers.of(flat, self._widths), self._pull()
        logits = self._logits(numbers)
        probability = torch.sigmoid(logits.value)
        error, certainty = probability - self.match, probability * (1 - probability)
        groups, items = self._query_groups(logits, numbers), self._item_features(numbers)
        gradient = self._gradient(self.weight * error, logits.by_offset, groups, items)
        information = self._information(self.weight * certainty, logits.by_offset, groups, items)
        return gradient + 2 * pull * flat, information + torch.diag(2 * pull)

    def head(self, flat: Tensor) -> MatchHead:
        """The head that numbers stand for."""
        numbers = _Numbers.of(flat, self._widths)
        query, one = self.query.term(float(numbers.query[0]), numbers.query[1])
        item, two = self.item.term(float(numbers.item[0]), numbers.item[1])
        steepness, beyond = numbers.steepness, 0.0
        if self.sees is Sees.TRACES:
            steepness, beyond = self.query.plain(steepness[: self._widths[0]])
        return MatchHead(
            float(numbers.log_scale.exp()) * math.exp(beyond),
            float(numbers.shift) + one + two,
            query,
            item,
            means_alone=self.sees is Sees.NOTHING,
            steepness=(float(steepness[0]), float(steepness[1])),
        )

    @property
    def _curved(self) -> bool:
        """Whether the square of a reading is not among the features already."""
        return self.sees is Sees.LOG_VARIANCES

    def _pull(self) -> Tensor:
        """On each number: nothing on scale and shift."""
        strength = LOG_VARIANCE_RIDGE if self.sees is Sees.LOG_VARIANCES else RIDGE
        pull = torch.full_like(self.start(), strength + 1 / self.match.numel())
        pull[0] = pull[3] = 0
        return pull

    def _logits(self, numbers: _Numbers) -> _Logits:
        (c, w), (d, v) = numbers.query, numbers.item
        c, d = self._curved * c, self._curved * d
        read, answer = self.query.features @ w, self.item.features @ v
        steep = self._steep(read)
        scale = torch.exp(numbers.log_scale + steep @ numbers.steepness)[:, None]
        offset = numbers.shift + (read + c * read.square())[:, None] + (answer + d * answer.square())[self.pairs.near]
        squash = squashed(torch.ones_like(offset), scale, self.variance)
        value = (offset - scale * self.distance) * squash
        by_log_scale = -scale * self.distance * squash - value * (1 - squash.square())
        return _Logits(value, squash, by_log_scale, read, steep)

    def _steep(self, read: Tensor) -> Tensor:
        """[q, 2]: of log variances the reading and its square; of traces their features, which hold the square."""
        if self._curved:
            return torch.stack([read, read.square()], 1)
        return torch.nn.functional.pad(self.query.features, (0, 2 - self._widths[0]))

    def _query_groups(self, logits: _Logits, numbers: _Numbers) -> tuple[tuple[Tensor, Tensor], ...]:
        """Groups of numbers that touch a pair through its query: ([q, s] of the pairs, [q, features] of the queries).

        The derivative of a pair's logit is the product of the two.
        """
        read, ones = logits.reading[:, None], torch.ones(len(logits.reading), 1, dtype=torch.float64)
        by_weight = logits.by_offset
        if self._curved:
            slope, curve = numbers.steepness
            by_weight = by_weight * (1 + 2 * numbers.query[0] * read)
            by_weight = by_weight + logits.by_log_scale * (slope + 2 * curve * read)
        return (
            (logits.by_log_scale, torch.cat([ones, logits.steep], 1)),
            (logits.by_offset, torch.cat([ones, self._curved * read.square()], 1)),
            (by_weight, self.query.features),
        )

    def _item_features(self, numbers: _Numbers) -> Tensor:
        """[n, features]: derivatives of an item's part of the offset by its curve and weights."""
        curve, weights = numbers.item
        read = (self.item.features @ weights)[:, None]
        bend = 1 + 2 * self._curved * curve * read
        return torch.cat([self._curved * read.square(), self.item.features * bend], 1)

    def _gradient(
        self, error: Tensor, by_offset: Tensor, groups: tuple[tuple[Tensor, Tensor], ...], items: Tensor
    ) -> Tensor:
        own = [features.mT @ (error * pairs).sum(1) for pairs, features in groups]
        return torch.cat([*own, items.mT @ self._of_items(error * by_offset)])

    def _information(
        self, certainty: Tensor, by_offset: Tensor, groups: tuple[tuple[Tensor, Tensor], ...], items: Tensor
    ) -> Tensor:
        """[numbers, numbers]: Σ certainty · (derivatives of a pair's logit) (the same)ᵀ, in blocks."""
        own = torch.cat(
            [torch.cat([f.mT @ ((certainty * a * b).sum(1)[:, None] * g) for b, g in groups], 1) for a, f in groups]
        )
        both = torch.cat([self._times(certainty * a * by_offset, f).mT @ items for a, f in groups])
        theirs = items.mT @ (self._of_items(certainty * by_offset.square())[:, None] * items)
        return torch.cat([torch.cat([own, both], 1), torch.cat([both.mT, theirs], 1)])

    def _of_items(self, pairs: Tensor) -> Tensor:
        """[n]: the sum over the pairs of each item."""
        total = torch.zeros(len(self.pairs.items), dtype=pairs.dtype)
        return total.index_add_(0, self.pairs.near.flatten(), pairs.flatten())

    def _times(self, pairs: Tensor, queries: Tensor) -> Tensor:
        """[n, features]: the transposed [q, n] table of the pairs' values, zero elsewhere, times [q, features]."""
        starts = range(0, pairs.numel() + 1, pairs.shape[1])
        table = csr_array((pairs.flatten(), self.pairs.near.flatten(), starts), (len(pairs), len(self.pairs.items)))
        return torch.from_numpy(table.T @ queries.numpy())


def _moments(pairs: Pairs, sees: Sees) -> tuple[Tensor, Tensor]:
    if sees is Sees.NOTHING:
        (distance,) = pairs.gather(lambda queries, items: (distance_of_means(queries, items),))
        return distance.double(), torch.zeros(distance.shape, dtype=torch.float64)
    mean, variance = pairs.gather(distance_moments)
    return mean.double(), variance.double()
