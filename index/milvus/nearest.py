"""The entities nearest to a point, as many as were asked for or as may answer: what a shortlist has to give.

A graph that is searched among few of its points may end before it has found them. Where it gives too few, what may
answer is read and compared here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from index.items import Modality
from index.milvus.connection import MOST, Collection
from index.milvus.record import Fields
from index.ranking import Floats
from index.shortlists.contract import Effort
from index.shortlists.kinds import nearest_of
from models.errors import UnsupportedError


def nearest(
    collection: Collection,
    modality: Modality,
    point: Floats,
    n: int,
    effort: Effort,
    expression: str,
    fields: Sequence[str],
    exact: bool,
) -> list[Fields]:
    """The n entities nearest to a point, by squared distance, ties by row; or as many as may answer, or `MOST`.

    Args:
        collection: where they are.
        modality: that they are of.
        point: [dim].
        n: how many.
        effort: whose reach is the nodes of a graph that are kept in sight.
        expression: true of those that may answer; "" for all.
        fields: that are wanted, point and row among them.
        exact: whether the index compares everything.

    Raises:
        UnsupportedError: the graph found too few, and more may answer than can be read at once.
    """
    n = min(n, MOST)
    found = collection.search(modality, point, n, effort.reach, expression, fields) if n else []
    if len(found) < n and not exact:
        matching = collection.query(expression or "row >= 0", fields, modality)
        if len(matching) >= MOST:
            raise UnsupportedError(
                f"{collection.address} finds only {len(found):,} of the {n:,} items that were asked for, and {MOST:,} "
                "and more may answer; ask for fewer, or with another filter."
            )
        found = matching
    return in_order(found, point, n)


def in_order(entities: Sequence[Fields], point: Floats, n: int) -> list[Fields]:
    """The n of some entities that are nearest to a point, exactly computed: by distance, ties by row."""
    rows = np.array([each["row"] for each in entities], np.int64)
    points = np.array([each["point"] for each in entities], np.float32).reshape(-1, len(point))
    by_row = {int(each["row"]): each for each in entities}
    return [by_row[row] for row in nearest_of(points, rows, point, n).rows.tolist()]
