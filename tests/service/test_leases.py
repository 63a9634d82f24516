"""A value that is replaced while it is in use."""

from __future__ import annotations

import pytest

from service.leases import Current


def test_a_replaced_value_is_retired_after_its_last_user() -> None:
    """However many hold it and in whatever order they end; whoever comes later gets the new one."""
    retired: list[str] = []
    current = Current("old", retired.append)
    with current.lease() as first:
        second = current.lease()
        assert second.__enter__() == first == "old"
        current.replace("new")
        with current.lease() as later:
            assert later == "new"
        assert retired == []
    assert retired == []
    second.__exit__(None, None, None)
    assert retired == ["old"]
    assert current.value == "new"


def test_an_unused_value_is_retired_at_once() -> None:
    """And so is one whose users have all ended, with an error or without."""
    retired: list[str] = []
    current = Current("a", retired.append)
    with pytest.raises(KeyError), current.lease():
        raise KeyError
    assert retired == []
    current.replace("b")
    assert retired == ["a"]
