"""A living gallery answers like one built of what it holds: after any changes, opened again, and compacted."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faults.held import DIM, HEAD, HEADS, Held, caption, differences, draw, first_held, image
from index.changes.change import Addition
from index.items import Item, Modality
from index.lifecycle.living import LivingGallery
from index.local.gallery import Gallery
from index.searching.rerank import Rerank
from index.searching.retriever import ANSWERS, Retriever, SearchOptions, SearchResult
from models.calibration import Direction
from models.errors import ArtifactError, ChangeError, LockedError, UnknownIdError
from models.gaussian import Gaussian

Step = Callable[[LivingGallery, Held, int], LivingGallery]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A gallery of four images with two captions each."""
    return first_held().build(tmp_path / "gallery")


@pytest.fixture
def living(directory: Path) -> Iterator[LivingGallery]:
    with LivingGallery.open(directory) as opened:
        yield opened


def _add(living: LivingGallery, held: Held, seed: int) -> LivingGallery:
    name = f"new{seed}-{len(held.held)}"
    additions = [image(name, seed), caption(f"{name}#0", name, seed + 1), caption(f"loose {name}", None, seed + 2)]
    living.add(additions)
    held.held += additions
    return living


def _caption(living: LivingGallery, held: Held, seed: int) -> LivingGallery:
    images = held.ids(Modality.IMAGE)
    addition = caption(f"more{seed}-{len(held.held)}", images[seed % len(images)] if images else None, seed)
    living.add([addition])
    held.held.append(addition)
    return living


def _remove(living: LivingGallery, held: Held, seed: int) -> LivingGallery:
    if held.held:
        identifier = held.held[seed % len(held.held)].item.id
        living.remove([identifier])
        held.remove(identifier)
    return living


def _replace(living: LivingGallery, held: Held, seed: int) -> LivingGallery:
    if held.held:
        old = held.held[seed % len(held.held)].item
        additions = [image(old.id, seed + 7) if old.text is None else caption(old.id, old.image_id, seed + 7)]
        if old.text is None and seed % 3 == 0:
            additions += [caption(f"{old.id}#0", old.id, seed + 8), caption(f"{old.id}#new", old.id, seed + 9)]
            if {"x", f"{old.id}#0"} & set(held.ids(Modality.TEXT)) == set():
                additions.pop(1)
        living.replace(additions)
        held.replace(additions)
    return living


def _reopen(living: LivingGallery, held: Held, seed: int) -> LivingGallery:
    living.close()
    return LivingGallery.open(living.directory)


def _compact(living: LivingGallery, held: Held, seed: int) -> LivingGallery:
    living.compact(HEADS)
    assert (living.pending.added, living.pending.removed) == (0, 0)
    return living


STEPS: tuple[Step, ...] = (_add, _caption, _remove, _replace, _reopen, _compact)
SIGMAS = np.array([0.0, 0.6, 0.7])
SEARCHES = tuple(SearchOptions(top_k=6, rerank=rerank) for rerank in Rerank)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 50)), min_size=1, max_size=6),
    st.sampled_from(["mean", "lifted"]),
)
def test_it_answers_like_one_built_of_what_it_holds(steps: list[tuple[Step, int]], over: str) -> None:
    """After any changes a state holds what it should, and searches in it find what they would in a gallery built anew.

    So do searches after it was opened again, and after it was compacted.
    """
    with TemporaryDirectory() as folder:
        held = first_held()
        living = LivingGallery.open(held.build(Path(folder) / "gallery", over))
        try:
            for step, seed in steps:
                living = step(living, held, seed)
            assert not differences(living.gallery, held)
            with Gallery.open(held.build(Path(folder) / "anew", over)) as anew:
                for last in (_reopen, _compact, _reopen):
                    _same_answers(living, anew)
                    living = last(living, held, 0)
                assert not differences(living.gallery, held)
        finally:
            living.close()


