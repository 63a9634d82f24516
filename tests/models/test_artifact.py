"""Directories are put in place whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from models import artifact
from models.artifact import check_links, inside, nan_as_null, read_json, recover, staged, write_json
from models.errors import ArtifactError


def test_a_new_folder_appears_when_it_is_finished(tmp_path: Path) -> None:
    """Nothing is at the target while it is being written; everything is afterwards."""
    target = tmp_path / "deep" / "target"
    with staged(target) as staging:
        (staging / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("exchange", [True, False])
def test_an_old_folder_is_replaced_whole(tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaced in one step where the system can, in two renames elsewhere; nothing is left beside it."""
    if not exchange:
        monkeypatch.setattr(artifact, "_RENAME_EXCHANGE", 1 << 20)
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("old")
    with staged(target) as staging:
        (staging / "new").write_text("new")
        assert (target / "old").exists()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """An error while writing changes nothing and leaves nothing."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError), staged(target) as staging:
        (staging / "new").write_text("new")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_json_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    """Missing, damaged and not an object are errors with the remedy; a good one comes back."""
    path = tmp_path / "some.json"
    with pytest.raises(ArtifactError, match=r"some\.json is missing: do this"):
        read_json(path, "do this")
    path.write_text("{")
    with pytest.raises(ArtifactError, match=r"some\.json cannot be read .*: do this"):
        read_json(path, "do this")
    path.write_text("[]")
    with pytest.raises(ArtifactError, match="no JSON object"):
        read_json(path, "do this")
    write_json(path, {"a": "σ"})
    assert read_json(path, "") == {"a": "σ"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert read_json(path, "") == {"a": "σ"}


def test_what_is_not_finite_becomes_null() -> None:
    """At any depth; everything else stays."""
    given = {"a": float("nan"), "b": [1.5, float("inf"), {"c": (float("-inf"), "x", None, 3)}]}
    assert nan_as_null(given) == {"a": None, "b": [1.5, None, {"c": [None, "x", None, 3]}]}


class Crash(BaseException):
    """The process ends here: nothing after it is run, no clean-up either."""


def crashing(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Every change of a file system's names or contents is counted, and the one of number `at` never comes."""
    calls: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if len(calls) >= at:
                raise Crash
            calls.append(name)
            return function(*arguments, **named)

        return call

    for name in ("sync", "_exchange"):
        monkeypatch.setattr(artifact, name, counted(name, getattr(artifact, name)))
    for name in ("rename", "replace", "write_bytes", "unlink"):
        monkeypatch.setattr(Path, name, counted(name, getattr(Path, name)))
    monkeypatch.setattr(shutil, "rmtree", counted("rmtree", shutil.rmtree))
    return calls


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_a_crash_leaves_the_old_or_the_new_folder(
    tmp_path: Path, exchange: bool, old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step of a replacement is the last, the target is the old or the new one whole, once recovered; what
    comes after is as if nothing had been."""
    for at in range(30):
        target = tmp_path / str(at) / "target"
        target.mkdir(parents=True) if old else target.parent.mkdir()
        before = {"a": "old", "b": "old"} if old else {}
        write_files(target, before)
        with monkeypatch.context() as patch:
            if not exchange:
                patch.setattr(artifact, "_RENAME_EXCHANGE", 1 << 20)
            calls = crashing(patch, at)
            with suppress(Crash):
                replace_by(target, {"a": "new", "c": "new"})
        recover(target)
        assert read_files(target) in (before, {"a": "new", "c": "new"})
        replace_by(target, {"d": "newest"})
        assert read_files(target) == {"d": "newest"}
        if len(calls) < at:
            break
    assert 5 < len(calls) < at


def replace_by(target: Path, files: dict[str, str]) -> None:
    with staged(target) as staging:
        write_files(staging, files)


def write_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def read_files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is forced to the disk, renamed and removed, in order, by name."""
    steps: list[tuple[str, str]] = []

    def record(owner: Any, name: str, which: int) -> None:
        function = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            steps.append((name, Path(arguments[which]).name))
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    for owner, name, which in ((artifact, "sync", 0), (artifact, "_exchange", 1), (Path, "rename", 1)):
        record(owner, name, which)
    record(Path, "replace", 1)
    record(shutil, "rmtree", 0)
    return steps


def test_a_folder_is_on_the_disk_before_and_after_the_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents and folder are forced to the disk before the exchange, the names after it, and only then is the old one
    removed: the disk never knows of a later step without the earlier ones."""
    target = tmp_path / "target"
    replace_by(target, {"a": "old"})
    steps = recorded(monkeypatch)
    replace_by(target, {"a": "new", "b": "new"})
    staging = f".target.{os.getpid()}.staging"
    swap = steps.index(("_exchange", "target"))
    assert set(steps[:swap]) == {("rmtree", staging), ("sync", "a"), ("sync", "b"), ("sync", staging)}
    assert steps[swap + 1 : swap + 3] == [("sync", tmp_path.name), ("rmtree", staging)]


def test_new_folders_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that had to be made for the target is entered in the one above it durably."""
    steps = recorded(monkeypatch)
    replace_by(tmp_path / "one" / "two" / "target", {"a": "new"})
    assert [name for step, name in steps if step == "sync"] == [
        "one", tmp_path.name, "a", f".target.{os.getpid()}.staging", "two"
    ]  # fmt: skip


def test_a_file_is_on_the_disk_before_and_after_its_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its contents before, the folder that names it after."""
    steps = recorded(monkeypatch)
    write_json(tmp_path / "a.json", {"a": 1})
    assert steps == [("sync", f".a.json.{os.getpid()}"), ("replace", "a.json"), ("sync", tmp_path.name)]


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_file_that_cannot_be_written_is_as_it_was(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at any step: the error is told, the old content stays, nothing is left beside it."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_json(tmp_path / "a.json", {"a": "old"})
    owner, name = {"write": (Path, "write_bytes"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[failing]
    monkeypatch.setattr(owner, name, full)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "a.json", {"a": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert read_json(tmp_path / "a.json", "") == {"a": "old"}


def test_an_exchange_that_is_refused_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the exchange is unknown are there two renames; any other error is told."""
    replace_by(tmp_path / "target", {"a": "old"})
    monkeypatch.setattr(artifact, "_AT_FDCWD", -1)
    monkeypatch.setattr(os, "fsencode", lambda path: Path(path).name.encode())
    with pytest.raises(OSError, match="Bad file descriptor"):
        replace_by(tmp_path / "target", {"a": "new"})
    assert read_files(tmp_path / "target") == {"a": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "../other", "a/../../other", "out/file", "out"])
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    """A name that is absolute, or leads out by dots or by a link, is refused with the name in the message."""
    artifact_folder = tmp_path / "artifact"
    artifact_folder.mkdir()
    (tmp_path / "other").write_text("")
    (artifact_folder / "out").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match="not inside"):
        inside(artifact_folder, name)


@pytest.mark.parametrize("name", ["file", "deep/file", "deep/../file", "linked"])
def test_names_that_stay_inside(tmp_path: Path, name: str) -> None:
    """Files of the folder, by whatever way inside it, are found, and the folder may itself be reached by a link."""
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "linked").symlink_to("deep")
    (tmp_path / "link").symlink_to("real")
    for folder in (tmp_path / "real", tmp_path / "link"):
        assert inside(folder, name) == folder / name
        check_links(folder)


@pytest.mark.parametrize("target", ["../other", "../../..", "/etc"])
def test_links_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    """At any depth, to a file or to a folder, whether it exists or not."""
    folder = tmp_path / "artifact"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "link").symlink_to(Path("..") / target if target[0] == "." else target)
    with pytest.raises(ArtifactError, match="deep/link"):
        check_links(folder)
