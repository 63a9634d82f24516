"""`python -m benchmarks.build`: pictures a second of a build from JPEG files, against the encoder fed from memory.

Paired: each round builds a gallery and then encodes the same framed pictures, which lie ready in memory, in batches
of the same size. Of the build, the stage that reads, decodes, frames, makes thumbnails, encodes and writes is timed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from benchmarks.untrained import resnet50
from cli.demo import SHIPPED_MODEL
from corpus.manifest import Corpus
from corpus.read import read
from corpus.scenes.generate import write
from evaluation.machine import machine, save
from index.building.build import build
from index.building.embedding import Progress
from index.items import Modality
from index.threads import available, pin
from models import checkpoint
from models.image import Pixels, decode, encode_jpeg, frame, normalise, shorter_side

ROUNDS: Final = 3
BATCH: Final = 64
# About the shorter side of a photograph of COCO or Flickr30k.
SIDE: Final = 480


@dataclass(frozen=True)
class BuildTimes:
    """Pictures a second, medians of paired rounds.

    Args:
        model: what encodes.
        pictures: how many.
        build_per_second: from JPEG files to shards on disk.
        memory_per_second: the encoder alone.
        ratio: of the two, within a round.
    """

    model: str
    pictures: int
    build_per_second: float
    memory_per_second: float
    ratio: float


def build_times(folder: Path) -> list[BuildTimes]:
    """The shipped model, whose pictures are small, and a ResNet-50 at 224."""
    pin(available())
    corpus = jpegs(folder, 4 * BATCH)
    shipped = checkpoint.load(SHIPPED_MODEL)
    checkpoint.save(resnet50(shipped.encoder), folder / "resnet50", {})
    large = checkpoint.load(folder / "resnet50")
    return [
        measure("shipped, ResNet-18 at 72", shipped, corpus, folder),
        measure("ResNet-50 at 224", large, Corpus(corpus.root, corpus.entries[: 2 * BATCH], ()), folder),
    ]


def jpegs(folder: Path, count: int) -> Corpus:
    """Scenes enlarged to the size of photographs, as JPEG, with the grain that makes decoding cost what it costs."""
    write(folder / "scenes", count, seed=5, side=72, per_image=1)
    random = np.random.default_rng(0)
    (folder / "photographs").mkdir()
    for number, entry in enumerate(read(folder / "scenes").entries):
        large = shorter_side(decode(entry.image.read_bytes()), SIDE)
        grain = random.normal(0, 6, large.shape)
        (folder / "photographs" / f"{number:05}.jpg").write_bytes(encode_jpeg(_plus(large, grain)))
    return read(folder / "photographs")


def _plus(pixels: Pixels, grain: np.typing.NDArray[np.float64]) -> Pixels:
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def measure(name: str, model: checkpoint.LoadedModel, corpus: Corpus, folder: Path) -> BuildTimes:
    """Build and encode in turn."""
    framing = model.encoder.config.framing
    ready = [frame(decode(each.image.read_bytes(), at_least=256), framing) for each in corpus.entries]
    rounds = [(_build(model, corpus, folder / "gallery"), _encode(model, ready)) for _ in range(ROUNDS)]
    built, memory = zip(*rounds, strict=True)
    ratio = float(np.median(np.divide(built, memory)))
    return BuildTimes(name, len(ready), float(np.median(built)), float(np.median(memory)), ratio)


def _build(model: checkpoint.LoadedModel, corpus: Corpus, out: Path) -> float:
    """Pictures a second."""
    rates: list[float] = []

    def note(progress: Progress) -> None:
        if progress.modality is Modality.IMAGE:
            rates.append(progress.per_second)

    build(model, corpus, out, batch=BATCH, progress=note)
    shutil.rmtree(out)
    return rates[-1]


def _encode(model: checkpoint.LoadedModel, ready: Sequence[Pixels]) -> float:
    """Pictures a second."""
    start = time.perf_counter()
    for first in range(0, len(ready), BATCH):
        model.encoder.encode_pixels(normalise(np.stack(ready[first : first + BATCH])))
    return len(ready) / (time.perf_counter() - start)


def main(out: Path) -> None:
    """Measure, print, and write the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        times = build_times(Path(folder))
    console = Console(width=140)
    console.print(machine(), highlight=False)
    for each in times:
        console.print(
            f"{each.model}: a build encodes {each.build_per_second:.1f} pictures a second from JPEG files, the encoder "
            f"{each.memory_per_second:.1f} from memory: {each.ratio:.0%} (medians of {ROUNDS} paired rounds)",
            highlight=False,
        )
    save(out, {"build": {"runs": [asdict(each) for each in times]}})


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "artifacts/bench/build.json"))
