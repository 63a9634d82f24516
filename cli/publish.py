"""`penumbra index publish`: let a served link lead to another gallery, and tell the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from cli.completion import galleries
from cli.server import connect
from cli.show import say
from index.lifecycle.publish import point, publish
from index.local.gallery import Gallery
from models.errors import ArtifactError, ConfigError
from penumbra_client import ClientError, ConflictError, ProblemError

PATIENCE: Final = 600
"""Seconds that a server may take to open and warm a gallery."""


def command(
    gallery: Annotated[
        Path, typer.Argument(help="The folder of the gallery that is to be served.", autocompletion=galleries)
    ],
    to: Annotated[Path, typer.Option(help="The link that `penumbra serve` was given; made if it is not there.")],
    server: Annotated[
        str | None,
        typer.Option(help="Where it is served, as http://127.0.0.1:8000 or …/galleries/NAME; told to switch now."),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model, where it is not where the gallery says.")] = None,
) -> None:
    """Check a gallery and let a link lead to it; with --server, have it served now or take it back.

    Without --server, send the server SIGHUP. A server that wants a key gets the one in PENUMBRA_API_KEY.
    """
    before = to.resolve() if to.is_symlink() else None
    publish(gallery, to, model, say)
    say(f"{to} leads to {gallery}." + ("" if before is None else f" It led to {before}."))
    if before not in (None, gallery.resolve()):
        _warn_of_changes(Path(str(before)))
    if server is None:
        say("A server that runs takes it up at SIGHUP, or at its next start.")
        return
    _switch(server, to, before)


def _warn_of_changes(before: Path) -> None:
    """Say what the gallery served until now has that came after it was built."""
    try:
        with Gallery.open(before) as old:
            pending = old.pending
    except ArtifactError:
        return
    if pending.added or pending.removed:
        say(
            f"Since it was built {before} has changed ({pending.added:,} items came, {pending.removed:,} went); these "
            "changes stay there."
        )


def _switch(server: str, link: Path, before: Path | None) -> None:
    """Have the server switch; when it refuses, the link leads back."""
    try:
        with connect(server, PATIENCE) as client:
            swap = client.reload()
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
    say(f"{server} answers with it: {swap.before[:12]} → {str(swap.after)[:12]}.")
