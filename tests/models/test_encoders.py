"""Encoders and published checkpoints: exact to the reference, indifferent to order, padding and size."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from reference import Reference

from models import checkpoint
from models.calibration import Calibration, Direction
from models.embedding import EmbeddingConfig
from models.encoders import Encoder, EncoderConfig
from models.errors import ArtifactError, ConfigError
from models.image import Framing, encode_png
from models.match import LogVarianceTerm, MatchHead, TraceTerm
from models.official import read_checkpoint
from models.probability_map import IsotonicMap, PlattMap
from models.text import Vocabulary, batch

TINY = EncoderConfig(embed_dim=16, word_dim=8, backbone="resnet18", stages=1, framing=Framing(32, 1.0))
VOCABULARY = Vocabulary.from_captions(["a red star left of a blue ring", "something round at night"])


@pytest.fixture
def tiny() -> Encoder:
    """A small model with random weights."""
    torch.manual_seed(0)
    return Encoder(TINY, VOCABULARY, MatchHead(9.0, 8.0)).eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["resnet18", "resnet50"])
def published(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The reference's made-up checkpoint, imported from the authors' file format, and its values."""
    reference = Reference(shared / "reference")
    path = tmp_path_factory.mktemp("official") / "model.pth"
    torch.save(reference.checkpoint(request.param), path)
    return request.param, reference, read_checkpoint(path)


@pytest.mark.shared
def test_image_encoder_is_the_reference(published: Any) -> None:
    """Means, log σ and both attention maps within 1e-5."""
    cnn, reference, encoder = published
    encoding = encoder.image(reference.images(cnn))
    assert_encoding(encoding, reference, f"{cnn}/image")


@pytest.mark.shared
def test_text_encoder_is_the_reference_in_any_order(published: Any) -> None:
    """The same, with the captions in the given order and in reverse, and padded further than need be."""
    cnn, reference, encoder = published
    ids, lengths = reference[f"{cnn}/tokens"].long(), reference[f"{cnn}/lengths"].long()
    assert_encoding(encoder.text(ids, lengths), reference, f"{cnn}/caption")
    padded = torch.nn.functional.pad(ids, (0, 5)).flip(0)
    back = encoder.text(padded, lengths.flip(0)).gaussian
    torch.testing.assert_close(back.mean.flip(0), reference[f"{cnn}/caption_features"], atol=1e-5, rtol=0)


def assert_encoding(encoding: Any, reference: Reference, name: str) -> None:
    """All four outputs within 1e-5 of the reference."""
    pairs = {
        "features": encoding.gaussian.mean,
        "logsigma": encoding.gaussian.log_variance / 2,
        "attentions": encoding.mean_attention.mT,
        "logsigma_att": encoding.variance_attention[..., None],
    }
    for key, ours in pairs.items():
        torch.testing.assert_close(ours, reference[f"{name}_{key}"], atol=1e-5, rtol=0)


@pytest.mark.shared
def test_import_doubles_the_match_head(published: Any) -> None:
    """The reference's logistic function is that of twice its argument."""
    _, _, encoder = published
    assert encoder.match == MatchHead(30.0, 30.0)


@pytest.mark.parametrize("content", [b"no checkpoint", b""])
def test_import_refuses_what_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    """One sentence that names the file."""
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.pth"):
        read_checkpoint(path)


class Bomb:
    """Code that would run when it is unpickled without care."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("exploded"),)


def test_import_runs_nothing_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that carries code is refused, and the code has not run."""
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Bomb()}, tmp_path / "model.pth", pickle_module=pickle)
    with pytest.raises(ArtifactError, match="plain values"):
        read_checkpoint(tmp_path / "model.pth")
    assert not (tmp_path / "exploded").exists()


def test_import_names_what_is_missing(tmp_path: Path) -> None:
    """A dict without the format's keys is refused with a sentence."""
    torch.save({"model": {}}, tmp_path / "model.pth")
    with pytest.raises(ArtifactError, match="published PCME format"):
        read_checkpoint(tmp_path / "model.pth")


