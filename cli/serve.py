"""`penumbra serve`: the service over one gallery or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.errors import ConfigError
from service.app import serve
from service.settings import read


def command(
    galleries: Sequence[str],
    *,
    model: Path | None,
    host: str | None,
    port: int | None,
    keys: Path | None,
    insecure: bool,
    writable: bool,
    threads: int | None,
) -> None:
    """Serve until told to stop."""
    # A flag can only be given, so that without it the environment decides.
    flags = {"insecure": insecure or None, "writable": writable or None}
    serve(read(**named(galleries), **flags, model=model, host=host, port=port, keys=keys, threads=threads))


def named(galleries: Sequence[str]) -> dict[str, Any]:
    """The settings that `[NAME=]DIR` stand for.

    Raises:
        ConfigError: a gallery other than the first has no name, or two have the same.
    """
    (name, first), *others = map(_split, galleries)
    for other, folder in others:
        if other is None:
            raise ConfigError(f"Several galleries are told apart by name: write NAME={folder}.")
    if len({name, *dict(others)}) < len(galleries):
        raise ConfigError("Two galleries have the same name; give each its own.")
    return {"gallery": first, "gallery_name": name, "galleries": dict(others) or None}


def _split(given: str) -> tuple[str | None, Path]:
    """NAME=DIR or DIR, which holds no = before its first slash."""
    name, equals, folder = given.partition("=")
    return (name, Path(folder)) if equals and "/" not in name else (None, Path(given))
