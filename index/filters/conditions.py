"""What a search may ask of its answers' metadata, and which items meet it; `index.filters.form` reads it from JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from index.fields import ID, Value, described_values
from index.items import Item


class Comparison(StrEnum):
    """How a value may have to stand to a bound."""

    GTE = "gte"
    GT = "gt"
    LTE = "lte"
    LT = "lt"


_HOLDS: Final[Mapping[Comparison, Callable[[Any, Any], bool]]] = {
    Comparison.GTE: operator.ge,
    Comparison.GT: operator.gt,
    Comparison.LTE: operator.le,
    Comparison.LT: operator.lt,
}


@dataclass(frozen=True)
class OneOf:
    """A field has one of some values; equality is one of one."""

    field: str
    values: frozenset[Value]

    def holds(self, value: Value) -> bool:
        """Whether a value is among them: a number is no text, and true is not 1."""
        return value in self.values


@dataclass(frozen=True)
class Within:
    """A field lies within bounds, all of them numbers or all texts; texts are ordered by their code points."""

    field: str
    bounds: tuple[tuple[Comparison, Value], ...]

    @property
    def of_text(self) -> bool:
        """Whether it is over texts; else over numbers."""
        return isinstance(self.bounds[0][1], str)

    def holds(self, value: Value) -> bool:
        """Whether a value lies within them: a text never does where the bounds are numbers, nor the other way round."""
        if not isinstance(value, str if self.of_text else int | float):
            return False
        return all(_HOLDS[comparison](value, bound) for comparison, bound in self.bounds)


Condition = OneOf | Within


@dataclass(frozen=True)
class Filter:
    """Conditions that all have to hold; none let everything through.

    A condition holds where one of the values that its field has meets it: a list by any of its elements, a field that
    is missing never.
    """

    conditions: tuple[Condition, ...]

    def matches(self, item: Item, described: Item) -> bool:
        """Whether an item may answer.

        Args:
            item: the one.
            described: whose label and metadata count for it: a caption's image where that is in the gallery, else the
                item itself.
        """
        known = list(said(item, described))
        return all(any(name == each.field and each.holds(value) for name, value in known) for each in self.conditions)


def said(item: Item, described: Item) -> Iterator[tuple[str, Value]]:
    """All that filters may ask of an item, each value with the name of its field: see `Filter.matches`."""
    yield ID, item.id
    yield from described_values(described.image_id, described.label, described.meta)
