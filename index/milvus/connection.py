"""A collection of a Milvus server, over gRPC. The one module that imports pymilvus.

Every call ends in a time. One that finds nobody is made again while there is time for it, which is safe: reading
changes nothing, and what is written has a key, so that written twice it is there once. Whatever else goes wrong is an
`UnavailableError` too, so that no search answers with what a part of the server said.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from time import monotonic, sleep
from types import ModuleType
from typing import Any, Final

from index.items import Modality
from index.milvus.address import StoreAddress
from index.milvus.facts import MOST as MOST_FACTS
from index.milvus.record import LONGEST, MOST_PIECES, PIECE, Fields
from index.ranking import Floats
from models.errors import ConfigError, UnavailableError

SECONDS: Final = 5.0
"""That a call may take which reads, with all its tries."""
WRITING_SECONDS: Final = 30.0
"""The same of one that writes: nobody searches meanwhile, and Milvus may hold it back while it is busy."""
PAUSES: Final = (0.05, 0.2, 0.5)
"""Seconds before each further try."""
MOST: Final = 16_384
"""Entities that Milvus gives at once."""
CONSISTENCY: Final = "Strong"
"""A search sees every change that was acknowledged before it began, by whichever server. See docs/distributed-store.md
for what that costs, and why less was not taken."""

_READING: Final = frozenset({"has_collection", "query", "search"})
_ABOUT: Final = "about"
"""The partition of one entity that says what the others are; its key too."""
_NOT_LOADED: Final = 101
_NOBODY: Final = 2
"""Of pymilvus's errors, that it could not connect."""
_PARAMETER: Final = 1100
"""Of Milvus's errors, that a request makes no sense, whichever server is asked."""
FLAT: Final = "flat"
_INDEXES: Final = {
    FLAT: {"index_type": "FLAT", "params": {}},
    # As `index.shortlists.kinds.GraphShortlist` builds it.
    "hnsw": {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 100}},
}
KINDS: Final = tuple(_INDEXES)
"""The kinds of shortlist that a collection may have."""


