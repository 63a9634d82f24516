"""Does σ rise with what should raise it, and does it know more of that than the means do?

Two kinds of series. *Disturbed* items are the same items at every level (an erased area, blur, dropped words): the
correlation is within each item. *Observed* ones are other items at every level (the length of a caption, its
generality, the true number of matches): the correlation is over the items. Beside σ always stands what a model without
variances has at hand, the distance to the nearest answer; its order is that of the mean-only probability turned round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, Final

import numpy as np
import scipy
import torch

from evaluation.contest import Contest, Scored, contests
from evaluation.disturbed import Disturbed
from evaluation.generality import generality, lengths
from evaluation.metrics import precision_at_r
from evaluation.positives import Bools, Floats, Ints, Positives
from evaluation.protocols import Embedded, Ranked, rank
from evaluation.relevance import for_direction
from evaluation.selective import error_auroc
from evaluation.uncertainty import telling_sigma
from models.calibration import Direction
from models.gaussian import concatenate
from models.match import MatchHead

MOST_LEVELS: Final = 10
NOTICED: Final = 0.3
"""Below such a correlation, either way, σ is said to hardly notice."""

SIDES: Final = {Direction.IMAGE_TO_TEXT: "images", Direction.TEXT_TO_IMAGE: "texts"}
TITLES: Final = {
    "erased": "the erased area",
    "blurred": "blur",
    "dropped": "dropped words",
    "length": "their length",
    "generality": "their generality",
    "matches": "the true number of matches",
}


@dataclass(frozen=True)
class Response:
    """How a signal answers.

    Args:
        means: of the signal at each level.
        deviations: its standard deviations over the items of a level.
        spearman: Spearman's ρ between level and signal, the mean over items where they are disturbed; nan where
            nothing varies.
        share_rising: of disturbed items, the share whose signal is higher at the last level than at the first.
        auroc: of the signal at telling the last level from the first, over disturbed items.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    spearman: float
    share_rising: float | None = None
    auroc: float | None = None


