"""What is replaced while it is in use: users finish with what they began with, and it is closed after the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Current(Generic[T]):
    """One value at a time, which its users hold for as long as they need it.

    Used on the event loop's thread only, where taking one and replacing it cannot fall between each other.

    Args:
        value: the first.
        retire: called with a replaced value, once nobody holds it.
    """

    def __init__(self, value: T, retire: Callable[[T], None]) -> None:
        self._held = _Held(value)
        self._retire = retire

    @property
    def value(self) -> T:
        """The one that the next user will get."""
        return self._held.value

    @contextmanager
    def lease(self) -> Iterator[T]:
        """Hold the value, which is not retired before the block ends, whatever replaces it meanwhile."""
        held = self._held
        held.holders += 1
        try:
            yield held.value
        finally:
            self._let_go(held)

    def replace(self, value: T) -> None:
        """Let the next user have another value."""
        replaced, self._held = self._held, _Held(value)
        self._let_go(replaced)

    def _let_go(self, held: _Held[T]) -> None:
        held.holders -= 1
        if not held.holders:
            self._retire(held.value)


class _Held(Generic[T]):
    """A value and how many hold it: at first the one who serves it."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.holders = 1