class Collection:
    """One collection, from any thread; opens nothing until it is used.

    Args:
        address: where it is.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._connecting = threading.Lock()

    def exists(self) -> bool:
        """Whether the server has it."""
        return bool(self._call("has_collection"))

    def create(self, dim: int, kind: str) -> None:
        """Make it, with nothing in it, for points of `dim` coordinates and a shortlist of a kind."""
        self._call("create_collection", schema=_schema(dim), consistency_level=CONSISTENCY)
        self._call("create_index", index_params=_index("point", metric_type="L2", **_INDEXES[kind]))
        if not self._is_lite:
            self._call("create_index", index_params=_index("facts", index_type="INVERTED"))
        for name in (_ABOUT, *Modality):
            self._call("create_partition", partition_name=str(name))
        self._call("load_collection")

    def drop(self) -> None:
        """Remove it with all that is in it."""
        self._call("drop_collection")

    def put(self, modality: Modality, entities: Sequence[Fields]) -> None:
        """Write entities, each in the place of the one with its key; they are stored when this returns."""
        if entities:
            self._call("upsert", data=list(entities), partition_name=modality.value)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove the entities with these keys, those that there are."""
        if keys:
            self._call("delete", ids=list(keys))

    def declare(self, content: str, blank: Fields) -> None:
        """Say what it holds, in a further entity, `blank` but for that."""
        self._call("upsert", data=[{**blank, "key": _ABOUT, "id": content}], partition_name=_ABOUT)

    def content(self) -> str | None:
        """What `declare` was told; None where it was not. It asks what searches ask, so that it tells of them too."""
        found = self._call("query", filter=f'key in ["{_ABOUT}"]', partition_names=[_ABOUT], output_fields=["id"])
        return str(found[0]["id"]) if found else None

    def search(
        self, modality: Modality, point: Floats, n: int, effort: int, expression: str, fields: Sequence[str]
    ) -> list[Fields]:
        """The entities whose points are nearest to one; a graph may find fewer than there are.

        Args:
            modality: that they are of.
            point: [dim].
            n: how many, one at least and `MOST` at most.
            effort: nodes of a graph that are kept in sight, n at least; without meaning for the flat kind.
            expression: true of those that may be found; "" for all.
            fields: that are wanted.
        """
        found = self._call(
            "search",
            data=[point],
            anns_field="point",
            limit=n,
            filter=expression,
            partition_names=[modality.value],
            output_fields=list(fields),
            search_params={"metric_type": "L2", "params": {"ef": max(effort, n)}},
            consistency_level=CONSISTENCY,
        )
        return [hit["entity"] for hit in found[0]]

    def query(
        self, expression: str, fields: Sequence[str], modality: Modality | None = None, limit: int = MOST
    ) -> list[Fields]:
        """The entities of which an expression is true, in no certain order; of both modalities for None."""
        partitions = [str(each) for each in ((modality,) if modality else Modality)]
        found = self._call(
            "query",
            filter=expression,
            partition_names=partitions,
            output_fields=list(fields),
            limit=limit,
            consistency_level=CONSISTENCY,
        )
        return list(found)

    def count(self, modality: Modality) -> int:
        """How many entities there are of a modality."""
        fields = ["count(*)"]
        found = self._call("query", filter="row >= 0", partition_names=[modality.value], output_fields=fields)
        return int(found[0]["count(*)"])

    def close(self) -> None:
        """End the connection."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> Any:
        # Of its own, so that closing it ends no other gallery's.
        token = os.environ.get("MILVUS_TOKEN", "")
        return _pymilvus().MilvusClient(uri=self.address.uri, token=token, timeout=SECONDS, dedicated=True)

    @property
    def _is_lite(self) -> bool:
        """Whether it is Milvus Lite, which has no index over arrays and looks at each of them instead."""
        return "lite" in str(self._client.get_server_version())

    def _call(self, method: str, **arguments: Any) -> Any:
        """One call, made again while nobody is there and there is time."""
        ends = monotonic() + (SECONDS if method in _READING else WRITING_SECONDS)
        for pause in (*PAUSES, None):
            try:
                return self._once(method, ends, **arguments)
            except _failures() as error:
                if _is_mistake(error):
                    raise
                if pause is None or not _is_absence(error) or monotonic() + pause >= ends:
                    raise self._unavailable(error) from error
            sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, ends: float, **arguments: Any) -> Any:
        with self._connecting:
            client = self._client

        def call(name: str, **given: Any) -> Any:
            return getattr(client, name)(self.address.collection, timeout=max(0.1, ends - monotonic()), **given)

        try:
            return call(method, **arguments)
        except _failures() as error:
            if getattr(error, "code", None) != _NOT_LOADED:
                raise
            # Milvus Lite forgets with every start what was loaded; Milvus itself does not.
            call("load_collection")
            return call(method, **arguments)

    def _unavailable(self, error: Exception) -> UnavailableError:
        return UnavailableError(
            f"The store {self.address} cannot answer now ({_reason(error)}); nothing is lost, try again later."
        )


def _pymilvus() -> ModuleType:
    """The package; raises `ConfigError` where it is not installed."""
    try:
        import pymilvus
    except ImportError as error:
        raise ConfigError(
            "A gallery in Milvus needs pymilvus, which is not installed: install penumbra[milvus]"
        ) from error
    # It writes every failed try to stderr with its traceback; what comes of all tries is told by who asked.
    logging.getLogger(pymilvus.__name__).setLevel(logging.CRITICAL)
    return pymilvus  # type: ignore[no-any-return]


def _failures() -> tuple[type[Exception], ...]:
    """What a call may raise where a server is not as it should be."""
    import grpc

    return (_pymilvus().MilvusException, grpc.RpcError, grpc.FutureTimeoutError)


def _code(error: Exception) -> Any:
    code = getattr(error, "code", None)
    return code() if callable(code) else code


def _is_mistake(error: Exception) -> bool:
    """Whether the request itself is wrong, so that to ask later would not help."""
    return bool(_code(error) == _PARAMETER)


def _is_absence(error: Exception) -> bool:
    """Whether nobody was there to take the request, as while a server starts again: then it was not made."""
    code = _code(error)
    return code == _NOBODY or "UNAVAILABLE" in str(code)


def _reason(error: Exception) -> str:
    """The first line of what went wrong, cut where it is long."""
    text = str(getattr(error, "message", "") or error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__


def _index(field: str, **parameters: Any) -> Any:
    found = _pymilvus().MilvusClient.prepare_index_params()
    found.add_index(field, **parameters)
    return found


def _schema(dim: int) -> Any:
    package = _pymilvus()
    kinds = package.DataType
    schema = package.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", kinds.VARCHAR, is_primary=True, max_length=32)
    schema.add_field("row", kinds.INT64)
    for name in ("id", "meta", "log_variance"):
        schema.add_field(name, kinds.VARCHAR, max_length=LONGEST)
    for name in ("text", "image_id", "label", "described"):
        schema.add_field(name, kinds.VARCHAR, max_length=LONGEST, nullable=True)
    schema.add_field("facts", kinds.ARRAY, element_type=kinds.VARCHAR, max_capacity=MOST_FACTS, max_length=32)
    schema.add_field("spans", kinds.JSON)
    schema.add_field("sigma", kinds.FLOAT)
    schema.add_field("point", kinds.FLOAT_VECTOR, dim=dim)
    # Left on the disk: it is read for one item at a time.
    schema.add_field(
        "picture",
        kinds.ARRAY,
        element_type=kinds.VARCHAR,
        max_capacity=MOST_PIECES,
        max_length=PIECE,
        mmap_enabled=True,
    )
    return schema
