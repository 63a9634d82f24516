"""A gallery changed by the commands: what they do, what they say, and that all or nothing of each is done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from cli import changes
from faults.builds import Builds
from index.gallery import Gallery
from index.items import Modality
from models.errors import ArtifactError, ChangeError, UnknownIdError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, the collections `one` and `other` of four images with two captions, and the gallery of `one`."""
    folder = tmp_path_factory.mktemp("home") / "prepared"
    Builds().prepare(folder)
    return folder


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "home"))


def test_added_as_a_build_has_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Items that are added have the ids, Gaussians and pictures that a build gives them; twice is refused."""
    changes.add(home / "gallery", home / "other")
    assert "8 images, 16 texts; since it was built 12 items came and 0 went" in capsys.readouterr().out
    built = Builds().after(1)
    with Gallery.open(home / "gallery") as gallery:
        for each in built.held:
            found = gallery.find(each.item.id)
            assert found is not None
            [item] = gallery.items(found[0], [found[1]])
            gaussian = gallery.gaussians(found[0], [found[1]])[0]
            assert (item, gallery.picture(item.id)) == (each.item, each.jpeg)
            # The build stores them in less than float32.
            torch.testing.assert_close(gaussian.mean, each.gaussian.mean, atol=1e-3, rtol=1e-3)
            torch.testing.assert_close(gaussian.log_variance, each.gaussian.log_variance, atol=0.05, rtol=0)
    with pytest.raises(ChangeError, match="already has an item 'other0'"):
        changes.add(home / "gallery", home / "other")


def test_updated_removed_compacted_verified(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gallery goes through all of the commands, and each says what is there then."""
    gallery = home / "gallery"
    changes.update(gallery, home / "one")
    with pytest.raises(UnknownIdError, match="no item 'other0'"):
        changes.update(gallery, home / "other")
    changes.remove(gallery, ["one0", "one1#1"])
    capsys.readouterr()
    changes.verify_command(gallery)
    assert "is sound: 11 files, 0.0 MiB, 2 changes since." in capsys.readouterr().out
    changes.compact(gallery)
    assert "3 images, 5 texts; since it was built 0 items came and 0 went (generation 1)" in capsys.readouterr().out
    with Gallery.open(gallery) as opened:
        assert [item.id for item in opened.items(Modality.IMAGE, range(3))] == ["one1", "one2", "one3"]


def test_damage_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is damaged stands in a line with its remedy, and the command ends with an error."""
    (home / "gallery" / "text.faiss").write_bytes(b"")
    with pytest.raises(ArtifactError, match="gallery is damaged"):
        changes.verify_command(home / "gallery")
    assert "text.faiss has 0 bytes instead of" in capsys.readouterr().out
