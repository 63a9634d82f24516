"""`penumbra train`: fit a model to a captioned collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import typer

from cli.evaluate import fit_and_save
from cli.exit_codes import INTERRUPTED
from cli.show import Tell, percent, print_json, progress, say_left_out, teller, warn
from cli.together import together
from corpus.manifest import Corpus, Entry
from corpus.read import read
from corpus.scenes.generate import write
from evaluation.calibration import MIN_IMAGES
from evaluation.protocols import embed
from index.processes import Processes
from index.threads import pin
from models import checkpoint
from models.artifact import nan_as_null, read_json
from models.calibration import Calibration
from models.encoders import Encoder
from models.errors import ConfigError
from training.config import ScenesData, TrainingConfig, read_config
from training.loop import InterruptedTrainingError, Watch
from training.start import splits, train


def command(
    config: Path,
    out: Path,
    *,
    data: Path | None,
    seed: int | None,
    threads: int | None,
    device: str,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Train with all processes; the first calibrates, and shows what came of it."""
    if threads is not None:
        pin(threads)
    tell = teller(as_json)
    with together() as processes:
        with processes.first_ahead():
            settings = read_config(config)
            if seed is not None:
                settings = TrainingConfig(**{**vars(settings), "seed": seed})
            corpus = _corpus(settings, data, out, skip_bad)
            own = _device(device, processes)
        with _interruptible(), progress("training") as report:
            watch = Watch(lambda done, total, loss: report(done, total), partial(_tell_epoch, tell=tell))
            encoder = train(settings, corpus, out, device=own, watch=watch, processes=processes)
    if processes.first:
        calibration = _calibrate(encoder, splits(corpus)[1], out, tell)
        tell(f"The model is in {out}.")
        if as_json:
            print_json(_record(out, calibration))


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except InterruptedTrainingError as error:
        # All processes of a training stop together, and the first says so.
        warn(str(error))
        raise typer.Exit(INTERRUPTED) from error


def _record(out: Path, calibration: Calibration | None) -> dict[str, Any]:
    """The model, how it came to be, and the figures of its calibration."""
    found = {
        "directory": str(out),
        "fingerprint": checkpoint.fingerprint(out),
        "training": read_json(out / checkpoint.TRAINING, "train it again"),
        "calibration": None if calibration is None else dict(calibration.figures),
    }
    return dict(nan_as_null(found))


def _calibrate(encoder: Encoder, held: Sequence[Entry], out: Path, tell: Tell) -> Calibration | None:
    if not held or encoder.config.embedding.points > 1:
        return None
    if len(held) < MIN_IMAGES:
        tell(f"Not calibrated: the split val has fewer than {MIN_IMAGES} images.", "yellow")
        return None
    with progress("encoding") as report:
        embedded = embed(encoder, held, report)
    return fit_and_save(encoder, embedded, out)


def _device(name: str, processes: Processes) -> torch.device:
    """A GPU is of one process alone."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not gpus):
        return torch.device("cpu")
    if name not in ("auto", "cuda") or not gpus:
        raise ConfigError(f"there is no device {name!r} here: choose cpu or auto")
    if processes.local_size > gpus:
        raise ConfigError(f"{processes.local_size} processes have {gpus} GPUs here: start {gpus}, or choose cpu")
    device = torch.device("cuda", processes.local_rank)
    torch.cuda.set_device(device)
    return device


def _corpus(settings: TrainingConfig, data: Path | None, out: Path, skip_bad: bool) -> Corpus:
    if data is not None:
        corpus = read(data, skip_bad=skip_bad)
        say_left_out(corpus)
        return corpus
    if settings.data.scenes is None:
        raise ConfigError("name a collection to train on with --data: this configuration does not make one")
    return _scenes(settings.data.scenes, out)


def _scenes(scenes: ScenesData, out: Path) -> Corpus:
    """The Scenes that a configuration asks for, made once and kept beside the models."""
    folder = out.parent / f"scenes-{scenes.images}-{scenes.validation}-{scenes.seed}-{scenes.side}-{scenes.captions}"
    if not folder.exists():
        count, split = scenes.images + scenes.validation, {"train": scenes.images, "val": scenes.validation}
        with progress("rendering Scenes") as report:
            write(
                folder, count, scenes.seed, side=scenes.side, per_image=scenes.captions, splits=split, progress=report
            )
    return read(folder)


def _tell_epoch(record: dict[str, Any], tell: Tell) -> None:
    """One line an epoch: loss parts, ranking on the held-out split, and the state of the variances."""
    loss = ", ".join(f"{name} {value:.4g}" for name, value in record["loss"].items())
    tell(f"epoch {record['epoch']}: {loss}")
    for direction, row in record.get("ranking", {}).items():
        recall, precision = percent(row["recall_1"]), percent(row["r_precision"])
        tell(f"  {direction}: R@1 {recall}, R-Precision {precision}")
    for side, state in record.get("variances", {}).items():
        tell(f"  {side}: {state['verdict']}", *(["red"] if state["collapsed"] else []))
