from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from corpus.manifest import Corpus
from corpus.read import read
from index.building.build import build
from index.building.embedding import Progress
from index.files.manifest import read_manifest
from index.files.shards import workspace
from index.gaussians.storage import Storage
from index.items import Item, Modality
from index.local.gallery import Gallery
from index.searching.retriever import ANSWERS, Retriever, SearchOptions
from index.shortlists.choice import Wanted
from index.shortlists.loss import Space
from models import checkpoint
from models.calibration import Calibration, Direction
from models.checkpoint import LoadedModel
from models.embedding import EmbeddingConfig
from models.encoders import Encoder, EncoderConfig
from models.errors import ArtifactError, ConfigError, CorpusError
from models.image import Framing, decode
from models.match import MatchHead
from models.text import Vocabulary

CAPTIONS = ("a thing", "a red thing")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C at a chosen moment."""


def interrupt_at(modality: Modality, done: int) -> Callable[[Progress], None]:
    def progress(now: Progress) -> None:
        if (now.modality, now.done) == (modality, done):
            raise Interrupted

    return progress


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "manifest.json"}


def same(one: Path, other: Path) -> bool:
    """Whether two galleries are the same to the byte, the time in their manifests (and the model's path) aside."""
    manifests = [replace(read_manifest(each), created="", model="") for each in (one, other)]
    return contents(one) == contents(other) and manifests[0] == manifests[1]


def leftovers(out: Path) -> list[str]:
    """What a build left beside its gallery, but for the lock, which stays."""
    hidden = (path.name for path in out.parent.iterdir() if path.name.startswith("."))
    return sorted(name for name in hidden if name != f".{out.name}.lock")


def other_model(folder: Path, embedding: EmbeddingConfig) -> LoadedModel:
    """A model with another embedding than PCME's."""
    torch.manual_seed(0)
    config = EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0), embedding)
    checkpoint.save(Encoder(config, Vocabulary.from_captions(CAPTIONS), MatchHead(5.0, 4.0)), folder, {})
    return checkpoint.load(folder)


def test_a_model_of_points_can_be_searched(corpus: Corpus, tmp_path: Path) -> None:
    """Its gallery says that it has no variances, an image finds itself, and sampling has no error."""
    model = other_model(tmp_path / "model", EmbeddingConfig(attention=False, variance=False))
    manifest = build(model, corpus, tmp_path / "gallery")
    assert all(found.state is not None and found.state.collapsed for found in manifest.variances.values())
    with Gallery.open(tmp_path / "gallery", model=model.fingerprint) as gallery:
        query = model.encoder.encode_images([corpus.entries[3].image.read_bytes()])[0]
        retriever = Retriever(gallery, model.encoder.match)
        result = retriever.search(query, Direction.TEXT_TO_IMAGE, SearchOptions(top_k=3))
    assert result.hits[0].item.id == corpus.entries[3].id
    assert all(hit.standard_error == pytest.approx(0, abs=1e-6) for hit in result.hits)


def test_several_points_an_item_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    """In a sentence, before anything is written."""
    model = other_model(tmp_path / "model", EmbeddingConfig(variance=False, points=2))
    with pytest.raises(ConfigError, match=r"2 points.*points = 1"):
        build(model, corpus, tmp_path / "gallery")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_gaussians_are_those_of_the_encoder(model: LoadedModel, corpus: Corpus, built: Path) -> None:
    """Row by row, the gallery holds what the encoder gives for the image's file and for the caption alone."""
    with Gallery.open(built) as gallery:
        images = model.encoder.encode_images([entry.image.read_bytes() for entry in corpus.entries])
        captions = [caption for entry in corpus.entries for caption in entry.captions]
        texts = model.encoder.encode_texts(captions)
        for modality, expected in ((Modality.IMAGE, images), (Modality.TEXT, texts)):
            found = gallery.gaussians(modality, range(len(expected)))
            # As far as they are stored: in float16, and in codes of 8 bits.
            assert gallery.manifest.storage[modality].storage is Storage.COMPACT
            torch.testing.assert_close(found.mean, expected.mean, rtol=6e-4, atol=1e-4)
            step = (expected.log_variance.amax(0) - expected.log_variance.amin(0)) / 255
            assert ((found.log_variance - expected.log_variance).abs() <= step / 2 + 1e-4).all()


