"""PCME's objective over a batch of pairs, and the spread term that makes its variances mean ambiguity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.distances import kl_to_standard_normal, negative_log_expected_likelihood, pairwise_squared_l2
from models.gaussian import Gaussian
from models.match import MatchHead, pairwise_sample_distances
from training.config import ObjectiveConfig


@dataclass(frozen=True, eq=False)
class LossParts:
    """The terms of the loss, each before its weight, and their weighted sum."""

    match: Tensor
    kl: Tensor
    uniformity: Tensor
    spread: Tensor
    total: Tensor

    def as_floats(self) -> dict[str, float]:
        """For reports."""
        return {name: float(value.detach()) for name, value in vars(self).items()}


def soft_contrastive(logits: Tensor, matches: Tensor) -> Tensor:
    """−Σ log p(m = given | pair), p being the mean of logistic(logit) over all pairs of samples (PCME, eq. 1 and 5).

    Args:
        logits: [n, m, J, K], of all pairs of samples of all pairs of items.
        matches: bool [n, m].

    Returns:
        the sum over all pairs, counted once for each direction as in the reference implementation.
    """
    signed = torch.where(matches[..., None, None], logits, -logits)
    log_probability = nn.functional.logsigmoid(signed).flatten(2)
    mean = log_probability.logsumexp(-1) - math.log(log_probability.shape[-1])
    return -2 * mean.sum()


def uniformity(points: Tensor) -> Tensor:
    """log of the mean over pairs of points [n, dim] of exp(−2 ‖z − z'‖²) (Wang and Isola, 2020, eq. 2 with t = 2)."""
    rows, columns = torch.triu_indices(len(points), len(points), 1, device=points.device)
    squared = pairwise_squared_l2(points, points)[rows, columns]
    return (-2 * squared).exp().mean().log()


def spread(images: Gaussian, texts: Gaussian) -> Tensor:
    """Σ −log N(Δ; 0, diag(s + t)) over matching pairs, with the means detached: Penumbra's spread term.

    It teaches the variances how far an item's matches really lie, and it cannot collapse; the means do not feel it.

    Args:
        images: Gaussian [n, dim].
        texts: Gaussian [n · k, dim]; the k rows from k · i on match image i.
    """
    images = images[torch.arange(len(images)).repeat_interleave(len(texts) // len(images))]
    held = [Gaussian(g.mean.detach(), g.log_variance) for g in (images, texts)]
    return negative_log_expected_likelihood(*held).sum()


class Objective(nn.Module):
    """The published loss with its learned match head; image i matches the captions k · i to k · i + k − 1 alone.

    Args:
        config: its weights; a term of weight zero costs nothing.
    """

    def __init__(self, config: ObjectiveConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = nn.Parameter(torch.tensor(config.scale))
        self.shift = nn.Parameter(torch.tensor(config.shift))

    @property
    def head(self) -> MatchHead:
        """The match head as learned so far."""
        return MatchHead(float(self.scale.detach()), float(self.shift.detach()))

    def forward(self, images: Gaussian, texts: Gaussian, generator: torch.Generator) -> LossParts:
        """Compute the loss of n images with k captions each.

        Args:
            images: Gaussian [n, dim].
            texts: Gaussian [n · k, dim].
            generator: where the samples' noise comes from, on the CPU.
        """
        points = [g.sample(self._noise(g, generator)) for g in (images, texts)]
        logits = self.shift - self.scale * pairwise_sample_distances(*points)
        matches = torch.eye(len(images), dtype=torch.bool, device=logits.device)
        matches = matches.repeat_interleave(len(texts) // len(images), dim=1)
        match = soft_contrastive(logits, matches)
        zero, config = match.new_zeros(()), self.config
        kl = sum((kl_to_standard_normal(g).sum() for g in (images, texts)), zero) if config.kl_weight else zero
        even = uniformity(torch.cat(points).flatten(0, 1)) if config.uniformity_weight else zero
        wide = spread(images, texts) if config.spread_weight else zero
        total = match + config.kl_weight * kl + config.uniformity_weight * even + config.spread_weight * wide
        return LossParts(match, kl, even, wide, total)

    def _noise(self, gaussian: Gaussian, generator: torch.Generator) -> Tensor:
        shape = (len(gaussian), self.config.samples, gaussian.dim)
        return torch.randn(shape, generator=generator).to(gaussian.mean.device)
