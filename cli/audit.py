"""`penumbra index audit`: images whose captions hardly match them, and items that answer too many queries."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

from cli.show import Tell, print_json, progress, say
from index.building.build import match_heads
from index.exploring.audit import AUDIT, LISTED, Audit, Hubness, audit, write_audit
from index.files.manifest import read_manifest
from index.items import Modality
from index.local.gallery import Gallery
from index.threads import pin
from models import checkpoint

SHOWN: Final = 3
"""Items that are named of each kind."""
SUSPECT: Final = 0.01
"""A caption below this match probability with its own image is counted."""


def command(gallery: Path, model: Path | None, threads: int | None, as_json: bool) -> None:
    """Audit a gallery, and show what was found."""
    pin(threads)
    found = audit_gallery(gallery, model)
    if as_json:
        print_json(asdict(found))
    else:
        say_audit(found)
        say(f"All of it is in {gallery / AUDIT}, and a server that has the gallery shows it.")


def audit_gallery(gallery: Path, model: Path | None = None) -> Audit:
    """Audit with a progress bar, and keep what is found."""
    gallery = gallery.resolve()
    loaded = checkpoint.load(model or gallery / read_manifest(gallery).model)
    with Gallery.open(gallery, model=loaded.fingerprint) as opened, progress("auditing") as bar:
        found = audit(opened, match_heads(loaded), bar)
    write_audit(gallery, found)
    return found


def say_audit(found: Audit, tell: Tell = say) -> None:
    """What was found, in a few lines."""
    tell(_mismatches(found))
    for modality, hubness in found.hubs.items():
        tell(_hubs(modality, hubness))


def _mismatches(found: Audit) -> str:
    if not found.mismatched:
        return "No image has captions of its own, so that none can be wrong."
    suspect = sum(min(each.match_probability for each in image.captions) < SUSPECT for image in found.mismatched)
    more = " or more" if suspect == LISTED else ""
    first = ", ".join(image.id for image in found.mismatched[:SHOWN])
    return (
        f"{suspect:,}{more} of {found.images:,} images have a caption of their own that matches them with less than "
        f"{100 * SUSPECT:g} %: it is wrong, or the model misreads it. Look first at {first}."
    )


def _hubs(modality: Modality, hubness: Hubness) -> str:
    if not hubness.hubs:
        return f"{modality}: nothing asks, or nothing answers, so that there are no hubs."
    first = ", ".join(f"{hub.id} ({hub.occurrences:,})" for hub in hubness.hubs[:SHOWN])
    return (
        f"{modality}: {hubness.queries:,} queries had {hubness.answers} first answers each, among which chance would "
        f"have each {modality} {hubness.expected:.1f} times. Most often they have {first}. Skewness "
        f"{_figure(hubness.skewness)}, by chance {_figure(hubness.skewness_by_chance)}."
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
