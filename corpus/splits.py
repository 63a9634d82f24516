"""Splits of a collection that depend on nothing but its ids and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from corpus.manifest import Entry
from models.errors import ConfigError


def hold_out(entries: Sequence[Entry], fraction: float, seed: int) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Kept and held-out entries, each in the order given; `round(fraction × images)` images are held out.

    Which ones depends on the ids and the seed alone, not on the order of the entries; entries that show the
    same image file stay together. Raises `ConfigError` unless 0 ≤ fraction < 1.
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"The fraction held out must be at least 0 and less than 1, not {fraction}.")
    names: dict[Path, str] = {}
    for entry in entries:
        names[entry.image] = min(names.get(entry.image, entry.id), entry.id)
    drawn = sorted(names, key=lambda image: _draw(names[image], seed))
    held = frozenset(drawn[: round(fraction * len(drawn))])
    return (
        tuple(entry for entry in entries if entry.image not in held),
        tuple(entry for entry in entries if entry.image in held),
    )


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
