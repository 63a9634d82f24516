"""What the processes of tests/training/test_shared_training.py run, each of them this same code."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from test_training_loop import CONFIG, CPU, METHODS
from torch import Tensor

from corpus.manifest import Entry
from corpus.read import read
from index.processes import Processes
from training.config import TrainingConfig
from training.data import PairSource
from training.loop import InterruptedTrainingError, Run, Watch, fit
from training.pair_loss import PairLoss, shared
from training.start import initial_encoder, train

PCME = "PCME"
STEPS = 50
# Seven pictures are four and three, or three, two and two.
UNEVEN = range(7)


def config_of(method: str) -> TrainingConfig:
    """Two captions a picture, so that a process's captions do not begin at the row where its pictures do."""
    config = replace(CONFIG, data=replace(CONFIG.data, captions=2))
    if method == PCME:
        return config
    embedding, objective = METHODS[method]
    return replace(config, model=replace(config.model, embedding=embedding), objective=objective)


def start(config: TrainingConfig, entries: Sequence[Entry], processes: Processes) -> tuple[Run, PairSource]:
    """A run in double precision, in which rounding cannot hide a difference."""
    run = Run.start(initial_encoder(config, entries), config, CPU, processes)
    run.encoder.double()
    run.objective.double()
    source = PairSource(entries, run.encoder.vocabulary, config.model.framing, config.data, config.seed, processes)
    return run, source


def gradients(method: str, entries: Sequence[Entry], processes: Processes) -> dict[str, Tensor]:
    """Of the loss of one uneven batch."""
    run, source = start(config_of(method), entries, processes)
    run.encoder.train()
    loss = PairLoss(run.encoder, run.objective, processes, bf16=False)
    # Held in a name: without the wrapper nothing would share the gradients.
    wrapped = shared(loss)
    wrapped(source.make(UNEVEN, 0), torch.Generator().manual_seed(0)).total.backward()
    found = {name: value.grad for name, value in loss.named_parameters()}
    buffers = {name: value for name, value in loss.named_buffers() if "running" in name}
    return {name: value.detach().clone() for name, value in {**found, **buffers}.items() if value is not None}


def curve(entries: Sequence[Entry], folder: Path, processes: Processes, until: int = STEPS) -> list[float]:
    """The losses from where the run in a folder is until some step, at which the last process is asked to stop."""
    config = config_of(PCME)
    config = replace(config, optimiser=replace(config.optimiser, epochs=13))
    run, source = start(config, entries, processes)
    losses: list[float] = []

    def watch(done: int, total: int, loss: float) -> None:
        losses.append(loss)
        if done == until and processes.rank == processes.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with suppress(InterruptedTrainingError):
        fit(run, source, (), folder, "scenes", Watch(step=watch))
    return losses


def train_until(corpus: Path, out: Path, step: int, rank: int, number: int, processes: Processes) -> list[int]:
    """Train, and send one of the processes a signal at some step; which steps there were."""
    steps: list[int] = []

    def watch(done: int, total: int, loss: float) -> None:
        steps.append(done)
        if (done, processes.rank) == (step, rank):
            os.kill(os.getpid(), signal.Signals(number))

    train(CONFIG, read(corpus), out, device=CPU, watch=Watch(step=watch), processes=processes)
    return steps


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference between two sets of gradients, relative to the largest number of each tensor."""
    assert one.keys() == other.keys()
    pairs = ((value, other[name]) for name, value in one.items())
    return float(np.max([float((a - b).abs().max() / a.abs().max().clamp_min(1e-12)) for a, b in pairs]))
