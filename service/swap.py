"""One try to serve what lies in a gallery's folder now: opened and warmed beside what is served, then switched to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from models.errors import PenumbraError
from service.engine import Engine
from service.errors import sentence
from service.settings import Settings

LOGGER: Final = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What came of a swap."""

    SWITCHED = "switched"
    REFUSED = "refused"


@dataclass(frozen=True)
class Swap:
    """What came of one try.

    Args:
        at: when it ended, UTC, ISO 8601.
        outcome: whether the new one answers now.
        before: fingerprint of the gallery that answered until then, and goes on where the new one is refused.
        after: fingerprint of the new one; None where it could not be opened.
        error: why it was refused, in a sentence; None where it was not.
    """

    at: str
    outcome: Outcome
    before: str
    after: str | None
    error: str | None

    @classmethod
    def switched(cls, before: str, after: str) -> Self:
        """The new one answers."""
        return cls(_now(), Outcome.SWITCHED, before, after, None)

    @classmethod
    def refused(cls, before: str, error: Exception) -> Self:
        """The old one goes on."""
        return cls(_now(), Outcome.REFUSED, before, None, sentence(error))


async def open_beside(served: Engine, settings: Settings) -> Engine:
    """What lies in the folder of a served gallery now, ready to answer.

    Raises:
        ArtifactError: it is damaged, or not made by its model.
    """
    workers = served.workers
    engine = await workers.open(Engine.open, served.place, workers, settings, served)
    try:
        await engine.warm_up()
    except BaseException:
        workers.retire(engine.close)
        raise
    return engine


def report(name: str, swap: Swap, error: Exception | None) -> None:
    """Tell the log; an error that nobody foresaw with its traceback."""
    if error is None:
        LOGGER.info("The gallery %r was swapped: %.12s answers, no longer %.12s", name, swap.after, swap.before)
        return
    unforeseen = None if isinstance(error, PenumbraError) else error
    LOGGER.error(
        "The gallery %r was not swapped, %.12s goes on answering: %s",
        name,
        swap.before,
        swap.error,
        exc_info=unforeseen,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
