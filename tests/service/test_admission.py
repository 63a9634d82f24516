"""How many queries are let in: held against a simulated server, and against what a place is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admission import LEAST, Admission
from service.errors import OverloadedError


class Simulated:
    """A server on which one query alone takes a second, and so many at once each take `share(count)` seconds.

    Those who ask come in rounds: as many as find room, all of which are answered before the next come.
    """

    def __init__(self, admission: Admission, now: list[float]) -> None:
        self.admission, self.now = admission, now

    @contextmanager
    def inside(self, kind: str = "text") -> Iterator[None]:
        """Hold one place."""
        with self.admission(kind):
            yield

    def round(self, share: float, most: int = 10**9, kind: str = "text") -> int:
        """Everybody who finds room; each takes 1 + `share` × the number of others. How many there were."""
        places: list[AbstractContextManager[None]] = []
        while not self.admission.full and len(places) < most:
            places.append(self.inside(kind))
            places[-1].__enter__()
        self.now[0] += 1 + share * (len(places) - 1)
        for place in places:
            place.__exit__(None, None, None)
        return len(places)


def simulated(most: int = 64, first: int = 8, slowdown: float = 2.0) -> Simulated:
    """A server with a clock of its own."""
    now = [0.0]
    return Simulated(Admission(most, first, slowdown, lambda: now[0]), now)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.5, 1.0, 5.0])
def test_as_many_as_do_not_make_each_other_slow(share: float) -> None:
    """With more asking than there is room for, the places settle where a query takes twice as long as alone: that is
    with 1 + 1 / share at once; never below two, and never above the most.
    """
    server = simulated()
    server.round(share, most=1)
    found = [server.round(share) for _ in range(400)][-100:]
    right = min(max(1 + 1 / share, LEAST), 64)
    assert 0.8 * right - 1 <= min(found) <= max(found) <= 1.1 * right + 1


def test_a_server_that_is_not_slowed_takes_the_most() -> None:
    """One that answers many in the time of one comes to take as many as it may, and no more."""
    server = simulated(most=64)
    server.round(0, most=1)
    for _ in range(400):
        assert server.round(0) <= 64
    assert server.round(0) == server.admission.limit == 64


def test_places_come_back() -> None:
    """After an overload the server takes as many as before, once they no longer slow each other."""
    server = simulated()
    server.round(0, most=1)
    for _ in range(100):
        server.round(5.0)
    assert server.admission.limit == LEAST
    for _ in range(200):
        server.round(0)
    assert server.admission.limit == 64


def test_places_that_are_not_used_do_not_grow() -> None:
    """A few queries at a time, however fast, say nothing of how many the server bears."""
    server = simulated(first=8)
    for _ in range(200):
        server.round(0, most=3)
    assert server.admission.limit == 8


def test_kinds_are_judged_apart() -> None:
    """A query that always takes long is not taken for a slow one; one of a kind that is fast alone is."""
    server = simulated(first=8)
    for _ in range(20):
        server.now[0] += 0
        with server.inside("fast"):
            server.now[0] += 0.1
        server.round(0, most=1, kind="long")
    for _ in range(20):
        server.round(0, kind="long")
    assert server.admission.limit > 8
    before = server.admission.limit
    server.round(0, kind="fast")
    assert server.admission.limit < before


def test_one_long_query_alone_does_not_change_what_is_usual() -> None:
    """A query that took a thousand times as long, alone, leaves what others are held against nearly as it was."""
    server = simulated()
    for _ in range(20):
        server.round(0, most=1)
    with server.inside():
        server.now[0] += 1000
    for _ in range(100):
        server.round(2.0)
    assert server.admission.limit == LEAST


def test_a_server_that_is_never_left_alone_learns_too() -> None:
    """Where no query has had the server to itself, the fastest tells how long one takes."""
    server = simulated()
    with server.inside(), server.inside():
        server.now[0] += 1
    for _ in range(100):
        server.round(5.0)
    assert server.admission.limit == LEAST


@given(
    st.integers(1, 6),
    st.integers(1, 8),
    st.lists(st.tuples(st.sampled_from(["comes", "goes", "fails"]), st.floats(0, 3)), max_size=200),
)
def test_places_are_places(most: int, first: int, steps: list[tuple[str, float]]) -> None:
    """Whatever comes and goes, and fails: no more are inside than the limit was when they came, the limit stays between
    its bounds, and each place is given back once.
    """
    now = [0.0]
    admission = Admission(most, first, 2.0, lambda: now[0])
    places: list[AbstractContextManager[None]] = []
    for step, pause in steps:
        now[0] += pause
        if step == "comes":
            place = admission("text")
            if len(places) < admission.limit:
                assert not admission.full
                place.__enter__()
                places.append(place)
            else:
                assert admission.full
                with pytest.raises(OverloadedError):
                    place.__enter__()
        elif places:
            error = KeyError() if step == "fails" else None
            assert not places.pop().__exit__(type(error) if error else None, error, None)
        assert admission.count == len(places)
        assert min(most, first, LEAST) <= admission.limit <= most


def test_what_fails_says_nothing() -> None:
    """A query that was refused for what it is, or given up, is no measurement, however fast or slow it was."""
    server = simulated()
    for _ in range(50):
        with server.inside(), pytest.raises(KeyError), server.inside():
            server.now[0] += 1000
            raise KeyError
    assert server.admission.limit == 8
