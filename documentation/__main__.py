"""`python -m documentation reference|figures`: writes docs/reference, or the figures of docs/figures."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from documentation import artifacts, commands, metrics, modules, routes, settings
from documentation.sample import Sample

ROOT: Final = Path(__file__).resolve().parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"


def pages_of(sample: Sample) -> dict[str, str]:
    """The text of every page of docs/reference, by its path there."""
    return {
        "commands.md": commands.page(),
        "http.md": routes.page(sample.openapi),
        "settings.md": settings.page(),
        "metrics.md": metrics.page(sample.metrics),
        "artifacts.md": artifacts.page(sample.folder),
        **{f"python/{name}.md": text for name, text in modules.pages().items()},
    }


def reference() -> None:
    """Write docs/reference anew."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in pages_of(Sample.make(Path(scratch))).items():
            path = REFERENCE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def figures() -> None:
    """Draw docs/figures anew; matplotlib is loaded for this alone."""
    from documentation.figures import draw

    draw(ROOT / "docs" / "figures")


PARTS: Final[dict[str, Callable[[], None]]] = {"reference": reference, "figures": figures}

if __name__ == "__main__":
    for name in sys.argv[1:] or ["reference"]:
        if name not in PARTS:
            sys.exit(f"There is no part {name!r}: name one of {', '.join(PARTS)}.")
        PARTS[name]()
