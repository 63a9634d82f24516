"""What counts as good enough, and the figures that are derived to judge it. docs/evaluating.md lists the marks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from evaluation.reports.reading import figure, figures_in, known_pairs, part

# An expected calibration error up to here is good, up to there fair.
GOOD_ECE: Final = 0.01
FAIR_ECE: Final = 0.03
# The largest difference between what a bin of pairs is given and what of it matches: good up to here, fair up to there.
GOOD_GAP: Final = 0.05
FAIR_GAP: Final = 0.10
# A log-loss has to be lower by this share for σ to have made a difference.
NOTICEABLE: Final = 0.01
# Spearman's ρ over the bins of σ that says: the surer, the better.
ORDERLY: Final = -0.8
# A mean tr Σ below this is that of a point.
POINT_TRACE: Final = 1e-9

Json = Mapping[str, Any]


def has_sigma(figures: Json) -> bool:
    """Whether the items are more than points."""
    traces = [figure(figures, "variances", side, "mean_trace") for side in ("images", "texts")]
    return any(trace is not None and trace > POINT_TRACE for trace in traces)


def first_answer_right(figures: Json, direction: str) -> float | None:
    """The share of queries whose first answer matches, by the calibrated order; None without a calibration."""
    risk = figures_in(part(figures, "confidence", direction, "abstention", "probability").get("risk"))
    return 1 - risk[-1] if risk and math.isfinite(risk[-1]) else None


def constant_log_loss(figures: Json, direction: str) -> float | None:
    """The log-loss of giving every pair the share of matches: the entropy of that share, in nats."""
    pairs, matches = (figure(figures, "reliability", direction, key) for key in ("pairs", "matches"))
    if not pairs or matches is None or not 0 < matches < pairs:
        return None
    share = matches / pairs
    return -share * math.log(share) - (1 - share) * math.log(1 - share)


def largest_gap(figures: Json, direction: str) -> float | None:
    """The largest difference of calibrated probability and frequency over the bins of the reliability diagrams.

    Both of the whole shortlists and of the ten most probable items of each query, which a search shows.
    """
    each = part(figures, "reliability", direction, "calibrated")
    gaps = []
    for bins in (part(each, "diagram"), part(each, "shown", "diagram")):
        said, seen = known_pairs(bins.get("probability"), bins.get("frequency"))
        gaps += [abs(a - b) for a, b in zip(said, seen, strict=True)]
    return max(gaps, default=None)


def sigma_gain(figures: Json, direction: str) -> float | None:
    """By what share the log-loss of the calibrated probability is below that of the means alone; negative if above."""
    with_sigma, without = (
        figure(figures, "reliability", direction, name, "log_loss") for name in ("calibrated", "calibrated_mean_only")
    )
    return None if with_sigma is None or not without else 1 - with_sigma / without


def error_aurocs(figures: Json, direction: str) -> tuple[float, float] | None:
    """AUROC of wrong first answers, by σ of the query and by the probability on the means alone."""
    found = part(figures, "confidence", direction, "abstention")
    sigma, means = (figure(found, name, "auroc") for name in ("sigma", "mean_only_probability"))
    return None if sigma is None or means is None else (sigma, means)


def sigma_wins(figures: Json, direction: str) -> bool | None:
    """Whether σ tells wrong first answers better than chance and the means alone; None where that is open.

    By the contest with its interval where there was one, otherwise by the two figures as they are.
    """
    found = error_aurocs(figures, direction)
    if found is not None and found[0] <= 0.5:
        return False
    held = part(figures, "confidence", direction).get("contests")
    for contest in held if isinstance(held, list) else ():
        if part(contest).get("score") == "sigma" and part(contest).get("figure") == "auroc":
            winner = contest.get("winner")
            return None if winner is None else winner == "sigma"
    return None if found is None else found[0] > found[1]
