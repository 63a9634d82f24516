"""A link that leads from one gallery to the next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from index.lifecycle.publish import check, point, publish
from models.checkpoint import LoadedModel
from models.errors import ArtifactError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two folders, and where a link may lead to them."""
    for name in ("one", "two"):
        (tmp_path / "galleries" / name).mkdir(parents=True)
        (tmp_path / "galleries" / name / "name").write_text(name)
    return tmp_path


def test_a_link_leads_from_one_to_the_other(place: Path) -> None:
    """At every moment it leads to one of them; nothing else is left beside it; both stay."""
    for name in ("one", "two", "one"):
        point(place / "served" / "live", place / "galleries" / name)
        assert (place / "served" / "live" / "name").read_text() == name
    assert [each.name for each in (place / "served").iterdir()] == ["live"]
    assert sorted(each.name for each in (place / "galleries").iterdir()) == ["one", "two"]


def test_a_link_survives_a_move_of_all(place: Path) -> None:
    """It is relative, so that the tree may be mounted elsewhere."""
    point(place / "served" / "live", place / "galleries" / "one")
    (place / "moved").mkdir()
    for name in ("served", "galleries"):
        (place / name).rename(place / "moved" / name)
    assert (place / "moved" / "served" / "live" / "name").read_text() == "one"


def test_a_link_through_a_link(place: Path) -> None:
    """A link in a folder that is itself reached by a link leads where it should."""
    (place / "shortcut").symlink_to(place / "galleries")
    point(place / "shortcut" / "live", place / "shortcut" / "two")
    assert (place / "galleries" / "live" / "name").read_text() == "two"


@pytest.mark.parametrize("in_place", ["folder", "file"])
def test_what_is_no_link_is_left_alone(place: Path, in_place: str) -> None:
    """A gallery's folder that is served itself is not replaced, before anything is read."""
    target = place / "live"
    if in_place == "folder":
        target.mkdir()
    else:
        target.write_text("mine")
    with pytest.raises(ArtifactError, match="is no link"):
        publish(place / "galleries" / "one", target)
    assert target.exists() and not target.is_symlink()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_byte_is_checked(built: Path, model: LoadedModel, tmp_path: Path) -> None:
    """One bit in any file of the gallery, or a file that is not there, keeps it from being published."""
    point(tmp_path / "live", tmp_path / "before")
    for path in sorted(built.iterdir()):
        if path.name == "manifest.json":
            continue
        for damage in (flip, Path.unlink):
            copy = tmp_path / "copy"
            shutil.copytree(built, copy)
            damage(copy / path.name)
            with pytest.raises(ArtifactError, match=path.name.partition(".")[0]):
                publish(copy, tmp_path / "live", model.directory)
            shutil.rmtree(copy)
    assert (tmp_path / "live").readlink() == Path("before")


def test_the_model_is_checked(built: Path, model: LoadedModel, tmp_path: Path) -> None:
    """A gallery whose model is not where it says is not published; with the right folder named it is."""
    shutil.copytree(built, tmp_path / "far" / "away" / "copy")
    with pytest.raises(ArtifactError, match=r"config\.json is missing"):
        check(tmp_path / "far" / "away" / "copy")
    publish(tmp_path / "far" / "away" / "copy", tmp_path / "live", model.directory)
    assert (tmp_path / "live").resolve() == tmp_path / "far" / "away" / "copy"
