"""`penumbra evaluate` and `penumbra calibrate`: how good a model is on a collection."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.show import CONSOLE, calibration_table, progress, ranking_table, say, say_left_out
from corpus.read import read
from evaluation.calibration import calibrate
from evaluation.protocols import Embedded, embed
from evaluation.relevance import Relevance
from evaluation.report import measure
from models import checkpoint
from models.artifact import write_json

Model = Annotated[Path, typer.Argument(help="A model's folder.")]
Data = Annotated[Path, typer.Option(help="A folder with captions.jsonl, or of a data set that is known by its files.")]
Split = Annotated[str | None, typer.Option(help="One split of it; all by default.")]
Kind = Annotated[Relevance | None, typer.Option(help="What counts as a match; the best that is known by default.")]


def command(
    model: Model,
    data: Data,
    split: Split = None,
    relevance: Kind = None,
    out: Annotated[Path | None, typer.Option(help="Also write the figures here, as JSON.")] = None,
) -> None:
    """Measure ranking, probabilities and uncertainty of a model on a collection."""
    loaded = checkpoint.load(model)
    embedded = _embed(loaded, data, split)
    figures = measure(embedded, loaded.encoder, relevance)
    CONSOLE.print(ranking_table({str(key): asdict(value) for key, value in figures.ranking.items()}))
    CONSOLE.print(calibration_table(figures.reliability))
    for line in figures.sentences:
        say(f"• {line}")
    if out is not None:
        write_json(out, figures.to_dict())


def calibrate_command(model: Model, data: Data, split: Split = None, relevance: Kind = None) -> None:
    """Fit the match heads on a held-out collection and add them to the model."""
    # A calibration that cannot be read is what some come here to replace.
    loaded = checkpoint.load(model, with_calibration=False)
    embedded = _embed(loaded, data, split)
    calibration = calibrate(embedded, loaded.encoder.match, relevance)
    checkpoint.save_calibration(calibration, model)
    CONSOLE.print(calibration_table(calibration.figures))
    CONSOLE.print_json(json.dumps({str(key): asdict(head) for key, head in calibration.heads.items()}))


def _embed(model: checkpoint.LoadedModel, data: Path, split: str | None) -> Embedded:
    corpus = read(data)
    say_left_out(corpus)
    chosen = corpus if split is None else corpus.split(split)
    with progress("encoding") as report:
        return embed(model.encoder, chosen.entries, report)
