"""How long a caller waits for an answer: it says so in a header, and what is late is given up."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import DeadlineError, LimitError, problem

DEADLINE: Final = "X-Deadline-Ms"


class Deadlines:
    """Cancels a request that is not answered within the milliseconds of its header `X-Deadline-Ms`.

    They count from the head of the request, or from the end of its body where it has one. What waits in a queue by
    then is taken out of it and not computed. The setting `deadline_seconds` holds for all (`Engine`), so that a header
    can only shorten it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        given = Headers(scope=scope).get(DEADLINE) if scope["type"] == "http" else None
        if given is None:
            await self._app(scope, receive, send)
        elif not (given.isascii() and given.isdecimal() and len(given) < 10 and int(given)):
            wrong = LimitError(f"The header {DEADLINE} must be a whole number of milliseconds from 1; correct it.")
            await problem(wrong)(scope, receive, send)
        else:
            await self._within(int(given) / 1000, scope, receive, send)

    async def _within(self, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()

        async def read() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                deadline.reschedule(loop.time() + seconds)
            return message

        async def respond(message: Message) -> None:
            # An answer that has begun is on its way in time.
            deadline.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(None if _has_body(scope) else seconds) as deadline:
                await self._app(scope, read, respond)
        except TimeoutError:
            if not deadline.expired():
                raise
            await problem(DeadlineError.after(seconds))(scope, receive, send)


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
