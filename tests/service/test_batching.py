"""The encoder's threads: order, turns, lone inputs, inputs that fail or are given up, and who may compute how much."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Event, Semaphore

import pytest
import torch

from index.items import Modality
from models.gaussian import Gaussian
from service import encoding
from service.backlog import Backlog
from service.batching import EncodingWorker, Lane
from service.galleries import Galleries
from service.settings import Settings

TEXT, IMAGE = Modality.TEXT, Modality.IMAGE
FIRST = 0
"""The input that `Recorder` waits with, so that others gather behind it."""


@dataclass(eq=False)
class Recorder:
    """Encodes a number as itself, and keeps the batches that it was given."""

    batches: list[tuple[Modality, list[int]]] = field(default_factory=list)
    begun: Event = field(default_factory=Event)
    release: Event = field(default_factory=Event)

    def encode(self, kind: Modality, given: Sequence[int]) -> Gaussian:
        """Means [n, 1]; negative numbers are refused."""
        self.batches.append((kind, list(given)))
        if FIRST in given:
            self.begun.set()
            self.release.wait(20)
        if any(number < 0 for number in given):
            raise ZeroDivisionError
        means = torch.tensor(given, dtype=torch.float32)[:, None]
        return Gaussian(means, torch.zeros_like(means))

    def worker(self, **batches: int) -> EncodingWorker:
        """A thread that encodes with this, so many of each kind at once."""
        lanes = {
            kind: Lane(lambda given, _, kind=kind: self.encode(kind, given), batches[kind.value])  # type: ignore[misc]
            for kind in Modality
        }
        return EncodingWorker(lanes, threads=2, prepare=lambda: None, searches=Backlog())

    @contextmanager
    def occupied(self, worker: EncodingWorker) -> Iterator[None]:
        """Keep the thread from its queue until the block ends; then let it finish."""
        worker.submit(TEXT, FIRST)
        assert self.begun.wait(10)
        yield
        self.release.set()
        worker.close()


def test_a_lone_input_is_encoded_at_once() -> None:
    """Nothing else comes, and no time passes that anything could wait for: its batch is itself."""
    recorder = Recorder()
    worker = recorder.worker(text=32, image=32)
    for number in (1, 2):
        assert float(worker.submit(IMAGE, number).result(10).mean) == number
    worker.close()
    assert recorder.batches == [(IMAGE, [1]), (IMAGE, [2])]


def test_what_waits_is_encoded_together_and_in_order() -> None:
    """Batches are full while there is enough, first come first; each caller gets its own row."""
    recorder = Recorder()
    worker = recorder.worker(text=3, image=1)
    with recorder.occupied(worker):
        futures = [worker.submit(TEXT, number) for number in range(1, 6)]
        assert worker.waiting == 5
    assert [batch for _, batch in recorder.batches] == [[FIRST], [1, 2, 3], [4, 5]]
    assert [float(future.result().mean) for future in futures] == [1, 2, 3, 4, 5]
    assert all(future.result().batch_shape == (1,) for future in futures)


@pytest.mark.parametrize(("many", "few"), [(TEXT, IMAGE), (IMAGE, TEXT)])
def test_a_flood_of_one_kind_holds_up_the_other_for_one_batch(many: Modality, few: Modality) -> None:
    """However many of one kind came before, each of the other kind waits for one batch of them at most."""
    recorder = Recorder()
    worker = recorder.worker(text=2, image=2)
    with recorder.occupied(worker):
        for number in range(1, 13):
            worker.submit(many, number)
        for number in range(101, 105):
            worker.submit(few, number)
    kinds = [kind for kind, _ in recorder.batches[1:]]
    places = [place for place, kind in enumerate(kinds) if kind is few]
    assert len(places) == 2 and places[0] <= 1 and places[1] - places[0] == 2
    assert kinds.count(many) == 6


def test_a_failing_input_fails_alone() -> None:
    """Those of its batch are encoded without it, and the thread goes on."""
    recorder = Recorder()
    worker = recorder.worker(text=3, image=1)
    with recorder.occupied(worker):
        good, bad, other, after = (worker.submit(TEXT, number) for number in (1, -1, 2, 3))
    assert isinstance(bad.exception(), ZeroDivisionError)
    assert [float(future.result().mean) for future in (good, other, after)] == [1, 2, 3]


def test_an_input_given_up_takes_no_place() -> None:
    """It is not encoded, and the batch is filled with what comes after it."""
    recorder = Recorder()
    worker = recorder.worker(text=2, image=1)
    with recorder.occupied(worker):
        futures = [worker.submit(TEXT, number) for number in (1, 2, 3)]
        assert futures[1].cancel()
    assert recorder.batches[1:] == [(TEXT, [1, 3])]
    assert worker.waiting == 0


@dataclass(eq=False)
class Crowd:
    """Texts that gather before a searcher, whose searches this begins and ends; pictures do not gather."""

    recorder: Recorder = field(default_factory=Recorder)
    searches: Backlog = field(default_factory=Backlog)

    @contextmanager
    def worker(self, batch: int = 32) -> Iterator[EncodingWorker]:
        """Which is told of each search that ends."""
        lanes = {
            TEXT: Lane(lambda given, _: self.recorder.encode(TEXT, given), batch, gathers=True),
            IMAGE: Lane(lambda given, _: self.recorder.encode(IMAGE, given), batch),
        }
        worker = EncodingWorker(lanes, threads=1, prepare=lambda: None, searches=self.searches)
        self.searches.on_end = worker.look_again
        yield worker
        worker.close()

    def ask(self, count: int) -> None:
        """So many searches."""
        for _ in range(count):
            self.searches.begin()

    def texts(self) -> list[list[int]]:
        """The batches of texts so far."""
        return [batch for kind, batch in self.recorder.batches if kind is TEXT]


def test_texts_gather_while_more_searches_wait() -> None:
    """They are encoded together when as few searches are left: a picture that comes after them shows they waited."""
    crowd = Crowd()
    with crowd.worker() as worker:
        crowd.ask(4)
        futures = [worker.submit(TEXT, number) for number in (1, 2)]
        assert float(worker.submit(IMAGE, 7).result(10).mean) == 7
        crowd.searches.end()
        assert float(worker.submit(IMAGE, 8).result(10).mean) == 8
        assert not crowd.texts() and worker.waiting == 2
        crowd.searches.end()
        assert [float(future.result(10).mean) for future in futures] == [1, 2]
    assert crowd.texts() == [[1, 2]]


def test_enough_texts_do_not_wait() -> None:
    """With as many as there are searches, or a batch full, it begins at once."""
    crowd = Crowd()
    with crowd.worker(batch=3) as worker:
        crowd.ask(2)
        first = [worker.submit(TEXT, number) for number in (1, 2)]
        assert [float(future.result(10).mean) for future in first] == [1, 2]
        crowd.ask(98)
        second = [worker.submit(TEXT, number) for number in (3, 4, 5)]
        assert [float(future.result(10).mean) for future in second] == [3, 4, 5]
    assert crowd.texts() == [[1, 2], [3, 4, 5]]


def test_a_text_waits_for_no_search_that_came_after_it() -> None:
    """However many pictures are searched for meanwhile: it is encoded when those before it have ended."""
    crowd = Crowd()
    with crowd.worker() as worker:
        crowd.ask(2)
        text = worker.submit(TEXT, 1)
        for _ in range(2):
            assert not text.done()
            crowd.ask(3)
            crowd.searches.end()
        assert float(text.result(10).mean) == 1
        assert crowd.searches.length == 6


def test_texts_that_gather_are_encoded_at_the_end() -> None:
    """A server that stops finishes what it has taken."""
    crowd = Crowd()
    with crowd.worker() as worker:
        crowd.ask(9)
        text = worker.submit(TEXT, 1)
    assert float(text.result().mean) == 1


def test_every_search_that_was_asked_for_ends(settings: Settings) -> None:
    """One that is answered, one that fails, one that is given up before it begins: no text waits for one for ever."""
    galleries = Galleries.open(settings)
    workers, engine, go = galleries.workers, galleries.default.engine, Event()

    async def run() -> None:
        await engine.warm_up()  # From here on the encoder waits to be told.
        first = asyncio.create_task(workers.search(go.wait, 20))
        failing, given_up = (asyncio.create_task(workers.search(math.sqrt, number)) for number in (-1, 4))
        await asyncio.sleep(0)
        assert workers.searches.length == 3
        text = asyncio.create_task(engine.in_batch(TEXT, engine.model.encoder.vocabulary.encode("a ring")))
        given_up.cancel()
        await asyncio.wait([given_up])
        assert workers.searches.length == 2
        go.set()
        with pytest.raises(ValueError, match="math domain"):
            await failing
        assert await first
        assert (await asyncio.wait_for(text, 20)).batch_shape == (1,)
        await galleries.close()

    asyncio.run(run())
    assert workers.searches.length == 0


@dataclass(eq=False)
class Gates:
    """Encodes what is a gate: tells how many threads it was given, and waits until it is opened."""

    shares: dict[int, int] = field(default_factory=dict)
    begun: Semaphore = field(default_factory=lambda: Semaphore(0))
    gates: dict[int, Event] = field(default_factory=lambda: {number: Event() for number in range(9)})
    held_back: Condition = field(default_factory=Condition)

    def encode(self, given: Sequence[int], threads: int) -> Gaussian:
        """Means [n, 1]."""
        for number in given:
            self.shares[number] = threads
            self.begun.release()
        for number in given:
            self.gates[number].wait(20)
        means = torch.tensor(given, dtype=torch.float32)[:, None]
        return Gaussian(means, torch.zeros_like(means))

    @contextmanager
    def worker(self, threads: int, side_by_side: int) -> Iterator[Callable[..., Future[Gaussian]]]:
        """What submits a picture; all gates are open at the end."""
        lanes = {IMAGE: Lane(self.encode, 1, side_by_side), TEXT: Lane(self.encode, 1)}
        worker = EncodingWorker(lanes, threads, prepare=lambda: None, searches=Backlog())
        self.held_back = worker._changed
        yield lambda number, kind=IMAGE: worker.submit(kind, number)
        for gate in self.gates.values():
            gate.set()
        worker.close()

    def wait(self) -> None:
        """Until one more has begun."""
        assert self.begun.acquire(timeout=10)


def test_a_lone_input_gets_all_threads_and_company_shares_them() -> None:
    """Of four threads a lone turn gets four; one that begins beside another two; beside three others one."""
    made = Gates()
    with made.worker(threads=4, side_by_side=4) as submit:
        for number in range(4):
            submit(number)
            made.wait()
        # Five more have no thread left; where one ends, those that wait count: it is a share of four turns.
        for number in range(4, 9):
            submit(number)
        made.gates[0].set()
        made.wait()
    assert [made.shares[number] for number in range(5)] == [4, 2, 1, 1, 1]


def test_what_waits_counts_as_company() -> None:
    """Of two that come at once each gets half of the threads, though the first begins before the other."""
    made = Gates()
    with made.worker(threads=4, side_by_side=4) as submit:
        with made.held_back:
            submit(0)
            submit(1)
        made.wait()
        made.wait()
    assert made.shares == {0: 2, 1: 2}


def test_turns_go_on_side_by_side() -> None:
    """One that takes long does not hold up the next, and each caller gets its own row."""
    made = Gates()
    with made.worker(threads=2, side_by_side=2) as submit:
        slow, quick = submit(0), submit(1)
        made.wait()
        made.wait()
        made.gates[1].set()
        assert float(quick.result(10).mean) == 1
        assert not slow.done()
        # Alone again but for the slow one.
        made.gates[2].set()
        assert float(submit(2).result(10).mean) == 2
    assert float(slow.result().mean) == 0
    assert made.shares[2] == 1


def test_one_at_a_time_has_all_threads() -> None:
    """Where answers would depend on it, there is one turn at a time, however many wait, with the same threads."""
    made = Gates()
    for gate in made.gates.values():
        gate.set()
    with made.worker(threads=2, side_by_side=1) as submit:
        futures = [submit(number) for number in range(9)]
        assert [float(future.result(10).mean) for future in futures] == list(range(9))
    assert set(made.shares.values()) == {2}


def test_texts_are_encoded_one_batch_at_a_time() -> None:
    """A second batch waits for the first, while pictures pass it."""
    made = Gates()
    with made.worker(threads=3, side_by_side=3) as submit:
        texts = [submit(number, TEXT) for number in (0, 1)]
        made.wait()
        made.gates[2].set()
        assert float(submit(2).result(10).mean) == 2
        assert set(made.shares) == {0, 2} and not any(text.done() for text in texts)
        made.gates[0].set()
        made.gates[1].set()
        assert [float(text.result(10).mean) for text in texts] == [0, 1]


@pytest.mark.parametrize(
    ("alone_ms", "independent", "side_by_side", "batch"),
    [(100.0, True, 2, 4), (1.0, True, 1, 4), (100.0, False, 1, 1)],
)
def test_large_pictures_are_encoded_side_by_side(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    alone_ms: float,
    independent: bool,
    side_by_side: int,
    batch: int,
) -> None:
    """A batch for each thread where one takes long; one at a time where it does not, or where the others would show."""
    monkeypatch.setattr(encoding, "milliseconds", lambda work: alone_ms)
    monkeypatch.setattr(encoding, "is_independent", lambda ways, inputs: independent)
    galleries = Galleries.open(settings.model_copy(update={"threads": 2}))
    worker = galleries.default.engine.worker
    assert worker._lanes[IMAGE].side_by_side == side_by_side == len(worker._threads)
    assert worker._lanes[TEXT].side_by_side == 1
    assert worker.batches[IMAGE] == batch
    asyncio.run(galleries.close())
