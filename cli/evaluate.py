"""`penumbra evaluate` and `penumbra calibrate`: how good a model is on a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.show import CONSOLE, calibration_table, confidence_table, progress, ranking_table, say, say_left_out
from corpus.read import read
from evaluation.calibration import calibrate
from evaluation.protocols import Embedded, embed
from evaluation.relevance import Relevance
from evaluation.report import Asked, measure
from evaluation.tables import read_tables
from models import checkpoint
from models.artifact import nan_as_null, write_json

Model = Annotated[Path, typer.Argument(help="A model's folder.")]
Data = Annotated[Path, typer.Option(help="A folder with captions.jsonl, or of a data set that is known by its files.")]
Split = Annotated[str | None, typer.Option(help="One split of it; all by default.")]
SkipBad = Annotated[bool, typer.Option(help="Leave out bad entries of the collection, and list them.")]
Kind = Annotated[Relevance | None, typer.Option(help="What counts as a match; the best that is known by default.")]


def command(
    model: Model,
    data: Data,
    split: Split = None,
    relevance: Kind = None,
    same_words: Annotated[bool, typer.Option(help="Also count captions of the same words as each other's.")] = False,
    folds: Annotated[int | None, typer.Option(min=1, help="Also average over so many parts (COCO 1K: 5).")] = None,
    positives: Annotated[
        Path | None, typer.Option(help="A folder with tables of positives (CxC, ECCV Caption).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the figures here, as JSON.")] = None,
    skip_bad: SkipBad = False,
) -> None:
    """Measure ranking, probabilities and uncertainty of a model on a collection."""
    loaded = checkpoint.load(model)
    embedded = _embed(loaded, data, split, skip_bad)
    tables = () if positives is None else read_tables(positives, embedded.entries)
    with progress("ranking") as report:
        figures = measure(embedded, loaded.encoder, relevance, Asked(same_words, folds, tables), report)
    for name, ranking in {"recall of the own image": figures.ranking, **figures.further}.items():
        CONSOLE.print(ranking_table(ranking, name))
    CONSOLE.print(calibration_table(figures.reliability))
    if figures.confidence is not None:
        CONSOLE.print(confidence_table(figures.confidence, str(figures.reliability["relevance"])))
    for line in figures.sentences:
        say(f"• {line}")
    for table in tables:
        if table.unknown:
            say(f"• {table.name}: {table.unknown:,} ids of the table are not in this collection.", "yellow")
    if out is not None:
        write_json(out, nan_as_null(figures.to_dict()))


def calibrate_command(
    model: Model, data: Data, split: Split = None, relevance: Kind = None, skip_bad: SkipBad = False
) -> None:
    """Calibrate the match probability on a held-out collection and add what is best to the model."""
    # A calibration that cannot be read is what some come here to replace.
    loaded = checkpoint.load(model, with_calibration=False)
    embedded = _embed(loaded, data, split, skip_bad)
    with progress("calibrating") as report:
        calibration = calibrate(embedded, loaded.encoder.match, relevance, progress=report)
    checkpoint.save_calibration(calibration, model)
    CONSOLE.print(calibration_table(calibration.figures))
    for direction in calibration.heads:
        say(f"• {direction}: shown from now on is {calibration.figures[str(direction)]['chosen']}.")


def _embed(model: checkpoint.LoadedModel, data: Path, split: str | None, skip_bad: bool) -> Embedded:
    corpus = read(data, skip_bad=skip_bad)
    say_left_out(corpus)
    chosen = corpus if split is None else corpus.split(split)
    with progress("encoding") as report:
        return embed(model.encoder, chosen.entries, report)
