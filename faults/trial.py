"""One trial: a script that is interrupted, what its gallery holds then, and whether the script can go on."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from faults.child import Made, Run, run
from faults.script import GALLERY, Script
from faults.state import State, read_state
from faults.writes import Fault
from index.lifecycle.verify import verify
from models.errors import PenumbraError


class Loss(StrEnum):
    """What must never be found."""

    CLOSED = "closed"
    LOST = "lost"
    HALF = "half"
    DAMAGED = "damaged"
    STUCK = "stuck"
    LEFT = "left"
    HUNG = "hung"


@dataclass(frozen=True)
class Trial:
    """What an interruption led to.

    Args:
        run: of the process that was interrupted.
        losses: what was wrong, each with a sentence.
    """

    run: Run
    losses: dict[Loss, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """Where trials are made.

    Args:
        made: makes the script of a name.
        prepared: what scripts share.
        folder: of the trials, one at a time.
    """

    made: Made
    prepared: Path
    folder: Path

    def try_out(self, script: Script, *, fault: Fault | None = None, kill_after: float | None = None) -> Trial:
        """Interrupt a script, and look at what it leaves."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(script.start, self.folder, symlinks=True)
        ended = self._run(script, fault=fault, kill_after=kill_after)
        losses = dict(self._losses(script, ended))
        return Trial(ended, losses)

    def _losses(self, script: Script, ended: Run) -> Iterator[tuple[Loss, str]]:
        if ended.hung:
            yield Loss.HUNG, "the process did not end"
        held = yield from self._held(script, ended.acknowledged)
        if held is not None:
            again = self._run(script, start=min(held, ended.acknowledged) if script.repeatable else held)
            yield from self._final(script, again)

    def _held(self, script: Script, acknowledged: int) -> Generator[tuple[Loss, str], None, int | None]:
        """What is wrong with the gallery; returns how many changes it holds, None when that cannot be told."""
        try:
            state = read_state(self.folder / GALLERY)
            damages = verify(self.folder / GALLERY).damages
        except PenumbraError as error:
            yield Loss.CLOSED, str(error)
            return None
        if damages:
            yield Loss.DAMAGED, " ".join(map(str, damages))
        held = _place(script, state, acknowledged)
        if held is None:
            yield Loss.HALF, f"after {acknowledged} changes it holds what no number of changes gives"
        elif held < acknowledged:
            yield Loss.LOST, f"{acknowledged} changes were acknowledged, and it holds {held}"
        return held

    def _final(self, script: Script, again: Run) -> Iterator[tuple[Loss, str]]:
        """What is wrong after the same process was started again and made the rest of the changes."""
        if again.failures or again.acknowledged != script.changes:
            yield Loss.STUCK, f"started again it made {again.acknowledged} of {script.changes}: {again.failures}"
        elif read_state(self.folder / GALLERY) != script.states[-1] or not verify(self.folder / GALLERY).sound:
            yield Loss.STUCK, "started again it ends with another gallery"
        expected = {path.name for path in script.start.iterdir()} | {f".{GALLERY}.lock"}
        left = {path.name for path in self.folder.iterdir()} - expected
        if left:
            yield Loss.LEFT, f"{', '.join(sorted(left))} beside the gallery"

    def _run(
        self, script: Script, *, start: int = 0, fault: Fault | None = None, kill_after: float | None = None
    ) -> Run:
        arguments = (self.made, script.name, self.prepared, self.folder)
        return run(*arguments, start=start, fault=fault, kill_after=kill_after)


def _place(script: Script, state: State, acknowledged: int) -> int | None:
    """How many changes a state has, if any number gives it: one more than was acknowledged, or as many, or fewer."""
    for held in (acknowledged, acknowledged + 1, *reversed(range(acknowledged))):
        if held <= script.changes and state == script.states[held]:
            return held
    return None
