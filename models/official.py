"""Reads the authors' published checkpoints (the PyTorch files of the PCME repository) into models of ours."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.encoders import Encoder, EncoderConfig
from models.errors import ArtifactError, ConfigError
from models.image import Framing
from models.match import MatchHead
from models.text import Vocabulary

# Name in the published state dict -> name in ours. The longest prefix wins.
_PREFIXES = {
    "img_enc.cnn.": "image.cnn.",
    "img_enc.fc.": "image.fc.",
    "img_enc.pie_net.": "image.mean_branch.",
    "img_enc.uncertain_net.": "image.variance_branch.",
    "img_enc.uncertain_net.fc2.": "image.variance_fc.",
    "txt_enc.embed.": "text.embed.",
    "txt_enc.rnn.": "text.rnn.",
    "txt_enc.pie_net.": "text.mean_branch.",
    "txt_enc.uncertain_net.": "text.variance_branch.",
    "txt_enc.uncertain_net.rnn.": "text.variance_rnn.",
}


def read_checkpoint(path: Path) -> Encoder:
    """Read a checkpoint in the authors' file format.

    Its logistic function is that of twice the argument, so scale and shift are doubled; its variance heads give log σ,
    as ours do.

    Raises:
        ArtifactError: the file is missing, holds anything but tensors and plain values, or is not of this format.
        ConfigError: it is a model of a kind that PCME's encoders here do not cover.
    """
    checkpoint = _load_plain(path)
    try:
        settings, criterion = checkpoint["config"]["model"], checkpoint["criterion"]
        state = {_rename(key): value for key, value in checkpoint["model"].items()}
        vocabulary = Vocabulary.from_ids(checkpoint["word2idx"])
        match = MatchHead(2 * _scalar(criterion["negative_scale"]), 2 * _scalar(criterion["shift"]))
        _require_pcme(settings)
        encoder = Encoder(_config(settings), vocabulary, match)
        encoder.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ArtifactError(f"{path} is no checkpoint of the published PCME format: {error}") from error
    return encoder.eval().requires_grad_(False)


def _load_plain(path: Path) -> dict[str, Any]:
    """Load with weights_only: tensors and plain containers, and nothing in the file is run."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing: name the checkpoint file to import") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(
            f"{path} cannot be loaded as tensors and plain values alone ({reason}): "
            "re-save it with its config as a plain dict"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ArtifactError(f"{path} is no checkpoint of the published PCME format: it holds no dict")
    return checkpoint


def _rename(key: str) -> str:
    prefix = max((p for p in _PREFIXES if key.startswith(p)), key=len)
    name = _PREFIXES[prefix] + key[len(prefix) :]
    if "rnn." not in name:
        return name
    part = "backwards" if name.endswith("_l0_reverse") else "forwards"
    name = name.replace("rnn.", f"rnn.{part}.")
    return name.removesuffix("_l0_reverse")


def _scalar(value: Tensor | list[float] | float) -> float:
    return float(torch.as_tensor(value).reshape(()).item())


def _require_pcme(settings: Mapping[str, Any]) -> None:
    for switch in ("img_attention", "txt_attention", "img_probemb", "txt_probemb"):
        if not settings.get(switch, True):
            raise ConfigError(f"the checkpoint was trained with {switch} = false, and is not a PCME of both branches")


def _config(settings: Mapping[str, Any]) -> EncoderConfig:
    return EncoderConfig(
        embed_dim=int(settings["embed_dim"]),
        word_dim=int(settings["word_dim"]),
        backbone=str(settings["cnn_type"]),
        framing=Framing(side=224, crop=0.875),
    )
