"""How a question is asked, step by step, for threads and asyncio alike.

A conversation is a generator: it yields a `Request` to be sent or a `Pause` to be made, is sent what came of it, and
returns the answer. It neither sends nor sleeps itself.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TypeVar
from urllib.parse import quote

from penumbra_client.answers import Readiness
from penumbra_client.errors import OverloadedError, UnreachableError
from penumbra_client.messages import Call, Reply, Request
from penumbra_client.operations import ready
from penumbra_client.retries import Retries

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Seconds in which nothing is sent."""

    seconds: float


Step = Request | Pause
Outcome = Reply | UnreachableError | None
"""Of a request a reply or why there is none; None of a pause."""
Conversation = Generator[Step, Outcome, T]


@dataclass(frozen=True)
class Options:
    """What holds for all questions of a client."""

    key: str | None = None
    gallery: str | None = None
    deadline: float | None = None
    retries: Retries = field(default_factory=Retries)


def ask(call: Call[T], options: Options) -> Conversation[T]:
    """Ask until there is an answer, or no more retries.

    Raises:
        ClientError: what the last try came to.
    """
    request, asked, paused = addressed(call, options), 0, 0.0
    while True:
        outcome = yield request
        asked += 1
        assert outcome is not None
        if isinstance(outcome, Reply) and outcome.status < 400:
            return call.read(outcome)
        pause = options.retries.pause(call, outcome, asked, paused, random.random)
        if pause is None:
            raise outcome.error() if isinstance(outcome, Reply) else outcome
        yield Pause(pause)
        paused += pause


def wait_until_ready(options: Options, /, seconds: float = 60, every: float = 0.25) -> Conversation[Readiness]:
    """Ask until the server has warmed up; raises what the last try came to after so many seconds of pauses."""
    once = replace(options, retries=Retries(most=0))
    for _ in range(ceil(seconds / every)):
        try:
            return (yield from ask(ready(), once))
        except (OverloadedError, UnreachableError):
            yield Pause(every)
    return (yield from ask(ready(), once))


def addressed(call: Call[T], options: Options) -> Request:
    """The request to the client's gallery, with its key and its deadline."""
    prefix = "" if options.gallery is None or not call.of_gallery else f"/galleries/{quote(options.gallery, safe='')}"
    headers = {
        **({"Authorization": f"Bearer {options.key}"} if options.key is not None else {}),
        **({"X-Deadline-Ms": str(max(1, round(1000 * options.deadline)))} if options.deadline is not None else {}),
    }
    return replace(call.request, path=prefix + call.request.path, headers={**call.request.headers, **headers})
