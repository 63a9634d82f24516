"""`penumbra index audit` on a tiny gallery: what it says, writes and leaves."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from cli import audit as command
from cli.main import main
from faults.subject import MODEL, build_gallery, write_corpus, write_model
from index.exploring.audit import AUDIT, read_audit

Audit = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and its gallery of three images with two captions each."""
    folder = tmp_path_factory.mktemp("made")
    write_model(folder / MODEL)
    write_corpus(folder / "corpus", images=3, seed=1)
    build_gallery(folder / MODEL, folder / "corpus", folder / "gallery")
    return folder


@pytest.fixture
def gallery(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home")) / "gallery"


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audit:
    """Runs it in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["penumbra", "index", "audit", *map(str, arguments), "--threads", "1"])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_it_says_what_it_found(audit: Audit, gallery: Path) -> None:
    """A line for mismatches, one for the hubs of each modality, and where all of it is."""
    code, out, err = audit(gallery)
    mismatched, images, texts, where = out.splitlines()
    found = read_audit(gallery)
    assert found is not None
    assert (code, err) == (0, "")
    assert "of 3 images have a caption" in mismatched and found.mismatched[0].id in mismatched
    for line, modality in ((images, "image"), (texts, "text")):
        hubness = next(each for name, each in found.hubs.items() if name == modality)
        assert line.startswith(f"{modality}: {hubness.queries} queries")
        assert f"{hubness.hubs[0].id} ({hubness.hubs[0].occurrences})" in line
    assert str(gallery / AUDIT) in where


def test_json_is_what_is_kept(audit: Audit, gallery: Path) -> None:
    """All of it, as the file has it."""
    code, out, _ = audit(gallery, "--json")
    found = read_audit(gallery)
    assert found is not None
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(asdict(found))) == json.loads((gallery / AUDIT).read_text())


def test_interrupted_it_leaves_what_was_there(audit: Audit, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends it with its code, and the file of before is whole."""
    audit(gallery)
    before = (gallery / AUDIT).read_bytes()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "audit", interrupt)
    code, out, _ = audit(gallery)
    assert (code, out) == (130, "")
    assert (gallery / AUDIT).read_bytes() == before


def test_another_model_is_refused(audit: Audit, gallery: Path) -> None:
    """One sentence, code 2, and nothing is written."""
    write_model(gallery.parent / "other")
    (gallery.parent / "other" / "config.json").write_text(
        (gallery.parent / "other" / "config.json").read_text().replace("9.0", "8.0") + " "
    )
    code, _, err = audit(gallery, "--model", gallery.parent / "other")
    assert code == 2
    assert "was made by the model" in " ".join(err.split())
    assert not (gallery / AUDIT).exists()
