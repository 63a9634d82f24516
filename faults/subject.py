"""What is operated on: a tiny model that was never trained, collections of noise, and a gallery of one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import torch

from corpus.read import read
from index.building.build import build
from index.gaussians.storage import Storage
from index.shortlists.choice import MEASURED
from models import checkpoint
from models.encoders import Encoder, EncoderConfig
from models.image import Framing, encode_png
from models.match import MatchHead
from models.text import Vocabulary

HEAD: Final = MatchHead(5.0, 4.0)
DIM: Final = 16
CAPTIONS: Final = ("a thing", "a red thing", "a blue thing far away")
MODEL: Final = "model"
BATCH: Final = 12


def write_model(folder: Path) -> None:
    """A model of 16 dimensions for pictures of 32 × 32."""
    torch.manual_seed(0)
    config = EncoderConfig(embed_dim=DIM, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32, 1.0))
    checkpoint.save(Encoder(config, Vocabulary.from_captions(CAPTIONS), HEAD), folder, {})


def write_corpus(folder: Path, images: int, seed: int) -> None:
    """Pictures of noise, two captions for each."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    lines = []
    for number in range(images):
        (folder / f"{number}.png").write_bytes(encode_png(random.integers(0, 256, (36, 40, 3), dtype=np.uint8)))
        captions = [CAPTIONS[0], CAPTIONS[1 + number % 2]]
        lines.append(json.dumps({"id": f"i{number}", "image": f"{number}.png", "captions": captions}))
    (folder / "captions.jsonl").write_text("\n".join(lines))


def build_gallery(model: Path, corpus: Path, out: Path) -> None:
    """A gallery of a collection. Its Gaussians are stored as they are, so that they can be compared bit by bit."""
    loaded = checkpoint.load(model)
    build(loaded, read(corpus), out, batch=BATCH, shortlist=MEASURED, storage=Storage.FLOAT32)
