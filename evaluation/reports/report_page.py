"""The page of a report, made from its JSON alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evaluation.reports import quality_sections, sigma_sections
from evaluation.reports.page import Page, Section, grid, render
from evaluation.reports.reading import figure, part
from evaluation.reports.verdicts import answers
from evaluation.reports.wording import count


def report_page(report: Mapping[str, Any]) -> str:
    """HTML: first what the figures say in plain sentences, then plots and tables, items, and what produced it all."""
    produced, figures, items = (part(report, key) for key in ("produced", "figures", "items"))
    sections = (
        quality_sections.ranking(figures),
        quality_sections.reliability(figures),
        sigma_sections.bins(figures),
        quality_sections.abstention(figures),
        sigma_sections.sigma(figures, items),
        sigma_sections.sensitivity(figures),
        sigma_sections.outliers(figures),
        sigma_sections.galleries(items),
        _made_by(produced),
    )
    title = f"How good is “{part(produced, 'model').get('name') or 'the model'}”?"
    return render(Page(title, _subtitle(produced), answers(figures), tuple(s for s in sections if s is not None)))


def _subtitle(produced: Mapping[str, Any]) -> str:
    judged = part(produced, "data")
    split = f", split {judged['split']}" if judged.get("split") else ""
    counts = " and ".join(f"{count(figure(judged, key))} {key}" for key in ("images", "captions"))
    return (
        f"Judged on {counts} of {judged.get('path', 'a collection')}{split}, on {str(produced.get('date', ''))[:10]}."
    )


def _made_by(produced: Mapping[str, Any]) -> Section:
    """Where every figure comes from, value by value."""
    rows = [row for key, value in produced.items() for row in _leaves(value, key)]
    table = grid("What produced this report", ("what", "value"), rows, names=2)
    return Section("made", "What produced these figures", tables=(table,))


def _leaves(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in _leaves(inner, f"{name}.{key}")]
    return [(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]
