"""What the routes find in `app.state`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request, Response
from opentelemetry.trace import Tracer

from index.retriever import SearchResult
from models.calibration import Direction
from service.answers import Fingerprints
from service.engine import Clock, EncodedQuery, Engine
from service.logs import note
from service.metrics import Metrics
from service.settings import Settings
from service.tracing import NOTHING, stage_spans


@dataclass
class State:
    """One server: what was loaded, and whether it has warmed up, or why it is not ready."""

    settings: Settings
    engine: Engine
    metrics: Metrics
    tracer: Tracer = NOTHING
    ready: bool = False
    unready: str = "The server is warming up; ask again in a second."

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """Of the model and of the gallery."""
        return Fingerprints(model=self.engine.model.fingerprint, gallery=self.engine.gallery.fingerprint)

    def report(self, clock: Clock, response: Response) -> None:
        """Tell the stages of a query to the metrics and the trace, and to the caller in a header."""
        self.metrics.stages(clock.stages)
        stage_spans(self.tracer, clock)
        response.headers["Server-Timing"] = ", ".join(
            f"{stage};dur={duration:.3f}" for stage, duration in clock.stages.items()
        )

    def observe(self, query: EncodedQuery, direction: Direction, result: SearchResult | None = None) -> None:
        """Tell what was asked to the metrics, and where it is wanted to the log.

        Args:
            query: as it was understood.
            direction: of search that it asks for.
            result: what was found, where all that was probable was to be shown.
        """
        if self.settings.log_queries:
            note(text=query.text)
        hits = () if result is None else result.hits
        top = max((hit.match_probability for hit in hits), default=None)
        self.metrics.query(direction, query.uncertainty.sigma, top)


def _state(request: Request) -> State:
    state: State = request.app.state.service
    return state


ServiceState = Annotated[State, Depends(_state)]
