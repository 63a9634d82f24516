"""Work that nobody waits for any more ends soon: what takes long asks now and then whether it should go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from models.errors import PenumbraError


class GivenUpError(PenumbraError):
    """Nobody waits for the answer."""


def _never() -> bool:
    return False


_ASKED: ContextVar[Callable[[], bool]] = ContextVar("given up", default=_never)


@contextmanager
def until(given_up: Callable[[], bool]) -> Iterator[None]:
    """The block's work, in this thread, is for somebody who may have given up; asked from there alone, and often."""
    token = _ASKED.set(given_up)
    try:
        yield
    finally:
        _ASKED.reset(token)


def is_given_up() -> bool:
    """Whether nobody waits for this thread's work."""
    return _ASKED.get()()


def go_on() -> None:
    """Return, so that the work goes on.

    Raises:
        GivenUpError: nobody waits for it.
    """
    if is_given_up():
        raise GivenUpError("nobody waits for this any more")
