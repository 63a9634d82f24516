"""PCME++: binary cross-entropy of closed-form expected squared distances, with pseudo-positives."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from models.distances import kl_to_standard_normal, pairwise_expected_squared
from models.embedding import Encoding
from models.match import MatchHead
from training.objective_config import ClosedFormConfig
from training.objectives.objective import LearnedLogit, LossParts


def with_pseudo_matches(logits: Tensor, matches: Tensor) -> Tensor:
    """bool [n, m]: the matches, and whatever a row is at least as close to as to its closest match (Chun, 2024, 3.3).

    Args:
        logits: [n, m], higher is closer.
        matches: bool [n, m], one at least in every row.
    """
    closest = logits.masked_fill(~matches, -torch.inf).amax(1, keepdim=True)
    return matches | (logits >= closest)


def pseudo_positive_loss(logits: Tensor, matches: Tensor) -> Tensor:
    """Cross-entropies with the pseudo-matches of images, and with those of captions (Chun, 2024, eq. 3)."""
    ways = (with_pseudo_matches(logits, matches), with_pseudo_matches(logits.T, matches.T).T)
    of_images, of_texts = (binary_cross_entropy_with_logits(logits, way.to(logits.dtype)) for way in ways)
    return of_images + of_texts


class ClosedFormObjective(LearnedLogit):
    """The published loss with its learned logit −a·d + b, d the expected squared distance."""

    def __init__(self, config: ClosedFormConfig) -> None:
        super().__init__(config.scale, config.shift)
        self.config = config

    @property
    def head(self) -> MatchHead:
        """A match head takes a distance, not its square: the tangent of −a·d² + b where it is zero, at d = √(b/a)."""
        scale, shift = (max(float(value.detach()), 1e-6) for value in (self.scale, self.shift))
        return MatchHead(2 * math.sqrt(scale * shift), 2 * shift)

    def forward(self, images: Encoding, texts: Encoding, matches: Tensor, generator: torch.Generator) -> LossParts:
        """See `Objective`."""
        config, (x, y) = self.config, (images.gaussian, texts.gaussian)
        logits = self.shift - self.scale * pairwise_expected_squared(x, y)
        # Once for each direction; both are the same number.
        match = 2 * binary_cross_entropy_with_logits(logits, matches.to(logits.dtype))
        terms, total = {"match": match}, match
        if config.pseudo_weight:
            terms["pseudo"] = pseudo_positive_loss(logits, matches)
            total = total + config.pseudo_weight * terms["pseudo"]
        if config.kl_weight:
            terms["kl"] = (kl_to_standard_normal(x).mean() + kl_to_standard_normal(y).mean()) / x.dim
            total = total + config.kl_weight * terms["kl"]
        return LossParts(total, terms)
