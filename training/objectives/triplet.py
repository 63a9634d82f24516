"""Hinges on cosines between points: VSE, VSE++ and PVSE."""

from __future__ import annotations

import torch
from torch import Tensor

from models.embedding import Encoding
from training.objective_config import TripletConfig
from training.objectives.objective import LossParts, Objective

# Of the kernel between points of norm one, as published.
MMD_GAMMA = 0.5


def closest_cosine(images: Tensor, texts: Tensor) -> Tensor:
    """[n, m]: the greatest cosine between the points of norm one [n, K, dim] and [m, K, dim] (PVSE, eq. 4)."""
    table = images.flatten(0, 1) @ texts.flatten(0, 1).T
    return table.reshape(*images.shape[:2], *texts.shape[:2]).amax((1, 3))


def hinge(cosines: Tensor, matches: Tensor, margin: float, hardest: bool) -> Tensor:
    """Σ over both directions of the mean of max(0, margin + cosine of a mismatch − cosine of a match).

    Args:
        cosines: [n, m].
        matches: bool [n, m].
        margin: the least difference.
        hardest: the greatest hinge of each match alone (VSE++, Faghri et al., 2018, eq. 6), not all (eq. 5).
    """
    return _one_way(cosines, matches, margin, hardest) + _one_way(cosines.T, matches.T, margin, hardest)


def _one_way(cosines: Tensor, matches: Tensor, margin: float, hardest: bool) -> Tensor:
    """Rows ask: every match of a row against all mismatches of that row."""
    rows, columns = matches.nonzero(as_tuple=True)
    violation = (margin + cosines[rows] - cosines[rows, columns, None]).clamp_min(0).masked_fill(matches[rows], 0)
    return violation.amax(1).mean() if hardest else violation.mean()


def diversity(residuals: Tensor) -> Tensor:
    """Mean over inputs of ‖G − I‖ / K², G the cosines between an input's residuals [n, K, dim] (PVSE, eq. 6)."""
    points = residuals.shape[1]
    unit = torch.nn.functional.normalize(residuals, dim=-1)
    apart = (unit @ unit.mT).masked_fill(torch.eye(points, dtype=torch.bool, device=unit.device), 0)
    norms: Tensor = torch.linalg.vector_norm(apart, dim=(1, 2))
    return norms.mean() / points**2


def mean_discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """Squared maximum mean discrepancy between two sets of points [a, dim] and [b, dim] (Gretton et al., 2007).

    E k(x, x') − 2 E k(x, y) + E k(y, y'), each over all pairs, also of a point with itself. The published kernel is
    exp(−γ ‖x − y‖), the distance not squared.
    """
    xx, xy, yy = (torch.exp(-MMD_GAMMA * _distances(*pair)).mean() for pair in ((x, x), (x, y), (y, y)))
    return xx - 2 * xy + yy


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """[a, b]; a matrix product would be inexact between equal points, where the kernel is steepest."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


class TripletObjective(Objective):
    """The ranking loss of VSE, VSE++ and PVSE with the latter's two regularisers; nothing is learned beside."""

    def __init__(self, config: TripletConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, images: Encoding, texts: Encoding, matches: Tensor, generator: torch.Generator) -> LossParts:
        """See `Objective`."""
        config, (x, y) = self.config, (_points(images), _points(texts))
        ranking = hinge(closest_cosine(x, y), matches, config.margin, config.hardest)
        terms, total = {"ranking": ranking}, ranking
        if config.diversity_weight and images.residual is not None and texts.residual is not None:
            terms["diversity"] = diversity(images.residual) + diversity(texts.residual)
            total = total + config.diversity_weight * terms["diversity"]
        if config.mmd_weight:
            terms["mmd"] = mean_discrepancy(x.flatten(0, 1), y.flatten(0, 1))
            total = total + config.mmd_weight * terms["mmd"]
        return LossParts(total, terms)


def _points(encoding: Encoding) -> Tensor:
    """[n, K, dim]; K is one for [n, dim]."""
    mean = encoding.gaussian.mean
    return mean if mean.ndim == 3 else mean[:, None]
