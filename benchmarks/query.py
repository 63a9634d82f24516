"""What a text query costs, stage by stage: against a Scenes gallery with the model that ships."""

from __future__ import annotations

from pathlib import Path

from cli.demo import SHIPPED_MODEL
from corpus.read import read
from corpus.scenes.generate import write
from evaluation.latency import WARM_UP, QueryTimes, query_times
from index.building.build import build
from index.local.gallery import Gallery
from index.searching.retriever import Retriever
from models import checkpoint

ITEMS, QUERIES = 5_000, 500


def stage_times(folder: Path) -> QueryTimes:
    """Build a gallery of `ITEMS` images in a folder, and search it with its own captions, one at a time."""
    write(folder / "scenes", ITEMS, seed=5, side=72, per_image=1)
    corpus, model = read(folder / "scenes"), checkpoint.load(SHIPPED_MODEL)
    build(model, corpus, folder / "gallery")
    texts = [entry.captions[0] for entry in corpus.entries[: WARM_UP + QUERIES]]
    encoder = model.encoder
    with Gallery.open(folder / "gallery", model=model.fingerprint) as gallery:
        retriever = Retriever(gallery, encoder.match, encoder.calibration, encoder.familiarity)
        return query_times(encoder, retriever, texts, QUERIES)
