"""How the command line shows things: sentences, JSON, progress."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from corpus.manifest import Corpus

CONSOLE = Console()
Report = Callable[[int, int], None]


class Tell(Protocol):
    """What tells a sentence: see `teller`."""

    def __call__(self, text: str, style: str | None = ...) -> None:
        """Tell a sentence."""


def say(text: str, style: str | None = None) -> None:
    """Print a sentence as it is: not wrapped, no markup, no colours but those of `style`."""
    CONSOLE.print(text, style=style, soft_wrap=True, markup=False, highlight=False)


def warn(text: str, style: str | None = "yellow") -> None:
    """Print a sentence on stderr, as it is: what the answer on stdout does not hold."""
    Console(stderr=True, quiet=CONSOLE.quiet).print(text, style=style, soft_wrap=True, markup=False, highlight=False)


def teller(as_json: bool) -> Tell:
    """What tells how it goes: `say`, or `warn` where stdout is for JSON alone."""
    return warn if as_json else say


def print_json(value: object) -> None:
    """Print what a program is to read; in colours where a person does."""
    CONSOLE.print_json(json.dumps(value))


def say_left_out(corpus: Corpus) -> None:
    """Print on stderr what was left out when a collection was read, one thing a line."""
    for problem in corpus.skipped:
        warn(f"left out: {problem.where}: {problem.what}")


class _Rate(ProgressColumn):
    """How many are done in a second, of late."""

    def render(self, task: Task) -> Text:
        """Nothing while there is no rate."""
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A progress bar on stderr, where that is a terminal; what it yields is told (done, total)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    stderr = Console(stderr=True)
    with Progress(*columns, console=stderr, transient=True, disable=CONSOLE.quiet or not stderr.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "–" if share is None else f"{100 * share:.1f} %"