def test_last_token_reading_is_the_packed_bi_gru(tiny: Encoder) -> None:
    """The forward GRU and one backward step give what torch's packed bidirectional GRU has at the last token."""
    ours = tiny.text.rnn
    theirs = torch.nn.GRU(8, 8, batch_first=True, bidirectional=True)
    state = dict(ours.forwards.state_dict())
    state |= {f"{key}_l0_reverse": value for key, value in ours.backwards.state_dict().items()}
    theirs.load_state_dict(state)
    words, lengths = torch.randn(5, 9, 8), torch.tensor([3, 9, 1, 7, 7])
    packed = torch.nn.utils.rnn.pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(words, lengths), padded[torch.arange(5), lengths - 1])


def test_means_have_norm_one_and_padding_gets_no_attention(tiny: Encoder) -> None:
    """Means lie on the unit sphere; attention sums to one over the real words."""
    ids, lengths = batch([VOCABULARY.encode(t) for t in ("a red star", "something round at night")])
    encoding = tiny.text(ids, lengths)
    torch.testing.assert_close(encoding.gaussian.mean.norm(dim=-1), torch.ones(2))
    assert encoding.mean_attention is not None
    torch.testing.assert_close(encoding.mean_attention.sum(-1), torch.ones(2, 1))
    assert (encoding.mean_attention[0, :, lengths[0] :] == 0).all()


@pytest.mark.parametrize(
    ("embedding", "shape"),
    [
        (EmbeddingConfig(attention=False, variance=False), (2, 16)),
        (EmbeddingConfig(attention=False), (2, 16)),
        (EmbeddingConfig(variance=False), (2, 16)),
        (EmbeddingConfig(variance=False, points=3), (2, 3, 16)),
    ],
)
def test_other_embeddings_have_what_they_are_asked_for(embedding: EmbeddingConfig, shape: tuple[int, ...]) -> None:
    """Means of norm one in their shape; variances only where asked for; no parameter that does nothing."""
    torch.manual_seed(0)
    encoder = Encoder(replace(TINY, embedding=embedding), VOCABULARY, MatchHead(9.0, 8.0)).eval()
    ids, lengths = batch([VOCABULARY.encode(t) for t in ("a red star", "something round at night")])
    total = torch.zeros(())
    for encoding in (encoder.text(ids, lengths), encoder.image(torch.randn(2, 3, 32, 32))):
        gaussian = encoding.gaussian
        assert gaussian.mean.shape == shape
        torch.testing.assert_close(gaussian.mean.norm(dim=-1), torch.ones(shape[:-1]))
        assert (float(gaussian.log_variance.detach().std()) > 0) == embedding.variance
        assert (encoding.mean_attention is not None) == embedding.attention
        assert (encoding.variance_attention is not None) == (embedding.attention and embedding.variance)
        weights = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        total = total + (weights * gaussian.mean + gaussian.log_variance).sum()
    total.backward()
    assert [name for name, value in encoder.named_parameters() if value.grad is None] == []


def test_several_points_attend_differently() -> None:
    """Each point of an input has weights of its own, which sum to one over its positions."""
    torch.manual_seed(0)
    config = replace(TINY, embedding=EmbeddingConfig(variance=False, points=3))
    encoding = Encoder(config, VOCABULARY, MatchHead(9.0, 8.0)).eval().image(torch.randn(2, 3, 64, 64))
    assert encoding.mean_attention is not None
    torch.testing.assert_close(encoding.mean_attention.sum(-1), torch.ones(2, 3))
    assert not encoding.mean_attention[:, 0].allclose(encoding.mean_attention[:, 1])
    assert encoding.residual is not None
    assert encoding.residual.shape == (2, 3, 16)


@pytest.mark.parametrize("side", [33, 64, 97])
def test_any_input_size(tiny: Encoder, side: int) -> None:
    """The image encoder takes any height and width."""
    assert tiny.encode_pixels(torch.randn(2, 3, side, side + 10)).mean.shape == (2, 16)


