"""The figures of docs/pictures.md: the demo gallery and the model that ships, computed, drawn, and told in numbers."""

from __future__ import annotations

import json
from pathlib import Path

from documentation.figures import estimates, gaussians, matches, shortlists
from documentation.figures.demo import Demo

FIGURES = {"matches": matches, "gaussians": gaussians, "estimates": estimates, "shortlists": shortlists}
NUMBERS = "numbers.json"
"""What the page says of the figures, so that a test can hold it to them."""
DPI = 110


def draw(folder: Path) -> None:
    """Write every figure as PNG, and the numbers that the page quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {}
    with Demo.open() as demo:
        for name, module in FIGURES.items():
            figure, numbers[name] = module.draw(demo)
            figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    (folder / NUMBERS).write_text(json.dumps(numbers, ensure_ascii=False, indent=2) + "\n")
