"""Rebuilds the reference checkpoints and inputs from ../shared/reference (its README says how)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Reference:
    """The values that the published implementations computed, and what they computed them from."""

    def __init__(self, folder: Path) -> None:
        self.settings: dict[str, Any] = json.loads((folder / "reference.json").read_text())
        self.values = np.load(folder / "reference.npz")

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.values[name]))

    def weight(self, name: str, shape: list[int]) -> Tensor:
        """One made-up parameter."""
        if name.endswith("num_batches_tracked"):
            return torch.zeros(shape, dtype=torch.int64)
        x = np.random.default_rng([self.settings["seed"], zlib.crc32(name.encode())]).standard_normal(shape)
        if name.endswith("running_var"):
            x = 1 + 0.5 * np.abs(x)
        elif name.endswith("running_mean"):
            x = 0.1 * x
        elif len(shape) > 1:
            x = x / np.sqrt(np.prod(shape[1:]))
        else:
            x = 1 + 0.1 * x if name.endswith("weight") else 0.1 * x
        return torch.from_numpy(x.astype(np.float32))

    def checkpoint(self, cnn: str) -> dict[str, Any]:
        """A checkpoint in the authors' file format."""
        made = self.settings[cnn]
        specials = ["<pad>", "<start>", "<end>", "<unk>"]
        words = specials + [f"word{i}" for i in range(made["vocab_size"] - 4)]
        return {
            "model": {name: self.weight(name, shape) for name, (shape, _) in made["state_dict"].items()},
            "criterion": {"shift": torch.tensor([15.0]), "negative_scale": torch.tensor([15.0])},
            "optimizer": {},
            "lr_scheduler": {},
            "config": {
                "model": {
                    "embed_dim": made["embed_dim"],
                    "cnn_type": cnn,
                    "wemb_type": None,
                    "word_dim": made["word_dim"],
                    "img_attention": True,
                    "txt_attention": True,
                    "img_probemb": True,
                    "txt_probemb": True,
                    "n_samples_inference": 7,
                }
            },
            "word2idx": {word: i for i, word in enumerate(words)},
            "metadata": {},
        }

    def images(self, cnn: str) -> Tensor:
        """The made-up pixels."""
        g = np.random.default_rng([self.settings["seed"], 1])
        shape = (self.settings[cnn]["batch"], 3, 224, 224)
        return torch.from_numpy(g.standard_normal(shape).astype(np.float32))
