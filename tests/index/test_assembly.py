"""A gallery put together from a stream: what is in memory at any moment does not grow with it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest
import torch

from corpus.manifest import Entry
from index.building.assembly import Origin, Plan, assemble
from index.files.manifest import Parameters
from index.files.shards import Shard
from index.gaussians import points, storage
from index.gaussians.storage import Storage, as_float32
from index.gaussians.storage_error import NEAREST
from index.items import Modality
from index.local.gallery import Gallery
from index.shortlists.choice import Wanted, choose
from models.gaussian import Gaussian
from models.match import MatchHead

PIECES, PIECE, DIM = 30, 50, 4


class Stream:
    """Pieces drawn when they are asked for, which knows how many of them are in memory."""

    def __init__(self) -> None:
        self._alive: weakref.WeakSet[Shard] = weakref.WeakSet()
        self.most = 0

    def __call__(self) -> Iterator[Shard]:
        """All pieces, one after the other."""
        for number in range(PIECES):
            shard = Shard(draw(number), tuple(range(PIECE)), (b"jpeg",) * PIECE)
            self._alive.add(shard)
            self.most = max(self.most, len(self._alive))
            yield shard
            del shard


def draw(number: int) -> Gaussian:
    generator = torch.Generator().manual_seed(number)
    return Gaussian(torch.randn(PIECE, DIM, generator=generator), torch.randn(PIECE, DIM, generator=generator) - 3)


@pytest.mark.parametrize("chosen", Storage)
def test_a_stream_is_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: Storage) -> None:
    """At most two pieces and a block are in memory at once, of items that reach into 30 pieces and 12 blocks."""
    taken = [0]

    def read(array: npt.NDArray[Any], rows: Any) -> torch.Tensor:
        found = as_float32(array, rows)
        taken[0] = max(taken[0], len(found))
        return found

    for module in (storage, points):
        monkeypatch.setattr(module, "BLOCK", 128)
        monkeypatch.setattr(module, "as_float32", read)
    monkeypatch.setattr("index.files.findings.VARIANCE_SAMPLE", 100)
    monkeypatch.setattr("index.files.findings.SELF_RETRIEVAL_SAMPLE", 100)
    images = Stream()
    entries = [Entry(f"i{row}", Path("none"), ()) for row in range(PIECES * PIECE)]
    wanted = Wanted("flat", "lifted")
    kinds = choose(wanted, {Modality.IMAGE: len(entries), Modality.TEXT: 0}, DIM)
    plan = Plan(Parameters(PIECE, wanted, 256, chosen), kinds, dict.fromkeys(Modality, MatchHead(1.0, 2.0)))
    origin = Origin("../model", "model", "corpus", DIM)
    out = tmp_path / "gallery"
    out.mkdir()
    assemble(out, origin, plan, entries, images, list, ())
    assert images.most <= 2
    assert taken[0] <= max(128, NEAREST)
    with Gallery.open(out) as gallery:
        assert gallery.count(Modality.IMAGE) == PIECES * PIECE
        assert gallery.picture("i1499") == b"jpeg"
        found = gallery.gaussians(Modality.IMAGE, range(7 * PIECE, 8 * PIECE))
    torch.testing.assert_close(found.mean, draw(7).mean, rtol=6e-4, atol=1e-5)
    torch.testing.assert_close(found.log_variance, draw(7).log_variance, rtol=0, atol=0.03)
    assert not [path for path in out.iterdir() if path.is_dir()]
