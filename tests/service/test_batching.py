"""The encoder's thread: order, turns, lone inputs, inputs that fail or are given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

import pytest
import torch

from index.items import Modality
from models.gaussian import Gaussian
from service.batching import EncodingWorker, Lane

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
            kind: Lane(lambda given, kind=kind: self.encode(kind, given), batches[kind.value])  # type: ignore[misc]
            for kind in Modality
        }
        return EncodingWorker(lanes, prepare=lambda: None)

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
