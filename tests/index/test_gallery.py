from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from index.files.manifest import read_manifest
from index.filters.form import parse
from index.items import Modality
from index.lifecycle.describe import describe
from index.local.gallery import Gallery
from index.shortlists.choice import Wanted
from index.shortlists.contract import Effort
from models.errors import ArtifactError
from models.gaussian import Gaussian

GalleryOf = Callable[..., Gallery]


PARTS = ("means.npy", "log_variances.npy", "coding.npy", "sigmas.npy", "faiss")
FILES = ("items.sqlite", *(f"{modality}.{part}" for modality in Modality for part in PARTS))


def draw(n: int, dim: int = 6, seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(n, dim, generator=generator), torch.randn(n, dim, generator=generator) - 3)


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "copied"))


def test_rows_come_back_in_the_order_asked_for(gallery_of: GalleryOf) -> None:
    """Gaussians are those of the rows, in any order, repeats too, bit for bit."""
    images = draw(20)
    gallery = gallery_of(images, draw(5))
    rows = [7, 3, 19, 3, 0]
    found = gallery.gaussians(Modality.IMAGE, rows)
    assert torch.equal(found.mean, images.mean[rows])
    assert torch.equal(found.log_variance, images.log_variance[rows])
    assert len(gallery.gaussians(Modality.IMAGE, [])) == 0


def test_percentiles_count_smaller_sigmas(gallery_of: GalleryOf) -> None:
    """A percentile is the share of items with a smaller σ: below all, between, at an item's own, above all."""
    images = draw(40)
    gallery = gallery_of(images, draw(5))
    own = images.sigma.tolist()
    sigmas = np.array([0.0, 99.0, 0.2, own[3]])
    expected = tuple(100 * sum(each < sigma for each in own) / 40 for sigma in sigmas)
    assert gallery.percentiles(Modality.IMAGE, sigmas) == expected
    assert gallery_of(images, draw(0)).percentiles(Modality.TEXT, sigmas) == (None,) * 4


def test_uncertainties_are_those_of_the_covariance(gallery_of: GalleryOf) -> None:
    """σ, log-determinant and trace agree with float64 formulas; the percentile is among items of that modality."""
    images, texts = draw(10), draw(30, seed=1)
    [found] = gallery_of(images, texts).uncertainties(Modality.TEXT, texts[4:5])
    variances = np.exp(texts.log_variance[4].double().numpy())
    assert found.sigma == pytest.approx(np.prod(np.sqrt(variances)) ** (1 / 6), rel=1e-5)
    assert found.log_det_covariance == pytest.approx(np.log(np.prod(variances)), rel=1e-5)
    assert found.total_variance == pytest.approx(variances.sum(), rel=1e-5)
    assert found.percentile == 100 * int((texts.sigma < texts.sigma[4]).sum()) / 30


def test_by_uncertainty_pages_through_all(gallery_of: GalleryOf) -> None:
    """Pages of the order by σ join to all items sorted by σ, either way; past the end there is nothing."""
    texts = draw(25)
    gallery = gallery_of(draw(5), texts)
    ascending = np.argsort(texts.sigma.numpy(), kind="stable").tolist()
    for descending in (False, True):
        pages = [
            gallery.by_uncertainty(Modality.TEXT, descending=descending, limit=10, offset=offset).tolist()
            for offset in (0, 10, 20, 30)
        ]
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert [row for page in pages for row in page] == (ascending[::-1] if descending else ascending)


@pytest.mark.parametrize(("least", "most"), [(0.0, math.inf), (5, 17), (5, 5), (9, 4), (0.0, 1e300), (1e300, 1e301)])
def test_by_sigma_keeps_to_its_bounds(gallery_of: GalleryOf, least: float, most: float) -> None:
    """Items within both bounds, these included, of all or of those that a filter lets through, in the order of σ."""
    images = draw(25)
    gallery = gallery_of(images, draw(5), metas=[{"n": n % 3} for n in range(25)])
    ascending = np.argsort(images.sigma.numpy(), kind="stable")
    # Whole numbers stand for the σ of that place.
    bounds = [float(images.sigma[ascending[each]]) if isinstance(each, int) else each for each in (least, most)]
    fits = [row for row in ascending.tolist() if bounds[0] <= float(images.sigma[row]) <= bounds[1]]
    for wanted, expected in ((None, fits), (parse({"n": 1}), [row for row in fits if row % 3 == 1])):
        found = gallery.by_sigma(Modality.IMAGE, *bounds, wanted)
        assert found.rows.tolist() == expected
        np.testing.assert_allclose(found.values, images.sigma[expected], rtol=1e-6)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["deleted", "cut", "longer"])
def test_damage_is_named(copied: Path, name: str, damage: str) -> None:
    """A gallery with a file missing, cut short or too long is refused, by that file's name and with the remedy."""
    path = copied / name
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "cut" else path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match=rf"{name} .*: build the gallery again, or copy its folder whole") as raised:
        Gallery.open(copied)
    assert "\n" not in str(raised.value)


