"""Builds by the command's own code: a tiny model, and two collections of noise that take each other's place."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch

from corpus.read import read
from faults.held import DIM, HEAD, Held, present_rows
from faults.processes import Acknowledge
from index.build import build
from index.changes import Addition
from index.gallery import Gallery
from index.items import Modality
from index.shortlist_choice import Wanted
from models import checkpoint
from models.encoders import Encoder, EncoderConfig
from models.image import Framing, encode_png
from models.text import Vocabulary

COLLECTIONS: Final = ("one", "other")
CAPTIONS: Final = ("a thing", "a red thing")


class Builds:
    """A gallery of one collection built in the place of one of the other."""

    seconds: float = 0.6

    def prepare(self, folder: Path) -> None:
        """See `faults.operations.Operation`."""
        torch.manual_seed(0)
        config = EncoderConfig(embed_dim=DIM, word_dim=4, backbone="resnet18", stages=1, framing=Framing(32, 1.0))
        checkpoint.save(Encoder(config, Vocabulary.from_captions(CAPTIONS), HEAD), folder / "model", {})
        for seed, name in enumerate(COLLECTIONS):
            _write_collection(folder / name, name, seed)
        self._build(folder, 0)

    def step(self, folder: Path, number: int, acknowledge: Acknowledge) -> None:
        """See `faults.operations.Operation`."""
        self._build(folder, number + 1)
        acknowledge()

    def after(self, steps: int) -> Held:
        """See `faults.operations.Operation`."""
        return self._held[steps % 2]

    def _build(self, folder: Path, number: int) -> None:
        model, corpus = checkpoint.load(folder / "model"), read(folder / COLLECTIONS[number % 2])
        build(model, corpus, folder / "gallery", batch=2, shortlist=Wanted("flat", "mean"))

    @cached_property
    def _held(self) -> tuple[Held, ...]:
        """What builds of each collection hold that nothing interrupted."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            self.prepare(folder)
            return tuple(self._held_of(folder, number) for number in range(len(COLLECTIONS)))

    def _held_of(self, folder: Path, number: int) -> Held:
        self._build(folder, number)
        with Gallery.open(folder / "gallery") as gallery:
            return Held([each for modality in Modality for each in _additions(gallery, modality)])


def _additions(gallery: Gallery, modality: Modality) -> list[Addition]:
    rows = present_rows(gallery, modality)
    gaussians = gallery.gaussians(modality, rows)
    items = gallery.items(modality, rows)
    return [Addition(item, gaussians[place], gallery.picture(item.id)) for place, item in enumerate(items)]


def _write_collection(folder: Path, name: str, seed: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(4):
        (folder / f"{number}.png").write_bytes(encode_png(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)))
        lines.append(json.dumps({"id": f"{name}{number}", "image": f"{number}.png", "captions": CAPTIONS}))
    (folder / "captions.jsonl").write_text("\n".join(lines))
