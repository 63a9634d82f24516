"""How many queries the server takes at once: as many as do not make each other slow."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from service.errors import OverloadedError

LEAST: Final = 2
"""Queries that are let in however slow they are: one is searched for while another is encoded."""
_LEAST_SHARE: Final = 0.7
_WEIGHT: Final = 0.1
_LATELY: Final = 0.02
"""The weight of one query in the share of those refused: about the last fifty count."""
_CROWD: Final = 0.25


class Admission:
    """Places for queries, so that decoding, encoding and searching queue within bounds too.

    A queue that stays makes every answer late and none more. So the number of places follows what queries measure
    themselves. In a crowd, when many have to be refused anyway, one that took more than `slowdown` times as long as one
    of its kind that had the server to itself takes places away, in proportion, and those that came before it did take
    no more: they met the same crowd. While half of the places are in use and queries take no longer than that, places
    come back one by one. (Additive increase and multiplicative decrease: Chiu and Jain, 1989; by the latency against
    the one without load: Brakmo and Peterson, "TCP Vegas", 1995.) So what a machine bears, two cores or a GPU that
    encodes 32 texts in the time of one, need not be told. Where hardly anybody is refused, `first` callers at once are
    let in however slow that makes them: a few who wait for each other would rather wait than be sent away. Used on the
    event loop's thread only.

    Args:
        most: places at most.
        first: places before anything is measured, and whenever there is no crowd.
        slowdown: above 1.
        clock: in seconds.
    """

    def __init__(self, most: int, first: int, slowdown: float, clock: Callable[[], float] = monotonic) -> None:
        self._most, self._slowdown, self._clock = most, slowdown, clock
        self._first = min(first, most)
        self._least, self._places = min(LEAST, self._first), float(self._first)
        self._alone: dict[Hashable, float] = {}
        self._taken = self._shrunk_at = 0
        self.count = 0
        self.refused = 0.0
        """The share of those who came lately that were refused."""

    @property
    def limit(self) -> int:
        """The most queries at once, as things are."""
        return int(self._places)

    @property
    def full(self) -> bool:
        """Whether one more is refused."""
        return self.count >= self.limit

    def refuse(self) -> OverloadedError:
        """Count one that finds no place; what it is told."""
        self.refused += _LATELY * (1 - self.refused)
        return OverloadedError("The server has as many queries on their way as it takes; try again in a second.")

    @contextmanager
    def __call__(self, kind: Hashable) -> Iterator[None]:
        """Hold one place.

        Args:
            kind: of query; those of one kind take equally long. There are few of them.

        Raises:
            OverloadedError: there is none.
        """
        if self.full:
            raise self.refuse()
        self.refused -= _LATELY * self.refused
        self.count += 1
        self._taken += 1
        was_alone, number, began = self.count == 1, self._taken, self._clock()
        try:
            yield
            seconds = self._clock() - began
            if was_alone and number == self._taken:
                self._learn(kind, seconds)
            else:
                self._judge(kind, seconds, came_since=number > self._shrunk_at)
        finally:
            self.count -= 1

    def _learn(self, kind: Hashable, seconds: float) -> None:
        """A running mean in which no single query counts for much."""
        usual = self._alone.get(kind, seconds)
        self._alone[kind] = usual + _WEIGHT * (min(seconds, 2 * usual) - usual)

    def _judge(self, kind: Hashable, seconds: float, came_since: bool) -> None:
        # Nobody is faster among others: where none was alone yet, the fastest tells how long that would take.
        usual = self._alone[kind] = min(self._alone.get(kind, seconds), seconds)
        is_slow = seconds > self._slowdown * usual
        if is_slow and self.refused > _CROWD:
            if came_since:
                share = max(_LEAST_SHARE, self._slowdown * usual / seconds)
                self._places = max(self._least, self._places * share)
                self._shrunk_at = self._taken
        elif 2 * self.count >= self._places and (not is_slow or self._places < self._first):
            self._places = min(self._most, self._places + 1 / self._places)
