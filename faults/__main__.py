"""`python -m faults`: kills a process that changes a gallery, and lets its writes fail; then nothing may be lost.

After each fault the gallery must open, hold every change that was acknowledged and none by half, verify, and go on.
What is killed is a process, not the machine: that writes are on the disk before they are acknowledged, and in which
order, is what the tests of `models.artifact` and `index.changes.journal` see to.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.show import progress
from faults.campaign import Campaign, Figures, prepared_bench
from faults.operations import OPERATIONS, prepare
from faults.trial import Loss
from index.threads import pin

CONSOLE = Console()
app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    operations: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(OPERATIONS)}; all of them.")] = None,
    kills: Annotated[int, typer.Option(min=0, help="At random moments, of each operation.")] = 50,
    faults: Annotated[int | None, typer.Option(min=0, help="At writes, of each operation; all without it.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    scratch: Annotated[Path | None, typer.Option(help="A folder for galleries, some megabytes; removed again.")] = None,
) -> None:
    """Exit code 1 when anything was lost."""
    unknown = set(operations or ()) - set(OPERATIONS)
    if unknown:
        raise typer.BadParameter(f"{min(unknown)} is none of {', '.join(OPERATIONS)}")
    pin(1)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        found = measured(Path(folder), operations or list(OPERATIONS), kills, faults, seed)
    CONSOLE.print(table(found))
    for sentence in (line for figures in found for line in figures.sentences):
        CONSOLE.print(sentence, soft_wrap=True, markup=False, highlight=False)
    sys.exit(any(figures.losses for figures in found))


def measured(folder: Path, operations: list[str], kills: int, faults: int | None, seed: int) -> list[Figures]:
    """The figures of each operation; interrupted, those until then."""
    (folder / "prepared").mkdir()
    prepare(folder / "prepared")
    found = [Figures(name) for name in operations]
    try:
        for figures in found:
            _try_out(Campaign(prepared_bench(folder), figures.operation, seed), figures, kills, faults)
    except KeyboardInterrupt:
        CONSOLE.print("interrupted; these are the figures until then")
    return found


def _try_out(campaign: Campaign, figures: Figures, kills: int, faults: int | None) -> None:
    with progress(f"{figures.operation}: kills") as bar:
        for trial in campaign.moments(kills):
            figures.take(*trial)
            bar(figures.kills, kills)
    chosen = campaign.faults(faults)
    with progress(f"{figures.operation}: writes") as bar:
        for done, fault in enumerate(chosen, start=1):
            figures.take(*campaign.at_write(fault))
            bar(done, len(chosen))
    CONSOLE.print(f"{figures.operation}: {sum(figures.trials.values()):,} faults, {figures.losses.total()} losses")


def table(found: list[Figures]) -> Table:
    """All figures, a line for each operation."""
    shown = Table(title="Faults, and what they led to")
    for heading in ("operation", "tried", "killed", "failed", "lost", "half", "other"):
        shown.add_column(heading, justify="left" if heading == "operation" else "right", no_wrap=True)
    for each in found:
        lost, half = each.losses[Loss.LOST], each.losses[Loss.HALF]
        losses = (lost, half, each.losses.total() - lost - half)
        figures = (sum(each.trials.values()), each.kills, each.failed, *losses)
        shown.add_row(each.operation, *(f"{figure:,}" for figure in figures))
    kills, failed = sum(each.kills for each in found), sum(each.failed for each in found)
    lost, half = (sum(each.losses[loss] for each in found) for loss in (Loss.LOST, Loss.HALF))
    shown.caption = f"{kills:,} points killed, {failed:,} writes failed, lost: {lost:,}, half: {half:,}"
    return shown


if __name__ == "__main__":
    app()
