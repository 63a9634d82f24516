"""A filter as it is written in JSON: {"label": "rose", "year": {"gte": 1990}, "colour": {"in": ["red", "blue"]}}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from index.fields import LONGEST, Value, value_of
from index.filters.conditions import Comparison, Condition, Filter, OneOf, Within
from models.errors import FilterError

MOST_FIELDS: Final = 32
MOST_VALUES: Final = 500
"""Of one set."""
LONGEST_NAME: Final = 200
EXAMPLE: Final[Mapping[str, Any]] = {
    "label": "rose",
    "year": {"gte": 1990, "lt": 2000},
    "colour": {"in": ["red", "blue"]},
}

_SHAPE: Final = f"write it like {json.dumps(EXAMPLE)}"
_IN: Final = "in"
_SHOWN: Final = 40


def read(text: str) -> Filter:
    """A filter from JSON text; raises `FilterError`."""
    try:
        return parse(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise FilterError(f"The filter is not JSON ({error}); {_SHAPE}.") from error


def parse(given: Any) -> Filter:
    """A filter from what JSON holds; raises `FilterError`."""
    if not isinstance(given, dict):
        raise FilterError(f"The filter is no object of fields; {_SHAPE}.")
    if len(given) > MOST_FIELDS:
        raise FilterError(f"The filter has {len(given)} fields; ask for {MOST_FIELDS} at most.")
    return Filter(tuple(_condition(_name(field), wanted) for field, wanted in given.items()))


def _condition(field: str, wanted: Any) -> Condition:
    if not isinstance(wanted, dict):
        return OneOf(field, frozenset([_value(field, wanted)]))
    if wanted.keys() == {_IN}:
        return OneOf(field, _set(field, wanted[_IN]))
    unknown = [name for name in wanted if name not in tuple(Comparison)]
    if unknown or not wanted:
        named = f"knows no {_shown(unknown[0])}" if unknown else "says nothing"
        raise FilterError(
            f"The filter of {_shown(field)} {named}; give a value, a set ({_IN}), or bounds ({', '.join(Comparison)}); "
            "a nested field is named outer.inner."
        )
    return _within(field, {Comparison(name): _value(field, bound) for name, bound in wanted.items()})


def _within(field: str, bounds: Mapping[Comparison, Value]) -> Within:
    if {Comparison.GTE, Comparison.GT} <= bounds.keys() or {Comparison.LTE, Comparison.LT} <= bounds.keys():
        raise FilterError(f"The filter of {_shown(field)} has two bounds on one side; give one of them.")
    if len({_class(bound) for bound in bounds.values()}) > 1 or any(
        isinstance(each, bytes) for each in bounds.values()
    ):
        raise FilterError(f"The bounds of {_shown(field)} are not all numbers, nor all texts; give bounds of one type.")
    return Within(field, tuple(bounds.items()))


def _set(field: str, given: Any) -> frozenset[Value]:
    if not isinstance(given, list):
        raise FilterError(f"The set of {_shown(field)} is no list; write it like {{{json.dumps(_IN)}: [1, 2]}}.")
    if len(given) > MOST_VALUES:
        raise FilterError(f"The set of {_shown(field)} has {len(given)} values; ask for {MOST_VALUES} at most.")
    return frozenset(_value(field, each) for each in given)


def _value(field: str, given: Any) -> Value:
    value = value_of(given)
    if value is None:
        raise FilterError(
            f"The filter of {_shown(field)} compares with {_shown(given)}; give a finite number, a text of at most "
            f"{LONGEST:,} characters, true or false."
        )
    return _encodable(value) if isinstance(value, str) else value


def _name(field: str) -> str:
    if len(field) > LONGEST_NAME:
        raise FilterError(f"A field's name has {len(field)} characters; the longest has {LONGEST_NAME}.")
    return _encodable(field)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError(f"The filter's {_shown(text)} is no text in Unicode; send whole characters.") from error
    return text


def _class(value: Value) -> type:
    return str if isinstance(value, str) else float


def _shown(given: Any) -> str:
    """As it was written, cut where it is long."""
    if isinstance(given, dict | list):
        return "an object" if isinstance(given, dict) else "a list"
    text = json.dumps(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
