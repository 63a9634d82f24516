"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from evaluation.reports.comparison import Comparison
from evaluation.reports.estimates import Column, Estimate, leader
from evaluation.reports.grouping import Method
from evaluation.reports.page import Answer, Page, Plot, Section, grid, render
from evaluation.reports.plots import Scale, Series, intervals, lines
from evaluation.reports.quality_sections import RISK_SCALE, risk_series
from evaluation.reports.reading import figures_in, known_pairs, part
from evaluation.reports.side_by_side import LOG_LOSS, NOTE, RANKING, tables
from evaluation.reports.wording import NAMES
from models.calibration import Direction

R_PRECISION: Final = next(column for column in RANKING if column.path[-1] == "r_precision")
CALIBRATED: Final = next(column for column in LOG_LOSS if column.path[2] == "calibrated")


def comparison_page(comparison: Comparison) -> str:
    """HTML: who is ahead, the tables, plots of all methods, and what was compared."""
    questions = (
        ("Which ranks best?", "R-Precision in %", R_PRECISION),
        ("Whose calibrated probability is best?", "log-loss", CALIBRATED),
    )
    answers = tuple(_ahead(question, measure, column, comparison.methods) for question, measure, column in questions)
    title = f"{len(comparison.methods)} methods side by side"
    if len(comparison.methods) == 1:
        title = f"{comparison.methods[0].label}, over seeds"
    sections = (*_plots(comparison), Section("tables", "All figures side by side", (NOTE,), tables=tables(comparison)))
    return render(Page(title, f"Judged on {comparison.judged_on}.", answers, (*sections, _made_of(comparison))))


def _ahead(question: str, measure: str, column: Column, methods: Sequence[Method]) -> Answer:
    """By one column: who leads in each direction, if anyone does beyond the spread."""
    said, reasons = [], []
    for direction in Direction:
        estimates = [column.estimate(method, direction) for method in methods]
        best = leader(estimates, column.lower)
        said.append("no one beyond the spread" if best is None else methods[best].label)
        reasons.append(f"{NAMES[direction]}, {measure}: {_first_three(column, methods, estimates)}.")
    short = said[0] if len(set(said)) == 1 else "; ".join(f"{d}: {s}" for d, s in zip(Direction, said, strict=True))
    return Answer(question, short[0].upper() + short[1:], tuple(reasons))


def _first_three(column: Column, methods: Sequence[Method], estimates: Sequence[Estimate]) -> str:
    known = [(each.mean, place) for place, each in enumerate(estimates) if each.mean is not None]
    order = [place for _, place in sorted(known, reverse=not column.lower)]
    shown = [f"{methods[place].label} {column.text(estimates[place], len(methods[place].runs))}" for place in order[:3]]
    rest = f"; {len(order) - 3} more" if len(order) > 3 else ""
    return "; ".join(shown) + rest if shown else "not measured"


def _plots(comparison: Comparison) -> Iterator[Section]:
    makers = (
        ("ranking", "How well do they rank?", _precision),
        ("reliability", "Can the calibrated probability be trusted?", _reliability),
        ("risk", "Does the calibrated probability know which answers to hold back?", _risk),
    )
    for name, title, make in makers:
        plots = tuple(plot for direction in Direction if (plot := make(comparison.methods, direction)) is not None)
        if plots:
            yield Section(name, title, plots=plots)


def _precision(methods: Sequence[Method], direction: Direction) -> Plot | None:
    estimates = [(method.label, R_PRECISION.estimate(method, direction)) for method in methods]
    rows = [(label, each.mean, each.deviation) for label, each in estimates if each.mean is not None]
    if not rows:
        return None
    title = f"R-Precision, {direction}"
    note = "The bars are one standard deviation over seeds; a single seed has none."
    return Plot(intervals(f"precision-{direction}", title, rows, "R-Precision"), f"{title}. {note}")


def _reliability(methods: Sequence[Method], direction: Direction) -> Plot | None:
    series = [each for method in methods if (each := _mean_diagram(method, direction)).x]
    if not series:
        return None
    scale = Scale("probability given", "share that matches", x_percent=True, y_percent=True)
    title = f"Reliability of the calibrated probability, {direction}"
    svg = lines(f"reliability-{direction}", title, series, scale, diagonal=True)
    return Plot(svg, f"{title}, bins averaged over seeds.")


def _risk(methods: Sequence[Method], direction: Direction) -> Plot | None:
    path = ("confidence", direction, "abstention", "probability")
    series = []
    for method in methods:
        risk = _mean([figures_in(part(run.figures, *path).get("risk")) for run in method.runs])
        series.append(risk_series(method.label, {"risk": risk}))
    series = [each for each in series if each.x]
    if not series:
        return None
    title = f"Risk over coverage, {direction}"
    svg = lines(f"risk-{direction}", title, series, RISK_SCALE)
    return Plot(svg, f"{title}, averaged over seeds. The lower, the better.")


def _mean_diagram(method: Method, direction: Direction) -> Series:
    bins = [part(run.figures, "reliability", direction, "calibrated", "diagram") for run in method.runs]
    across, up = (_mean([figures_in(each.get(key)) for each in bins]) for key in ("probability", "frequency"))
    return Series(method.label, *known_pairs(across, up))


def _mean(runs: Sequence[Sequence[float]]) -> list[float]:
    """Place by place over the runs that have it; empty where they are not of one length."""
    there = [run for run in runs if len(run)]
    if not there or len({len(run) for run in there}) > 1:
        return []
    means: list[float] = np.mean(np.array(there), axis=0).tolist()
    return means


def _made_of(comparison: Comparison) -> Section:
    rows = [
        (
            method.label,
            str(run.path),
            "–" if run.seed is None else str(run.seed),
            str(run.model.get("fingerprint"))[:12],
            str(part(run.report, "produced").get("date"))[:10],
        )
        for method in comparison.methods
        for run in method.runs
    ]
    headings = ("method", "report", "seed", "model", "evaluated")
    return Section(
        "runs", "What was compared", tables=(grid("The reports, and the models they speak of", headings, rows, 5),)
    )
