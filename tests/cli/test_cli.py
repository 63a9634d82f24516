"""The whole job through the command line on a few small Scenes, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_training import config

from cli import index
from evaluation.reports.report_page import report_page
from models import checkpoint
from models.calibration import Direction
from models.errors import ConfigError
from models.runtimes.runtime import Runtime, usable

CONFIG = config(images=24, epochs=1)

Run = Callable[..., subprocess.CompletedProcess[str]]


def penumbra(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, "-W", "error", "-c", "from cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model and the gallery of its corpus."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.toml").write_text(CONFIG)
    trained = penumbra("train", folder / "tiny.toml", "--out", folder / "model")
    assert trained.returncode == 0, trained.stderr
    assert "epoch 1: " in trained.stdout
    corpus = next(folder.glob("scenes-*"))
    built = penumbra("index", "build", folder / "model", "--data", corpus, "--out", folder / "gallery")
    assert built.returncode == 0, built.stderr
    assert "find themselves" in built.stdout
    return folder


def test_training_ends_with_a_calibration(home: Path) -> None:
    """Where there is a split `val`, the model has heads for both directions, says what they were fitted on, and knows
    what queries are familiar.
    """
    calibration = json.loads((home / "model" / "calibration.json").read_text())
    assert set(calibration["heads"]) == {"text-to-image", "image-to-text"}
    assert calibration["figures"]["relevance"] == "truth"
    assert set(checkpoint.load(home / "model").encoder.familiarity or ()) == set(Direction)


@pytest.mark.parametrize(("text", "bytes_"), [("4GiB", 2**32), ("512 MiB", 2**29), ("1.5G", 3 * 2**29), ("1000", 1000)])
def test_memory_as_people_write_it(text: str, bytes_: int) -> None:
    """An amount of memory is read with its unit."""
    assert index.memory_bytes(text) == bytes_


def test_memory_that_is_none() -> None:
    """Anything else is refused with an example."""
    with pytest.raises(ConfigError, match="'plenty' is no amount of memory: write it as 512MiB or 4GiB"):
        index.memory_bytes("plenty")


@pytest.fixture(scope="module")
def reported(home: Path) -> tuple[Path, str]:
    """A report of the model, and what the terminal showed."""
    corpus, out = next(home.glob("scenes-*")), home / "report"
    asked = ("--sensitivity", "--outliers", corpus, "--out", out)
    done = penumbra("evaluate", home / "model", "--data", corpus, "--split", "val", *asked)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_evaluate_writes_what_it_shows(reported: tuple[Path, str]) -> None:
    """Tables in the terminal, the same figures as JSON with what produced them, and a page."""
    out, shown = reported
    assert "R-Prec." in shown
    report = json.loads((out / "report.json").read_text())
    assert f"{report['figures']['ambiguity']['texts']['spearman']:.3f}" in shown
    measured = {each["what"] for each in report["figures"]["sensitivity"]}
    assert measured >= {"length", "generality", "matches", "erased", "blurred"}
    for direction, made in (("text-to-image", "random words"), ("image-to-text", "smooth noise")):
        kinds = report["figures"]["outliers"][direction]["kinds"]
        assert f"{kinds[made]['auroc']['familiarity']:.2f}" in shown
        assert kinds[next(out.parent.glob("scenes-*")).name]["queries"] in (32, 64)
    produced = report["produced"]
    assert (produced["data"]["split"], produced["data"]["images"], produced["data"]["captions"]) == ("val", 8, 16)
    assert produced["model"]["fingerprint"] == checkpoint.fingerprint(out.parent / "model")
    assert produced["model"]["config"]["seed"] == 1
    page = (out / "report.html").read_text()
    assert f"RSUM, the sum of the six recalls, is {report['figures']['rsum']:.1f} of 600." in page
    assert page.count("data:image/jpeg;base64,") == 16
    assert report_page(report) == page


def test_evaluate_replaces_a_report_and_nothing_else(home: Path, reported: tuple[Path, str]) -> None:
    """Refused before the work where something would be lost; an earlier report may go."""
    corpus = next(home.glob("scenes-*"))
    refused = penumbra("evaluate", home / "nowhere", "--data", corpus, "--out", home)
    assert refused.returncode == 2
    assert "would be lost" in refused.stderr
    before = (reported[0] / "report.json").stat().st_ino
    done = penumbra("evaluate", home / "model", "--data", corpus, "--split", "val", "--out", reported[0], "--json")
    assert done.returncode == 0, done.stderr
    # What it prints for programs is what it writes, but for single items.
    written = json.loads((reported[0] / "report.json").read_text())
    assert json.loads(done.stdout) == {**written, "items": {}}
    assert (reported[0] / "report.json").stat().st_ino != before


def test_compare_shows_and_writes_the_seeds_together(reported: tuple[Path, str], tmp_path: Path) -> None:
    """The table in the terminal, as Markdown and as JSON, and a folder with all of them."""
    report = json.loads((reported[0] / "report.json").read_text())
    report["produced"]["model"] |= {
        "fingerprint": "other",
        "config": report["produced"]["model"]["config"] | {"seed": 2},
    }
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "report.json").write_text(json.dumps(report))
    runs, out = (reported[0], tmp_path / "second"), tmp_path / "compared"
    done = penumbra("compare", *runs, "--out", out)
    assert done.returncode == 0, done.stderr
    rsum = f"{report['figures']['rsum']:.1f} ± 0.0"
    assert rsum in done.stdout
    assert penumbra("compare", *runs, "--markdown").stdout == (out / "compare.md").read_text()
    assert penumbra("compare", *runs, "--json").stdout == (out / "compare.json").read_text()
    assert rsum in (out / "compare.html").read_text()
    found = json.loads((out / "compare.json").read_text())
    assert [run["seed"] for run in found["methods"][0]["runs"]] == [1, 2]
    assert penumbra("compare", *runs, "--out", out).returncode == 0


def test_only_reports_load_what_draws() -> None:
    """No other command pays for matplotlib, and the service never loads it."""
    loads = "import sys, cli.evaluate, cli.compare, service.app; sys.exit('matplotlib' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", loads], env=environment).returncode == 0


def test_calibrate_changes_no_fingerprint(home: Path) -> None:
    """Another calibration leaves the gallery usable, and replaces one that cannot be read."""
    corpus = next(home.glob("scenes-*"))
    done = penumbra("calibrate", home / "model", "--data", corpus, "--relevance", "instance")
    assert done.returncode == 0, done.stderr
    assert penumbra("search", home / "gallery", "--text", "a star").returncode == 0
    (home / "model" / "calibration.json").write_text("{}")
    refused = penumbra("search", home / "gallery", "--text", "a star")
    assert refused.returncode == 2
    assert "penumbra calibrate" in refused.stderr
    (home / "model" / "familiarity.safetensors").write_bytes(b"")
    # What the message names as the remedy is one, for this file as well.
    done = penumbra("calibrate", home / "model", "--data", corpus, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text-to-image"]["chosen"]
    assert penumbra("search", home / "gallery", "--text", "a star").returncode == 0


def test_export_shows_what_it_measured(home: Path) -> None:
    """Each runtime beside torch; the gallery's model keeps its fingerprint."""
    if not usable(Runtime.ONNX):
        pytest.skip("needs onnx and onnxruntime, which are not here")
    done = penumbra("model", "export", home / "model", "--runtime", "onnx", "--threads", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["measured"]["text"]) >= {"torch", "onnx"}
    assert (home / "model" / "runtimes" / "onnx" / "text.onnx").is_file()
    assert penumbra("search", home / "gallery", "--text", "a star").returncode == 0


