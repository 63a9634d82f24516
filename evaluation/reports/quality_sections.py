"""Ranking, probabilities and abstention: from the JSON of a report to sections of its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from evaluation.reports.page import Grid, Plot, Section, grid
from evaluation.reports.plots import Scale, Series, lines
from evaluation.reports.reading import figure, figures_in, known_pairs, part
from evaluation.reports.rules import constant_log_loss, has_sigma
from evaluation.reports.wording import PROBABILITIES, SCORES, count, fixed, percent
from models.calibration import Direction

Json = Mapping[str, Any]
RISK_SCALE: Final = Scale(
    "share of the queries that are answered", "wrong first answers", x_percent=True, y_percent=True, y_from_zero=True
)


def ranking(figures: Json) -> Section | None:
    """Recalls, R-Precision and mAP@R, and the same by other meanings of a match."""
    rankings = {"recall of the own image": part(figures, "ranking"), **part(figures, "further")}
    tables = tuple(_ranking_grid(name, each) for name, each in rankings.items() if each)
    if not tables:
        return None
    text = [
        "Items in the order of the distance of the means. R@K and the median rank ask for the very item, R-Precision "
        "and mAP@R for all that plausibly matches.",
        f"RSUM, the sum of the six recalls, is {fixed(figure(figures, 'rsum'), 1)} of 600.",
    ]
    exact = figure(figures, "recall_1_exact")
    if exact is not None:
        text.append(f"Recall@1 of captions that are true of one image only is {percent(exact)}.")
    text += [f"{d}: PMRP is {percent(figure(figures, 'pmrp', d))}." for d in part(figures, "pmrp")]
    return Section("ranking", "How well does it rank?", tuple(text), tables=tables)


def _ranking_grid(name: str, rows: Json) -> Grid:
    headings = ("direction", "R@1", "R@5", "R@10", "median rank", "R-Precision", "mAP@R", "queries")
    return grid(f"Ranking ({name})", headings, [_ranking_row(direction, row) for direction, row in rows.items()])


def _ranking_row(direction: str, row: Json) -> tuple[str, ...]:
    recalls = (percent(figure(row, key)) for key in ("recall_1", "recall_5", "recall_10"))
    wider = (percent(figure(row, key)) for key in ("r_precision", "map_at_r"))
    return direction, *recalls, fixed(figure(row, "median_rank"), 1), *wider, count(figure(row, "queries"))


# More lines than these hide each other.
DRAWN: Final = ("raw", "calibrated", "calibrated_mean_only", "calibrated_told_share")


def reliability(figures: Json) -> Section | None:
    """How far the probabilities can be read literally, before and after the calibration."""
    rows = [row for direction in Direction for row in _reliability_rows(figures, direction)]
    if not rows:
        return None
    plots = tuple(plot for direction in Direction if (plot := _reliability_plot(figures, direction)) is not None)
    text = (
        "Of all items that are given 73 %, 73 in 100 should match: such a point lies on the dotted line. Below the "
        "line the probability promises too much, above it too little. Each point stands for equally many pairs of a "
        "query and an item of its shortlist, the 200 nearest.",
    )
    kind = part(figures, "reliability").get("relevance")
    title = f"How good the match probability is, over shortlists (a match is by {kind}); lower is better"
    headings = ("direction", "probability", "log-loss", "Brier", "ECE", "ECE of the first ten")
    table = grid(title, headings, rows, names=2)
    return Section("reliability", "Can the probability be trusted?", text if plots else (), plots, (table,))


def _reliability_rows(figures: Json, direction: Direction) -> Iterator[tuple[str, ...]]:
    each = part(figures, "reliability", direction)
    others = {name: name.replace("_", " ") for name in each if "log_loss" in part(each, name)}
    for name, said in (others | PROBABILITIES).items():
        if name in each:
            pooled = (fixed(figure(each, name, key), 4) for key in ("log_loss", "brier", "ece"))
            yield direction, said, *pooled, fixed(figure(each, name, "shown", "ece"), 3)
    constant = constant_log_loss(figures, direction)
    if constant is not None:
        yield direction, "the same for every pair", fixed(constant, 4), "", "", ""


def _reliability_plot(figures: Json, direction: Direction) -> Plot | None:
    each, series = part(figures, "reliability", direction), []
    for name in DRAWN:
        bins = part(each, name, "diagram")
        said_and_seen = known_pairs(bins.get("probability"), bins.get("frequency"))
        if said_and_seen[0]:
            series.append(Series(PROBABILITIES[name], *said_and_seen))
    if not series:
        return None
    scale = Scale("probability given", "share that matches", x_percent=True, y_percent=True)
    title = f"Reliability diagram, {direction}"
    errors = [f"{said} {fixed(figure(each, name, 'ece'), 3)}" for name, said in PROBABILITIES.items() if name in each]
    svg = lines(f"reliability-{direction}", title, series, scale, diagonal=True)
    return Plot(svg, f"{title}. ECE: {'; '.join(errors)}.")


def abstention(figures: Json) -> Section | None:
    """What is kept away by not answering where a score is low."""
    plots = tuple(plot for direction in Direction if (plot := _risk_plot(figures, direction)) is not None)
    if not plots:
        return None
    rows = [row for direction in Direction for row in _risk_rows(figures, direction)]
    text = "Suppose the least certain queries are not answered: how many of the remaining first answers are wrong?"
    title = "Which first answers are wrong: AUROC of each score (0.5 is chance), and the risk that remains"
    headings = ("direction", "score", "AUROC", "wrong, of all", "of the surest half", "area")
    table = grid(title, headings, rows, names=2)
    return Section("abstention", "Does anything know which answers are wrong?", (text,), plots, (table,))


def _scores(figures: Json, direction: Direction) -> Iterator[tuple[str, Json]]:
    """The scores that were measured, with their figures; σ is none where all are points."""
    measured = part(figures, "confidence", direction, "abstention")
    for name, said in SCORES.items():
        if figures_in(part(measured, name).get("risk")) and (name != "sigma" or has_sigma(figures)):
            yield said, part(measured, name)


def _risk_rows(figures: Json, direction: Direction) -> Iterator[tuple[str, ...]]:
    for said, each in _scores(figures, direction):
        risk = figures_in(each.get("risk"))
        half = risk[(len(risk) - 1) // 2]
        yield (
            direction,
            said,
            fixed(figure(each, "auroc"), 3),
            percent(risk[-1]),
            percent(half),
            fixed(figure(each, "area"), 3),
        )


def _risk_plot(figures: Json, direction: Direction) -> Plot | None:
    series = [risk_series(said, each) for said, each in _scores(figures, direction)]
    if not series:
        return None
    title = f"Risk over coverage, {direction}"
    svg = lines(f"risk-{direction}", title, series, RISK_SCALE)
    return Plot(svg, f"{title}. The lower a line, the better its score knows which answers to hold back.")


def risk_series(label: str, measured: Json) -> Series:
    """The risk that remains over the share of the queries that are answered."""
    risk = figures_in(measured.get("risk"))
    coverage = [(place + 1) / len(risk) for place in range(len(risk))]
    return Series(label, *known_pairs(coverage, risk))
