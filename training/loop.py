"""Fit a model to pairs: a loop that can be interrupted at any moment and goes on to the same weights."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from corpus.manifest import Entry
from evaluation.protocols import Embedded, embed, ranking_quality
from models.encoders import Encoder
from models.errors import PenumbraError
from models.image import normalise
from models.variances import variance_state
from training.config import TrainingConfig
from training.data import Batch, PairSource
from training.objectives import LossParts, Objective, objective_for
from training.schedule import optimiser_for, rate_at
from training.state import load_state, save_state

SAVE_SECONDS = 120.0


class InterruptedTrainingError(PenumbraError):
    """The training was stopped on request; its state is on disk."""


@dataclass(frozen=True)
class Watch:
    """What the loop tells whoever looks on: after every step, and after every epoch."""

    step: Callable[[int, int, float], None] = lambda done, total, loss: None
    epoch: Callable[[dict[str, Any]], None] = lambda record: None


@dataclass(eq=False)
class Run:
    """A model in training with all that changes while it trains."""

    encoder: Encoder
    objective: Objective
    optimiser: torch.optim.Optimizer
    config: TrainingConfig
    device: torch.device
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, encoder: Encoder, config: TrainingConfig, device: torch.device) -> Run:
        """A run at its first step."""
        objective = objective_for(config.objective).to(device)
        encoder.to(device)
        encoder.image.cnn.to(memory_format=torch.channels_last)
        return cls(encoder, objective, optimiser_for(encoder, objective, config.optimiser), config, device)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.encoder, self.objective, self.optimiser

    def state(self, identity: dict[str, Any]) -> dict[str, Any]:
        """All that changes, with what the run was started with."""
        moving = {"epoch": self.epoch, "step": self.step, "sums": self.sums, "history": self.history}
        return {"identity": identity, "parts": [part.state_dict() for part in self._parts], **moving}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        for part, saved in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(saved)
        self.epoch, self.step = state["epoch"], state["step"]
        self.sums, self.history = state["sums"], state["history"]


def fit(
    run: Run, source: PairSource, validation: Sequence[Entry], folder: Path, data: str, watch: Watch | None = None
) -> None:
    """Train to the end of the configured epochs, from where `folder` says the run was.

    Args:
        run: a fresh run; it is moved to the saved state where there is one.
        source: the training pairs.
        validation: a held-out collection that every epoch is measured on; may be empty.
        folder: of the run's state.
        data: fingerprint of the training data.
        watch: is told of progress.

    Raises:
        InterruptedTrainingError: Ctrl-C or a request to terminate; the state is saved.
        ArtifactError: `folder` holds another run.
    """
    watch = watch or Watch()
    identity = {"config": run.config.to_dict(), "data": data}
    saved = load_state(folder, identity)
    if saved is not None:
        run.restore(saved)
    with _stop_requests() as stopped:
        while run.epoch < run.config.optimiser.epochs:
            _epoch(run, source, watch, stopped, lambda: save_state(folder, run.state(identity)))
            record = _measure(run, validation)
            run.history.append(record)
            run.epoch, run.step, run.sums = run.epoch + 1, 0, {}
            save_state(folder, run.state(identity))
            watch.epoch(record)


def _epoch(run: Run, source: PairSource, watch: Watch, stopped: Callable[[], bool], save: Callable[[], None]) -> None:
    """The rest of the current epoch."""
    plan = source.plan(run.epoch, run.config.optimiser.batch)
    total, saved_at = len(plan) * run.config.optimiser.epochs, time.monotonic()
    _freeze_backbone(run.encoder, run.epoch < run.config.optimiser.frozen_epochs)
    run.encoder.train()
    for batch in source.batches(plan, run.epoch, run.step):
        done = run.epoch * len(plan) + run.step
        parts = train_step(run, batch, done, total)
        run.step += 1
        for name, value in parts.as_floats().items():
            run.sums[name] = run.sums.get(name, 0.0) + value
        watch.step(done + 1, total, float(parts.total.detach()))
        if stopped():
            save()
            raise InterruptedTrainingError("the training was interrupted; start the same command again to go on")
        if time.monotonic() - saved_at > SAVE_SECONDS:
            save()
            saved_at = time.monotonic()


def train_step(run: Run, batch: Batch, done: int, total: int) -> LossParts:
    """One step of the optimiser, number `done` of `total`; all its randomness comes from the seed and its number."""
    settings = run.config.optimiser
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * rate_at(done, total, settings.warm_up)
    generator = torch.Generator().manual_seed((run.config.seed << 32) + done)
    pixels = normalise(batch.pixels).to(run.device, memory_format=torch.channels_last)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=settings.bf16):
        images = run.encoder.image(pixels)
    texts = run.encoder.text(batch.ids.to(run.device), batch.lengths.to(run.device))
    parts: LossParts = run.objective(images, texts, batch.matches.to(run.device), generator)
    run.optimiser.zero_grad(set_to_none=True)
    parts.total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_([p for group in run.optimiser.param_groups for p in group["params"]], settings.clip)
    run.optimiser.step()
    return parts


def _freeze_backbone(encoder: Encoder, frozen: bool) -> None:
    encoder.image.cnn.requires_grad_(not frozen)


def _measure(run: Run, validation: Sequence[Entry]) -> dict[str, Any]:
    """What an epoch is reported by: mean loss parts, the match head, ranking and variances on the held-out data."""
    record: dict[str, Any] = {"epoch": run.epoch + 1}
    record["loss"] = {name: value / max(run.step, 1) for name, value in run.sums.items()}
    record["match"] = {"scale": run.objective.head.scale, "shift": run.objective.head.shift}
    if validation:
        run.encoder.eval()
        embedded = embed(run.encoder, validation)
        record["ranking"] = {str(key): asdict(value) for key, value in ranking_quality(embedded).items()}
        record["variances"] = _variances(embedded)
    return record


def _variances(embedded: Embedded) -> dict[str, Any]:
    sides = {"image": embedded.images, "text": embedded.texts}
    return {name: variance_state(items).to_dict() for name, items in sides.items()}


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a flag that is read between steps; a second one stops at once."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
