"""What is measured of a server under load, and what each figure should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final, Self

import numpy as np

from load.client import Seen
from load.server import Server, Taken

Ask = Callable[[str, float, float], Seen]
Row = tuple[str, str, bool | None]

SLOWER: Final = 3.0
"""How many times its unloaded p99 an accepted request may take in an overload."""
GROWTH: Final = 0.02
"""The share by which memory may grow in a soak."""
FLAT: Final = 0.10
"""The share by which memory may exceed, in an overload, what it was after the first load: queues and buffers fill."""
_STEPS: Final = 20


def tail(seen: Seen, share: float = 99) -> float:
    """A percentile of the accepted requests' latencies, in milliseconds; 0 where there are none."""
    return float(np.percentile(seen.accepted, share)) if seen.accepted else 0.0


def refused(seen: Seen) -> float:
    """The share of answers that are 429."""
    return seen.statuses.get(429, 0) / max(sum(seen.statuses.values()), 1)


def others(seen: Seen) -> dict[int, int]:
    """Answers that are neither 200 nor 429."""
    return {status: count for status, count in seen.statuses.items() if status not in (200, 429)}


@dataclass(frozen=True)
class Overload:
    """A server at its ease, asked for too much, and afterwards.

    Args:
        rate: that it sustains, in requests a second.
        times: how many times of it are asked for.
        alone: at a tenth of that rate.
        much: at the overload.
        after: at half the rate, right after it.
        before: what the process took before the overload.
        most: the most resident memory in the overload, in MB.
    """

    rate: float
    times: float
    alone: Seen
    much: Seen
    after: Seen
    before: Taken
    most: float

    @classmethod
    def measure(cls, server: Server, ask: Ask, seconds: float, times: float) -> Self:
        """Ask, and watch."""
        ask("turn", 4, 200)
        rate = sustainable(ask)
        alone = ask("rate", rate / 10, max(10.0, 400 / rate))
        before, most, over = server.taken(), 0.0, Event()

        def watch() -> None:
            nonlocal most
            while not over.wait(0.25):
                most = max(most, server.taken().resident)

        watching = Thread(target=watch)
        watching.start()
        try:
            much = ask("rate", rate * times, seconds)
        finally:
            over.set()
            watching.join()
        return cls(rate, times, alone, much, ask("rate", rate / 2, 5), before, most)

    @property
    def slower(self) -> float:
        """How many times its unloaded p99 an accepted request took."""
        return tail(self.much) / tail(self.alone)

    @property
    def growth(self) -> float:
        """By which share of its memory the server grew."""
        return self.most / self.before.resident - 1

    def rows(self) -> list[Row]:
        """The figures, and whether they are as they should be."""
        answers = sum(self.much.statuses.values())
        accepted = len(self.much.accepted)
        lost = self.much.broken + self.after.broken + self.alone.broken
        return [
            ("sustainable rate", f"{self.rate:.0f} a second", None),
            ("unloaded (a tenth of it)", f"p50 {tail(self.alone, 50):.1f} ms, p99 {tail(self.alone):.1f} ms", None),
            ("overload", f"{self.times:g} × for {self.much.seconds:.0f} s: {answers:,} answers", None),
            ("  not sent, for want of connections", f"{self.much.unsent:,}", None),
            ("  accepted", f"{accepted:,} ({accepted / self.much.seconds:.0f} a second)", accepted > 0),
            ("  their latency", f"p50 {tail(self.much, 50):.1f} ms, p99 {tail(self.much):.1f} ms", None),
            ("  p99 against unloaded", f"{self.slower:.1f} × (should be {SLOWER:g} at most)", self.slower <= SLOWER),
            ("  refused with 429", f"{refused(self.much):.1%}", None),
            ("  of those with Retry-After", f"{self.much.later:,}", self.much.later == self.much.statuses.get(429, 0)),
            ("  other answers", str(others(self.much) or "none"), not others(self.much)),
            ("  memory", f"{self.before.resident:.0f} MB, at most {self.most:.0f} MB", self.growth <= FLAT),
            (
                "right after, at half the rate",
                f"{refused(self.after):.1%} refused, p99 {tail(self.after):.1f} ms",
                refused(self.after) <= 0.01,
            ),
            ("lost: connections without an answer", str(lost), lost == 0),
        ]

    @property
    def good(self) -> bool:
        """Whether all are."""
        return all(good is not False for _, _, good in self.rows())


def sustainable(ask: Ask) -> float:
    """The rate at which no more than one in a hundred is refused: from what four clients get, step by step down."""
    found = ask("turn", 4, 600)
    rate = len(found.accepted) / found.seconds
    while refused(ask("rate", rate, 5)) > 0.01:
        rate *= 0.8
    return rate


@dataclass(frozen=True)
class Soak:
    """A server after very many requests of all kinds.

    Args:
        seen: of all but the first tenth, which warms it up.
        steps: what the process took after each part.
    """

    seen: Seen
    steps: tuple[Taken, ...]

    @classmethod
    def measure(cls, server: Server, ask: Ask, requests: int) -> Self:
        """Ask, and look after each twentieth."""
        whole, steps = Seen(), []
        for step in range(_STEPS):
            part = ask("turn", 4, requests // _STEPS)
            if step >= _STEPS // 10 - 1:
                steps.append(server.taken())
            whole.broken += part.broken
            whole.seconds += part.seconds
            whole.accepted += part.accepted
            for status, count in part.statuses.items():
                whole.statuses[status] = whole.statuses.get(status, 0) + count
        return cls(whole, tuple(steps))

    @property
    def growth(self) -> float:
        """By which share of its memory the server grew after the first tenth."""
        return self.steps[-1].resident / self.steps[0].resident - 1

    def rows(self) -> list[Row]:
        """The figures, and whether they are as they should be."""
        first, last = self.steps[0], self.steps[-1]
        statuses, failed = self.seen.statuses, sum(n for status, n in self.seen.statuses.items() if status >= 500)
        total = sum(statuses.values())
        kept = last.descriptors <= first.descriptors + 2
        return [
            ("requests", f"{total:,} in {self.seen.seconds:.0f} s", None),
            ("statuses", ", ".join(f"{status}: {statuses[status]:,}" for status in sorted(statuses)), failed == 0),
            ("memory after a tenth, at the end", f"{first.resident:.1f} → {last.resident:.1f} MB", None),
            ("  growth", f"{self.growth:+.2%} (should be below {GROWTH:.0%})", self.growth < GROWTH),
            ("descriptors", f"{first.descriptors} → {last.descriptors}", kept),
            ("threads", f"{first.threads} → {last.threads}", last.threads <= first.threads),
            ("lost: connections without an answer", str(self.seen.broken), self.seen.broken == 0),
        ]

    @property
    def good(self) -> bool:
        """Whether all are."""
        return all(good is not False for _, _, good in self.rows())
