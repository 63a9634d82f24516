"""Runtimes beside torch: the same Gaussians, exports bound to their model, a choice by what is stored."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import checkpoint
from models.artifact import read_json, write_json
from models.checkpoint import LoadedModel
from models.embedding import EmbeddingConfig
from models.encoders import Encoder, EncoderConfig
from models.errors import ArtifactError, ConfigError
from models.gaussian import Gaussian
from models.image import Framing, encode_png
from models.match import MatchHead
from models.runtimes import choose, networks, runtime
from models.runtimes.agreement import Agreement
from models.runtimes.choose import Choice, equip
from models.runtimes.export import export
from models.runtimes.record import RECORD, ExportRecord, Measured, folder, read_record, write_record
from models.runtimes.runtime import EXPORTED, Network, Runtime, missing_package, usable
from models.runtimes.timing import in_turns, speedup
from models.text import Vocabulary, batch

VOCABULARY = Vocabulary.from_captions(["a red star left of a blue ring", "something round at night"])
CONFIG = EncoderConfig(embed_dim=16, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32, 1.0))
NEAR = {"atol": 1e-5, "rtol": 1e-4}
GOOD = Agreement(1.0, 0.0)


def save(directory: Path, seed: int = 0, embedding: EmbeddingConfig | None = None) -> LoadedModel:
    """A small model with random weights, on disk."""
    torch.manual_seed(seed)
    config = replace(CONFIG, embedding=embedding or EmbeddingConfig())
    checkpoint.save(Encoder(config, VOCABULARY, MatchHead(9.0, 8.0)), directory, {})
    return checkpoint.load(directory)


def needs(wanted: Runtime) -> None:
    """Skip where a runtime cannot be used."""
    if not usable(wanted):
        pytest.skip(f"needs {missing_package(wanted) or 'a processor that computes in bfloat16'}, which is not here")


@pytest.fixture(scope="module", params=EXPORTED)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Runtime]:
    """A model with an export for one runtime."""
    needs(request.param)
    model = save(tmp_path_factory.mktemp("exported") / "model")
    before = checkpoint.fingerprint(model.directory)
    export(model, request.param, threads=1, runs=1)
    assert checkpoint.fingerprint(model.directory) == before
    return model, request.param


@pytest.fixture(scope="module")
def both(exported: tuple[LoadedModel, Runtime]) -> tuple[Encoder, Encoder]:
    """The model's own encoder, and the one whose networks the runtime computes."""
    model, wanted = exported
    return model.encoder, equip(model, wanted, 1).model.encoder


@pytest.fixture
def copied(exported: tuple[LoadedModel, Runtime], tmp_path: Path) -> tuple[LoadedModel, Runtime]:
    """The same, to be damaged."""
    shutil.copytree(exported[0].directory, tmp_path / "model")
    return checkpoint.load(tmp_path / "model"), exported[1]


@pytest.fixture
def plain(tmp_path: Path) -> LoadedModel:
    """A model without an export."""
    return save(tmp_path / "plain")


def assert_near(found: Gaussian, wanted: Gaussian) -> None:
    torch.testing.assert_close(found.mean, wanted.mean, **NEAR)
    torch.testing.assert_close(found.log_variance, wanted.log_variance, **NEAR)


# The same Gaussians


@settings(max_examples=15)
@given(texts=st.lists(st.lists(st.integers(0, len(VOCABULARY) - 1), min_size=1, max_size=12), min_size=1, max_size=5))
def test_texts_of_any_number_and_length(both: tuple[Encoder, Encoder], texts: list[list[int]]) -> None:
    """Within 1e-5 of torch, padding included, for batches of other sizes and lengths than those that were traced."""
    reference, encoder = both
    assert_near(encoder.encode_tokens(*batch(texts)), reference.encode_tokens(*batch(texts)))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_of_any_number(both: tuple[Encoder, Encoder], count: int) -> None:
    """Within 1e-5 of torch; in float32, so no rounding to 16 bits anywhere."""
    reference, encoder = both
    pixels = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))
    assert_near(encoder.encode_pixels(pixels), reference.encode_pixels(pixels))


@pytest.mark.parametrize("wanted", EXPORTED)
@pytest.mark.parametrize(
    "embedding",
    [
        EmbeddingConfig(attention=False, variance=False),
        EmbeddingConfig(attention=False),
        EmbeddingConfig(variance=False, points=3),
    ],
)
def test_other_embeddings_are_exported_too(tmp_path: Path, wanted: Runtime, embedding: EmbeddingConfig) -> None:
    """Without attention, as points, as several points: the same Gaussians in the same shapes."""
    needs(wanted)
    model = save(tmp_path / "model", embedding=embedding)
    export(model, wanted, threads=1, runs=1)
    encoder = equip(model, wanted, 1).model.encoder
    texts = ["a red star", "something round at night"]
    assert_near(encoder.encode_texts(texts), model.encoder.encode_texts(texts))