def _same_answers(one: LivingGallery, other: Gallery) -> None:
    for direction, modality in ANSWERS.items():
        for options in SEARCHES:
            query = draw(1, 999)[0]
            found, wanted = (Retriever(each, HEAD).search(query, direction, options) for each in (one, other))
            assert _figures(found) == pytest.approx(_figures(wanted), abs=1e-5)
            assert _ids(found) == _ids(wanted)
        orders = [
            [item.id for item in each.gallery.items(modality, each.gallery.by_uncertainty(modality, limit=99))]
            for each in (one, other)
        ]
        assert orders[0] == orders[1]
        assert one.gallery.count(modality) == other.count(modality)
        assert one.gallery.percentiles(modality, SIGMAS) == other.percentiles(modality, SIGMAS)
        assert np.array_equal(one.gallery.by_sigma(modality).values, other.by_sigma(modality).values)


def _ids(found: SearchResult) -> list[str]:
    return [hit.item.id for hit in found.hits]


def _figures(found: SearchResult) -> list[float]:
    hits = [(hit.match_probability, hit.mean_distance, hit.uncertainty.percentile or 0.0) for hit in found.hits]
    return [found.expected_matches, float(found.ranked), *(figure for hit in hits for figure in hit)]


@pytest.mark.parametrize("over", ["mean", "lifted"])
def test_a_shortlist_is_the_exact_order_of_what_is_there(tmp_path: Path, over: str) -> None:
    """A shortlist cuts the float64 order of the built space, over what was built and came, without what went.

    What came may have less of a penalty than all that was built.
    """
    held = first_held(30, 3)
    with LivingGallery.open(held.build(tmp_path / "gallery", over)) as living:
        sharp = Gaussian(draw(1, 5).mean[0], torch.full((DIM,), -9.0))
        additions = [*(image(f"n{n}", 500 + n) for n in range(20)), Addition(image("sharp", 5).item, sharp, b"j")]
        living.add(additions)
        living.remove(["i3", "i7", "n4"])
        held.held += additions
        for identifier in ("i3", "i7", "n4"):
            held.remove(identifier)
        gallery = living.gallery
        lift = gallery.manifest.shortlists[Modality.IMAGE].lift
        assert (lift is None) == (over == "mean")
        images = held.of(Modality.IMAGE)
        means = torch.stack([each.gaussian.mean for each in images]).double()
        penalties = (
            torch.zeros(len(images)) if lift is None else torch.stack([lift.penalties(a.gaussian) for a in images])
        )
        for seed in range(20):
            query = draw(1, 2000 + seed).mean[0]
            order = ((means - query.double()).square().sum(1) + penalties.double()).argsort(stable=True)
            rows = gallery.nearest(Modality.IMAGE, query, 9)
            found = [item.id for item in gallery.items(Modality.IMAGE, rows)]
            assert found == [images[place].item.id for place in order[:9].tolist()]


def test_a_state_stays_as_it_is(living: LivingGallery) -> None:
    """What was taken before a change answers as before it, also after a compaction replaced the files."""
    before = living.gallery
    retriever = Retriever(before, HEAD)
    first = retriever.search(draw(1, 9)[0], Direction.TEXT_TO_IMAGE, SearchOptions())
    living.remove(["i0", "i1"])
    living.compact(HEADS)
    living.add([image("i0", 77)])
    again = retriever.search(draw(1, 9)[0], Direction.TEXT_TO_IMAGE, SearchOptions())
    assert (_ids(again), _figures(again)) == (_ids(first), _figures(first))
    assert not differences(before.gallery, first_held())


def test_searches_see_one_state_while_it_changes(living: LivingGallery) -> None:
    """Searches beside changes and a compaction find all of a batch or nothing of it, and none fails."""
    batch = [image("both0", 50), image("both1", 50)]
    retriever, done, seen = Retriever(living, HEAD), threading.Event(), set()

    def search() -> None:
        while not done.is_set():
            found = retriever.search(batch[0].gaussian, Direction.TEXT_TO_IMAGE, SearchOptions(rerank=Rerank.NONE))
            seen.add(sum(hit.item.id.startswith("both") for hit in found.hits))

    searching = threading.Thread(target=search)
    searching.start()
    for _ in range(15):
        living.add(batch)
        living.remove([each.item.id for each in batch])
    living.add(batch)
    living.compact(HEADS)
    done.set()
    searching.join()
    assert seen <= {0, 2}
    assert living.gallery.count(Modality.IMAGE) == 6


