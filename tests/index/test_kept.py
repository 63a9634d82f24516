"""What is kept beside an object goes with it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from weakref import ref

import pytest
import torch

from index.filters.form import parse
from index.items import Modality
from index.kept import kept
from index.local.gallery import Gallery
from index.searching.retriever import Retriever, SearchOptions
from index.shortlists.choice import Wanted
from index.shortlists.kinds import KINDS
from models.calibration import Direction
from models.gaussian import Gaussian
from models.match import MatchHead

GalleryOf = Callable[..., Gallery]


class Doubling:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.double = kept(self._double, 2)

    def _double(self, number: int) -> int:
        self.asked += 1
        return 2 * number


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing goes but what nobody holds."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_the_last_results_are_kept() -> None:
    """Asked again, nothing is computed; the one that was asked for longest ago goes first."""
    doubling = Doubling()
    assert [doubling.double(number) for number in (1, 2, 1, 2)] == [2, 4, 2, 4]
    assert doubling.asked == 2
    assert [doubling.double(number) for number in (3, 2, 1)] == [6, 4, 2]
    assert doubling.asked == 4


@pytest.mark.usefixtures("no_collector")
def test_an_object_goes_with_what_it_keeps() -> None:
    """Though it has kept something, it goes as soon as nobody holds it."""
    doubling = Doubling()
    doubling.double(1)
    there = ref(doubling)
    del doubling
    assert there() is None


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gallery_goes_at_once(gallery_of: GalleryOf, kind: str) -> None:
    """After searches with filters neither it nor its shortlists, mapped arrays and fields wait for a collection."""
    torch.manual_seed(0)
    many = Gaussian(torch.nn.functional.normalize(torch.randn(5_600, 8), dim=-1), torch.randn(5_600, 8) - 4)
    built = gallery_of(many, many, metas=[{"n": n} for n in range(5_600)], wanted=Wanted(kind=kind))
    gallery = Gallery.open(built.directory)
    retriever = Retriever(gallery, MatchHead(6.0, 5.0))
    for wanted in (None, parse({"n": {"lt": 700}})):
        retriever.search(many[0], Direction.TEXT_TO_IMAGE, SearchOptions(filter=wanted))
    overlay = gallery._overlays[Modality.IMAGE]
    held = [ref(each) for each in (gallery, overlay, overlay.shelf, overlay.shelf.shortlist, gallery._fields)]
    gallery.close()
    del gallery, retriever, overlay
    assert [each() for each in held] == [None] * len(held)
