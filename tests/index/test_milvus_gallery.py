"""A gallery in Milvus answers as the one on disk that it was filled from, also when both are changed alike."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_filtered_changes as changing
import test_filters as filtering
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from milvus_server import MilvusServer

from index.changes.change import Addition
from index.files.manifest import read_manifest
from index.filters.form import parse
from index.gaussians.storage import Storage
from index.items import Item, Modality
from index.lifecycle.living import LivingGallery
from index.lifecycle.opening import open_gallery
from index.local.gallery import Gallery
from index.milvus.address import StoreAddress
from index.milvus.connection import Collection
from index.milvus.gallery import MilvusGallery, Moment
from index.milvus.living import MilvusLiving
from index.milvus.upload import upload
from index.searching.rerank import Rerank
from index.searching.retriever import ANSWERS, Retriever, SearchOptions, SearchResult
from index.shortlists.choice import Wanted
from models.errors import ArtifactError, ChangeError, ConfigError, UnknownIdError, UnsupportedError
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm

HEAD = MatchHead(5.0, 4.0, TraceTerm(0.4), TraceTerm(-0.3))
IMAGES, CAPTIONS = 60, 150

draw = changing.draw
_numbers = count()

GalleryOf = Callable[..., Gallery]
Placed = Callable[[Gallery], MilvusGallery]


@pytest.fixture
def placed(milvus: MilvusServer, tmp_path: Path) -> Iterator[Placed]:
    """Puts a gallery into a collection of its own, and opens that."""
    opened: list[MilvusGallery] = []

    def place(gallery: Gallery) -> MilvusGallery:
        address = StoreAddress.parse(milvus.address(f"gallery_{next(_numbers)}"))
        folder = tmp_path / address.collection
        folder.mkdir()
        upload(gallery.directory, address, folder)
        opened.append(MilvusGallery.open(folder, address))
        return opened[-1]

    yield place
    for each in opened:
        each.collection.drop()
        each.close()


def told(found: SearchResult) -> Any:
    """All that a search tells, but for how long it took and of which gallery it is."""
    return replace(found, stages={}, gallery="")


def answers(gallery: Any, options: SearchOptions, seeds: Sequence[int] = range(500, 505)) -> list[Any]:
    retriever = Retriever(gallery, HEAD)
    return [told(retriever.search(draw(1, n)[0], direction, options)) for n in seeds for direction in ANSWERS]


@pytest.mark.parametrize("storage", Storage)
def test_the_answers_are_those_of_the_gallery_on_disk(gallery_of: GalleryOf, placed: Placed, storage: Storage) -> None:
    """The same query and seed give the same items, order, probabilities and uncertainties, to the bit, however the
    Gaussians are stored and whichever way they are reranked."""
    gallery = gallery_of(draw(IMAGES, 0), draw(CAPTIONS, 1), head=HEAD, storage=storage)
    there = placed(gallery)
    for rerank in (Rerank.SAMPLED, Rerank.CLOSED_FORM, Rerank.NONE):
        for options in (SearchOptions(10, 40, rerank, seed=3), SearchOptions(200, None, rerank)):
            assert answers(there, options) == answers(gallery, options)


def test_the_shortlist_is_lifted_as_on_disk(gallery_of: GalleryOf, placed: Placed) -> None:
    """Among items of very different variances a short shortlist of lifted means holds the same items, and others than
    one of means would."""
    unlike = torch.linspace(-3, 3, IMAGES)[torch.randperm(IMAGES, generator=torch.Generator().manual_seed(5)), None]
    images = Gaussian(draw(IMAGES, 0).mean, draw(IMAGES, 0).log_variance + unlike)
    lifted, plain = (gallery_of(images, draw(CAPTIONS, 1), Wanted(over=over), HEAD) for over in ("lifted", "mean"))
    options = SearchOptions(5, 5)
    assert answers(placed(lifted), options) == answers(lifted, options) != answers(plain, options)


def test_it_is_read_like_the_gallery_on_disk(gallery_of: GalleryOf, placed: Placed) -> None:
    """Items, pictures, captions, counts, and the order by uncertainty are the same, and so is what is not there."""
    gallery = gallery_of(draw(IMAGES, 0), draw(CAPTIONS, 1), head=HEAD, storage=None)
    opened = placed(gallery)
    for modality in Modality:
        moment, items = opened.gallery, gallery.items(modality, range(gallery.count(modality)))
        assert moment.count(modality) == gallery.count(modality)
        for least, most, wanted in ((0.0, math.inf, None), (0.2, 0.25, None), (0.2, math.inf, {"id": {"gte": "i3"}})):
            asked = modality, least, most, None if wanted is None else parse(wanted)
            ours, theirs = gallery.by_sigma(*asked), moment.by_sigma(*asked)
            assert (theirs.rows.tolist(), theirs.values.tolist()) == (ours.rows.tolist(), ours.values.tolist())
            assert moment.items(modality, theirs.rows) == gallery.items(modality, ours.rows)
        for item in items[::7]:
            assert moment.find(item.id) == gallery.find(item.id)
            assert moment.picture(item.id) == gallery.picture(item.id)
            assert moment.captions(item.id) == gallery.captions(item.id)
        with pytest.raises(IndexError, match=f"no {modality.value} in row 999"):
            moment.items(modality, [0, 999])
    assert opened.gallery.find("nobody") is None
    assert opened.gallery.picture("nobody") is None


def test_an_exhaustive_search_is_refused(gallery_of: GalleryOf, placed: Placed) -> None:
    """Every item would have to come over the network: the refusal says what to do instead."""
    opened = placed(gallery_of(draw(3, 0), draw(3, 1), head=HEAD))
    with pytest.raises(UnsupportedError, match="too far away to compare every item; rerank a larger shortlist"):
        answers(opened, SearchOptions(rerank=Rerank.EXHAUSTIVE))


def test_a_large_picture_comes_back_whole(gallery_of: GalleryOf, placed: Placed) -> None:
    """A picture of more than a text of Milvus holds is the same bytes afterwards."""
    opened = placed(gallery_of(draw(3, 0), draw(3, 1), head=HEAD))
    jpeg = np.random.default_rng(0).bytes(200_000)
    MilvusLiving(opened).add([Addition(Item("new", Modality.IMAGE), draw(1, 5)[0], jpeg)])
    assert opened.gallery.picture("new") == jpeg


# Filters


@settings(suppress_health_check=list(HealthCheck), max_examples=5, deadline=None)
@given(st.lists(filtering.metas, min_size=4, max_size=4), st.data())
def test_filters_mean_the_same(
    gallery_of: GalleryOf, placed: Placed, metas: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Whatever metadata items have and whatever is asked of it, the same items answer as from the disk: nested and
    repeated fields, all types, names and texts that would have to be quoted, and bounds between several values."""
    gallery = gallery_of(draw(4, 0), draw(6, 1), head=HEAD, metas=[json.loads(json.dumps(meta)) for meta in metas])
    opened = placed(gallery)
    items = [item for modality in Modality for item in gallery.items(modality, range(gallery.count(modality)))]
    for _ in range(4):
        wanted = data.draw(filtering.filters_about(items))
        options = SearchOptions(50, 50, filter=parse(wanted))
        assert answers(opened, options, [500]) == answers(gallery, options, [500]), wanted


