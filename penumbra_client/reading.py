"""JSON -> a frozen dataclass, as tolerant as a client of a newer server has to be.

Fields that the class does not have are left out, a field with a default may be missing, and a word that is not among
those of a `Literal` is taken as it is. Anything else that does not fit is a `BadAnswerError` that names the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from penumbra_client.errors import BadAnswerError

T = TypeVar("T")


def read(kind: type[T], value: Any, place: str = "the answer") -> T:
    """A value of this type.

    Raises:
        BadAnswerError: it is none.
    """
    return cast(T, _read(kind, value, place))


def _read(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        [inner] = [each for each in arguments if each is not NoneType]
        return None if value is None else _read(inner, value, place)
    if origin is Literal:
        return _read(str, value, place)
    if origin is tuple:
        return tuple(_read(arguments[0], each, place) for each in _expected(list, value, place))
    if origin is Mapping:
        return {key: _read(arguments[1], each, f"{place}.{key}") for key, each in _expected(dict, value, place).items()}
    if is_dataclass(kind):
        return _read_fields(cast(type, kind), _expected(dict, value, place), place)
    return _expected(kind, value, place)


def _read_fields(kind: type, value: Mapping[str, Any], place: str) -> Any:
    given = {}
    for name, inner, optional in _fields_of(kind):
        if name in value:
            given[name] = _read(inner, value[name], f"{place}.{name}")
        elif not optional:
            raise BadAnswerError(
                f"The server's answer lacks {place}.{name}: is it Penumbra, and no older than this client?"
            )
    return kind(**given)


@cache
def _fields_of(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it may be missing, for each field."""
    hints = get_type_hints(kind)
    return tuple(
        (each.name, hints[each.name], each.default is not MISSING or each.default_factory is not MISSING)
        for each in fields(kind)
    )


def _expected(kind: Any, value: Any, place: str) -> Any:
    # JSON writes 1.0 and 1 alike, and True is an int for Python alone.
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadAnswerError(f"In the server's answer {place} is {value!r:.80}, which this client cannot read.")
    return value
