"""How far shortlisted items are from a query, of which match probabilities are made."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, Self

from torch import Tensor

from models.gaussian import Gaussian
from models.match import DistanceMoments, MatchHead, MatchProbability, Noise, SampledDistances


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


class Separation(Protocol):
    """How far items are from a query, once worked out for all heads that make match probabilities of it."""

    @property
    def items(self) -> Gaussian:
        """The items [n, dim]."""
        ...

    def take(self, places: Tensor) -> Self:
        """Of some of the items."""
        ...

    def match(self, head: MatchHead) -> MatchProbability:
        """The match probabilities of the items."""
        ...


def separation(query: Gaussian, items: Gaussian, method: Rerank, noise: Noise) -> Separation:
    """How far n items are from one query.

    Args:
        query: Gaussian [dim].
        items: Gaussian [n, dim].
        method: sampled, or in closed form otherwise.
        noise: used by the sampled method alone.
    """
    if method is Rerank.SAMPLED:
        return SampledDistances.between(query, items, noise)
    return DistanceMoments.between(query, items)
