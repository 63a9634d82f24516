"""Why nothing that a search found is to be taken for an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.familiarity import UNLIKE_BELOW, Familiarity
from models.gaussian import Gaussian

# Fewer expected matches than this, and the likeliest number of matches among independent items is none.
LIKELY_ANY: Final = 0.5


class NoMatchReason(StrEnum):
    """The reasons in the order in which they are looked for: the first one that holds is given.

    What makes the probabilities meaningless comes before what they say.
    """

    EMPTY_GALLERY = "empty-gallery"
    NOTHING_ALLOWED = "nothing-allowed"
    UNLIKE_TRAINING = "unlike-training"
    TOO_UNCERTAIN = "too-uncertain"
    BELOW_MINIMUM = "below-minimum"
    NOTHING_PROBABLE = "nothing-probable"


@dataclass(frozen=True)
class NoMatch:
    """A reason, and in detail a sentence that says it with its figures."""

    reason: NoMatchReason
    detail: str


@dataclass(frozen=True)
class Standing:
    """How a query stands to those that the model knows.

    Args:
        familiarity: the share of them that are at least as unlike the others, 0 to 1.
        known: how many they are.
        sigma: of the query.
        most_sigma: the greatest of theirs.
        too_uncertain: whether the query's is above it.
    """

    familiarity: float
    known: int
    sigma: float
    most_sigma: float
    too_uncertain: bool

    @classmethod
    def of(cls, query: Gaussian, known: Familiarity) -> Standing:
        """Measure a query, Gaussian [dim], against the queries of its modality."""
        return cls(
            float(known.typicality(query)),
            len(known.distances),
            float(query.sigma),
            known.most_sigma,
            bool(known.too_uncertain(query)),
        )


@dataclass(frozen=True)
class Findings:
    """What is to be judged of a search.

    Args:
        held: how many items of the modality the gallery holds, where `ranked` is none; else any number above none.
        ranked: how many items have a probability.
        kept: how many of them reach the least probability asked for.
        best: the greatest probability.
        expected: the sum of the probabilities.
        calibrated: whether they come from a calibrated head; the sum of others is not believed.
        least: the least probability asked for.
    """

    held: int
    ranked: int
    kept: int
    best: float
    expected: float
    calibrated: bool
    least: float


def no_match(findings: Findings, standing: Standing | None) -> NoMatch | None:
    """The first reason that holds, or None.

    Args:
        findings: of the search.
        standing: of the query, where the model knows queries of its modality.
    """
    if not findings.held:
        return NoMatch(NoMatchReason.EMPTY_GALLERY, "The gallery holds no item of the modality that was asked for.")
    if not findings.ranked:
        return NoMatch(
            NoMatchReason.NOTHING_ALLOWED,
            f"The filter lets none of the gallery's {findings.held:,} items through that could answer.",
        )
    return (_of_query(standing) if standing else None) or _of_probabilities(findings)


def _of_query(standing: Standing) -> NoMatch | None:
    if standing.familiarity <= UNLIKE_BELOW:
        as_far = round(standing.familiarity * (1 + standing.known)) - 1
        return NoMatch(
            NoMatchReason.UNLIKE_TRAINING,
            f"This query is unlike those the model knows: of {standing.known:,} held-out ones {as_far} are as far out. "
            "Its probabilities are not to be relied on.",
        )
    if standing.too_uncertain:
        return NoMatch(
            NoMatchReason.TOO_UNCERTAIN,
            f"The model is too uncertain about this query: its σ of {standing.sigma:.3g} is above that of all the "
            f"queries its probabilities were calibrated on, {standing.most_sigma:.3g} at most.",
        )
    return None


def _of_probabilities(findings: Findings) -> NoMatch | None:
    if not findings.kept:
        return NoMatch(
            NoMatchReason.BELOW_MINIMUM,
            f"No item reaches the match probability {findings.least:g}; the best one has {findings.best:.3g}.",
        )
    if findings.least == 0 and findings.calibrated and findings.expected < LIKELY_ANY:
        return NoMatch(
            NoMatchReason.NOTHING_PROBABLE,
            f"Nothing here is likely to match: {findings.expected:.2g} matches are expected among the "
            f"{findings.ranked:,} items ranked.",
        )
    return None
