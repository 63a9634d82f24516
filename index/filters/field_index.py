"""The items of a finished gallery of which a condition holds, found by the values of their fields in SQLite."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from index.allowed import Mask
from index.fields import ID
from index.filters.conditions import Comparison, Condition, OneOf, Within
from index.giving_up import go_on, is_given_up
from index.items import Modality, open_immutable
from index.kept import kept
from index.ranking import Rows

_STEPS: Final = 100_000
"""Instructions of SQLite's machine, some milliseconds, between two looks at whether anybody waits."""
KEPT: Final = 16
"""Conditions whose answers are kept, a byte a row each."""

_COMPARED: Final[Mapping[Comparison, str]] = {
    Comparison.GTE: ">=",
    Comparison.GT: ">",
    Comparison.LTE: "<=",
    Comparison.LT: "<",
}
_BY_VALUE: Final = "SELECT row FROM field_values WHERE modality = ? AND field = ? AND "
_BY_ID: Final = "SELECT row FROM items WHERE modality = ? AND "
_IMAGES: Final = """
SELECT caption.row, image.row FROM items AS caption JOIN items AS image ON image.id = caption.image_id
WHERE caption.modality = 'text' AND image.modality = 'image'
"""
Clause = tuple[str, Sequence[Any]]
"""SQL and what is bound to its marks."""


class FieldIndex:
    """Finds the items of a finished gallery by what they say of themselves, from any thread.

    Its connection is its own, so that a search that looks up its answers does not wait for one that filters.

    Args:
        path: of the items.
        counts: the number of items of each modality.
    """

    def __init__(self, path: Path, counts: Mapping[Modality, int]) -> None:
        self._counts = counts
        self._lock = threading.Lock()
        self._connection = open_immutable(path)
        self._connection.set_progress_handler(is_given_up, _STEPS)
        self._close = weakref.finalize(self, self._connection.close)
        self.holding = kept(self._holding, KEPT)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _holding(self, modality: Modality, condition: Condition) -> Mask:
        """Whether a condition holds for each item of a modality, bool [n]; the last few are kept.

        A caption whose image is in the gallery says of itself its id alone.
        """
        if condition.field == ID:
            return self._found(modality, _BY_ID, (modality.value,), _of_ids(condition))
        return self._found(modality, _BY_VALUE, (modality.value, condition.field), _clause("value", condition))

    @cached_property
    def images(self) -> Rows:
        """The row of each caption's image, −1 where that is not in the gallery."""
        images = np.full(self._counts[Modality.TEXT], -1, np.int64)
        pairs = np.array(self._rows(_IMAGES, ()), np.int64).reshape(-1, 2)
        images[pairs[:, 0]] = pairs[:, 1]
        return images

    def _found(self, modality: Modality, query: str, given: Sequence[Any], clause: Clause) -> Mask:
        mask = np.zeros(self._counts[modality], bool)
        mask[[row for (row,) in self._rows(query + clause[0], (*given, *clause[1]))]] = True
        return mask

    def _rows(self, query: str, given: Sequence[Any]) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, given).fetchall()
            except sqlite3.OperationalError:
                # What the progress handler ends.
                go_on()
                raise


def _clause(column: str, condition: Condition) -> Clause:
    """A condition on a column.

    SQLite orders numbers before texts and texts before bytes, so that bounds of one type need another one.
    """
    if isinstance(condition, OneOf):
        return f"{column} IN ({', '.join('?' * len(condition.values))})", tuple(condition.values)
    bounds = [(_COMPARED[comparison], bound) for comparison, bound in condition.bounds]
    bounds += [(">=", ""), ("<", b"")] if condition.of_text else [("<", "")]
    return " AND ".join(f"{column} {sign} ?" for sign, _ in bounds), [bound for _, bound in bounds]


def _of_ids(condition: Condition) -> Clause:
    """A condition on ids, which are texts: SQLite would compare a number with one as if it were a text too."""
    if isinstance(condition, Within):
        return _clause("id", condition) if condition.of_text else ("FALSE", ())
    return _clause("id", OneOf(ID, frozenset(each for each in condition.values if isinstance(each, str))))