@dataclass(frozen=True)
class Series:
    """σ, the means and the ranking, level by level.

    Args:
        side: "images" or "texts", the queries.
        what: one of `TITLES`.
        levels: shares that are taken away, or the mean of what is observed in groups of rising value.
        counts: items at each level.
        sigma: None where σ tells no item from another.
        distance: to the nearest answer, by the means.
        probability: mean of the first answer's probability calibrated on the means alone; None without a calibration.
        recall_1: Recall@1 by instance at each level.
        r_precision: R-Precision by what plausibly matches.
        contest: σ against the distance, by AUROC; of disturbed items alone.
    """

    side: str
    what: str
    levels: tuple[float, ...]
    counts: tuple[int, ...]
    sigma: Response | None
    distance: Response
    probability: tuple[float, ...] | None
    recall_1: tuple[float, ...]
    r_precision: tuple[float, ...]
    contest: Contest | None = None

    @property
    def sentence(self) -> str | None:
        """Whether σ notices, and whether the means do; None without σ, and where nothing varies."""
        if self.sigma is None or isnan(self.sigma.spearman):
            return None
        title = TITLES[self.what]
        if self.sigma.share_rising is None:
            return (
                f"{self.side}: Spearman's ρ of σ with {title} is {self.sigma.spearman:.3f}, of the distance to the "
                f"nearest answer {self.distance.spearman:.3f} ({sum(self.counts):,} items)."
            )
        first, last = self.recall_1[0], self.recall_1[-1]
        return (
            f"{self.side}: σ {_verb(self.sigma.spearman)} {title}: {_rise(self.sigma)}; the distance to the nearest "
            f"answer: {_rise(self.distance)}; {_judged(self.contest)}. Recall@1 goes from {100 * first:.1f} to "
            f"{100 * last:.1f} %."
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON, every series with the same keys."""
        return {
            "side": self.side,
            "what": self.what,
            "disturbed": self.distance.share_rising is not None,
            "levels": self.levels,
            "counts": self.counts,
            **_plain("mean_sigma", self.sigma),
            "mean_only": {**_plain("mean_distance", self.distance), "probability": self.probability},
            "recall_1": self.recall_1,
            "r_precision": self.r_precision,
            "contest": None if self.contest is None else self.contest.to_dict(),
        }


def disturbed_series(
    disturbed: Disturbed,
    embedded: Embedded,
    own: Positives,
    wider: Positives,
    mean_only: Mapping[Direction, MatchHead] | None,
) -> Series:
    """Rank the disturbed queries against the whole collection, level by level.

    Args:
        disturbed: queries of the collection.
        embedded: the collection.
        own: the images that each caption should find first.
        wider: the images that each caption matches.
        mean_only: for each direction, the head of the means alone.
    """
    ranked = _ranked_levels(disturbed, embedded, own, wider)
    distance, sigma = np.stack([each.nearest for each in ranked]), telling_sigma(concatenate(disturbed.encoded))
    table = None if sigma is None else sigma.reshape(distance.shape)
    head = None if mean_only is None else mean_only[disturbed.direction]
    return Series(
        SIDES[disturbed.direction],
        disturbed.what,
        disturbed.levels,
        (len(disturbed.rows),) * len(disturbed.levels),
        None if table is None else response_within(disturbed.levels, table),
        response_within(disturbed.levels, distance),
        None if head is None else tuple(_probability(head, row) for row in distance),
        tuple(_mean(each.found_first) for each in ranked),
        tuple(_mean(precision_at_r(each.wider)) for each in ranked),
        None if table is None else _contest(table, distance),
    )


def _ranked_levels(disturbed: Disturbed, embedded: Embedded, own: Positives, wider: Positives) -> list[Ranked]:
    turned = (for_direction(positives, disturbed.direction) for positives in (own, wider))
    mine, all_of_mine = (positives.take(disturbed.rows, np.arange(positives.item_count)) for positives in turned)
    items = embedded.sides(disturbed.direction)[1]
    return [rank(queries, items, mine, all_of_mine) for queries in disturbed.encoded]


def observed_series(
    embedded: Embedded,
    ranked: Mapping[Direction, Ranked],
    matches: Positives | None,
    mean_only: Mapping[Direction, MatchHead] | None,
) -> tuple[Series, ...]:
    """σ beside the length and the generality of the captions and, where it is known, the true number of matches.

    Args:
        embedded: the collection.
        ranked: its ranking, both ways.
        matches: the images that each caption is true of, where that is known.
        mean_only: for each direction, the head of the means alone.
    """
    captions = [caption for entry in embedded.entries for caption in entry.captions]
    text, image = Direction.TEXT_TO_IMAGE, Direction.IMAGE_TO_TEXT
    seen = [(text, "length", lengths(captions)), (text, "generality", generality(captions, embedded.entries))]
    if matches is not None:
        seen += [(side, "matches", for_direction(matches, side).counts) for side in (text, image)]
    return tuple(
        _observed(embedded, side, what, values, ranked[side], None if mean_only is None else mean_only[side])
        for side, what, values in seen
    )


def _observed(
    embedded: Embedded, side: Direction, what: str, values: Ints, ranked: Ranked, mean_only: MatchHead | None
) -> Series:
    groups, sigma = levels_of(values), telling_sigma(embedded.sides(side)[0])
    first, precision = ranked.found_first, precision_at_r(ranked.wider)
    return Series(
        SIDES[side],
        what,
        tuple(float(values[group].mean()) for group in groups),
        tuple(len(group) for group in groups),
        None if sigma is None else response_across(values, sigma, groups),
        response_across(values, ranked.nearest, groups),
        None if mean_only is None else tuple(_probability(mean_only, ranked.nearest[group]) for group in groups),
        tuple(_mean(first[group]) for group in groups),
        tuple(_mean(precision[group]) for group in groups),
    )


def levels_of(values: Ints, most: int = MOST_LEVELS) -> list[Ints]:
    """Rows in groups of rising value, about equally large, at most so many; equal values stay together."""
    edges = np.unique(np.quantile(values, np.arange(1, most) / most, method="inverted_cdf"))
    group = np.searchsorted(edges, values, side="left")
    return [np.flatnonzero(group == number) for number in np.unique(group)]


def response_within(levels: Sequence[float], values: Floats) -> Response:
    """How the signals [levels, items] of the same items answer to rising levels."""
    ranks = scipy.stats.rankdata(values, axis=0) - (len(levels) + 1) / 2
    steps = scipy.stats.rankdata(levels) - (len(levels) + 1) / 2
    with np.errstate(invalid="ignore"):
        each = steps @ ranks / np.sqrt(np.square(steps).sum() * np.square(ranks).sum(axis=0))
    return Response(
        tuple(values.mean(axis=1).tolist()),
        tuple(values.std(axis=1).tolist()),
        _mean(each),
        float((values[-1] > values[0]).mean()),
        error_auroc(*_ends(values)),
    )


def response_across(levels: Ints, values: Floats, groups: Sequence[Ints]) -> Response:
    """How the signal [items] of different items goes with what is observed of them [items]."""
    varies = np.ptp(levels) > 0 and np.ptp(values) > 0
    return Response(
        tuple(float(values[group].mean()) for group in groups),
        tuple(float(values[group].std()) for group in groups),
        float(scipy.stats.spearmanr(levels, values).statistic) if varies else float("nan"),
    )


def _ends(values: Floats) -> tuple[Floats, Bools]:
    """The signals of the first and of the last level, and which are of the last."""
    return np.concatenate([values[0], values[-1]]), np.repeat([False, True], values.shape[1])


def _contest(sigma: Floats, distance: Floats) -> Contest:
    named = {"sigma": sigma, "nearest_distance": distance}
    one, rival = (Scored(name, *_ends(values)) for name, values in named.items())
    return contests(one, rival, np.tile(np.arange(sigma.shape[1]), 2))[0]


def _probability(head: MatchHead, distances: Floats) -> float:
    """Mean probability of the first answers by the means alone."""
    return float(head.of_distance(torch.from_numpy(distances)).mean())


def _mean(values: Floats) -> float:
    """Of those that are numbers."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(name: str, response: Response | None) -> dict[str, Any]:
    shown = {"means": None, "deviations": None, "spearman": None, "share_rising": None, "auroc": None}
    shown = shown if response is None else asdict(response)
    return {name: shown.pop("means"), "deviation": shown.pop("deviations"), **shown}


def _verb(spearman: float) -> str:
    if spearman >= NOTICED:
        return "rises with"
    return "falls with" if spearman <= -NOTICED else "hardly notices"


def _rise(response: Response) -> str:
    share = 100 * (response.share_rising or 0)
    return f"higher in {share:.0f} % (ρ {response.spearman:.2f}, AUROC {response.auroc:.2f})"


def _judged(contest: Contest | None) -> str:
    if contest is None or contest.winner is None:
        return "no difference between the two"
    better = "σ" if contest.winner == "sigma" else "the distance"
    low, high = sorted((abs(contest.low), abs(contest.high)))
    return f"{better} tells more, by {abs(contest.advantage):.2f} of AUROC ({low:.2f} to {high:.2f})"
