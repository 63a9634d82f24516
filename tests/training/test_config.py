"""Configurations: losses by name, and combinations that would train nothing are refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from models.embedding import EmbeddingConfig
from models.encoders import EncoderConfig
from models.errors import ConfigError
from training.config import TrainingConfig, read_config
from training.objective_config import (
    LOSSES,
    ClosedFormConfig,
    InfoNCEConfig,
    ObjectiveConfig,
    SoftContrastiveConfig,
    TripletConfig,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
POINT = EmbeddingConfig(variance=False)


def configured(embedding: EmbeddingConfig, objective: ObjectiveConfig) -> TrainingConfig:
    """A training of such an embedding by such an objective."""
    return TrainingConfig(model=EncoderConfig(embedding=embedding), objective=objective)


def test_the_shipped_configurations_can_be_read() -> None:
    """Every one of them, and there is one for each method that the documentation compares."""
    shipped = sorted(CONFIGS.rglob("*.toml"))
    names = {path.stem: read_config(path).name for path in shipped}
    assert names.keys() >= {"flowers102", "scenes", "cub", "coco"}
    compared = {read_config(path).name for path in (CONFIGS / "flowers102").glob("*.toml")}
    methods = {"VSE", "VSE++", "InfoNCE", "PVSE K=1", "PVSE K=2", "PVSE K=4", "HIB", "PCME mean only", "PCME"}
    assert compared == methods | {"PCME + spread", "PCME++"}


def test_compared_methods_differ_in_embedding_and_objective_alone() -> None:
    """One budget: the same data, optimiser, backbone and framing."""
    made = [read_config(path) for path in (CONFIGS / "flowers102").glob("*.toml")]
    for name in ("data", "optimiser", "pretrained", "glove", "seed"):
        assert len({repr(getattr(config, name)) for config in made}) == 1
    for field in fields(EncoderConfig):
        if field.name != "embedding":
            assert len({repr(getattr(config.model, field.name)) for config in made}) == 1


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_chosen_by_its_name(tmp_path: Path, name: str) -> None:
    """Its own keys are taken, another loss's are not, and the name is in the record."""
    path, embedding = tmp_path / "config.toml", "[model]\nembedding = { variance = false }\n"
    extra = {"soft_contrastive": "samples = 1\nkl_weight = 0", "closed_form": "kl_weight = 0"}.get(name, "")
    path.write_text(f'{embedding}[objective]\nloss = "{name}"\n{extra}')
    config = read_config(path)
    assert type(config.objective) is LOSSES[name]
    assert config.to_dict()["objective"]["loss"] == name
    foreign = "hardest = true" if name != "triplet" else "samples = 3"
    path.write_text(f'{embedding}[objective]\nloss = "{name}"\n{foreign}')
    with pytest.raises(ConfigError, match="unknown key"):
        read_config(path)


def test_an_unknown_loss_is_named(tmp_path: Path) -> None:
    """With those that there are."""
    path = tmp_path / "config.toml"
    path.write_text('[objective]\nloss = "triplets"')
    with pytest.raises(ConfigError, match=r"'triplets'; there are soft_contrastive, triplet, infonce, closed_form"):
        read_config(path)


@pytest.mark.parametrize(
    ("embedding", "objective", "word"),
    [
        (EmbeddingConfig(variance=False, points=2), SoftContrastiveConfig(samples=1, kl_weight=0.0), "one point"),
        (EmbeddingConfig(), TripletConfig(), "variance = false"),
        (POINT, TripletConfig(diversity_weight=0.1), "diversity_weight"),
        (EmbeddingConfig(), InfoNCEConfig(), "variance = false"),
        (POINT, ClosedFormConfig(), "kl_weight"),
        (POINT, SoftContrastiveConfig(kl_weight=0.0), "samples to 1"),
        (POINT, SoftContrastiveConfig(samples=1), "kl_weight"),
        (POINT, SoftContrastiveConfig(samples=1, kl_weight=0.0, spread_weight=0.1), "spread_weight"),
    ],
)
def test_an_objective_that_does_not_fit_the_embedding_is_refused(
    embedding: EmbeddingConfig, objective: ObjectiveConfig, word: str
) -> None:
    """Before anything is read or trained, with what to change."""
    with pytest.raises(ConfigError, match=word):
        configured(embedding, objective)


@pytest.mark.parametrize("values", [{"points": 0}, {"points": 2}, {"points": 2, "variance": False, "attention": False}])
def test_an_embedding_that_means_nothing_is_refused(values: dict[str, Any]) -> None:
    """Several points come from attention, and have no variance."""
    with pytest.raises(ConfigError, match="points"):
        EmbeddingConfig(**values)
