"""How to train: frozen values read from a TOML file, and copied into the model that they made."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from models.embedding import EmbeddingConfig
from models.encoders import EncoderConfig
from models.errors import ConfigError
from training.objective_config import (
    LOSSES,
    ClosedFormConfig,
    InfoNCEConfig,
    ObjectiveConfig,
    SoftContrastiveConfig,
    TripletConfig,
)


@dataclass(frozen=True)
class ScenesData:
    """A corpus made on the spot by the Scenes generator, instead of one that is read.

    Args:
        images: pictures to train on.
        validation: pictures held out, to watch the training and to calibrate.
        seed: of the generator; the held-out pictures come from the next seed.
        side: of a picture, in pixels.
        captions: for each picture.
    """

    images: int = 20_000
    validation: int = 1_000
    seed: int = 1
    side: int = 96
    captions: int = 6


@dataclass(frozen=True)
class DataConfig:
    """What a batch is made of.

    Args:
        min_word_count: words seen less often in the training captions are unknown.
        word_drop: probability that a caption's word is left out.
        captions: drawn for each picture of a batch; all of them are its matches. More make better use of a picture,
            which costs far more than a caption.
        crop_area: smallest share of a picture's area that a random crop keeps.
        flip: mirror half of the pictures; wrong where captions tell left from right.
        erase: probability that a random rectangle of a picture is blanked (Zhong et al., 2020).
        per_class: images of a class in a batch, where there are labels; one is PCME's sampler for CUB. 0: batches do
            not look at labels.
        label_matches: the captions of images of the same class are matches too, where there are labels.
        scenes: make this corpus instead of reading one.
    """

    min_word_count: int = 3
    word_drop: float = 0.1
    captions: int = 1
    crop_area: float = 0.5
    flip: bool = True
    erase: float = 0.2
    per_class: int = 1
    label_matches: bool = False
    scenes: ScenesData | None = None


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with linear warm-up and a cosine to zero.

    Args:
        epochs: passes over the training images.
        batch: image-caption pairs a step.
        rate: the highest learning rate.
        head_rate: of the match head's scale and shift.
        weight_decay: on matrices; not on biases, norms and the match head.
        clip: largest norm of the gradient.
        warm_up: share of all steps in which the rate rises.
        frozen_epochs: epochs in which a pretrained backbone does not move.
        bf16: run the backbone in bfloat16 (autocast); everything behind it stays in float32.
    """

    epochs: int = 30
    batch: int = 128
    rate: float = 1e-3
    head_rate: float = 1e-3
    weight_decay: float = 1e-2
    clip: float = 2.0
    warm_up: float = 0.1
    frozen_epochs: int = 0
    bf16: bool = True


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the weights, given the data and the machine.

    Args:
        name: of the method, as comparisons call it; that of the model's folder where there is none.
        model: what the encoders are.
        data: what a batch is made of.
        objective: what they are fitted to.
        optimiser: how.
        initial_log_sigma: the logarithm of every standard deviation before training, where there are variances.
        pretrained: start the backbone from the weights that torchvision publishes.
        glove: a file of word vectors to start the word embedding from.
        seed: of the weights, the batches, the augmentation and the sampling.

    Raises:
        ConfigError: the objective cannot train such a model.
    """

    name: str | None = None
    model: EncoderConfig = field(default_factory=EncoderConfig)
    data: DataConfig = field(default_factory=DataConfig)
    objective: ObjectiveConfig = field(default_factory=SoftContrastiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    initial_log_sigma: float = -3.0
    pretrained: bool = False
    glove: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _require_fit(self.model.embedding, self.objective)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def _require_fit(embedding: EmbeddingConfig, objective: ObjectiveConfig) -> None:
    """Raise `ConfigError` where an objective cannot train such an embedding, or would not notice a part of it."""
    name = objective.loss
    if embedding.points > 1 and not isinstance(objective, TripletConfig):
        raise ConfigError(f"loss = {name!r} takes one point an input: choose 'triplet', or points = 1")
    if isinstance(objective, TripletConfig):
        if embedding.variance:
            raise ConfigError("loss = 'triplet' trains no variances: set embedding = { variance = false }")
        if objective.diversity_weight and embedding.points == 1:
            raise ConfigError("diversity_weight drives several points apart: set it to 0, or points to more than 1")
    if isinstance(objective, InfoNCEConfig) and embedding.variance:
        raise ConfigError("loss = 'infonce' trains no variances: set embedding = { variance = false }")
    if isinstance(objective, ClosedFormConfig) and not embedding.variance and objective.kl_weight:
        raise ConfigError("kl_weight holds variances, and this model has none: set it to 0")
    if isinstance(objective, SoftContrastiveConfig) and not embedding.variance:
        if objective.samples != 1:
            raise ConfigError(f"all {objective.samples} samples of a point are that point: set samples to 1")
        if objective.kl_weight or objective.spread_weight:
            raise ConfigError("kl_weight and spread_weight act on variances, and this model has none: set them to 0")


def read_config(path: Path) -> TrainingConfig:
    """Read a TOML file.

    Raises:
        ConfigError: it is missing, is no TOML, or has a key or value that means nothing here.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no configuration that can be read: {error}") from error
    config: TrainingConfig = _build(TrainingConfig, values, str(path))
    return config


def _build(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a table, its own tables first; names what does not fit."""
    hints, known = get_type_hints(kind), {f.name for f in fields(kind) if f.init}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    options = [h for h in getattr(hint, "__args__", (hint,)) if h is not type(None)]
    if is_dataclass(options[0]):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a table, not {value!r}")
        if len(options) > 1:
            return _objective(value, where)
        return _build(options[0], value, where)  # type: ignore[arg-type]
    if options[0] is float and type(value) is int:
        return float(value)
    if type(value) is not options[0]:
        raise ConfigError(f"{where} must be of type {options[0].__name__}, not {value!r}")
    return value


def _objective(values: Mapping[str, Any], where: str) -> Any:
    """The value of the loss that a table names."""
    rest = {key: value for key, value in values.items() if key != "loss"}
    name = values.get("loss", SoftContrastiveConfig.loss)
    if name not in LOSSES:
        raise ConfigError(f"{where}: unknown loss {name!r}; there are {', '.join(LOSSES)}")
    return _build(LOSSES[name], rest, where)
