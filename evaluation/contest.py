"""Which of two scores knows better which answers are wrong, with a bootstrap interval on the difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.random import default_rng

from evaluation.positives import Bools, Floats, Ints
from evaluation.selective import Tally

RESAMPLES: Final = 200
COVERED: Final = (0.025, 0.975)
# Resamples times answers that are looked at together.
_CELLS: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class Scored:
    """Answers [n] with a score that is high where they are doubtful, and which of them are wrong."""

    name: str
    score: Floats
    wrong: Bools


@dataclass(frozen=True)
class Contest:
    """Two scores by one figure.

    Args:
        figure: "auroc" or "area" (see `Abstention`).
        score: the name of the one.
        rival: the name of the other.
        value: figure of the one.
        rival_value: figure of the other.
        advantage: by how much the one is better than the other, below zero where it is worse.
        low: of the 95 % interval of the advantage.
        high: likewise.
    """

    figure: str
    score: str
    rival: str
    value: float
    rival_value: float
    advantage: float
    low: float
    high: float

    @property
    def winner(self) -> str | None:
        """The better one, where the interval leaves zero out."""
        if self.low > 0:
            return self.score
        return self.rival if self.high < 0 else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "winner": self.winner}


def contests(one: Scored, rival: Scored, groups: Ints, seed: int = 0) -> tuple[Contest, Contest]:
    """By AUROC (more is better) and by the area under risk against coverage (less is better).

    The interval holds the middle 95 % of 200 resamples of the queries, the same for both scores (Efron, 1979; paired).

    Args:
        one: a score and the mistakes it speaks of.
        rival: another one, of the same queries.
        groups: [n] from 0; queries of one group (captions of one image) err together and are drawn together.
        seed: of the resamples.
    """
    whole = np.ones((1, len(groups)))
    values, drawn = _figures(one, rival, whole), [_figures(one, rival, each) for each in _resamples(groups, seed)]
    spread = np.concatenate(drawn, axis=2)
    auroc, area = (_contest(name, one, rival, values[i, :, 0], spread[i]) for i, name in enumerate(("auroc", "area")))
    return auroc, area


def _figures(one: Scored, rival: Scored, weights: Floats) -> Floats:
    """[AUROC and area, one and rival, resamples]."""
    tallies = [Tally.of(each.score, each.wrong, weights) for each in (one, rival)]
    return np.array([[tally.aurocs for tally in tallies], [tally.areas for tally in tallies]])


def _contest(figure: str, one: Scored, rival: Scored, values: Floats, spread: Floats) -> Contest:
    better = 1 if figure == "auroc" else -1
    advantages = better * (spread[0] - spread[1])
    known = advantages[np.isfinite(advantages)]
    low, high = np.quantile(known, COVERED).tolist() if len(known) else (float("nan"), float("nan"))
    value, other = (float(each) for each in values)
    return Contest(figure, one.name, rival.name, value, other, better * (value - other), low, high)


def _resamples(groups: Ints, seed: int) -> Iterator[Floats]:
    """How often each query counts when groups are drawn with replacement: [resamples, n], a few at a time."""
    rng, count = default_rng(seed), int(groups.max()) + 1
    together = min(RESAMPLES, max(1, _CELLS // len(groups)))
    for start in range(0, RESAMPLES, together):
        rows = rng.integers(0, count, (min(together, RESAMPLES - start), count))
        times = np.stack([np.bincount(row, minlength=count) for row in rows])
        yield times[:, groups].astype(np.float64)
