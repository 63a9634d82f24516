"""A report's folder: what it may replace, and that it appears whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_report import report

from evaluation.reports.folder import PAGE, REPORT, check_replaceable, read_report, write_folder
from evaluation.reports.record import KIND
from models.errors import ArtifactError


def check(folder: Path) -> None:
    check_replaceable(folder, (REPORT, PAGE), KIND)


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    """A folder that is missing, empty, or an earlier report may be written to, and holds the new one after."""
    folder = tmp_path / "report"
    check(folder)
    folder.mkdir()
    check(folder)
    for rsum in (1.0, 2.0):
        values = report()
        values["figures"]["rsum"] = rsum
        write_folder(folder, {REPORT: values}, {PAGE: str(rsum)})
        check(folder)
        assert read_report(folder)["figures"]["rsum"] == rsum
        assert (folder / PAGE).read_text() == str(rsum)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"holiday.jpg": ""}, "holiday.jpg, which would be lost"),
        ({REPORT: json.dumps(report()), "notes.txt": ""}, "notes.txt, which would be lost"),
        ({REPORT: '{"kind": "something else"}'}, "no penumbra evaluation"),
        ({REPORT: "{"}, "no penumbra evaluation"),
        ({PAGE: "<p>mine"}, "no penumbra evaluation"),
    ],
)
def test_what_would_be_lost_is_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    """Anything that is no earlier report, by a sentence that names it."""
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ArtifactError, match=words):
        check(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """The old meaning of --out, a file, is refused by name."""
    (tmp_path / "figures.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"figures\.json is a file"):
        check(tmp_path / "figures.json")


def test_a_failure_leaves_the_old_report(tmp_path: Path) -> None:
    """What cannot be written, half way through, changes nothing."""
    folder = tmp_path / "report"
    write_folder(folder, {REPORT: {"rsum": 1}}, {PAGE: "old"})
    with pytest.raises(UnicodeEncodeError):
        write_folder(folder, {REPORT: {"rsum": 2}}, {PAGE: "\ud800"})
    assert json.loads((folder / REPORT).read_text()) == {"rsum": 1}
    assert (folder / PAGE).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
