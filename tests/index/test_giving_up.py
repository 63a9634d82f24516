"""Searches that nobody waits for any more: they end before they are done, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from index.allowed import Allowed
from index.filters import field_index
from index.filters.form import parse
from index.gaussians.exhaustive import every_probability
from index.gaussians.storage import BLOCK, StoredGaussians
from index.giving_up import GivenUpError, go_on, is_given_up, until
from index.items import Modality
from index.local.gallery import Gallery
from index.searching.retriever import Retriever, SearchOptions
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead

HEAD = MatchHead(4.0, 9.0)
DIM = 4


class Read(StoredGaussians):
    """Counts how often rows are read."""

    times = 0

    def take(self, rows: Any) -> Gaussian:
        """Rows, as always."""
        object.__setattr__(self, "times", self.times + 1)
        return super().take(rows)


def draw(n: int, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(n, DIM, generator=generator), torch.randn(n, DIM, generator=generator) - 2)


def test_who_waits_is_asked_in_the_block_and_the_thread_alone() -> None:
    """Outside of the block, and in other threads, work goes on."""
    found: list[bool] = []
    with pytest.raises(GivenUpError), until(lambda: True):
        other = Thread(target=lambda: found.append(is_given_up()))
        other.start()
        other.join()
        go_on()
    assert found == [False] and not is_given_up()
    go_on()


@pytest.mark.parametrize("allowed", [None, Allowed(np.ones(3 * BLOCK, np.bool_))])
def test_a_ranking_of_everything_ends_between_blocks(allowed: Allowed | None) -> None:
    """Given up while the first block is looked at, it reads no other; with a filter and without."""
    drawn = draw(3 * BLOCK, 0)
    items = Read(drawn.mean.numpy(), drawn.log_variance.numpy())
    with pytest.raises(GivenUpError), until(lambda: items.times > 0):
        every_probability(draw(1, 1)[0], items, HEAD, allowed)
    assert items.times == 1
    assert len(every_probability(draw(1, 1)[0], items, HEAD, allowed)) == 3 * BLOCK


@pytest.fixture
def gallery(gallery_of: Callable[..., Gallery], monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """Two hundred images, whose filters look often whether anybody waits."""
    monkeypatch.setattr(field_index, "_STEPS", 10)
    return gallery_of(draw(200, 0), draw(200, 1), metas=[{"n": n} for n in range(200)])


def test_a_filter_ends_within_its_field(gallery: Gallery) -> None:
    """Given up while SQLite looks for rows, it ends before it has found them; the next one finds all of them."""
    wanted, asked = parse({"n": {"gte": 50}}), count()
    with pytest.raises(GivenUpError), until(lambda: next(asked) >= 3):
        gallery.allowed(Modality.IMAGE, wanted)
    assert next(asked) < 20
    assert gallery.allowed(Modality.IMAGE, wanted).count == 150


def test_a_search_ends_between_its_stages(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up while it takes its shortlist, a search gathers nothing."""
    gathered: list[object] = []
    monkeypatch.setattr(gallery, "gaussians", lambda *asked: gathered.append(asked))
    with pytest.raises(GivenUpError), until(lambda: True):
        Retriever(gallery, HEAD).search(draw(1, 3)[0], Direction.TEXT_TO_IMAGE, SearchOptions())
    assert not gathered
