"""What the routes find in `app.state`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request, Response

from service.answers import Fingerprints
from service.engine import Clock, Engine
from service.metrics import Metrics
from service.settings import Settings


@dataclass
class State:
    """One server: what was loaded, and whether it has warmed up."""

    settings: Settings
    engine: Engine
    metrics: Metrics
    ready: bool = False

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """Of the model and of the gallery."""
        return Fingerprints(model=self.engine.model.fingerprint, gallery=self.engine.gallery.fingerprint)

    def report(self, clock: Clock, response: Response) -> None:
        """Tell the stages of a query to the metrics, and to the caller in a header."""
        self.metrics.stages(clock.stages)
        response.headers["Server-Timing"] = ", ".join(
            f"{stage};dur={duration:.3f}" for stage, duration in clock.stages.items()
        )


def _state(request: Request) -> State:
    state: State = request.app.state.service
    return state


ServiceState = Annotated[State, Depends(_state)]
