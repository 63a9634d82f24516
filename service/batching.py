"""The encoder's thread: takes what waits of one kind as one batch, and goes from kind to kind.

A lone input never waits for company: a turn takes what is there. An answer does not depend on who was there, because
the encoders give a row of a batch the bits that it has alone (`models/independence.py`, docs/adr/0014); where they do
not, the engine lets a turn have one input only. The kinds take turns, so that neither texts nor pictures wait for more
than one batch of the others, however many come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

from index.items import Modality
from models.gaussian import Gaussian

Encode = Callable[[Sequence[Any]], Gaussian]
"""Inputs of one kind -> Gaussian [n, dim]."""


@dataclass(frozen=True, eq=False)
class Job:
    """One input that waits to be encoded; its Gaussian is [1, dim]."""

    input: Any
    future: Future[Gaussian] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class Lane:
    """Where inputs of one kind wait, in the order in which they came.

    Args:
        encode: encodes them.
        batch: the most that are encoded at once.
    """

    encode: Encode
    batch: int
    jobs: deque[Job] = field(default_factory=deque)

    def take(self) -> list[Job]:
        """The first of them, without those whose caller has given up."""
        taken: list[Job] = []
        while self.jobs and len(taken) < self.batch:
            job = self.jobs.popleft()
            if job.future.set_running_or_notify_cancel():
                taken.append(job)
        return taken


class EncodingWorker:
    """One thread that encodes.

    Args:
        lanes: one for each kind of input.
        prepare: run first in the thread (it pins numbers of threads).

    `on_batch` is told the kind and the size of each batch, in the thread.
    """

    def __init__(self, lanes: Mapping[Modality, Lane], prepare: Callable[[], None]) -> None:
        self._lanes = lanes
        self._turns = deque(lanes.items())
        self.on_batch: Callable[[Modality, int], None] = lambda kind, size: None
        self._prepare = prepare
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    @property
    def batches(self) -> Mapping[Modality, int]:
        """The most inputs of each kind that are encoded at once."""
        return {kind: lane.batch for kind, lane in self._lanes.items()}

    @property
    def waiting(self) -> int:
        """The number of jobs that no turn has taken yet."""
        return sum(len(lane.jobs) for lane in self._lanes.values())

    def submit(self, kind: Modality, given: Any) -> Future[Gaussian]:
        """Queue an input."""
        job = Job(given)
        with self._changed:
            self._lanes[kind].jobs.append(job)
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        self._prepare()
        while turn := self._next():
            _encode(*turn)

    def _next(self) -> tuple[Encode, list[Job]] | None:
        """A batch of the kind whose turn it is, waited for; None at the end."""
        with self._changed:
            while True:
                for kind, lane in list(self._turns):
                    self._turns.rotate(-1)
                    if jobs := lane.take():
                        self.on_batch(kind, len(jobs))
                        return lane.encode, jobs
                if self._closing:
                    return None
                self._changed.wait()


def _encode(encode: Encode, jobs: Sequence[Job]) -> None:
    """Give each job its row; where one of them fails, let it fail alone."""
    try:
        gaussians = encode([job.input for job in jobs])
    except BaseException as error:
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            _encode(encode, [job])
        return
    for row, job in enumerate(jobs):
        job.future.set_result(gaussians[row : row + 1])
