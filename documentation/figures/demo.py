"""The demo gallery with its model and its truth, made where it is not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cli.demo import SHIPPED_MODEL, command
from corpus.manifest import Corpus
from corpus.read import read
from corpus.scenes.description import Description
from corpus.scenes.scene import Scene
from corpus.scenes.truth import truth
from index.local.gallery import Gallery
from index.searching.retriever import Retriever
from models import checkpoint
from models.calibration import Direction
from models.encoders import Encoder
from models.gaussian import Gaussian
from models.match import MatchHead

FOLDER: Final = Path(__file__).resolve().parents[2] / "artifacts" / "demo"


@dataclass(frozen=True)
class Demo:
    """What figures are drawn of: `corpus.entries` stand in the order of the gallery's images."""

    encoder: Encoder
    gallery: Gallery
    corpus: Corpus
    retriever: Retriever

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Demo]:
        """Of `penumbra demo`."""
        command(FOLDER)
        loaded = checkpoint.load(SHIPPED_MODEL)
        encoder = loaded.encoder
        with Gallery.open(FOLDER / "gallery", model=loaded.fingerprint) as gallery:
            retriever = Retriever(gallery, encoder.match, encoder.calibration, encoder.familiarity)
            yield cls(encoder, gallery, read(FOLDER / "scenes"), retriever)

    def head(self, direction: Direction) -> MatchHead:
        """Calibrated."""
        return self.retriever.head(direction)

    def captions(self, identifier: str) -> Sequence[Description]:
        """What the captions of a scene claim, the exact ones first."""
        [entry] = (entry for entry in self.corpus.entries if entry.id == identifier)
        return [Description.from_json(each) for each in entry.meta["descriptions"]]

    def true_of(self, description: Description) -> NDArray[np.bool_]:
        """Of which images of the gallery a caption is true, [n]."""
        scenes = [Scene.from_json(entry.meta["scene"]) for entry in self.corpus.entries]
        found: NDArray[np.bool_] = truth([description], scenes)[0]
        return found

    def text(self, text: str) -> Gaussian:
        """[dim]."""
        encoded: Gaussian = self.encoder.encode_texts([text])[0]
        return encoded

    def picture(self, row: int) -> Path:
        """The file of an image of the gallery."""
        return self.corpus.entries[row].image
