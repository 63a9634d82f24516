"""Which runs are one method over several seeds, and what it is called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evaluation.reports.reading import part

# Of a configuration: what may differ between the runs of one method.
SEED, NAME = "seed", "name"
SHOWN_DIFFERENCES: Final = 3


@dataclass(frozen=True, eq=False)
class Run:
    """The report of one model; `report` is its JSON."""

    path: Path
    report: Mapping[str, Any]

    @property
    def figures(self) -> Mapping[str, Any]:
        """What was measured."""
        return part(self.report, "figures")

    @property
    def model(self) -> Mapping[str, Any]:
        """What was judged."""
        return part(self.report, "produced", "model")

    @property
    def seed(self) -> int | None:
        """Of the training; None where the model says nothing of it."""
        seed = part(self.model, "config").get(SEED)
        return seed if isinstance(seed, int) else None

    @property
    def settings(self) -> dict[str, str]:
        """Everything that makes the method: the training's configuration but its seed, and the data it had.

        A model that says nothing of its training is a method of its own.
        """
        config = part(self.model, "config")
        if not config:
            return {"model": str(self.model.get("fingerprint"))[:8]}
        kept = {key: value for key, value in config.items() if key not in (SEED, NAME)}
        return {**_leaves(kept, ""), "training_data": str(self.model.get("training_data"))[:8]}

    @property
    def plain_label(self) -> str:
        """`name` of the configuration, else the model's folder without its seed."""
        given = part(self.model, "config").get(NAME)
        return str(given) if given else without_seed(str(self.model.get("name")))


@dataclass(frozen=True, eq=False)
class Method:
    """The runs that differ in their seed alone."""

    label: str
    runs: tuple[Run, ...]


def without_seed(folder: str) -> str:
    """A folder's name without a number at its end that is set apart: `vse-seed2`, `vse_2` and `vse-s2` are `vse`."""
    return re.sub(r"[-_.](?:seed|s)?[-_]?\d+$", "", folder) or folder


def methods(runs: Sequence[Run]) -> tuple[Method, ...]:
    """Runs of equal `settings` and equal given name together, in the order in which they are first named.

    Methods of the same label are told apart by the settings in which they differ.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([part(run.model, "config").get(NAME), run.settings], sort_keys=True)
        groups.setdefault(key, []).append(run)
    found = list(groups.values())
    return tuple(Method(label, tuple(group)) for label, group in zip(_labels(found), found, strict=True))


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    plain = [group[0].plain_label for group in groups]
    labels = [
        name if plain.count(name) == 1 else f"{name} ({_differences(group[0], _of_label(groups, plain, name))})"
        for name, group in zip(plain, groups, strict=True)
    ]
    return [
        label if labels.count(label) == 1 else f"{label} #{labels[:place].count(label) + 1}"
        for place, label in enumerate(labels)
    ]


def _of_label(groups: Sequence[Sequence[Run]], plain: Sequence[str], name: str) -> list[Run]:
    return [group[0] for group, label in zip(groups, plain, strict=True) if label == name]


def _differences(run: Run, alike: Sequence[Run]) -> str:
    settings = [each.settings for each in alike]
    keys = sorted({key for each in settings for key in each if len({s.get(key) for s in settings}) > 1})
    shown = [f"{key.rsplit('.', 1)[-1]} {run.settings.get(key, 'none')}" for key in keys[:SHOWN_DIFFERENCES]]
    return ", ".join([*shown, *(["…"] if len(keys) > SHOWN_DIFFERENCES else [])])


def _leaves(tree: Mapping[str, Any], above: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return found