def test_what_holds_and_what_does_not(gallery_of: GalleryOf, placed: Placed) -> None:
    """Each case of what a filter means, of types that look alike too, has the answers of the gallery on disk."""
    meta = json.loads(json.dumps(filtering.ROSE.meta))
    gallery = gallery_of(draw(3, 0), draw(3, 1), head=HEAD, metas=[meta, {"wild": 1, "year": "1995"}, {"tags": ["7"]}])
    opened = placed(gallery)
    cases = [case for test in (filtering.test_what_holds, filtering.test_what_does_not_hold) for case in _cases(test)]
    assert len(cases) > 30
    for wanted in cases:
        options = SearchOptions(9, 9, filter=parse(wanted))
        assert answers(opened, options, [500]) == answers(gallery, options, [500]), wanted


def _cases(test: Any) -> list[dict[str, Any]]:
    [mark] = test.pytestmark
    cases: list[dict[str, Any]] = mark.args[1]
    return cases


def test_bounds_that_no_single_value_is_within(gallery_of: GalleryOf, placed: Placed) -> None:
    """Where most items have values on both sides of the bounds and none between, those that have one are found: as
    many as were asked for, though Milvus cannot tell them apart."""
    metas: list[dict[str, Any]] = [{"n": [0, 9]} if place % 10 else {"n": [0, 5, 9]} for place in range(IMAGES)]
    gallery = gallery_of(draw(IMAGES, 0), draw(CAPTIONS, 1), head=HEAD, metas=metas)
    opened = placed(gallery)
    options = SearchOptions(4, 4, filter=parse({"n": {"gt": 1, "lt": 8}}))
    assert answers(opened, options) == answers(gallery, options)
    assert len(answers(opened, options)[0].hits) == 4


# Changes


