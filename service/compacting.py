"""A gallery built anew with its changes in the background, when there are many of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Lock
from time import perf_counter
from typing import Final

from index.items import Modality
from index.living import LivingGallery
from models.match import MatchHead
from service.errors import sentence
from service.settings import Compaction

LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compacted:
    """What came of a compaction.

    Args:
        at: when it ended, UTC, ISO 8601.
        seconds: how long it took.
        error: why it failed, in a sentence, so that the changes wait on; None where it did not.
    """

    at: str
    seconds: float
    error: str | None


class Compactor:
    """Decides when a gallery is built anew, and does it in the thread that calls `run`."""

    def __init__(self) -> None:
        self.last: Compacted | None = None
        self.done = self.failed = 0
        self._claiming = Lock()
        self._running = False
        self._stopping = Event()
        self._failed_at = 0

    @property
    def running(self) -> bool:
        """Whether the gallery is being built anew, or about to be."""
        return self._running

    def claim(self, living: LivingGallery, wanted: Compaction) -> bool:
        """Whether the caller is to `run` it now; true once until that has ended.

        After a failure only when as many changes more have come, so that a full disk is not tried again at every one.
        """
        pending, size = living.pending, sum(living.gallery.count(modality) for modality in Modality)
        enough = max(wanted.changes, wanted.share * size)
        with self._claiming:
            due = pending.added + pending.removed >= self._failed_at + enough
            if self._running or not due or self._stopping.is_set():
                return False
            self._running = True
            return True

    def run(self, name: str, living: LivingGallery, heads: Mapping[Modality, MatchHead]) -> None:
        """Build the gallery anew; raises nothing, `last` says what came of it."""
        started = perf_counter()
        try:
            living.compact(heads, self._go_on)
        except _StoppedError:
            LOGGER.info("The compaction of the gallery %r was broken off; its changes are kept", name)
        except Exception as error:
            LOGGER.exception("The gallery %r was not compacted; its changes are kept", name)
            self._end(living, perf_counter() - started, sentence(error))
        else:
            self._end(living, perf_counter() - started, None)
            LOGGER.info("The gallery %r was compacted into generation %d", name, living.generation)

    def stop(self) -> None:
        """Break off at the next step; the changes are in the journal."""
        self._stopping.set()

    def _end(self, living: LivingGallery, seconds: float, error: str | None) -> None:
        pending = living.pending
        with self._claiming:
            self._running = False
            self._failed_at = pending.added + pending.removed if error else 0
        if error:
            self.failed += 1
        else:
            self.done += 1
        self.last = Compacted(datetime.now(UTC).isoformat(timespec="seconds"), round(seconds, 3), error)

    def _go_on(self, _: str) -> None:
        if self._stopping.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """The server ends."""
