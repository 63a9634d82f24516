"""Which kind of shortlist each modality gets, decided and refused before any work starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index.items import Modality
from index.shortlist import KINDS, GraphShortlist, ListsShortlist
from models.errors import ConfigError

AUTO: Final = "auto"
GIB: Final = 2**30
FLAT_BYTES: Final = 32 * 2**20
"""Up to so many bytes of points `auto` takes the exact scan: a few milliseconds of one core."""
OVER: Final = (AUTO, "mean", "lifted")
"""What a shortlist may be asked to be over."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of the shortlists of a gallery.

    Args:
        kind: one of `KINDS`, or auto: by the number of items, their dimensions and the memory.
        over: the means, the lifted means (the better of both lifts), or auto: what is measured to lose less.
        recall: share of the exhaustive ten most probable items that is to be held, in (0, 1].
        memory: bytes that the shortlists of both modalities may take while they are open; means and log-variances are
            memory-mapped and not counted.

    Raises:
        ConfigError: one of them is none of these.
    """

    kind: str = AUTO
    over: str = AUTO
    recall: float = 0.99
    memory: int = 4 * GIB

    def __post_init__(self) -> None:
        if self.kind not in (AUTO, *KINDS):
            raise ConfigError(f"{self.kind!r} is no kind of shortlist: name one of {AUTO}, {', '.join(KINDS)}")
        if self.over not in OVER:
            raise ConfigError(f"a shortlist is not over {self.over!r}: name one of {', '.join(OVER)}")
        if not 0 < self.recall <= 1:
            raise ConfigError(f"a recall of {self.recall} is no share: name one above 0 and up to 1")


MEASURED: Final = Wanted()
"""Everything as it is measured, within the default memory."""


@dataclass(frozen=True)
class Choice:
    """A kind of shortlist, and why, in a sentence."""

    kind: str
    why: str


def memory_bytes(kind: str, count: int, dim: int) -> int:
    """What a shortlist of `count` points of `dim` coordinates takes while it is open, nearly."""
    if kind == "flat":
        return 4 * count * dim
    if kind == "sq8":
        return count * dim
    if kind == "hnsw":
        # A link is four bytes; the lowest layer has twice as many, and those above add little.
        return count * (dim + 4 * 2 * GraphShortlist.LINKS + 16)
    # A bit a coordinate, two factors, the row; then the centres of the lists.
    return count * (dim // 8 + 16 + 8) + 4 * dim * ListsShortlist.lists(count)


def choose(wanted: Wanted, counts: Mapping[Modality, int], dim: int) -> dict[Modality, Choice]:
    """The kind for each modality.

    Args:
        wanted: what was asked for.
        counts: the items of each modality.
        dim: coordinates of a point, of means; lifted points have one more.

    Raises:
        ConfigError: it cannot be trained on so few items, or does not fit into the memory; nothing has been done yet.
    """
    chosen = {modality: _choose(wanted, modality, count, dim + 1) for modality, count in counts.items()}
    needed = sum(memory_bytes(chosen[modality].kind, count, dim + 1) for modality, count in counts.items())
    if needed > wanted.memory:
        kinds = " and ".join(sorted({each.kind for each in chosen.values()}))
        raise ConfigError(
            f"shortlists of kind {kinds} take {_size(needed)} of memory for these items, more than the "
            f"{_size(wanted.memory)} allowed: {_smaller(wanted, counts, dim + 1)}raise --memory"
        )
    return chosen


def require_disk(folder: Path, counts: Iterable[int], dim: int) -> None:
    """Refuse a build for whose Gaussians the disk has no room: once as they are encoded and once in the gallery.

    Raises:
        ConfigError: there is less room than that.
    """
    needed = 2 * sum(counts) * 2 * 4 * dim
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ConfigError(
            f"{folder} needs at least {_size(needed)} and its disk has {_size(free)} free: make room there"
        )


def _choose(wanted: Wanted, modality: Modality, count: int, dim: int) -> Choice:
    items, least = f"{count:,} {modality.value}s", ListsShortlist.LEAST
    if wanted.kind == "ivf_rabitq" and 0 < count < least:
        raise ConfigError(
            f"ivf_rabitq is trained on {least:,} items at least, and there are {items}: build with --kind flat, or "
            "with --kind auto, which chooses for images and texts apart"
        )
    if wanted.kind != AUTO:
        return Choice(wanted.kind, "It was asked for.")
    points = memory_bytes("flat", count, dim)
    if points <= min(FLAT_BYTES, wanted.memory):
        return Choice("flat", f"The points of {items} are {_size(points)}, which is quickly scanned, and exactly.")
    if count >= least:
        return Choice("ivf_rabitq", f"To scan the points of {items}, {_size(points)}, would take too long.")
    return Choice("sq8", f"The points of {items} are {_size(points)}, and they are too few to train ivf_rabitq.")


def _smaller(wanted: Wanted, counts: Mapping[Modality, int], dim: int) -> str:
    """Advice: a kind that fits, where there is one."""
    for kind in ("sq8", "ivf_rabitq"):
        trained = kind != "ivf_rabitq" or all(not n or n >= ListsShortlist.LEAST for n in counts.values())
        needed = sum(memory_bytes(kind, count, dim) for count in counts.values())
        if trained and needed <= wanted.memory:
            return f"build with --kind {kind} ({_size(needed)}), or "
    return ""


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / GIB:,.1f} GiB" if count >= GIB else f"{count / 2**20:,.1f} MiB"
