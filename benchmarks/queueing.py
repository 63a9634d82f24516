"""One server as a queue, simulated: Poisson arrivals, measured service times, some searchers (M/G/c)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
"""Seconds."""


def arrivals(rate: float, count: int, rng: np.random.Generator) -> Times:
    """When queries come [count], at `rate` a second."""
    return np.asarray(rng.exponential(1 / rate, count).cumsum())


def simulate(coming: Times, service: Sequence[float] | Times, searchers: int, rng: np.random.Generator) -> Times:
    """How long each query is in the server [n], waiting included, first come, first served.

    Args:
        coming: when each comes, rising [n].
        service: seconds that queries took alone; each query takes one of them, drawn again.
        searchers: how many are served at once.
    """
    free = [0.0] * searchers
    took = np.empty(len(coming))
    for place, (at, seconds) in enumerate(zip(coming, rng.choice(service, len(coming)), strict=True)):
        ends = max(at, heapq.heappop(free)) + seconds
        heapq.heappush(free, ends)
        took[place] = ends - at
    return took


def measure(coming: Times, ask: Callable[[int], object], searchers: int) -> tuple[Times, Times]:
    """The same of real queries, asked when they come whether or not others are answered.

    Returns:
        how long each is in the server, and how long it was served [n] each.
    """
    took, served, start = np.empty(len(coming)), np.empty(len(coming)), perf_counter()

    def answer(place: int) -> None:
        began = perf_counter()
        ask(place)
        ended = perf_counter()
        took[place], served[place] = ended - start - coming[place], ended - began

    with ThreadPoolExecutor(searchers) as pool:
        for place, at in enumerate(coming):
            sleep(max(0.0, at - (perf_counter() - start)))
            pool.submit(answer, place)
    return took, served


def sustained(service: Sequence[float], searchers: int, limit: float, queries: int = 20_000, seed: int = 0) -> float:
    """The greatest rate, queries a second, at which 95 % are answered within `limit` seconds; to 1 %."""

    def holds(rate: float) -> bool:
        rng = np.random.default_rng(seed)
        took = simulate(arrivals(rate, queries, rng), service, searchers, rng)
        return bool(np.percentile(took, 95) <= limit)

    low, high = 0.0, searchers / float(np.mean(service))
    if holds(high):
        return high
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
