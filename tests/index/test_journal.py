"""A journal holds every change that was acknowledged, whole or not at all, whatever became of the rest of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faults.held import caption, image
from index.changes.change import Addition, Change
from index.changes.journal import JOURNAL, Journal, Opening, create_journal, decode, encode, read_journal
from index.items import Item, Modality
from models.errors import ArtifactError
from models.gaussian import Gaussian

CHANGES = (
    Change((), (image("a", 1), caption("a#0", "a", 2))),
    Change(("a#0", "x")),
    Change(("a",), (image("a", 3),)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three changes."""
    create_journal(tmp_path, Opening("fingerprint", 3))
    recorded = read_journal(tmp_path / JOURNAL)
    assert recorded is not None
    journal = Journal(tmp_path / JOURNAL, recorded.end)
    for change in CHANGES:
        journal.append(change)
    journal.close()
    return tmp_path / JOURNAL


def same(one: Change, other: Change) -> bool:
    """Whether two changes are the same to the last bit."""
    return (
        one.removed == other.removed and len(one.added) == len(other.added) and all(map(_alike, one.added, other.added))
    )


def _alike(one: Addition, other: Addition) -> bool:
    gaussians = one.gaussian, other.gaussian
    means, log_variances = zip(*((each.mean, each.log_variance) for each in gaussians), strict=True)
    return (one.item, one.jpeg) == (other.item, other.jpeg) and torch.equal(*means) and torch.equal(*log_variances)


WORDS = st.text(max_size=8)
META = st.dictionaries(
    WORDS, st.none() | st.booleans() | st.integers() | WORDS | st.lists(WORDS, max_size=2), max_size=3
)


@given(
    st.lists(st.tuples(WORDS, st.binary(min_size=1, max_size=20), WORDS | st.none(), META), max_size=3), st.lists(WORDS)
)
def test_a_change_comes_back_as_it_was(items: list[tuple[Any, ...]], removed: list[str]) -> None:
    """Any ids, texts, metadata, pictures and numbers, bit for bit, also those at the ends of float32."""
    numbers = Gaussian(torch.tensor([1e-45, -3.4e38, 0.1]), torch.tensor([-87.0, 3.0, -0.0]))
    added = tuple(
        Addition(Item(name, Modality.IMAGE, None, name, label, meta), numbers, jpeg)
        for name, jpeg, label, meta in items
    )
    change = Change(tuple(removed), added)
    assert same(decode(encode(change)), change)


def test_what_was_being_written_is_cut_off(path: Path) -> None:
    """Cut at any byte, the journal holds the changes that were whole, and goes on from there."""
    content = path.read_bytes()
    recorded = read_journal(path)
    assert recorded is not None
    ends = [entry.end for entry in recorded.entries]
    for size in range(ends[0] - 40, len(content)):
        path.write_bytes(content[:size])
        found = read_journal(path)
        assert found is not None
        whole = sum(end <= size for end in ends)
        assert (len(found.entries), found.end + found.torn) == (whole, size)
        assert all(map(same, (entry.change for entry in found.entries), CHANGES))
        if size % 50 == 0:
            journal = Journal(path, found.end)
            journal.append(CHANGES[0])
            journal.close()
            again = read_journal(path)
            assert again is not None
            assert (len(again.entries), again.torn) == (whole + 1, 0)


def test_a_tail_that_never_reached_the_disk_is_cut_off(path: Path) -> None:
    """A last frame whose length is on the disk and whose bytes are zeros was never acknowledged."""
    content = path.read_bytes()
    recorded = read_journal(path)
    assert recorded is not None
    for start in range(recorded.entries[-2].end, len(content), 7):
        path.write_bytes(content[:start] + bytes(len(content) - start))
        found = read_journal(path)
        assert found is not None
        assert len(found.entries) == 2


def test_damage_before_the_last_change_is_an_error(path: Path) -> None:
    """A byte turned anywhere before the last frame is named with its place; no change is passed over in silence."""
    content = path.read_bytes()
    recorded = read_journal(path)
    assert recorded is not None
    for place in range(recorded.entries[-2].end):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ArtifactError, match=r"changes\.journal is damaged [0-9,]+ bytes after its start: copy"):
            read_journal(path)


@pytest.mark.parametrize("content", [b"", b"PnJ1", b"something else"])
def test_another_file_is_no_journal(path: Path, content: bytes) -> None:
    """A file that does not begin like one is refused."""
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="does not begin like a journal"):
        read_journal(path)


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_change_that_cannot_be_written_is_none(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A full disk, in the middle of a frame too, leaves the journal as it was; with room again it goes on."""
    recorded = read_journal(path)
    assert recorded is not None
    journal, before = Journal(path, recorded.end), path.read_bytes()
    real, calls = getattr(os, call), []

    def fail(file: int, *rest: Any) -> Any:
        calls.append(file)
        if len(calls) == 1:
            if rest:
                return real(file, rest[0][:30], *rest[1:])
            raise OSError(errno.ENOSPC, "No space left on device")
        if len(calls) == 2 and rest:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, *rest)

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(ArtifactError, match=r"cannot be written \(No space left on device\), and nothing was changed"):
        journal.append(CHANGES[0])
    assert path.read_bytes() == before
    monkeypatch.undo()
    journal.append(CHANGES[1])
    journal.close()
    found = read_journal(path)
    assert found is not None
    assert len(found.entries) == 4


def test_a_disk_that_does_not_cut_either_takes_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While what was written in part cannot be cut off, nothing is written after it; once it can, it goes on."""
    recorded = read_journal(path)
    assert recorded is not None
    journal = Journal(path, recorded.end)

    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    for said in (r"cannot be written \(Input/output error\)", "mend the disk"):
        with pytest.raises(ArtifactError, match=said):
            journal.append(CHANGES[0])
    monkeypatch.undo()
    journal.append(CHANGES[0])
    journal.close()
    found = read_journal(path)
    assert found is not None
    assert (len(found.entries), found.torn) == (4, 0)
