"""The gallery in a folder as one server has it: searched always, and changed where the server may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final, Self

from index.lifecycle.opening import open_for_changes, open_gallery
from index.searching.contract import ChangingGallery, GalleryState, OpenGallery
from models.errors import LockedError, PenumbraError
from service.compacting import Compactor
from service.errors import ReadOnlyError

READ_ONLY: Final = "This server does not change its galleries; start it with --writable if it is to."


class Holding:
    """A gallery and, from when nobody else has it, the right to change it; `open` makes one.

    Engines share it where a gallery is swapped for itself, with another calibration: there is one right only.

    Args:
        gallery: what is searched until the right to change is had.
        model: the fingerprint of its model.
        writable: whether the right is wanted at all.
    """

    def __init__(self, gallery: OpenGallery, model: str, writable: bool) -> None:
        self.directory = gallery.directory
        self.users = 1
        self._reading = gallery
        self._model = model
        self._writable = writable
        self._refusal: str | None = None if writable else READ_ONLY
        self._living: ChangingGallery | None = None
        self.compactor = Compactor()
        self._taking = Lock()
        # Changes wait for the disk in a thread of their own, so that nothing that searches ever does.
        self.writer = ThreadPoolExecutor(1, "writer")

    @classmethod
    def open(cls, directory: Path, model: str, writable: bool) -> Self:
        """Open a gallery, for changes too where that is wanted and no other process changes it.

        Raises:
            ArtifactError: it is damaged, another model's, or it is to be changed and its folder cannot be written to.
        """
        holding = cls(open_gallery(directory, model=model), model, writable)
        try:
            holding.take()
        except BaseException:
            holding.close()
            raise
        return holding

    @property
    def gallery(self) -> GalleryState:
        """Its state at this moment."""
        return self._reading.gallery if self._living is None else self._living.gallery

    def check(self) -> None:
        """Raise `UnavailableError` where what it lies in does not answer now."""
        self._reading.check()

    @property
    def living(self) -> ChangingGallery | None:
        """The same with the right to change it; None while that is not had."""
        return self._living

    @property
    def refusal(self) -> str | None:
        """Why it was not changed when that was last tried, in a sentence; None where it may be."""
        return self._refusal

    def require_writable(self) -> None:
        """Raise `ReadOnlyError` where the right to change it is not wanted."""
        if not self._writable:
            raise ReadOnlyError(READ_ONLY)

    def changeable(self) -> ChangingGallery:
        """The gallery with the right to change it, taken now where it was another's until now.

        Raises:
            ReadOnlyError: the server was not told to change galleries.
            LockedError: another process has the right.
            ArtifactError: the gallery was damaged meanwhile, or its folder cannot be written to.
        """
        self.require_writable()
        with self._taking:
            if self._living is None:
                self._living = self._taken()
            return self._living

    def _taken(self) -> ChangingGallery:
        try:
            living = open_for_changes(self.directory, model=self._model)
        except PenumbraError as error:
            self._refusal = str(error)
            raise
        self._refusal = None
        return living

    def take(self) -> None:
        """Take the right to change it, if it is wanted and nobody else has it; raises the `ArtifactError` of that."""
        if self._writable:
            with suppress(LockedError):
                self.changeable()

    def is_still(self, directory: Path) -> bool:
        """Whether a folder holds this very gallery, and nobody else can have changed it."""
        living = self._living
        return living is not None and directory == self.directory and living.in_place

    def close(self) -> None:
        """End one use; after the last one, finish the change that has begun and let others change it."""
        self.users -= 1
        if self.users:
            return
        self.compactor.stop()
        self.writer.shutdown()
        with self._taking:
            if self._living is not None:
                self._living.close()
            self._reading.close()
