"""Shortlists in Milvus, held to what every kind of shortlist has to do, over gRPC to a server process.

Left out is what is about files of faiss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import test_shortlist_contract as contract
import torch
from milvus_server import MilvusServer

from index.allowed import Allowed
from index.gaussians.points import Points
from index.items import Item, Modality
from index.milvus.address import StoreAddress
from index.milvus.connection import KINDS, Collection
from index.milvus.nearest import nearest
from index.milvus.record import Record, entity
from index.ranking import Floats, Ranking
from index.shortlists.contract import Effort
from index.shortlists.kinds import GraphShortlist, nearest_of
from models.gaussian import Gaussian

NAMES = {kind: f"milvus {kind}" for kind in KINDS}
TOGETHER = 2_000


class InMilvus:
    """A shortlist of points in a collection of their own, searched as `index.milvus.gallery` searches."""

    refines = (1,)

    def __init__(self, collection: Collection, count: int, exact: bool) -> None:
        self._collection = collection
        self._count = count
        self.exact = exact
        self.reaches = (1,) if exact else GraphShortlist.reaches

    def __len__(self) -> int:
        return self._count

    def search(self, point: Floats, n: int, effort: Effort, allowed: Allowed | None = None) -> Ranking:
        """The nearest rows: see `index.shortlists.contract.Shortlist`."""
        expression = "" if allowed is None else f"row in {allowed.rows.tolist()}"
        fields = ("row", "point")
        found = nearest(self._collection, Modality.IMAGE, point, n, effort, expression, fields, self.exact)
        points = np.array([each["point"] for each in found], np.float32).reshape(-1, len(point))
        return nearest_of(points, np.array([each["row"] for each in found], np.int64), point, n)


@pytest.fixture(scope="module", autouse=True)
def kinds(milvus: MilvusServer) -> Iterator[None]:
    """Adds the kinds of a store to those that the contract builds."""
    made: list[Collection] = []

    def build(kind: str, points: Points) -> InMilvus:
        collection = Collection(StoreAddress.parse(milvus.address(f"contract_{kind}_{len(made)}")))
        made.append(collection)
        collection.create(points.dim, kind)
        for start in range(0, len(points), TOGETHER):
            rows = np.arange(start, min(start + TOGETHER, len(points)))
            collection.put(Modality.IMAGE, [_entity(int(row), points) for row in rows])
        # Milvus indexes what it has sealed, when it loads it; until then it compares everything.
        for step in ("flush", "release_collection", "load_collection"):
            collection._call(step)
        return InMilvus(collection, len(points), kind == "flat")

    def builder(kind: str) -> Callable[[Points], Any]:
        return lambda points: build(kind, points)

    contract.BUILD.update({name: builder(kind) for kind, name in NAMES.items()})
    contract.RECALL.update({NAMES["flat"]: 1.0, NAMES["hnsw"]: contract.RECALL["hnsw"]})
    contract.EFFORT.update({NAMES["flat"]: Effort(), NAMES["hnsw"]: contract.EFFORT["hnsw"]})
    yield
    for collection in made:
        collection.drop()
        collection.close()


def _entity(row: int, points: Points) -> Any:
    point = torch.from_numpy(points.take(np.array([row]))[0])
    item = Item(str(row), Modality.IMAGE)
    return entity(Record(row, item, Gaussian(torch.zeros(1), torch.zeros(1))), point, b"", None, item)


EVERY: list[tuple[Callable[..., None], dict[str, Any]]] = [
    (contract.test_values_and_order_are_exact, {"lifted": True}),
    (contract.test_it_holds_what_it_states, {"lifted": True}),
    (contract.test_with_the_greatest_effort_nearly_all_is_found, {"lifted": True}),
    (contract.test_asked_for_all_it_is_exact, {"n": 10 * contract.COUNT}),
    (contract.test_an_item_finds_itself, {}),
    *((contract.test_only_those_allowed_answer, {"lifted": True, "few": few}) for few in (2, 100)),
    *((contract.test_those_allowed_may_all_be_far, {"count": count}) for count in (15, 2_300)),
]
# A graph of Milvus does not compare everything where it is asked for a good part of it.
EXACT = [
    *EVERY,
    (contract.test_asked_for_all_it_is_exact, {"n": contract.COUNT // 2}),
    (contract.test_equal_distances_come_by_row, {}),
]
CASES = [(NAMES["flat"], *each) for each in EXACT] + [(NAMES["hnsw"], *each) for each in EVERY]


@pytest.mark.parametrize(("kind", "stated", "given"), CASES, ids=[f"{k}-{s.__name__}-{g}" for k, s, g in CASES])
def test_it_is_a_shortlist(kind: str, stated: Callable[..., None], given: dict[str, Any]) -> None:
    """It has the property that a shortlist of every kind has, which the test that is named states."""
    stated(kind=kind, **given)
