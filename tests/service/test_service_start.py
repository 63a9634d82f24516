"""Starting: what is refused and how, settings, readiness."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import noise_png, save_model
from fastapi.testclient import TestClient
from test_service_load import busy, until

from models.checkpoint import load
from models.errors import ConfigError
from models.runtimes.export import export
from models.runtimes.runtime import EXPORTED, Network, Runtime, missing_package, usable
from service.app import create_app, serve
from service.settings import Settings, read

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copied(gallery: Path, tmp_path: Path) -> Path:
    """A gallery with its model, to be damaged."""
    shutil.copytree(gallery.parent, tmp_path / "served")
    return tmp_path / "served" / "gallery"


def damage_model(gallery: Path) -> str:
    shutil.rmtree(gallery.parent / "model")
    save_model(gallery.parent / "model", seed=1)
    return "made by the model"


def cut_means(gallery: Path) -> str:
    path = gallery / "image.means.npy"
    path.write_bytes(path.read_bytes()[:-7])
    return str(path)


def cut_weights(gallery: Path) -> str:
    path = gallery.parent / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    return str(path.parent.name)


def cut_manifest(gallery: Path) -> str:
    path = gallery / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    return str(path)


def lose_items(gallery: Path) -> str:
    (gallery / "items.sqlite").unlink()
    return str(gallery / "items.sqlite")


def lose_model(gallery: Path) -> str:
    shutil.rmtree(gallery.parent / "model")
    return "model"


def lose_gallery(gallery: Path) -> str:
    shutil.rmtree(gallery)
    return str(gallery)


def link_out(gallery: Path) -> str:
    path = gallery / "items.sqlite"
    path.rename(gallery.parent / "items.sqlite")
    path.symlink_to(gallery.parent / "items.sqlite")
    return "items.sqlite"


def link_model_out(gallery: Path) -> str:
    path = gallery.parent / "model" / "config.json"
    path.rename(gallery.parent / "config.json")
    path.symlink_to("../config.json")
    return "config.json"


def name_out(gallery: Path) -> str:
    path = gallery / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../model/model.safetensors"] = manifest["files"].pop("items.sqlite")
    path.write_text(json.dumps(manifest))
    return "../model/model.safetensors"


DAMAGES = [damage_model, cut_means, cut_weights, cut_manifest, lose_items, lose_model, lose_gallery]
STRANGE = [link_out, link_model_out, name_out]


@pytest.mark.parametrize("damage", [*DAMAGES, *STRANGE])
def test_bad_artifacts(damage: object, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is damaged, missing, foreign or outside stops the start: code 2 and one sentence that names it."""
    named = damage(copied)  # type: ignore[operator]
    with pytest.raises(SystemExit) as exit:
        serve(Settings(gallery=copied, threads=1, port=0))
    assert exit.value.code == 2
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert named in written


def test_exit_code_of_the_process(copied: Path) -> None:
    """The process itself ends with code 2, with one line on stderr and nothing of a traceback."""
    damage_model(copied)
    imports = "import sys; from service.app import serve; from service.settings import read"
    program = f"{imports}; serve(read(gallery=sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(copied)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_taken_port(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named before anything is loaded, with code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as exit:
            serve(Settings(gallery=copied / "nowhere", port=port))
    assert exit.value.code == 2
    written = capsys.readouterr().err
    assert written.startswith(f"Port {port} of 127.0.0.1 cannot be opened (Address already in use)")
    assert written.count("\n") == 1


def test_model_beside_the_gallery(copied: Path) -> None:
    """The model is the one that the gallery names, relative to the gallery, unless another folder is given."""
    moved = copied.parent / "elsewhere"
    (copied.parent / "model").rename(moved)
    with pytest.raises(SystemExit):
        serve(Settings(gallery=copied, threads=1, port=0))
    app = create_app(Settings(gallery=copied, model=moved, threads=1))
    app.state.service.engine.close()


