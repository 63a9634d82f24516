"""What all objectives have in common: encodings and what matches go in, a loss in named parts comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from models.embedding import Encoding
from models.match import MatchHead

# Of a model that learns no match probability: where PCME starts. Raw it means little; calibration replaces it.
UNTRAINED_HEAD: Final = MatchHead(10.0, 10.0)


@dataclass(frozen=True, eq=False)
class LossParts:
    """The loss, and its terms before their weights."""

    total: Tensor
    terms: Mapping[str, Tensor]

    def as_floats(self) -> dict[str, float]:
        """For reports."""
        return {name: float(value.detach()) for name, value in {**self.terms, "total": self.total}.items()}


class Objective(nn.Module, ABC):
    """A loss over a batch of n images and m captions, with whatever it learns beside the encoders."""

    @property
    def head(self) -> MatchHead:
        """The match head as learned so far, or the one that stands in where none is learned."""
        return UNTRAINED_HEAD

    @abstractmethod
    def forward(self, images: Encoding, texts: Encoding, matches: Tensor, generator: torch.Generator) -> LossParts:
        """Compute the loss.

        Args:
            images: of n images.
            texts: of m captions.
            matches: bool [n, m]; every image and every caption has a match.
            generator: where randomness comes from, on the CPU.
        """


class LearnedLogit(Objective, ABC):
    """An objective that learns how a distance becomes the logit of a match, −scale·d + shift.

    Args:
        scale: where it starts.
        shift: likewise.
    """

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.shift = nn.Parameter(torch.tensor(shift))
