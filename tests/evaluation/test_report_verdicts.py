"""The plain sentences, on figures made so that one answer is right."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import entropy
from synthetic_report import DIRECTIONS, report

from evaluation.reports.rules import constant_log_loss
from evaluation.reports.verdicts import answers


def figures() -> dict[str, Any]:
    found: dict[str, Any] = report()["figures"]
    return found


def said(given: dict[str, Any], place: int) -> str:
    """The answer to one of the four questions, with its reasons."""
    answer = answers(given)[place]
    return " ".join((answer.short, *answer.reasons))


FIRST, TRUST, WORTH, SHORT = range(4)


def test_constant_log_loss_is_the_entropy() -> None:
    """SciPy's entropy of the share of matches, in nats."""
    assert constant_log_loss(figures(), DIRECTIONS[0]) == pytest.approx(entropy([0.1, 0.9]))


def test_first_answers() -> None:
    """The share of right first answers with a calibration, Recall@1 of the very item without one."""
    given = figures()
    assert said(given, FIRST).startswith("50.0\N{NO-BREAK SPACE}% for captions, 50.0")
    assert "truly matches" in said(given, FIRST)
    given["confidence"] = {}
    assert said(given, FIRST).startswith("25.0\N{NO-BREAK SPACE}% for captions")


@pytest.mark.parametrize(
    ("ece", "gap", "words"),
    [
        (0.01, 0.05, "Yes, on data like this, to within 5.0 percentage points"),
        (0.01, 0.06, "Roughly, to within 6.0"),
        (0.02, 0.05, "Roughly"),
        (0.01, 0.11, "Not literally: it is off by up to 11.0"),
        (0.04, 0.01, "Not literally"),
    ],
)
def test_trust_by_the_worse_direction(ece: float, gap: float, words: str) -> None:
    """Mean error and worst bin of the worse direction decide; what misses its mark is said to fall short."""
    given = figures()
    judged = report()["figures"]["reliability"][DIRECTIONS[1]]
    judged["calibrated"] |= {"ece": ece, "diagram": {"probability": [0.5], "frequency": [0.5 - gap], "count": [9]}}
    given["reliability"][DIRECTIONS[1]] = judged
    assert said(given, TRUST).startswith(words)
    assert ("misses by" in said(given, SHORT)) == words.startswith("Not")


def set_log_loss(given: dict[str, Any], direction: str, value: float) -> None:
    each = report()["figures"]["reliability"][direction]
    each["calibrated"]["log_loss"] = value
    given["reliability"][direction] = each


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ((0.1, 0.1), "Yes"),
        ((0.1, 0.25), "In one direction"),
        ((0.199, 0.2), "Not for the probability"),
        ((0.25, 0.25), "Not for the probability"),
    ],
)
def test_worth_of_sigma(losses: tuple[float, float], words: str) -> None:
    """Against a mean-only log-loss of 0.2, in each direction; a hundredth of it is no difference."""
    given = figures()
    for direction, loss in zip(DIRECTIONS, losses, strict=True):
        set_log_loss(given, direction, loss)
    assert answers(given)[WORTH].short == words
    assert said(given, SHORT).count("does not lower the log-loss") == sum(loss > 0.198 for loss in losses)


def test_sigma_below_chance_is_no_help() -> None:
    """Above the means and below chance is nothing to be proud of."""
    given = figures()
    for name, auroc in (("sigma", 0.45), ("mean_only_probability", 0.4)):
        given["confidence"][DIRECTIONS[0]]["abstention"][name]["auroc"] = auroc
    assert "σ is no help (AUROC of the query's σ 0.45" in said(given, WORTH)
    assert "no better than chance" in said(given, SHORT)


@pytest.mark.parametrize(("winner", "words"), [("sigma", "σ does better"), (None, "alike"), ("means", "σ is no help")])
def test_contests_decide_where_there_are_any(winner: str | None, words: str) -> None:
    """An interval on the difference outweighs the two figures, 0.7 and 0.6."""
    given = figures()
    for direction in DIRECTIONS:
        contest = {"figure": "auroc", "score": "sigma", "winner": winner}
        given["confidence"][direction]["contests"] = [{"figure": "area", "score": "sigma", "winner": None}, contest]
    assert words in said(given, WORTH)
    assert ("tells wrong first answers" in said(given, SHORT)) == (winner != "sigma")


def test_nothing_fell_short() -> None:
    """Figures that reach all marks are left in peace."""
    assert said(figures(), SHORT) == "Nothing that was measured here"


def test_everything_fell_short() -> None:
    """Collapsed variances, a useless probability and bins in disorder are named."""
    given = figures()
    given["variances"]["texts"]["collapsed"] = True
    given["confidence"][DIRECTIONS[0]]["recall_1"] = {"spearman": -0.79}
    set_log_loss(given, DIRECTIONS[0], 0.4)
    found = said(given, SHORT)
    assert "of the captions have collapsed" in found
    assert "no better than giving every pair the same probability" in found
    assert "ρ is −0.79 with Recall@1 (mark: −0.8)" in found
