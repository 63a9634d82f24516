"""Numbers of threads, said in one place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from index.threads import available, pin, pools


def test_every_library_takes_the_number() -> None:
    """In a thread that pins itself, every pool that can be named has the number asked for; none is forgotten."""

    def pinned(count: int) -> dict[str, int]:
        pin(count)
        return dict(pools())

    before = torch.get_num_threads()
    with ThreadPoolExecutor(1) as thread:
        one, two = (thread.submit(pinned, count).result() for count in (1, 2))
    pin(before)
    assert set(one.values()) == {1}
    assert two["torch"] == 2 and len(one) > 1


def test_all_is_the_default() -> None:
    """Without a number, as many as the process may use."""
    before = torch.get_num_threads()
    pin()
    assert pools()["torch"] == available() >= 1
    pin(before)
