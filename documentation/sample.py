"""A small gallery with everything in it, and a server over it that has answered: what pages are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from cli.demo import SHIPPED_MODEL
from corpus.read import read
from corpus.scenes.generate import write
from index.building.build import build
from models import checkpoint
from service.app import create_app
from service.settings import Settings

IMAGES: Final = 24
QUERIES: Final = 200
"""From so many on a drift is told."""


@dataclass(frozen=True)
class Sample:
    """A collection of Scenes, its gallery by the model that ships, and a server that may change it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Sample:
        """Render, build."""
        write(folder / "collection", IMAGES, seed=0, side=48)
        build(checkpoint.load(SHIPPED_MODEL), read(folder / "collection"), folder / "gallery")
        return cls(folder)

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """What the server says of its routes."""
        openapi: dict[str, Any] = self._app.openapi()
        return openapi

    @cached_property
    def metrics(self) -> Sequence[Metric]:
        """The families of `/metrics` after a search, a change and as many queries as a drift needs."""
        with TestClient(self._app, base_url="http://127.0.0.1") as client:
            for number in range(QUERIES):
                client.get("/uncertainty", params={"text": f"a star {number}"})
            client.post("/search/text-to-image", json={"text": "a star"}).raise_for_status()
            client.post("/items", json={"items": [{"id": "new", "text": "a star"}]}).raise_for_status()
            return list(text_string_to_metric_families(client.get("/metrics").text))

    @cached_property
    def _app(self) -> FastAPI:
        return create_app(Settings(gallery=self.folder / "gallery", threads=1, writable=True))