def test_search_by_text_and_by_image(home: Path) -> None:
    """The nearest first, unknown words named, JSON on request; an image asks for captions."""
    done = penumbra("search", home / "gallery", "--text", "a red zeppelin", "--top-k", 3, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["query"]["unknown_words"] == ["zeppelin"]
    assert [hit["rank"] for hit in answer["results"]] == [1, 2, 3]
    values = [hit["match_probability"] for hit in answer["results"]]
    assert values == sorted(values, reverse=True)
    picture = next(next(home.glob("scenes-*")).glob("images/*"))
    shown = penumbra("search", home / "gallery", "--image", picture)
    assert shown.returncode == 0, shown.stderr
    assert "%" in shown.stdout


def test_search_with_a_filter(home: Path) -> None:
    """Only what the filter lets through answers; nothing, with a sentence that says why, where that is nothing."""
    asking = ("search", home / "gallery", "--text", "a star")
    everyone = json.loads(penumbra(*asking, "--top-k", 32, "--json").stdout)["results"]
    wanted = everyone[-1]["id"]
    done = penumbra(*asking, "--filter", json.dumps({"id": {"in": [wanted, "none"]}}), "--json")
    assert [hit["id"] for hit in json.loads(done.stdout)["results"]] == [wanted]
    nothing = penumbra(*asking, "--filter", '{"label": "none such"}')
    assert nothing.returncode == 0, nothing.stderr
    assert "The filter lets none of the gallery's 32 items through that could answer." in nothing.stdout


def test_bench_measures_and_writes(home: Path, tmp_path: Path) -> None:
    """Every rerank with its stages, in the terminal and in a file with the machine; a file of queries may be named."""
    queries, figures = tmp_path / "queries.txt", tmp_path / "bench.json"
    queries.write_text("a star\n\na red circle\n")
    given = ("--texts", queries, "--queries", 3, "--threads", 1, "--out", figures)
    done = penumbra("bench", home / "gallery", *given)
    assert done.returncode == 0, done.stderr
    assert "A text query to 32 images" in done.stdout
    bench = json.loads(figures.read_text())["bench"]
    assert {run["rerank"]: run["queries"] for run in bench["runs"]} == {
        "sampled": 3,
        "closed_form": 3,
        "none": 3,
        "exhaustive": 3,
    }
    assert bench["machine"]["threads"] == 1
    assert all(run["stages"]["beyond the encoder"]["p50"] > 0 for run in bench["runs"])


def test_index_info_describes(home: Path) -> None:
    """Counts and the state of the variances, as text and as JSON."""
    facts = json.loads(penumbra("index", "info", home / "gallery", "--json").stdout)
    assert (facts["image"]["count"], facts["text"]["count"]) == (32, 64)
    assert "variances" in penumbra("index", "info", home / "gallery").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("search", "{home}/nowhere", "--text", "x"), "nowhere"),
        (("search", "{home}/gallery", "--text", " "), "text"),
        (("search", "{home}/gallery"), "one of them"),
        (("search", "{home}/gallery", "--text", "x", "--filter", "rose"), "The filter is not JSON"),
        (("search", "{home}/gallery", "--image", "{home}/none.jpg"), "none.jpg"),
        (("bench", "{home}/gallery", "--texts", "{home}/none.txt"), "none.txt"),
        (("train", "{home}/none.toml", "--out", "{home}/x"), "none.toml"),
        (("train", "{home}/tiny.toml", "--out", "{home}/model"), "finished model"),
        (("train", "{home}/tiny.toml", "--out", "{home}/x", "--device", "abacus"), "abacus"),
        (("evaluate", "{home}/model", "--data", "{home}/nowhere"), "nowhere"),
        (("compare",), "nothing to compare"),
        (("compare", "{home}/model"), "report.json is missing"),
        (("compare", "{home}/model", "--out", "{home}"), "would be lost"),
        (("model", "import", "{home}/none.pth", "--out", "{home}/x"), "none.pth"),
        (("model", "export", "{home}/nowhere", "--runtime", "onnx"), "nowhere"),
        (("model", "export", "{home}/model", "--runtime", "torch"), "choose one of onnx, openvino"),
        (("serve", "{home}/nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_one_sentence(home: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, a sentence on stderr that names the thing, no traceback."""
    done = penumbra(*(argument.format(home=home) for argument in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bare_folder_of_images_is_a_gallery(home: Path) -> None:
    """Without captions there are images to find, and no texts."""
    images = next(home.glob("scenes-*")) / "images"
    done = penumbra("index", "build", home / "model", "--data", images, "--out", home / "bare")
    assert done.returncode == 0, done.stderr
    assert penumbra("search", home / "bare", "--text", "a star").returncode == 0


def test_bad_lines_are_named_or_listed(home: Path, tmp_path: Path) -> None:
    """A bad line stops a build with its number; --skip-bad lists it and goes on."""
    corpus = next(home.glob("scenes-*"))
    (tmp_path / "images").symlink_to(corpus / "images")
    lines = (corpus / "captions.jsonl").read_text().splitlines()[:4]
    (tmp_path / "captions.jsonl").write_text("\n".join([*lines, '{"id": "x"}']) + "\n")
    arguments = ("index", "build", home / "model", "--data", tmp_path, "--out", tmp_path / "gallery")
    refused = penumbra(*arguments)
    assert refused.returncode == 2
    assert "5" in refused.stderr
    done = penumbra(*arguments, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stdout
