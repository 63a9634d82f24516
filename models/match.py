"""Match probability: p(m | x, y) = E logistic(−a‖z − z'‖ + b) over z ~ x, z' ~ y (PCME, Chun et al., 2021, eq. 3–5).

Two ways to the same expectation. *Sampled*, as published: the mean over all J × J pairs of samples, with a standard
error. *Closed form*: ‖z − z'‖ is nearly normal, and the logistic of a normal has a well-known approximation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from models.distances import pairwise_squared_l2
from models.gaussian import Gaussian
from models.probability_map import ProbabilityMap

# The reference implementation takes sqrt(d² + 1e-6), which keeps the gradient finite where two points coincide.
DISTANCE_EPSILON = 1e-6
# Items whose samples are compared at once: their intermediate values stay in the processor's cache.
BLOCK = 512
# torch computes 2 to the power of a number three times as fast as e to the power of it.
LOG2_E = math.log2(math.e)


@dataclass(frozen=True)
class TraceTerm:
    """What a total variance adds to the logit of a match: slope·r + curve·r², r = (t − centre) / unit, t within limits.

    The limits are those of the total variances that the term was fitted on: beyond them a parabola knows
    nothing. Without a fit there is no upper one.

    Args:
        slope: of r.
        curve: of its square.
        least: smallest t that the term was fitted on.
        most: greatest t that it was fitted on.
        centre: an ordinary total variance.
        unit: how much they differ, as a standard deviation.
    """

    slope: float = 0.0
    curve: float = 0.0
    least: float = 0.0
    most: float | None = None
    centre: float = 0.0
    unit: float = 1.0

    def of(self, gaussian: Gaussian) -> Tensor:
        """[*batch]: the term of each Gaussian."""
        if not (self.slope or self.curve):
            # As many exponentials as a match probability needs are not computed to be multiplied by zero.
            return gaussian.mean.new_zeros(gaussian.batch_shape)
        reading = self.read(gaussian)
        return reading * (self.slope + self.curve * reading)

    def read(self, gaussian: Gaussian) -> Tensor:
        """[*batch]: r of each Gaussian."""
        return (gaussian.total_variance.clamp(self.least, self.most) - self.centre) / self.unit


@dataclass(frozen=True)
class LogVarianceTerm:
    """What the variances of all dimensions add: u + curve·u², u = Σ_k w_k log σ_k² − centre held within [least, most].

    exp(Σ w_k log σ_k²) is a weighted geometric mean of the variances; with equal weights it is a power of PCME's σ.

    Args:
        weights: one a dimension.
        centre: of u, so that it is zero for an ordinary item.
        curve: of the parabola.
        least: smallest u that the term was fitted on.
        most: greatest u that it was fitted on.
    """

    weights: tuple[float, ...]
    centre: float
    curve: float
    least: float
    most: float

    def of(self, gaussian: Gaussian) -> Tensor:
        """[*batch]: the term of each Gaussian."""
        reading = self.read(gaussian)
        return reading * (1 + self.curve * reading)

    def read(self, gaussian: Gaussian) -> Tensor:
        """[*batch]: u of each Gaussian, held."""
        log_variance = gaussian.log_variance
        reading = (log_variance * self._row.to(log_variance)).sum(-1) - self.centre
        return reading.clamp(self.least, self.most)

    @cached_property
    def _row(self) -> Tensor:
        return torch.tensor(self.weights, dtype=torch.float64)


VarianceTerm = TraceTerm | LogVarianceTerm


def term_from_dict(values: Mapping[str, Any]) -> VarianceTerm:
    """A term from JSON."""
    if "weights" in values:
        return LogVarianceTerm(**{**values, "weights": tuple(values["weights"])})
    return TraceTerm(**values)


@dataclass(frozen=True)
class MatchHead:
    """From two Gaussians to a match probability: E logistic(−a_q·d + shift + query(Σ_q) + item(Σ_x)), then a map.

    a_q = scale · exp(g·r + h·r²), with r what the query's term reads of its variances and (g, h) the `steepness`: near
    an exact query a little more distance says much, near a vague one it says little. PCME's own head has none of terms,
    steepness and map. The reference's "sigmoid" is the logistic function of twice its argument, so its a and b are half
    of `scale` and `shift`.

    Args:
        scale: of the distance.
        shift: the logit where nothing else is.
        query: what the variances of the side that asks add.
        item: what those of the side that answers add.
        map: what makes the calibrated probability of the expectation; none changes nothing.
        means_alone: take d between the means, as a model without variances would; neither terms nor steepness are read
            then.
        steepness: what the query's reading and its square add to the logarithm of the scale.
    """

    scale: float
    shift: float
    query: VarianceTerm = TraceTerm()
    item: VarianceTerm = TraceTerm()
    map: ProbabilityMap | None = None
    means_alone: bool = False
    steepness: tuple[float, float] = (0.0, 0.0)

    def scale_of(self, query: Gaussian) -> Tensor:
        """[*batch]: a_q, what a distance from each query is multiplied by."""
        if not any(self.steepness):
            return query.mean.new_full(query.batch_shape, self.scale)
        reading, (slope, curve) = self.query.read(query), self.steepness
        return self.scale * torch.exp(reading * (slope + curve * reading))

    def offset(self, query: Gaussian, items: Gaussian) -> Tensor:
        """The part of the logit that no sample changes, [q, n] for q queries and n items."""
        return self.shift + self.query.of(query).unsqueeze(-1) + self.item.of(items)

    def of_distance(self, distance: Tensor) -> Tensor:
        """Match probabilities of points at distances of any shape."""
        probability = torch.sigmoid(self.shift - self.scale * distance)
        return probability if self.map is None else self.map(probability)


@dataclass(frozen=True, eq=False)
class MatchProbability:
    """Match probabilities of n items.

    Args:
        value: [n].
        samples: [n, J, J], those of all pairs of samples, before any map; None where nothing was sampled.
        map: that the values have passed.
    """

    value: Tensor
    samples: Tensor | None = None
    map: ProbabilityMap | None = None

    @cached_property
    def standard_error(self) -> Tensor:
        """[n]: what sampling leaves in the values, worked out when it is asked for: a search shows those of ten items.

        The J² pairs are not independent: it is that of a two-sample U-statistic, from the spread of the row means and
        of the column means (Hoeffding, 1948), times the map's slope (delta method). Zero where nothing was sampled, not
        a number for fewer than two samples a side.
        """
        if self.samples is None:
            return torch.zeros_like(self.value)
        error = _u_statistic_error(self.samples)
        return error if self.map is None else error * self.map.slope(self.samples.mean((-1, -2)))

    def take(self, places: Tensor) -> MatchProbability:
        """Those of some of the items."""
        samples = None if self.samples is None else self.samples[places]
        return MatchProbability(self.value[places], samples, self.map)


@dataclass(frozen=True, eq=False)
class Noise:
    """Standard normal noise, drawn once and shared by all items (common random numbers).

    A probability then depends on the query, the item, the number of samples and the seed alone; not on the shortlist,
    the batch, the replica or the order.
    """

    query: Tensor
    item: Tensor

    @classmethod
    def draw(cls, dim: int, samples: int, seed: int) -> Noise:
        """Draw [samples, dim] for each side, on the CPU, from its own generator."""
        generator = torch.Generator().manual_seed(seed)
        both = torch.randn(2, samples, dim, generator=generator)
        return cls(both[0], both[1])

    @cached_property
    def squared_item(self) -> Tensor:
        """[samples, dim]: what a variance is multiplied with."""
        return self.item.square()


def pairwise_sample_distances(x: Tensor, y: Tensor) -> Tensor:
    """Distances between all samples of all pairs, without the [n, m, J, K, dim] difference.

    Args:
        x: [n, J, dim] samples.
        y: [m, K, dim] samples.

    Returns:
        [n, m, J, K]: sqrt(‖z − z'‖² + 1e-6).
    """
    squared = pairwise_squared_l2(x.flatten(0, 1), y.flatten(0, 1))
    table = squared.reshape(*x.shape[:2], *y.shape[:2]).transpose(1, 2)
    return torch.sqrt(table + DISTANCE_EPSILON)


def sampled(query: Gaussian, items: Gaussian, head: MatchHead, noise: Noise) -> MatchProbability:
    """Sampled match probabilities of one query and many items, from matrix products alone.

    With Δ = μ_x − μ_q, u = σ_q ε_j and η_k the item's noise, ‖z_x − z_q‖² = ‖Δ + σ_x η_k − u_j‖² expands into
    products of [n, dim] with [dim, J·K]. Centring on the query keeps the terms as small as the distances.

    Args:
        query: Gaussian [dim].
        items: Gaussian [n, dim].
        head: its terms take part in every sample's logit; its map is applied to the mean over the samples. With
            `means_alone` there is nothing to sample: the values are those of the closed form, and exact.
        noise: J samples a side.

    Returns:
        [n] values in [0, 1], with what sampling leaves in them.
    """
    if head.means_alone:
        return _of_means(query, items, head)
    return SampledDistances.between(query, items, noise).match(head)


@dataclass(frozen=True, eq=False)
class SampledDistances:
    """Distances between samples of one query and of n items, of which any number of heads make match probabilities.

    Args:
        query: Gaussian [dim].
        items: Gaussian [n, dim].
        table: [n, J, J].
    """

    query: Gaussian
    items: Gaussian
    table: Tensor

    @classmethod
    def between(cls, query: Gaussian, items: Gaussian, noise: Noise) -> SampledDistances:
        """Of a Gaussian [dim] and Gaussians [n, dim], with J samples a side."""
        starts = range(0, max(len(items), 1), BLOCK)
        tables = [_common_noise_distances(query, items[start : start + BLOCK], noise) for start in starts]
        return cls(query, items, torch.cat(tables))

    def take(self, places: Tensor) -> SampledDistances:
        """Those of some of the items."""
        return SampledDistances(self.query, self.items[places], self.table[places])

    def match(self, head: MatchHead) -> MatchProbability:
        """As `sampled` gives them."""
        if head.means_alone:
            return _of_means(self.query, self.items, head)
        offset = head.offset(self.query[None], self.items)[0]
        samples = torch.sigmoid(offset[:, None, None] - head.scale_of(self.query) * self.table)
        value = samples.mean((-1, -2))
        return MatchProbability(value if head.map is None else head.map(value), samples, head.map)


def _of_means(query: Gaussian, items: Gaussian, head: MatchHead) -> MatchProbability:
    """Of one query and n items, where nothing is to be sampled."""
    return MatchProbability(head.of_distance(distance_of_means(query[None], items))[0])


def _common_noise_distances(query: Gaussian, items: Gaussian, noise: Noise) -> Tensor:
    """[n, J, K] distances between samples of one query and of n items that share their noise.

    The noise stands on the left of each product: a product with few rows is faster than one with few columns. What is
    as large as the items is computed in place: fresh memory costs more than the arithmetic.
    """
    std = (items.log_variance * (LOG2_E / 2)).exp2_()
    delta = items.mean - query.mean
    shifts = query.std * noise.query
    crossed = (shifts[:, None] * noise.item).flatten(0, 1) @ std.mT
    by_query = shifts.square().sum(-1, keepdim=True) - 2 * (shifts @ delta.mT)
    by_item = torch.linalg.vector_norm(delta, dim=-1).square()
    by_item = by_item + 2 * (noise.item @ delta.mul_(std).mT) + noise.squared_item @ std.square_().mT
    squared = by_query[:, None] + by_item - 2 * crossed.reshape(len(shifts), len(noise.item), -1)
    return torch.sqrt(squared.clamp_min(0) + DISTANCE_EPSILON).movedim(-1, 0)


def _u_statistic_error(table: Tensor) -> Tensor:
    """Standard error of the mean of a [*, J, K] table of pairs; not a number for fewer than two samples a side."""
    rows, columns = table.mean(-1), table.mean(-2)
    if not len(table) or rows.shape[-1] < 2 or columns.shape[-1] < 2:
        return torch.full(table.shape[:-2], math.nan, dtype=table.dtype)
    return (_variance_of_mean(rows) + _variance_of_mean(columns)).sqrt()


def _variance_of_mean(parts: Tensor) -> Tensor:
    """[*]: of the mean of [*, J] independent values; `Tensor.var` takes several times as long for so few."""
    count = parts.shape[-1]
    return (parts - parts.mean(-1, keepdim=True)).square().sum(-1) / (count * (count - 1))


def closed_form(query: Gaussian, items: Gaussian, head: MatchHead) -> Tensor:
    """Closed-form match probabilities of all pairs of queries and items.

    ‖z − z'‖ is taken as normal with the moments of `distance_moments`, and E logistic(x) ≈
    logistic(E x / √(1 + π Var x / 8)) (MacKay, 1992). Within 0.01 of the limit J → ∞ for 32 dimensions and more.

    Args:
        query: Gaussian [q, dim].
        items: Gaussian [n, dim].
        head: may carry terms and a map, or take the distance of the means.

    Returns:
        [q, n] in [0, 1].
    """
    if head.means_alone:
        return head.of_distance(distance_of_means(query, items))
    return _of_moments(query, items, head, *distance_moments(query, items))


def _of_moments(query: Gaussian, items: Gaussian, head: MatchHead, mean: Tensor, variance: Tensor) -> Tensor:
    """Match probabilities [q, n] where the distances have these means and variances [q, n]."""
    scale = head.scale_of(query)[:, None]
    probability = torch.sigmoid(squashed(head.offset(query, items) - scale * mean, scale, variance))
    return probability if head.map is None else head.map(probability)


@dataclass(frozen=True, eq=False)
class DistanceMoments:
    """Moments of the distances between one query and n items, of which any number of heads make match probabilities.

    Args:
        query: Gaussian [dim].
        items: Gaussian [n, dim].
        mean: [n], of the distances.
        variance: [n].
    """

    query: Gaussian
    items: Gaussian
    mean: Tensor
    variance: Tensor

    @classmethod
    def between(cls, query: Gaussian, items: Gaussian) -> DistanceMoments:
        """Of a Gaussian [dim] and Gaussians [n, dim]."""
        starts = range(0, max(len(items), 1), BLOCK)
        moments = [distance_moments(query[None], items[start : start + BLOCK]) for start in starts]
        mean, variance = (torch.cat(parts, -1)[0] for parts in zip(*moments, strict=True))
        return cls(query, items, mean, variance)

    def take(self, places: Tensor) -> DistanceMoments:
        """Those of some of the items."""
        return DistanceMoments(self.query, self.items[places], self.mean[places], self.variance[places])

    def match(self, head: MatchHead) -> MatchProbability:
        """As `closed_form` gives them; there is no standard error."""
        if head.means_alone:
            return _of_means(self.query, self.items, head)
        return MatchProbability(_of_moments(self.query[None], self.items, head, self.mean, self.variance)[0])


def squashed(logit: Tensor, scale: Tensor | float, distance_variance: Tensor) -> Tensor:
    """The logit whose logistic is the expectation over a normal distance (MacKay, 1992)."""
    return logit / (1 + math.pi / 8 * scale**2 * distance_variance).sqrt()


def distance_of_means(x: Gaussian, y: Gaussian) -> Tensor:
    """[n, m]: sqrt(‖Δ‖² + 1e-6) for all pairs."""
    return (pairwise_squared_l2(x.mean, y.mean) + DISTANCE_EPSILON).sqrt()


def distance_moments(x: Gaussian, y: Gaussian) -> tuple[Tensor, Tensor]:
    """Mean and variance of ‖z − z'‖ to second order, for all pairs.

    ‖z − z'‖² has mean m = ‖Δ‖² + Σs and variance v = Σ(2s² + 4sΔ²), s being the sum of both variances; its root then
    has mean √m (1 − v/8m²) and variance v/4m (delta method).

    Args:
        x: Gaussian [n, dim].
        y: Gaussian [m, dim].

    Returns:
        two tensors [n, m].
    """
    s, t = _variance(x), _variance(y)
    m = pairwise_squared_l2(x.mean, y.mean) + s.sum(-1)[:, None] + t.sum(-1) + DISTANCE_EPSILON
    v = _squared_distance_variance(x.mean, s, y.mean, t)
    return m.sqrt() * (1 - v / (8 * m.square())), v / (4 * m)


def _squared_distance_variance(x: Tensor, s: Tensor, y: Tensor, t: Tensor) -> Tensor:
    """[n, m]: Σ(2(s + t)² + 4(s + t)(x − y)²) for all pairs of means x, y and variances s, t, from matrix products."""
    own = [(variance * (2 * variance + 4 * mean.square())).sum(-1) for mean, variance in ((x, s), (y, t))]
    crossed = (s + x.square()) @ t.mT + s @ y.square().mT - 2 * ((s * x) @ y.mT + x @ (t * y).mT)
    return (own[0][:, None] + own[1] + 4 * crossed).clamp_min(0)


def _variance(gaussian: Gaussian) -> Tensor:
    return torch.exp2(gaussian.log_variance * LOG2_E)
