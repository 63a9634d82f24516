"""One search: shortlist, Gaussians, match probabilities, the cut, the items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch

from index.filters.conditions import Filter
from index.gaussians.exhaustive import every_probability, most_probable
from index.giving_up import go_on
from index.items import Item, Modality
from index.ranking import Ranking, Rows
from index.searching.contract import GalleryState, Searched
from index.searching.no_match import Findings, NoMatch, Standing, no_match
from index.searching.projection import Projection, project
from index.searching.rerank import Rerank, Separation, separation
from index.searching.uncertainty import Uncertainty
from models.calibration import Calibration, Direction
from models.distances import squared_l2
from models.familiarity import Familiarity
from models.gaussian import Gaussian
from models.match import MatchHead, MatchProbability, Noise

ANSWERS: Final[Mapping[Direction, Modality]] = {
    Direction.TEXT_TO_IMAGE: Modality.IMAGE,
    Direction.IMAGE_TO_TEXT: Modality.TEXT,
}
"""The modality that answers in each direction."""


@dataclass(frozen=True)
class SearchOptions:
    """What a search may be asked for.

    Args:
        top_k: how many items to answer with at most; the whole gallery where it is larger.
        shortlist: how many items get a probability, never fewer than `top_k`; None takes as many as the gallery was
            measured to need. All get one with `Rerank.EXHAUSTIVE`.
        rerank: how they get it, and their order.
        samples: J, for the sampled probability.
        seed: of the noise, likewise.
        min_match_probability: items below it are left out.
        filter: which items may answer; None for all. The shortlist is of these: however few they are of all, it has as
            many of them as without a filter, or all there are.
        projection: whether to say where the query and the answers lie in a plane.
    """

    top_k: int = 10
    shortlist: int | None = None
    rerank: Rerank = Rerank.SAMPLED
    samples: int = 7
    seed: int = 0
    min_match_probability: float = 0.0
    filter: Filter | None = None
    projection: bool = False


@dataclass(frozen=True)
class Hit:
    """One answer.

    Args:
        rank: from 1.
        row: of the item within its modality.
        item: what it is.
        mean_distance: L2 distance between the means (not squared).
        match_probability: by the calibrated head where there is one.
        standard_error: what sampling leaves in it: 0 unless sampled, None where one sample a side gives none.
        raw_match_probability: by the model's own head.
        uncertainty: of the item.
    """

    rank: int
    row: int
    item: Item
    mean_distance: float
    match_probability: float
    standard_error: float | None
    raw_match_probability: float
    uncertainty: Uncertainty


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        hits: in the order of match probability (with `Rerank.NONE`, of mean distance), of the items that have one.
        expected_matches: the sum of the match probabilities over the shortlist; items beyond it, or that a filter does
            not let through, are not counted. With `Rerank.EXHAUSTIVE` there are none beyond it.
        ranked: how many items that sum is over.
        calibrated: whether probabilities come from a calibrated head.
        familiarity: the share of the held-out queries that are at least as unlike the others as this one, 0 to 1; None
            where the model knows of none.
        no_match: why nothing here is to be taken for an answer; None when something may be.
        projection: where the query and the hits lie in a plane; None where that was not asked.
        gallery: fingerprint of the gallery as it was searched, which changes may have made another one since.
        stages: milliseconds of each stage.
    """

    hits: tuple[Hit, ...]
    expected_matches: float
    ranked: int
    calibrated: bool
    familiarity: float | None
    no_match: NoMatch | None
    projection: Projection | None
    gallery: str
    stages: Mapping[str, float]