def test_bytes_and_pictures_are_encoded_alike(tiny: Encoder) -> None:
    """A file's bytes and the decoded picture give the same Gaussian; texts go through the vocabulary."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    both = tiny.encode_images([encode_png(pixels), Image.fromarray(pixels)])
    torch.testing.assert_close(both.mean[0], both.mean[1])
    direct = tiny.encode_tokens(*batch([VOCABULARY.encode("a red star")]))
    torch.testing.assert_close(tiny.encode_texts(["A red STAR!"]).mean, direct.mean)


def test_a_model_comes_back_from_disk_as_it_was(tiny: Encoder, tmp_path: Path) -> None:
    """Weights, vocabulary, match head and calibration survive; so does the fingerprint, with or without calibration."""
    checkpoint.save(tiny, tmp_path / "m", {"seed": 0})
    before = checkpoint.load(tmp_path / "m")
    heads = {d: MatchHead(3.0, 2.0, TraceTerm(0.5, 0.1, 0.2, 0.9), TraceTerm(-0.25)) for d in Direction}
    mean_only = {d: MatchHead(4.0, 1.0, map=IsotonicMap((0.1, 0.4), (0.2, 0.3)), means_alone=True) for d in Direction}
    reading = LogVarianceTerm((0.5, -0.25), 0.1, 0.2, -1.0, 2.0)
    steep = MatchHead(1.0, 2.0, reading, reading, PlattMap(0.5, 0.1), steepness=(0.25, -0.125))
    candidates = {d: {"a": steep} for d in Direction}
    calibration = Calibration(heads, mean_only, {"relevance": "instance"}, candidates)
    checkpoint.save_calibration(calibration, tmp_path / "m")
    after = checkpoint.load(tmp_path / "m")
    assert after.fingerprint == before.fingerprint
    assert before.encoder.calibration is None
    assert after.encoder.calibration == calibration
    assert after.encoder.match == tiny.match
    texts = ["a red star", "never seen"]
    assert torch.equal(after.encoder.encode_texts(texts).mean, tiny.encode_texts(texts).mean)


def test_a_calibration_without_candidates_is_read() -> None:
    """One from before maps: its heads are as they were, and the mean-only ones see the means alone."""
    term = {"slope": 0.5, "curve": 0.1, "least": 0.2, "most": 0.9}
    heads = {str(d): {"scale": 3.0, "shift": 2.0, "query": term, "item": term} for d in Direction}
    found = Calibration.from_dict({"heads": heads, "mean_only_heads": heads, "figures": {}})
    for direction in Direction:
        assert found.heads[direction] == MatchHead(3.0, 2.0, TraceTerm(**term), TraceTerm(**term))
        assert found.mean_only_heads[direction].means_alone
    assert found.candidates == {}


def test_fingerprint_tells_models_apart(tiny: Encoder, tmp_path: Path) -> None:
    """One weight, or the match head, changes it."""
    checkpoint.save(tiny, tmp_path / "a", {})
    tiny.image.fc.bias[0] += 1
    checkpoint.save(tiny, tmp_path / "b", {})
    tiny.match = replace(tiny.match, scale=1.0)
    checkpoint.save(tiny, tmp_path / "c", {})
    assert len({checkpoint.fingerprint(tmp_path / name) for name in "abc"}) == 3


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_model_is_named(tiny: Encoder, tmp_path: Path, name: str, damage: str) -> None:
    """A missing or truncated file is an error that names it or its folder, and the remedy."""
    checkpoint.save(tiny, tmp_path / "m", {})
    path = tmp_path / "m" / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtifactError, match=r"train or import the model again"):
        checkpoint.load(tmp_path / "m")


def test_a_damaged_calibration_is_named(tiny: Encoder, tmp_path: Path) -> None:
    """A calibration without a direction is refused by name."""
    checkpoint.save(tiny, tmp_path / "m", {})
    (tmp_path / "m" / "calibration.json").write_text(json.dumps({"heads": {}, "figures": {}}))
    with pytest.raises(ArtifactError, match=r"calibration\.json"):
        checkpoint.load(tmp_path / "m")


def test_another_schema_is_refused(tiny: Encoder, tmp_path: Path) -> None:
    """A model of a later version is not guessed at."""
    checkpoint.save(tiny, tmp_path / "m", {})
    path = tmp_path / "m" / "config.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(ArtifactError, match="99"):
        checkpoint.load(tmp_path / "m")


@pytest.mark.parametrize(("backbone", "stages"), [("vgg", 4), ("resnet18", 0), ("resnet18", 5)])
def test_unknown_backbones_are_refused(backbone: str, stages: int) -> None:
    """With a sentence that names the choices."""
    with pytest.raises(ConfigError, match="choose one of"):
        Encoder(replace(TINY, backbone=backbone, stages=stages), VOCABULARY, MatchHead(1.0, 0.0))


def test_odd_dimensions_are_refused() -> None:
    """A bi-GRU gives half of the dimensions to each direction."""
    with pytest.raises(ConfigError, match="odd"):
        Encoder(replace(TINY, embed_dim=15), VOCABULARY, MatchHead(1.0, 0.0))