def test_heights_are_needed_where_means_are_lifted(gallery_of: GalleryOf) -> None:
    """A shortlist over lifted means is refused without their heights; one over the means has none."""
    plain, lifted = (gallery_of(draw(20), draw(30, seed=1), Wanted(over=over)) for over in ("mean", "lifted"))
    assert not (plain.directory / "text.heights.npy").exists()
    np.save(lifted.directory / "text.heights.npy", np.zeros(30, np.float64)[:27])
    with pytest.raises(ArtifactError, match=r"text\.heights\.npy has .* bytes instead of 248: build the gallery again"):
        Gallery.open(lifted.directory)
    (lifted.directory / "text.heights.npy").unlink()
    with pytest.raises(ArtifactError, match=r"text\.heights\.npy is missing: build the gallery again"):
        Gallery.open(lifted.directory)


def test_the_fingerprint_is_of_the_searches_too(gallery_of: GalleryOf) -> None:
    """Galleries whose searches would find other items have other fingerprints."""
    manifest = gallery_of(draw(20), draw(30, seed=1)).manifest
    record = manifest.shortlists[Modality.TEXT]
    for changed in (replace(record, size=record.size + 1), replace(record, effort=Effort(7, 3))):
        assert replace(manifest, shortlists={**manifest.shortlists, Modality.TEXT: changed}).fingerprint != (
            manifest.fingerprint
        )


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"schema": 99}', '{"schema": 1}'])
def test_a_damaged_manifest_is_named(copied: Path, content: str | None) -> None:
    """A manifest that is missing, no JSON, or of another version is named."""
    path = copied / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json .*: build the gallery again"):
        Gallery.open(copied)


def test_another_model_is_refused(built: Path) -> None:
    """Opened for another model, a gallery names both fingerprints; for its own, or for none, it opens."""
    own = read_manifest(built).model_fingerprint
    with pytest.raises(ArtifactError, match=f"{own}.*not by other"):
        Gallery.open(built, model="other")
    Gallery.open(built, model=own).close()
    Gallery.open(built).close()


@pytest.mark.parametrize("change", [{"counts": {"image": 12, "text": 22}}, {"dim": 8}, {"counts": {"image": 11}}])
def test_counts_must_agree_with_the_files(copied: Path, change: dict[str, object]) -> None:
    """A manifest that says other counts or dimensions than its files hold is refused."""
    path = copied / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match="build the gallery again"):
        Gallery.open(copied)


def test_items_must_be_as_many(copied: Path) -> None:
    """A store of items from which one is gone is refused, although its file is as long as before."""
    with closing(sqlite3.connect(copied / "items.sqlite")) as connection, connection:
        connection.execute("DELETE FROM items WHERE id = 'i3#1'")
    with pytest.raises(ArtifactError, match=r"items\.sqlite holds 21 items of modality text, and .* says 22"):
        Gallery.open(copied)


def test_arrays_must_have_their_shape(copied: Path) -> None:
    """An array of as many bytes but another shape is refused."""
    path = copied / "image.means.npy"
    np.save(path, np.load(path).T.copy())
    with pytest.raises(ArtifactError, match=r"image.means.npy holds float16 \[16, 11\] instead of float16 \[11, 16\]"):
        Gallery.open(copied)


def test_an_unknown_kind_of_shortlist(copied: Path) -> None:
    """A kind of shortlist that this version lacks is named."""
    path = copied / "manifest.json"
    path.write_text(path.read_text().replace('"flat"', '"pyramid"'))
    with pytest.raises(ArtifactError, match="'pyramid', which this version of Penumbra lacks"):
        Gallery.open(copied)


def test_a_replaced_gallery_goes_on_answering(built: Path, tmp_path: Path) -> None:
    """A gallery that is open answers as before after its folder was replaced."""
    directory = Path(shutil.copytree(built, tmp_path / "served"))
    with Gallery.open(directory) as gallery:
        before = gallery.gaussians(Modality.TEXT, range(22))
        shutil.rmtree(directory)
        assert torch.equal(gallery.gaussians(Modality.TEXT, range(22)).mean, before.mean)
        assert gallery.find("i3#1") == (Modality.TEXT, 7)
        assert gallery.picture("i3") is not None


def test_description(built: Path) -> None:
    """A description is plain JSON and says what is there, what made it and what was found."""
    found = json.loads(json.dumps(describe(built)))
    assert (found["image"]["count"], found["text"]["count"], found["dim"]) == (11, 22, 16)
    assert found["model"]["fingerprint"] == read_manifest(built).model_fingerprint
    assert found["bytes"] == sum(path.stat().st_size for path in built.iterdir()) - _manifest_size(built)
    assert "find themselves" in found["text"]["self_retrieval"]
    shortlist = found["text"]["shortlist"]
    assert (shortlist["kind"], shortlist["size"]) == ("flat", 200)
    assert shortlist["held"]["built"]["20"] == 1.0
    assert "of the ten most probable of all" in shortlist["loss"]


def _manifest_size(directory: Path) -> int:
    return (directory / "manifest.json").stat().st_size
