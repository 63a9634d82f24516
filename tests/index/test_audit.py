"""What is odd in a gallery, against loops over all pairs, NumPy and SciPy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from test_retriever import GalleryOf, draw

from index.changes.change import Addition
from index.exploring import audit as subject
from index.exploring.audit import AUDIT, Audit, audit, read_audit, write_audit
from index.exploring.hubs import Occurrences, occurrences
from index.exploring.mismatches import own_pairs
from index.items import Item, Modality
from index.lifecycle.living import LivingGallery
from index.local.gallery import Gallery
from models.errors import ArtifactError
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm, closed_form

HEADS = {
    Modality.IMAGE: MatchHead(9, 6, TraceTerm(0.4)),
    Modality.TEXT: MatchHead(4, 1, TraceTerm(0.1), TraceTerm(0.2)),
}
IMAGES, TEXTS = draw(23, 0), draw(150, 1)


@pytest.fixture
def gallery(gallery_of: GalleryOf) -> Gallery:
    return gallery_of(IMAGES, TEXTS)


def own_image(gallery: Gallery, row: int) -> tuple[str, int]:
    """A caption's image, by the gallery's items."""
    [item] = gallery.items(Modality.TEXT, [row])
    place = gallery.find(item.image_id or "")
    return item.id, -1 if place is None else place[1]


def rows_of(gallery: Gallery, modality: Modality) -> np.ndarray:
    """The rows of the items that the list by σ has."""
    return np.sort(gallery.by_sigma(modality).rows)


def table(gallery: Gallery, answers: Modality) -> np.ndarray:
    """Match probabilities of all pairs, in the direction in which a modality answers: [asking, answering]."""
    [asks] = (each for each in Modality if each is not answers)
    query, items = (gallery.stored(each).take(np.arange(len(gallery.stored(each)))) for each in (asks, answers))
    return closed_form(query, items, HEADS[answers]).numpy()


def changed(directory: Path) -> LivingGallery:
    """A gallery from which images and captions went, and to which others came; images by ids that sort elsewhere."""
    living = LivingGallery.open(directory)
    living.remove(["i3", "i7#2", "i8#0"])
    picture = Addition(Item("a", Modality.IMAGE, image_id="a"), draw(1, 5)[0], b"jpeg")
    texts = [
        Item("a#0", Modality.TEXT, "x", "a"),
        Item("late", Modality.TEXT, "y", "i8"),
        Item("free", Modality.TEXT, "z"),
    ]
    living.add([picture, *(Addition(each, draw(1, n + 6)[0]) for n, each in enumerate(texts))])
    return living


def test_every_caption_is_matched_with_its_own_image(gallery: Gallery) -> None:
    """Before and after changes the pairs are those of the items, and their probabilities those of all pairs."""
    with changed(gallery.directory) as living:
        for each in (gallery, living.gallery):
            found, expected = own_pairs(each, HEADS[Modality.IMAGE]), table(each, Modality.IMAGE)
            rows = rows_of(each, Modality.TEXT).tolist()
            belonging = {row: own_image(each, row)[1] for row in rows if own_image(each, row)[1] >= 0}
            assert dict(zip(found.captions.tolist(), found.images.tolist(), strict=True)) == belonging
            assert (np.diff(found.images) >= 0).all()
            np.testing.assert_allclose(found.probabilities, expected[found.captions, found.images], atol=1e-6)


@pytest.mark.parametrize("modality", Modality)
def test_occurrences_are_counted_among_the_first_answers(gallery: Gallery, modality: Modality) -> None:
    """Before and after changes they are those of sorting the table of all pairs; nothing removed asks or answers."""
    [other] = (each for each in Modality if each is not modality)
    with changed(gallery.directory) as living:
        for each in (gallery, living.gallery):
            found = occurrences(each, modality, HEADS[modality])
            asks, answers = (rows_of(each, m) for m in (other, modality))
            first = np.argsort(-table(each, modality)[np.ix_(asks, answers)], axis=1)[:, :10]
            assert (found.rows.tolist(), found.queries, found.answers) == (answers.tolist(), len(asks), 10)
            assert found.counts.tolist() == np.bincount(first.flatten(), minlength=len(answers)).tolist()


def test_many_items_send_a_sample(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more could ask than may, as many are drawn, the same ones each time."""
    monkeypatch.setattr("index.exploring.hubs.QUERIES", 40)
    found, again = (occurrences(gallery, Modality.IMAGE, HEADS[Modality.IMAGE]) for _ in range(2))
    assert (found.queries, found.counts.sum()) == (40, 400)
    assert found.counts.tolist() == again.counts.tolist()


