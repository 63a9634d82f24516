"""A change of a gallery: what goes and what comes, checked against what is there; all of it or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from index.items import Item, Modality
from models.errors import ChangeError, UnknownIdError
from models.gaussian import Gaussian


@dataclass(frozen=True, eq=False)
class Addition:
    """An item that is to be in a gallery.

    Args:
        item: what it is.
        gaussian: Gaussian [dim] of the gallery's model.
        jpeg: of an image, its picture, the longer side at most the gallery's `thumbnail_side`; None for a caption.
    """

    item: Item
    gaussian: Gaussian
    jpeg: bytes | None = None


@dataclass(frozen=True, eq=False)
class Change:
    """What happens to a gallery in one step: first these ids go, then these items come."""

    removed: tuple[str, ...] = ()
    added: tuple[Addition, ...] = ()


class Contents(Protocol):
    """What a change is checked against."""

    @property
    def dim(self) -> int:
        """Dimensions of its Gaussians."""
        ...

    def find(self, identifier: str) -> tuple[Modality, int] | None:
        """The modality and row of an item, or None."""
        ...

    def captions(self, image: str) -> tuple[str, ...]:
        """The ids of an image's captions."""
        ...


def addition(there: Contents, additions: Sequence[Addition]) -> Change:
    """The change that adds items.

    Raises:
        ChangeError: an id is taken or comes twice, a caption is of an image that is not there, or an item is none.
    """
    added = _checked(there, additions)
    taken = next((each.item.id for each in added if there.find(each.item.id)), None)
    if taken is not None:
        raise ChangeError(f"The gallery already has an item {taken!r}: replace it, or add this one under another id.")
    _require_images(there, added)
    return Change((), added)


def replacement(there: Contents, additions: Sequence[Addition]) -> Change:
    """The change that puts items in the place of those with the same ids.

    An image keeps its captions, unless captions of it come with it: then these are all it has, whatever their ids.

    Raises:
        UnknownIdError: there is no item of an id, and it is no caption of an image that is replaced with it.
        ChangeError: as for `addition`, or an image would take a caption's place, or the other way round.
    """
    added = _checked(there, additions)
    images = {each.item.id for each in added if each.item.modality is Modality.IMAGE}
    renewed = {each.item.image_id for each in added if each.item.modality is Modality.TEXT} & images
    for each in added:
        found = there.find(each.item.id)
        new_caption = each.item.modality is Modality.TEXT and each.item.image_id in renewed
        if found is None and not new_caption:
            raise _unknown(each.item.id)
        if found is not None and found[0] is not each.item.modality:
            raise ChangeError(f"{each.item.id!r} is of modality {found[0]}, and cannot be replaced by another one.")
    _require_images(there, added)
    old = [each.item.id for each in added if there.find(each.item.id)]
    return Change(
        _distinct(old + [caption for image in sorted(images & renewed) for caption in there.captions(image)]), added
    )


def removal(there: Contents, identifiers: Sequence[str]) -> Change:
    """The change that removes items; an image takes its captions with it.

    Raises:
        UnknownIdError: there is no item of an id.
    """
    removed: list[str] = []
    for identifier in identifiers:
        found = there.find(identifier)
        if found is None:
            raise _unknown(identifier)
        removed += [identifier, *(there.captions(identifier) if found[0] is Modality.IMAGE else ())]
    return Change(_distinct(removed))


def _checked(there: Contents, additions: Sequence[Addition]) -> tuple[Addition, ...]:
    """Additions that are well formed, each for itself, with different ids."""
    twice = next((each for each, n in Counter(each.item.id for each in additions).items() if n > 1), None)
    if twice is not None:
        raise ChangeError(f"{twice!r} is named twice in one change: name it once.")
    return tuple(_well_formed(there.dim, each) for each in additions)


def _well_formed(dim: int, addition: Addition) -> Addition:
    """The same in float32 on the CPU; an image names itself as its image."""
    item, gaussian = addition.item, addition.gaussian.to("cpu", torch.float32)
    if not item.id:
        raise ChangeError("An item needs an id: name one.")
    if gaussian.mean.shape != (dim,):
        raise ChangeError(
            f"{item.id!r} is a Gaussian of shape {list(gaussian.mean.shape)} and the gallery's are of [{dim}]: encode "
            "it with the gallery's model."
        )
    if not (gaussian.mean.isfinite().all() and gaussian.log_variance.isfinite().all()):
        raise ChangeError(f"{item.id!r} has numbers that are not finite: encode it with a model that gives none.")
    if (item.modality is Modality.IMAGE) != bool(addition.jpeg):
        raise ChangeError(f"{item.id!r} is of modality {item.modality}: an image needs a JPEG, and a caption has none.")
    if (item.modality is Modality.TEXT) != bool(item.text):
        raise ChangeError(f"{item.id!r} is of modality {item.modality}: a caption needs a text, and an image has none.")
    own = item if item.modality is Modality.TEXT else replace(item, image_id=item.id)
    return Addition(own, gaussian, addition.jpeg)


def _require_images(there: Contents, added: Sequence[Addition]) -> None:
    """Captions are of images that are there, or that come with them."""
    coming = {each.item.id for each in added if each.item.modality is Modality.IMAGE}
    for each in added:
        image = each.item.image_id
        if each.item.modality is Modality.IMAGE or image is None or image in coming:
            continue
        found = there.find(image)
        if found is None or found[0] is not Modality.IMAGE:
            raise ChangeError(
                f"{each.item.id!r} is a caption of {image!r}, which is no image of the gallery: add that first."
            )


def _distinct(identifiers: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(identifiers))


def _unknown(identifier: str) -> UnknownIdError:
    return UnknownIdError(f"The gallery has no item {identifier!r}; take an id from a search or from /uncertainty.")
