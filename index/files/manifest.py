"""A gallery's manifest: what is in it, which model made it, how it was built and what was found at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from index.files.findings import SelfRetrieval, Variances
from index.gaussians.storage import Storage
from index.gaussians.storage_error import StorageFinding
from index.items import REMEDY, Modality
from index.shortlists.choice import Wanted
from index.shortlists.tuning import ShortlistRecord
from models.artifact import read_json, sha256, write_json
from models.errors import ArtifactError

SCHEMA: Final = 3
MANIFEST: Final = "manifest.json"
CHECK: Final = "sha256"
ITEMS: Final = "items.sqlite"


def means_file(modality: Modality) -> str:
    """The file of a modality's means [count, dim]; `index.gaussians.storage` says in which type."""
    return f"{modality.value}.means.npy"


def log_variances_file(modality: Modality) -> str:
    """The file of a modality's log-variances [count, dim], or of their codes."""
    return f"{modality.value}.log_variances.npy"


def coding_file(modality: Modality) -> str:
    """The file of offset and step of a modality's codes, float32 [2, dim], where there are codes."""
    return f"{modality.value}.coding.npy"


def sigmas_file(modality: Modality) -> str:
    """The file of a modality's geometric means of σ, float32 [count]."""
    return f"{modality.value}.sigmas.npy"


def heights_file(modality: Modality) -> str:
    """The file of a modality's heights, float32 [count], where its shortlist is over lifted means."""
    return f"{modality.value}.heights.npy"


def shortlist_file(modality: Modality) -> str:
    """The file of a modality's faiss index."""
    return f"{modality.value}.faiss"


@dataclass(frozen=True)
class FileRecord:
    """A file as it was when the gallery was built."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """Describe a file."""
        return cls(path.stat().st_size, sha256(path))


@dataclass(frozen=True)
class LeftOut:
    """An entry or a line of the corpus that is not in the gallery, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Parameters:
    """What was asked for.

    Args:
        batch: items encoded at once.
        shortlist: which shortlists.
        thumbnail_side: the longest side of a stored picture.
        storage: how Gaussians are stored; None gives each modality the smallest whose error is within the limit.
    """

    batch: int
    shortlist: Wanted
    thumbnail_side: int
    storage: Storage | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Parameters:
        """From JSON."""
        storage = None if values["storage"] is None else Storage(values["storage"])
        return cls(**{**values, "shortlist": Wanted(**values["shortlist"]), "storage": storage})


@dataclass(frozen=True)
class Stored:
    """Where the items of a gallery lie that is not all in its folder.

    Args:
        address: as `index.milvus.address` reads it.
        content: what identifies the items that were put there: the fingerprint of the gallery that they came from.
    """

    address: str
    content: str


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    Args:
        model: the model's folder, relative to the gallery's.
        model_fingerprint: of the model that made the gallery.
        corpus_fingerprint: of the collection it shows.
        dim: dimensions of the common space.
        counts: items of each modality.
        created: UTC, ISO 8601; no part of the gallery's fingerprint.
        parameters: how it was built.
        files: size and hash of every other file of the gallery.
        left_out: what `--skip-bad` left out.
        self_retrieval: whether items find themselves, for each modality.
        variances: the state of the variances, for each modality.
        storage: how the Gaussians are stored and what that changes, for each modality.
        shortlists: what was chosen for the shortlist and measured of it, for each modality.
        store: where its items lie; None where that is its folder.
    """

    model: str
    model_fingerprint: str
    corpus_fingerprint: str
    dim: int
    counts: Mapping[Modality, int]
    created: str
    parameters: Parameters
    files: Mapping[str, FileRecord]
    left_out: Sequence[LeftOut]
    self_retrieval: Mapping[Modality, SelfRetrieval]
    variances: Mapping[Modality, Variances]
    storage: Mapping[Modality, StorageFinding]
    shortlists: Mapping[Modality, ShortlistRecord]
    store: Stored | None = None

    @property
    def fingerprint(self) -> str:
        """What identifies its answers: SHA-256 (hex) over the model's fingerprint, the files and the searches."""
        hashes = {name: record.sha256 for name, record in self.files.items()}
        searched = {modality: [asdict(each.effort), each.size] for modality, each in self.shortlists.items()}
        elsewhere = [] if self.store is None else [self.store.content]
        content = json.dumps([self.model_fingerprint, hashes, searched, *elsewhere], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Manifest:
        """From JSON.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is not what `to_dict` gives.
        """
        plain = {field.name: values[field.name] for field in fields(cls) if field.name != "store"}
        structured = {
            "counts": {modality: int(values["counts"][modality]) for modality in Modality},
            "parameters": Parameters.from_dict(values["parameters"]),
            "files": {name: FileRecord(**record) for name, record in values["files"].items()},
            "left_out": tuple(LeftOut(**each) for each in values["left_out"]),
            "self_retrieval": {m: SelfRetrieval.from_dict(values["self_retrieval"][m]) for m in Modality},
            "variances": {m: Variances.from_dict(values["variances"][m]) for m in Modality},
            "storage": {m: StorageFinding.from_dict(values["storage"][m]) for m in Modality},
            "shortlists": {m: ShortlistRecord.from_dict(values["shortlists"][m]) for m in Modality},
            # Earlier versions knew no stores.
            "store": Stored(**values["store"]) if values.get("store") else None,
        }
        return cls(**{**plain, **structured})


def read_manifest(directory: Path) -> Manifest:
    """Read a gallery's manifest.

    Raises:
        ArtifactError: it is missing, damaged or of another version.
    """
    path = directory / MANIFEST
    values = read_json(path, REMEDY)
    if values.get("schema") != SCHEMA:
        raise ArtifactError(f"{path} has schema {values.get('schema')!r}, and this version reads {SCHEMA}: {REMEDY}")
    try:
        return Manifest.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is no manifest of a gallery ({error!r}): {REMEDY}") from error


def check_model(directory: Path, manifest: Manifest, model: str | None) -> None:
    """Raise `ArtifactError` where a gallery is another model's than the one of a fingerprint; None checks none."""
    if model is not None and model != manifest.model_fingerprint:
        raise ArtifactError(
            f"{directory} was made by the model {manifest.model_fingerprint}, not by {model}: serve it with its own "
            "model, or build it again with this one"
        )


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write a gallery's manifest, with the hash of what it says, which only `index.lifecycle.verify` asks for."""
    values = manifest.to_dict()
    write_json(directory / MANIFEST, {**values, CHECK: _check(values)})


def manifest_is_whole(directory: Path) -> bool:
    """Whether a manifest that can be read says what was written; of one that was written without a hash, yes."""
    values = read_json(directory / MANIFEST, REMEDY)
    check = values.pop(CHECK, None)
    known = {"schema", *(field.name for field in fields(Manifest))}
    return set(values) <= known and check in (None, _check(values))


def _check(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
