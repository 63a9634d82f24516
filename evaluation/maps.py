"""Monotone maps fitted to pairs whose matches are known."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from evaluation.likelihood import least, log_loss
from models.probability_map import EPSILON, IsotonicMap, PlattMap

# A map must rise: where what is mapped knows nothing, it hardly does.
LEAST_SLOPE: Final = 1e-6


def fit_platt(probability: Tensor, match: Tensor, weight: Tensor) -> PlattMap:
    """Logistic regression of what matched on the logit of a probability, all [pairs] (Platt, 1999)."""
    logit, matched = torch.logit(probability.double(), EPSILON), match.double()
    share = weight.double() / weight.sum()
    line = torch.stack([logit, torch.ones_like(logit)], 1)

    def loss(numbers: Tensor) -> float:
        return float(log_loss(line @ numbers, matched, share))

    def step(numbers: Tensor) -> tuple[Tensor, Tensor]:
        expected = torch.sigmoid(line @ numbers)
        information = line.mT @ ((share * expected * (1 - expected))[:, None] * line)
        return line.mT @ (share * (expected - matched)), information

    scale, shift = least(loss, step, torch.tensor([1.0, 0.0], dtype=torch.float64)).tolist()
    return PlattMap(max(scale, LEAST_SLOPE), shift)


def fit_isotonic(probability: Tensor, match: Tensor, weight: Tensor) -> IsotonicMap:
    """Isotonic regression of what matched on a probability, all [pairs] (Zadrozny and Elkan, 2002).

    Its steps keep their ends as knots. Their values are held half a pair away from 0 and 1, which no number of pairs
    can prove.
    """
    knots, place = np.unique(probability.numpy(), return_inverse=True)
    counts = np.bincount(place, weight.numpy())
    share = np.bincount(place, (weight * match).numpy()) / counts
    steps = isotonic_regression(share, weights=counts)
    held = np.clip(steps.x, 0.5 / len(place), 1 - 0.5 / len(place))
    ends = np.unique(np.concatenate([steps.blocks[:-1], steps.blocks[1:] - 1]))
    if len(ends) == 1:
        level = float(held[0])
        return IsotonicMap((0.0, 1.0), (level, level))
    return IsotonicMap(tuple(knots[ends].tolist()), tuple(held[ends].tolist()))
