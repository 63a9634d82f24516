"""What a gallery holds, as something that can be compared: each item's id with a hash of all that belongs to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from faults.held import Held, present_rows
from index.changes.change import Addition
from index.items import Modality
from index.local.gallery import Gallery

State = Mapping[str, str]


def read_state(directory: Path) -> State:
    """What a gallery on disk holds, as one who opens it to search sees it."""
    with Gallery.open(directory) as gallery:
        held: dict[str, str] = {}
        for modality in Modality:
            rows = present_rows(gallery, modality)
            items, gaussians = gallery.items(modality, rows), gallery.gaussians(modality, rows)
            for place, item in enumerate(items):
                held[item.id] = _digest(Addition(item, gaussians[place], gallery.picture(item.id)))
        return held


def expected_state(held: Held) -> State:
    """What a gallery is to hold."""
    return {each.item.id: _digest(each) for each in held.held}


def _digest(held: Addition) -> str:
    """The hash of an item with its Gaussian [dim] and its picture."""
    content = hashlib.sha256(json.dumps(asdict(held.item), sort_keys=True).encode())
    for array in (held.gaussian.mean, held.gaussian.log_variance):
        content.update(array.numpy().tobytes())
    content.update(held.jpeg or b"")
    return content.hexdigest()
