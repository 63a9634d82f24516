"""Symmetric InfoNCE with a learned temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.embedding import Encoding
from training.objective_config import InfoNCEConfig
from training.objectives.objective import LossParts, Objective

# As in CLIP: no temperature below 0.01.
MOST_LOG_INVERSE_TEMPERATURE = math.log(100)


def symmetric_cross_entropy(logits: Tensor, matches: Tensor) -> Tensor:
    """Mean of both directions' cross-entropy between softmax(logits) and the matches of a query, equally likely.

    With one match a query it is InfoNCE (van den Oord et al., 2018, eq. 4); with several, the "out" form of Khosla et
    al. (2020, eq. 2).

    Args:
        logits: [n, m].
        matches: bool [n, m], one at least in every row and column.
    """
    return (_cross_entropy(logits, matches) + _cross_entropy(logits.T, matches.T)) / 2


def _cross_entropy(logits: Tensor, matches: Tensor) -> Tensor:
    wanted = matches.to(logits.dtype)
    wanted = wanted / wanted.sum(1, keepdim=True)
    return nn.functional.cross_entropy(logits, wanted)


class InfoNCEObjective(Objective):
    """Cosines over a learned temperature, as in CLIP (Radford et al., 2021)."""

    def __init__(self, config: InfoNCEConfig) -> None:
        super().__init__()
        self.log_inverse_temperature = nn.Parameter(torch.tensor(-math.log(config.temperature)))

    def forward(self, images: Encoding, texts: Encoding, matches: Tensor, generator: torch.Generator) -> LossParts:
        """See `Objective`."""
        inverse = self.log_inverse_temperature.clamp_max(MOST_LOG_INVERSE_TEMPERATURE).exp()
        loss = symmetric_cross_entropy(inverse * images.gaussian.mean @ texts.gaussian.mean.T, matches)
        return LossParts(loss, {"contrastive": loss, "temperature": 1 / inverse})
