"""What the routes find in `app.state`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from opentelemetry.trace import Tracer

from index.searching.retriever import SearchResult
from models.calibration import Direction
from service.engine import Clock, EncodedQuery, Engine
from service.galleries import Galleries
from service.logs import note
from service.metrics import Metrics
from service.settings import Settings
from service.tracing import NOTHING, stage_spans


@dataclass
class State:
    """One server: what was loaded, and whether it has warmed up, or why it is not ready."""

    settings: Settings
    galleries: Galleries
    metrics: Metrics
    tracer: Tracer = NOTHING
    ready: bool = False
    unready: str = "The server is warming up; ask again in a second."

    @property
    def engine(self) -> Engine:
        """What answers for the default gallery now."""
        return self.galleries.default.engine

    def report(self, clock: Clock, response: Response) -> None:
        """Tell the stages of a query to the metrics and the trace, and to the caller in a header."""
        self.metrics.stages(clock.stages)
        stage_spans(self.tracer, clock)
        response.headers["Server-Timing"] = ", ".join(
            f"{stage};dur={duration:.3f}" for stage, duration in clock.stages.items()
        )

    def observe(
        self, engine: Engine, query: EncodedQuery, direction: Direction, result: SearchResult | None = None
    ) -> None:
        """Tell what was asked to the metrics, and where it is wanted to the log.

        Args:
            engine: what answered.
            query: as it was understood.
            direction: of search that it asks for.
            result: what was found, where all that was probable was to be shown.
        """
        if self.settings.log_queries:
            note(text=query.text)
        hits = () if result is None else result.hits
        top = max((hit.match_probability for hit in hits), default=None)
        self.metrics.query(engine, direction, query.uncertainty.sigma, top)


async def _state(request: Request) -> State:
    state: State = request.app.state.service
    return state


ServiceState = Annotated[State, Depends(_state)]
