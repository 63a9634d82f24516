"""The configuration of a training that takes a second."""

from __future__ import annotations


def config(images: int, epochs: int) -> str:
    """A TOML file's text: a small model, trained on so many Scenes of its own."""
    return f"""
seed = 1
[model]
embed_dim = 16
word_dim = 8
backbone = "resnet18"
stages = 1
framing = {{ side = 32, crop = 1.0 }}
[data]
min_word_count = 1
scenes = {{ images = {images}, validation = 8, seed = 1, side = 32, captions = 2 }}
[objective]
spread_weight = 0.03
[optimiser]
epochs = {epochs}
batch = 8
bf16 = false
"""
