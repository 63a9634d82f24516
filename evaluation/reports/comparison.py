"""Several models side by side: which may be held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.reports.folder import read_report
from evaluation.reports.grouping import Method, Run, methods
from evaluation.reports.reading import figure, part
from evaluation.reports.wording import count
from models.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods that were judged on the same data."""

    methods: tuple[Method, ...]

    @property
    def judged_on(self) -> str:
        """The data, in words."""
        return _judged_on(self.methods[0].runs[0])

    @property
    def relevance(self) -> str:
        """What counts as a match."""
        return str(part(self.methods[0].runs[0].figures, "reliability").get("relevance"))


def read_runs(paths: Sequence[Path]) -> Comparison:
    """Compare the reports in folders.

    Raises:
        ConfigError: there are none, or they cannot be held against each other.
        ArtifactError: a report is missing or damaged.
    """
    return compare([Run(path, read_report(path)) for path in paths])


def compare(runs: Sequence[Run]) -> Comparison:
    """Group runs by method.

    Raises:
        ConfigError: there are none, two are of one model, or two were judged on other data, splits or matches.
    """
    if not runs:
        raise ConfigError("there is nothing to compare: name the folders that `penumbra evaluate --out` wrote")
    first, models = runs[0], dict[str, Path]()
    for run in runs:
        if _judged(run) != _judged(first):
            raise ConfigError(
                f"{first.path} was judged on {_judged_on(first)}, {run.path} on {_judged_on(run)}: "
                "compare runs on the same data and split"
            )
        model = str(run.model.get("fingerprint"))
        if model in models:
            raise ConfigError(f"{models[model]} and {run.path} are reports of the same model: name one of them")
        models[model] = run.path
    return Comparison(methods(runs))


def _judged(run: Run) -> tuple[Any, ...]:
    judged = part(run.report, "produced", "data")
    return judged.get("fingerprint"), judged.get("split"), part(run.figures, "reliability").get("relevance")


def _judged_on(run: Run) -> str:
    judged, (identity, split, relevance) = part(run.report, "produced", "data"), _judged(run)
    named = f", split {split}" if split else ""
    images = count(figure(judged, "images"))
    return f"{judged.get('path')}{named} ({images} images, matches by {relevance}, fingerprint {str(identity)[:8]})"
