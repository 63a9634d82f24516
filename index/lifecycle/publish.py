"""A gallery published: a link, which a server follows, leads to it from one moment on.

A link and not a folder exchanged for another: each gallery stays where it was built, with its journal and its lock, so
a change that is acknowledged while another gallery takes over is never written into the wrong one. The way back is to
publish the old one again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from index.files.manifest import read_manifest
from index.lifecycle.opening import open_gallery
from index.lifecycle.verify import verify
from models import checkpoint
from models.artifact import make_folder, sync, writing
from models.errors import ArtifactError


def publish(gallery: Path, link: Path, model: Path | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
    """Let a link lead to a gallery, in one step, after all of it has been checked.

    Args:
        gallery: its folder.
        link: made where it is not there yet; its target stays as it is.
        model: the model's folder, where it is not the one that the gallery names.
        tell: told, in a sentence, what is checked, because that reads every byte.

    Raises:
        ArtifactError: the gallery is damaged or not its model's, or there is something else in the link's place.
    """
    if link.exists() and not link.is_symlink():
        raise ArtifactError(
            f"{link} is no link: publishing lets a link lead from one gallery to the next, so name another place, or "
            f"move this folder elsewhere and publish it as {link} once"
        )
    tell(f"Every byte of {gallery} is checked.")
    check(gallery, model)
    point(link, gallery)


def check(gallery: Path, model: Path | None = None) -> None:
    """Read all of a gallery, and hold it against its manifest and its model.

    Raises:
        ArtifactError: it is damaged, or not its model's.
    """
    damages = verify(gallery).damages
    if damages:
        raise ArtifactError(f"{gallery / damages[0].file} {damages[0].what}: {damages[0].remedy}")
    manifest = read_manifest(gallery)
    open_gallery(gallery, model=checkpoint.fingerprint(model or gallery / manifest.model)).close()


def point(link: Path, gallery: Path) -> None:
    """Let a link lead to a folder from one moment on, durably; raises `ArtifactError` where it cannot be written."""
    # The name is the same every time, so that what a process leaves that is killed here goes with the next one.
    aside = link.with_name(f".{link.name}.next")
    with writing(link):
        make_folder(link.parent)
        aside.unlink(missing_ok=True)
        # Relative, so that both may be moved or mounted elsewhere together.
        aside.symlink_to(os.path.relpath(gallery.resolve(), link.parent.resolve()), target_is_directory=True)
        aside.replace(link)
        sync(link.parent)
