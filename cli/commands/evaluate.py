"""`penumbra evaluate` and `penumbra calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.choices import Relevance

Model = Annotated[Path, typer.Argument(help="A model's folder.")]
Data = Annotated[Path, typer.Option(help="A folder with captions.jsonl, or of a data set that is known by its files.")]
Split = Annotated[str | None, typer.Option(help="One split of it; all by default.")]
SkipBad = Annotated[bool, typer.Option(help="Leave out bad entries of the collection, and list them.")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Kind = Annotated[Relevance | None, typer.Option(help="What counts as a match; the best that is known by default.")]


def evaluate(
    model: Model,
    data: Data,
    split: Split = None,
    relevance: Kind = None,
    same_words: Annotated[bool, typer.Option(help="Also count captions of the same words as each other's.")] = False,
    folds: Annotated[int | None, typer.Option(min=1, help="Also average over so many parts (COCO 1K: 5).")] = None,
    positives: Annotated[
        Path | None, typer.Option(help="A folder with tables of positives (CxC, ECCV Caption).")
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option(help="Also erase and blur some images and drop words from captions, and see whether σ rises."),
    ] = False,
    outliers: Annotated[
        list[Path] | None,
        typer.Option(help="A collection unlike this one; may be repeated. Noise and shuffled words are always tried."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write a report: a folder with report.html to read and report.json.")
    ] = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Measure ranking, probabilities and uncertainty of a model on a collection."""
    from cli.evaluate import command

    command(
        model,
        data,
        split=split,
        relevance=relevance,
        same_words=same_words,
        folds=folds,
        positives=positives,
        sensitivity=sensitivity,
        outliers=outliers or [],
        out=out,
        skip_bad=skip_bad,
        as_json=as_json,
    )


def calibrate(
    model: Model,
    data: Data,
    split: Split = None,
    relevance: Kind = None,
    share: Annotated[
        float | None,
        typer.Option(help="Share of all pairs that match where it will be used, if it is another one than here."),
    ] = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Calibrate the match probability on a held-out collection, learn what queries are familiar, and add both.

    Of six candidates the one that is best on entries it was not fitted on is used.
    """
    from cli.evaluate import calibrate_command

    calibrate_command(model, data, split=split, relevance=relevance, share=share, skip_bad=skip_bad, as_json=as_json)
