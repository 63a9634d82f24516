"""The operations that are interrupted.

To add one, write a function that makes its `Script` from the folder that `prepare` filled, and name it in `OPERATIONS`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Final

import index.lifecycle.publish
from faults import subject
from faults.held import HEADS, Held, caption, first_held, image
from faults.script import GALLERY, Change, Script
from faults.state import expected_state, read_state
from index.changes.change import Addition
from index.lifecycle.living import LivingGallery

OLD: Final = "old"
NEW: Final = "new"
LIVING: Final = "living"
LINKED: Final = "linked"
STATES: Final = "states.json"
IMAGES: Final = 12
CHANGES: Final = 10


def prepare(folder: Path) -> None:
    """Write what all scripts share: a model, two collections and their galleries, and a gallery that will change."""
    subject.write_model(folder / subject.MODEL)
    for name, images, seed in ((OLD, 7, 1), (NEW, 9, 2)):
        subject.write_corpus(folder / f"corpus-{name}", images, seed)
        subject.build_gallery(folder / subject.MODEL, folder / f"corpus-{name}", folder / name / GALLERY)
    held = {name: read_state(folder / name / GALLERY) for name in (OLD, NEW)}
    (folder / STATES).write_text(json.dumps(held))
    first_held(IMAGES).build(folder / LIVING / GALLERY)
    for name in (OLD, NEW):
        shutil.copytree(folder / name / GALLERY, folder / LINKED / name)
    (folder / LINKED / GALLERY).symlink_to(OLD)


def script(name: str, prepared: Path) -> Script:
    """The script of an operation."""
    return OPERATIONS[name](prepared)


def build(prepared: Path) -> Script:
    """A gallery built in the place of another one, from the first shard to the exchange."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Change]:
        model, corpus = prepared / subject.MODEL, prepared / f"corpus-{NEW}"
        yield lambda _: subject.build_gallery(model, corpus, folder / GALLERY)

    held = json.loads((prepared / STATES).read_text())
    return Script("build", prepared / OLD, opened, (held[OLD], held[NEW]), repeatable=True)


def publish(prepared: Path) -> Script:
    """A link that leads to one gallery and then to the other, in turn."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Change]:
        model = prepared / subject.MODEL
        yield lambda number: index.lifecycle.publish.publish(folder / (NEW, OLD)[number % 2], folder / GALLERY, model)

    held = json.loads((prepared / STATES).read_text())
    return Script("publish", prepared / LINKED, opened, (held[OLD], held[NEW], held[OLD], held[NEW]))


def changes(
    name: str,
    change: Callable[[LivingGallery, int], None],
    hold: Callable[[Held, int], None],
    count: int,
    prepared: Path,
) -> Script:
    """Changes of one kind.

    Args:
        name: of the kind.
        change: makes the change of a number.
        hold: makes it of what the gallery is to hold.
        count: how many.
        prepared: the folder that `prepare` filled.
    """

    @contextmanager
    def opened(folder: Path) -> Iterator[Change]:
        with LivingGallery.open(folder / GALLERY) as living:
            yield partial(change, living)

    held = first_held(IMAGES)
    states = [expected_state(held)]
    for number in range(count):
        held = deepcopy(held)
        hold(held, number)
        states.append(expected_state(held))
    return Script(name, prepared / LIVING, opened, states)


def _new(number: int) -> list[Addition]:
    name = f"new{number}"
    return [image(name, 1000 + number), caption(f"{name}#0", name, number + 1)]


def _other(number: int) -> list[Addition]:
    """An image with other captions, or without: then it keeps those it has."""
    name = f"i{number % IMAGES}"
    return [image(name, 500 + number), *([caption(f"{name}#new", name, number)] if number % 2 else [])]


def _hold_new(held: Held, number: int) -> None:
    held.held += _new(number)


def _compact(living: LivingGallery, number: int) -> None:
    """Compact, and add something while that is going on, unless an earlier attempt did."""
    late = [] if living.gallery.find(f"new{number}") else [_new(number)]
    living.compact(HEADS, lambda _: living.add(late.pop()) if late else None)


def _add(living: LivingGallery, number: int) -> None:
    living.add(_new(number))


def _replace(living: LivingGallery, number: int) -> None:
    living.replace(_other(number))


def _remove(living: LivingGallery, number: int) -> None:
    living.remove([f"i{number}"])


OPERATIONS: Final[Mapping[str, Callable[[Path], Script]]] = {
    "build": build,
    "publish": publish,
    "add": partial(changes, "add", _add, _hold_new, CHANGES),
    "replace": partial(changes, "replace", _replace, lambda held, n: held.replace(_other(n)), CHANGES),
    "remove": partial(changes, "remove", _remove, lambda held, n: held.remove(f"i{n}"), CHANGES),
    "compaction": partial(changes, "compaction", _compact, _hold_new, 1),
}
