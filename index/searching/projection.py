"""A query and its answers in a plane, Gaussians and all: principal component analysis of their means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from models.gaussian import Gaussian, concatenate

AXES: Final = 2


@dataclass(frozen=True)
class Spot:
    """A Gaussian in the plane.

    Args:
        x: of the mean, along the first principal component.
        y: along the second.
        covariance: of x with x, of x with y, of y with y.
    """

    x: float
    y: float
    covariance: tuple[float, float, float]


@dataclass(frozen=True)
class Projection:
    """Where a query and its answers lie.

    Args:
        explained: the share of the means' variance that the plane holds, 0 to 1; 1 where they have none.
        query: where it lies.
        items: where the answers lie, in their order.
    """

    explained: float
    query: Spot
    items: tuple[Spot, ...]


def project(query: Gaussian, items: Gaussian) -> Projection:
    """Project Gaussians on the plane that holds most of the variance of their means (Pearson, 1901).

    A covariance Σ becomes P Σ Pᵀ, P being the two axes. The component of an axis that is greatest in magnitude is
    positive, so that the same Gaussians always lie alike.

    Args:
        query: Gaussian [dim], dim ≥ 2.
        items: Gaussian [n, dim]; n may be 0.
    """
    both = concatenate([query[None], items]).to("cpu", torch.float64)
    centred = both.mean - both.mean.mean(0)
    axes, explained = _plane(centred, both.variance)
    places, covariances = centred @ axes.mT, (axes * both.variance[:, None]) @ axes.mT
    spots = tuple(
        Spot(x, y, (xx, xy, yy))
        for (x, y), ((xx, xy), (_, yy)) in zip(places.tolist(), covariances.tolist(), strict=True)
    )
    return Projection(explained, spots[0], spots[1:])


def _plane(centred: Tensor, variance: Tensor) -> tuple[Tensor, float]:
    """The axes [2, dim] of centred means [n, dim], and the share of their variance along them."""
    _, spread, components = torch.linalg.svd(centred, full_matrices=False)
    # Beyond this, an axis is the rounding of means (of norm one) that span none.
    spanned = spread > 1e-9
    axes = components[spanned][:AXES]
    if len(axes) < AXES:
        axes = torch.cat([axes, _widest(variance.sum(0), axes)])
    power = spread.square()
    explained = float(power[:AXES].sum() / power.sum()) if spanned.any() else 1.0
    greatest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return axes * greatest.sign(), explained


def _widest(variance: Tensor, axes: Tensor) -> Tensor:
    """The axes that are missing where means span no plane: at right angles, along most of a variance [dim]."""
    outside = torch.eye(len(variance), dtype=variance.dtype) - axes.mT @ axes
    # In rising order of the variance.
    vectors: Tensor = torch.linalg.eigh(outside * variance @ outside).eigenvectors
    return vectors.mT.flip(0)[: AXES - len(axes)]