def test_changes_go_on_during_a_compaction(living: LivingGallery) -> None:
    """What is changed while a compaction builds is in the new generation, pending, and still there when reopened."""
    held = first_held()
    said: list[str] = []

    def meanwhile(text: str) -> None:
        if not said:
            _add(living, held, 60)
            _remove(living, held, 1)
            with pytest.raises(ChangeError, match="being compacted already"):
                living.compact(HEADS)
        said.append(text)

    living.compact(HEADS, meanwhile)
    assert not differences(living.gallery, held)
    assert living.generation == 1
    assert (living.pending.added, living.pending.removed) == (3, 3)
    with Gallery.open(living.directory) as read:
        assert not differences(read.gallery, held)
        assert read.fingerprint == living.gallery.fingerprint


@pytest.mark.parametrize(
    ("error", "said", "change"),
    [
        (ChangeError, "already has an item 'i1'", lambda it: it.add([image("new", 1), image("i1", 1)])),
        (ChangeError, "'new' is named twice", lambda it: it.add([image("new", 1), image("new", 2)])),
        (ChangeError, "caption of 'nothing'", lambda it: it.add([image("new", 1), caption("c", "nothing", 2)])),
        (ChangeError, "caption of 'i1#0', which is no image", lambda it: it.add([caption("c", "i1#0", 2)])),
        (ChangeError, r"shape \[4\] and the gallery's are of \[6\]", lambda it: it.add([_of_dim(4)])),
        (ChangeError, "not finite", lambda it: it.add([_of_dim(DIM, float("nan"))])),
        (ChangeError, "an image needs a JPEG", lambda it: it.add([Addition(image("new", 1).item, draw(1, 0)[0])])),
        (ChangeError, "a caption needs a text", lambda it: it.add([_without_text()])),
        (ChangeError, "needs an id", lambda it: it.add([image("", 1)])),
        (UnknownIdError, "no item 'new'", lambda it: it.replace([image("i1", 1), image("new", 1)])),
        (UnknownIdError, "no item 'new'", lambda it: it.replace([image("new", 1), caption("new#0", "new", 1)])),
        (UnknownIdError, "no item 'c'", lambda it: it.replace([caption("c", "i1", 1)])),
        (ChangeError, "'i1#0' is of modality text", lambda it: it.replace([image("i1#0", 1)])),
        (UnknownIdError, "no item 'new'", lambda it: it.remove(["i1", "new"])),
    ],
)
def test_a_bad_change_changes_nothing(
    living: LivingGallery, error: type[Exception], said: str, change: Callable[[LivingGallery], Any]
) -> None:
    """A batch with anything wrong in it is refused whole, in one sentence; the next good one goes through."""
    before = living.gallery
    with pytest.raises(error, match=said) as raised:
        change(living)
    assert "\n" not in str(raised.value)
    assert living.gallery is before
    living.add([image("good", 1)])
    assert living.gallery.find("new") is None


def _of_dim(dim: int, value: float = 0.0) -> Addition:
    return Addition(Item("new", Modality.IMAGE), Gaussian(torch.full((dim,), value), torch.zeros(dim)), b"jpeg")


def _without_text() -> Addition:
    return Addition(Item("new", Modality.TEXT), draw(1, 0)[0])


def test_one_process_changes_a_gallery_and_others_read_it(living: LivingGallery) -> None:
    """A second one to change it is refused, with the first one's process; readers see all changes so far."""
    living.remove(["i2"])
    with pytest.raises(LockedError, match=f"changed by process {os.getpid()}: "):
        LivingGallery.open(living.directory)
    with Gallery.open(living.directory) as read:
        assert read.find("i2") is None
        assert read.fingerprint == living.gallery.fingerprint


