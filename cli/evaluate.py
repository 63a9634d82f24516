"""`penumbra evaluate` and `penumbra calibrate`: how good a model is on a collection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.show import CONSOLE, print_json, progress, say, say_left_out, teller
from cli.tables import calibration_table, confidence_table, outlier_table, ranking_table, sensitivity_table
from corpus.manifest import Corpus
from corpus.read import read
from evaluation.calibration import calibrate
from evaluation.disturbed import Disturbed, disturb
from evaluation.familiarity import familiarise
from evaluation.outliers import OutlierQueries, outlier_queries
from evaluation.protocols import Embedded, embed
from evaluation.relevance import Relevance, relevant
from evaluation.report import Asked, Figures, measure
from evaluation.reports.folder import PAGE, REPORT, check_replaceable, write_folder
from evaluation.reports.items import items_of
from evaluation.reports.record import KIND, produced_by, record
from evaluation.tables import Table, read_tables
from models import checkpoint
from models.artifact import nan_as_null
from models.calibration import Calibration
from models.encoders import Encoder
from models.errors import ConfigError


def command(
    model: Path,
    data: Path,
    *,
    split: str | None,
    relevance: str | None,
    same_words: bool,
    folds: int | None,
    positives: Path | None,
    sensitivity: bool,
    outliers: Sequence[Path],
    out: Path | None,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Measure, show and write."""
    if out is not None:
        check_replaceable(out, (REPORT, PAGE), KIND)
    loaded, judged = checkpoint.load(model), _chosen(data, split, skip_bad)
    embedded = _embed(loaded, judged)
    tables = () if positives is None else read_tables(positives, embedded.entries)
    disturbed: Sequence[Disturbed] = ()
    if sensitivity:
        with progress("disturbing") as report:
            disturbed = disturb(loaded.encoder, embedded, report)
    unlike = _outliers(loaded, embedded, outliers, skip_bad) if embedded.one_point else None
    with progress("ranking") as report:
        asked = Asked(same_words, folds, tables, disturbed, unlike)
        figures = measure(embedded, loaded.encoder, _kind(relevance), asked, report)
    if not as_json:
        _show(figures, tables)
        if out is None:
            return
    options = {
        "relevance": relevance,
        "same_words": same_words,
        "folds": folds,
        "positives": None if positives is None else str(positives),
        "sensitivity": sensitivity,
        "outliers": [str(folder) for folder in outliers],
    }
    produced = produced_by(loaded, judged, split, options, datetime.now(UTC))
    if as_json:
        print_json(record(figures, produced, {}))
    if out is not None:
        _write_report(out, record(figures, produced, _items(embedded, figures)))
        teller(as_json)(f"The report is in {out}: open {out / PAGE}.")


def _show(figures: Figures, tables: Sequence[Table]) -> None:
    for name, ranking in {"recall of the own image": figures.ranking, **figures.further}.items():
        CONSOLE.print(ranking_table(ranking, name))
    CONSOLE.print(calibration_table(figures.reliability))
    if figures.confidence is not None:
        CONSOLE.print(confidence_table(figures.confidence, str(figures.reliability["relevance"])))
    CONSOLE.print(sensitivity_table(figures.sensitivity or ()))
    if figures.outliers is not None:
        CONSOLE.print(outlier_table(figures.outliers))
    for line in figures.sentences:
        say(f"• {line}")
    for table in tables:
        if table.unknown:
            say(f"• {table.name}: {table.unknown:,} ids of the table are not in this collection.", "yellow")


def _items(embedded: Embedded, figures: Figures) -> dict[str, Any]:
    known = figures.reliability["relevance"] == Relevance.TRUTH
    return items_of(embedded, relevant(embedded.entries, Relevance.TRUTH) if known else None)


def _write_report(out: Path, report: dict[str, Any]) -> None:
    # Only here: drawing takes a second to load, which no other command should pay.
    from evaluation.reports.report_page import report_page

    write_folder(out, {REPORT: report}, {PAGE: report_page(report)})


def calibrate_command(
    model: Path,
    data: Path,
    *,
    split: str | None,
    relevance: str | None,
    share: float | None,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Calibrate, write and show."""
    if share is not None and not 0 < share < 1:
        raise ConfigError(f"--share {share} is no share: give a number between 0 and 1, as 0.01 for one pair in 100")
    # A calibration that cannot be read is what some come here to replace.
    loaded = checkpoint.load(model, with_calibration=False)
    embedded = _embed(loaded, _chosen(data, split, skip_bad))
    calibration = fit_and_save(loaded.encoder, embedded, model, _kind(relevance), share)
    if as_json:
        print_json(nan_as_null(dict(calibration.figures)))
        return
    CONSOLE.print(calibration_table(calibration.figures))
    for direction in calibration.heads:
        say(f"• {direction}: shown from now on is {calibration.figures[str(direction)]['chosen']}.")


def fit_and_save(
    encoder: Encoder, embedded: Embedded, model: Path, relevance: Relevance | None = None, share: float | None = None
) -> Calibration:
    """Calibrate, learn what queries are familiar, and add both to a model's folder once both are there.

    Returns:
        the calibration as fitted, before it is told another share of matches.
    """
    with progress("calibrating") as report:
        calibration = calibrate(embedded, encoder.match, relevance, progress=report)
    familiarity = familiarise(embedded)
    checkpoint.save_calibration(calibration if share is None else calibration.for_share(share), model)
    checkpoint.save_familiarity(familiarity, model)
    return calibration


def _kind(relevance: str | None) -> Relevance | None:
    return None if relevance is None else Relevance(relevance)


def _chosen(data: Path, split: str | None, skip_bad: bool) -> Corpus:
    corpus = read(data, skip_bad=skip_bad)
    say_left_out(corpus)
    return corpus if split is None else corpus.split(split)


def _embed(model: checkpoint.LoadedModel, corpus: Corpus) -> Embedded:
    with progress("encoding") as report:
        return embed(model.encoder, corpus.entries, report)


def _outliers(
    model: checkpoint.LoadedModel, embedded: Embedded, folders: Sequence[Path], skip_bad: bool
) -> OutlierQueries:
    """Synthetic outliers and those of other collections, encoded."""
    others = {}
    for folder in folders:
        corpus = read(folder, skip_bad=skip_bad)
        say_left_out(corpus)
        name = folder.resolve().name
        if name in others:
            raise ConfigError(f"two collections of outliers are called {name}: rename the folder of one of them")
        others[name] = corpus.entries
    with progress("encoding outliers") as report:
        return outlier_queries(model.encoder, embedded.entries, others, report)
