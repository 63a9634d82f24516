"""What all galleries of a server share: places for queries, threads, and the models that encode."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from index import giving_up
from index import threads as numbers
from service.admission import Admission
from service.backlog import Backlog
from service.encoding import Encodings
from service.settings import Settings

T = TypeVar("T")

# Decoding a large picture takes seconds and 200 MB: never more than this many at once.
_DECODERS, _SURVEYORS = 2, 2
_NICE = 10


class Workers:
    """The threads of one server, and who may use them.

    Args:
        settings: limits, numbers of threads, the runtime.
    """

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self.admission = Admission(limits.queue, limits.first_queue, limits.slowdown)
        self.pools: Mapping[str, int] = {}
        self._threads = settings.threads
        self._pin()
        runtime = None if settings.runtime == "auto" else settings.runtime
        self.searches = Backlog()
        self.encodings = Encodings(settings.limits, runtime, settings.threads, self._pin, self.searches)
        # A search is small: on two threads it took twice as long as on one (docs/performance.md). It is much Python,
        # too: two at once take the interpreter from each other, and both longer than one after the other.
        alone = partial(numbers.pin, 1)
        self._decoding = ThreadPoolExecutor(_DECODERS, "decoder", alone)
        self._searching = ThreadPoolExecutor(1, "searcher", alone)
        self._surveying = ThreadPoolExecutor(_SURVEYORS, "surveyor", alone)
        # One at a time, so that two swaps do not take the memory of four galleries, nor two compactions.
        self._opening = ThreadPoolExecutor(1, "opener", self._pin)
        self._compacting = ThreadPoolExecutor(1, "compactor", self._step_back)

    def close(self) -> None:
        """Finish what has begun and end the threads."""
        for pool in (self._compacting, self._opening, self._decoding, self._searching, self._surveying):
            pool.shutdown()

    async def decode(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what decodes pictures."""
        return await self._in(self._decoding, function, *arguments)

    async def search(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a search that takes milliseconds; it ends soon after its caller has given up."""
        return await self._until_given_up(self._search_in_turn, function, *arguments)

    async def survey(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what may go through all of a gallery, or waits for another server, beside the searches that do not; it
        ends likewise.
        """
        return await self._until_given_up(self._surveying.submit, function, *arguments)

    async def open(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what opens a gallery, one after the other: two at once would take the memory of both."""
        return await self._in(self._opening, function, *arguments)

    def retire(self, close: Callable[[], None]) -> None:
        """Close what was replaced, after what is being opened."""
        self._opening.submit(close)

    def compact(self, function: Callable[..., None], *arguments: object) -> None:
        """Run what builds a gallery anew, one after the other; nobody waits for it."""
        self._compacting.submit(function, *arguments)

    def _search_in_turn(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        self.searches.begin()
        future = self._searching.submit(function, *arguments)
        future.add_done_callback(lambda _: self.searches.end())
        return future

    async def _until_given_up(
        self, submit: Callable[..., Future[T]], function: Callable[..., T], *arguments: object
    ) -> T:
        given_up = threading.Event()
        try:
            return await asyncio.wrap_future(submit(_search, given_up, function, *arguments))
        finally:
            given_up.set()

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, partial(function, *arguments))

    def _step_back(self) -> None:
        """Let queries go first: one thread, and of low priority where threads have one (Linux)."""
        numbers.pin(1)
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

    def _pin(self) -> None:
        """Every thread that computes has to do this."""
        numbers.pin(self._threads)
        self.pools = numbers.pools()


def _search(given_up: threading.Event, function: Callable[..., T], *arguments: object) -> T:
    with giving_up.until(given_up.is_set):
        return function(*arguments)
