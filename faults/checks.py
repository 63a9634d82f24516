"""Whether a gallery is sound after a fault, and holds all that was acknowledged and nothing by half."""

from __future__ import annotations

from pathlib import Path

from faults.held import Held, caption, differences
from index.gallery import Gallery
from index.living import LivingGallery
from index.verify import verify
from models.errors import PenumbraError


def problems(directory: Path, allowed: list[Held]) -> list[str]:
    """What is wrong with a gallery; nothing, where nothing is.

    It must open, hold one of the allowed states, verify, and take another change.

    Args:
        directory: the gallery's.
        allowed: what was acknowledged; and the same with the change that was begun, where one was.
    """
    try:
        return [*_held(directory, allowed), *_unsound(directory), *_goes_on(directory)]
    except PenumbraError as error:
        return [f"does not open: {error}"]


def left_behind(folder: Path, before: set[str]) -> list[str]:
    """What lies beside a gallery that was not there before, but for the lock."""
    there = {path.name for path in folder.iterdir()} - before - {".gallery.lock"}
    return [f"left {name} behind" for name in sorted(there)]


def _held(directory: Path, allowed: list[Held]) -> list[str]:
    with Gallery.open(directory) as gallery:
        found = [differences(gallery, held) for held in allowed]
        return found[0] if all(found) else []


def _unsound(directory: Path) -> list[str]:
    return [f"does not verify: {damage.file} {damage.what}" for damage in verify(directory).damages]


def _goes_on(directory: Path) -> list[str]:
    """Whether it takes one more change."""
    with LivingGallery.open(directory) as living:
        living.add([caption("one more", None, 0)])
    with Gallery.open(directory) as gallery:
        return [] if gallery.find("one more") else ["lost the change after the fault"]
