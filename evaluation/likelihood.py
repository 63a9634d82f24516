"""Maximum likelihood by damped Fisher scoring, over the logits of pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

MAX_STEPS: Final = 50
MAX_DAMPING: Final = 1e6
# Nats a pair that a step must gain to be followed by another one.
TOLERANCE: Final = 1e-6


def least(loss: Callable[[Tensor], float], step: Callable[[Tensor], tuple[Tensor, Tensor]], numbers: Tensor) -> Tensor:
    """The numbers of least loss, by damped steps (Levenberg, 1944).

    Args:
        loss: of numbers.
        step: gradient and Fisher information of the loss there.
        numbers: where to start.
    """
    damping, best = 1e-3, loss(numbers)
    for _ in range(MAX_STEPS):
        gradient, information = step(numbers)
        width = information.diagonal().clamp_min(1e-12)
        found = math.inf
        while not found <= best and damping < MAX_DAMPING:
            tried = numbers - torch.linalg.solve(information + torch.diag(damping * width), gradient)
            found = loss(tried)
            damping *= 8
        if not found <= best:
            break
        gained, numbers, best, damping = best - found, tried, found, max(damping / 32, 1e-9)
        if gained < TOLERANCE:
            break
    return numbers


def log_loss(logit: Tensor, match: Tensor, weight: Tensor) -> Tensor:
    """The weighted sum over pairs of −log of the probability given to what is the case, in nats."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logit, match, weight, reduction="sum")
