"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.completion import galleries

GalleryFolder = Annotated[Path, typer.Argument(help="A gallery's folder.", autocompletion=galleries)]
Data = Annotated[Path, typer.Option(help="A folder with captions.jsonl, of a known data set, or of images.")]
Split = Annotated[str | None, typer.Option(help="One split of the collection.")]
SkipBad = Annotated[bool, typer.Option(help="Leave out bad lines and unreadable images, and list them.")]
Model = Annotated[Path | None, typer.Option(help="The model, where it is not where the gallery says.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; all by default.")]
ProcessThreads = Annotated[int | None, typer.Option(min=1, help="Processor threads of a process; all by default.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
