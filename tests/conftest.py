"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Tests do not measure time: a busy machine must not turn them red.
settings.register_profile("penumbra", deadline=None)
settings.load_profile("penumbra")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and photographs that may lie beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (reference values and photographs), which is not here")
    return folder