@pytest.mark.parametrize("wanted", ["auto", *Runtime])
def test_every_runtime(copied: Path, wanted: str) -> None:
    """The server starts with it, says so and why in /info, and answers texts and pictures; auto is torch without an
    export.
    """
    asked = None if wanted == "auto" else Runtime(wanted)
    if asked is not None and not usable(asked):
        pytest.skip(f"needs {missing_package(asked) or 'a processor that computes in bfloat16'}, which is not here")
    if asked is not None and asked.float32 in EXPORTED:
        export(load(copied.parent / "model"), asked.float32, threads=1, runs=1)
    settings = Settings(gallery=copied, threads=1, runtime=wanted, hosts=("testserver",))
    with TestClient(create_app(settings)) as client:
        told = client.get("/info").json()["runtimes"]
        texts = client.post("/search/text-to-image", json={"text": "a red star"})
        images = client.post("/search/image-to-text", files={"image": noise_png(0)})
    assert {network: each["runtime"] for network, each in told.items()} == {
        network: Runtime.TORCH if asked is None else asked.computes(network) for network in Network
    }
    assert all(each["why"] for each in told.values())
    assert (texts.status_code, images.status_code) == (200, 200)
    assert len(texts.json()["results"]) == len(images.json()["results"]) == 10


def test_a_runtime_that_is_not_installed(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stops the start with code 2 and one sentence that has the command which brings it."""
    monkeypatch.setattr("models.runtimes.runtime.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as exit:
        serve(Settings(gallery=copied, threads=1, port=0, runtime="openvino"))
    assert exit.value.code == 2
    written = capsys.readouterr().err
    assert "pip install 'penumbra[openvino]'" in written
    assert written.count("\n") == 1


def test_ready_after_the_warm_up(settings: Settings) -> None:
    """The server is alive at once, and ready only when a text and a picture have been encoded and searched with."""
    app = create_app(settings)
    with busy(app.state.service.engine) as release, TestClient(app) as client:
        assert client.get("/healthz").status_code == 200
        waiting = client.get("/readyz")
        assert (waiting.status_code, waiting.headers["content-type"]) == (503, "application/problem+json")
        assert "Retry-After" in waiting.headers
        release.set()
        until(lambda: client.get("/readyz").status_code == 200)
        stages = client.get("/metrics").text
    # What the warm-up takes is nobody's query.
    assert "penumbra_stage_seconds_bucket" not in stages


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given wins over the environment, which wins over the defaults."""
    monkeypatch.setenv("PENUMBRA_GALLERY", "/from/environment")
    monkeypatch.setenv("PENUMBRA_PORT", "9000")
    monkeypatch.setenv("PENUMBRA_LIMITS__TOP_K", "7")
    monkeypatch.setenv("PENUMBRA_RUNTIME", "torch-bf16")
    settings = read(port=9001, host=None)
    assert (settings.gallery, settings.port, settings.host) == (Path("/from/environment"), 9001, "127.0.0.1")
    assert (settings.limits.top_k, settings.limits.samples) == (7, 64)
    assert settings.runtime is Runtime.TORCH_BF16


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("PORT", "99999", "PENUMBRA_PORT"),
        ("LIMITS__TOP_K", "0", "PENUMBRA_LIMITS__TOP_K"),
        ("RUNTIME", "abacus", "PENUMBRA_RUNTIME"),
    ],
)
def test_bad_settings(monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str) -> None:
    """A setting out of range is refused by its name in the environment."""
    monkeypatch.setenv(f"PENUMBRA_{name}", value)
    with pytest.raises(ConfigError, match=named):
        read(gallery="somewhere")


def test_a_gallery_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a gallery the setting that is missing is named."""
    monkeypatch.delenv("PENUMBRA_GALLERY", raising=False)
    with pytest.raises(ConfigError, match="PENUMBRA_GALLERY"):
        read()
