"""What the figures say to somebody who runs a photo archive, in plain sentences; every word is a rule over figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from evaluation.reports.page import Answer
from evaluation.reports.reading import figure, figures_in, part
from evaluation.reports.rules import (
    FAIR_ECE,
    FAIR_GAP,
    GOOD_ECE,
    GOOD_GAP,
    NOTICEABLE,
    Json,
    error_aurocs,
    first_answer_right,
    has_sigma,
    largest_gap,
    sigma_gain,
    sigma_wins,
)
from evaluation.reports.shortfalls import shortfalls
from evaluation.reports.wording import ASKED, FOUND, MATCHES, NAMES, count, fixed, percent, points
from models.calibration import Direction


def answers(figures: Json) -> tuple[Answer, ...]:
    """The four questions, from the `figures` of a report."""
    return (_first_answer(figures), _trust(figures), _worth(figures), _short(figures))


def _first_answer(figures: Json) -> Answer:
    right = {d: first_answer_right(figures, d) for d in Direction}
    if all(value is None for value in right.values()):
        right = {d: figure(figures, "ranking", d, "recall_1") for d in Direction}
    shown = [f"{percent(value)} for {ASKED[d]}" for d, value in right.items() if value is not None]
    return Answer("How often is the first answer right?", ", ".join(shown) or "Not measured", tuple(_ranks(figures)))


def _ranks(figures: Json) -> Iterator[str]:
    match = MATCHES.get(str(part(figures, "reliability").get("relevance")), "matches")
    for direction in Direction:
        row = part(figures, "ranking", direction)
        if not row:
            continue
        right, found = first_answer_right(figures, direction), FOUND[direction]
        first = "" if right is None else f"the first {found} {match} for {percent(right)} of the {ASKED[direction]}; "
        own = "the very picture" if direction is Direction.TEXT_TO_IMAGE else "a caption of the very picture"
        one, ten = (percent(figure(row, key)) for key in ("recall_1", "recall_10"))
        asked = count(figure(row, "queries"))
        yield f"{NAMES[direction]}: {first}{own} comes first for {one}, among the first ten for {ten} ({asked} asked)."


def _trust(figures: Json) -> Answer:
    question = "Can “73 %” be trusted?"
    errors = [figure(figures, "reliability", d, "calibrated", "ece") for d in Direction]
    known = [error for error in errors if error is not None]
    if not known:
        return Answer(question, "Not as it stands", ("This model has no calibration: `penumbra calibrate` fits one.",))
    reasons = tuple(line for d in Direction for line in _error(part(figures, "reliability", d), d))
    return Answer(question, _literally(max(known), [largest_gap(figures, d) for d in Direction]), reasons)


def _literally(error: float, gaps: Sequence[float | None]) -> str:
    """How far a probability may be read literally, by its mean error and by the worst bin."""
    gap = max((each for each in gaps if each is not None), default=0.0)
    within = f", to within {points(gap)} percentage points" if gap else ""
    if error <= GOOD_ECE and gap <= GOOD_GAP:
        return f"Yes, on data like this{within}"
    if error <= FAIR_ECE and gap <= FAIR_GAP:
        return f"Roughly{within}"
    return f"Not literally: it is off by up to {points(gap)} percentage points" if gap else "Not literally"


def _error(each: Json, direction: Direction) -> Iterator[str]:
    now, before, means = (figure(each, k, "ece") for k in ("calibrated", "raw", "calibrated_mean_only"))
    pairs, matches = figure(each, "pairs"), figure(each, "matches")
    if now is None or not pairs or matches is None:
        return
    beside = [
        f"{points(error)} {name}"
        for name, error in (("as trained", before), ("calibrated on the means alone", means))
        if error is not None
    ]
    yield (
        f"{NAMES[direction]}: the probability misses the true share by {points(now)} percentage points on average "
        f"({'; '.join(beside)}), over {count(pairs)} pairs of which {percent(matches / pairs)} match."
        f"{_surest(each)}{_shown(each)}"
    )


def _shown(each: Json) -> str:
    """What a search shows of its probabilities: the worst place to be wrong."""
    said, seen, error = (figure(each, "calibrated", "shown", key) for key in ("probability", "frequency", "ece"))
    if said is None or seen is None or error is None:
        return ""
    return (
        f" The ten most probable items of a query are given {percent(said)} on average, and {percent(seen)} of them "
        f"match; there it misses by {points(error)} percentage points."
    )


def _surest(each: Json) -> str:
    """The bin of the highest probabilities: most pairs are improbable, and say little of how high ones are meant."""
    bins = part(each, "calibrated", "diagram")
    said, seen, size = (figures_in(bins.get(key)) for key in ("probability", "frequency", "count"))
    if not said or not len(said) == len(seen) == len(size) or not math.isfinite(said[-1] + seen[-1]):
        return ""
    return (
        f" The {count(size[-1])} pairs of the highest probabilities are given {percent(said[-1])} on average, and "
        f"{percent(seen[-1])} of them match."
    )


def _worth(figures: Json) -> Answer:
    question = "Is σ worth anything beside the means alone?"
    if not has_sigma(figures):
        return Answer(question, "There is none", ("This model embeds points: it has no σ.",))
    gains = {d: gain for d in Direction if (gain := sigma_gain(figures, d)) is not None}
    if not gains:
        return Answer(question, "Not measured", ("Without a calibration σ is not held against the means alone.",))
    better = sum(gain >= NOTICEABLE for gain in gains.values())
    said = "Not for the probability" if not better else "Yes" if better == len(gains) else "In one direction"
    reasons = [_gain(part(figures, "reliability", d), d, gain) for d, gain in gains.items()]
    return Answer(question, said, (*reasons, *(line for d in gains for line in _told(figures, d))))


def _gain(each: Json, direction: Direction, gain: float) -> str:
    now, means = (fixed(figure(each, key, "log_loss"), 4) for key in ("calibrated", "calibrated_mean_only"))
    how = "lowers" if gain >= NOTICEABLE else "raises" if gain <= -NOTICEABLE else "hardly changes"
    return f"{NAMES[direction]}: σ {how} the log-loss of the calibrated probability ({now} with it, {means} without)."


def _told(figures: Json, direction: Direction) -> Iterator[str]:
    found, wins = error_aurocs(figures, direction), sigma_wins(figures, direction)
    if found is None:
        return
    how = "σ and the means do alike" if wins is None else "σ does better" if wins else "σ is no help"
    yield (
        f"{NAMES[direction]}: at telling wrong first answers {how} (AUROC of the query's σ {found[0]:.2f}, of the "
        f"probability on the means alone {found[1]:.2f}; chance is 0.5)."
    )


def _short(figures: Json) -> Answer:
    question, found = "What fell short?", tuple(shortfalls(figures))
    if not found:
        return Answer(question, "Nothing that was measured here", ())
    return Answer(question, f"{len(found)} thing{'s' if len(found) > 1 else ''}", found)
