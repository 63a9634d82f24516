"""The match probability of each shortlisted item."""

from __future__ import annotations

from enum import StrEnum

import torch

from models.gaussian import Gaussian
from models.match import BLOCK, MatchHead, MatchProbability, Noise, closed_form, sampled


class Rerank(StrEnum):
    """How shortlisted items are given a probability, and an order."""

    SAMPLED = "sampled"
    """By match probability over J × J pairs of samples, with its standard error (PCME, as published)."""
    CLOSED_FORM = "closed_form"
    """By match probability in closed form: the limit of many samples, without their noise."""
    EXHAUSTIVE = "exhaustive"
    """By match probability in closed form of every item there is, without a shortlist."""
    NONE = "none"
    """By the distance of the means; the probability shown is that of the closed form."""


def match_probabilities(
    query: Gaussian, items: Gaussian, head: MatchHead, method: Rerank, noise: Noise
) -> MatchProbability:
    """Match probabilities [n] of one query and n items.

    Args:
        query: Gaussian [dim].
        items: Gaussian [n, dim].
        head: of the direction of search, calibrated or not.
        method: sampled, or in closed form otherwise.
        noise: used by the sampled method alone.

    Returns:
        values and standard errors [n]; the latter are zero unless sampled.
    """
    if method is Rerank.SAMPLED:
        return sampled(query, items, head, noise)
    blocks = [closed_form(query[None], items[start : start + BLOCK], head)[0] for start in range(0, len(items), BLOCK)]
    value = torch.cat(blocks) if blocks else items.mean.new_zeros(0)
    return MatchProbability(value, torch.zeros_like(value))
