"""A tiny gallery of noise made by a tiny model with random weights, and servers in front of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from corpus.read import read
from index.building.build import build
from index.lifecycle.publish import point
from models import checkpoint
from models.encoders import Encoder, EncoderConfig
from models.image import Framing, encode_png
from models.match import MatchHead
from models.text import SPECIALS, Vocabulary
from service.app import create_app
from service.settings import Limits, Settings

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("star", "ring", "square")
# Names that a path must not stumble over.
IDS = (
    "plain",
    "with space",
    "folder/picture",
    "folder/image",
    "100 % ä?#",
    *(f"noise-{n}" for n in range(7)),
)


def noise_png(seed: int, side: int = 40) -> bytes:
    """A picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encode_png(pixels)


def save_model(directory: Path, seed: int) -> None:
    """A model with random weights."""
    torch.manual_seed(seed)
    config = EncoderConfig(embed_dim=16, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32))
    words = Vocabulary((*SPECIALS, "a", *COLOURS, *SHAPES))
    checkpoint.save(Encoder(config, words, MatchHead(0.5, 5.0)), directory, {})


def write_corpus(folder: Path) -> None:
    """Twelve pictures of noise with two captions each; colours and shapes come in turn."""
    folder.mkdir()
    with (folder / "captions.jsonl").open("w") as file:
        for n, identifier in enumerate(IDS):
            (folder / f"{n}.png").write_bytes(noise_png(n))
            captions = [f"a {COLOURS[n % 4]} {SHAPES[n % 3]}", f"{SHAPES[n % 3]} {n}"]
            record = {"id": identifier, "image": f"{n}.png", "captions": captions, "label": SHAPES[n % 3]}
            file.write(json.dumps({**record, "meta": {"n": n, "at": {"colour": COLOURS[n % 4]}}}) + "\n")


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery's folder, its model beside it."""
    folder = tmp_path_factory.mktemp("served")
    save_model(folder / "model", seed=0)
    write_corpus(folder / "corpus")
    build(checkpoint.load(folder / "model"), read(folder / "corpus"), folder / "gallery")
    return folder / "gallery"


@pytest.fixture(scope="session")
def another(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of the same pictures, made by another model."""
    folder = tmp_path_factory.mktemp("another")
    save_model(folder / "model", seed=1)
    build(checkpoint.load(folder / "model"), read(gallery.parent / "corpus"), folder / "gallery")
    return folder / "gallery"


@pytest.fixture
def own(gallery: Path, tmp_path: Path) -> Path:
    """A copy of the gallery with its model, to be changed."""
    shutil.copytree(gallery.parent, tmp_path / "own")
    return tmp_path / "own" / "gallery"


@pytest.fixture
def link(own: Path, another: Path, tmp_path: Path) -> Path:
    """A link that leads to the usual gallery; another one lies beside it."""
    shutil.copytree(another.parent, tmp_path / "next")
    point(tmp_path / "live", own)
    return tmp_path / "live"


@pytest.fixture(scope="session")
def settings(gallery: Path) -> Settings:
    """Of a server with small limits, so that they can be reached."""
    limits = Limits(bytes=300_000, pixels=1_000_000, top_k=50, queue=40, first_queue=40, slowdown=1e9)
    return Settings(gallery=gallery, threads=1, limits=limits, hosts=("testserver", "here"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """Speaks to a running server."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client
