"""Connections that cost little: so many at most, none that keeps the server waiting for the head of a request or sends
one without end, and queries turned away at the door while there is no room for them.

uvicorn itself waits for ever for the rest of a head, reads one of any length, and counts no connections but in answers
of its own. A refusal that went through its parser and the application would cost a millisecond: a thousand of them a
second, and those who were let in wait behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import HeadTooLargeError, OverloadedError, problem
from service.paths import COMPUTING, noun
from service.settings import Limits

_REFUSAL: Final = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_AHEAD: Final = 16
"""Requests that a connection may have sent beyond the one that is being answered."""
_LARGE: Final = 1 << 16
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
        self.answer = _written(response)


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


class _Together:
    """A transport that sends an answer's head and body as one piece, which uvicorn writes apart.

    Each piece costs a system call, and wakes the caller. What is not sent by then goes at the end of this turn of the
    event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Take a piece; a large one is sent at once, so that the transport can ask for a pause."""
        if not self._pieces:
            self._loop.call_soon(self.send)
        self._pieces.append(data)
        if len(data) > _LARGE:
            self.send()

    def close(self) -> None:
        """Close it when everything has been sent."""
        self.send()
        self._transport.close()

    def send(self) -> None:
        """Send what has been taken."""
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _TooFarAheadError(Exception):
    """A connection asks on and on without waiting for answers."""


class Connection(HttpToolsProtocol):
    """One connection: refused when there are too many, closed when a head has not come in time, or is too large."""

    limits: ClassVar[Limits]
    door: ClassVar[Door]
    _waiting: asyncio.TimerHandle | None = None
    _in_head = _in_body = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it or refuse it."""
        self._together = _Together(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._together))
        if len(self.connections) > self.limits.connections:
            self.transport.write(_REFUSAL)
            self.transport.close()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Turn a query away, or read on, and look whether a head has come."""
        if self.door.is_full() and self._is_between_requests and is_whole_query(data):
            self._turn_away()
        else:
            # Of a head that begins with these bytes they are not counted: others may stand before it.
            self._head_bytes += len(data)
            super().data_received(data)
            self._refuse_endless_head()
        self._watch()

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head has come."""
        if len(self.pipeline) >= _AHEAD:
            raise _TooFarAheadError
        self._in_head, self._in_body = False, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it has come."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Look whether a part of the next head came with the last request; read nothing more of a refused body."""
        self._together.send()
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete:
            self.transport.close()
        elif self._in_head:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _is_between_requests(self) -> bool:
        return self._is_answered and not (self._in_head or self._in_body)

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _turn_away(self) -> None:
        """Answer without the parser, which sees nothing of it; the connection is kept as after any answer."""
        self._unset_keepalive_if_required()
        self.transport.write(self.door.answer)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.door.refused()

    def _refuse_endless_head(self) -> None:
        """One that has more bytes than are allowed and goes on; a whole one is for `Gate` to judge."""
        if self._in_head and self._head_bytes > self.limits.header_bytes:
            error = HeadTooLargeError(
                f"The request's head has more than {self.limits.header_bytes:,} bytes; send less."
            )
            self.transport.write(_written(problem(error)))
            self.transport.close()

    def _watch(self) -> None:
        if not self._is_answered:
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
        if self._is_answered:
            self.transport.close()


def connection(limits: Limits, door: Door) -> type[Connection]:
    """The kind of connection with these limits and this door; uvicorn makes one of its class for each."""
    return type("LimitedConnection", (Connection,), {"limits": limits, "door": door})


def _written(response: Response) -> bytes:
    """A whole response, as it is sent."""
    head = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}\r\n".encode()
    headers = b"".join(b"%s: %s\r\n" % header for header in response.raw_headers)
    return head + headers + b"\r\n" + bytes(response.body)
