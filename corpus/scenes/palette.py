"""The colours that scenes are painted with: sRGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]


def _hex(code: str) -> Colour:
    return np.frombuffer(bytes.fromhex(code), dtype=np.uint8).astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class Paint:
    """How a thing of one colour is painted: its body, the stripes or dots on it, and the line around it."""

    body: Colour
    pattern: Colour
    rim: Colour


PAINTS: Final[Mapping[str, Paint]] = {
    "red": Paint(_hex("e23a3a"), _hex("ffd9d2"), _hex("8c1d2a")),
    "orange": Paint(_hex("f7871f"), _hex("fff0d6"), _hex("9c4a08")),
    "yellow": Paint(_hex("ffd93b"), _hex("8f6a12"), _hex("94720f")),
    "green": Paint(_hex("2fa84f"), _hex("d9f7d3"), _hex("135a33")),
    "blue": Paint(_hex("2f6df2"), _hex("d8e8ff"), _hex("163a96")),
    "purple": Paint(_hex("9440cf"), _hex("f0dcff"), _hex("4f1a7d")),
    "white": Paint(_hex("fbfaf5"), _hex("8b95a2"), _hex("6b7482")),
}


@dataclass(frozen=True)
class Backdrop:
    """The colours of a setting: sky down to the horizon, ground below it, the cue, and the fog over all."""

    top: Colour
    horizon: Colour
    near: Colour
    bottom: Colour
    cue: Colour
    fog: Colour


BACKDROPS: Final[Mapping[str, Backdrop]] = {
    "day": Backdrop(_hex("a9d3ea"), _hex("e6f2f3"), _hex("eff4ee"), _hex("f6efdf"), _hex("ffffff"), _hex("e6eaeb")),
    "dusk": Backdrop(_hex("756092"), _hex("e6a99a"), _hex("b98596"), _hex("7f5f80"), _hex("ffd9b0"), _hex("cdbdc6")),
    "night": Backdrop(_hex("111a3a"), _hex("2d3c68"), _hex("232f54"), _hex("18213f"), _hex("c9d3ee"), _hex("727b92")),
    "meadow": Backdrop(_hex("d7ebe2"), _hex("eef4dc"), _hex("b9d594"), _hex("86b36a"), _hex("6b9a54"), _hex("dfe6dc")),
    "sea": Backdrop(_hex("c4e6ea"), _hex("e9f5f1"), _hex("7fc4cb"), _hex("3f93a8"), _hex("d5f0f0"), _hex("d5e2e4")),
}
