"""The application: `create_app` builds all of it from settings, `serve` runs it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import uvicorn
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models.errors import PenumbraError
from service.api import info, items, page, probes, search, uncertainty
from service.engine import Engine
from service.errors import KINDS, problem
from service.metrics import Metrics
from service.middleware import BodyLimit, RequestContext
from service.settings import Settings
from service.state import State

LOGGER: Final = logging.getLogger(__name__)
BAD_ARTIFACT: Final = 2
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
    app.add_middleware(RequestContext, metrics=state.metrics)
    return app


def serve(settings: Settings) -> None:
    """Serve until told to stop, then finish what has begun.

    Raises:
        SystemExit: with code 2 and one sentence on stderr, before the port is opened, when the model or the gallery
            cannot be used.
    """
    try:
        app = create_app(settings)
    except PenumbraError as error:
        print(error, file=sys.stderr)
        raise SystemExit(BAD_ARTIFACT) from error
    patience = int(settings.limits.deadline_seconds) + 1
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        server_header=False,
        timeout_graceful_shutdown=patience,
    )


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
