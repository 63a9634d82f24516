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
from index.searching.contract import ChangingGallery
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

    def claim(self, living: ChangingGallery, wanted: Compaction) -> bool:
        """Whether the caller is to `run` it now; true once until that has ended.

        After a failure only when as many changes more have come, so that a full disk is not tried again at every one.
        """
        changes, enough = _changes(living), float(wanted.changes)
        if changes >= enough:
            # Counted only where it matters: the items may lie elsewhere.
            enough = max(enough, wanted.share * sum(living.gallery.count(modality) for modality in Modality))
        with self._claiming:
            due = changes >= self._failed_at + enough
            if self._running or not due or self._stopping.is_set():
                return False
            self._running = True
            return True

    def run(self, name: str, living: ChangingGallery, heads: Mapping[Modality, MatchHead]) -> None:
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

    def _end(self, living: ChangingGallery, seconds: float, error: str | None) -> None:
        changes = _changes(living)
        with self._claiming:
            self._running = False
            self._failed_at = changes if error else 0
        if error:
            self.failed += 1
        else:
            self.done += 1
        self.last = Compacted(datetime.now(UTC).isoformat(timespec="seconds"), round(seconds, 3), error)

    def _go_on(self, _: str) -> None:
        if self._stopping.is_set():
            raise _StoppedError


def _changes(living: ChangingGallery) -> int:
    pending = living.pending
    return pending.added + pending.removed


class _StoppedError(Exception):
    """The server ends."""
