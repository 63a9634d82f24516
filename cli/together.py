"""The processes that torchrun started, as the command line has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from cli.exit_codes import BAD_INPUT, INTERRUPTED
from cli.show import CONSOLE
from index.processes import LostProcessError, Processes, SaidElsewhereError, joined


@contextmanager
def together() -> Iterator[Processes]:
    """Within the block, the processes that torchrun started work together, and the first alone says what is done."""
    try:
        with joined() as processes:
            CONSOLE.quiet = not processes.first
            yield processes
    except LostProcessError as error:
        # Whoever notices says so: the first may be the one that is lost.
        Console(stderr=True).print(str(error), style="yellow", soft_wrap=True, markup=False, highlight=False)
        raise typer.Exit(INTERRUPTED) from error
    except SaidElsewhereError as error:
        raise typer.Exit(BAD_INPUT) from error
