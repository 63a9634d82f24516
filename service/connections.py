"""Connections that cost little: so many at most, and none that keeps the server waiting for the head of a request.

uvicorn itself waits for ever for the rest of a head, and counts no connections but in answers of its own.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from service.settings import Limits

_REFUSAL: Final = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection(H11Protocol):
    """One connection: refused when there are too many, closed when a head has not come in time."""

    limits: ClassVar[Limits]
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it or refuse it."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.write(_REFUSAL)
            transport.close()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on, and look whether a head has come."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Look whether a part of the next head came with the last request."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(self.limits.head_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        # A request may have come, and been answered, within one read.
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def connection(limits: Limits) -> type[Connection]:
    """The kind of connection with these limits; uvicorn makes one of its class for each."""
    return type("LimitedConnection", (Connection,), {"limits": limits})
