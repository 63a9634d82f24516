"""What each reader of a layout has to offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from corpus.manifest import Entry


class Draft(NamedTuple):
    """An entry that is still to be made: where it is listed, and what makes it or raises `BadEntryError`."""

    where: str
    make: Callable[[], Entry]


@dataclass(frozen=True)
class Reader:
    """How a published data set is recognised and read.

    `recognise` says whether a folder holds any part of it that nothing else has; `has_images` whether its images are
    there; `read` gives the entries in their order and raises `CorpusError` where a part is missing as a whole.
    """

    name: str
    recognise: Callable[[Path], bool]
    has_images: Callable[[Path], bool]
    read: Callable[[Path], Iterator[Draft]]
