"""`penumbra compare`: several models side by side, mean and spread over seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.show import CONSOLE, say
from evaluation.reports.comparison import Comparison, read_runs
from evaluation.reports.folder import check_replaceable, write_folder
from evaluation.reports.page import Grid
from evaluation.reports.side_by_side import KIND, NOTE, markdown, tables
from evaluation.reports.side_by_side import as_json as to_json

RECORD, PAGE, TABLES = "compare.json", "compare.html", "compare.md"


def command(runs: Sequence[Path], out: Path | None, *, as_markdown: bool, as_json: bool) -> None:
    """Compare, show and write."""
    if out is not None:
        check_replaceable(out, (RECORD, PAGE, TABLES), KIND)
    comparison = read_runs(runs)
    if as_json:
        typer.echo(json.dumps(to_json(comparison), ensure_ascii=False, indent=2))
    elif as_markdown:
        typer.echo(markdown(comparison), nl=False)
    else:
        _show(comparison)
    if out is not None:
        _write(out, comparison)


def _show(comparison: Comparison) -> None:
    say(f"Judged on {comparison.judged_on}.")
    for table in tables(comparison):
        CONSOLE.print(_as_rich(table))
    say(NOTE)


def _as_rich(grid: Grid) -> Table:
    table = Table(title=grid.caption, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(grid.headings):
        names = place < grid.names
        table.add_column(
            heading, justify="left" if names else "right", no_wrap=not names, min_width=8 if names else None
        )
    for row in grid.rows:
        table.add_row(*(Text(cell.text, style="bold green" if cell.best else "") for cell in row))
    return table


def _write(out: Path, comparison: Comparison) -> None:
    # Only here: drawing takes a second to load, which no other command should pay.
    from evaluation.reports.comparison_page import comparison_page

    write_folder(out, {RECORD: to_json(comparison)}, {PAGE: comparison_page(comparison), TABLES: markdown(comparison)})
