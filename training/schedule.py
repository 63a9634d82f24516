"""The optimiser's groups of parameters, and the learning rate over a run."""

from __future__ import annotations

import math

import torch
from torch import nn

from training.config import OptimiserConfig


def optimiser_for(networks: nn.Module, objective: nn.Module, config: OptimiserConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019): decay for matrices alone, and a rate of its own for the match head.

    Each group remembers its highest rate as `peak`.
    """
    matrices = [p for p in networks.parameters() if p.ndim > 1]
    vectors = [p for p in networks.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay, "peak": config.rate},
        {"params": vectors, "weight_decay": 0.0, "peak": config.rate},
        {"params": list(objective.parameters()), "weight_decay": 0.0, "peak": config.head_rate},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, fused=True)


def rate_at(done: int, total: int, warm_up: float) -> float:
    """The share of the highest rate at a step: a linear rise over `warm_up` of all steps, then a cosine to zero."""
    rise = warm_up * total
    if done < rise:
        return (done + 1) / (rise + 1)
    return (1 + math.cos(math.pi * (done - rise) / max(total - rise, 1))) / 2
