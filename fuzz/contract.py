"""Requests made from the OpenAPI document, those that it allows and those that it does not (schemathesis)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Err
from schemathesis.schemas import BaseSchema

from fuzz.asking import Borne

# What is found is shown as it is: nothing is made smaller, and nothing is remembered.
_PHASES: Final = (Phase.explicit, Phase.generate)


def send_requests(schema: BaseSchema, cases: int, random: int = 0) -> Borne:
    """Ask every operation so many times.

    Args:
        schema: of the server.
        cases: for each operation.
        random: seed.

    Raises:
        InvalidSchema: an operation is described in a way that nothing can be made of.
    """
    borne = Borne()
    limits = settings(
        max_examples=cases, deadline=None, database=None, phases=_PHASES, suppress_health_check=list(HealthCheck)
    )
    for found in schema.get_all_operations():
        if isinstance(found, Err):
            raise found.err()
        operation = found.ok()
        ask = given(case=operation.as_strategy())(_asking(f"{operation.method.upper()} {operation.path}", borne))
        limits(seed(random)(ask))()
    return borne


def _asking(name: str, borne: Borne) -> Callable[..., None]:
    def ask(case: Any) -> None:
        borne.add(name, lambda: int(case.call().status_code))

    return ask
