"""Around every request: its id, its place in the metrics, security headers, the limit of its body, bugs, hanging up."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from opentelemetry.trace import Tracer
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import logs
from service.errors import BodyTooLargeError, bug, problem
from service.metrics import Metrics
from service.tracing import NOTHING, request_span

LOGGER: Final = logging.getLogger(__name__)
REQUEST_ID: Final = "X-Request-ID"
_ACCEPTABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_CLIENT_GONE: Final = 499
"""What the metrics call a request that nobody waited for; nginx's number."""

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every response; a route may set its own value."""
# As ASGI has them: each response carries them, and Starlette's mappings look through all headers for each.
_SECURITY: Final = [(name.lower().encode(), value.encode()) for name, value in SECURITY.items()]
_REQUEST_ID: Final = REQUEST_ID.lower().encode()


class RequestContext:
    """Names, measures and protects every request, and turns what nobody foresaw into a 500 that is logged once."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracer: Tracer = NOTHING) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status, notes = _request_id(scope), perf_counter(), 0, logs.begin()

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id)
            await send(message)

        with request_span(self._tracer, scope, request_id) as told:
            try:
                await self._app(scope, receive, respond)
            except Exception:
                LOGGER.exception("%s %s failed, request %s", _method(scope), _route(scope), request_id)
                if not status:
                    await bug(request_id)(scope, receive, respond)
            finally:
                status, seconds = status or _CLIENT_GONE, perf_counter() - started
                told |= {"http.route": _route(scope), "http.response.status_code": status}
                self._metrics.request(_method(scope), _route(scope), status, seconds)
                logs.request(_line(scope, request_id, status, seconds) | notes)


class Departures:
    """Gives up a request whose client has gone once its body has been read, so that nothing is computed for nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(receive, send)
        try:
            await self._app(scope, watch.receive, watch.send)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            watch.answering.uncancel()
        finally:
            watch.end()


class _Watch:
    """Looks out for the end of a connection while the current task answers, and cancels that task."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._lookout: asyncio.Task[None] | None = None
        self._answered = self.gone = False
        task = asyncio.current_task()
        assert task is not None
        self.answering = task

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._lookout = asyncio.create_task(self._look_out())
        return message

    async def send(self, message: Message) -> None:
        self._answered = self._answered or not message.get("more_body", message["type"] == "http.response.start")
        await self._send(message)

    def end(self) -> None:
        if self._lookout is not None:
            self._lookout.cancel()

    async def _look_out(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._answered:
            self.gone = True
            self.answering.cancel()


class BodyLimit:
    """Refuses a body that is too large: by its Content-Length, or as soon as more than that has come."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._declares_too_much(scope):
            await self._refusal()(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _CountedBody(receive, self._limit)

        async def respond(message: Message) -> None:
            # What the application makes of its cut off body does not matter.
            if not body.exceeded:
                await send(message)

        with suppress(_BodyCutOffError):
            await self._app(scope, body.receive, respond)
        if body.exceeded:
            await self._refusal()(scope, receive, send)

    def _declares_too_much(self, scope: Scope) -> bool:
        declared = Headers(scope=scope).get("content-length", "0")
        return not declared.isdecimal() or int(declared) > self._limit

    def _refusal(self) -> Response:
        return problem(
            BodyTooLargeError(f"The body has more than the {self._limit:,} bytes allowed; send a smaller one.")
        )


class _BodyCutOffError(Exception):
    """The application read beyond the limit."""


class _CountedBody:
    """Receives a body up to a limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    @property
    def exceeded(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        if self.exceeded:
            raise _BodyCutOffError
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self.exceeded:
            raise _BodyCutOffError
        return message


def _request_id(scope: Scope) -> str:
    """The caller's own, where it is fit for a log; else a new one."""
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _ACCEPTABLE_ID.fullmatch(given) else uuid4().hex


def _add_headers(message: Message, request_id: str) -> None:
    raw = message["headers"]
    set_by_route = {name.lower() for name, _ in raw}
    raw += [header for header in _SECURITY if header[0] not in set_by_route]
    raw.append((_REQUEST_ID, request_id.encode()))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _KNOWN_METHODS else "other"


def _line(scope: Scope, request_id: str, status: int, seconds: float) -> dict[str, Any]:
    """What the log says of a request. Its path is not in it: texts stand there too."""
    return {
        "id": request_id,
        "key": scope.get("state", {}).get("key"),
        "method": _method(scope),
        "route": _route(scope),
        "status": status,
        "milliseconds": round(1000 * seconds, 3),
    }


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "none"))