def test_files_and_words_go_through_it(both: tuple[Encoder, Encoder], tmp_path: Path) -> None:
    """What stands around the networks is the model's own: vocabulary, framing, match head, and no weights to save."""
    reference, encoder = both
    png = encode_png(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    assert_near(encoder.encode_images([png]), reference.encode_images([png]))
    assert (encoder.config, encoder.vocabulary, encoder.match) == (CONFIG, VOCABULARY, reference.match)
    with pytest.raises(NotImplementedError):
        checkpoint.save(encoder, tmp_path / "saved", {})


def test_the_same_input_gets_the_same_bits(exported: tuple[LoadedModel, Runtime]) -> None:
    """Again and again, and when the export is opened anew."""
    model, wanted = exported
    once, again = (equip(model, wanted, 1).model.encoder for _ in range(2))
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    first = once.encode_pixels(pixels)
    for encoder in (once, once, again):
        assert torch.equal(encoder.encode_pixels(pixels).mean, first.mean)
        assert torch.equal(encoder.encode_texts(["a star"]).mean, once.encode_texts(["a star"]).mean)


def test_bfloat16_is_for_pictures(plain: LoadedModel) -> None:
    """The image network alone computes in it: near float32, not equal; texts are those of float32."""
    needs(Runtime.TORCH_BF16)
    found = equip(plain, Runtime.TORCH_BF16, 1)
    assert {network: choice.runtime for network, choice in found.choices.items()} == {
        Network.IMAGE: Runtime.TORCH_BF16,
        Network.TEXT: Runtime.TORCH,
    }
    pixels, encoder = torch.randn(2, 3, 32, 32), found.model.encoder
    both = encoder.encode_pixels(pixels).mean, plain.encoder.encode_pixels(pixels).mean
    assert both[0].dtype == torch.float32
    assert not torch.equal(*both)
    torch.testing.assert_close(*both, atol=0.02, rtol=0)
    assert torch.equal(encoder.encode_texts(["a star"]).mean, plain.encoder.encode_texts(["a star"]).mean)


# An export belongs to its model


def test_an_export_says_what_was_measured(exported: tuple[LoadedModel, Runtime]) -> None:
    """It comes back from disk as it was; torch is beside it, and both agree."""
    model, wanted = exported
    record = read_record(model.directory, model.fingerprint, wanted)
    assert record is not None
    assert ExportRecord.from_dict(record.to_dict()) == record
    assert (record.runtime, record.model_fingerprint, record.threads) == (wanted, model.fingerprint, 1)
    for network in Network:
        measured = record.measured[network]
        assert measured[Runtime.TORCH].agreement.cosine == pytest.approx(1.0, abs=1e-9)
        assert measured[wanted].agreement.holds
        assert measured[wanted].milliseconds > 0


def test_an_export_of_another_model_is_refused(copied: tuple[LoadedModel, Runtime], tmp_path: Path) -> None:
    """By a sentence with both fingerprints and the remedy, whether it is asked for or merely there."""
    model, wanted = copied
    other = save(tmp_path / "other", seed=1)
    shutil.copytree(folder(model.directory, wanted), folder(other.directory, wanted))
    for asked in (wanted, None):
        with pytest.raises(ArtifactError, match=f"{model.fingerprint[:12]}.*{other.fingerprint[:12]}.*model export"):
            equip(other, asked, 1)


def change_a_weight(directory: Path) -> None:
    """One bit that no reader would notice."""
    path = max(directory.glob("image.*"), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose(directory: Path) -> None:
    next(path for path in directory.iterdir() if path.name.startswith("text")).unlink()


def lose_record(directory: Path) -> None:
    (directory / RECORD).unlink()


def another_schema(directory: Path) -> None:
    write_json(directory / RECORD, {**read_json(directory / RECORD, ""), "schema": 99})


def no_figures(directory: Path) -> None:
    write_json(directory / RECORD, {**read_json(directory / RECORD, ""), "measured": {}})


@pytest.mark.parametrize("damage", [change_a_weight, lose, lose_record, another_schema, no_figures])
def test_a_damaged_export_is_refused(copied: tuple[LoadedModel, Runtime], damage: Callable[[Path], None]) -> None:
    """The message names the file and the remedy, whether it is asked for or merely there; torch starts all the same."""
    model, wanted = copied
    damage(folder(model.directory, wanted))
    for asked in (wanted, None):
        with pytest.raises(ArtifactError, match=f"{wanted}.*penumbra model export"):
            equip(model, asked, 1)
    assert equip(model, Runtime.TORCH, 1).model is model


def test_a_format_that_the_runtime_cannot_read(copied: tuple[LoadedModel, Runtime]) -> None:
    """A file whose hash is right and whose content is none is named in one sentence."""
    model, wanted = copied
    directory = folder(model.directory, wanted)
    record = read_record(model.directory, model.fingerprint, wanted)
    assert record is not None
    for path in directory.glob("image.*"):
        path.write_bytes(b"none")
    hashes = {name: checkpoint.sha256(directory / name) for name in record.files}
    write_record(directory, replace(record, files=hashes))
    with pytest.raises(ArtifactError, match=r"cannot be read by the .*model export"):
        equip(model, wanted, 1)


def test_an_export_that_fails_leaves_the_earlier_one(
    copied: tuple[LoadedModel, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written aside: nothing changes before all of it is there."""
    model, wanted = copied
    directory = folder(model.directory, wanted)
    before = {path: path.read_bytes() for path in directory.iterdir()}

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("models.runtimes.export.write_record", fail)
    with pytest.raises(OSError, match="no space"):
        export(model, wanted, threads=1, runs=1)
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
    assert list(directory.parent.iterdir()) == [directory]


def test_torch_needs_no_export(plain: LoadedModel) -> None:
    """Asked for one, the choices are named and nothing is written."""
    with pytest.raises(ConfigError, match="choose one of onnx, openvino"):
        export(plain, Runtime.TORCH_BF16, threads=1)
    assert not (plain.directory / "runtimes").exists()


# The choice


def record_speeds(model: LoadedModel, image: dict[Runtime, Measured], text: dict[Runtime, Measured]) -> None:
    """An export without files that says this was measured."""
    directory = folder(model.directory, Runtime.ONNX)
    directory.mkdir(parents=True, exist_ok=True)
    figures = {Network.IMAGE: image, Network.TEXT: text}
    write_record(directory, ExportRecord(Runtime.ONNX, model.fingerprint, "made up", "none", 1, {}, figures))


@pytest.fixture
def echoes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Network, Runtime]]:
    """Every runtime can be used and gives torch's Gaussians; what was opened is listed."""
    opened: list[tuple[Network, Runtime]] = []
    real = networks.open_network

    def open_network(encoder: Encoder, network: Network, wanted: Runtime, *rest: Any) -> runtime.Compute:
        opened.append((network, wanted))
        return real(encoder, network, Runtime.TORCH, *rest)

    monkeypatch.setattr(choose, "open_network", open_network)
    monkeypatch.setattr(choose, "usable", lambda _: True)
    return opened


def speeds(choices: Any) -> dict[Network, Runtime]:
    return {network: choice.runtime for network, choice in choices.items()}


def test_the_fastest_that_agrees(plain: LoadedModel, echoes: list[tuple[Network, Runtime]]) -> None:
    """Each network gets the largest stored speed among those that agreed then; a slower one than torch is not taken."""
    bad = Agreement(0.9998, 0.0)
    image = {
        Runtime.TORCH: Measured(GOOD, 4.0, 1.0),
        Runtime.TORCH_BF16: Measured(GOOD, 2.0, 2.0),
        Runtime.ONNX: Measured(GOOD, 1.0, 4.0),
        Runtime.OPENVINO_BF16: Measured(bad, 0.5, 8.0),
    }
    record_speeds(plain, image, {Runtime.ONNX: Measured(GOOD, 5.0, 0.9)})
    found = equip(plain, None, 1)
    assert speeds(found.choices) == {Network.IMAGE: Runtime.ONNX, Network.TEXT: Runtime.TORCH}
    assert "4.0 × as fast" in found.choices[Network.IMAGE].why
    assert "openvino-bf16 did not agree" in found.choices[Network.IMAGE].why
    assert Runtime.OPENVINO_BF16 not in {opened for _, opened in echoes}


def test_without_an_export_torch_stays(plain: LoadedModel) -> None:
    """The model itself comes back, with the reason."""
    found = equip(plain, None, 1)
    assert found.model is plain
    assert set(found.choices.values()) == {Choice(Runtime.TORCH, "no export of this model is faster")}


def test_what_cannot_be_used_here_is_passed_over(plain: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of a package that is not installed keeps nobody from starting, and the reason says so."""
    fast = {Runtime.ONNX: Measured(GOOD, 1.0, 4.0)}
    record_speeds(plain, fast, fast)
    monkeypatch.setattr(runtime, "find_spec", lambda _: None)
    found = equip(plain, None, 1)
    assert speeds(found.choices) == dict.fromkeys(Network, Runtime.TORCH)
    assert "onnx cannot be used here" in found.choices[Network.TEXT].why


@pytest.mark.parametrize("wanted", [Runtime.ONNX, Runtime.OPENVINO, Runtime.OPENVINO_BF16])
def test_a_missing_extra_is_named(plain: LoadedModel, monkeypatch: pytest.MonkeyPatch, wanted: Runtime) -> None:
    """With the command that brings it, for serving and for exporting."""
    monkeypatch.setattr(runtime, "find_spec", lambda _: None)
    command = rf"pip install 'penumbra\[{wanted.float32}\]'"
    with pytest.raises(ConfigError, match=command):
        equip(plain, wanted, 1)
    with pytest.raises(ConfigError, match=command):
        export(plain, wanted.float32, threads=1)


@pytest.mark.parametrize("wanted", EXPORTED)
def test_a_missing_export_is_named(plain: LoadedModel, wanted: Runtime) -> None:
    """With the command that makes it."""
    needs(wanted)
    with pytest.raises(ArtifactError, match=f"penumbra model export .* --runtime {wanted}"):
        equip(plain, wanted, 1)


def test_a_processor_without_bfloat16(plain: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runtimes are refused by name."""
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: False)
    with pytest.raises(ConfigError, match=r"bfloat16.*choose torch"):
        equip(plain, Runtime.TORCH_BF16, 1)


def test_what_no_longer_agrees_is_not_used(plain: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that computes something else on this machine is refused where it is asked for, else passed over."""
    real = networks.open_network

    def astray(encoder: Encoder, network: Network, wanted: Runtime, *rest: Any) -> runtime.Compute:
        compute = real(encoder, network, Runtime.TORCH, *rest)
        if wanted is Runtime.TORCH:
            return compute
        return lambda *inputs: replace(compute(*inputs), log_variance=compute(*inputs).log_variance + 0.06)

    fast = {Runtime.TORCH_BF16: Measured(GOOD, 1.0, 4.0)}
    record_speeds(plain, fast, {})
    monkeypatch.setattr(choose, "open_network", astray)
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: True)
    with pytest.raises(ConfigError, match="other Gaussians than float32 torch for the image network"):
        equip(plain, Runtime.TORCH_BF16, 1)
    found = equip(plain, None, 1)
    assert found.choices[Network.IMAGE].runtime is Runtime.TORCH
    assert "torch-bf16 does not agree here" in found.choices[Network.IMAGE].why


# What is around it


def test_no_runtime_reports_to_its_maker(exported: tuple[LoadedModel, Runtime], tmp_path: Path) -> None:
    """In a fresh process, used as the service uses them, both are silent: their reporting is off before they are
    imported, and leaves nothing in a person's folders.
    """
    model, wanted = exported
    program = (
        "import os, sys; from pathlib import Path; from models import checkpoint; "
        "from models.runtimes.choose import equip; from models.runtimes.runtime import Runtime; "
        "model = equip(checkpoint.load(Path(sys.argv[1])), Runtime(sys.argv[2]), 1).model; "
        "model.encoder.encode_texts(['a star']); "
        "assert Runtime(sys.argv[2]) is not Runtime.ONNX or os.environ['ORT_DISABLE_TELEMETRY'] == '1'; "
        "assert sys.modules.get('openvino_telemetry') is None"
    )
    watched = ("CI", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in watched}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(model.directory), wanted]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_signals_are_handled_after_models_have_gone(exported: tuple[LoadedModel, Runtime]) -> None:
    """A server that tried several runtimes and kept none still stops as asked, in whichever order their models go: none
    takes the stack along on which signals are handled.
    """
    model, wanted = exported
    program = (
        "import gc, os, signal, sys; from pathlib import Path; from models import checkpoint; "
        "from models.runtimes.choose import equip; from models.runtimes.runtime import Runtime; "
        "load = lambda: equip(checkpoint.load(Path(sys.argv[1])), Runtime(sys.argv[2]), 1); "
        "models = [load(), load(), load()]; "
        "[(models.pop(0), gc.collect()) for _ in range(3)]; "
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); "
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    command = [sys.executable, "-c", program, str(model.directory), wanted]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr


def test_times_are_taken_in_turns() -> None:
    """Every round asks each work once, in the same order; the speed-up is the median of the rounds' ratios."""
    asked: list[str] = []
    times = in_turns({name: lambda name=name: asked.append(name) for name in "ab"}, runs=3)
    assert asked == ["a", "b"] * 5
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}
    assert speedup({"slow": [4.0, 9.0, 1.0], "fast": [2.0, 3.0, 10.0]}, "slow", "fast") == 2.0
