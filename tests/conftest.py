"""Fixtures for all tests."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from milvus_server import MilvusServer, running

# Tests do not measure time: a busy machine must not turn them red.
settings.register_profile("penumbra", deadline=None)
settings.load_profile("penumbra")


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A test that leaves the process other than it was fails itself, instead of another one in another order."""

    def state() -> dict[str, object]:
        return {
            "level of the log": logging.getLogger().level,
            "thresholds of the collector": gc.get_threshold(),
            "objects it leaves alone": gc.get_freeze_count() > 0,
            "switch interval": sys.getswitchinterval(),
        }

    before = state()
    yield
    assert state() == before


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and photographs that may lie beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (reference values and photographs), which is not here")
    return folder


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A Milvus Lite server that all tests share; each takes collections of its own and leaves the server running."""
    with running(tmp_path_factory.mktemp("milvus")) as server:
        yield server
