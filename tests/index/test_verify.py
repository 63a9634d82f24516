"""Whatever is damaged in a gallery is named, that alone, and with what it can be rebuilt from."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faults.held import first_held, image
from index.changes.journal import JOURNAL
from index.files.manifest import FileRecord, read_manifest, write_manifest
from index.items import Modality
from index.lifecycle.living import LivingGallery
from index.lifecycle.verify import verify
from index.local.gallery import Gallery
from index.shortlists.choice import Wanted
from models.errors import ArtifactError
from models.gaussian import Gaussian

GalleryOf = Callable[..., Gallery]

# What holds something that nothing else does, and what follows from the Gaussians.
ONLY = ("items.sqlite", *(f"{m}.{part}.npy" for m in Modality for part in ("means", "log_variances", "coding")))
FOLLOWING = tuple(f"{m}.{part}" for m in Modality for part in ("sigmas.npy", "faiss"))


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "copied"))


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def sentences(directory: Path) -> list[str]:
    return [str(damage) for damage in verify(directory).damages]


def test_a_sound_gallery_is_read_whole(copied: Path) -> None:
    """Nothing is found, nothing is changed, and the progress ends at the bytes of all files but the manifest."""
    files = {path.name: path.read_bytes() for path in copied.iterdir()}
    told: list[tuple[int, int]] = []
    found = verify(copied, lambda done, total: told.append((done, total)))
    assert found.sound
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == files
    size = sum(len(content) for name, content in files.items() if name != "manifest.json")
    assert (found.files, found.bytes) == (len(files) - 1, size)
    assert told == sorted(told) and told[-1] == (size, size)


@pytest.mark.parametrize("name", [*ONLY, *FOLLOWING])
def test_exactly_the_damaged_file_is_named(built: Path, copied: Path, name: str) -> None:
    """One byte changed anywhere, cut short, grown, deleted, made a folder: that file and no other, with its remedy."""
    path = copied / name
    size = path.stat().st_size
    changes: list[Callable[[], object]] = [
        *(lambda place=place: flip(path, place) for place in (0, size // 2, size - 1)),  # type: ignore[misc]
        lambda: path.write_bytes(path.read_bytes()[:-1]),
        lambda: path.write_bytes(path.read_bytes() + b"x"),
        lambda: path.write_bytes(b""),
        path.unlink,
        lambda: (path.unlink(), path.mkdir()),
    ]
    remedy = "nothing else in the gallery holds this" if name in ONLY else "it can be rebuilt from "
    for change in changes:
        change()
        [sentence] = sentences(copied)
        assert sentence.startswith(f"{name} ") and f": {remedy}" in sentence and "\n" not in sentence
        path.rmdir() if path.is_dir() else None
        shutil.copyfile(built / name, path)
    assert sentences(copied) == []


def test_what_follows_from_damaged_gaussians_is_lost(copied: Path) -> None:
    """σ can be rebuilt from Gaussians that are sound, of all three files; not from damaged ones."""
    flip(copied / "text.sigmas.npy", 200)
    assert "rebuilt from text.means.npy, text.log_variances.npy, text.coding.npy," in sentences(copied)[0]
    flip(copied / "text.coding.npy", 200)
    assert [line.split(":")[1][:13] for line in sentences(copied)] == [" nothing else"] * 2
    flip(copied / "image.sigmas.npy", 150)
    assert any("image.means.npy" in line for line in sentences(copied))


def test_a_manifest_that_says_something_else(built: Path, copied: Path) -> None:
    """Any one byte changed is found: as a manifest that cannot be read, or as one that says something else."""
    path = copied / "manifest.json"
    text = path.read_bytes()
    for place in [*range(0, len(text), 97), text.rindex(b"sha256"), len(text) - 10]:
        flip(path, place)
        try:
            [sentence] = sentences(copied)
        except ArtifactError:
            sentence = "manifest.json "
        assert sentence.startswith("manifest.json ") or path.read_text().split() == text.decode().split()
        path.write_bytes(text)


def test_a_manifest_without_its_hash(copied: Path) -> None:
    """One of a gallery that was built before manifests had a hash is believed."""
    path = copied / "manifest.json"
    values = json.loads(path.read_text())
    del values["sha256"]
    path.write_text(json.dumps(values))
    assert verify(copied).sound


def test_without_a_manifest_nothing_can_be_checked(copied: Path) -> None:
    """That is an error with a remedy, not a finding."""
    (copied / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing"):
        verify(copied)


def rewrite(directory: Path, name: str) -> None:
    """Make the manifest agree with a file, as if it had been written so."""
    manifest = read_manifest(directory)
    write_manifest(directory, replace(manifest, files={**manifest.files, name: FileRecord.of(directory / name)}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(copied: Path, value: float) -> None:
    """Written as they are, with the right hash: the file is named, and in how many rows they are."""
    path = copied / "image.means.npy"
    means = np.load(path)
    means[[3, 7], 5] = value
    np.save(path, means)
    rewrite(copied, path.name)
    [sentence] = sentences(copied)
    assert sentence.startswith("image.means.npy holds numbers that are not finite, in 2 of 11 rows: nothing else")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM items WHERE id = 'i3#1'", "21 items of modality text, and the manifest says 22"),
        ("UPDATE items SET row = 99 WHERE id = 'i3'", "1 rows that are not numbered from 0"),
        ("INSERT INTO pictures VALUES (50, x'00')", "1 pictures without an image"),
        ("UPDATE items SET image_id = 'none' WHERE id = 'i3#1'", "1 captions without their image"),
    ],
)
def test_tables_that_cannot_be_right(copied: Path, statement: str, found: str) -> None:
    """Written as they are, with the right hash: what is wrong in the tables is told."""
    with closing(sqlite3.connect(copied / "items.sqlite")) as connection, connection:
        connection.execute(statement)
    rewrite(copied, "items.sqlite")
    [sentence] = sentences(copied)
    assert sentence.startswith(f"items.sqlite holds {found}: nothing else")


def test_a_table_that_sqlite_finds_damaged(copied: Path) -> None:
    """A page that is zeros is found by SQLite, whichever it is and whatever the hash says."""
    path = copied / "items.sqlite"
    content = path.read_bytes()
    pages = range(0, len(content), 4096)
    assert len(pages) > 3
    for start in pages:
        path.write_bytes(content[:start] + bytes(4096) + content[start + 4096 :])
        rewrite(copied, path.name)
        [sentence] = sentences(copied)
        assert sentence.startswith("items.sqlite ") and "SQLite" in sentence


def test_heights_can_be_rebuilt(gallery_of: GalleryOf) -> None:
    """Those of a shortlist over lifted means follow from the Gaussians."""
    generator = torch.Generator().manual_seed(0)
    drawn = [Gaussian(torch.randn(n, 6, generator=generator), torch.randn(n, 6, generator=generator)) for n in (9, 12)]
    directory = gallery_of(*drawn, Wanted(over="lifted")).directory
    assert verify(directory).sound
    flip(directory / "text.heights.npy", 130)
    [sentence] = sentences(directory)
    assert sentence.startswith("text.heights.npy has other content") and "rebuilt from text.means.npy" in sentence


def test_what_only_opening_finds(copied: Path) -> None:
    """A gallery whose files are as written and that still cannot be opened is not called sound."""
    manifest = read_manifest(copied)
    write_manifest(copied, replace(manifest, dim=8))
    [sentence] = sentences(copied)
    assert sentence.startswith("manifest.json is of a gallery that cannot be opened (")


@pytest.fixture
def changed(tmp_path: Path) -> tuple[Path, list[int]]:
    """A gallery with three changes in its journal, and where each frame of that begins and the last one ends."""
    directory = first_held().build(tmp_path / "changed")
    ends = []
    with LivingGallery.open(directory) as living:
        for number in range(3):
            ends.append((directory / JOURNAL).stat().st_size)
            living.add([image(f"new{number}", number)])
    return directory, [0, *ends, (directory / JOURNAL).stat().st_size]


def test_changes_are_counted(changed: tuple[Path, list[int]]) -> None:
    """The journal's changes are told; a gallery without a journal has none."""
    directory, _ = changed
    assert (verify(directory).changes, verify(directory).sound) == (3, True)
    (directory / JOURNAL).unlink()
    assert (verify(directory).changes, verify(directory).sound) == (0, True)


