"""A model on disk: a directory of weights and JSON, and the fingerprint that a gallery remembers it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from safetensors.torch import save as as_bytes
from torch import Tensor

from models.artifact import check_links, read_json, sha256, staged, write_bytes, write_json
from models.calibration import Calibration, Direction
from models.encoders import Encoder, EncoderConfig
from models.errors import ArtifactError, ConfigError
from models.familiarity import Familiarity
from models.match import MatchHead
from models.text import Vocabulary

SCHEMA = 1
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocabulary.json", "model.safetensors"
CALIBRATION, FAMILIARITY, TRAINING = "calibration.json", "familiarity.safetensors", "training.json"
REMEDY = "train or import the model again, or copy its folder whole"
CALIBRATE = "make it anew with `penumbra calibrate`, or delete it"


@dataclass(frozen=True)
class LoadedModel:
    """A model with the fingerprint of what it computes."""

    encoder: Encoder
    fingerprint: str
    directory: Path


def save(encoder: Encoder, directory: Path, training: Mapping[str, Any]) -> None:
    """Write a model's directory aside and put it in place.

    Args:
        encoder: with or without a calibration and what it is familiar with.
        directory: replaced whole where it exists.
        training: how the model came to be.
    """
    with staged(directory) as staging:
        state = {key: value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()}
        save_file(state, staging / WEIGHTS)
        # safetensors makes the file private; a service often runs as another user than the training did.
        (staging / WEIGHTS).chmod(0o644)
        match = {"scale": encoder.match.scale, "shift": encoder.match.shift}
        write_json(staging / CONFIG, {"schema": SCHEMA, "encoder": encoder.config.to_dict(), "match": match})
        write_json(staging / VOCABULARY, encoder.vocabulary.to_dict())
        write_json(staging / TRAINING, training)
        if encoder.calibration is not None:
            write_json(staging / CALIBRATION, encoder.calibration.to_dict())
        if encoder.familiarity is not None:
            save_familiarity(encoder.familiarity, staging)


def save_calibration(calibration: Calibration, directory: Path) -> None:
    """Add a calibration to a model on disk, or replace the one it has; the fingerprint stays."""
    write_json(directory / CALIBRATION, calibration.to_dict())


def save_familiarity(familiarity: Mapping[Direction, Familiarity], directory: Path) -> None:
    """Add the queries that a model knows to its folder, or replace those it has; the fingerprint stays."""
    tensors = {
        f"{direction}/{name}": tensor
        for direction, known in familiarity.items()
        for name, tensor in known.to_tensors().items()
    }
    write_bytes(directory / FAMILIARITY, as_bytes(tensors))


def fingerprint(directory: Path) -> str:
    """What identifies a model: the SHA-256 of its configuration, vocabulary and weights.

    Calibration and familiarity are left out: they change how an answer reads, not what a gallery stores.

    Raises:
        ArtifactError: one of the files is missing.
    """
    paths = [directory / name for name in (CONFIG, VOCABULARY, WEIGHTS)]
    for path in paths:
        if not path.is_file():
            raise ArtifactError(f"{path} is missing: {REMEDY}")
    return sha256(*paths)


def load(directory: Path, *, with_calibration: bool = True) -> LoadedModel:
    """Read a model, ready to encode.

    Args:
        directory: of the model.
        with_calibration: read its calibration and familiarity, where it has them; not asked of a model that is to get
            new ones.

    Raises:
        ArtifactError: a file is missing, damaged or of another version; the message names it.
    """
    identity = fingerprint(directory)
    check_links(directory)
    config = read_json(directory / CONFIG, REMEDY)
    if config.get("schema") != SCHEMA:
        raise ArtifactError(
            f"{directory / CONFIG} has schema {config.get('schema')!r}, this version reads {SCHEMA}: {REMEDY}"
        )
    vocabulary = read_json(directory / VOCABULARY, REMEDY)
    calibration = _read_calibration(directory / CALIBRATION) if with_calibration else None
    try:
        settings = EncoderConfig.from_dict(config["encoder"])
        encoder = Encoder(
            settings,
            Vocabulary.from_dict(vocabulary),
            MatchHead(config["match"]["scale"], config["match"]["shift"]),
            calibration,
            _read_familiarity(directory / FAMILIARITY, settings.embed_dim) if with_calibration else None,
        )
        encoder.load_state_dict(load_file(directory / WEIGHTS))
    except (KeyError, TypeError, ConfigError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(f"{directory} is no model that can be read ({error}): {REMEDY}") from error
    return LoadedModel(encoder.eval().requires_grad_(False), identity, directory)


def _read_calibration(path: Path) -> Calibration | None:
    if not path.exists():
        return None
    try:
        return Calibration.from_dict(read_json(path, CALIBRATE))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is no calibration ({error!r}): {CALIBRATE}") from error


def _read_familiarity(path: Path, dim: int) -> dict[Direction, Familiarity] | None:
    """What is in the file, for Gaussians of `dim` dimensions."""
    if not path.exists():
        return None
    try:
        tensors: dict[str, dict[str, Tensor]] = {}
        for key, tensor in load_file(path).items():
            direction, name = key.split("/")
            tensors.setdefault(direction, {})[name] = tensor
        found = {Direction(direction): Familiarity.from_tensors(parts) for direction, parts in tensors.items()}
        if any(known.dim != dim for known in found.values()):
            raise ValueError(f"it is not of {dim} dimensions")
    except (KeyError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} does not say what is familiar ({error}): {CALIBRATE}") from error
    return found
