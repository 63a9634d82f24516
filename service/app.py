"""The application: `create_app` builds all of it from settings, `serve` runs it."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import uvicorn
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models.errors import ConfigError, PenumbraError
from service.api import info, items, page, probes, search, uncertainty
from service.engine import Engine
from service.errors import KINDS, problem
from service.metrics import Metrics
from service.middleware import BodyLimit, Departures, RequestContext
from service.settings import Settings
from service.state import State

LOGGER: Final = logging.getLogger(__name__)
CANNOT_START: Final = 2
"""The exit code when the server cannot start with what it was given."""


def create_app(settings: Settings) -> FastAPI:
    """Load the model and the gallery, and put the routes in front of them.

    Raises:
        ArtifactError: the model or the gallery is missing, damaged, or they do not belong together.
    """
    engine = Engine.open(settings)
    state = State(settings, engine, Metrics(engine))
    app = FastAPI(
        title="Penumbra",
        version=info.package_version(),
        summary="Image-text retrieval whose score means something.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.service = state
    for module in (search, uncertainty, items, info, probes, page):
        app.include_router(module.router)
    for kind in (*KINDS, HTTPException):
        app.add_exception_handler(kind, _answer_problem)
    app.add_middleware(BodyLimit, limit=settings.limits.bytes)
    app.add_middleware(Departures)
    app.add_middleware(RequestContext, metrics=state.metrics)
    return app


def serve(settings: Settings) -> None:
    """Serve until told to stop, then finish what has begun.

    Raises:
        SystemExit: with code 2 and one sentence on stderr, before anybody can connect, when the port is taken, or the
            model or the gallery cannot be used.
    """
    try:
        with _bind(settings.host, settings.port) as door:
            config = uvicorn.Config(
                create_app(settings),
                host=settings.host,
                port=settings.port,
                server_header=False,
                timeout_graceful_shutdown=int(settings.limits.deadline_seconds) + 1,
            )
            # Ctrl-C is how a server is stopped; it has finished its requests by the time that this is raised.
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run([door])
    except PenumbraError as error:
        print(error, file=sys.stderr)
        raise SystemExit(CANNOT_START) from error


def _bind(host: str, port: int) -> socket.socket:
    """A socket that has the address and does not listen yet, so that a taken port is known before a model is loaded."""
    door = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, protocol)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
    except OSError as error:
        if door is not None:
            door.close()
        raise ConfigError(
            f"Port {port} of {host} cannot be opened ({error.strerror}): choose another, or stop what listens there."
        ) from error
    return door


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm up beside the first probes; at the end, finish what has begun."""
    state: State = app.state.service
    warming = asyncio.create_task(_warm_up(state))
    try:
        yield
    finally:
        warming.cancel()
        with suppress(asyncio.CancelledError):
            await warming
        state.engine.close()


async def _warm_up(state: State) -> None:
    try:
        await state.engine.warm_up()
    except Exception:
        LOGGER.exception("The warm-up failed; /readyz stays at 503")
    else:
        state.ready = True


async def _answer_problem(_: Request, error: Exception) -> Response:
    return problem(error)
