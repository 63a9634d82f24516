"""Refuses at once what is too much: a head too large, more requests than the server holds, queries when it is full."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.admission import Admission
from service.errors import HeadTooLargeError, OverloadedError, problem
from service.paths import PROBES, takes_place
from service.settings import Limits


class Gate:
    """Lets a request in while there is room, before its body is read or parsed; probes always.

    Args:
        app: what is behind.
        limits: of heads and of requests.
        admission: of queries; asked for what takes a place among them.
    """

    def __init__(self, app: ASGIApp, limits: Limits, admission: Admission) -> None:
        self._app, self._limits, self._admission = app, limits, admission
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        try:
            self._check_head(scope)
            self._check_room(scope["method"], scope["path"])
        except (HeadTooLargeError, OverloadedError) as error:
            await problem(error)(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1

    def _check_head(self, scope: Scope) -> None:
        headers, limits = scope["headers"], self._limits
        size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in headers)
        if len(headers) > limits.headers or size > limits.header_bytes:
            raise HeadTooLargeError(
                f"The request's head has {len(headers):,} headers and {size:,} bytes, and {limits.headers:,} and "
                f"{limits.header_bytes:,} are allowed; send less."
            )

    def _check_room(self, method: str, path: str) -> None:
        if self._inside >= self._limits.requests:
            raise OverloadedError(f"The server has {self._inside} requests on their way; try again in a second.")
        if takes_place(method, path) and self._admission.full:
            raise self._admission.refuse()
