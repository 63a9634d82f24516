"""Children that do something and are watched: how often they acknowledged, how they ended, what they said."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Acknowledge = Callable[[], None]

CRASHED: Final = 4
_FROM_HERE: Final = os.write


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Args:
        acknowledged: how often.
        code: its exit code; below zero the signal.
        said: the traceback where it raised, or what `work` returned.
    """

    acknowledged: int
    code: int
    said: str


def run(work: Callable[[Acknowledge], str], kill_after: float | None = None) -> Ended:
    """Do something in a child.

    Args:
        work: what it does; it is given what acknowledges.
        kill_after: seconds until it is killed, if it still runs then.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _live(work, writing)
    os.close(writing)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    acknowledged, _, said = told.partition(b"\n")
    return Ended(len(acknowledged), os.waitstatus_to_exitcode(status), said.decode())


def _live(work: Callable[[Acknowledge], str], pipe: int) -> None:
    """A child's whole life; it never returns."""
    code, said = 0, ""
    try:
        said = work(lambda: _tell(pipe, b"."))
    except BaseException:
        code, said = CRASHED, traceback.format_exc()
    _tell(pipe, b"\n" + said.encode())
    os._exit(code)


def _tell(pipe: int, what: bytes) -> None:
    _FROM_HERE(pipe, what)