def test_the_fingerprint_follows_the_changes(living: LivingGallery) -> None:
    """Every change gives another fingerprint, and an empty one none."""
    seen = [living.gallery.fingerprint]
    for change in (lambda: living.remove(["i0"]), lambda: living.add([image("i0", 0)]), lambda: living.remove(["i0"])):
        change()
        seen.append(living.gallery.fingerprint)
    living.remove([])
    assert living.gallery.fingerprint == seen[-1]
    assert len(set(seen)) == 4


def test_a_search_names_the_state_it_searched(living: LivingGallery) -> None:
    """The fingerprint in a result is that of the state whose items it has, whatever changed since."""
    retriever, query = Retriever(living, HEAD), draw(1, 7)[0]
    before = living.gallery.fingerprint
    first = retriever.search(query, Direction.TEXT_TO_IMAGE, SearchOptions())
    living.remove([first.hits[0].item.id])
    second = retriever.search(query, Direction.TEXT_TO_IMAGE, SearchOptions())
    assert (first.gallery, second.gallery) == (before, living.gallery.fingerprint)
    assert first.gallery != second.gallery


def test_a_gallery_that_says_not_how_it_was_lifted_takes_no_additions(tmp_path: Path) -> None:
    """Lifted by an earlier version, it refuses additions with the remedy, and lets items go."""
    path = first_held().build(tmp_path / "gallery", "lifted") / "manifest.json"
    values = json.loads(path.read_text())
    for record in values["shortlists"].values():
        del record["lift"]
    path.write_text(json.dumps(values))
    with LivingGallery.open(tmp_path / "gallery") as living:
        with pytest.raises(ChangeError, match=r"earlier version.*build it again"):
            living.add([image("new", 1)])
        living.remove(["i0"])
        assert living.gallery.count(Modality.IMAGE) == 3


def test_all_may_go(living: LivingGallery) -> None:
    """A gallery whose last item went answers with nothing, is compacted, and takes new items."""
    living.remove([f"i{n}" for n in range(4)])
    for _ in range(2):
        found = Retriever(living, HEAD).search(draw(1, 0)[0], Direction.TEXT_TO_IMAGE, SearchOptions())
        assert (found.hits, found.ranked) == ((), 0)
        assert living.gallery.percentiles(Modality.IMAGE, SIGMAS) == (None, None, None)
        living.compact(HEADS)
    living.add([image("new", 1), caption("c", "new", 2)])
    assert np.array_equal(living.gallery.by_uncertainty(Modality.IMAGE), [0])


def test_a_moved_folder_takes_no_changes(living: LivingGallery) -> None:
    """Where the folder was replaced by another program, a change is refused rather than written where nobody looks."""
    living.directory.rename(living.directory.with_name("elsewhere"))
    first_held().build(living.directory)
    with pytest.raises(ArtifactError, match="moved or replaced by another program"):
        living.remove(["i0"])


def test_an_image_takes_its_captions_with_it(living: LivingGallery) -> None:
    """Captions that were built and those that came go with their image, and no others."""
    living.add([image("new", 1), caption("new#0", "new", 2), caption("more", "i0", 3), caption("loose", None, 4)])
    assert living.gallery.captions("i0") == ("i0#0", "i0#1", "more")
    living.remove(["new", "i0"])
    left = [name for name in ("new#0", "i0#0", "i0#1", "more", "loose", "i1#0") if living.gallery.find(name)]
    assert left == ["loose", "i1#0"]


def test_an_image_replaced_keeps_its_captions_or_has_those_that_come(living: LivingGallery) -> None:
    """Without captions it keeps what it had; with some, these are all it has, built or come before."""
    living.add([caption("more", "i0", 3)])
    living.replace([image("i0", 50)])
    assert living.gallery.captions("i0") == ("i0#0", "i0#1", "more")
    assert living.gallery.picture("i0") == b"jpeg of 50"
    living.replace([image("i0", 51), caption("i0#1", "i0", 5), caption("other", "i0", 6)])
    assert living.gallery.captions("i0") == ("i0#1", "other")
    assert living.gallery.find("more") is None
