"""`penumbra compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Folders that `penumbra evaluate --out` wrote, or their report.json.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write a folder with compare.html, compare.md and compare.json.")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Put several models side by side, from their reports.

    Models whose training differs in nothing but its seed are one method: the table shows the mean ± standard deviation
    (n − 1) over them. A method is called by the `name` of its configuration; without one, by the folder of the model
    without the number at its end (`vse-seed2` is `vse`). Methods of the same label are told apart by the settings in
    which they differ.
    """
    from cli.compare import command

    command(runs or [], out, as_markdown=as_markdown, as_json=as_json)
