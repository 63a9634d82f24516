"""The application: `create_app` builds all of it from settings, `serve` runs it."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import uvicorn
from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from index.threads import pin
from models.errors import ConfigError, PenumbraError
from service.access import Access, check_exposure, scope_of
from service.api import attention, changes, galleries, info, items, oddities, page, probes, search, uncertainty
from service.api.document import with_keys
from service.api.places import PREFIX, in_path
from service.connections import Door, connection
from service.deadlines import DEADLINE, Deadlines
from service.errors import KINDS, problem
from service.galleries import Galleries
from service.garbage import settle
from service.gate import Gate
from service.hangup import on_hangup
from service.hosts import names
from service.keys import Keys, Scope
from service.logs import configuration
from service.metrics import Metrics
from service.middleware import REQUEST_ID, BodyLimit, Departures, RequestContext
from service.patience import Patience
from service.settings import Settings
from service.state import State
from service.tracing import collector

LOGGER: Final = logging.getLogger(__name__)
CANNOT_START: Final = 2
"""The exit code when the server cannot start with what it was given."""
SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep the interpreter while another one waits for it."""


def create_app(settings: Settings) -> FastAPI:
    """Load the model and the gallery, and put the routes in front of them.

    Raises:
        ArtifactError: the model or the gallery is missing, damaged, or they do not belong together.
        ConfigError: the keys cannot be read.
    """
    opened = Galleries.open(settings)
    state = State(settings, opened, Metrics(opened), collector(settings.traces))
    app = FastAPI(
        title="Penumbra",
        version=info.package_version(),
        summary="Image-text retrieval whose score means something.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.service = state
    for module in (search, uncertainty, attention, oddities, items, changes, info, galleries):
        app.include_router(module.router)
        app.include_router(module.router, prefix=PREFIX, dependencies=[Depends(in_path)])
    for module in (probes, page):
        app.include_router(module.router)
    for kind in (*KINDS, HTTPException):
        app.add_exception_handler(kind, _answer_problem)
    limits = settings.limits
    app.add_middleware(BodyLimit, limit=limits.bytes)
    app.add_middleware(Departures)
    app.add_middleware(Deadlines)
    app.add_middleware(Patience, seconds=limits.body_seconds)
    app.add_middleware(Gate, limits=limits, admission=opened.workers.admission)
    _guard(app, settings)
    app.add_middleware(RequestContext, metrics=state.metrics, tracer=state.tracer)
    return app


def _guard(app: FastAPI, settings: Settings) -> None:
    """Keys, and the sites that may ask; preflights carry no key, so that they are answered first."""
    keys = None if settings.keys is None else Keys.read(settings.keys)
    metrics = None if settings.metrics_scope == "none" else Scope(settings.metrics_scope)
    if keys is not None:
        app.openapi_schema = with_keys(app.openapi(), partial(scope_of, metrics=metrics))
    app.add_middleware(Access, keys=keys, hosts=names(settings), origins=settings.cors_origins, metrics=metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", DEADLINE, REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After", "Server-Timing"],
        )


def door_of(state: State) -> Door:
    """Turns queries away without a line in the log; they are counted like those that the application refuses."""
    admission = state.galleries.workers.admission

    def refused() -> None:
        admission.refuse()
        state.metrics.request("ANY", "turned away", 429, 0)

    return Door(lambda: admission.full, refused)


def serve(settings: Settings) -> None:
    """Serve until told to stop, then finish what has begun.

    Raises:
        SystemExit: with code 2 and one sentence on stderr, before anybody can connect, when the port is taken, the
            address is open to others without keys, or the model, the gallery or the keys cannot be used.
    """
    try:
        check_exposure(settings)
        with _bind(settings.host, settings.port) as door:
            app = create_app(settings)
            settle()
            config = uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=configuration(),
                http=connection(settings.limits, door_of(app.state.service)),
                server_header=False,
                # Nothing here depends on whom a proxy says that it asks for.
                proxy_headers=False,
                # uvicorn would put its line together before it is told that nobody wants it.
                access_log=False,
                timeout_keep_alive=settings.limits.keep_alive_seconds,
                timeout_graceful_shutdown=settings.limits.shutdown_seconds,
            )
            # The event loop asks for the interpreter after every wait, while other threads compute: it should not wait
            # for 5 ms each time, as is the default.
            sys.setswitchinterval(SWITCH_SECONDS)
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
    # What the event loop computes is a query's uncertainty: several threads would first have to be woken for it.
    pin(1)
    warming = asyncio.create_task(_warm_up(state))
    try:
        with on_hangup(state.galleries.reload_all):
            yield
    finally:
        warming.cancel()
        with suppress(asyncio.CancelledError):
            await warming
        await state.galleries.close()


async def _warm_up(state: State) -> None:
    try:
        await state.galleries.warm_up()
    except Exception as error:
        state.unready = f"The warm-up failed ({type(error).__name__}); the log has why: mend it and start again."
        LOGGER.exception("The warm-up failed; /readyz stays at 503")
    else:
        state.ready = True


async def _answer_problem(_: Request, error: Exception) -> Response:
    return problem(error)
