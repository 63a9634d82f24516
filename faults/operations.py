"""What is interrupted: kinds of change of a gallery, done over and over, and what each should come to.

A new kind is a class with these four members, and a line of `OPERATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from faults.builds import Builds
from faults.held import HEADS, Held, caption, first_held, image
from faults.processes import Acknowledge
from index.changes import Addition
from index.living import LivingGallery


class Operation(Protocol):
    """Something that is done to a gallery again and again."""

    @property
    def seconds(self) -> float:
        """Of a run, within which it is killed."""
        ...

    def prepare(self, folder: Path) -> None:
        """Write the folder `gallery` into an empty folder, and what else the steps need."""
        ...

    def step(self, folder: Path, number: int, acknowledge: Acknowledge) -> None:
        """Do it for the nth time, and acknowledge when it is done."""
        ...

    def after(self, steps: int) -> Held:
        """What the gallery is to hold after so many acknowledged steps."""
        ...


@dataclass(frozen=True)
class Changes:
    """Changes of one kind.

    Args:
        change: makes the nth.
        hold: makes it of what the gallery is to hold.
        seconds: see `Operation`.
        images: that the gallery has before.
    """

    change: Callable[[LivingGallery, int, Acknowledge], None]
    hold: Callable[[Held, int], None]
    seconds: float = 0.1
    images: int = 4

    def prepare(self, folder: Path) -> None:
        """See `Operation`."""
        first_held(self.images).build(folder / "gallery")

    def step(self, folder: Path, number: int, acknowledge: Acknowledge) -> None:
        """See `Operation`."""
        with LivingGallery.open(folder / "gallery") as living:
            self.change(living, number, acknowledge)

    def after(self, steps: int) -> Held:
        """See `Operation`."""
        held = first_held(self.images)
        for number in range(steps):
            self.hold(held, number)
        return held


def _add(living: LivingGallery, number: int, acknowledge: Acknowledge) -> None:
    living.add(_new(number))
    acknowledge()


def _replace(living: LivingGallery, number: int, acknowledge: Acknowledge) -> None:
    living.replace(_other(number))
    acknowledge()


def _remove(living: LivingGallery, number: int, acknowledge: Acknowledge) -> None:
    living.remove([f"i{number}"])
    acknowledge()


def _compact(living: LivingGallery, number: int, acknowledge: Acknowledge) -> None:
    """Compact, and add something while that is going on."""
    late = [lambda: _add(living, number, acknowledge)]
    living.compact(HEADS, lambda _: late.pop()() if late else None)


def _new(number: int) -> list[Addition]:
    name = f"new{number}"
    return [image(name, number), caption(f"{name}#0", name, number + 1)]


def _other(number: int) -> list[Addition]:
    """An image with other captions, or without: then it keeps those it has."""
    name = f"i{number % 4}"
    return [image(name, 50 + number), *([caption(f"{name}#new", name, number)] if number % 2 else [])]


def _hold_new(held: Held, number: int) -> None:
    held.held += _new(number)


OPERATIONS: Final[Mapping[str, Operation]] = {
    "add": Changes(_add, _hold_new),
    "replace": Changes(_replace, lambda held, number: held.replace(_other(number))),
    "remove": Changes(_remove, lambda held, number: held.remove(f"i{number}"), images=60),
    "compaction": Changes(_compact, _hold_new, 0.5),
    "build": Builds(),
}
"""Under their names in the table."""
