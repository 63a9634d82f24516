"""`penumbra index publish`: let a served link lead to another gallery, and tell the server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import typer

from cli.show import say
from index.gallery import Gallery
from index.publish import point, publish
from models.errors import ArtifactError, ConfigError, PenumbraError

KEY: Final = "PENUMBRA_API_KEY"
PATIENCE: Final = 600
"""Seconds that a server may take to open and warm a gallery."""


def command(
    gallery: Annotated[Path, typer.Argument(help="The folder of the gallery that is to be served.")],
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
        swap = _post(f"{server.rstrip('/')}/reload")
    except _RefusedError as error:
        if before is not None:
            point(link, before)
        raise ConfigError(
            f"{server} refuses it and serves what it served; {link} leads there again. {error}"
        ) from error
    say(f"{server} answers with it: {swap['before'][:12]} → {swap['after'][:12]}.")


class _RefusedError(PenumbraError):
    """The server cannot serve the gallery."""


def _post(url: str) -> dict[str, Any]:
    key = os.environ.get(KEY)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urlopen(Request(url, b"", headers, method="POST"), timeout=PATIENCE) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except HTTPError as error:
        detail = _detail(error)
        if error.code == 409:
            raise _RefusedError(detail) from error
        raise ConfigError(f"{url} was not told to switch ({error.code}): {detail}") from error
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ConfigError(
            f"{url} cannot be asked ({reason}): the link leads to the new gallery, which the server takes up at SIGHUP."
        ) from error


def _detail(error: HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
