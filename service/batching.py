"""The encoder's thread: takes all that waits in one hop, and computes each input on its own.

The same query must get the same bytes, whatever else the server is doing, and torch's CPU kernels do not grant that
to the rows of a batch. Measured with torch 2.15 on x86 (one and two threads; ResNet-18 with D = 16 and 256, ResNet-50
with D = 1024; batches of 2 to 32 of mixed lengths): not one text and not one picture came out of a batch with the bits
it has alone (differences up to 1.5e-7), and batches of different sizes differ among themselves. Alone, an input gave
the same bits in each of 50 repetitions. So one hop hands over many inputs, but the networks see one at a time. What
this gives up on two cores: nothing for ResNet-18 pictures (79 ms alone, 76 ms each in a batch of 8), half for
ResNet-50 (602 and 321 ms), most for texts, which cost little.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from models.gaussian import Gaussian
from service.errors import OverloadedError


@dataclass(frozen=True, eq=False)
class Job:
    """One input that waits to be encoded.

    Args:
        compute: gives its Gaussian [1, dim].
        cost: cheap jobs of a hop go first, so that texts do not wait for the pictures beside them.
    """

    compute: Callable[[], Gaussian]
    cost: int
    future: Future[Gaussian] = field(default_factory=Future)

    def run(self) -> None:
        """Compute, unless the one who asked has given up."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.compute())
        except BaseException as error:
            self.future.set_exception(error)


class EncodingWorker:
    """One thread that encodes; a lone job never waits for company.

    Args:
        batch: the most jobs taken in one hop.
        prepare: run first in the thread (it pins numbers of threads).
    """

    def __init__(self, batch: int, prepare: Callable[[], None]) -> None:
        self._batch = batch
        self._prepare = prepare
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The number of jobs that no hop has taken yet."""
        return self._queue.qsize()

    def submit(self, compute: Callable[[], Gaussian], cost: int) -> Future[Gaussian]:
        """Queue a job."""
        job = Job(compute, cost)
        self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._prepare()
        while True:
            hop = self._take()
            for job in sorted((job for job in hop if job is not None), key=lambda job: job.cost):
                job.run()
            if None in hop:
                return

    def _take(self) -> list[Job | None]:
        """One job, waited for, and what else is there already."""
        hop = [self._queue.get()]
        while len(hop) < self._batch and hop[-1] is not None:
            try:
                hop.append(self._queue.get_nowait())
            except Empty:
                break
        return hop


class Admission:
    """Bounds the queries in the server, so that decoding, encoding and searching queue within bounds too.

    Used on the event loop's thread only.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold one place.

        Raises:
            OverloadedError: there is none.
        """
        if self.count >= self._limit:
            raise OverloadedError(f"The server has {self._limit} queries on their way; try again in a second.")
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
