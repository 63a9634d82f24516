"""What does not reach its mark, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from evaluation.reports.reading import figure, part
from evaluation.reports.rules import (
    FAIR_ECE,
    FAIR_GAP,
    NOTICEABLE,
    ORDERLY,
    Json,
    constant_log_loss,
    error_aurocs,
    has_sigma,
    largest_gap,
    sigma_gain,
    sigma_wins,
)
from evaluation.reports.wording import NAMES, SIDES, fixed, points
from models.calibration import Direction


def shortfalls(figures: Json) -> Iterator[str]:
    """All of them, from the `figures` of a report."""
    for side, said in SIDES.items() if has_sigma(figures) else ():
        if part(figures, "variances", side).get("collapsed") is True:
            yield f"The variances of the {said} have collapsed: these are points in disguise."
    for direction in Direction:
        found = [*_of_probability(figures, direction), *(_of_sigma(figures, direction) if has_sigma(figures) else ())]
        yield from (f"{NAMES[direction]}: {what}" for what in found)


def _of_probability(figures: Json, direction: Direction) -> Iterator[str]:
    each = part(figures, "reliability", direction, "calibrated")
    error, gap = figure(each, "ece"), largest_gap(figures, direction)
    loss, constant = figure(each, "log_loss"), constant_log_loss(figures, direction)
    if error is None:
        yield "there is no calibrated probability."
    elif error > FAIR_ECE or (gap is not None and gap > FAIR_GAP):
        most = "" if gap is None else f" and by {points(gap)} at most ({points(FAIR_GAP)})"
        yield (
            f"the calibrated probability misses by {points(error)} percentage points on average "
            f"(mark: {points(FAIR_ECE)}){most}."
        )
    if loss is not None and constant is not None and loss >= constant:
        yield f"its log-loss of {loss:.4f} is no better than giving every pair the same probability, {constant:.4f}."


def _of_sigma(figures: Json, direction: Direction) -> Iterator[str]:
    gain, told = sigma_gain(figures, direction), error_aurocs(figures, direction)
    if gain is not None and gain < NOTICEABLE:
        yield "σ does not lower the log-loss below that of the calibrated means alone."
    if told is not None and sigma_wins(figures, direction) is not True:
        than = "chance" if told[0] <= 0.5 else "the means alone"
        yield f"σ of the query tells wrong first answers no better than {than}."
    names = {"recall_1": "Recall@1", "r_precision": "R-Precision"}
    found = {name: figure(figures, "confidence", direction, key, "spearman") for key, name in names.items()}
    weak = [f"{fixed(rho, 2)} with {name}" for name, rho in found.items() if rho is not None and rho > ORDERLY]
    if weak:
        yield f"over bins of the query's σ, ρ is {' and '.join(weak)} (mark: {fixed(ORDERLY, 1)})."
