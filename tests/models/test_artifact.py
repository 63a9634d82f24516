"""Directories are put in place whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import artifact
from models.artifact import check_links, inside, nan_as_null, read_json, staged, write_json
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