def test_figures_are_those_of_scipy() -> None:
    """Skewness is SciPy's of the counts, that by chance the binomial's; the expected count is its mean."""
    counts = np.random.default_rng(0).poisson(3, 50) ** 2
    found = Occurrences(np.arange(50), counts, int(counts.sum()) // 10, 10)
    chance = stats.binom(found.queries, 10 / 50)
    assert found.skewness == pytest.approx(stats.skew(counts), rel=1e-2)
    assert found.skewness_by_chance == pytest.approx(chance.stats("s"))
    assert found.expected == pytest.approx(chance.mean())
    alike = Occurrences(np.arange(5), np.full(5, 7), 7, 5)
    assert (alike.expected, alike.skewness, alike.skewness_by_chance) == (7, None, None)


def test_the_oddest_come_first(gallery: Gallery) -> None:
    """Images by their worst caption, each with all of its captions; hubs by their occurrences; all by id."""
    found, expected = audit(gallery, HEADS), table(gallery, Modality.IMAGE)
    assert (found.gallery, found.images, found.captions) == (gallery.fingerprint, 23, 150)
    worst = [min(each.match_probability for each in image.captions) for image in found.mismatched]
    assert worst == sorted(worst)
    assert {image.id for image in found.mismatched} == {f"i{n}" for n in range(23)}
    for image in found.mismatched:
        assert [each.id for each in image.captions] == list(gallery.captions(image.id))
        for each in image.captions:
            rows = [place[1] for place in map(gallery.find, (each.id, image.id)) if place]
            assert each.match_probability == pytest.approx(expected[tuple(rows)], abs=1e-6)
    for modality, hubness in found.hubs.items():
        counts = occurrences(gallery, modality, HEADS[modality])
        assert [hub.occurrences for hub in hubness.hubs] == sorted(counts.counts[counts.counts > 0].tolist())[::-1]
        assert (hubness.items, hubness.skewness) == (gallery.count(modality), counts.skewness)


def test_so_many_are_kept(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit, the oddest of all."""
    whole = audit(gallery, HEADS)
    monkeypatch.setattr(subject, "LISTED", 4)
    found = audit(gallery, HEADS)
    assert found.mismatched == whole.mismatched[:4]
    assert found.hubs[Modality.TEXT].hubs == whole.hubs[Modality.TEXT].hubs[:4]


@pytest.mark.parametrize(("images", "texts"), [(1, 0), (1, 1), (3, 1)])
def test_small_galleries(gallery_of: GalleryOf, images: int, texts: int) -> None:
    """Without texts nobody asks; with fewer items than answers all of them answer."""
    gallery = gallery_of(draw(images, 0), draw(texts, 1))
    found = audit(gallery, HEADS)
    assert (found.images, found.captions) == (min(images, texts), texts)
    assert [hub.occurrences for hub in found.hubs[Modality.IMAGE].hubs] == [1] * images * texts
    assert found.hubs[Modality.TEXT].skewness is None


def test_a_file_holds_all_of_it(gallery: Gallery) -> None:
    """What is read is what was written; without a file there is none."""
    assert read_audit(gallery.directory) is None
    found = audit(gallery, HEADS)
    write_audit(gallery.directory, found)
    assert read_audit(gallery.directory) == found


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mismatched": 3, "hubs": {}}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    """It is refused with the way out, whatever it holds."""
    (tmp_path / AUDIT).write_text(content)
    with pytest.raises(ArtifactError, match="penumbra index audit"):
        read_audit(tmp_path)


@pytest.mark.parametrize("late", [False, True])
def test_a_compaction_takes_it_along(gallery: Gallery, late: bool) -> None:
    """It is one of the new gallery where it was one of the old one's last state, and of neither otherwise."""
    with changed(gallery.directory) as living:
        found = audit(living.gallery, HEADS)
        write_audit(living.directory, found)
        if late:
            living.remove(["i1"])
        living.compact(HEADS)
        carried = read_audit(living.directory)
        assert isinstance(carried, Audit)
        assert (carried.gallery == living.gallery.fingerprint) is not late
        assert (carried.mismatched, carried.hubs) == (found.mismatched, found.hubs)


def test_a_damaged_one_stays_behind(gallery: Gallery) -> None:
    """A compaction does not fail for it."""
    (gallery.directory / AUDIT).write_text(json.dumps({"gallery": "x"}))
    with changed(gallery.directory) as living:
        living.compact(HEADS)
        assert read_audit(living.directory) is None


def test_nothing_else_is_changed(gallery: Gallery) -> None:
    """The audit is no part of the gallery: its fingerprint stays, and it opens as before."""
    write_audit(gallery.directory, audit(gallery, HEADS))
    with Gallery.open(gallery.directory) as again:
        assert again.fingerprint == gallery.fingerprint


def test_a_wrong_caption_is_found(gallery_of: GalleryOf) -> None:
    """Of captions that lie on their images but for two, exchanged, these two are the worst, and their images first."""
    images = draw(12, 3)
    means = images.mean.repeat_interleave(2, 0)
    means[[6, 20]] = means[[20, 6]]
    found = audit(gallery_of(images, Gaussian(means, torch.full_like(means, -6))), HEADS)
    assert {image.id for image in found.mismatched[:2]} == {"i3", "i10"}
    for image in found.mismatched[:2]:
        assert min(image.captions, key=lambda each: each.match_probability).id == f"{image.id}#0"
