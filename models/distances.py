"""Every closed-form distance between Gaussians, one implementation each.

All take Gaussians whose batch shapes broadcast, reduce the last axis, and are lower for closer pairs. With x and y of
means μ, ν and variances s, t per dimension, and Δ = μ − ν.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.gaussian import Gaussian


def squared_l2(x: Gaussian, y: Gaussian) -> Tensor:
    """‖Δ‖², blind to the variances. Broadcast batch shape; non-negative."""
    return (x.mean - y.mean).square().sum(-1)


def expected_squared(x: Gaussian, y: Gaussian) -> Tensor:
    """E‖z − z'‖² = ‖Δ‖² + Σs + Σt, the closed-form sampled distance (Chun, 2024, eq. 1)."""
    return squared_l2(x, y) + x.total_variance + y.total_variance


def wasserstein_squared(x: Gaussian, y: Gaussian) -> Tensor:
    """‖Δ‖² + Σ(√s − √t)², the squared 2-Wasserstein distance (Dowson and Landau, 1982)."""
    return squared_l2(x, y) + (x.std - y.std).square().sum(-1)


def kl(x: Gaussian, y: Gaussian) -> Tensor:
    """KL(x ‖ y) = ½ Σ(s/t + Δ²/t − 1 + log t − log s) (Kullback and Leibler, 1951); not symmetric."""
    log_ratio = x.log_variance - y.log_variance
    distance = (x.mean - y.mean).square() * torch.exp(-y.log_variance)
    return (log_ratio.exp() + distance - 1 - log_ratio).sum(-1) / 2


def jeffreys(x: Gaussian, y: Gaussian) -> Tensor:
    """KL(x ‖ y) + KL(y ‖ x) (Jeffreys, 1946)."""
    return kl(x, y) + kl(y, x)


def bhattacharyya(x: Gaussian, y: Gaussian) -> Tensor:
    """¼ Σ Δ²/(s + t) + ½ Σ log((s + t) / 2√(st)) (Bhattacharyya, 1943)."""
    total = x.variance + y.variance
    geometric = (x.log_variance + y.log_variance) / 2
    distance = (x.mean - y.mean).square() / total
    return (distance / 4 + (total.log() - math.log(2) - geometric) / 2).sum(-1)


def negative_log_expected_likelihood(x: Gaussian, y: Gaussian) -> Tensor:
    """−log N(Δ; 0, s + t) = −log ∫ x(z) y(z) dz (Jebara and Kondor, 2003; "ELK" in PCME's code, there without 2π)."""
    total = x.variance + y.variance
    return ((x.mean - y.mean).square() / total + total.log() + math.log(2 * math.pi)).sum(-1) / 2


def kl_to_standard_normal(x: Gaussian) -> Tensor:
    """KL(x ‖ N(0, I)) = ½ Σ(s + μ² − 1 − log s), PCME's information bottleneck term (Chun et al., 2021, eq. 6)."""
    return (x.variance + x.mean.square() - 1 - x.log_variance).sum(-1) / 2


def pairwise_squared_l2(x: Tensor, y: Tensor) -> Tensor:
    """All squared distances between two sets of points, from one matrix product.

    Args:
        x: [*batch, n, dim].
        y: [*batch, m, dim].

    Returns:
        [*batch, n, m], not below zero. The absolute error is a few roundings of ‖x‖² + ‖y‖²: centre the points first
        where that is large beside the distances.
    """
    products = x @ y.mT
    norms = x.square().sum(-1).unsqueeze(-1) + y.square().sum(-1).unsqueeze(-2)
    return (norms - 2 * products).clamp_min(0)


def pairwise_expected_squared(x: Gaussian, y: Gaussian) -> Tensor:
    """[n, m]: `expected_squared` of all pairs of [n, dim] and [m, dim], from one matrix product."""
    return pairwise_squared_l2(x.mean, y.mean) + x.total_variance[:, None] + y.total_variance


def closest_squared_l2(x: Gaussian, y: Gaussian) -> Tensor:
    """All squared distances of the means between two sets of items; of the closest pair where items have K points.

    The latter is the multiple-instance distance of PVSE (Song and Soleymani, 2019, eq. 4): for points of norm one the
    smallest distance is the greatest cosine.

    Args:
        x: Gaussian [n, dim] or [n, K, dim].
        y: Gaussian [m, dim] or [m, L, dim].

    Returns:
        [n, m].
    """
    squared = pairwise_squared_l2(x.mean.flatten(0, -2), y.mean.flatten(0, -2))
    return squared.reshape(len(x), x.batch_shape[1:].numel(), len(y), y.batch_shape[1:].numel()).amin((1, 3))
