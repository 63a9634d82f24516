"""What a text query costs, stage by stage: against a Scenes gallery with the model that ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from cli.demo import SHIPPED_MODEL
from corpus.read import read
from corpus.scenes.generate import write
from index.build import build
from index.gallery import Gallery
from index.retriever import Retriever, SearchOptions
from models import checkpoint
from models.calibration import Direction

ITEMS, WARM_UP, QUERIES = 5_000, 50, 500


@dataclass(frozen=True)
class StageTimes:
    """Median and 95th percentile of each stage, in milliseconds."""

    items: int
    dim: int
    queries: int
    stages: Mapping[str, tuple[float, float]]


def stage_times(folder: Path) -> StageTimes:
    """Build a gallery of `ITEMS` images in a folder, and search it with its own captions, one at a time."""
    write(folder / "scenes", ITEMS, seed=5, side=72, per_image=1)
    corpus, model = read(folder / "scenes"), checkpoint.load(SHIPPED_MODEL)
    build(model, corpus, folder / "gallery")
    texts = [entry.captions[0] for entry in corpus.entries[: WARM_UP + QUERIES]]
    encoder = model.encoder
    with Gallery.open(folder / "gallery", model=model.fingerprint) as gallery:
        retriever = Retriever(gallery, encoder.match, encoder.calibration, encoder.familiarity)
        measured = [_measured(retriever, encoder.encode_texts, text) for text in texts][WARM_UP:]
    stages = {name: _percentiles([each[name] for each in measured]) for name in measured[0]}
    return StageTimes(ITEMS, encoder.config.embed_dim, QUERIES, stages)


def _measured(retriever: Retriever, encode: object, text: str) -> dict[str, float]:
    start = perf_counter()
    query = encode([text])[0]  # type: ignore[operator]
    encoded = perf_counter()
    result = retriever.search(query, Direction.TEXT_TO_IMAGE, SearchOptions())
    done = perf_counter()
    beyond = {"beyond the encoder, in all": 1_000 * (done - encoded)}
    return {"encode": 1_000 * (encoded - start), **result.stages, **beyond}


def _percentiles(values: list[float]) -> tuple[float, float]:
    median, tail = np.percentile(values, [50, 95])
    return float(median), float(tail)
