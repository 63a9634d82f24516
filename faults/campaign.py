"""Many trials: a script killed at random moments, and killed or failed at every write it makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Final

from faults.child import Run
from faults.operations import script
from faults.script import Script
from faults.trial import Bench, Loss, Trial
from faults.writes import Fault, Kind

MOMENT: Final = "killed at a random moment"
WAYS: Final = (
    (Kind.KILLED, False),
    (Kind.TORN, False),
    (Kind.FULL, False),
    (Kind.DENIED, False),
    (Kind.SHORT, False),
    (Kind.FULL, True),
    (Kind.DENIED, True),
)
"""How a write goes wrong, and whether all later ones do too."""


@dataclass
class Figures:
    """What the trials of an operation came to.

    Args:
        trials: of each way to interrupt.
        kills: processes that were killed, by a signal, before they had ended.
        failed: writes that failed and were told of.
        losses: trials in which something was wrong, by what.
        sentences: what was wrong, with how the process was interrupted.
    """

    operation: str
    trials: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    failed: int = 0
    losses: Counter[Loss] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)

    def take(self, how: str, detail: str, trial: Trial) -> None:
        """Count a trial."""
        self.trials[how] += 1
        self.kills += trial.run.killed
        self.failed += bool(trial.run.failures)
        self.losses.update(trial.losses.keys())
        self.sentences += [f"{self.operation}, {how}, {detail}: {loss}: {why}" for loss, why in trial.losses.items()]


@dataclass(frozen=True)
class Campaign:
    """Trials of one operation.

    Args:
        bench: where they are made.
        operation: its name.
        seed: of the random moments, and of the order of the writes.
    """

    bench: Bench
    operation: str
    seed: int

    @cached_property
    def script(self) -> Script:
        """Of the operation."""
        return script(self.operation, self.bench.prepared)

    @cached_property
    def undisturbed(self) -> Run:
        """How the process runs when nothing goes wrong."""
        return self.bench.try_out(self.script).run

    def moments(self, kills: int) -> Iterator[tuple[str, str, Trial]]:
        """Kill the process at random moments, until it has been killed so often before its end."""
        random, killed = Random(f"{self.operation} {self.seed}"), 0
        while killed < kills:
            moment = random.uniform(0, self.undisturbed.seconds)
            trial = self.bench.try_out(self.script, kill_after=moment)
            killed += trial.run.killed
            yield MOMENT, f"after {1000 * moment:.1f} ms", trial

    def faults(self, most: int | None = None) -> Sequence[Fault]:
        """All that can go wrong in the writes of the operation, or the first `most` of it."""
        return every_fault(self.undisturbed.writes, self.seed)[:most]

    def at_write(self, fault: Fault) -> tuple[str, str, Trial]:
        """Let a write go wrong."""
        trial = self.bench.try_out(self.script, fault=fault)
        return str(fault.kind), f"at {fault.at}{', and from then on' if fault.lasting else ''}", trial


def every_fault(writes: int, seed: int = 0) -> list[Fault]:
    """All that can go wrong in so many writes.

    In rounds: each takes every write once, in random order, and each write in another way than the rounds before. So
    the first faults of the list are spread over all writes and all ways. The limits on the size of files come last.
    """
    random, found = Random(seed), []
    for turn in range(len(WAYS)):
        places = list(range(writes))
        random.shuffle(places)
        found += [Fault(kind, at, lasting) for at in places for kind, lasting in [WAYS[(at + turn) % len(WAYS)]]]
    return found + [Fault(Kind.LIMIT, 2**exponent + 7) for exponent in range(6, 18)]


def prepared_bench(folder: Path) -> Bench:
    """A bench in a folder that `faults.operations.prepare` has filled."""
    return Bench(script, folder / "prepared", folder / "trial")
