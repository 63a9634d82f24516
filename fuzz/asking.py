"""Sends what was made up, and takes down how the server bore it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import httpx2

_TEXTS: Final = "/search/text-to-image"
_PICTURES: Final = "/search/image-to-text"
PATIENCE: Final = 30.0
"""Seconds after which a request counts as hung."""


@dataclass
class Borne:
    """What came of inputs of one kind.

    Args:
        tried: how many.
        statuses: of the answers.
        slowest: milliseconds, and which input it was.
        failed: inputs that were answered with 500 or above, or not at all.
    """

    tried: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    failed: list[str] = field(default_factory=list)

    def add(self, name: str, ask: Callable[[], int]) -> None:
        """Send one, and take down what comes of it."""
        started = time.perf_counter()
        self.tried += 1
        try:
            status = ask()
        except httpx2.HTTPError as error:
            self.failed.append(f"{name}: {type(error).__name__}")
            return
        self.slowest = max(self.slowest, (1000 * (time.perf_counter() - started), name))
        self.statuses[status] += 1
        if status >= 500:
            self.failed.append(f"{name}: {status}")


def send_texts(client: httpx2.Client, inputs: Iterable[tuple[str, bytes]]) -> Borne:
    """Search for each."""
    borne, json = Borne(), {"Content-Type": "application/json"}

    def ask(body: bytes) -> int:
        return client.post(_TEXTS, content=body, headers=json).status_code

    for name, body in inputs:
        borne.add(name, partial(ask, body))
    return borne


def send_pictures(client: httpx2.Client, inputs: Iterable[tuple[str, bytes]]) -> Borne:
    """Upload each."""
    borne = Borne()

    def ask(data: bytes) -> int:
        return client.post(_PICTURES, files={"image": ("a", data)}).status_code

    for name, data in inputs:
        borne.add(name, partial(ask, data))
    return borne
