"""How a command ends whose work was stopped, by a person or by another process of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli import train
from cli.main import main
from index.processes import LostProcessError, SaidElsewhereError
from training.loop import InterruptedTrainingError

CONFIG = "[model]\nembed_dim = 16\n[data]\nscenes = { images = 4, validation = 0, side = 32 }\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InterruptedTrainingError("stopped; go on"), 130, "stopped; go on\n"),
        (LostProcessError("another one has ended"), 130, "another one has ended\n"),
        (SaidElsewhereError(), 2, ""),
    ],
)
def test_stopped_work_has_its_exit_code(
    error: Exception,
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sentence at most, nothing on stdout, no traceback."""

    def stop(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "tiny.toml").write_text(CONFIG)
    monkeypatch.setattr(train, "train", stop)
    monkeypatch.setattr(sys, "argv", ["penumbra", "train", f"{tmp_path}/tiny.toml", "--out", f"{tmp_path}/out"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, *capsys.readouterr()) == (code, "", told)
