"""What a shell offers where a gallery or a model is to be named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

# As `index.files.manifest` and `models.checkpoint` have them, which would load torch at every TAB.
MANIFEST: Final = "manifest.json"
CONFIG: Final = "config.json"


def galleries(incomplete: str) -> list[str]:
    """Folders that begin so: a gallery as it is, another one with a slash, because galleries may lie in it."""
    return list(_offered(incomplete, (MANIFEST,)))


def galleries_and_models(incomplete: str) -> list[str]:
    """The same with models."""
    return list(_offered(incomplete, (MANIFEST, CONFIG)))


def _offered(incomplete: str, marks: tuple[str, ...]) -> Iterator[str]:
    # As it was typed: "./x" is offered as "./xy", not as "xy".
    head, slash, name = incomplete.rpartition("/")
    folder = Path(f"{head}{slash}" or ".")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        hidden = path.name.startswith(".") and not name.startswith(".")
        if path.is_dir() and path.name.startswith(name) and not hidden:
            found = any((path / mark).is_file() for mark in marks)
            yield f"{head}{slash}{path.name}{'' if found else '/'}"
