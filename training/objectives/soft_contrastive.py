"""PCME's objective over a batch of pairs, and the spread term that makes its variances mean ambiguity."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.distances import kl_to_standard_normal, negative_log_expected_likelihood, pairwise_squared_l2
from models.embedding import Encoding
from models.gaussian import Gaussian
from models.match import MatchHead, pairwise_sample_distances
from training.objective_config import SoftContrastiveConfig
from training.objectives.objective import LearnedLogit, LossParts


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


def spread(images: Gaussian, texts: Gaussian, matches: Tensor) -> Tensor:
    """Σ −log N(Δ; 0, diag(s + t)) over matching pairs, with the means detached: Penumbra's spread term.

    It teaches the variances how far an item's matches really lie, and it cannot collapse; the means do not feel it.

    Args:
        images: Gaussian [n, dim].
        texts: Gaussian [m, dim].
        matches: bool [n, m].
    """
    rows, columns = matches.nonzero(as_tuple=True)
    held = [Gaussian(g.mean.detach(), g.log_variance) for g in (images[rows], texts[columns])]
    return negative_log_expected_likelihood(*held).sum()


class SoftContrastiveObjective(LearnedLogit):
    """The published loss of PCME with its learned match head.

    Args:
        config: its weights; a term of weight zero costs nothing.
    """

    def __init__(self, config: SoftContrastiveConfig) -> None:
        super().__init__(config.scale, config.shift)
        self.config = config

    @property
    def head(self) -> MatchHead:
        """The match head as learned so far."""
        return MatchHead(float(self.scale.detach()), float(self.shift.detach()))

    def forward(self, images: Encoding, texts: Encoding, matches: Tensor, generator: torch.Generator) -> LossParts:
        """See `Objective`; the generator gives the samples' noise."""
        config, (x, y) = self.config, (images.gaussian, texts.gaussian)
        points = [g.sample(self._noise(g, generator)) for g in (x, y)]
        match = soft_contrastive(self.shift - self.scale * pairwise_sample_distances(*points), matches)
        terms, total = {"match": match}, match
        if config.kl_weight:
            terms["kl"] = kl_to_standard_normal(x).sum() + kl_to_standard_normal(y).sum()
            total = total + config.kl_weight * terms["kl"]
        if config.uniformity_weight:
            terms["uniformity"] = uniformity(torch.cat(points).flatten(0, 1))
            total = total + config.uniformity_weight * terms["uniformity"]
        if config.spread_weight:
            terms["spread"] = spread(x, y, matches)
            total = total + config.spread_weight * terms["spread"]
        return LossParts(total, terms)

    def _noise(self, gaussian: Gaussian, generator: torch.Generator) -> Tensor:
        shape = (len(gaussian), self.config.samples, gaussian.dim)
        return torch.randn(shape, generator=generator).to(gaussian.mean.device)
