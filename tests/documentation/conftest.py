"""The small gallery that the reference is written from, made once."""

from __future__ import annotations

import pytest

from documentation.sample import Sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Scenes, their gallery by the model that ships, and a server."""
    return Sample.make(tmp_path_factory.mktemp("sample"))
