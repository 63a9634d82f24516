"""A captioned collection: its entries, its splits, and what was left out when it was read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from models.errors import CorpusError


@dataclass(frozen=True)
class Entry:
    """One image with the captions written for it."""

    id: str
    image: Path
    captions: tuple[str, ...] = ()
    label: str | None = None
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """What was left out: where it is listed (a file and a line, or a folder), and what is wrong with it."""

    where: str
    what: str


@dataclass(frozen=True)
class Corpus:
    """The entries of a folder in the order in which they are listed, and what was left out."""

    root: Path
    entries: tuple[Entry, ...]
    skipped: tuple[Problem, ...] = ()

    def split(self, name: str) -> Corpus:
        """The entries whose `split` is `name`; `CorpusError` names the splits there are when none is."""
        chosen = tuple(entry for entry in self.entries if entry.split == name)
        if not chosen:
            there = sorted({entry.split for entry in self.entries if entry.split is not None})
            choice = f"choose one of {', '.join(there)}" if there else "its entries name no split, so leave it out"
            raise CorpusError(f"{self.root} has no split {name!r}; {choice}.")
        return replace(self, entries=chosen)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the ids, captions, labels, splits and image file sizes, in order.

        Sizes stand for the images' bytes, so that it costs a `stat` and not a read of each; where the folder
        lies does not count.
        """
        digest = hashlib.sha256()
        for entry in self.entries:
            size = entry.image.stat().st_size
            line = json.dumps([entry.id, entry.captions, entry.label, entry.split, size])
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()
