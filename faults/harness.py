"""Faults one after the other, each in a fresh copy of a gallery, and what they did."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from faults.checks import left_behind, problems
from faults.operations import OPERATIONS, Operation
from faults.processes import Acknowledge, Ended, run
from faults.refusals import Kind, Refusals
from models.errors import PenumbraError

SEED: Final = 0


@dataclass(frozen=True)
class Outcome:
    """What faults of one kind did to one operation.

    Args:
        operation: its name.
        fault: what was done to it.
        faults: how often.
        acknowledged: steps that were acknowledged in all.
        lost: what was wrong afterwards, a line for each thing.
    """

    operation: str
    fault: str
    faults: int
    acknowledged: int
    lost: Sequence[str]


def kills(name: str, times: int) -> Outcome:
    """Kill a process that does an operation over and over, at random moments."""
    operation, draw = OPERATIONS[name], random.Random(SEED)
    with _template(operation) as template:
        ended = [_killed(operation, template, draw.uniform(0, operation.seconds)) for _ in range(times)]
    return _outcome(name, "killed", ended)


def refusals(name: str, kind: Kind, stride: int = 1) -> Outcome:
    """Let every write call of an operation fail in turn, or every nth; then it must go through."""
    operation, ended = OPERATIONS[name], []
    with _template(operation) as template:
        for at in count(0, stride):
            found = _refused(operation, template, kind, at)
            if found is None:
                return _outcome(name, kind, ended)
            ended.append(found)
    raise AssertionError("unreachable")


def _killed(operation: Operation, template: Path, after: float) -> tuple[Ended, list[str]]:
    with _copy(template) as folder:

        def work(acknowledge: Acknowledge) -> str:
            for number in count():
                operation.step(folder, number, acknowledge)
            return ""

        ended = run(work, after)
        allowed = [operation.after(ended.acknowledged + more) for more in (0, 1)]
        wrong = problems(folder / "gallery", allowed) + ([ended.said] if ended.said else [])
        again = run(lambda acknowledge: _done(operation, folder, ended.acknowledged + 1, acknowledge))
        wrong += [again.said] if again.code else left_behind(folder, _names(template))
        return ended, wrong


def _refused(operation: Operation, template: Path, kind: Kind, at: int) -> tuple[Ended, list[str]] | None:
    """How it ended; None where there was no such call any more."""
    with _copy(template) as folder:

        def work(acknowledge: Acknowledge) -> str:
            done, refusing = 0, Refusals(kind, at)

            def one_more() -> None:
                nonlocal done
                done += 1
                acknowledge()

            try:
                with refusing.on():
                    operation.step(folder, 0, one_more)
            except PenumbraError:
                operation.step(folder, done, acknowledge)
            return "refused" if refusing.hit else ""

        ended = run(work)
        if not ended.code and not ended.said:
            return None
        wrong = problems(folder / "gallery", [operation.after(ended.acknowledged)])
        wrong += [ended.said] if ended.code else left_behind(folder, _names(template))
        return ended, wrong


def _done(operation: Operation, folder: Path, number: int, acknowledge: Acknowledge) -> str:
    operation.step(folder, number, acknowledge)
    return ""


def _outcome(name: str, fault: str, ended: Sequence[tuple[Ended, list[str]]]) -> Outcome:
    lost = [line for _, wrong in ended for line in wrong]
    return Outcome(name, fault, len(ended), sum(each.acknowledged for each, _ in ended), lost)


@contextmanager
def _template(operation: Operation) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        operation.prepare(Path(folder))
        yield Path(folder)


@contextmanager
def _copy(template: Path) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(shutil.copytree(template, Path(folder) / "copy"))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
