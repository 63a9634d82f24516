"""`penumbra doctor`: what it finds, and what it says when something is not well."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import checks
from cli.checks import State
from cli.demo import SHIPPED_MODEL
from cli.main import main
from faults.subject import MODEL, build_gallery, write_corpus, write_model

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs `penumbra doctor …`: exit code, stdout."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["penumbra", "doctor", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    write_model(tmp_path / MODEL)
    write_corpus(tmp_path / "corpus", images=2, seed=1)
    build_gallery(tmp_path / MODEL, tmp_path / "corpus", tmp_path / "gallery")
    return tmp_path / "gallery"


def test_a_line_for_each_check(doctor: Doctor, gallery: Path) -> None:
    """Ten lines with a mark each, in the terminal and as JSON; where nothing fails the exit code is 0."""
    code, shown = doctor(gallery)
    assert code == 0
    assert all(line[0] in "✓!" for line in shown.splitlines())
    code, told = doctor(gallery, "--json")
    names = [check["name"] for check in json.loads(told)]
    assert names == [
        *("python", "packages", "torch", "faiss", "runtimes", "shipped model", "memory", "disk", "port"),
        str(gallery),
    ]
    assert [line[2:].split(": ")[0] for line in shown.splitlines()] == names
    assert "2 images and 4 texts" in shown


def test_a_broken_gallery_fails(doctor: Doctor, gallery: Path) -> None:
    """Exit code 1, with what is wrong; so does a model, and a folder that is neither."""
    (gallery / "image.means.npy").write_bytes(b"")
    code, shown = doctor(gallery)
    assert code == 1
    assert "✗" in shown and "image.means.npy has 0 bytes" in shown
    assert doctor(gallery.parent / MODEL)[0] == 0
    (gallery.parent / MODEL / "vocabulary.json").unlink()
    code, shown = doctor(gallery.parent / MODEL)
    assert code == 1 and "vocabulary.json" in shown
    assert doctor(gallery.parent)[0] == 1


def test_the_shipped_model_computes_what_it_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Well as it is; failed where it computes something else, or cannot be read."""
    assert checks.shipped_model().state is State.WELL
    monkeypatch.setattr(checks, "KNOWN_SIGMA", 0.5)
    assert checks.shipped_model().state is State.FAILED
    monkeypatch.setattr(checks, "SHIPPED_MODEL", tmp_path)
    assert checks.shipped_model().state is State.FAILED
    assert SHIPPED_MODEL.is_dir()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(["numpy>=999"], "numpy is"), (["no-such-package>=1"], "no-such-package is not installed")],
)
def test_packages_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, wanted: list[str], found: str) -> None:
    """Each is named; those of extras are not asked for."""
    monkeypatch.setattr(checks, "requires", lambda name: [*wanted, 'none-such>=1; extra == "dev"'])
    check = checks.packages()
    assert check.state is State.FAILED and found in check.found
    assert check.remedy and "none-such" not in check.found


def test_an_old_python_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the range that the package names."""
    monkeypatch.setattr(checks.platform, "python_version", lambda: "3.9.1")
    check = checks.python()
    assert check.state is State.FAILED and "3.9.1, and this needs >=3.11" in check.found


def test_what_is_short_is_doubtful(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A taken port, little disk and little memory are no failures."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert checks.free_port(port).state is State.DOUBTFUL
    assert checks.free_port(port).state is State.WELL
    monkeypatch.setattr(checks, "_LITTLE", 2**60)
    assert checks.disk(tmp_path).state is checks.memory().state is State.DOUBTFUL
