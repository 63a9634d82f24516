"""`penumbra bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.parameters import GalleryFolder, Json, Model, Threads


def bench(
    gallery: GalleryFolder,
    texts: Annotated[Path | None, typer.Option(help="Queries, one a line; the gallery's captions without it.")] = None,
    model: Model = None,
    queries: Annotated[int, typer.Option(min=1, help="How many are timed.")] = 300,
    threads: Threads = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the figures into a file, beside those of other measurements.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure text queries to a gallery, one at a time: each stage, for each rerank, and the memory that it takes."""
    from cli.bench import command

    command(gallery, texts=texts, model=model, queries=queries, threads=threads, out=out, as_json=as_json)
