"""What `report.json` holds: every figure, what produced it, and what is shown of single items."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from corpus.manifest import Corpus
from evaluation.report import Figures
from models.artifact import nan_as_null, read_json
from models.checkpoint import REMEDY, TRAINING, LoadedModel

KIND: Final = "penumbra evaluation"
SCHEMA: Final = 1
PACKAGES: Final = ("penumbra", "torch", "torchvision", "numpy", "scipy", "faiss-cpu", "pillow")


def produced_by(
    model: LoadedModel, judged: Corpus, split: str | None, options: Mapping[str, Any], date: datetime
) -> dict[str, Any]:
    """What the figures come from.

    Args:
        model: that was judged; how it was trained is read from beside it.
        judged: the entries it was judged on, and no others: the fingerprint is theirs.
        split: their name, if they are one split of a collection.
        options: what else was asked for.
        date: of the evaluation.

    Raises:
        ArtifactError: the record of the training cannot be read.
    """
    captions = sum(len(entry.captions) for entry in judged.entries)
    return {
        "date": date.isoformat(timespec="seconds"),
        "model": {
            "path": str(model.directory),
            "name": model.directory.resolve().name,
            "fingerprint": model.fingerprint,
            **_training(model),
        },
        "data": {
            "path": str(judged.root),
            "split": split,
            "fingerprint": judged.fingerprint,
            "images": len(judged.entries),
            "captions": captions,
        },
        "options": dict(options),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def _version(package: str) -> str | None:
    """Of an installed package; one may be provided under another name."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _training(model: LoadedModel) -> dict[str, Any]:
    """The configuration and the data of the training; an imported model has none."""
    path = model.directory / TRAINING
    record = read_json(path, REMEDY) if path.exists() else {}
    data = record.get("data")
    trained_on = data.get("fingerprint") if isinstance(data, Mapping) else None
    return {"config": record.get("config"), "training_data": trained_on}


def record(figures: Figures, produced: Mapping[str, Any], items: Mapping[str, Any]) -> dict[str, Any]:
    """All of it as JSON; a page is made from it alone."""
    whole = {"kind": KIND, "schema": SCHEMA, "produced": produced, "figures": figures.to_dict(), "items": items}
    plain: dict[str, Any] = nan_as_null(whole)
    return plain
