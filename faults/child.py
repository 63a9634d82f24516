"""A process of its own that makes the changes of a script and tells of each one that was acknowledged."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from faults.script import Script
from faults.writes import Fault, counted
from index.threads import pin

LIMIT_S: Final = 120.0
"""After which a process counts as hung."""

# A server that has loaded everything and runs no threads: a child of it starts in milliseconds.
_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["faults.operations", "faults.trial"])

Made = Callable[[str, Path], Script]
"""Makes the script of a name from a folder where it was prepared; a function of a module, since a child calls it."""


@dataclass(frozen=True)
class Run:
    """How a process ended.

    Args:
        acknowledged: the changes that it told were done.
        seconds: from its first change on.
        writes: the calls that write, where it lived to tell; 0 otherwise.
        killed: by a signal.
        hung: it had to be killed after `LIMIT_S`.
        failures: errors that it was told of by what it called.
    """

    acknowledged: int
    seconds: float
    writes: int
    killed: bool
    hung: bool
    failures: tuple[str, ...]


def run(
    made: Made,
    name: str,
    prepared: Path,
    folder: Path,
    *,
    start: int = 0,
    fault: Fault | None = None,
    kill_after: float | None = None,
) -> Run:
    """Make the changes of a script from number `start` on in a process of its own, and wait for its end.

    Args:
        made: makes the script.
        name: of the script.
        prepared: the folder of what scripts share.
        folder: of this trial.
        start: the first change to be made.
        fault: which write goes wrong.
        kill_after: seconds after which the process is killed; None leaves it alone.
    """
    told, telling = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_changes, args=(telling, made, name, prepared, folder, start, fault))
    process.start()
    telling.close()
    heard = _Heard(told)
    heard.first()
    began = perf_counter()
    if kill_after is not None:
        sleep(kill_after)
        process.kill()
    hung = not heard.rest(began + LIMIT_S)
    if hung:
        process.kill()
    process.join()
    seconds = perf_counter() - began
    return Run(start + heard.acknowledged, seconds, heard.writes, process.exitcode == -9, hung, tuple(heard.failures))


class _Heard:
    """What a child told."""

    def __init__(self, told: Connection) -> None:
        self.acknowledged = 0
        self.writes = 0
        self.failures: list[str] = []
        self._told = told

    def first(self) -> None:
        """Wait until the child begins."""
        if self._told.poll(LIMIT_S):
            self._take()

    def rest(self, until: float) -> bool:
        """Listen until the child ends; False when it does not."""
        while self._told.poll(max(until - perf_counter(), 0)):
            if not self._take():
                return True
        return False

    def _take(self) -> bool:
        try:
            message = self._told.recv()
        except (EOFError, OSError):
            return False
        if message == "acknowledged":
            self.acknowledged += 1
        elif isinstance(message, int):
            self.writes = message
        elif message != "begins":
            self.failures.append(message)
        return True


def _changes(
    telling: Connection, made: Made, name: str, prepared: Path, folder: Path, start: int, fault: Fault | None
) -> None:
    """In the child: make the changes; after an error the same once more, and then from a gallery opened again."""
    pin(1)
    script = made(name, prepared)
    telling.send("begins")
    done = start
    with counted(fault) as writes:
        for _ in range(3):
            try:
                with script.opened(folder) as change:
                    while done < script.changes:
                        _insist(change, done, telling)
                        done += 1
                        telling.send("acknowledged")
                break
            except Exception as error:
                telling.send(f"{type(error).__name__}: {error}")
    telling.send(writes.count)


def _insist(change: Callable[[int], None], number: int, telling: Connection) -> None:
    """Make a change, a second time where the first one fails."""
    try:
        change(number)
    except Exception as error:
        telling.send(f"{type(error).__name__}: {error}")
        change(number)
