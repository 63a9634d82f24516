"""How well an image's own captions match it: where one hardly does, the caption or its place is likely wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from index.items import Modality
from index.local.gallery import Gallery
from index.ranking import Floats, Rows
from models.match import MatchHead, closed_form

PAIRS: Final = 64
"""Captions that are compared at once, each with all images of these captions."""


@dataclass(frozen=True, eq=False)
class OwnPairs:
    """The captions that belong to an image of the gallery, those of an image together.

    Args:
        captions: their rows [n].
        images: the row of the image of each [n], rising.
        probabilities: that each matches its image [n].
    """

    captions: Rows
    images: Rows
    probabilities: Floats


@torch.inference_mode()
def own_pairs(gallery: Gallery, head: MatchHead, progress: Callable[[int, int], None] = lambda *_: None) -> OwnPairs:
    """Match every caption with its own image, in closed form, the caption asking.

    Args:
        gallery: whose captions and images these are.
        head: of the direction text → image.
        progress: told how many captions are done, of how many.
    """
    captions = gallery.rows(Modality.TEXT)
    images = gallery.image_rows[captions]
    captions, images = captions[images >= 0], images[images >= 0]
    order = np.lexsort((captions, images))
    captions, images = captions[order], images[order]
    found = np.empty(len(captions), np.float32)
    for start in range(0, len(captions), PAIRS):
        block = slice(start, start + PAIRS)
        own, place = np.unique(images[block], return_inverse=True)
        asking = gallery.gaussians(Modality.TEXT, captions[block])
        table = closed_form(asking, gallery.gaussians(Modality.IMAGE, own), head)
        found[block] = table[torch.arange(len(asking)), torch.from_numpy(place)]
        progress(min(start + PAIRS, len(captions)), len(captions))
    return OwnPairs(captions, images, found)
