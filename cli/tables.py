"""The tables of `penumbra evaluate` and `penumbra calibrate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any, Final

from rich.table import Table

from cli.show import percent
from evaluation.confidence import Confidence
from evaluation.outliers import SCORES, OutlierFigures
from evaluation.protocols import RankingQuality
from evaluation.sensitivity import Response, Series
from models.calibration import Direction


def number(value: float | None, decimals: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None or isnan(value) else f"{value:.{decimals}f}"


def ranking_table(ranking: Mapping[Direction, RankingQuality], match: str) -> Table:
    """Ranking quality, one line for each direction; `match` says what counts as one."""
    table = Table(title=f"Ranking by the distance of the means, in % ({match})")
    for heading in ("direction", "R@1", "R@5", "R@10", "median", "R-Prec.", "mAP@R", "queries"):
        table.add_column(heading, justify="left" if heading == "direction" else "right", no_wrap=True)
    for direction, row in ranking.items():
        recalls = (f"{100 * share:.1f}" for share in (row.recall_1, row.recall_5, row.recall_10))
        rest = (f"{row.median_rank:g}", f"{100 * row.r_precision:.1f}", f"{100 * row.map_at_r:.1f}", f"{row.queries:,}")
        table.add_row(direction, *recalls, *rest)
    return table


def confidence_table(confidence: Mapping[Direction, Confidence], relevance: str) -> Table:
    """Which first answers are wrong: for each score, its AUROC and the risk that remains when it is used to abstain."""
    table = Table(title=f"Which first answers are wrong, of all and of the surest half (by {relevance})")
    for heading in ("direction", "score", "AUROC", "all", "half", "area"):
        table.add_column(heading, justify="left" if heading in ("direction", "score") else "right", no_wrap=True)
    for direction, each in confidence.items():
        for name, row in each.abstention.items():
            shares = (percent(row.risk[-1]), percent(row.risk[4]), f"{row.area:.3f}")
            table.add_row(direction, name.replace("_", " "), number(row.auroc), *shares)
    return table


def sensitivity_table(series: Sequence[Series]) -> Table:
    """σ, and the distance to the nearest answer, at the first and the last level, and how they follow the levels."""
    table = Table(title="Against what should raise it: σ, beside the distance to the nearest answer")
    for heading in ("of", "against", "signal", "first", "last", "ρ", "rising", "AUROC"):
        table.add_column(heading, justify="left" if heading in ("of", "against", "signal") else "right", no_wrap=True)
    for each in series:
        for name, response in (("σ", each.sigma), ("distance", each.distance)):
            table.add_row(each.side, each.what, name, *_answer(response))
    return table


def _answer(response: Response | None) -> tuple[str, ...]:
    if response is None:
        return ("–",) * 5
    rising = "–" if response.share_rising is None else f"{100 * response.share_rising:.0f} %"
    ends = (number(response.means[place]) for place in (0, -1))
    return *ends, number(response.spearman, 2), rising, number(response.auroc, 2)


OUTLIER_HEADINGS: Final = {
    "sigma": "σ",
    "probability": "prob.",
    "both": "both",
    "familiarity": "famil.",
    "mean_only_probability": "prob.*",
    "mean_only_familiarity": "famil.*",
}


def outlier_table(outliers: Mapping[Direction, OutlierFigures]) -> Table:
    """AUROC of each score for each kind of outliers, and how many of them a search warns of."""
    table = Table(title="Queries unlike the collection, told from its own (AUROC; * by the means alone)")
    for heading in ("outliers", *(OUTLIER_HEADINGS[score] for score in SCORES), "warned", "queries"):
        table.add_column(heading, justify="left" if heading == "outliers" else "right", no_wrap=heading == "outliers")
    for direction, found in outliers.items():
        table.add_row(direction, *("" for _ in SCORES), "", "")
        for name, row in found.kinds.items():
            areas = (f"{row.auroc[score]:.2f}" if score in row.auroc else "–" for score in SCORES)
            table.add_row(f"  {name}", *areas, percent(row.alarms), f"{row.queries:,}")
        table.add_row("  its own", *("" for _ in SCORES), percent(found.false_alarms), "", end_section=True)
    return table


# Short enough for a terminal of 80 columns.
PROBABILITIES: Final = {
    "calibrated_mean_only": "means alone",
    "calibrated_told_share": "told share",
    "calibrated_mean_only_told_share": "means, told",
}


def calibration_table(figures: Mapping[str, Any]) -> Table:
    """How good the raw, the calibrated, the calibrated mean-only probability and all candidates are, line by line.

    Over the pairs of a query and its shortlist. `told share` is the calibrated probability told how many of all pairs
    match. `first 10` is the ECE of the ten most probable items of each query alone, which is what a search shows;
    `× 1.5` the share of queries whose expected matches are within that factor of the true number, `single` the median
    probability of the match of queries that match one item only.
    """
    table = Table(title=f"Match probability (a match is by {figures['relevance']})")
    for heading in ("probability", "log-loss", "Brier", "ECE", "first 10", "× 1.5", "single"):
        table.add_column(heading, justify="left" if heading == "probability" else "right", no_wrap=True)
    for direction, each in figures.items():
        if isinstance(each, Mapping):
            rows = {name: row for name, row in each.items() if isinstance(row, Mapping) and "log_loss" in row}
            candidates = {f"  {name}": row for name, row in each.get("candidates", {}).items()}
            table.add_section()
            table.add_row(direction, style="bold")
            for name, row in {**rows, **candidates}.items():
                table.add_row(PROBABILITIES.get(name, name.replace("_", " ")), *_reliability_cells(row))
    return table


def _reliability_cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{row[key]:.4f}" for key in ("log_loss", "brier", "ece"))
    queries, first = row.get("queries") or {}, row.get("shown") or {}
    yield "–" if "ece" not in first else f"{first['ece']:.3f}"
    yield percent(queries.get("within"))
    yield "–" if queries.get("only_match") is None else f"{queries['only_match']:.2f}"
