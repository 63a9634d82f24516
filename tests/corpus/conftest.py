"""Miniature copies of published data sets need pictures, which these fixtures make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="session")
def draw() -> Callable[[Path], None]:
    """Writes a small picture, in a format that goes by the suffix, and the folders above it."""

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), "red").save(path)

    return write
