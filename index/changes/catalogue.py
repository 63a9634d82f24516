"""What the rows of a changed gallery stand for: the items that were built, less those removed, and those added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from index.changes.change import Addition, Change
from index.items import REMEDY, Item, ItemStore, Modality
from models.errors import ArtifactError

_NOTHING: Mapping[Modality, tuple[Addition, ...]] = dict.fromkeys(Modality, ())


@dataclass(frozen=True)
class Pending:
    """What changed since a gallery was built: items that came and are there, and items built that are not.

    An item that was replaced counts as both.
    """

    added: int
    removed: int


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items of a gallery; a change gives another one.

    Args:
        store: the items built.
        counts: how many of each modality.
        added: the items that came, in the order of their rows.
        places: of those that came and are there: the modality, and the place among `added`.
        gone: ids of items built that were removed.
    """

    store: ItemStore
    counts: Mapping[Modality, int]
    added: Mapping[Modality, tuple[Addition, ...]] = field(default_factory=lambda: _NOTHING)
    places: Mapping[str, tuple[Modality, int]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    def changed(self, changes: Iterable[Change]) -> tuple[Catalogue, Mapping[Modality, list[int]]]:
        """The items after more changes, and the rows that these empty."""
        places, gone = dict(self.places), set(self.gone)
        added = {modality: list(items) for modality, items in self.added.items()}
        emptied: dict[Modality, list[int]] = {modality: [] for modality in Modality}
        for change in changes:
            for identifier in change.removed:
                came = places.pop(identifier, None)
                if came is None:
                    gone.add(identifier)
                modality, row = self.built(identifier) if came is None else (came[0], came[1] + self.counts[came[0]])
                emptied[modality].append(row)
            for each in change.added:
                places[each.item.id] = each.item.modality, len(added[each.item.modality])
                added[each.item.modality].append(each)
        grown = {modality: tuple(items) for modality, items in added.items()}
        return Catalogue(self.store, self.counts, grown, places, frozenset(gone)), emptied

    @property
    def pending(self) -> Pending:
        """How many items came, and how many went."""
        return Pending(len(self.places), len(self.gone))

    def items(self, modality: Modality, rows: Sequence[int]) -> tuple[Item, ...]:
        """The items of rows, in their order; raises `IndexError` when there is no such row."""
        built = self.counts[modality]
        stored = iter(self.store.items(modality, [row for row in rows if row < built]))
        return tuple(next(stored) if row < built else self.added[modality][row - built].item for row in rows)

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None when there is none of this id."""
        place = self.places.get(identifier)
        if place is not None:
            return place[0], place[1] + self.counts[place[0]]
        return None if identifier in self.gone else self.store.find(identifier)

    def built(self, identifier: str) -> tuple[Modality, int]:
        """Where an item is that was built and that a change removes; raises `ArtifactError` where there is none."""
        found = self.store.find(identifier)
        if found is None:
            raise ArtifactError(f"a change removes {identifier!r}, which the gallery does not have: {REMEDY}")
        return found

    def came(self, identifier: str) -> Addition | None:
        """An item that came since and is there, or None for any other."""
        place = self.places.get(identifier)
        return None if place is None else self.added[place[0]][place[1]]

    def picture(self, identifier: str) -> bytes | None:
        """The JPEG of an image, or None when there is none of this id."""
        came = self.came(identifier)
        if came is not None:
            return came.jpeg
        return None if identifier in self.gone else self.store.picture(identifier)

    def captions(self, image: str) -> tuple[str, ...]:
        """The ids of an image's captions, in the order of their rows."""
        stored = (each for each in self.store.captions(image) if each not in self.gone)
        texts = self.added[Modality.TEXT]
        came = (
            name
            for name, (modality, place) in self.places.items()
            if modality is Modality.TEXT and texts[place].item.image_id == image
        )
        return *stored, *came
