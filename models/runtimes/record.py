"""What an export says of itself: which model it is of, its files, and what was measured when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.artifact import inside, read_json, sha256, write_json
from models.errors import ArtifactError
from models.runtimes.agreement import Agreement
from models.runtimes.runtime import Network, Runtime

SCHEMA: Final = 1
RECORD: Final = "export.json"
FOLDER: Final = "runtimes"


@dataclass(frozen=True)
class Measured:
    """A runtime beside float32 torch, when the export was made.

    Args:
        agreement: on all probes.
        milliseconds: one input alone, median.
        speedup: the median, over paired runs, of torch's time by this one's.
    """

    agreement: Agreement
    milliseconds: float
    speedup: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measured:
        """From JSON; raises `KeyError`, `TypeError` or `ValueError` for what is none."""
        agreement = Agreement.from_dict(values["agreement"])
        return cls(agreement, float(values["milliseconds"]), float(values["speedup"]))


@dataclass(frozen=True)
class ExportRecord:
    """What `export.json` says.

    Args:
        runtime: that reads the export.
        model_fingerprint: of the model whose networks these are.
        made_with: names and versions of the libraries.
        processor: that the times are of.
        threads: that the times are of.
        files: the SHA-256 of each file.
        measured: for each network, what each runtime came to; torch's other ways are among them.
    """

    runtime: Runtime
    model_fingerprint: str
    made_with: str
    processor: str
    threads: int
    files: Mapping[str, str]
    measured: Mapping[Network, Mapping[Runtime, Measured]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ExportRecord:
        """From JSON; raises `KeyError`, `TypeError`, `ValueError` or `AttributeError` for what is none."""
        measured = {
            network: {Runtime(name): Measured.from_dict(each) for name, each in values["measured"][network].items()}
            for network in Network
        }
        plain = {name: str(values[name]) for name in ("model_fingerprint", "made_with", "processor")}
        files = {str(name): str(digest) for name, digest in values["files"].items()}
        return cls(Runtime(values["runtime"]), **plain, threads=int(values["threads"]), files=files, measured=measured)


def folder(model: Path, runtime: Runtime) -> Path:
    """Where a model keeps its export for a runtime."""
    return model / FOLDER / runtime.float32


def write_record(directory: Path, record: ExportRecord) -> None:
    """Write it into an export's folder."""
    write_json(directory / RECORD, record.to_dict())


def read_record(model: Path, fingerprint: str, runtime: Runtime) -> ExportRecord | None:
    """What a model's export for a runtime says; None where there is no export.

    Raises:
        ArtifactError: it is damaged, of another version or of another model.
    """
    directory = folder(model, runtime)
    if not directory.exists():
        return None
    remedy = f"make it anew with `penumbra model export --runtime {runtime.float32}`, or delete {directory}"
    values = read_json(directory / RECORD, remedy)
    if values.get("schema") != SCHEMA:
        raise ArtifactError(f"{directory / RECORD} has schema {values.get('schema')!r}, not {SCHEMA}: {remedy}")
    try:
        record = ExportRecord.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{directory / RECORD} describes no export ({error!r}): {remedy}") from error
    if record.model_fingerprint != fingerprint:
        raise ArtifactError(
            f"{directory} is an export of the model {record.model_fingerprint[:12]}…, and this one is "
            f"{fingerprint[:12]}…: {remedy}"
        )
    _require_files(directory, record, remedy)
    return record


def _require_files(directory: Path, record: ExportRecord, remedy: str) -> None:
    for name, digest in record.files.items():
        path = inside(directory, name)
        if not path.is_file() or sha256(path) != digest:
            raise ArtifactError(f"{path} is missing or not as it was exported: {remedy}")
