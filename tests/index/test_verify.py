"""Every damage of a gallery is found, by its file, with what it can be had again from; a sound one is found sound."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from faults.held import caption, first_held, image
from index.journal import JOURNAL
from index.living import LivingGallery
from index.manifest import FileRecord
from index.verify import CHANGES, DERIVED, ENCODE, THUMBNAILS, verify

FILES = {
    "image.means.npy": ENCODE,
    "text.log_variances.npy": ENCODE,
    "image.sigmas.npy": DERIVED,
    "text.faiss": DERIVED,
    "image.heights.npy": DERIVED,
    "items.sqlite": THUMBNAILS,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery, lifted, with two changes."""
    directory = first_held().build(tmp_path_factory.mktemp("sound") / "gallery", "lifted")
    with LivingGallery.open(directory) as living:
        living.add([image("new", 1), caption("new#0", "new", 2)])
        living.remove(["i0"])
    return directory


@pytest.fixture
def directory(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "gallery"))


def test_a_sound_gallery(directory: Path) -> None:
    """One that nothing happened to is sound, its changes are counted, and bytes that nobody acknowledged do no harm."""
    with (directory / JOURNAL).open("ab") as file:
        file.write(b"PnJ1 and no more")
    said: list[tuple[int, int]] = []
    found = verify(directory, lambda done, total: said.append((done, total)))
    assert (found.sound, found.changes, found.torn, found.damages) == (True, 2, 16, ())
    assert said[-1] == (found.files, found.files)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["deleted", "cut", "turned"])
def test_damage_is_named_with_its_remedy(directory: Path, name: str, damage: str) -> None:
    """A file deleted, cut short, or with one bit turned in the middle, is named, with what it can be had again from."""
    path = directory / name
    content = path.read_bytes()
    middle = len(content) // 2
    turned = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.unlink()
    if damage != "deleted":
        path.write_bytes(content[:-1] if damage == "cut" else turned)
    found = verify(directory)
    assert not found.sound
    assert {(each.file, each.remedy) for each in found.damages} == {(name, FILES[name])}


def test_a_damaged_change_is_named(directory: Path) -> None:
    """A bit turned in an acknowledged change is damage of the journal."""
    path = directory / JOURNAL
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes([content[300] ^ 1]) + content[301:])
    [damage] = verify(directory).damages
    assert (damage.file, damage.remedy) == (JOURNAL, CHANGES)
    assert "is damaged" in damage.what


def test_a_journal_of_another_gallery_is_named(directory: Path, tmp_path: Path) -> None:
    """A folder put together from two galleries is found out."""
    other = first_held(3).build(tmp_path / "other")
    LivingGallery.open(other).close()
    shutil.copy(other / JOURNAL, directory / JOURNAL)
    [damage] = verify(directory).damages
    assert (damage.file, "is of the gallery" in damage.what) == (JOURNAL, True)


def test_items_are_counted(directory: Path) -> None:
    """Items missing from the store are found where its hash was made to fit too."""
    store, path = directory / "items.sqlite", directory / "manifest.json"
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("DELETE FROM items WHERE id = 'i3#1'")
    values = json.loads(path.read_text())
    record = FileRecord.of(store)
    values["files"]["items.sqlite"] = {"bytes": record.bytes, "sha256": record.sha256}
    path.write_text(json.dumps(values))
    assert [each.what for each in verify(directory).damages] == ["holds 7 items of modality text instead of 8"]


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_damaged_manifest_is_named(directory: Path, content: str) -> None:
    """Without a manifest nothing can be checked, and that is said."""
    (directory / "manifest.json").write_text(content)
    [damage] = verify(directory).damages
    assert damage.file == "manifest.json"
