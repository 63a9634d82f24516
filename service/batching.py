"""The encoder's threads: each takes what waits of one kind as one batch, and they go from kind to kind.

A lone input never waits for company: a turn takes what is there, and all processors where nothing else waits. Nor does
a search wait longer because of others: only while the searcher has more before it than waits here do texts gather,
which are cheap together (32 take what five take one by one), for a text that was encoded now would wait there. One that
is only to be encoded waits as long as if it were searched for. Under load batches of large pictures are encoded side by
side with a processor each, because threads that share a batch wait for each other at every layer, and long where
something else has a processor.

An answer does not depend on who was there, because the encoders give a row of a batch the bits that it has alone, on
any number of threads (`models/independence.py`, docs/adr/0014); where they do not, a turn has one input only and there
is one at a time (`service/encoding.py`). The kinds take turns, so that neither texts nor pictures wait for more than
one batch of the others, however many come.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from typing import Any

from index.items import Modality
from models.gaussian import Gaussian
from service.backlog import Backlog

Encode = Callable[[Sequence[Any], int], Gaussian]
"""Inputs of one kind, and how many threads may compute -> Gaussian [n, dim]."""


@dataclass(frozen=True, eq=False)
class Job:
    """One input that waits to be encoded; its Gaussian is [1, dim].

    Args:
        input: what is encoded.
        after: how many searches had been asked for when it came.
        future: of its Gaussian.
    """

    input: Any
    after: int
    future: Future[Gaussian] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class Lane:
    """Where inputs of one kind wait, in the order in which they came.

    Args:
        encode: encodes them.
        batch: the most that are encoded at once.
        side_by_side: the most batches of this kind at once.
        gathers: whether a batch takes little longer than one input.
    """

    encode: Encode
    batch: int
    side_by_side: int = 1
    gathers: bool = False
    jobs: deque[Job] = field(default_factory=deque)

    def is_due(self, searches: Backlog) -> bool:
        """Whether something waits that would be answered later if it waited on.

        Where inputs gather, those who wait are encoded when the searches that were asked for before the first of them
        have ended, or are as few as they: these will take at least as long as the batch.
        """
        if not self.jobs:
            return False
        if not self.gathers or len(self.jobs) >= min(self.batch, searches.length):
            return True
        return searches.ended >= self.jobs[0].after

    def take(self) -> list[Job]:
        """The first of them, without those whose caller has given up."""
        taken: list[Job] = []
        while self.jobs and len(taken) < self.batch:
            job = self.jobs.popleft()
            if job.future.set_running_or_notify_cancel():
                taken.append(job)
        return taken


@dataclass(frozen=True, eq=False)
class Turn:
    """Some inputs of one kind, and how many threads may encode them."""

    kind: Modality
    encode: Encode
    jobs: Sequence[Job]
    threads: int

    def run(self) -> None:
        """Give each job its row; where one of them fails, let it fail alone."""
        try:
            gaussians = self.encode([job.input for job in self.jobs], self.threads)
        except BaseException as error:
            if len(self.jobs) == 1:
                self.jobs[0].future.set_exception(error)
                return
            for job in self.jobs:
                replace(self, jobs=[job]).run()
            return
        for row, job in enumerate(self.jobs):
            job.future.set_result(gaussians[row : row + 1])


class EncodingWorker:
    """Threads that encode.

    Args:
        lanes: one for each kind of input.
        threads: that compute, all turns together.
        prepare: run first in each thread (it pins numbers of threads).
        searches: of what is encoded; `look_again` is to be called when one of them ends.

    `on_batch` is told the kind and the size of each batch, in the thread that takes it.
    """

    def __init__(
        self, lanes: Mapping[Modality, Lane], threads: int, prepare: Callable[[], None], searches: Backlog
    ) -> None:
        self._lanes = lanes
        self._order = deque(lanes.items())
        self.on_batch: Callable[[Modality, int], None] = lambda kind, size: None
        self._prepare = prepare
        self._searches = searches
        self._computing = threads
        self._side_by_side = max(lane.side_by_side for lane in lanes.values())
        self._changed = Condition()
        self._closing = False
        self._turns: Counter[Modality] = Counter()
        self._threads = [Thread(target=self._run, name="encoder", daemon=True) for _ in range(self._side_by_side)]
        for thread in self._threads:
            thread.start()

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
        job = Job(given, self._searches.asked)
        with self._changed:
            self._lanes[kind].jobs.append(job)
            self._wake()
        return job.future

    def look_again(self) -> None:
        """See whether what waits is due by now."""
        with self._changed:
            self._wake()

    def close(self) -> None:
        """Finish what is queued and end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _wake(self) -> None:
        # Waking a thread for nothing would take the interpreter from those that have something to do.
        if any(map(self._is_due, self._lanes.values())):
            self._changed.notify()

    def _is_due(self, lane: Lane) -> bool:
        return self._closing or lane.is_due(self._searches)

    def _run(self) -> None:
        self._prepare()
        while turn := self._next():
            turn.run()
            with self._changed:
                self._turns[turn.kind] -= 1

    def _next(self) -> Turn | None:
        """A batch of the kind whose turn it is, waited for; None at the end."""
        with self._changed:
            while True:
                for kind, lane in list(self._order):
                    self._order.rotate(-1)
                    if self._turns[kind] < lane.side_by_side and self._is_due(lane) and (jobs := lane.take()):
                        self._turns[kind] += 1
                        self.on_batch(kind, len(jobs))
                        return Turn(kind, lane.encode, jobs, self._share())
                if self._closing:
                    return None
                self._changed.wait()

    def _share(self) -> int:
        """Threads for the turn that begins: all of them, unless others have begun or could."""
        turns = min(self._turns.total() + self.waiting, self._side_by_side)
        return max(1, self._computing // turns)