def test_items_are_those_of_the_corpus(corpus: Corpus, built: Path) -> None:
    """Every image and every caption, repeated ones too, is an item with its id, words, image, label and meta."""
    with Gallery.open(built) as gallery:
        for row, entry in enumerate(corpus.entries):
            image = Item(entry.id, Modality.IMAGE, None, entry.id, entry.label, entry.meta)
            assert gallery.items(Modality.IMAGE, [row]) == (image,)
            for number, caption in enumerate(entry.captions):
                found = gallery.find(f"{entry.id}#{number}")
                assert found == (Modality.TEXT, 2 * row + number)
                item = Item(f"{entry.id}#{number}", Modality.TEXT, caption, entry.id, entry.label)
                assert gallery.items(*found[:1], [found[1]]) == (item,)
            assert decode(gallery.picture(entry.id) or b"").size == (40, 36)


def test_the_manifest_says_how_it_came_to_be(model: LoadedModel, corpus: Corpus, built: Path) -> None:
    """Model (found from the gallery), corpus, counts and findings are in the manifest."""
    manifest = read_manifest(built)
    assert (built / manifest.model).resolve() == model.directory.resolve()
    assert (manifest.model_fingerprint, manifest.corpus_fingerprint) == (model.fingerprint, corpus.fingerprint)
    assert manifest.counts == {Modality.IMAGE: 11, Modality.TEXT: 22}
    assert all(found.checked == found.found for found in manifest.self_retrieval.values())
    assert manifest.self_retrieval[Modality.TEXT].tied > 0


def test_a_build_is_reproducible(model: LoadedModel, corpus: Corpus, built: Path, tmp_path: Path) -> None:
    """Built again, it is the same to the byte and has the same fingerprint; other words give another fingerprint."""
    again = build(model, corpus, tmp_path / "again", batch=4)
    assert same(built, tmp_path / "again")
    assert again.fingerprint == read_manifest(built).fingerprint
    changed = replace(corpus, entries=(replace(corpus.entries[0], label="other"), *corpus.entries[1:]))
    assert build(model, changed, tmp_path / "again", batch=4).fingerprint != again.fingerprint


@pytest.mark.parametrize(
    ("modality", "done"), [(Modality.IMAGE, 0), (Modality.IMAGE, 8), (Modality.TEXT, 0), (Modality.TEXT, 22)]
)
def test_interrupted_it_goes_on(
    model: LoadedModel, corpus: Corpus, built: Path, tmp_path: Path, modality: Modality, done: int
) -> None:
    """Interrupted at any batch, nothing is published; started again, it begins there and ends with the same bytes."""
    out = tmp_path / "gallery"
    with pytest.raises(Interrupted):
        build(model, corpus, out, batch=4, progress=interrupt_at(modality, done))
    assert not out.exists()
    seen: list[Progress] = []
    build(model, corpus, out, batch=4, progress=seen.append)
    assert next(now.done for now in seen if now.modality == modality) == done
    assert same(built, out)
    assert leftovers(out) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from corpus.read import read
from index.building.build import build
from models.checkpoint import load

def progress(now):
    if (now.modality, now.done) == (sys.argv[4], int(sys.argv[5])):
        os.kill(os.getpid(), signal.SIGKILL)

