"""Runs side by side: which are one method, their means and spreads against NumPy, and who is said to be ahead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from synthetic_report import DIRECTIONS, report

from evaluation.reports import side_by_side
from evaluation.reports.comparison import Comparison, compare, read_runs
from evaluation.reports.comparison_page import comparison_page
from evaluation.reports.estimates import Estimate, leader
from evaluation.reports.grouping import Run, without_seed
from models.errors import ArtifactError, ConfigError


def run(method: str | None, seed: int, *, folder: str = "model", **more: Any) -> Run:
    """A run whose R-Precision and log-loss are its own."""
    objective = {"loss": "triplet", "kl_weight": more.pop("kl_weight", 0.0)}
    config = {"name": method, "objective": objective, "seed": seed, **more}
    made = report(
        name=folder, fingerprint=f"{method}-{seed}-{folder}-{sorted(more.items())}-{objective}", config=config
    )
    rng = default_rng(seed)
    for direction in DIRECTIONS:
        quality = dict(made["figures"]["ranking"][direction])
        made["figures"]["ranking"][direction] = quality | {"r_precision": rng.random()}
    return Run(Path(f"runs/{folder}-{seed}"), made)


def r_precision(each: Run, direction: str = DIRECTIONS[0]) -> float:
    value: float = each.figures["ranking"][direction]["r_precision"]
    return value


def labels(*runs: Run) -> list[str]:
    return [method.label for method in compare(runs).methods]


def test_mean_and_spread_are_those_of_numpy() -> None:
    """Of the seeds of a method, with n − 1, as the table, the Markdown and the JSON show them."""
    runs = [run("pcme", seed) for seed in range(3)] + [run("vse", 7)]
    comparison = compare(runs)
    for direction in DIRECTIONS:
        values = [r_precision(each, direction) for each in runs[:3]]
        mean, deviation = np.mean(values), np.std(values, ddof=1)
        shown = f"{100 * mean:.1f} ± {100 * deviation:.1f}"
        table = next(t for t in side_by_side.tables(comparison) if t.caption == f"Ranking in %, {direction}")
        place = table.headings.index("R-Prec.")
        assert table.rows[0][place].text == shown
        assert table.rows[1][place].text == f"{100 * r_precision(runs[3], direction):.1f}"
        assert [row[1].text for row in table.rows] == ["3", "1"]
        assert f" {shown} " in side_by_side.markdown(comparison)
        found = side_by_side.as_json(comparison)["methods"][0][direction]["ranking.r_precision"]
        assert found == {"mean": pytest.approx(mean), "deviation": pytest.approx(deviation), "n": 3}


def test_figures_that_are_none_are_left_out() -> None:
    """A figure that one seed lacks has its own n; one that all lack is a dash."""
    runs = [run("pcme", seed) for seed in range(3)]
    runs[0].report["figures"]["variances"]["texts"] = {"mean_trace": None}
    runs[0].report["figures"]["confidence"] = {}
    for each in runs:
        each.report["figures"]["rsum"] = None
    (overall, *_) = side_by_side.tables(compare(runs))
    assert [cell.text for cell in overall.rows[0]] == ["pcme", "3", "–", "0.300 ± 0.000 (n 2)", "0.300 ± 0.000"]


def test_seeds_of_a_method_are_together() -> None:
    """What differs in the seed alone is one method, in the order in which methods are first named."""
    found = compare([run("vse", 0), run("pcme", 0), run("vse", 1)]).methods
    assert [(method.label, [each.seed for each in method.runs]) for method in found] == [("vse", [0, 1]), ("pcme", [0])]


def test_labels() -> None:
    """The given name, else the method, else the folder without its seed; alike ones by what they differ in."""
    assert labels(run("pcme", 0, name="mine"), run("vse", 0)) == ["mine", "vse"]
    assert labels(run(None, 0, folder="flowers-seed0"), run(None, 1, folder="flowers-seed1")) == ["flowers"]
    two = labels(run("pcme", 0), run("pcme", 0, kl_weight=0.1), run("pcme", 1))
    assert two == ["pcme (kl_weight 0.0)", "pcme (kl_weight 0.1)"]
    many = [run("pcme", 0, a=x, b=x, c=x, d=y) for x, y in ((0, 0), (1, 0), (1, 1))]
    assert labels(*many) == ["pcme (a 0, b 0, c 0, …)", "pcme (a 1, b 1, c 1, …) #1", "pcme (a 1, b 1, c 1, …) #2"]
    strange = [Run(Path(name), report(name="imported", fingerprint=name, config=None)) for name in ("aa", "bb")]
    assert labels(*strange) == ["imported (model aa)", "imported (model bb)"]


@pytest.mark.parametrize(
    ("folder", "stem"),
    [
        *((f"vse{seed}", "vse") for seed in ("-2", "_seed2", "-s12", "-seed-3", ".1")),
        *((name, name) for name in ("scenes", "resnet18", "flowers102", "-1")),
    ],
)
def test_folders_lose_a_number_that_is_set_apart(folder: str, stem: str) -> None:
    """Only a trailing seed goes."""
    assert without_seed(folder) == stem


def test_training_on_other_data_is_another_method() -> None:
    """The same settings on another collection are no further seed."""
    other = report(config={"name": "pcme", "seed": 1}, training_data="other", fingerprint="x")
    same = report(config={"name": "pcme", "seed": 0})
    found = labels(Run(Path("a"), same), Run(Path("b"), other))
    assert found == ["pcme (training_data d0)", "pcme (training_data other)"]


ESTIMATES = st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 2)), min_size=2, max_size=5)


@given(ESTIMATES, st.booleans())
def test_the_leader_is_ahead_of_all_others(values: list[tuple[float, float]], lower: bool) -> None:
    """The one whose interval lies beyond all other intervals, by a loop over pairs."""
    expected = None
    for place, (mean, spread) in enumerate(values):
        others = [value for other, value in enumerate(values) if other != place]
        if lower and all(mean + spread < m - s for m, s in others):
            expected = place
        if not lower and all(mean - spread > m + s for m, s in others):
            expected = place
    assert leader([Estimate(mean, spread, 3) for mean, spread in values], lower) == expected


def test_nobody_leads_without_a_spread() -> None:
    """A single seed is neither ahead nor behind; nor is there a best of what is neither good nor bad, or of one."""
    ahead, behind, single, none = (
        Estimate(9, 0.1, 3),
        Estimate(1, 0.1, 3),
        Estimate(1, None, 1),
        Estimate(None, None, 0),
    )
    assert leader([behind, ahead, none], lower=False) == 1
    assert leader([ahead, single], lower=False) is None
    assert leader([ahead, behind], lower=None) is None
    assert leader([ahead, none], lower=False) is None


def test_the_leader_is_marked() -> None:
    """In the table, bold in Markdown, and named first on the page."""
    runs = [run(method, seed) for method in ("pcme", "vse") for seed in (0, 1)]
    for each, value in zip(runs, (0.5, 0.52, 0.3, 0.31), strict=True):
        for direction in DIRECTIONS:
            each.report["figures"]["ranking"][direction]["r_precision"] = value
    comparison = compare(runs)
    marked = [cell.text for table in side_by_side.tables(comparison) for row in table.rows for cell in row if cell.best]
    assert marked == ["51.0 ± 1.4"] * 2
    assert side_by_side.markdown(comparison).count("**51.0 ± 1.4**") == 2
    page = comparison_page(comparison)
    assert page.count("<strong>51.0 ± 1.4</strong>") == 2
    assert page.index("Which ranks best?") < page.index('<p class="answer">Pcme</p>') < page.index("Whose calibrated")


def test_hostile_labels_stay_words() -> None:
    """A name cannot break out of a table of Markdown or of the page."""
    runs = [run("pcme", seed, name="<script>|*\n$x$") for seed in (0, 1)]
    text, page = side_by_side.markdown(compare(runs)), comparison_page(compare(runs))
    assert "<script" not in text + page
    assert "| &lt;script>\\|\\* $x$ | 2 |" in text
    assert "&lt;script&gt;|*" in page


def saved(folder: Path, each: Run) -> Path:
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(each.report))
    return folder


def test_reads_folders_and_files(tmp_path: Path) -> None:
    """A report goes by its folder or by its JSON."""
    one, two = (saved(tmp_path / str(seed), run("pcme", seed)) for seed in (0, 1))
    found = read_runs([one, two / "report.json"])
    assert [each.seed for each in found.methods[0].runs] == [0, 1]
    with pytest.raises(ConfigError, match="the same model"):
        read_runs([one, one])


def other_data(key: str, value: str) -> Run:
    found = run("pcme", 1)
    found.report["produced"]["data"][key] = value
    return found


def other_relevance() -> Run:
    found = run("pcme", 1)
    found.report["figures"]["reliability"]["relevance"] = "label"
    return found


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], "nothing to compare"),
        ([run("pcme", 0), other_data("split", "val")], "stars-test, split test .* on stars-test, split val"),
        ([run("pcme", 0), other_data("fingerprint", "beef")], "fingerprint da7a.*fingerprint beef"),
        ([run("pcme", 0), other_relevance()], "matches by truth.*matches by label"),
        ([run("pcme", 0), run("pcme", 0)], "model-0 and .*model-0 are reports of the same model"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs: list[Run], words: str) -> None:
    """No runs, other data, another split, other matches, a model twice: a sentence that names both."""
    with pytest.raises(ConfigError, match=words):
        compare(runs)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "report.json is missing.*penumbra evaluate"),
        ("{", "cannot be read"),
        ("{}", "is no report"),
        ('{"kind": "penumbra evaluation", "schema": 2}', "schema 2"),
        ('{"kind": "penumbra evaluation", "schema": 1, "produced": {}}', "produced.model is missing"),
    ],
)
def test_damaged_reports_are_refused(tmp_path: Path, content: str | None, words: str) -> None:
    """Missing, cut short, of something else or of another version: a sentence that names the file."""
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    with pytest.raises(ArtifactError, match=words):
        read_runs([tmp_path])


def test_equal_runs_give_equal_bytes() -> None:
    """Page, Markdown and JSON are the same every time."""

    def written(comparison: Comparison) -> tuple[str, ...]:
        tables, page = side_by_side.markdown(comparison), comparison_page(comparison)
        return tables, page, json.dumps(side_by_side.as_json(comparison))

    runs = [run(method, seed) for method in ("pcme", "vse") for seed in (0, 1)]
    assert written(compare(runs)) == written(compare(runs))
