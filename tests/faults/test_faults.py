"""A short round of faults: nothing is lost, and what would be a loss is seen as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faults.campaign import Campaign, Figures, every_fault, prepared_bench
from faults.held import caption, first_held
from faults.operations import LIVING, OPERATIONS, prepare, script
from faults.script import GALLERY, Change, Script
from faults.state import expected_state
from faults.trial import Bench, Loss
from faults.writes import Fault, Kind, counted
from index.lifecycle.living import LivingGallery
from index.threads import pin


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    pin(1)
    folder = tmp_path_factory.mktemp("faults")
    (folder / "prepared").mkdir()
    prepare(folder / "prepared")
    return prepared_bench(folder)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_is_lost(bench: Bench, operation: str) -> None:
    """Killed at random moments and at writes, and with writes that fail, every operation keeps what it acknowledged."""
    campaign, figures = Campaign(bench, operation, seed=0), Figures(operation)
    for trial in campaign.moments(1):
        figures.take(*trial)
    for fault in campaign.faults(2):
        figures.take(*campaign.at_write(fault))
    assert figures.sentences == []
    assert figures.kills >= 1


@pytest.mark.parametrize("kind", [Kind.KILLED, Kind.TORN])
def test_killed_at_a_write(bench: Bench, kind: Kind) -> None:
    """The process ends at the write that was named, before it has acknowledged all."""
    trial = bench.try_out(script("add", bench.prepared), fault=Fault(kind, 15))
    assert (trial.run.killed, trial.losses) == (True, {})
    assert trial.run.acknowledged < script("add", bench.prepared).changes


@pytest.mark.parametrize("fault", [Fault(Kind.KILLED, -2), Fault(Kind.DENIED, -2, lasting=True)])
def test_a_build_that_did_not_say_so_is_started_again(bench: Bench, fault: Fault) -> None:
    """One that ends badly while it clears up, with the new gallery in place, leaves nothing once it has run again."""
    build = script("build", bench.prepared)
    trial = bench.try_out(build, fault=replace(fault, at=bench.try_out(build).run.writes + fault.at))
    assert (trial.run.acknowledged, trial.losses) == (0, {})


def careless(name: str, prepared: Path) -> Script:
    """Changes that are acknowledged and not made, made by half, made badly, or not to be made again."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Change]:
        def change(number: int) -> None:
            if name == "half":
                with LivingGallery.open(folder / GALLERY) as living:
                    living.add([caption("one", None, 1)])
            if name == "damaged":
                path = folder / GALLERY / "image.means.npy"
                content = bytearray(path.read_bytes())
                content[-1] ^= 1
                path.write_bytes(content)
            if name == "closed":
                (folder / GALLERY / "image.means.npy").unlink()
            if name == "stuck":
                raise ValueError("not again")

        yield change

    held = first_held(12)
    held.held += [caption("one", None, 1), caption("two", None, 2)]
    return Script(name, prepared / LIVING, opened, (expected_state(first_held(12)), expected_state(held)))


@pytest.mark.parametrize(
    ("name", "loss"), [("lost", Loss.LOST), ("half", Loss.HALF), ("closed", Loss.CLOSED), ("stuck", Loss.STUCK)]
)
def test_a_loss_is_seen(bench: Bench, name: str, loss: Loss) -> None:
    """An operation that acknowledges what it did not do, does half of it, or ruins the gallery is told."""
    trial = replace(bench, made=careless).try_out(careless(name, bench.prepared))
    assert loss in trial.losses


def test_damage_is_seen(bench: Bench) -> None:
    """So is one that changes a byte."""
    trial = replace(bench, made=careless).try_out(careless("damaged", bench.prepared))
    assert Loss.DAMAGED in trial.losses


def write_all(folder: Path) -> None:
    """Writes in each of the ways that are counted."""
    with (folder / "a").open("wb") as file:
        file.write(b"1234")
    np.save(folder / "b.npy", np.arange(4))
    (folder / "c").write_text("1234")
    handle = os.open(folder / "d", os.O_WRONLY | os.O_CREAT)
    os.pwrite(handle, b"1234", 0)
    os.fsync(handle)
    os.close(handle)
    (folder / "a").rename(folder / "e")


@pytest.mark.parametrize("kind", [Kind.FULL, Kind.DENIED, Kind.SHORT])
def test_each_write_fails_in_turn(tmp_path: Path, kind: Kind) -> None:
    """As many faults as there are writes each end in an error at another place; one more ends in none."""
    (tmp_path / "counted").mkdir()
    with counted(None) as writes:
        write_all(tmp_path / "counted")
    assert writes.count >= 10
    seen: list[dict[str, int]] = []
    for at in range(writes.count):
        folder = tmp_path / f"{at}"
        folder.mkdir()
        with counted(Fault(kind, at)), pytest.raises(OSError, match=r"No space|Permission"):
            write_all(folder)
        seen.append({path.name: path.stat().st_size for path in folder.iterdir()})
    assert sum(map(len, seen[:1])) < sum(map(len, seen[-1:]))
    assert (2 in [sizes.get("c") for sizes in seen]) is (kind is Kind.SHORT)
    with counted(Fault(kind, writes.count)):
        (tmp_path / "last").mkdir()
    assert len(every_fault(writes.count)) == 7 * writes.count + 12
