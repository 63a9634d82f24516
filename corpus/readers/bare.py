"""A bare folder of images, without captions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from corpus.manifest import Entry
from corpus.readers.checks import is_unicode, require
from corpus.readers.reader import Draft

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


def read(directory: Path) -> Iterator[Draft]:
    """Every image below the folder, sorted; its id is its path without the suffix. Hidden files are no part of it."""
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield Draft(str(directory), partial(_entry, path, inside))


def _entry(path: Path, inside: Path) -> Entry:
    name = inside.with_suffix("").as_posix()
    require(is_unicode(name), f"the file name {os.fsencode(inside)!r} is not UTF-8")
    return Entry(id=name, image=path)
