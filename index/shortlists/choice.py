"""Which kind of shortlist each modality gets, decided and refused before any work starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from index.items import Modality
from index.room import GIB, amount
from index.shortlists.kinds import KINDS
from models.errors import ConfigError

AUTO: Final = "auto"
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
    needed = sum(KINDS[chosen[modality].kind].memory_bytes(count, dim + 1) for modality, count in counts.items())
    if needed > wanted.memory:
        kinds = " and ".join(sorted({each.kind for each in chosen.values()}))
        raise ConfigError(
            f"shortlists of kind {kinds} take {amount(needed)} of memory for these items, more than the "
            f"{amount(wanted.memory)} allowed: {_smaller(wanted, counts, dim + 1)}raise --memory"
        )
    return chosen


def _choose(wanted: Wanted, modality: Modality, count: int, dim: int) -> Choice:
    items = f"{count:,} {modality.value}s"
    if wanted.kind != AUTO:
        if not _enough(wanted.kind, count):
            raise ConfigError(
                f"{wanted.kind} is trained on {KINDS[wanted.kind].least:,} items at least, and there are {items}: "
                "build with --kind flat, or with --kind auto, which chooses for images and texts apart"
            )
        return Choice(wanted.kind, "It was asked for.")
    points = KINDS["flat"].memory_bytes(count, dim)
    if points <= min(FLAT_BYTES, wanted.memory):
        return Choice("flat", f"The points of {items} are {amount(points)}, which is quickly scanned, and exactly.")
    if _enough("ivf_rabitq", count):
        return Choice("ivf_rabitq", f"To scan the points of {items}, {amount(points)}, would take too long.")
    return Choice("sq8", f"The points of {items} are {amount(points)}, and they are too few to train ivf_rabitq.")


def _enough(kind: str, count: int) -> bool:
    """Whether a kind can be built of so many points."""
    return not count or count >= KINDS[kind].least


def _smaller(wanted: Wanted, counts: Mapping[Modality, int], dim: int) -> str:
    """Advice: a kind that fits, where there is one."""
    for kind in ("sq8", "ivf_rabitq"):
        trained = all(_enough(kind, count) for count in counts.values())
        needed = sum(KINDS[kind].memory_bytes(count, dim) for count in counts.values())
        if trained and needed <= wanted.memory:
            return f"build with --kind {kind} ({amount(needed)}), or "
    return ""
