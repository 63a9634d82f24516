"""A tiny model with random weights, a tiny corpus of noise, and galleries made of them or of drawn Gaussians."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpus.manifest import Corpus, Entry
from corpus.read import read
from index.building.assembly import Origin, Plan, assemble
from index.building.build import build
from index.files.manifest import Parameters
from index.files.shards import Shard
from index.gaussians.storage import Storage
from index.items import Modality
from index.local.gallery import Gallery
from index.shortlists.choice import MEASURED, Wanted, choose
from models import checkpoint
from models.checkpoint import LoadedModel
from models.encoders import Encoder, EncoderConfig
from models.gaussian import Gaussian
from models.image import Framing, encode_png
from models.match import MatchHead
from models.text import Vocabulary

IMAGES = 11
HEAD = MatchHead(5.0, 4.0)
CAPTIONS = ("a thing", "a red thing", "a blue thing far away")

GalleryOf = Callable[..., Gallery]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model of 16 dimensions for pictures of 32 × 32."""
    torch.manual_seed(0)
    config = EncoderConfig(embed_dim=16, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32, 1.0))
    directory = tmp_path_factory.mktemp("model") / "tiny"
    checkpoint.save(Encoder(config, Vocabulary.from_captions(CAPTIONS), HEAD), directory, {})
    return checkpoint.load(directory)


def write_corpus(directory: Path) -> Path:
    """A corpus of noise; every image has the caption "a thing" and one more."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(IMAGES):
        (directory / f"{number}.png").write_bytes(encode_png(rng.integers(0, 256, (36, 40, 3), dtype=np.uint8)))
        captions = [CAPTIONS[0], CAPTIONS[1 + number % 2]]
        record = {"id": f"i{number}", "image": f"{number}.png", "captions": captions, "label": f"l{number % 3}"}
        lines.append(json.dumps({**record, "meta": {"number": number}}))
    (directory / "captions.jsonl").write_text("\n".join(lines))
    return directory


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read(write_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture
def own_corpus(tmp_path: Path) -> Path:
    """A corpus that a test may damage."""
    directory = tmp_path / "corpus"
    directory.mkdir()
    return write_corpus(directory)


@pytest.fixture(scope="session")
def built(model: LoadedModel, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery built without interruption, in batches of 4."""
    out = tmp_path_factory.mktemp("built") / "gallery"
    build(model, corpus, out, batch=4)
    return out


@pytest.fixture
def gallery_of(tmp_path: Path) -> Iterator[GalleryOf]:
    """Makes a gallery of given Gaussians, images [n, dim] and captions [m, dim]."""
    opened: list[Gallery] = []

    def make(
        images: Gaussian,
        texts: Gaussian,
        wanted: Wanted = MEASURED,
        head: MatchHead = HEAD,
        storage: Storage | None = Storage.FLOAT32,
        metas: Sequence[Mapping[str, Any]] = (),
    ) -> Gallery:
        directory = tmp_path / f"gallery{len(opened)}"
        directory.mkdir()
        per_image = np.array_split(np.array(["words"] * len(texts)), len(images))
        entries = [
            Entry(f"i{n}", Path("none"), tuple(words.tolist()), meta=meta)
            for n, (words, meta) in enumerate(zip(per_image, metas or [{}] * len(images), strict=True))
        ]
        shard = Shard(images, tuple(range(len(images))), (b"jpeg",) * len(images))
        origin = Origin("../model", "model", "corpus", images.dim)
        text = Shard(texts, tuple(range(len(texts))))
        counts = {Modality.IMAGE: len(images), Modality.TEXT: len(texts)}
        parameters, heads = Parameters(64, wanted, 256, storage), dict.fromkeys(Modality, head)
        plan = Plan(parameters, choose(wanted, counts, images.dim), heads)
        assemble(directory, origin, plan, entries, lambda: [shard], lambda: [text], ())
        opened.append(Gallery.open(directory))
        return opened[-1]

    yield make
    for gallery in opened:
        gallery.close()