class Retriever:
    """Searches a gallery, from any thread.

    Args:
        searched: what is searched.
        match: the model's own match head.
        calibration: a head for each direction; without one the model's own serves for both.
        familiarity: for each direction the queries that the model knows; without it none is said to be unlike them.
    """

    def __init__(
        self,
        searched: Searched,
        match: MatchHead,
        calibration: Calibration | None = None,
        familiarity: Mapping[Direction, Familiarity] | None = None,
    ) -> None:
        self._searched = searched
        self._match = match
        self._calibration = calibration
        self._familiarity = familiarity or {}
        self._draw_noise = lru_cache(maxsize=8)(Noise.draw)

    @property
    def gallery(self) -> GalleryState:
        """What a search that began now would see."""
        return self._searched.gallery

    def head(self, direction: Direction) -> MatchHead:
        """The match head of a direction, calibrated where possible."""
        return self._match if self._calibration is None else self._calibration.heads[direction]

    @torch.inference_mode()
    def search(self, query: Gaussian, direction: Direction, options: SearchOptions) -> SearchResult:
        """Answer a query.

        A probability depends on the query, the item, `samples` and `seed` alone (up to the rounding of float32).
        Equal probabilities are ordered by mean distance, then by row. `no_match` says when the query is unlike those
        the model knows or too uncertain; with `min_match_probability` above zero, when nothing reaches it; with zero
        and a calibration, when fewer than 0.5 matches are expected in the shortlist. The items are still given.

        Args:
            query: Gaussian [dim] of the asking modality.
            direction: which modality asks, and which answers.
            options: see there.
        """
        query, modality, clock = query.to("cpu", torch.float32), ANSWERS[direction], _Clock()
        gallery = self.gallery
        asked = _Asked(gallery, query, direction, options, _allowed(gallery, modality, options.filter, clock))
        rank = self._ranked_all if options.rerank is Rerank.EXHAUSTIVE else self._ranked_shortlist
        candidates, probabilities = rank(asked, modality, clock)
        answers = candidates.take(_order(candidates, options)[: options.top_k])
        raw = answers.probability if self._calibration is None else answers.separation.match(self._match)
        clock.lap("rerank")
        hits = _hits(asked.gallery, modality, answers, raw)
        clock.lap("items")
        projection = None
        if options.projection:
            projection = project(query, answers.gaussians)
            clock.lap("projection")
        return self._result(asked, hits, probabilities, projection, clock.laps)

    def _ranked_shortlist(self, asked: _Asked, modality: Modality, clock: _Clock) -> tuple[_Candidates, torch.Tensor]:
        """The items of the shortlist, and their probabilities."""
        query, options = asked.query, asked.options
        size = options.shortlist or asked.gallery.manifest.shortlists[modality].size
        rows = asked.gallery.nearest(modality, query.mean, max(size, options.top_k), asked.allowed)
        clock.lap("shortlist")
        gaussians = asked.gallery.gaussians(modality, rows)
        clock.lap("gather")
        found = self._separation(query, gaussians, options)
        probability = found.match(self.head(asked.direction))
        # The order of a shortlist may be of lifted means; what is shown and breaks ties is the distance of the means.
        near = Ranking(rows, squared_l2(query, gaussians).numpy())
        return _Candidates(near, found, probability), probability.value

    def _ranked_all(self, asked: _Asked, modality: Modality, clock: _Clock) -> tuple[_Candidates, torch.Tensor]:
        """The most probable items of all that may answer, and the probabilities of these."""
        query, items, allowed = asked.query, asked.gallery.stored(modality), asked.allowed
        probabilities = every_probability(query, items, self.head(asked.direction), allowed)
        near = most_probable(query, items, probabilities, asked.options.top_k, allowed)
        probability = MatchProbability(probabilities[near.rows if allowed is None else allowed.places(near.rows)])
        found = self._separation(query, items.take(near.rows), asked.options)
        return _Candidates(near, found, probability), probabilities

    def _separation(self, query: Gaussian, items: Gaussian, options: SearchOptions) -> Separation:
        noise = self._draw_noise(query.dim, options.samples, options.seed)
        return separation(query, items, options.rerank, noise)

    def _result(
        self,
        asked: _Asked,
        hits: tuple[Hit, ...],
        probabilities: torch.Tensor,
        projection: Projection | None,
        stages: Mapping[str, float],
    ) -> SearchResult:
        count, expected = len(probabilities), float(probabilities.sum(dtype=torch.float64))
        best, calibrated = float(probabilities.max()) if count else 0.0, self._calibration is not None
        # Where some have a probability there are some: counting may be a round trip to a server.
        held, least = count or asked.gallery.count(ANSWERS[asked.direction]), asked.options.min_match_probability
        findings = Findings(held, count, len(hits), best, expected, calibrated, least)
        known = self._familiarity.get(asked.direction)
        standing = None if known is None else Standing.of(asked.query, known)
        familiarity = None if standing is None else standing.familiarity
        reason, gallery = no_match(findings, standing), asked.gallery.fingerprint
        return SearchResult(hits, expected, count, calibrated, familiarity, reason, projection, gallery, stages)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What was asked, of what, and what lets rows of it answer: see `GalleryState.allowed`."""

    gallery: GalleryState
    query: Gaussian
    direction: Direction
    options: SearchOptions
    allowed: Any


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Items that may be answers, how far they are from the query, and their match probabilities."""

    near: Ranking
    separation: Separation
    probability: MatchProbability

    @property
    def gaussians(self) -> Gaussian:
        """Of the items, [n, dim]."""
        return self.separation.items

    def take(self, places: Rows) -> _Candidates:
        """Those in some places, in that order."""
        near, chosen = Ranking(self.near.rows[places], self.near.values[places]), torch.from_numpy(places)
        return _Candidates(near, self.separation.take(chosen), self.probability.take(chosen))


class _Clock:
    """Times the stages of one search, in milliseconds; between two of them a search may be given up."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """The stage that began with the last one's end, ends."""
        now = perf_counter()
        self.laps[stage] = 1000 * (now - self._last)
        self._last = now
        go_on()


def _allowed(gallery: GalleryState, modality: Modality, wanted: Filter | None, clock: _Clock) -> Any:
    """What lets rows answer."""
    if wanted is None:
        return gallery.present(modality)
    allowed = gallery.allowed(modality, wanted)
    clock.lap("filter")
    return allowed


def _hits(gallery: GalleryState, modality: Modality, answers: _Candidates, raw: MatchProbability) -> tuple[Hit, ...]:
    """The answers, in their order."""
    columns = (
        answers.near.rows.tolist(),
        gallery.items(modality, answers.near.rows),
        np.sqrt(answers.near.values).tolist(),
        answers.probability.value.tolist(),
        map(_finite, answers.probability.standard_error.tolist()),
        raw.value.tolist(),
        gallery.uncertainties(modality, answers.gaussians),
    )
    return tuple(Hit(rank, *fields) for rank, fields in enumerate(zip(*columns, strict=True), start=1))


def _order(candidates: _Candidates, options: SearchOptions) -> Rows:
    """Places of the candidates that reach the probability asked for, in the order of the answers."""
    near, probabilities = candidates.near, candidates.probability.value.numpy()
    first = () if options.rerank is Rerank.NONE else (-probabilities,)
    order = np.lexsort((near.rows, near.values, *first))
    return order[probabilities[order] >= options.min_match_probability]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
