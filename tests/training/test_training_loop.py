"""Training: repeatable, resumable from any interruption, and honest about the variances."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from corpus.manifest import Corpus
from corpus.read import read
from corpus.scenes.generate import write
from models import checkpoint
from models.embedding import EmbeddingConfig
from models.encoders import EncoderConfig
from models.errors import ArtifactError, ConfigError
from models.image import Framing
from training.config import DataConfig, OptimiserConfig, TrainingConfig, read_config
from training.loop import InterruptedTrainingError, Watch
from training.objective_config import (
    ClosedFormConfig,
    InfoNCEConfig,
    ObjectiveConfig,
    SoftContrastiveConfig,
    TripletConfig,
)
from training.schedule import optimiser_for, rate_at
from training.start import splits, train

CONFIG = TrainingConfig(
    model=EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0)),
    data=DataConfig(min_word_count=1),
    objective=SoftContrastiveConfig(spread_weight=0.03),
    optimiser=OptimiserConfig(epochs=3, batch=8, bf16=False),
    seed=3,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Thirty-two small Scenes to train on, eight to watch."""
    folder = tmp_path_factory.mktemp("scenes") / "corpus"
    write(folder, 40, 1, side=32, per_image=2, splits={"train": 32, "val": 8})
    return read(folder)


@pytest.fixture(scope="module")
def undisturbed(scenes: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a run that nobody interrupted."""
    out = tmp_path_factory.mktemp("undisturbed") / "model"
    train(CONFIG, scenes, out, device=CPU)
    return out


def weights(folder: Path) -> bytes:
    """The bytes of a model's weights."""
    return (folder / checkpoint.WEIGHTS).read_bytes()


def test_without_a_split_to_watch_a_tenth_is_held_out(scenes: Corpus) -> None:
    """The splits that are given are kept; without `val` the held-out entries come from those to train on."""
    training, watched = splits(scenes)
    assert {entry.split for entry in training} == {"train"}
    assert {entry.split for entry in watched} == {"val"}
    without = replace(scenes, entries=tuple(entry for entry in scenes.entries if entry.split != "val"))
    bare = replace(scenes, entries=tuple(replace(entry, split=None) for entry in scenes.entries))
    for corpus, held in ((without, 3), (bare, 4)):
        training, watched = splits(corpus)
        assert len(watched) == held
        assert sorted(e.id for e in (*training, *watched)) == sorted(e.id for e in corpus.entries)


def test_same_seed_same_weights(scenes: Corpus, undisturbed: Path, tmp_path: Path) -> None:
    """To the byte; another seed gives others."""
    train(CONFIG, scenes, tmp_path / "again", device=CPU)
    assert weights(tmp_path / "again") == weights(undisturbed)
    train(replace(CONFIG, seed=4), scenes, tmp_path / "other", device=CPU)
    assert weights(tmp_path / "other") != weights(undisturbed)


@pytest.mark.parametrize("step", [2, 4, 7])
def test_an_interrupted_run_reaches_the_same_weights(
    scenes: Corpus, undisturbed: Path, tmp_path: Path, step: int
) -> None:
    """A request to stop saves the state between two steps, in the middle of an epoch or at its end."""

    def interrupt(done: int, total: int, loss: float) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "model"
    with pytest.raises(InterruptedTrainingError, match="same command"):
        train(CONFIG, scenes, out, device=CPU, watch=Watch(step=interrupt))
    assert not out.exists()
    steps: list[int] = []
    train(CONFIG, scenes, out, device=CPU, watch=Watch(step=lambda done, total, loss: steps.append(done)))
    assert steps[0] == step + 1
    assert weights(out) == weights(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


KILLED = """
import sys, time, torch
from pathlib import Path
from corpus.read import read
from training.loop import Watch
from training.start import train
torch.set_num_threads({threads})
sys.path.insert(0, {tests!r})
from test_training_loop import CONFIG, CPU
def slow(done, total, loss):
    print(done, flush=True)
    time.sleep(0.2)
train(CONFIG, read(Path({data!r})), Path({out!r}), device=CPU, watch=Watch(step=slow))
"""


def test_a_killed_run_reaches_the_same_weights(scenes: Corpus, undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL in the second epoch; the next run goes on from what is on disk."""
    out = tmp_path / "model"
    # With another number of threads sums round differently, and other tests may have pinned this process's.
    tests, threads = str(Path(__file__).parent), torch.get_num_threads()
    script = KILLED.format(tests=tests, threads=threads, data=str(scenes.root), out=str(out))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 6:
            process.kill()
            break
    process.wait()
    process.stdout.close()
    steps: list[int] = []
    train(CONFIG, scenes, out, device=CPU, watch=Watch(step=lambda done, total, loss: steps.append(done)))
    assert steps[0] > 1
    assert weights(out) == weights(undisturbed)


def test_a_damaged_or_foreign_state_is_refused(scenes: Corpus, tmp_path: Path) -> None:
    """A state of another configuration, or a cut one, is named with the remedy; it is not overwritten."""

    def stop(done: int, total: int, loss: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    out = tmp_path / "model"
    with pytest.raises(InterruptedTrainingError):
        train(CONFIG, scenes, out, device=CPU, watch=Watch(step=stop))
    with pytest.raises(ArtifactError, match="another configuration"):
        train(replace(CONFIG, seed=9), scenes, out, device=CPU)
    state = tmp_path / ".model.training" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match=r"state\.pt is damaged"):
        train(CONFIG, scenes, out, device=CPU)


def test_a_finished_model_is_not_overwritten(scenes: Corpus, undisturbed: Path) -> None:
    """Training into it again is an error that says so."""
    with pytest.raises(ConfigError, match="finished model"):
        train(CONFIG, scenes, undisturbed, device=CPU)


def test_the_record_says_how_the_model_came_to_be(undisturbed: Path) -> None:
    """training.json holds config, seed, data, and for every epoch loss parts, ranking and variances."""
    record: dict[str, Any] = json.loads((undisturbed / "training.json").read_text())
    assert record["config"]["seed"] == 3
    assert len(record["history"]) == 3
    last = record["history"][-1]
    assert set(last["loss"]) == {"match", "kl", "spread", "total"}
    assert "r_precision" in last["ranking"]["text-to-image"]
    assert "verdict" in last["variances"]["image"]


def test_training_learns(scenes: Corpus, tmp_path: Path) -> None:
    """On a handful of pictures the match loss falls well below where it began."""
    losses: list[float] = []
    config = replace(CONFIG, optimiser=replace(CONFIG.optimiser, epochs=25, rate=3e-3))
    watch = Watch(epoch=lambda record: losses.append(record["loss"]["match"]))
    train(config, scenes, tmp_path / "model", device=CPU, watch=watch)
    assert losses[-1] < 0.8 * losses[1]


METHODS: dict[str, tuple[EmbeddingConfig, ObjectiveConfig]] = {
    "VSE": (EmbeddingConfig(attention=False, variance=False), TripletConfig()),
    "VSE++": (EmbeddingConfig(attention=False, variance=False), TripletConfig(hardest=True)),
    "InfoNCE": (EmbeddingConfig(attention=False, variance=False), InfoNCEConfig()),
    "PVSE": (
        EmbeddingConfig(variance=False, points=2),
        TripletConfig(diversity_weight=0.1, mmd_weight=0.01),
    ),
    "HIB": (EmbeddingConfig(attention=False), SoftContrastiveConfig()),
    "PCME mean only": (EmbeddingConfig(variance=False), SoftContrastiveConfig(samples=1, kl_weight=0.0)),
    "PCME++": (EmbeddingConfig(), ClosedFormConfig()),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_and_comes_back_from_disk(scenes: Corpus, tmp_path: Path, name: str) -> None:
    """Its total loss falls, and the saved model gives the embeddings that the trained one gives."""
    embedding, objective = METHODS[name]
    losses: list[float] = []
    config = replace(
        CONFIG,
        model=replace(CONFIG.model, embedding=embedding),
        objective=objective,
        optimiser=replace(CONFIG.optimiser, epochs=6, rate=3e-3),
    )
    watch = Watch(epoch=lambda record: losses.append(record["loss"]["total"]))
    encoder = train(config, scenes, tmp_path / "model", device=CPU, watch=watch)
    assert losses[-1] < losses[0]
    found = checkpoint.load(tmp_path / "model").encoder
    assert found.config.embedding == embedding
    assert found.match == encoder.match
    texts = ["a red star", "something round"]
    torch.testing.assert_close(found.encode_texts(texts).mean, encoder.encode_texts(texts).mean)


def test_the_learning_rate_rises_and_falls() -> None:
    """Linear to its peak, then a cosine to zero; never above one, never negative."""
    rates = [rate_at(step, 100, 0.1) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 10
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert rate_at(55, 100, 0.1) == pytest.approx(0.5)


def test_only_matrices_decay() -> None:
    """Biases, norms and the match head have no weight decay, and every parameter is in one group."""
    networks = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    head = torch.nn.Linear(1, 1)
    groups = optimiser_for(networks, head, OptimiserConfig()).param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0, 0.0]
    assert sum(len(group["params"]) for group in groups) == 6


def test_configurations_are_read_and_checked(tmp_path: Path) -> None:
    """Those that ship can be read; an unknown key, a wrong type and no TOML are named."""
    configs = Path(__file__).resolve().parents[2] / "configs"
    assert {path.stem for path in configs.glob("*.toml")} >= {"flowers102", "scenes", "cub", "coco"}
    for path in configs.glob("*.toml"):
        assert isinstance(read_config(path), TrainingConfig)
    path = tmp_path / "bad.toml"
    for text, word in (("sead = 1", "sead"), ("[model]\nembed_dim = 'x'", "embed_dim"), ("=", "bad.toml")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=word):
            read_config(path)
    path.write_text("[model]\nframing = 3")
    with pytest.raises(ConfigError, match="must be a table"):
        read_config(path)
