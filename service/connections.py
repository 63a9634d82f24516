"""Connections that cost little: so many at most, none that keeps the server waiting for the head of a request, and
queries turned away at the door while there is no room for them.

uvicorn itself waits for ever for the rest of a head, and counts no connections but in answers of its own. A refusal
that went through its parser and the application would cost a millisecond: a thousand of them a second, and those who
were let in wait behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from service.errors import OverloadedError, problem
from service.paths import COMPUTING, noun
from service.settings import Limits

_REFUSAL: Final = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


_HEAD_END: Final = b"\r\n\r\n"
# What these ask of the server is the parser's business.
_SPECIAL: Final = frozenset({b"connection", b"expect", b"transfer-encoding", b"upgrade"})


class Door:
    """Where queries are turned away while the server is full.

    Args:
        is_full: whether one more query would be refused.
        refused: told of each that was.
    """

    def __init__(self, is_full: Callable[[], bool], refused: Callable[[], None]) -> None:
        self.is_full = is_full
        self.refused = refused
        response = problem(OverloadedError("The server has as many queries on their way as it takes; try again."))
        headers = b"".join(b"%s: %s\r\n" % header for header in response.raw_headers)
        self.answer = b"HTTP/1.1 429 Too Many Requests\r\n" + headers + b"\r\n" + bytes(response.body)


def is_whole_query(data: bytes) -> bool:
    """Whether bytes are one request for something to be computed, with all of its body, and nothing else."""
    head, end, body = data.partition(_HEAD_END)
    first, *fields = head.split(b"\r\n")
    parts = first.split(b" ")
    if not end or len(parts) != 3 or parts[2] != b"HTTP/1.1":
        return False
    if noun(parts[1].partition(b"?")[0].decode("latin-1")) not in COMPUTING:
        return False
    named = {name.strip().lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
    return named.keys().isdisjoint(_SPECIAL) and named.get(b"content-length", b"0") == b"%d" % len(body)


class Connection(H11Protocol):
    """One connection: refused when there are too many, closed when a head has not come in time."""

    limits: ClassVar[Limits]
    door: ClassVar[Door]
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
        """Turn a query away, or read on, and look whether a head has come."""
        if self.door.is_full() and self._is_between_requests and is_whole_query(data):
            self._turn_away()
        else:
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

    @property
    def _is_between_requests(self) -> bool:
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.conn.trailing_data[0]

    def _turn_away(self) -> None:
        """Answer without the parser, which sees nothing of it; the connection is kept as after any answer."""
        self._unset_keepalive_if_required()
        self.transport.write(self.door.answer)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.door.refused()

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


def connection(limits: Limits, door: Door) -> type[Connection]:
    """The kind of connection with these limits and this door; uvicorn makes one of its class for each."""
    return type("LimitedConnection", (Connection,), {"limits": limits, "door": door})
