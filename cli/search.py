"""`penumbra search`: the same answer as the service's, in the terminal; from a gallery on disk or from a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.answers import show_answer
from cli.pictures import can_show_pictures
from cli.server import connect
from cli.show import CONSOLE, print_json
from index.filters.form import read
from models.errors import ConfigError
from penumbra_client import Client, SearchAnswer, SearchOptions

if TYPE_CHECKING:
    from cli.local import LocalGallery


def command(
    gallery: Path | None,
    *,
    text: str | None,
    image: Path | None,
    server: str | None,
    model: Path | None,
    options: SearchOptions,
    filter_: str | None,
    pictures: bool,
    as_json: bool,
) -> None:
    """Ask, and show the answer."""
    if (text is None) == (image is None):
        raise ConfigError("search with --text or with --image, one of them")
    if filter_ is not None:
        options = {**options, "filter": _checked(filter_)}
    with _asked(gallery, server, model) as asked:
        answer = asked.search_image(_bytes(image), **options) if image else asked.search_text(text or "", **options)
        if as_json:
            print_json(asdict(answer))
        else:
            show_answer(answer, _pictures(answer, asked) if pictures and can_show_pictures(CONSOLE) else {})


def _asked(
    gallery: Path | None, server: str | None, model: Path | None
) -> AbstractContextManager[LocalGallery] | AbstractContextManager[Client]:
    """What answers."""
    if (gallery is None) == (server is None):
        raise ConfigError("name a gallery's folder or a --server, one of them")
    if server is None:
        # Only here: a server is asked without torch, which takes seconds to load.
        from cli.local import LocalGallery

        return LocalGallery.open(Path(str(gallery)), model)
    if model is not None:
        raise ConfigError("a server has its own model: leave out --model")
    return connect(server)


def _pictures(answer: SearchAnswer, asked: LocalGallery | Client) -> Mapping[str, bytes]:
    return {hit.id: asked.picture(hit.id) for hit in answer.results if hit.modality == "image"}


def _checked(filter_: str) -> Mapping[str, Any]:
    """A filter as JSON has it, once it is known to be one."""
    read(filter_)
    parsed: Mapping[str, Any] = json.loads(filter_)
    return parsed


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a picture's file") from error
