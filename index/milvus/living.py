"""Changes of a gallery that lies in Milvus, from any of the servers that answer with it.

A change is checked against what is there, and then made in calls that each leave a gallery that can be searched: what
comes first, images before their captions, then what goes. One that breaks off in between is not acknowledged, and made
again it ends as it should. There are no transactions between servers: of two changes of one item the later one stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from typing import Final, Self

from index.changes.catalogue import Pending
from index.changes.change import Addition, Change, addition, removal, replacement
from index.files.manifest import read_manifest
from index.items import Item, Modality
from index.milvus.facts import any_of, digest
from index.milvus.gallery import MilvusGallery, Moment
from index.milvus.record import GAUSSIAN, ITEM, Fields, Record, entity, points
from models.errors import UnsupportedError
from models.match import MatchHead

TOGETHER: Final = 500
"""Items that are looked up or written in one call."""


class MilvusLiving:
    """A gallery in Milvus and the means to change it, from any thread.

    Args:
        gallery: open for searches; closed with this.
    """

    def __init__(self, gallery: MilvusGallery) -> None:
        self._reading = gallery
        self._changing = threading.Lock()

    @property
    def gallery(self) -> Moment:
        """Its state at this moment."""
        return self._reading.gallery

    @property
    def pending(self) -> Pending:
        """Nothing: a change is in the index when it is stored."""
        return self.gallery.pending

    @property
    def generation(self) -> int:
        """Milvus compacts what it holds by itself."""
        return 0

    @property
    def in_place(self) -> bool:
        """Whether its folder is still of the same gallery."""
        return read_manifest(self._reading.directory).fingerprint == self.gallery.fingerprint

    def add(self, additions: Sequence[Addition]) -> None:
        """Add items; returns when they are stored, and searches by any server see them from then on.

        Raises:
            ChangeError: see `index.changes.change.addition`.
            UnavailableError: Milvus did not answer; some of them may be there.
        """
        self._change(additions, lambda there: addition(there, additions))

    def replace(self, additions: Sequence[Addition]) -> None:
        """Put items in the place of those with the same ids; raises as `add` does, and `UnknownIdError`."""
        self._change(additions, lambda there: replacement(there, additions))

    def remove(self, identifiers: Sequence[str]) -> None:
        """Remove items; an image takes its captions with it; raises `UnknownIdError`, `UnavailableError`."""
        self._change((), lambda there: removal(there, identifiers), identifiers)

    def compact(self, heads: Mapping[Modality, MatchHead], tell: Callable[[str], None] = lambda _: None) -> None:
        """Raises `UnsupportedError`."""
        raise UnsupportedError("Milvus compacts what it holds by itself; there is nothing to build anew.")

    def close(self) -> None:
        """End the connection."""
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _change(
        self, additions: Sequence[Addition], planned: Callable[[Moment], Change], removed: Sequence[str] = ()
    ) -> None:
        with self._changing:
            there = self.gallery
            named = [*removed, *(each.item.id for each in additions), *(each.item.image_id or "" for each in additions)]
            for start in range(0, len(named), TOGETHER):
                there.look_up(named[start : start + TOGETHER])
            self._make(there, planned(there))

    def _make(self, there: Moment, change: Change) -> None:
        collection, images = self._reading.collection, self._images(there, change.added)
        # Rows tell the order in which items came, to all servers: those built have the numbers from 0 on.
        first = time_ns()
        for modality in Modality:
            coming = [
                (first + place, each) for place, each in enumerate(change.added) if each.item.modality is modality
            ]
            for start in range(0, len(coming), TOGETHER):
                entities = [self._entity(row, each, images) for row, each in coming[start : start + TOGETHER]]
                collection.put(modality, entities)
        self._describe_anew(change, images)
        staying = {each.item.id for each in change.added}
        going = [digest(each) for each in change.removed if each not in staying]
        for start in range(0, len(going), TOGETHER):
            collection.remove(going[start : start + TOGETHER])

    def _images(self, there: Moment, added: Sequence[Addition]) -> dict[str, Item]:
        """The images that captions of a change are described by, as they will be."""
        images = {each.item.id: each.item for each in added if each.item.modality is Modality.IMAGE}
        for name in {each.item.image_id for each in added if each.item.image_id} - images.keys():
            if (found := there.find(name)) is not None and found[0] is Modality.IMAGE:
                [images[name]] = there.items(Modality.IMAGE, [found[1]])
        return images

    def _entity(self, row: int, each: Addition, images: dict[str, Item]) -> Fields:
        record = Record(row, each.item, each.gaussian)
        return self._written(record, each.jpeg, images.get(each.item.image_id or "", each.item))

    def _written(self, record: Record, jpeg: bytes | None, described: Item) -> Fields:
        """With its log-variances as they are: what comes later is stored in float32, as in a gallery on disk."""
        gaussian = record.gaussian
        lift = self.gallery.manifest.shortlists[record.item.modality].lift
        [point] = points(gaussian[None], lift)
        return entity(record, point, gaussian.log_variance.numpy().astype("<f4").tobytes(), jpeg, described)

    def _describe_anew(self, change: Change, images: dict[str, Item]) -> None:
        """Captions that stay with an image that is replaced are found by what this one says."""
        replaced = {each for each in change.removed if each in images}
        gone = {*change.removed, *(each.item.id for each in change.added)}
        collection, code = self._reading.collection, self._reading.local.codes[Modality.TEXT]
        entities = collection.query(any_of("image_id", sorted(replaced)), (*ITEM, *GAUSSIAN), Modality.TEXT)
        staying = [each for each in entities if each["id"] not in gone] if replaced else []
        for start in range(0, len(staying), TOGETHER):
            records = code.records(Modality.TEXT, staying[start : start + TOGETHER])
            collection.put(
                Modality.TEXT, [self._written(each, None, images[each.item.image_id or ""]) for each in records]
            )
