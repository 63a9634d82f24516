"""How long the server waits for a caller: for the whole of a body, and for an answer to be taken."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import SlowBodyError, problem


class _TooSlowError(Exception):
    """The caller took longer than the server waits."""


class Patience:
    """Gives up a caller that takes more than so many seconds to send its body, or to take a piece of an answer."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._seconds)

        async def respond(message: Message) -> None:
            if body.late:
                # What the application makes of a body that never ended does not matter.
                return
            try:
                async with asyncio.timeout(self._seconds):
                    await send(message)
            except TimeoutError:
                raise _TooSlowError from None

        with suppress(_TooSlowError):
            await self._app(scope, body.receive, respond)
        if body.late:
            slow = SlowBodyError(f"The body had not come whole after {self._seconds:g} seconds; send it faster.")
            await problem(slow)(scope, receive, send)


class _Body:
    """Receives a body within so many seconds from when it is first asked for; what comes after it has time."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive, self._seconds = receive, seconds
        self._until: float | None = None
        self._whole = self.late = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.late = True
            raise _TooSlowError from None
        self._whole = not message.get("more_body", False)
        return message
