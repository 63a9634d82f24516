"""The page of the folders on disk: which files they have, and the fields of those in JSON."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from cli.demo import SHIPPED_MODEL
from documentation.markdown import code, generated, table
from index.files.manifest import Manifest
from models.calibration import Calibration
from models.encoders import EncoderConfig
from models.runtimes.record import ExportRecord
from training.config import TrainingConfig

INTRODUCTION: Final = """\
Both folders are written aside and renamed into place: a crash at any moment leaves the old one or the new one. No
file holds code, and none is unpickled. Numbers in arrays are little-endian.
"""
MODEL: Final = {
    "config.json": "What the model is: `schema`, `encoder` and `match`, the scale and shift that training ended with.",
    "vocabulary.json": "`words`, in the order of their ids, and whether `punctuation` counts as words.",
    "model.safetensors": "The weights of both networks, under their names in `models/encoders.py`.",
    "calibration.json": "The calibrated match heads. Without it the probabilities are those of training.",
    "familiarity.safetensors": "For each direction `centre`, `whitening`, `distances` and `most_sigma` of the held-out "
    "queries ([decision 6](../adr/0006-what-queries-are-familiar.md)).",
    "training.json": "How the model came to be: `config`, `data` (fingerprint, images), `torch`, `device`, `threads` "
    "and the `history` of the epochs.",
    "runtimes/": "Exports for faster runtimes, each with an `export.json` ([Runtimes](../runtimes.md)).",
}
GALLERY: Final = {
    "manifest.json": "What is in it, which model made it, how it was built and what was found at the end.",
    "M.means.npy": "Means, [count, dim], float32 or float16 as `storage` says.",
    "M.log_variances.npy": "Log-variances, [count, dim], float32, or codes of 8 or 16 bits.",
    "M.coding.npy": "Offset and step of the codes, float32 [2, dim]; where there are codes.",
    "M.sigmas.npy": "σ, the geometric mean of the standard deviations, float32 [count].",
    "M.heights.npy": "The extra coordinate of a lifted shortlist, float32 [count]; where the shortlist is lifted.",
    "M.faiss": "The shortlist's index.",
    "items.sqlite": "Ids, texts, metadata and pictures (JPEG, 256 pixels at most) of the items, and the fields that "
    "filters look up.",
    "audit.json": "What `penumbra index audit` found ([Exploring](../exploring.md)); where it was run.",
    "changes.journal": "Changes since it was built ([Changing a gallery](../changing.md)); where there are any.",
}
"""Of a gallery; M is `image` or `text`."""
DOCUMENTS: Final = (
    ("config.json, `encoder`", EncoderConfig),
    ("training.json, `config`", TrainingConfig),
    ("calibration.json", Calibration),
    ("runtimes/…/export.json", ExportRecord),
    ("manifest.json", Manifest),
)


def page(sample: Path) -> str:
    """Files, then the fields of each document with those below it."""
    unknown = {*_names(sample / "gallery"), *_names(SHIPPED_MODEL)} - {*GALLERY, *MODEL}
    if unknown:
        raise ValueError(f"documentation/artifacts.py does not say what these files are: {sorted(unknown)}")
    head = generated("Artifacts", "the classes that read and write them", INTRODUCTION.rstrip())
    return head + _files() + "".join(_document(title, kind) for title, kind in DOCUMENTS)


def _names(folder: Path) -> set[str]:
    """Of the files in a folder, those of a modality under M."""
    return {re.sub(r"^(image|text)\.", "M.", path.name) for path in folder.iterdir()}


def _files() -> str:
    model = table(("file", "what"), ((code(name), what) for name, what in MODEL.items()))
    gallery = table(("file", "what"), ((code(name), what) for name, what in GALLERY.items()))
    return (
        f"\n## A model's folder\n\n{model}\n"
        "The fingerprint is the SHA-256 of `config.json`, `vocabulary.json` and `model.safetensors`; the "
        "other files change how an answer reads and no Gaussian "
        "([decision 3](../adr/0003-fingerprint-without-calibration.md)).\n"
        f"\n## A gallery's folder\n\nM stands for `image` and for `text`.\n\n{gallery}"
    )


def _document(title: str, kind: type) -> str:
    described = list(dict.fromkeys(_below(kind)))
    return f"\n## Fields of {title}\n" + "".join(_fields(each) for each in described)


def _fields(kind: type) -> str:
    told, hints = _arguments(kind), typing.get_type_hints(kind)
    rows = [(code(each.name), code(_type(hints[each.name])), told.get(each.name, "")) for each in fields(kind)]
    summary = (inspect.getdoc(kind) or "").split("\n\n")[0]
    return f"\n### {kind.__name__}\n\n{' '.join(summary.split())}\n\n{table(('field', 'type', 'what'), rows)}"


def _below(kind: type) -> Iterator[type]:
    """A class and the classes of its fields."""
    yield kind
    for hint in typing.get_type_hints(kind).values():
        for each in _classes(hint):
            yield from _below(each)


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from _classes(argument)


def _type(hint: Any) -> str:
    """As it is written, without the modules."""
    if hint is types.NoneType:
        return "null"
    return re.sub(r"\b(?:[a-z_]+\.)+(?=\w)", "", inspect.formatannotation(hint))


def _arguments(kind: type) -> Mapping[str, str]:
    """What the docstring says of each field under `Args:`."""
    _, _, told = (inspect.getdoc(kind) or "").partition("Args:\n")
    block = told.split("\n\n")[0]
    found = re.split(r"^ {4}(\w+): ", block, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], (" ".join(text.split()) for text in found[1::2]), strict=True))
