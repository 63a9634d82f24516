"""What the collector of garbage looks through while requests are answered."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from service.garbage import NEW_OBJECTS, settle


class Link:
    """Holds another one."""

    other: Link


@pytest.fixture
def settled() -> Iterator[Link]:
    """Something that was there before; afterwards all is as it was."""
    thresholds, before = gc.get_threshold(), Link()
    settle()
    yield before
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_was_there_is_left_alone(settled: Link) -> None:
    """A collection does not look at it, nor as often as it would; it goes all the same when nobody holds it."""
    assert all(each is not settled for each in gc.get_objects())
    assert gc.get_threshold()[0] == NEW_OBJECTS


def test_new_garbage_is_found(settled: Link) -> None:
    """What comes afterwards is looked through as ever."""
    one, two = Link(), Link()
    one.other, two.other = two, one
    there = ref(one)
    del one, two
    assert there() is not None
    gc.collect()
    assert there() is None
