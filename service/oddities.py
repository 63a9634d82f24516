"""What an audit found odd, of the items that are still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from index.exploring.audit import LISTED, Audit, Hubness, Mismatch, read_audit
from index.items import Item, Modality
from index.searching.contract import GalleryState
from models.errors import ArtifactError
from service.engine import Described, Engine, described
from service.errors import UnauditedError


class OddityKind(StrEnum):
    """What is odd about an item."""

    MISMATCHED = "mismatched"
    HUBS = "hubs"


@dataclass(frozen=True)
class Oddity:
    """An item that an audit named.

    Args:
        id: of the item.
        match_probability: of a caption with its image, or of an image's worst caption; None for a hub.
        captions: of a mismatched image: the ids of its own, with their probabilities.
        occurrences: of a hub: how many queries have it among their first answers; None for another oddity.
    """

    id: str
    match_probability: float | None = None
    captions: tuple[tuple[str, float], ...] = ()
    occurrences: int | None = None


@dataclass(frozen=True)
class ShownOddity:
    """An oddity with the items that it names."""

    oddity: Oddity
    item: Described
    captions: tuple[tuple[Item, float], ...]


@dataclass(frozen=True)
class Oddities:
    """A page of them.

    Args:
        audit: that found them.
        current: whether the gallery has not changed since.
        total: how many there are that are still in the gallery.
        shown: the page.
        hubness: of the modality, for hubs.
    """

    audit: Audit
    current: bool
    total: int
    shown: tuple[ShownOddity, ...]
    hubness: Hubness | None


def oddities(engine: Engine, kind: OddityKind, modality: Modality, limit: int, offset: int) -> Oddities:
    """A page of what is odd, the oddest first.

    Raises:
        UnauditedError: the gallery has no audit that can be read.
    """
    gallery, found = engine.gallery, _audit(engine)
    hubness = found.hubs[modality] if kind is OddityKind.HUBS else None
    listed = _mismatched(found, modality) if hubness is None else _hubs(hubness)
    there = list(_still_there(gallery, modality, listed))
    page = there[offset : offset + limit]
    items = described(gallery, modality, [row for row, _ in page])
    shown = tuple(
        ShownOddity(each, item, _captions(gallery, each)) for (_, each), item in zip(page, items, strict=True)
    )
    return Oddities(found, found.gallery == gallery.fingerprint, len(there), shown, hubness)


def _audit(engine: Engine) -> Audit:
    try:
        found = read_audit(engine.gallery.directory)
    except ArtifactError as error:
        raise UnauditedError(f"The gallery's audit cannot be used: {error}.") from error
    if found is None:
        raise UnauditedError(
            "Nobody has looked for what is odd in this gallery: run `penumbra index audit` on its folder."
        )
    return found


def _hubs(hubness: Hubness) -> Iterator[Oddity]:
    return (Oddity(hub.id, occurrences=hub.occurrences) for hub in hubness.hubs)


def _mismatched(found: Audit, modality: Modality) -> Iterable[Oddity]:
    images = [_worst(each) for each in found.mismatched]
    if modality is Modality.IMAGE:
        return images
    # Of images that are not listed a caption may match worse than one of those that are, but not than the last's worst.
    last = images[-1].match_probability if len(images) == LISTED else None
    captions = [Oddity(*caption) for each in images for caption in each.captions]
    kept = (each for each in captions if last is None or _probability(each) <= last)
    return sorted(kept, key=_probability)


def _worst(mismatch: Mismatch) -> Oddity:
    captions = tuple((each.id, each.match_probability) for each in mismatch.captions)
    return Oddity(mismatch.id, min(probability for _, probability in captions), captions)


def _probability(oddity: Oddity) -> float:
    return oddity.match_probability or 0.0


def _still_there(gallery: GalleryState, modality: Modality, listed: Iterable[Oddity]) -> Iterator[tuple[int, Oddity]]:
    """Those whose items the gallery has, with their rows."""
    for each in listed:
        found = gallery.find(each.id)
        if found is not None and found[0] is modality:
            yield found[1], each


def _captions(gallery: GalleryState, oddity: Oddity) -> tuple[tuple[Item, float], ...]:
    """The captions of an oddity that the gallery has."""
    found = [(gallery.find(identifier), probability) for identifier, probability in oddity.captions]
    there = [(place[1], probability) for place, probability in found if place and place[0] is Modality.TEXT]
    items = gallery.items(Modality.TEXT, [row for row, _ in there])
    return tuple((item, probability) for item, (_, probability) in zip(items, there, strict=True))
