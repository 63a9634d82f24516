"""Bootstrap intervals against a plain loop over resamples, and what wins where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng
from sklearn.metrics import roc_auc_score

from evaluation import contest as module
from evaluation.contest import RESAMPLES, Scored, contests
from evaluation.positives import Bools, Floats
from evaluation.selective import abstention

ALONE = np.arange(60)


def drawn(seed: int, strength: float) -> tuple[Floats, Bools]:
    """Mistakes, and a score with many ties that knows of them more or less."""
    rng = default_rng(seed)
    wrong = rng.random(60) < 0.4
    return np.round(strength * wrong + rng.normal(size=60), 1), wrong


def test_intervals_are_those_of_a_loop() -> None:
    """The same resamples query by query: scikit-learn's AUROC, and the area of the resampled answers."""
    (a, wrong), (b, other) = drawn(0, 1.0), drawn(1, 0.2)
    auroc, area = contests(Scored("a", a, wrong), Scored("b", b, other), ALONE, seed=3)
    rows = default_rng(3).integers(0, 60, (RESAMPLES, 60))
    by_auroc = [roc_auc_score(wrong[r], a[r]) - roc_auc_score(other[r], b[r]) for r in rows]
    by_area = [abstention(b[r], other[r]).area - abstention(a[r], wrong[r]).area for r in rows]
    for found, advantages in ((auroc, by_auroc), (area, by_area)):
        assert (found.low, found.high) == pytest.approx(np.quantile(advantages, [0.025, 0.975]).tolist())
    assert auroc.value == pytest.approx(roc_auc_score(wrong, a))
    assert auroc.advantage == pytest.approx(roc_auc_score(wrong, a) - roc_auc_score(other, b))
    assert area.rival_value == pytest.approx(abstention(b, other).area)
    assert area.advantage == pytest.approx(abstention(b, other).area - abstention(a, wrong).area)


def test_a_few_resamples_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded without another answer."""
    a, b = (Scored(str(seed), *drawn(seed, 1.0)) for seed in (0, 1))
    whole = contests(a, b, ALONE)
    monkeypatch.setattr(module, "_CELLS", 60 * 7)
    assert contests(a, b, ALONE) == whole


def test_who_wins() -> None:
    """What knows beats what guesses, by both figures and from either side; a copy of itself it does not."""
    wrong = drawn(0, 0)[1]
    knows, guesses = Scored("knows", wrong + 0.0, wrong), Scored("guesses", default_rng(5).random(60), wrong)
    assert [each.winner for each in contests(knows, guesses, ALONE)] == ["knows", "knows"]
    assert [each.winner for each in contests(guesses, knows, ALONE)] == ["knows", "knows"]
    for each in contests(knows, Scored("copy", knows.score, wrong), ALONE):
        assert (each.winner, each.advantage, each.low, each.high) == (None, 0, 0, 0)
    assert contests(knows, guesses, ALONE)[0].to_dict()["winner"] == "knows"


def test_queries_of_one_group_are_drawn_together() -> None:
    """Ten copies of every query are no more evidence than one."""
    (a, wrong), (b, _) = drawn(0, 1.0), drawn(1, 0.5)
    once = contests(Scored("a", a, wrong), Scored("b", b, wrong), ALONE)[0]
    tenfold = (Scored(name, np.repeat(score, 10), np.repeat(wrong, 10)) for name, score in (("a", a), ("b", b)))
    again = contests(*tenfold, np.repeat(ALONE, 10))[0]
    assert (again.low, again.high) == pytest.approx((once.low, once.high))


def test_nothing_to_tell_apart() -> None:
    """Without a wrong answer AUROC is no number and nobody wins; the areas are both zero."""
    right = np.zeros(60, dtype=bool)
    auroc, area = contests(Scored("a", drawn(0, 1)[0], right), Scored("b", drawn(1, 1)[0], right), ALONE)
    assert np.isnan([auroc.value, auroc.low, auroc.high]).all()
    assert auroc.winner is None
    assert (area.value, area.low, area.high, area.winner) == (0, 0, 0, None)
