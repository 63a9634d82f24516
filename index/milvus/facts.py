"""What filters find an item by in Milvus, and a filter as an expression over it.

An item's fields may be nested, repeated and of any type, and their names and texts may hold anything. None of it is
written into an expression: each value becomes a *fact*, a digest of field, type and value, and for bounds each field
has the *span* of its numbers and of its texts, under a digest of its name. So no text needs quoting, all types compare
as `index.filters.conditions` says, and one index over the facts serves all fields.

Equality is exact. A span holds bounds that no single one of several values may hold; what comes through it is checked
again (`is_exact`).
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from index.fields import Value
from index.filters.conditions import Comparison, Condition, Filter, OneOf, Within, said
from index.items import Item

_DIGEST_BYTES: Final = 16
"""Of a digest: two values of a gallery of 10 billion items share one with a probability of 10⁻¹⁸."""
MOST: Final = 4_096
"""Values of one item, the most that a Milvus array holds."""

# A span has its least value under one key and its greatest under another.
_LEAST, _GREATEST = "l", "g"


@dataclass(frozen=True)
class Facts:
    """What one item is found by.

    Args:
        values: a digest of each value of each field, its id among them.
        spans: the least and the greatest number, and text, of each field.
    """

    values: tuple[str, ...]
    spans: Mapping[str, float | str]

    @classmethod
    def of(cls, item: Item, described: Item) -> Self:
        """Of an item, as `Filter.matches` takes it."""
        found = set(said(item, described))
        spans: dict[str, float | str] = {}
        for field, value in found:
            _widen(spans, field, value)
        return cls(tuple(sorted({fact(field, value) for field, value in found})), spans)


def digest(text: str) -> str:
    """A text of 22 letters, digits, - and _ that stands for another one."""
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_DIGEST_BYTES]
    return urlsafe_b64encode(found).decode().rstrip("=")


def fact(field: str, value: Value) -> str:
    """What stands for a field having a value; whole numbers are the same as floats, and true is not 1."""
    match value:
        case str():
            text = f"text {value}"
        case bytes():
            text = f"truth {value!r}"
        case _:
            text = f"number {int(value) if value == int(value) else value!r}"
    # Its length tells where the name ends.
    return digest(f"{len(field)} {field} {text}")


def expression(wanted: Filter) -> str:
    """A filter in Milvus's language: true of every item that it lets through, and of few others; "" for all."""
    return " and ".join(f"({_condition(each)})" for each in wanted.conditions)


def is_exact(wanted: Filter) -> bool:
    """Whether `expression` is true of no other item."""
    return all(isinstance(each, OneOf) for each in wanted.conditions)


def any_of(field: str, values: Iterable[Value]) -> str:
    """The expression that is true of items whose field has one of some values."""
    facts = ", ".join(f'"{fact(field, value)}"' for value in values)
    return f"array_contains_any(facts, [{facts}])" if facts else _NEVER


_NEVER: Final = "row < 0"


def _condition(condition: Condition) -> str:
    if isinstance(condition, OneOf):
        return any_of(condition.field, sorted(condition.values, key=repr))
    return " and ".join(_bound(condition, comparison, bound) for comparison, bound in condition.bounds)


def _bound(condition: Within, comparison: Comparison, bound: Value) -> str:
    """One of the span's ends, which is rounded as the bound is: strictness is for the second look."""
    above = comparison in (Comparison.GTE, Comparison.GT)
    key = _key(_GREATEST if above else _LEAST, condition.field, bound)
    return f'spans["{key}"] {">=" if above else "<="} {_literal(bound)}'


def _literal(bound: Value) -> str:
    place = _place(bound)
    return f'"{place}"' if isinstance(place, str) else repr(place)


def _widen(spans: dict[str, float | str], field: str, value: Value) -> None:
    if isinstance(value, bytes):
        return
    place = _place(value)
    for end, farther in ((_LEAST, min), (_GREATEST, max)):
        key = _key(end, field, value)
        spans[key] = farther(spans.get(key, place), place)


def _place(value: Value) -> float | str:
    """What orders a value: a double of a number, rounded as all are; of a text its bytes, which code points follow."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").hex()
    return float(value)


def _key(end: str, field: str, value: Value) -> str:
    return f"{end}{'t' if isinstance(value, str) else 'n'}{digest(field)}"
