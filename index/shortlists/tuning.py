"""Makes the shortlist of a modality: over which points, how hard it looks, how many rows a search takes, what it loses.

All of that is chosen on one half of some queries, the gallery's own items, and measured on the other half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from index.gaussians.points import Points
from index.gaussians.storage import StoredGaussians
from index.items import Modality
from index.ranking import Rows
from index.shortlists.choice import Choice, Wanted
from index.shortlists.contract import Effort, Shortlist
from index.shortlists.kinds import KINDS
from index.shortlists.loss import SIZES, Curve, Loss, Space, Truth, exact_curve, exhaustive, head_fingerprint
from models.gaussian import Gaussian
from models.lifts import Lift, expected_penalty, head_penalty, heights
from models.match import MatchHead, TraceTerm

QUERIES: Final = 256
"""Items that ask, both halves together; fewer in a gallery that has fewer."""
SEED: Final = 0
LEAST_SIZE: Final = 200
"""Rows that a search takes at least when it names no number, also where fewer hold the ten most probable: match
probabilities are calibrated on shortlists of so many, and the expected matches are a sum over them."""

_NAMES: Final = {
    Space.MEAN: "the means",
    Space.EXPECTED: "the means lifted by tr Σ",
    Space.HEAD: "the means lifted like the match head",
}


@dataclass(frozen=True)
class ShortlistRecord:
    """What a manifest says of the shortlist of a modality.

    Args:
        kind: one of `KINDS`.
        why: why this kind, in a sentence.
        over: what its order is by.
        effort: how hard a search looks.
        size: rows that a search takes when it names no number.
        loss: what was measured; None where there is nothing to search.
        lift: how its points were lifted; None where they are the means, and where an earlier version lifted them.
    """

    kind: str
    why: str
    over: Space
    effort: Effort
    size: int
    loss: Loss | None
    lift: Lift | None = None

    @property
    def verdict(self) -> str:
        """One sentence: what a search loses."""
        if self.loss is None:
            return "There is nothing to search."
        others = (
            f"{_percent(held[self.size])} over {_NAMES[space]}"
            for space, held in self.loss.exactly_by_size.items()
            if space is not self.over
        )
        found, wanted = self.loss.by_size[self.size], self.loss.target
        return (
            f"The {self.size:,} nearest over {_NAMES[self.over]} hold {_percent(found)} of the ten most probable of "
            f"all (exactly computed: {', '.join(others) or 'nothing else was tried'}; wanted {_percent(wanted)}; "
            f"{self.loss.queries} queries)."
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShortlistRecord:
        """From JSON."""
        loss, lift = values["loss"], values.get("lift")
        read = {
            "over": Space(values["over"]),
            "effort": Effort(**values["effort"]),
            "loss": None if loss is None else Loss.from_dict(loss),
            "lift": None if lift is None else Lift.from_dict(lift),
        }
        return cls(**{**values, **read})


@dataclass(frozen=True, eq=False)
class Made:
    """A shortlist with its points, and what is to be said of it."""

    shortlist: Shortlist
    points: Points
    record: ShortlistRecord

    @property
    def searched(self) -> tuple[int, Effort]:
        """The size and the effort of a search that names none."""
        return self.record.size, self.record.effort


@dataclass(frozen=True, eq=False)
class Asking:
    """The items that ask, and their modality."""

    modality: Modality
    items: StoredGaussians


def make(items: StoredGaussians, asking: Asking, head: MatchHead, choice: Choice, wanted: Wanted) -> Made:
    """Build the shortlist of a modality's items, tune it and measure it.

    Args:
        items: those that answer; the shortlist reads their means where they lie.
        asking: those that ask; not empty where there are items.
        head: of the direction in which these items answer.
        choice: the kind.
        wanted: over what, and how much is to be held.
    """
    build = KINDS[choice.kind].build
    if not len(items):
        points = Points(items.means)
        return Made(build(points), points, ShortlistRecord(*_plain(choice), Space.MEAN, Effort(), LEAST_SIZE, None))
    tuning, judging = (exhaustive(half, items, head) for half in _halves(asking.items))
    spaces = _spaces(items, head, tuning.exchange)
    curves = {space: exact_curve(tuning, points) for space, (points, _) in spaces.items()}
    over = choose_space(curves, wanted)
    points, lift = spaces[over]
    trial = Trial(build(points), points)
    effort, size = tune(trial, tuning, enough(curves[over], wanted.recall), wanted.recall)
    loss = Loss(
        len(judging.queries),
        asking.modality.value,
        wanted.recall,
        SIZES,
        {space: exact_curve(judging, points) for space, (points, _) in spaces.items()},
        trial.curve(judging, effort),
        head_fingerprint(head),
    )
    return Made(trial.shortlist, trial.points, ShortlistRecord(*_plain(choice), over, effort, size, loss, lift))


def choose_space(curves: Mapping[Space, Curve], wanted: Wanted) -> Space:
    """The space whose smallest shortlist suffices; a plainer one unless that holds a whole percent less.

    Args:
        curves: of the exact shortlists; the plainest space first.
        wanted: over what it may be, and the share to be held.
    """
    allowed = {"mean": (Space.MEAN,), "lifted": (Space.EXPECTED, Space.HEAD)}.get(wanted.over, tuple(Space))

    def cost(space: Space) -> tuple[int, float]:
        place = enough(curves[space], wanted.recall)
        return place, -round(curves[space][place], 2)

    return min((space for space in curves if space in allowed), key=cost)


def enough(held: Curve, recall: float) -> int:
    """The place in `SIZES` of the smallest shortlist from `LEAST_SIZE` on that holds so much; the last if none does."""
    least = SIZES.index(LEAST_SIZE)
    return next((place for place in range(least, len(SIZES)) if held[place] >= recall), len(SIZES) - 1)


@dataclass(frozen=True, eq=False)
class Trial:
    """A shortlist that is being tried out, with its points."""

    shortlist: Shortlist
    points: Points

    def nearest(self, truth: Truth, size: int, effort: Effort) -> list[Rows]:
        """The rows that each query finds."""
        queries = map(self.points.query, truth.queries.mean.numpy())
        return [self.shortlist.search(query, size, effort).rows for query in queries]

    def curve(self, truth: Truth, effort: Effort) -> Curve:
        """What it holds, for each of `SIZES`: an approximate one looks anew for each size, for other candidates."""
        if self.shortlist.exact:
            return truth.curve(self.nearest(truth, SIZES[-1], effort))
        return tuple(truth.held(self.nearest(truth, size, effort)) for size in SIZES)


def tune(trial: Trial, truth: Truth, smallest: int, recall: float) -> tuple[Effort, int]:
    """The least effort, and the smallest size from place `smallest` of `SIZES` on, with which enough is held.

    First the reach is raised with as many candidates as there may be, then as few of those are taken as suffice. Where
    nothing suffices it is the greatest effort and size.
    """
    reaches, refines = trial.shortlist.reaches, trial.shortlist.refines
    if trial.shortlist.exact:
        return Effort(), SIZES[smallest]

    def suffices(effort: Effort, size: int) -> bool:
        return truth.held(trial.nearest(truth, size, effort)) >= recall

    for size in SIZES[smallest:]:
        for reach in reaches:
            if suffices(Effort(reach, refines[-1]), size):
                least = next((each for each in refines[:-1] if suffices(Effort(reach, each), size)), refines[-1])
                return Effort(reach, least), size
    return Effort(reaches[-1], refines[-1]), SIZES[-1]


def _halves(asking: StoredGaussians) -> tuple[Gaussian, Gaussian]:
    """The queries for choosing and those for measuring: the same one where there is only one."""
    rows = np.random.default_rng(SEED).permutation(len(asking))[:QUERIES]
    first, second = rows[::2], rows[1::2] if len(rows) > 1 else rows
    return asking.take(np.sort(first)), asking.take(np.sort(second))


@torch.inference_mode()
def _spaces(items: StoredGaussians, head: MatchHead, exchange: float) -> dict[Space, tuple[Points, Lift | None]]:
    """The points of the items in each space and how they were lifted into it, the plainest first.

    Like the head is like the expected distance where the head makes nothing of an item's variances.
    """
    spaces: dict[Space, tuple[Points, Lift | None]] = {Space.MEAN: (Points(items.means), None)}
    penalties = items.measure(expected_penalty)
    spaces[Space.EXPECTED] = _lifted(items, penalties), Lift(float(penalties.min()), 0.0, TraceTerm())
    if not head.means_alone and head.item != TraceTerm():
        penalties = items.measure(lambda block: head_penalty(block, head, exchange))
        spaces[Space.HEAD] = _lifted(items, penalties), Lift(float(penalties.min()), exchange, head.item)
    return spaces


def _lifted(items: StoredGaussians, penalties: torch.Tensor) -> Points:
    return Points(items.means, heights(penalties).numpy())


def _plain(choice: Choice) -> tuple[str, str]:
    return choice.kind, choice.why


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
