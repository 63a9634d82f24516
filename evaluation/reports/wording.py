"""How pages and tables write numbers and name things."""

from __future__ import annotations

import math
from typing import Final

from models.calibration import Direction

NAMES: Final = {Direction.TEXT_TO_IMAGE: "Text to image", Direction.IMAGE_TO_TEXT: "Image to text"}
ASKED: Final = {Direction.TEXT_TO_IMAGE: "captions", Direction.IMAGE_TO_TEXT: "pictures"}
FOUND: Final = {Direction.TEXT_TO_IMAGE: "picture", Direction.IMAGE_TO_TEXT: "caption"}
SIDES: Final = {"images": "images", "texts": "captions"}
PROBABILITIES: Final = {
    "raw": "raw, as trained",
    "calibrated": "calibrated",
    "calibrated_mean_only": "calibrated, means alone",
    "calibrated_told_share": "calibrated, told the share",
    "calibrated_mean_only_told_share": "means alone, told the share",
}
SCORES: Final = {
    "sigma": "σ of the query",
    "probability": "first probability",
    "margin": "its margin",
    "mean_only_probability": "probability, means alone",
    "mean_only_margin": "margin, means alone",
}
MATCHES: Final = {
    "truth": "truly matches",
    "label": "is of the same class",
    "instance": "belongs to it",
}
CHANGES: Final = {
    "erased": "the erased area",
    "blurred": "blur",
    "dropped": "dropped words",
    "length": "number of words",
    "generality": "generality",
}
NONE: Final = "–"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return NONE if share is None or math.isnan(share) else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def points(share: float) -> str:
    """A share in percentage points, without their name."""
    return f"{100 * share:.1f}"


def fixed(value: float | None, decimals: int) -> str:
    """A number with so many decimals and a true minus sign."""
    return NONE if value is None or math.isnan(value) else f"{value:.{decimals}f}".replace("-", "−")


def short(value: float | None) -> str:
    """A number with three significant digits."""
    return NONE if value is None or math.isnan(value) else f"{value:.3g}".replace("-", "−")


def count(value: float | None) -> str:
    """A whole number with commas."""
    return NONE if value is None or math.isnan(value) else f"{value:,.0f}"
