from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import Entry
from corpus.splits import hold_out
from models.errors import ConfigError


def entries(count: int) -> list[Entry]:
    return [Entry(f"item {n}", Path(f"{n}.jpg")) for n in range(count)]


@given(st.integers(0, 60), st.floats(0, 0.99), st.integers(0, 5), st.randoms())
def test_hold_out_is_a_partition_of_the_asked_size(count: int, fraction: float, seed: int, random: object) -> None:
    """Every entry is on one side, each side in the given order, and round(fraction × n) are held out."""
    given_entries = entries(count)
    kept, held = hold_out(given_entries, fraction, seed)
    assert len(held) == round(fraction * count)
    assert sorted([*kept, *held], key=given_entries.index) == given_entries
    for side in (kept, held):
        assert list(side) == sorted(side, key=given_entries.index)


@given(st.permutations(entries(20)), st.integers(0, 5))
def test_hold_out_does_not_depend_on_the_order(shuffled: list[Entry], seed: int) -> None:
    """The same ids and seed hold out the same entries, however they are ordered and wherever they lie."""
    _, expected = hold_out(entries(20), 0.3, seed)
    moved = [Entry(entry.id, "/elsewhere" / entry.image) for entry in shuffled]
    assert {entry.id for entry in hold_out(moved, 0.3, seed)[1]} == {entry.id for entry in expected}


def test_seeds_differ() -> None:
    """Ten seeds hold out ten different sets, and together nearly all entries get their turn."""
    drawn = [frozenset(entry.id for entry in hold_out(entries(100), 0.3, seed)[1]) for seed in range(10)]
    assert len(set(drawn)) == 10
    assert len(frozenset.union(*drawn)) > 85


def test_hold_out_is_pinned() -> None:
    """The draw is the same on every machine: the least of `printf '0:item N' | sha256sum`, reckoned by hand."""
    assert [entry.id for entry in hold_out(entries(10), 0.3, 0)[1]] == ["item 1", "item 3", "item 8"]


def test_one_image_stays_on_one_side() -> None:
    """Entries that show the same file are held out together, so that no picture is on both sides."""
    doubled = [Entry(f"{n} {copy}", Path(f"{n}.jpg")) for n in range(20) for copy in "ab"]
    kept, held = hold_out(doubled, 0.5, 1)
    assert len(held) == 20
    assert not {entry.image for entry in kept} & {entry.image for entry in held}
    assert hold_out(doubled[::-1], 0.5, 1)[1] == held[::-1]


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, float("nan")])
def test_an_impossible_fraction_is_refused(fraction: float) -> None:
    """Holding out less than nothing, or everything, raises ConfigError."""
    with pytest.raises(ConfigError, match="fraction"):
        hold_out(entries(3), fraction, 0)
