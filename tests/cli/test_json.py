"""`--json` of the commands that make something: one document on stdout, and nothing beside it."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
from small_training import config

from cli import bench, demo, server
from cli import model as model_command
from cli.main import main
from corpus.read import read
from faults.subject import MODEL, build_gallery, write_corpus, write_model
from index.lifecycle.describe import describe
from index.lifecycle.living import LivingGallery
from models import checkpoint
from penumbra_client import Client, Retries
from service.keys import Keys

CONFIG = config(images=16, epochs=2)

Penumbra = Callable[..., tuple[Any, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A model and a collection of three images with two captions each."""
    write_model(tmp_path / MODEL)
    write_corpus(tmp_path / "corpus", images=3, seed=1)
    return tmp_path


@pytest.fixture
def gallery(home: Path) -> Path:
    build_gallery(home / MODEL, home / "corpus", home / "gallery")
    return home / "gallery"


@pytest.fixture
def penumbra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Penumbra:
    """Runs `penumbra … --json`, which ends well: all of stdout as a document, and stderr."""

    def run(*arguments: object) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["penumbra", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert not ended.value.code, told.err
        return json.loads(told.out), told.err

    return run


def refused(arguments: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that ends with 2 and prints nothing on stdout."""
    monkeypatch.setattr(sys, "argv", ["penumbra", *map(str, arguments), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    return told.err


def test_train(home: Path, penumbra: Penumbra) -> None:
    """The model, how it came to be and the figures of its calibration; epochs are told on stderr."""
    (home / "tiny.toml").write_text(CONFIG)
    found, told = penumbra("train", home / "tiny.toml", "--out", home / "trained", "--threads", 1)
    assert found["directory"] == str(home / "trained")
    assert found["fingerprint"] == checkpoint.fingerprint(home / "trained")
    assert found["training"] == json.loads((home / "trained" / "training.json").read_text())
    calibration = json.loads((home / "trained" / "calibration.json").read_text())
    assert found["calibration"] == calibration["figures"]
    assert "epoch 1: " in told and "epoch 2: " in told and "The model is in " in told


def test_train_without_a_calibration(home: Path, penumbra: Penumbra) -> None:
    """Where there is too little to calibrate on, there is null, and stderr says why."""
    (home / "tiny.toml").write_text(
        CONFIG.replace("validation = 8", "validation = 2").replace("epochs = 2", "epochs = 1")
    )
    found, told = penumbra("train", home / "tiny.toml", "--out", home / "trained", "--threads", 1)
    assert found["calibration"] is None
    assert "Not calibrated: " in told


def test_index_build(home: Path, penumbra: Penumbra) -> None:
    """What `index info --json` prints; what the build tells of itself goes to stderr."""
    given = ("--data", home / "corpus", "--out", home / "gallery", "--threads", 1)
    found, _ = penumbra("index", "build", home / MODEL, *given)
    assert found == json.loads(json.dumps(describe(home / "gallery"))) == penumbra("index", "info", home / "gallery")[0]
    assert (found["directory"], found["image"]["count"], found["text"]["count"]) == (str(home / "gallery"), 3, 6)


def test_index_build_lists_what_is_left_out(home: Path, penumbra: Penumbra) -> None:
    """In the document, and nowhere else on stdout."""
    with (home / "corpus" / "captions.jsonl").open("a") as lines:
        lines.write('\n{"id": "x"}\n')
    given = ("--data", home / "corpus", "--out", home / "gallery", "--threads", 1, "--skip-bad")
    [left] = penumbra("index", "build", home / MODEL, *given)[0]["left_out"]
    assert "4" in left["what"]


def test_index_build_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As without --json: a sentence on stderr."""
    asked: list[object] = ["index", "build", home / MODEL, "--data", home / "nowhere", "--out", home / "gallery"]
    assert "nowhere" in refused(asked, monkeypatch, capsys)


def test_publish(home: Path, gallery: Path, penumbra: Penumbra) -> None:
    """Where the link leads and led, what changed there since it was built, and that no server was told."""
    build_gallery(home / MODEL, home / "corpus", home / "next")
    link = home / "served"
    found, told = penumbra("index", "publish", gallery, "--to", link)
    assert found == {"link": str(link), "gallery": str(gallery), "before": None, "server": None}
    assert "Every byte of " in told and "at SIGHUP" in told
    with LivingGallery.open(gallery) as living:
        living.remove(["i0#0"])
    found, told = penumbra("index", "publish", home / "next", "--to", link)
    assert found["before"] == {"gallery": str(gallery), "changes": {"added": 0, "removed": 1}}
    assert link.resolve() == home / "next"
    assert penumbra("index", "publish", home / "next", "--to", link)[0]["before"]["changes"] is None


def test_publish_to_a_server(
    home: Path, gallery: Path, penumbra: Penumbra, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fingerprints that it answered with before and answers with now; a refusal prints nothing."""
    swap = {"at": "2026-01-01T00:00:00Z", "outcome": "swapped", "before": "b" * 64, "after": "a" * 64, "error": None}

    def reach(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "here":
            return httpx2.Response(200, json=swap)
        return httpx2.Response(403, json={"type": "about:blank", "title": "No", "status": 403, "detail": "Not you."})

    answers = partial(Client, transport=httpx2.MockTransport(reach), retries=Retries(most=0))
    monkeypatch.setattr(server, "Client", answers)
    asked: list[object] = ["index", "publish", gallery, "--to", home / "served", "--server"]
    found, told = penumbra(*asked, "http://here")
    assert found["server"] == {"url": "http://here", "before": "b" * 64, "after": "a" * 64}
    assert "http://here answers with it" in told
    assert "was not told to switch (403)" in refused([*asked, "http://there"], monkeypatch, capsys).splitlines()[-1]


def test_keys_new(tmp_path: Path, penumbra: Penumbra) -> None:
    """What the file of keys would have; the key itself is on stderr alone."""
    asked = ("keys", "new", "--name", "shop", "--scope", "write", "--scope", "read", "--rate", 2.5)
    found, told = penumbra(*asked)
    key = told.split()[-1]
    digest = sha256(key.encode()).hexdigest()
    assert found == {"name": "shop", "scopes": ["read", "write"], "rate": 2.5, "burst": 40, "sha256": digest}
    assert key.startswith("penumbra_") and key not in json.dumps(found)


def test_keys_new_is_the_same_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json the same is on stdout as lines that the server reads."""
    monkeypatch.setattr(sys, "argv", ["penumbra", "keys", "new", "--name", "shop", "--scope", "read"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr()
    (tmp_path / "keys.toml").write_text(told.out)
    found = Keys.read(tmp_path / "keys.toml").find(told.err.split()[-1])
    assert found is not None and found.sha256 == tomllib.loads(told.out)["key"][0]["sha256"]


def test_keys_new_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that a key cannot have; no key is shown."""
    told = refused(["keys", "new", "--name", "a b", "--scope", "read"], monkeypatch, capsys)
    assert "cannot have this name" in told and "penumbra_" not in told


def test_model_import(tmp_path: Path, penumbra: Penumbra, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model and what it was made of."""
    write_model(tmp_path / MODEL)
    (tmp_path / "theirs.pth").write_bytes(b"weights")
    monkeypatch.setattr(model_command, "read_checkpoint", lambda path: checkpoint.load(tmp_path / MODEL).encoder)
    found, _ = penumbra("model", "import", tmp_path / "theirs.pth", "--out", tmp_path / "ours")
    assert found == {
        "directory": str(tmp_path / "ours"),
        "fingerprint": checkpoint.fingerprint(tmp_path / "ours"),
        "backbone": "resnet18",
        "dim": 16,
        "imported_from": "theirs.pth",
        "sha256": sha256(b"weights").hexdigest(),
        "format": "PCME, PyTorch state dict",
    }


def test_bench(home: Path, gallery: Path, penumbra: Penumbra) -> None:
    """The figures with the machine; the same go into a file where one is named."""
    out = home / "bench.json"
    found, _ = penumbra("bench", gallery, "--queries", 2, "--threads", 1, "--out", out)
    assert [run["rerank"] for run in found["runs"]] == [rerank.value for rerank in bench.RERANKS]
    assert {run["queries"] for run in found["runs"]} == {2}
    assert (found["images"], found["machine"]["threads"]) == (3, 1)
    assert json.loads(out.read_text())["bench"] == found


def test_scenes(tmp_path: Path, penumbra: Penumbra) -> None:
    """What is in the folder."""
    found, _ = penumbra("scenes", tmp_path / "scenes", "--images", 3, "--captions", 2, "--side", 32, "--seed", 5)
    assert found == {"directory": str(tmp_path / "scenes"), "images": 3, "captions": 6, "seed": 5}
    entries = read(tmp_path / "scenes").entries
    assert (len(entries), sum(len(entry.captions) for entry in entries)) == (3, 6)


def test_demo(
    home: Path, penumbra: Penumbra, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gallery as `index info --json`, the audit as `index audit --json`, and whether it had to be made."""
    monkeypatch.setattr(demo, "SHIPPED_MODEL", home / MODEL)
    monkeypatch.setattr(demo, "DEMO_IMAGES", 4)
    asked: list[object] = ["demo", "--out", home / "demo"]
    found, told = penumbra(*asked)
    assert (found["made"], found["collection"], found["gallery"]["image"]["count"]) == (True, f"{home}/demo/scenes", 4)
    assert found["gallery"] == json.loads(json.dumps(describe(home / "demo" / "gallery")))
    assert found["audit"] == json.loads((home / "demo" / "gallery" / "audit.json").read_text())
    assert "find themselves" in told and "of 4 images" in told
    assert penumbra(*asked)[0] == {**found, "made": False}
    monkeypatch.setattr(demo, "serve", lambda settings: pytest.fail("it serves"))
    assert "leave out --json or --open" in refused([*asked, "--open"], monkeypatch, capsys)
