"""What queries a model knows look like, and how unlike them another query is.

A match probability says nothing of a query that it was never checked on: far from all of those its σ and its distances
are whatever the network makes of it. So a model remembers the held-out queries of its calibration, as one Gaussian over
(mean, log-variance), and gives a new query the share of them that are at least as far out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from models.gaussian import Gaussian

# A query is unlike what the model knows when at most this share of held-out queries, itself included, is as far out.
UNLIKE_BELOW: Final = 0.01
# A σ that exceeds the greatest one by less is that one, but for the rounding of another batch.
SIGMA_TOLERANCE: Final = 1e-4


def coordinates(queries: Gaussian) -> Tensor:
    """[*batch, 2·dim]: mean and log-variance side by side, the point that a query is."""
    return torch.cat([queries.mean, queries.log_variance], -1)


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The queries of one modality that a model was calibrated on.

    Args:
        centre: [2·dim], their mean.
        whitening: [2·dim, 2·dim], lower triangular: the inverse of the Cholesky factor of their covariance.
        distances: [m], rising: Mahalanobis distances of m of them, each from others than itself.
        most_sigma: the greatest σ among them; beyond it the calibrated probability is an extrapolation.

    Raises:
        ValueError: the shapes do not fit, or there is no distance.
    """

    centre: Tensor
    whitening: Tensor
    distances: Tensor
    most_sigma: float

    def __post_init__(self) -> None:
        size = self.centre.numel()
        if self.centre.shape != (size,) or self.whitening.shape != (size, size) or size % 2:
            raise ValueError(f"centre is {list(self.centre.shape)} but whitening is {list(self.whitening.shape)}")
        if self.distances.ndim != 1 or not len(self.distances):
            raise ValueError(f"distances are {list(self.distances.shape)}, and one at least is needed")

    @property
    def dim(self) -> int:
        """Of the Gaussians."""
        return len(self.centre) // 2

    @cached_property
    def _whitening_of_mean(self) -> Tensor:
        return self.whitening[: self.dim, : self.dim].contiguous()

    def distance(self, queries: Gaussian, *, means_alone: bool = False) -> Tensor:
        """Mahalanobis distance from the known queries, [*batch] (Mahalanobis, 1936; Lee et al., 2018).

        The whitening is lower triangular and the means come first, so that its upper left quarter whitens the means
        alone: what a model without variances would know, to hold the other against.
        """
        whitening = self._whitening_of_mean if means_alone else self.whitening
        points = queries.mean if means_alone else coordinates(queries)
        whitened = (points - self.centre[: points.shape[-1]]) @ whitening.mT
        return whitened.square().sum(-1).sqrt()

    def typicality(self, queries: Gaussian) -> Tensor:
        """(1 + known queries at least as far out) / (1 + known queries), [*batch] in (0, 1].

        A conformal p-value (Vovk et al., 2005; Laxhammar, 2014): for a query that is exchangeable with the known ones
        it is at most α with probability α at most.
        """
        nearer = torch.searchsorted(self.distances, self.distance(queries))
        known = len(self.distances)
        return (1 + known - nearer).double() / (1 + known)

    def unlike(self, queries: Gaussian) -> Tensor:
        """[*batch]: whether at most `UNLIKE_BELOW` of the known queries are as far out."""
        return self.typicality(queries) <= UNLIKE_BELOW

    def too_uncertain(self, queries: Gaussian) -> Tensor:
        """[*batch]: whether σ is above that of every known query."""
        return queries.sigma > self.most_sigma * (1 + SIGMA_TOLERANCE)

    def to_tensors(self) -> dict[str, Tensor]:
        """As a file of tensors has it; of the whitening only the half that is not zero."""
        rows, columns = torch.tril_indices(*self.whitening.shape)
        return {
            "centre": self.centre,
            "whitening": self.whitening[rows, columns],
            "distances": self.distances,
            "most_sigma": torch.tensor(self.most_sigma, dtype=torch.float64),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Familiarity:
        """The inverse of `to_tensors`.

        Raises:
            KeyError, RuntimeError, ValueError: it is not what `to_tensors` gives.
        """
        centre = tensors["centre"]
        whitening = torch.zeros(len(centre), len(centre), dtype=centre.dtype)
        rows, columns = torch.tril_indices(*whitening.shape)
        if tensors["whitening"].shape != rows.shape:
            raise ValueError(f"a whitening of {len(centre)} dimensions has {len(rows)} numbers")
        whitening[rows, columns] = tensors["whitening"]
        return cls(centre, whitening, tensors["distances"], float(tensors["most_sigma"]))
