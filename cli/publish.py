"""`penumbra index publish`: let a served link lead to another gallery, and tell the server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

from cli.server import connect
from cli.show import print_json, teller
from index.lifecycle.publish import point, publish
from index.local.gallery import Gallery
from models.errors import ArtifactError, ConfigError
from penumbra_client import ClientError, ConflictError, ProblemError, Swap

PATIENCE: Final = 600
"""Seconds that a server may take to open and warm a gallery."""


def command(
    gallery: Path, to: Path, server: str | None = None, model: Path | None = None, as_json: bool = False
) -> None:
    """Publish, have the server switch, and say what led where."""
    tell = teller(as_json)
    before = to.resolve() if to.is_symlink() else None
    publish(gallery, to, model, tell)
    tell(f"{to} leads to {gallery}." + ("" if before is None else f" It led to {before}."))
    left = _changes(before) if before is not None and before != gallery.resolve() else None
    if left is not None and any(left.values()):
        tell(
            f"Since it was built {before} has changed ({left['added']:,} items came, {left['removed']:,} went); these "
            "changes stay there."
        )
    swap = None if server is None else _switch(server, to, before)
    if swap is None:
        tell("A server that runs takes it up at SIGHUP, or at its next start.")
    else:
        tell(f"{server} answers with it: {swap.before[:12]} → {str(swap.after)[:12]}.")
    if as_json:
        print_json(
            {
                "link": str(to),
                "gallery": str(gallery),
                "before": None if before is None else {"gallery": str(before), "changes": left},
                "server": None if swap is None else {"url": server, "before": swap.before, "after": swap.after},
            }
        )


def _changes(gallery: Path) -> dict[str, int] | None:
    """How many items came and went since a gallery was built; None where that cannot be told."""
    try:
        with Gallery.open(gallery) as opened:
            return asdict(opened.pending)
    except ArtifactError:
        return None


def _switch(server: str, link: Path, before: Path | None) -> Swap:
    """Have the server switch; when it refuses, the link leads back."""
    try:
        with connect(server, PATIENCE) as client:
            return client.reload()
    except ConflictError as error:
        if before is not None:
            point(link, before)
        raise ConfigError(
            f"{server} refuses it and serves what it served; {link} leads there again. {error}"
        ) from error
    except ProblemError as error:
        raise ConfigError(f"{server} was not told to switch ({error.status}): {error}") from error
    except ClientError as error:
        raise ConfigError(f"{error} The link leads to the new gallery, which the server takes up at SIGHUP.") from error
