"""A gallery that changes while it is searched.

A change is checked, recorded in the journal, forced to the disk, and only then seen: it gives a new state, and a search
that began before goes on in the old one. Nothing that searches ever waits for a change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from index.building.compaction import clear_leftovers, folder_of, rebuilt
from index.changes.catalogue import Pending
from index.changes.change import Addition, Change, addition, removal, replacement
from index.changes.journal import JOURNAL, Journal, Opening, Recorded, create_journal, read_journal
from index.changes.lock import Lock
from index.items import Modality
from index.local.gallery import Gallery
from models.artifact import publish, writing
from models.errors import ChangeError
from models.match import MatchHead


class LivingGallery:
    """A gallery on disk and the right to change it, from any thread; `open` makes one.

    Args:
        gallery: its state.
        journal: where changes are recorded.
        generation: how often it was compacted.
        lock: kept from other processes.
    """

    def __init__(self, gallery: Gallery, journal: Journal, generation: int, lock: Lock) -> None:
        self.directory = gallery.directory
        self._gallery = gallery
        self._journal = journal
        self._generation = generation
        self._lock = lock
        self._changing = threading.Lock()
        self._compacting = threading.Lock()

    @classmethod
    def open(cls, directory: Path, *, model: str | None = None) -> Self:
        """Open a gallery for searches and changes, with all changes that were ever acknowledged.

        Args:
            directory: that of `index.building.build.build`.
            model: the fingerprint of the model that will answer with it, or None to check none.

        Raises:
            LockedError: another process changes it.
            ArtifactError: it is damaged, another model's, or its folder cannot be written to.
        """
        directory = directory.resolve()
        lock = Lock(directory)
        try:
            with writing(directory):
                clear_leftovers(directory)
            built = Gallery.built(directory, model=model)
            recorded = _read_or_create(directory, built.fingerprint)
            journal = Journal(directory / JOURNAL, recorded.end)
            return cls(built.replayed(recorded), journal, recorded.opening.generation, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def gallery(self) -> Gallery:
        """Its state at this moment, which stays as it is."""
        return self._gallery

    @property
    def pending(self) -> Pending:
        """What changed since it was built or compacted."""
        return self._gallery.pending

    @property
    def generation(self) -> int:
        """How often it was compacted."""
        return self._generation

    @property
    def in_place(self) -> bool:
        """Whether its folder is still its own, and no other program has put another gallery there."""
        with self._changing:
            return self._journal.in_place

    def add(self, additions: Sequence[Addition]) -> None:
        """Add items, all or none; returns when they are on the disk, and searches see them from then on.

        Raises:
            ChangeError: see `index.changes.change.addition`; or the gallery was built before additions could be made to
                it.
            ArtifactError: the journal cannot be written.
        """
        self._change(lambda: addition(self._gallery, additions))

    def replace(self, additions: Sequence[Addition]) -> None:
        """Put items in the place of those with the same ids, all or none, as `add` does.

        An image keeps its captions, unless captions of it come with it: then these are all it has.

        Raises:
            ChangeError, UnknownIdError: see `index.changes.change.replacement`.
            ArtifactError: the journal cannot be written.
        """
        self._change(lambda: replacement(self._gallery, additions))

    def remove(self, identifiers: Sequence[str]) -> None:
        """Remove items, all or none; an image takes its captions with it.

        Raises:
            UnknownIdError: there is no item of an id.
            ArtifactError: the journal cannot be written.
        """
        self._change(lambda: removal(self._gallery, identifiers))

    def compact(self, heads: Mapping[Modality, MatchHead], tell: Callable[[str], None] = lambda _: None) -> None:
        """Build the gallery anew with its changes, and put it in the old one's place in one step.

        Searches and changes go on meanwhile. Interrupted at any moment it leaves the old one or the new one, with all
        changes.

        Args:
            heads: the match head of the direction in which each modality answers: `index.building.build.match_heads`.
            tell: told, in sentences, what takes long.

        Raises:
            ChangeError: it is being compacted already.
            ArtifactError: the new one cannot be written; the old one stays.
        """
        if not self._compacting.acquire(blocking=False):
            raise ChangeError("The gallery is being compacted already: wait until that ends.")
        try:
            with self._changing:
                start, mark = self._gallery, self._journal.end
            new = rebuilt(start, heads, folder_of(self.directory), tell)
            with self._changing, writing(self.directory):
                self._switch(new, mark)
        finally:
            self._compacting.release()

    def close(self) -> None:
        """Let others change it; searches that still run end with an error."""
        with self._compacting, self._changing:
            self._journal.close()
            self._gallery.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _change(self, planned: Callable[[], Change]) -> None:
        with self._changing:
            change = planned()
            for modality in {each.item.modality for each in change.added}:
                self._gallery.require_liftable(modality)
            if change.added or change.removed:
                self._gallery = self._gallery.changed([self._journal.append(change)])

    def _switch(self, new: Gallery, mark: int) -> None:
        """Put a new generation in place, with what was recorded after `mark`, when its building began."""
        opening = Opening(new.fingerprint, self._generation + 1)
        recorded = create_journal(new.directory, opening, self._journal.since(mark))
        gallery = new.moved(self.directory).replayed(recorded)
        publish(new.directory, self.directory)
        self._journal.close()
        self._gallery, self._journal = gallery, Journal(self.directory / JOURNAL, recorded.end)
        self._generation = recorded.opening.generation


def _read_or_create(directory: Path, fingerprint: str) -> Recorded:
    """The journal of a gallery as it was built; a new one where there is none."""
    return read_journal(directory / JOURNAL) or create_journal(directory, Opening(fingerprint))
