"""`penumbra train`: fit a model to a captioned collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from cli.evaluate import fit_and_save
from cli.show import percent, progress, say, say_left_out, together
from corpus.manifest import Corpus, Entry
from corpus.read import read
from corpus.scenes.generate import write
from evaluation.calibration import MIN_IMAGES
from evaluation.protocols import embed
from index.processes import Processes
from index.threads import pin
from models.encoders import Encoder
from models.errors import ConfigError
from training.config import ScenesData, TrainingConfig, read_config
from training.loop import Watch
from training.start import splits, train


def command(
    config: Annotated[Path, typer.Argument(help="A TOML file; see configs/.")],
    out: Annotated[Path, typer.Option(help="Where the model goes; must not be there yet.")],
    data: Annotated[Path | None, typer.Option(help="A collection; not needed where the config makes Scenes.")] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the config's seed.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads of a process; all by default.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    skip_bad: Annotated[bool, typer.Option(help="Leave out bad lines of the collection, and list them.")] = False,
) -> None:
    """Train a model. Interrupted at any moment, the same command goes on to the same result.

    Started by torchrun, several processes share each batch; see docs/distributed.md.
    """
    if threads is not None:
        pin(threads)
    with together() as processes:
        with processes.first_ahead():
            settings = read_config(config)
            if seed is not None:
                settings = TrainingConfig(**{**vars(settings), "seed": seed})
            corpus = _corpus(settings, data, out, skip_bad)
            own = _device(device, processes)
        with progress("training") as report:
            watch = Watch(step=lambda done, total, loss: report(done, total), epoch=_print_epoch)
            encoder = train(settings, corpus, out, device=own, watch=watch, processes=processes)
    if processes.first:
        _calibrate(encoder, splits(corpus)[1], out)
        say(f"The model is in {out}.")


def _calibrate(encoder: Encoder, held: Sequence[Entry], out: Path) -> None:
    if not held or encoder.config.embedding.points > 1:
        return
    if len(held) < MIN_IMAGES:
        say(f"Not calibrated: the split val has fewer than {MIN_IMAGES} images.", "yellow")
        return
    with progress("encoding") as report:
        embedded = embed(encoder, held, report)
    fit_and_save(encoder, embedded, out)


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


def _print_epoch(record: dict[str, Any]) -> None:
    """One line an epoch: loss parts, ranking on the held-out split, and the state of the variances."""
    loss = ", ".join(f"{name} {value:.4g}" for name, value in record["loss"].items())
    say(f"epoch {record['epoch']}: {loss}")
    for direction, row in record.get("ranking", {}).items():
        recall, precision = percent(row["recall_1"]), percent(row["r_precision"])
        say(f"  {direction}: R@1 {recall}, R-Precision {precision}")
    for side, state in record.get("variances", {}).items():
        style = "red" if state["collapsed"] else None
        say(f"  {side}: {state['verdict']}", style)
