"""What a caption claims of a scene, apart from how it is worded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Mention:
    """One thing that a caption speaks of; None claims nothing.

    `kind` and `tone` stand for a whole set of shapes and of colours (`vocabulary.KINDS`, `TONES`).
    """

    shape: str | None = None
    kind: str | None = None
    colour: str | None = None
    tone: str | None = None
    size: str | None = None
    texture: str | None = None
    column: str | None = None
    row: str | None = None


@dataclass(frozen=True)
class Description:
    """The claims of one caption, and its wording.

    It is true of a scene if and only if its mentions can be given to different things of the scene so that
    every claim holds. Things not mentioned may be there as well, unless `count` says how many there are.

    Attributes:
        text: the caption. The same text never stands for different claims.
        relation: one of `vocabulary.RELATIONS`, in which the first mentioned thing stands to the second.
            Left, right, above and below compare columns and rows; behind and in front of need an overlap.
        fog: True claims fog, False claims that there is none.
        count: the exact number of things in the scene.
    """

    text: str
    mentions: tuple[Mention, ...] = ()
    relation: str | None = None
    setting: str | None = None
    fog: bool | None = None
    count: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The description as a value that JSON can hold; what is not claimed is left out."""
        claims = _claimed(asdict(self))
        return {**claims, "mentions": [_claimed(asdict(mention)) for mention in self.mentions]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Description:
        """The description that `to_json` gave `value` for."""
        return cls(**{**value, "mentions": tuple(Mention(**mention) for mention in value["mentions"])})


def _claimed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
