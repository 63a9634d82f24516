"""Methods that keep their last results without holding the object that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast
from weakref import WeakMethod

P = ParamSpec("P")
T = TypeVar("T")


def kept(method: Callable[P, T], most: int) -> Callable[P, T]:
    """A bound method that keeps its last `most` results, for an attribute of its own object.

    `functools.lru_cache` alone would hold the object that holds it: after a swap a gallery's maps, and on the disk the
    files that a compaction has replaced, would stay until somebody collects garbage.
    """
    weak = WeakMethod(method)

    @lru_cache(maxsize=most)
    def keeping(*args: P.args, **kwargs: P.kwargs) -> T:
        # Whoever calls this has the object.
        bound = weak()
        assert bound is not None
        return bound(*args, **kwargs)

    return cast(Callable[P, T], keeping)
