"""How many searches wait, which the encoder asks: while many do, its haste makes nobody's answer come earlier."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Backlog:
    """Searches that were asked for and have not ended; from any thread. `on_end` is called when one ends."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.asked = self.ended = 0
        self.on_end: Callable[[], None] = lambda: None

    @property
    def length(self) -> int:
        """How many there are now."""
        return self.asked - self.ended

    def begin(self) -> None:
        """One more is asked for."""
        with self._lock:
            self.asked += 1

    def end(self) -> None:
        """One has been answered, has failed, or was given up."""
        with self._lock:
            self.ended += 1
        self.on_end()
