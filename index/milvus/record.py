"""An item as a collection of Milvus has it: one entity, so that nobody ever sees half of one."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from index.gaussians.storage import Coding, Storage
from index.items import Item, Modality
from index.milvus.facts import MOST, Facts, digest
from models.errors import UnsupportedError
from models.gaussian import Gaussian
from models.lifts import Lift, lifted

PIECE: Final = 60_000
"""Characters of a picture in one text; Milvus's texts have 65,535 bytes at most."""
MOST_PIECES: Final = 64

LONGEST: Final = 65_535
"""Bytes of one text."""

ITEM: Final = ("row", "id", "text", "image_id", "label", "meta")
GAUSSIAN: Final = ("point", "log_variance")
DESCRIBED: Final = ("described",)
PICTURE: Final = ("picture",)

Fields = Mapping[str, Any]
"""One entity, as Milvus's client gives and takes it."""


@dataclass(frozen=True, eq=False)
class Record:
    """An item with its Gaussian.

    Args:
        row: a number that orders items as they came.
        item: what it is.
        gaussian: Gaussian [dim], as it is stored.
    """

    row: int
    item: Item
    gaussian: Gaussian


@dataclass(frozen=True, eq=False)
class Code:
    """How the Gaussians of a modality are written.

    Args:
        dim: of the means; a point has one more coordinate, its height.
        storage: of the log-variances of what was built.
        coding: of the same; None for float32.
    """

    dim: int
    storage: Storage
    coding: Coding | None

    def log_variances(self, found: Sequence[str]) -> torch.Tensor:
        """Float32 [n, dim] of texts: the codes of what was built, and float32 of what came later, as it came."""
        decoded = torch.empty(len(found), self.dim)
        for place, text in enumerate(found):
            decoded[place] = self._log_variance(b64decode(text))
        return decoded

    def _log_variance(self, raw: bytes) -> torch.Tensor:
        if self.coding is None or len(raw) == 4 * self.dim:
            return torch.from_numpy(np.frombuffer(raw, "<f4").copy())
        codes = np.frombuffer(raw, self.storage.log_variance_type)
        return self.coding.decode_(torch.from_numpy(codes.astype(np.float32))[None])[0]

    def records(self, modality: Modality, entities: Sequence[Fields]) -> list[Record]:
        """What entities with all fields of `ITEM` and `GAUSSIAN` stand for, in their order."""
        if not entities:
            return []
        points = torch.from_numpy(np.array([each["point"] for each in entities], np.float32))
        log_variances = self.log_variances([each["log_variance"] for each in entities])
        # The last coordinate is the height, which only the order of the shortlist is of.
        means = points[:, : self.dim].contiguous()
        return [
            Record(int(each["row"]), item_of(modality, each), Gaussian(means[place], log_variances[place]))
            for place, each in enumerate(entities)
        ]


def modality_of(fields: Fields) -> Modality:
    """What an entity is: an image has no text."""
    return Modality.IMAGE if fields["text"] is None else Modality.TEXT


def item_of(modality: Modality, fields: Fields) -> Item:
    """The item of an entity."""
    return Item(fields["id"], modality, fields["text"], fields["image_id"], fields["label"], json.loads(fields["meta"]))


def described_of(item: Item, fields: Fields) -> Item:
    """Whose label and metadata count for an item when it is filtered: see `Filter.matches`."""
    if fields["described"] is None:
        return item
    said = json.loads(fields["described"])
    return replace(item, id=said["id"], image_id=said["image_id"], label=said["label"], meta=said["meta"])


def entity(record: Record, point: torch.Tensor, raw_log_variance: bytes, jpeg: bytes | None, described: Item) -> Fields:
    """An item with all its fields.

    Args:
        record: the item.
        point: [dim + 1], its mean and height.
        raw_log_variance: float32 or codes, little-endian.
        jpeg: of an image.
        described: whose label and metadata count for it.
    """
    item, facts = record.item, Facts.of(record.item, described)
    fields = {
        "key": digest(item.id),
        "row": record.row,
        "id": item.id,
        "text": item.text,
        "image_id": item.image_id,
        "label": item.label,
        "meta": _json(item.meta),
        "described": None if described is item else _json(_said(described)),
        "facts": list(facts.values),
        "spans": dict(facts.spans),
        "sigma": float(record.gaussian.sigma),
        "point": point.numpy(),
        "log_variance": b64encode(raw_log_variance).decode(),
        "picture": _pieces(jpeg or b""),
    }
    _require_room(fields)
    return fields


def points(gaussians: Gaussian, lift: Lift | None) -> torch.Tensor:
    """[n, dim + 1]: items [n, dim] as the shortlist has them, in the order that an embedded one gives them too.

    Heights are over a floor that lies below the least penalty of what was built, by as much as that and by what one of
    a logit is worth, so that an item which comes later may have less; it adds the same to all squared distances. One
    that would lie below the floor lies on it, and comes a little later than it should.
    """
    height = torch.zeros(len(gaussians))
    if lift is not None:
        floor = lift.least - abs(lift.least) - lift.exchange
        height = (lift.penalties(gaussians) - floor).clamp(min=0).sqrt()
    return lifted(gaussians.mean, height)


def picture_of(fields: Fields) -> bytes:
    """The JPEG of an entity."""
    return b64decode("".join(fields["picture"]))


def _require_room(fields: Fields) -> None:
    """Refuse an item of which Milvus would take only a part."""
    long = next((name for name, each in fields.items() if isinstance(each, str) and len(each.encode()) > LONGEST), None)
    if long is None and len(fields["facts"]) > MOST:
        long = "meta"
    if long is None and len(fields["picture"]) > MOST_PIECES:
        long = "picture"
    if long is not None:
        raise UnsupportedError(f"The {long} of the item {fields['id']!r} is more than Milvus holds; shorten it.")


def _pieces(jpeg: bytes) -> list[str]:
    text = b64encode(jpeg).decode()
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _said(described: Item) -> dict[str, Any]:
    return {
        "id": described.id,
        "image_id": described.image_id,
        "label": described.label,
        "meta": dict(described.meta),
    }


def _json(values: Mapping[str, Any]) -> str:
    # As text, so that it comes back as it went: Milvus's JSON has no integers beyond 64 bits and reorders keys.
    return json.dumps(dict(values), ensure_ascii=True, separators=(",", ":"))