class Both:
    """Two galleries that are changed alike."""

    def __init__(self, disk: LivingGallery, there: MilvusLiving) -> None:
        self._disk = disk
        self._there = there

    @property
    def gallery(self) -> Gallery:
        """On disk."""
        return self._disk.gallery

    def add(self, additions: Sequence[Addition]) -> None:
        """Add items to both."""
        self._disk.add(additions)
        self._there.add(additions)

    def replace(self, additions: Sequence[Addition]) -> None:
        """Replace items in both."""
        self._disk.replace(additions)
        self._there.replace(additions)

    def remove(self, identifiers: Sequence[str]) -> None:
        """Remove items from both."""
        self._disk.remove(identifiers)
        self._there.remove(identifiers)


def found(gallery: Any, options: SearchOptions) -> list[list[tuple[Item, float, float]]]:
    """What answers, in its order: rows are another gallery's own, and percentiles of what was built."""
    return [
        [(each.item, each.match_probability, each.mean_distance) for each in hits.hits]
        for hits in answers(gallery, options, [500])
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5, deadline=None)
@given(
    st.lists(changing.changes(), min_size=1, max_size=8),
    st.lists(changing.filters, min_size=1, max_size=6),
    st.sampled_from([Storage.FLOAT32, None]),
)
def test_changes_do_the_same(
    gallery_of: GalleryOf,
    placed: Placed,
    happening: list[Callable[[Any, int], None]],
    asked: list[dict[str, Any]],
    storage: Storage | None,
) -> None:
    """After any changes, made by one server, another server finds what the gallery on disk has after the same ones, to
    the bit, with filters too: captions by what their image says now."""
    built = gallery_of(
        draw(changing.IMAGES, 0), draw(changing.CAPTIONS, 1), head=HEAD, storage=storage, metas=changing.BUILT
    )
    opened = placed(built)
    another = MilvusGallery.open(opened.directory, opened.collection.address)
    with LivingGallery.open(built.directory) as living:
        for number, change in enumerate(happening):
            change(Both(living, MilvusLiving(opened)), number)
        for modality in Modality:
            assert another.gallery.count(modality) == living.gallery.count(modality)
        for wanted in ({}, *asked):
            options = SearchOptions(100, 100, filter=parse(wanted) if wanted else None)
            assert found(another, options) == found(living.gallery, options), wanted
    another.close()


def test_captions_that_stay_are_found_by_what_their_new_image_says(gallery_of: GalleryOf, placed: Placed) -> None:
    """An image that is replaced keeps its captions, and filters find these by its new metadata alone."""
    opened = placed(gallery_of(draw(3, 0), draw(6, 1), head=HEAD, metas=[{"n": n} for n in range(3)]))
    before = [hit[0].id for hit in found(opened, SearchOptions(9, 9, filter=parse({"n": 1})))[1]]
    MilvusLiving(opened).replace([changing.image("i1", {"n": 7}, 40)])
    assert sorted(before) == ["i1#0", "i1#1"]
    assert found(opened, SearchOptions(9, 9, filter=parse({"n": 1})))[1] == []
    assert [hit[0].id for hit in found(opened, SearchOptions(9, 9, filter=parse({"n": 7})))[1]] == before


def test_a_change_that_cannot_be_made_changes_nothing(gallery_of: GalleryOf, placed: Placed) -> None:
    """The refusals are those of a gallery on disk, and nothing of a refused change is there."""
    opened = placed(gallery_of(draw(3, 0), draw(3, 1), head=HEAD))
    living, new = MilvusLiving(opened), changing.image("new", {}, 7)
    with pytest.raises(ChangeError, match="already has an item 'i1'"):
        living.add([new, changing.image("i1", {}, 8)])
    with pytest.raises(ChangeError, match="is a caption of 'nobody', which is no image"):
        living.add([new, changing.caption("c", "nobody", None, 9)])
    with pytest.raises(UnknownIdError, match="has no item 'new'"):
        living.replace([new])
    with pytest.raises(UnknownIdError, match="has no item 'new'"):
        living.remove(["i0", "new"])
    with pytest.raises(UnsupportedError, match="The meta of the item 'new' is more than Milvus holds"):
        living.add([changing.image("new", {"long": "a" * 70_000}, 7)])
    with pytest.raises(UnsupportedError, match="Milvus compacts what it holds by itself"):
        living.compact({})
    assert opened.gallery.find("new") is None
    assert [opened.gallery.count(modality) for modality in Modality] == [3, 3]