build(load(Path(sys.argv[1])), read(Path(sys.argv[2])), Path(sys.argv[3]), batch=4, progress=progress)
"""


def test_killed_it_goes_on(model: LoadedModel, corpus: Corpus, built: Path, tmp_path: Path) -> None:
    """A process killed in the middle leaves the old gallery, and the next one goes on to the same bytes."""
    out = tmp_path / "gallery"
    shutil.copytree(built, out)
    (out / "items.sqlite").write_bytes(b"old")
    arguments = [str(model.directory), str(corpus.root), str(out), "text", "12"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, env={**os.environ})
    assert killed.returncode == -signal.SIGKILL
    assert (out / "items.sqlite").read_bytes() == b"old"
    seen: list[tuple[Modality, int]] = []
    build(model, corpus, out, batch=4, progress=lambda now: seen.append((now.modality, now.done)))
    assert seen == [
        (Modality.IMAGE, 11),
        (Modality.TEXT, 12),
        (Modality.TEXT, 16),
        (Modality.TEXT, 20),
        (Modality.TEXT, 22),
    ]
    assert same(built, out)
    assert leftovers(out) == []


def test_half_a_shard_does_not_count(model: LoadedModel, corpus: Corpus, built: Path, tmp_path: Path) -> None:
    """What a crash left of a batch that was being written is written anew."""
    out = tmp_path / "gallery"
    with pytest.raises(Interrupted):
        build(model, corpus, out, batch=4, progress=interrupt_at(Modality.IMAGE, 4))
    (tmp_path / ".gallery.building" / "image-00000001.part").write_bytes(b"half")
    build(model, corpus, out, batch=4)
    assert same(built, out)


def test_other_parameters_start_anew(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """Batches finished for other parameters are not taken up."""
    out = tmp_path / "gallery"
    with pytest.raises(Interrupted):
        build(model, corpus, out, batch=4, progress=interrupt_at(Modality.IMAGE, 4))
    seen: list[int] = []
    build(model, corpus, out, batch=5, progress=lambda now: seen.append(now.done))
    assert seen[:3] == [0, 5, 10]


def test_other_shortlists_take_up_what_is_finished(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """Batches are encoded once, whatever shortlist is asked for afterwards."""
    out = tmp_path / "gallery"
    with pytest.raises(Interrupted):
        build(model, corpus, out, batch=4, progress=interrupt_at(Modality.TEXT, 8))
    seen: list[tuple[Modality, int]] = []
    manifest = build(
        model,
        corpus,
        out,
        batch=4,
        shortlist=Wanted("sq8", "lifted", 0.9),
        progress=lambda now: seen.append((now.modality, now.done)),
    )
    assert seen[:2] == [(Modality.IMAGE, 11), (Modality.TEXT, 8)]
    assert manifest.parameters.shortlist == Wanted("sq8", "lifted", 0.9)
    assert {record.kind for record in manifest.shortlists.values()} == {"sq8"}
    assert {record.over for record in manifest.shortlists.values()} == {Space.EXPECTED}
    assert read_manifest(out) == manifest


def test_shortlists_follow_the_head_of_their_direction(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """What is measured is of the calibrated head by which a modality answers, and of the raw one without any."""
    heads = {direction: MatchHead(5.0 + place, 4.0) for place, direction in enumerate(Direction)}
    manifest = build(model, corpus, tmp_path / "raw")
    assert all(each.loss and each.loss.compared_with(model.encoder.match) for each in manifest.shortlists.values())
    model.encoder.calibration = Calibration(heads, heads, {})
    try:
        manifest = build(model, corpus, tmp_path / "calibrated")
    finally:
        model.encoder.calibration = None
    for direction, modality in ANSWERS.items():
        loss = manifest.shortlists[modality].loss
        assert loss is not None
        assert loss.compared_with(heads[direction])
        assert loss.asked_by == next(each.value for each in Modality if each is not modality)


def test_what_cannot_work_is_refused_before_work_starts(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """A kind that so few items cannot train, in a sentence with what to change; nothing is written."""
    with pytest.raises(ConfigError, match=r"ivf_rabitq is trained on 5,000 items at least, and there are 11 images"):
        build(model, corpus, tmp_path / "gallery", shortlist=Wanted("ivf_rabitq"))
    with pytest.raises(ConfigError, match="raise --memory"):
        build(model, corpus, tmp_path / "gallery", shortlist=Wanted(memory=10))
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_image_is_named(model: LoadedModel, own_corpus: Path, tmp_path: Path) -> None:
    """An image that cannot be read stops the build by its name; what was there stays."""
    (own_corpus / "6.png").write_bytes(b"no picture")
    with pytest.raises(CorpusError, match=r"6\.png: This is not a picture .*--skip-bad\.") as raised:
        build(model, read(own_corpus), tmp_path / "gallery", batch=4)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "gallery").exists()


def test_skip_bad_lists_what_it_left_out(model: LoadedModel, own_corpus: Path, tmp_path: Path) -> None:
    """With skip_bad the image and its captions are left out and listed, after the lines the corpus left out."""
    whole = build(model, read(own_corpus), tmp_path / "gallery", batch=4)
    for number in (0, 1, 2, 3, 6):
        (own_corpus / f"{number}.png").write_bytes(b"no picture")
    with (own_corpus / "captions.jsonl").open("a") as lines:
        lines.write("\nnonsense\n")
    corpus = read(own_corpus, skip_bad=True)
    manifest = build(model, corpus, tmp_path / "gallery", batch=4, skip_bad=True)
    assert manifest.counts == {Modality.IMAGE: 6, Modality.TEXT: 12}
    names = [Path(each.what).name for each in manifest.left_out]
    assert names == ["captions.jsonl, line 12", "0.png", "1.png", "2.png", "3.png", "6.png"]
    assert read_manifest(tmp_path / "gallery") == manifest != whole
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert [item.id for item in gallery.items(Modality.IMAGE, range(6))] == ["i4", "i5", "i7", "i8", "i9", "i10"]
        assert gallery.find("i6") is gallery.find("i6#0") is None
        found = gallery.gaussians(Modality.IMAGE, [2])
    expected = model.encoder.encode_images([(own_corpus / "7.png").read_bytes()])
    torch.testing.assert_close(found.mean, expected.mean, rtol=6e-4, atol=1e-4)


def test_what_was_skipped_is_not_forgotten(model: LoadedModel, own_corpus: Path, tmp_path: Path) -> None:
    """Batches finished with skip_bad, taken up without it, still refuse the unreadable image."""
    (own_corpus / "1.png").write_bytes(b"no picture")
    out = tmp_path / "gallery"
    with pytest.raises(Interrupted):
        build(model, read(own_corpus), out, batch=4, skip_bad=True, progress=interrupt_at(Modality.IMAGE, 8))
    with pytest.raises(CorpusError, match=r"1\.png"):
        build(model, read(own_corpus), out, batch=4)


def test_nothing_readable(model: LoadedModel, own_corpus: Path, tmp_path: Path) -> None:
    """A corpus without one readable image makes no gallery."""
    for path in own_corpus.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(CorpusError, match="holds no image that can be read"):
        build(model, read(own_corpus), tmp_path / "gallery", skip_bad=True)


def test_a_bare_folder_of_images(model: LoadedModel, own_corpus: Path, tmp_path: Path) -> None:
    """A folder without captions makes a gallery of images alone."""
    (own_corpus / "captions.jsonl").unlink()
    build(model, read(own_corpus), tmp_path / "gallery")
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert (gallery.count(Modality.IMAGE), gallery.count(Modality.TEXT)) == (11, 0)
        assert gallery.by_uncertainty(Modality.TEXT).tolist() == []


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
def test_other_folders_are_not_replaced(model: LoadedModel, corpus: Corpus, tmp_path: Path, name: str) -> None:
    """A folder that holds something else than a gallery is refused and stays as it is."""
    (tmp_path / name).write_text("{}")
    with pytest.raises(ArtifactError, match="exists and is no gallery"):
        build(model, corpus, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_ids_that_would_collide(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """An image whose id is that of another one's caption is refused by name."""
    entries = (*corpus.entries, replace(corpus.entries[0], id="i3#1"))
    with pytest.raises(CorpusError, match=r"'i3#1' is the id of an image .* caption of 'i3'"):
        build(model, replace(corpus, entries=entries), tmp_path / "gallery")


def test_one_build_at_a_time(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """While a gallery is being built, another build of it is refused and disturbs nothing."""
    out = tmp_path / "gallery"
    with workspace(out, {}), pytest.raises(ArtifactError, match="is being built by another process"):
        build(model, corpus, out)


def test_a_diverged_model_is_refused(model: LoadedModel, corpus: Corpus, tmp_path: Path) -> None:
    """A model that gives numbers that are not finite makes no gallery."""
    weight = model.encoder.image.fc.weight
    before = weight.clone()
    weight.fill_(np.nan)
    try:
        with pytest.raises(ArtifactError, match="tiny gives numbers that are not finite"):
            build(model, corpus, tmp_path / "gallery")
    finally:
        weight.copy_(before)
