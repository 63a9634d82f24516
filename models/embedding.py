"""What an input is embedded as: one Gaussian, one point, or several points; with local attention or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from models.attention import GlobalVariance, MeanBranch, VarianceBranch
from models.errors import ConfigError
from models.gaussian import Gaussian

# A variance of e⁻⁴⁰ is none: no distance and no probability differs from that of a point in any digit of float32.
POINT_LOG_VARIANCE: Final = -40.0


@dataclass(frozen=True)
class EmbeddingConfig:
    """What an input is embedded as. The defaults are PCME.

    Args:
        attention: look at local features beside those of the whole input, as PVSE, PCME and PCME++ do; VSE and HIB do
            not.
        variance: embed as Gaussians; without, as points.
        points: K, how many points an input has (PVSE). More than one come from attention and have no variance.

    Raises:
        ConfigError: a combination that means nothing.
    """

    attention: bool = True
    variance: bool = True
    points: int = 1

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ConfigError(f"points = {self.points}: an input has one point or more")
        if self.points > 1 and (self.variance or not self.attention):
            raise ConfigError(f"points = {self.points} needs attention = true and variance = false")


@dataclass(frozen=True, eq=False)
class Encoding:
    """Gaussians, with what they were made from.

    Args:
        gaussian: [n, dim], or [n, K, dim] where an input has K > 1 points.
        residual: [n, K, dim], what attention adds to the feature of the whole input; None without attention.
        mean_attention: [n, K, positions], the attention of the mean branch; None without attention.
        variance_attention: [n, positions], that of the variance branch; None without attention or variance.
    """

    gaussian: Gaussian
    residual: Tensor | None
    mean_attention: Tensor | None
    variance_attention: Tensor | None


def mean_branch(config: EmbeddingConfig, local: int, dim: int) -> MeanBranch | None:
    """The branch that local features `local` wide need for a mean of `dim` dimensions; none without attention."""
    return MeanBranch(local, dim, local // 2, config.points) if config.attention else None


def variance_branch(config: EmbeddingConfig, local: int, dim: int) -> VarianceBranch | GlobalVariance | None:
    """Likewise for log-variances; none for points."""
    if not config.variance:
        return None
    return VarianceBranch(local, dim, local // 2) if config.attention else GlobalVariance(dim)


Wholes = tuple[Tensor, Tensor | None]
"""Features [n, dim] of whole inputs for the mean and for the variance; None for points."""


def encoding_of(
    mean: MeanBranch | None,
    variance: VarianceBranch | GlobalVariance | None,
    wholes: Wholes,
    local: Tensor,
    padding: Tensor | None = None,
) -> Encoding:
    """Put the branches of one modality together.

    Args:
        mean: without it the mean is the feature of the whole input, l2-normalised (VSE++, Faghri et al., 2018).
        variance: without it the log-variance is `POINT_LOG_VARIANCE`.
        wholes: the latter of them with a `variance`.
        local: [n, positions, features].
        padding: bool [n, positions].
    """
    whole, wide = wholes
    centre, residual, attention = (
        (nn.functional.normalize(whole, dim=-1)[:, None], None, None) if mean is None else mean(whole, local, padding)
    )
    centre = centre if centre.shape[1] > 1 else centre[:, 0]
    if variance is None or wide is None:
        return Encoding(Gaussian(centre, torch.full_like(centre, POINT_LOG_VARIANCE)), residual, attention, None)
    log_variance, variance_attention = variance(wide, local, padding)
    return Encoding(Gaussian(centre, log_variance), residual, attention, variance_attention)
