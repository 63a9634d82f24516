"""What metadata says, as filters read it: values under the names of their fields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

Value = int | float | str | bytes
"""A number, a text, or true or false as a byte: so true is not 1, and SQLite compares all of them as Python does."""

LONGEST: Final = 1_000
"""Characters of a text that is a value; longer ones are descriptions, and no filter finds them."""

ID, IMAGE_ID, LABEL = "id", "image_id", "label"
OWN: Final = (ID, IMAGE_ID, LABEL)
"""Names of what items have themselves; metadata of these names cannot be asked for."""

_INT64: Final = range(-(2**63), 2**63)


def value_of(given: Any) -> Value | None:
    """A scalar of JSON as a value; None for what is none: null, NaN, infinities, longer texts, objects, lists."""
    match given:
        case bool():
            return b"\1" if given else b"\0"
        case str():
            return given if len(given) <= LONGEST else None
        case int() if given in _INT64:
            return given
        case int() | float():
            return _finite(given)
        case _:
            return None


def values(meta: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """All values of metadata, each with the name of its field, in no certain order.

    The fields of an object within are named `outer.inner`; a list's elements are values of the list's field.
    """
    left: list[tuple[str, Any]] = list(meta.items())
    while left:
        name, given = left.pop()
        if isinstance(given, Mapping):
            left += [(f"{name}.{inner}", each) for inner, each in given.items()]
        elif isinstance(given, list | tuple):
            left += [(name, each) for each in given]
        elif (value := value_of(given)) is not None:
            yield name, value


def described_values(image_id: str | None, label: str | None, meta: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """What an item says for itself, and an image for its captions too."""
    for name, given in ((IMAGE_ID, image_id), (LABEL, label)):
        if (value := value_of(given)) is not None:
            yield name, value
    yield from (each for each in values(meta) if each[0] not in OWN)


def _finite(number: float) -> float | None:
    try:
        found = float(number)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
