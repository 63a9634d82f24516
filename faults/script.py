"""A script: changes to a gallery, one after the other, and what it holds before, between and after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faults.state import State

GALLERY: Final = "gallery"
"""The gallery's folder within that of a trial."""

Change = Callable[[int], None]
"""Makes the change of a number, from 0, and returns when it is acknowledged."""


@dataclass(frozen=True)
class Script:
    """What is done to a gallery.

    Args:
        name: of the operation that is tried.
        start: a folder with what is there before; each trial gets a copy.
        opened: opens what is in a trial's folder, to make changes.
        states: what the gallery holds at first and after each change.
        repeatable: whether a change that was made may be made again. Then one that was not acknowledged is, as a person
            would do it; else the next one follows.
    """

    name: str
    start: Path
    opened: Callable[[Path], AbstractContextManager[Change]]
    states: Sequence[State]
    repeatable: bool = False

    @property
    def changes(self) -> int:
        """How many changes there are."""
        return len(self.states) - 1
