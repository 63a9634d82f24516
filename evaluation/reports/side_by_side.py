"""A comparison as tables, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from evaluation.reports.comparison import Comparison
from evaluation.reports.estimates import Column, leader
from evaluation.reports.grouping import Method
from evaluation.reports.page import Cell, Grid
from evaluation.reports.reading import part
from models.calibration import Direction

KIND: Final = "penumbra comparison"
SCHEMA: Final = 1
NOTE: Final = (
    "Mean ± standard deviation over seeds (n − 1), with its own n where not all seeds have the figure; a single seed "
    "has no spread. Bold is ahead of every other by more than both spreads."
)

OVERALL: Final = (
    Column("RSUM", ("rsum",), 1, lower=False),
    Column("tr Σ captions", ("variances", "texts", "mean_trace"), 3),
    Column("tr Σ images", ("variances", "images", "mean_trace"), 3),
)
RANKING: Final = tuple(
    Column(heading, ("ranking", "D", key), 1, percent=True, lower=False)
    for heading, key in (
        ("R@1", "recall_1"),
        ("R@5", "recall_5"),
        ("R@10", "recall_10"),
        ("R-Prec.", "r_precision"),
        ("mAP@R", "map_at_r"),
    )
)
PROBABILITIES: Final = {
    "raw": "raw",
    "calibrated": "calibrated",
    "means alone": "calibrated_mean_only",
    "told the share": "calibrated_told_share",
    "means, told": "calibrated_mean_only_told_share",
}
LOG_LOSS: Final = tuple(
    Column(said, ("reliability", "D", kind, "log_loss"), 4, lower=True) for said, kind in PROBABILITIES.items()
)
ECE: Final = tuple(
    Column(said, ("reliability", "D", kind, "ece"), 3, lower=True) for said, kind in PROBABILITIES.items()
)
ERROR_AUROC: Final = tuple(
    Column(said, ("confidence", "D", "abstention", score, "auroc"), 3, lower=False)
    for said, score in {"σ": "sigma", "probability": "probability", "means alone": "mean_only_probability"}.items()
)
BINS: Final = tuple(
    Column(said, ("confidence", "D", key, "spearman"), 2, lower=True)
    for said, key in {"Recall@1": "recall_1", "R-Precision": "r_precision"}.items()
)
FAMILIES: Final = {
    "Ranking in %": RANKING,
    "Log-loss of the match probability": LOG_LOSS,
    "ECE of the match probability": ECE,
    "R-AUROC, wrong first answers": ERROR_AUROC,
    "ρ over ten bins of the query's σ": BINS,
}


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Every figure of every method."""
    first = comparison.methods[0].runs[0]
    judged = {**part(first.report, "produced", "data"), "relevance": comparison.relevance}
    return {"kind": KIND, "schema": SCHEMA, "data": judged, "methods": [_as_json(each) for each in comparison.methods]}


def tables(comparison: Comparison) -> tuple[Grid, ...]:
    """Overall figures, then each family of figures for each direction."""
    families = [
        _table(comparison, f"{title}, {direction}", columns, direction)
        for title, columns in FAMILIES.items()
        for direction in Direction
    ]
    return (_table(comparison, "Both directions", OVERALL, ""), *families)


def _table(comparison: Comparison, title: str, columns: Sequence[Column], direction: str) -> Grid:
    estimates = [[column.estimate(method, direction) for method in comparison.methods] for column in columns]
    ahead = [leader(each, column.lower) for each, column in zip(estimates, columns, strict=True)]
    rows = []
    for place, method in enumerate(comparison.methods):
        cells = [
            Cell(column.text(each[place], len(method.runs)), best == place)
            for column, each, best in zip(columns, estimates, ahead, strict=True)
        ]
        rows.append((Cell(method.label), Cell(str(len(method.runs))), *cells))
    return Grid(title, ("method", "n", *(column.heading for column in columns)), tuple(rows))


def markdown(comparison: Comparison) -> str:
    """All tables, ready to paste into a document."""
    lines = [f"Judged on {comparison.judged_on}. {NOTE}"]
    for table in tables(comparison):
        lines += ["", f"**{table.caption}**", "", *_markdown_rows(table)]
    return "\n".join(lines) + "\n"


def _markdown_rows(table: Grid) -> Iterator[str]:
    yield _row(table.headings)
    yield _row(["---"] * table.names + ["--:"] * (len(table.headings) - table.names))
    for row in table.rows:
        yield _row([f"**{_plain(cell.text)}**" if cell.best else _plain(cell.text) for cell in row])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Without what would end a cell or begin markup."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _as_json(method: Method) -> dict[str, Any]:
    runs = [{"path": str(r.path), "fingerprint": r.model.get("fingerprint"), "seed": r.seed} for r in method.runs]
    columns = [column for family in FAMILIES.values() for column in family]
    by_direction = {str(direction): _figures(method, columns, direction) for direction in Direction}
    return {"label": method.label, "runs": runs, "both": _figures(method, OVERALL, ""), **by_direction}


def _figures(method: Method, columns: Sequence[Column], direction: str) -> dict[str, Any]:
    """Estimates by the path of their figure within a report."""
    return {
        ".".join(key for key in column.path if key != "D"): asdict(column.estimate(method, direction))
        for column in columns
    }
