"""How often somebody may ask: a token bucket (Turner, "New directions in communications", 1986)."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class TokenBucket:
    """Holds `burst` tokens at most and gets `rate` a second; a request takes one.

    Used on the event loop's thread only.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._since = float(burst), clock()

    def take(self) -> float:
        """Take a token: 0 seconds, or how many seconds it is until there is one."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate
