"""What the shell offers, and the epilog that says how commands end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import main
from cli.completion import galleries, galleries_and_models


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A gallery, a model and an empty folder, one hidden, and a file."""
    for name, mark in (("shoes", "manifest.json"), ("shelves/hats", "manifest.json"), ("shaped", "config.json")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / mark).touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "sheet").touch()
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_folders_are_offered(folders: Path) -> None:
    """Galleries as they are, others with a slash, files never, in the words that were typed."""
    assert galleries("") == ["shaped/", "shelves/", "shoes"]
    assert galleries("sho") == ["shoes"]
    assert galleries("./she") == ["./shelves/"]
    assert galleries("shelves/") == ["shelves/hats"]
    assert galleries(f"{folders}/shelves/h") == [f"{folders}/shelves/hats"]
    assert galleries("none/x") == []
    assert galleries(".h") == [".hidden/"]
    assert galleries_and_models("sh") == ["shaped", "shelves/", "shoes"]


def test_the_shell_asks_for_galleries(folders: Path) -> None:
    """What bash runs when TAB is pressed after `penumbra index info sho`."""
    asked = {"_PENUMBRA_COMPLETE": "complete_bash", "COMP_WORDS": "penumbra index info sho", "COMP_CWORD": "3"}
    done = CliRunner().invoke(main.app, [], prog_name="penumbra", env=asked)
    assert done.output.split() == ["shoes"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """--show-completion prints what the shell reads; it names the command."""
    # typer looks for the shell among the processes that started this one, and a test may have none.
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    done = CliRunner().invoke(main.app, ["--show-completion"], prog_name="penumbra")
    assert done.exit_code == 0, done.output
    assert f"_PENUMBRA_COMPLETE=complete_{shell}" in done.output


def test_exit_codes_are_told() -> None:
    """The help ends with them, and the page has each."""
    help_ = " ".join(CliRunner().invoke(main.app, ["--help"], prog_name="penumbra").output.split())
    assert main.EXIT_CODES in help_
    page = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text()
    assert all(f"| {code} |" in page for code in (0, 1, main.BAD_INPUT, main.INTERRUPTED))