def test_a_search_sees_one_state(gallery_of: GalleryOf, placed: Placed) -> None:
    """An item that is replaced between the shortlist and the answer is answered as it was found."""
    opened = placed(gallery_of(draw(3, 0), draw(3, 1), head=HEAD))
    moment = opened.gallery
    rows = moment.nearest(Modality.IMAGE, draw(1, 500).mean[0], 3, moment.present(Modality.IMAGE))
    before = moment.items(Modality.IMAGE, rows), moment.gaussians(Modality.IMAGE, rows)
    MilvusLiving(opened).replace([changing.image(f"i{n}", {"n": 5}, 40 + n) for n in range(3)])
    assert moment.items(Modality.IMAGE, rows) == before[0]
    assert moment.gaussians(Modality.IMAGE, rows).mean.equal(before[1].mean)
    assert {item.label for item in _everything(opened.gallery)} == {"new"}


def _everything(moment: Moment) -> tuple[Item, ...]:
    rows = moment.nearest(Modality.IMAGE, draw(1, 500).mean[0], 100, moment.present(Modality.IMAGE))
    return moment.items(Modality.IMAGE, rows)


def test_something_surer_than_all_that_was_built(gallery_of: GalleryOf, placed: Placed) -> None:
    """An item with smaller variances than any that was built is no farther down than its distance says."""
    gallery = gallery_of(draw(IMAGES, 0), draw(CAPTIONS, 1), Wanted(over="lifted"), HEAD)
    opened = placed(gallery)
    sure = Gaussian(draw(1, 500).mean[0], draw(1, 500).log_variance[0] - 4)
    MilvusLiving(opened).add([Addition(Item("sure", Modality.IMAGE), sure, b"jpeg")])
    rows = opened.gallery.nearest(Modality.IMAGE, sure.mean, 1, parse({}))
    assert [item.id for item in opened.gallery.items(Modality.IMAGE, rows)] == ["sure"]


# What a folder and a collection say of each other


def test_a_collection_is_of_one_gallery(gallery_of: GalleryOf, placed: Placed, tmp_path: Path) -> None:
    """A collection that holds another gallery is neither overwritten nor served; one that holds the same is kept, with
    its changes; and one that was not filled to the end is filled anew."""
    gallery, other = gallery_of(draw(3, 0), draw(3, 1), head=HEAD), gallery_of(draw(4, 0), draw(3, 1), head=HEAD)
    opened = placed(gallery)
    address, folder = opened.collection.address, tmp_path / "folder"
    MilvusLiving(opened).remove(["i0"])
    folder.mkdir()
    with pytest.raises(ConfigError, match=f"holds the gallery {gallery.fingerprint}: name another collection"):
        upload(other.directory, address, folder)
    upload(gallery.directory, address, folder)
    assert open_gallery(folder).gallery.count(Modality.IMAGE) == 2
    opened.collection.remove(["about"])
    with pytest.raises(ArtifactError, match="holds no whole gallery"):
        open_gallery(folder)
    upload(gallery.directory, address, folder)
    assert open_gallery(folder).gallery.count(Modality.IMAGE) == 3


def test_a_folder_says_where_its_items_are(gallery_of: GalleryOf, placed: Placed) -> None:
    """Its manifest names the store, opening follows it, and what needs all items at hand says that it does."""
    gallery = gallery_of(draw(3, 0), draw(3, 1), head=HEAD)
    opened = placed(gallery)
    store = read_manifest(opened.directory).store
    assert store is not None
    assert (store.address, store.content) == (str(opened.collection.address), gallery.fingerprint)
    assert read_manifest(gallery.directory).store is None
    assert {path.name for path in opened.directory.iterdir()} == {
        "manifest.json",
        "image.sigmas.npy",
        "text.sigmas.npy",
    }
    with pytest.raises(ArtifactError, match=r"lie in milvus://.*, and this needs all of a gallery in its folder"):
        Gallery.open(opened.directory)
    with pytest.raises(ArtifactError, match="was made by the model model, not by another"):
        open_gallery(opened.directory, model="another")


@pytest.mark.parametrize(
    "text",
    ["milvus://host", "milvus://host/a-b", "http://host:1/a", "milvus://user:word@host/a", "milvus://host:x/a", "a"],
)
def test_what_is_no_store(text: str) -> None:
    """One sentence says what to write; credentials are not to be in an address."""
    with pytest.raises(ConfigError, match="is no store: write milvus://HOST:19530/COLLECTION"):
        StoreAddress.parse(text)


@pytest.mark.parametrize("text", ["milvus://host:1/a", "milvus://[::1]:19530/_b2"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    """It comes back from its text."""
    assert str(StoreAddress.parse(text)) == text
    assert StoreAddress.parse("milvus://host/a") == StoreAddress("host", 19530, "a")


def test_a_wrong_request_is_no_absence(milvus: MilvusServer) -> None:
    """A collection that is not there is said not to be."""
    collection = Collection(StoreAddress.parse(milvus.address("none")))
    assert not collection.exists()
    collection.close()
