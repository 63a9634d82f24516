"""Whether a question is asked again, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from penumbra_client.errors import UnreachableError
from penumbra_client.messages import Call, Reply

_FIRST_PAUSE: Final = 0.25
"""Seconds, where a server does not say how long; twice as many each time after."""


@dataclass(frozen=True)
class Retries:
    """How often and for how long a question is asked again that a busy server turned away.

    What reads is asked again after 429, 503 and a broken connection. What changes something is asked again only when
    the server never began it: after 429, a gallery that another process had locked, or when nobody could be reached.

    Args:
        most: times at most, beyond the first.
        seconds: all pauses together, at most; a server that asks for more is not waited for.
    """

    most: int = 4
    seconds: float = 30

    def pause(
        self, call: Call[Any], outcome: Reply | UnreachableError, asked: int, paused: float, random: Callable[[], float]
    ) -> float | None:
        """Seconds until the call is sent again, or None when it is not.

        Args:
            call: the question.
            outcome: what came of it.
            asked: how often it was sent.
            paused: seconds waited between these.
            random: in [0, 1); so that clients that were turned away together do not come back together.
        """
        if asked > self.most or not _may_repeat(call, outcome):
            return None
        told = _retry_after(outcome) if isinstance(outcome, Reply) else None
        pause = (told or 0) + _FIRST_PAUSE * 2 ** (asked - 1) * random()
        return pause if paused + pause <= self.seconds else None


def _may_repeat(call: Call[Any], outcome: Reply | UnreachableError) -> bool:
    if isinstance(outcome, UnreachableError):
        return not (call.changes and outcome.sent)
    if call.changes:
        locked = outcome.status == 409 and "retry-after" in outcome.headers
        return outcome.status == 429 or locked
    return outcome.status in (429, 503)


def _retry_after(reply: Reply) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    told = reply.headers.get("retry-after", "")
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    # A date without a zone cannot be compared; HTTP has GMT alone.
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
