"""What orchestrators and Prometheus ask."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from models.errors import ArtifactError
from service.answers import Health, Readiness
from service.api import examples
from service.engine import Engine
from service.errors import NotReadyError
from service.state import ServiceState

router = APIRouter(tags=["server"])


@router.get("/healthz", responses=examples.answers(examples.ALIVE, bad_input=False))
async def healthz() -> Health:
    """Whether the server is alive."""
    return Health(status="alive")


@router.get("/readyz", responses=examples.answers(examples.READY, bad_input=False, warming=True))
async def readyz(state: ServiceState) -> Readiness:
    """Whether the server has warmed up and should be sent queries: also whether the stores of its galleries answer."""
    if not state.ready:
        raise NotReadyError(state.unready)
    await run_in_threadpool(_check, [served.engine for served in state.galleries.served.values()])
    swaps = {name: served.last_swap for name, served in state.galleries.served.items()}
    refused = {name: swap.error for name, swap in swaps.items() if swap and swap.error}
    return Readiness(status="ready", refused_swaps=refused)


def _check(engines: Sequence[Engine]) -> None:
    try:
        for engine in engines:
            engine.check()
    except ArtifactError as error:
        raise NotReadyError(str(error)) from error


@router.get("/metrics", response_class=Response, responses=examples.METRICS)
def metrics(state: ServiceState) -> Response:
    """Counters in Prometheus's text format."""
    return Response(state.metrics.render(), media_type=state.metrics.content_type)
