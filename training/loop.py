"""Fit a model to pairs: a loop that can be interrupted at any moment and goes on to the same weights.

Several processes may share it: each embeds its part of every batch, and the first one alone measures and writes.
"""

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
from index.processes import ALONE, Processes, noticing_losses
from models.encoders import Encoder
from models.errors import ConfigError, PenumbraError
from models.variances import variance_state
from training.batch_norm import with_global_statistics
from training.config import TrainingConfig
from training.data import Batch, PairSource
from training.objectives import LossParts, Objective, objective_for
from training.pair_loss import PairLoss, shared
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
    processes: Processes = ALONE
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, encoder: Encoder, config: TrainingConfig, device: torch.device, processes: Processes = ALONE) -> Run:
        """A run at its first step."""
        objective = objective_for(config.objective).to(device)
        if not processes.alone:
            with_global_statistics(encoder, device)
        encoder.to(device)
        encoder.image.cnn.to(memory_format=torch.channels_last)
        return cls(encoder, objective, optimiser_for(encoder, objective, config.optimiser), config, device, processes)

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
        LostProcessError: another process was killed; the state is that of the last time it was saved.
        ArtifactError: `folder` holds another run.
        ConfigError: the processes have not the same data or state.
    """
    watch = watch or Watch()
    identity = {"config": run.config.to_dict(), "data": data}

    def save() -> None:
        if run.processes.first:
            save_state(folder, run.state(identity))

    _go_back(run, folder, identity)
    with _stop_requests(run.processes) as stopped, noticing_losses():
        while run.epoch < run.config.optimiser.epochs:
            _epoch(run, source, watch, stopped, save)
            if run.processes.first:
                run.history.append(_measure(run, validation))
                watch.epoch(run.history[-1])
            run.epoch, run.step, run.sums = run.epoch + 1, 0, {}
            save()


def _go_back(run: Run, folder: Path, identity: dict[str, Any]) -> None:
    """Move a fresh run to its saved state, where there is one: the same in all processes.

    Raises:
        ConfigError: they found different ones.
    """
    with run.processes.first_ahead():
        saved = load_state(folder, identity)
    if saved is not None:
        run.restore(saved)
    place = {**identity, "epoch": run.epoch, "step": run.step}
    if run.processes.any(run.processes.sent(place) != place):
        raise ConfigError(
            f"the processes have different collections or find different states of the run in {folder}: start all with "
            "the same command, on the same collection and with a folder that they share"
        )


def _epoch(run: Run, source: PairSource, watch: Watch, stopped: Callable[[], bool], save: Callable[[], None]) -> None:
    """The rest of the current epoch."""
    plan = source.plan(run.epoch, run.config.optimiser.batch)
    total, saved_at = len(plan) * run.config.optimiser.epochs, time.monotonic()
    _freeze_backbone(run.encoder, run.epoch < run.config.optimiser.frozen_epochs)
    run.encoder.train()
    loss = shared(PairLoss(run.encoder, run.objective, run.processes, run.config.optimiser.bf16))
    for batch in source.batches(plan, run.epoch, run.step):
        done = run.epoch * len(plan) + run.step
        parts = train_step(run, loss, batch, done, total)
        run.step += 1
        for name, value in parts.as_floats().items():
            run.sums[name] = run.sums.get(name, 0.0) + value
        watch.step(done + 1, total, float(parts.total.detach()))
        if run.processes.any(stopped()):
            save()
            run.processes.wait()
            raise InterruptedTrainingError("the training was interrupted; start the same command again to go on")
        if time.monotonic() - saved_at > SAVE_SECONDS:
            save()
            saved_at = time.monotonic()


def train_step(run: Run, loss: nn.Module, batch: Batch, done: int, total: int) -> LossParts:
    """One step of the optimiser, number `done` of `total`; all its randomness comes from the seed and its number."""
    settings = run.config.optimiser
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * rate_at(done, total, settings.warm_up)
    parts: LossParts = loss(batch, torch.Generator().manual_seed((run.config.seed << 32) + done))
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
def _stop_requests(processes: Processes) -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a flag that is read between steps; a second one stops at once.

    Not where there are other processes: torchrun passes a Ctrl-C on to those whom the terminal has told already, and
    kills the ones that do not end.
    """
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked and processes.alone:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if processes.alone or not asked else signal.SIG_IGN)
