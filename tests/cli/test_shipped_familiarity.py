"""The shipped model knows Scenes, and says of anything else that it is unlike them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cli.demo import SHIPPED_MODEL
from corpus.scenes.generate import captions, scenes
from corpus.scenes.render import render
from models import checkpoint
from models.calibration import Direction
from models.encoders import Encoder
from models.familiarity import Familiarity
from models.image import encode_png

SEED = 31_337


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return checkpoint.load(SHIPPED_MODEL).encoder


def known(encoder: Encoder, direction: Direction) -> Familiarity:
    assert encoder.familiarity is not None
    return encoder.familiarity[direction]


@pytest.mark.parametrize(
    "text",
    [
        "three purple hearts in fog",
        "a woman reading a book",
        "night night night night",
        "the left the left behind of sea a small small",
    ],
)
def test_a_sentence_that_is_no_caption_of_scenes(encoder: Encoder, text: str) -> None:
    """In words the model knows or not, it is said to be unlike; so it gets no probability without a warning."""
    assert known(encoder, Direction.TEXT_TO_IMAGE).unlike(encoder.encode_texts([text])).all()


def test_noise_is_no_scene(encoder: Encoder) -> None:
    """Pictures of noise are unlike, and a plain grey one is."""
    rng = np.random.default_rng(0)
    pictures = [encode_png(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)) for _ in range(4)]
    grey = encode_png(np.full((80, 80, 3), 128, dtype=np.uint8))
    assert known(encoder, Direction.IMAGE_TO_TEXT).unlike(encoder.encode_images([*pictures, grey])).all()


def test_new_scenes_are_familiar(encoder: Encoder) -> None:
    """Hardly any of 50 new scenes and their 300 captions is called unlike, and none too uncertain."""
    drawn = scenes(50, SEED)
    texts = encoder.encode_texts([each.text for described in captions(drawn, SEED) for each in described])
    images = encoder.encode_images([encode_png(render(scene, 96)) for scene in drawn])
    for direction, queries in ((Direction.TEXT_TO_IMAGE, texts), (Direction.IMAGE_TO_TEXT, images)):
        usual = known(encoder, direction)
        assert float(usual.unlike(queries).double().mean()) < 0.04
        assert not usual.too_uncertain(queries).any()
        assert torch.isfinite(usual.distance(queries)).all()