def test_a_damaged_journal_is_named(changed: tuple[Path, list[int]]) -> None:
    """A byte changed in any part of any frame, the last one too: the journal and nothing else."""
    directory, bounds = changed
    path = directory / JOURNAL
    content = path.read_bytes()
    for start, end in itertools.pairwise(bounds):
        for place in (start, start + 5, start + 20, start + 45, start + 60, end - 1):
            flip(path, place)
            [sentence] = sentences(directory)
            assert sentence.startswith(f"{JOURNAL} ") and "nothing else in the gallery holds this" in sentence
            path.write_bytes(content)


def test_a_change_that_was_cut_short_is_no_damage(changed: tuple[Path, list[int]]) -> None:
    """Cut anywhere within its last frame a journal is as a process that was killed leaves it: told, and sound."""
    directory, bounds = changed
    path = directory / JOURNAL
    content = path.read_bytes()
    for end in (*range(bounds[-2] + 1, bounds[-1], 7), bounds[-1] - 1):
        path.write_bytes(content[:end])
        found = verify(directory)
        assert (found.sound, found.changes, found.torn) == (True, 2, end - bounds[-2])


def test_the_journal_of_another_gallery(changed: tuple[Path, list[int]], tmp_path: Path) -> None:
    """Sound for itself, it is named where it is not of this gallery."""
    directory, _ = changed
    other = first_held(images=5).build(tmp_path / "other")
    shutil.copyfile(directory / JOURNAL, other / JOURNAL)
    [sentence] = sentences(other)
    assert sentence.startswith(f"{JOURNAL} holds changes of another gallery (")
