"""docs/notebook.ipynb runs, and what it shows where it is read is what it shows when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK: Final = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"
LARGEST: Final = 400_000
"""Bytes: code hosts show no larger ones, and every clone has them."""


@pytest.fixture
def notebook() -> Any:
    """As it is kept."""
    return nbformat.read(NOTEBOOK, as_version=4)


def shown(notebook: Any) -> list[list[tuple[str, ...]]]:
    """For each cell of code the kinds of what is below it: text on a stream, or the types of a picture."""
    return [
        [(each.output_type, *sorted(each.get("data", ()))) for each in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_runs(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs without an error, anywhere, and shows the same kinds of things as the one that is kept."""
    kept = shown(notebook)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOK.parents[1]), *sys.path]))
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert shown(notebook) == kept


def test_the_notebook_can_be_read(notebook: Any) -> None:
    """It is kept with what it shows, run once from top to bottom, and is small."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    pictures = [kind for outputs in shown(notebook) for kind in outputs if "image/png" in kind]
    assert len(pictures) >= 3
    assert not any(each.output_type == "error" for cell in cells for each in cell.outputs)
    assert NOTEBOOK.stat().st_size < LARGEST
