"""The value that crosses every layer: a diagonal Gaussian, one or many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Gaussians with diagonal covariance, one for each index of the batch shape.

    Args:
        mean: [*batch, dim].
        log_variance: [*batch, dim], the logarithm of the *variance* (twice the logarithm of the standard
            deviation), of the same dtype and on the same device as `mean`.

    Raises:
        ValueError: shapes, dtypes or devices differ, or the tensors are not floating point.
    """

    mean: Tensor
    log_variance: Tensor

    def __post_init__(self) -> None:
        mean, log_variance = self.mean, self.log_variance
        if mean.ndim < 1 or mean.shape != log_variance.shape:
            raise ValueError(f"mean is {list(mean.shape)} but log_variance is {list(log_variance.shape)}")
        if mean.dtype != log_variance.dtype or not mean.is_floating_point():
            raise ValueError(f"mean is {mean.dtype} but log_variance is {log_variance.dtype}")
        if mean.device != log_variance.device:
            raise ValueError(f"mean is on {mean.device} but log_variance is on {log_variance.device}")

    @property
    def batch_shape(self) -> torch.Size:
        """The shape without the last axis."""
        return self.mean.shape[:-1]

    @property
    def dim(self) -> int:
        """The number of dimensions of the space."""
        return self.mean.shape[-1]

    @property
    def variance(self) -> Tensor:
        """[*batch, dim]: the diagonal of the covariance."""
        return self.log_variance.exp()

    @property
    def std(self) -> Tensor:
        """[*batch, dim]: the standard deviations."""
        return (self.log_variance / 2).exp()

    @property
    def total_variance(self) -> Tensor:
        """[*batch]: the trace of the covariance."""
        return self.variance.sum(-1)

    @property
    def log_det(self) -> Tensor:
        """[*batch]: the logarithm of the covariance's determinant."""
        return self.log_variance.sum(-1)

    @property
    def sigma(self) -> Tensor:
        """[*batch]: the geometric mean of the standard deviations, PCME's measure of uncertainty (section 4.3)."""
        return (self.log_variance.mean(-1) / 2).exp()

    def __len__(self) -> int:
        if not self.batch_shape:
            raise TypeError("one Gaussian has no length")
        return self.batch_shape[0]

    def __iter__(self) -> Iterator[Gaussian]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, index: Any) -> Gaussian:
        """Select along the batch axes; the last axis stays whole.

        Raises:
            IndexError: the index would reach into the last axis.
        """
        mean, log_variance = self.mean[index], self.log_variance[index]
        if mean.ndim < 1 or mean.shape[-1] != self.dim:
            raise IndexError("an index selects Gaussians of the batch, not dimensions of a Gaussian")
        return Gaussian(mean, log_variance)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Gaussian:
        """The same Gaussians on another device or in another precision."""
        return Gaussian(self.mean.to(device, dtype), self.log_variance.to(device, dtype))

    def detach(self) -> Gaussian:
        """The same values, cut off from the graph that computed them."""
        return Gaussian(self.mean.detach(), self.log_variance.detach())

    def sample(self, noise: Tensor) -> Tensor:
        """Points mean + std · noise (the reparametrisation of Kingma and Welling, 2014).

        Args:
            noise: standard normal, [samples, dim] shared by the whole batch or [*batch, samples, dim].

        Returns:
            [*batch, samples, dim].
        """
        return self.mean.unsqueeze(-2) + self.std.unsqueeze(-2) * noise


def concatenate(parts: Sequence[Gaussian]) -> Gaussian:
    """Join batches of Gaussians along their first axis.

    Raises:
        ValueError: there are no parts.
    """
    if not parts:
        raise ValueError("there is nothing to concatenate")
    return Gaussian(torch.cat([p.mean for p in parts]), torch.cat([p.log_variance for p in parts]))
