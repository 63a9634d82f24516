"""From a configuration and a collection to a model on disk: the steps around the loop."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from corpus.manifest import Corpus, Entry
from corpus.splits import hold_out
from index.processes import ALONE, Processes
from models import checkpoint
from models.artifact import nan_as_null
from models.backbones import load_imagenet
from models.encoders import Encoder
from models.errors import ConfigError
from models.text import Vocabulary, read_glove
from training.config import TrainingConfig
from training.data import PairSource
from training.loop import Run, Watch, fit
from training.objectives import objective_for

HELD_OUT = 0.1


def train(
    config: TrainingConfig,
    corpus: Corpus,
    out: Path,
    *,
    device: torch.device,
    watch: Watch | None = None,
    processes: Processes = ALONE,
) -> Encoder:
    """Train a model on the split `train` (or everything), watch it on `val`, and write it to `out`.

    A run that was interrupted goes on where it was, with as many processes as before or others.

    Raises:
        ConfigError: there is a finished model at `out` already.
        InterruptedTrainingError: stopped on request, ready to go on.
    """
    with processes.first_ahead():
        if (out / checkpoint.CONFIG).exists():
            raise ConfigError(f"{out} holds a finished model already: name another --out, or delete it to train anew")
        training, validation = splits(corpus)
        encoder = initial_encoder(config, training)
        source = PairSource(training, encoder.vocabulary, config.model.framing, config.data, config.seed, processes)
        run = Run.start(encoder, config, device, processes)
    folder = out.with_name(f".{out.name}.training")
    fit(run, source, validation, folder, corpus.fingerprint, watch)
    encoder.match = run.objective.head
    encoder.cpu().eval()
    if processes.first:
        checkpoint.save(encoder, out, record(run, corpus))
        shutil.rmtree(folder)
    processes.wait()
    return encoder


def splits(corpus: Corpus) -> tuple[Sequence[Entry], Sequence[Entry]]:
    """The entries to train on, and those to watch and calibrate on: the splits `train` and `val`.

    Without a split `train` everything is trained on; without `val` a tenth of that is held out, since a probability
    that nobody checked on held-out pairs means nothing.
    """
    names = {entry.split for entry in corpus.entries}
    training = corpus.split("train").entries if "train" in names else corpus.entries
    return (training, corpus.split("val").entries) if "val" in names else hold_out(training, HELD_OUT, seed=0)


def initial_encoder(config: TrainingConfig, entries: Sequence[Entry]) -> Encoder:
    """A model before its first step; the same for the same seed."""
    captions = (caption for entry in entries for caption in entry.captions)
    vocabulary = Vocabulary.from_captions(captions, config.data.min_word_count)
    torch.manual_seed(config.seed)
    encoder = Encoder(config.model, vocabulary, objective_for(config.objective).head)
    nn.init.uniform_(encoder.text.embed.weight, -0.1, 0.1)
    for branch in (encoder.image.variance_branch, encoder.text.variance_branch):
        if branch is not None:
            nn.init.constant_(branch.fc.bias, config.initial_log_sigma)
    if config.pretrained:
        load_imagenet(encoder.image.cnn, config.model.backbone)
    if config.glove is not None:
        _load_glove(encoder, Path(config.glove))
    return encoder


def _load_glove(encoder: Encoder, path: Path) -> None:
    """Start the words that the file knows from its vectors; the others stay random."""
    vectors, found = read_glove(path, encoder.vocabulary, encoder.config.word_dim)
    with torch.no_grad():
        encoder.text.embed.weight[torch.from_numpy(found)] = torch.from_numpy(vectors[found])


def record(run: Run, corpus: Corpus) -> dict[str, Any]:
    """How a model came to be: what its training.json says."""
    return {
        "config": run.config.to_dict(),
        "data": {"fingerprint": corpus.fingerprint, "images": len(corpus.entries)},
        "torch": torch.__version__,
        "device": str(run.device),
        "threads": torch.get_num_threads(),
        "history": nan_as_null(run.history),
    }
