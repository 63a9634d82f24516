"""The commands that change and check a gallery, on a tiny one: what they do, say and exit with."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from milvus_server import MilvusServer

from cli.main import main
from faults.subject import MODEL, build_gallery, write_corpus, write_model
from index.items import Modality
from index.lifecycle.living import LivingGallery
from index.local.gallery import Gallery

Penumbra = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its gallery of three images with two captions each, and a collection of one more image."""
    folder = tmp_path_factory.mktemp("made")
    write_model(folder / MODEL)
    write_corpus(folder / "corpus", images=3, seed=1)
    build_gallery(folder / MODEL, folder / "corpus", folder / "gallery")
    write_corpus(folder / "more", images=1, seed=2)
    line = json.loads((folder / "more" / "captions.jsonl").read_text())
    (folder / "more" / "captions.jsonl").write_text(json.dumps({**line, "id": "more"}))
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture
def penumbra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Penumbra:
    """Runs `penumbra index …` in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["penumbra", "index", *map(str, arguments), *threads(arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


def threads(arguments: tuple[object, ...]) -> list[str]:
    return ["--threads", "1"] if arguments[0] in ("add", "update", "compact") else []


def held(home: Path) -> tuple[set[str], set[str]]:
    """The ids of images and of captions."""
    with Gallery.open(home / "gallery") as gallery:
        images, texts = (
            {item.id for item in gallery.items(modality, gallery.by_uncertainty(modality, limit=99))}
            for modality in Modality
        )
        return images, texts


def test_add_remove_and_compact(home: Path, penumbra: Penumbra) -> None:
    """Each command's change is there for whoever opens the gallery next; compaction changes none of it."""
    images = {"i0", "i1", "i2"}
    code, told, _ = penumbra("add", home / "gallery", "--data", home / "more")
    assert code == 0 and "3 items came" in told
    assert held(home) == (images | {"more"}, {f"{i}#{n}" for i in images | {"more"} for n in (0, 1)})
    assert penumbra("remove", home / "gallery", "i1", "i2#0")[0] == 0
    expected = ({"i0", "i2", "more"}, {"i0#0", "i0#1", "i2#1", "more#0", "more#1"})
    assert held(home) == expected
    code, told, _ = penumbra("compact", home / "gallery")
    assert code == 0 and "generation 1" in told and "0 items came" in told
    assert held(home) == expected
    assert penumbra("verify", home / "gallery")[0] == 0


def test_items_added_are_as_a_build_has_them(home: Path, penumbra: Penumbra) -> None:
    """Added and compacted, a gallery has the means, log-variances, items and pictures that one built of all has, to the
    byte; and what was added has them before that too.
    """
    both = home / "both"
    shutil.copytree(home / "corpus", both)
    shutil.copy(home / "more" / "0.png", both / "more.png")
    line = json.loads((home / "more" / "captions.jsonl").read_text())
    with (both / "captions.jsonl").open("a") as lines:
        lines.write("\n" + json.dumps({**line, "image": "more.png"}))
    build_gallery(home / MODEL, both, home / "built")
    assert penumbra("add", home / "gallery", "--data", home / "more")[0] == 0
    with Gallery.open(home / "gallery") as added, Gallery.open(home / "built") as built:
        for identifier in ("more", "more#0", "more#1"):
            assert as_it_is(added, identifier) == as_it_is(built, identifier)
    assert penumbra("compact", home / "gallery")[0] == 0
    for modality, kind in product(Modality, ("means", "log_variances")):
        name = f"{modality}.{kind}.npy"
        assert (home / "gallery" / name).read_bytes() == (home / "built" / name).read_bytes()


def as_it_is(gallery: Gallery, identifier: str) -> tuple[object, ...]:
    """All that a gallery has of an item: its Gaussian as bytes, what is said of it, its picture."""
    found = gallery.find(identifier)
    assert found is not None
    modality, row = found
    gaussian = gallery.gaussians(modality, [row])
    numbers = (each.numpy().tobytes() for each in (gaussian.mean, gaussian.log_variance))
    return (*numbers, gallery.items(modality, [row])[0], gallery.picture(identifier))


def test_update_replaces(home: Path, penumbra: Penumbra) -> None:
    """The picture of an id becomes another one; its captions are those of the collection."""
    line = json.loads((home / "more" / "captions.jsonl").read_text())
    (home / "more" / "captions.jsonl").write_text(json.dumps({**line, "id": "i1", "captions": ["a red thing"]}))
    with Gallery.open(home / "gallery") as gallery:
        before = gallery.picture("i1")
    assert penumbra("update", home / "gallery", "--data", home / "more")[0] == 0
    with Gallery.open(home / "gallery") as gallery:
        assert gallery.picture("i1") not in (None, before)
    assert held(home) == ({"i0", "i1", "i2"}, {"i0#0", "i0#1", "i1#0", "i2#0", "i2#1"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "{home}/gallery", "--data", "{home}/corpus"), "already has an item 'i0'"),
        (("add", "{home}/gallery", "--data", "{home}/nowhere"), "nowhere"),
        (("add", "{home}/nowhere", "--data", "{home}/more"), "manifest.json is missing"),
        (("update", "{home}/gallery", "--data", "{home}/more"), "no item 'more'"),
        (("remove", "{home}/gallery", "i0", "none"), "no item 'none'"),
        (("remove", "{home}/nowhere", "i0"), "manifest.json is missing"),
        (("compact", "{home}/nowhere"), "manifest.json is missing"),
        (("verify", "{home}/nowhere"), "manifest.json is missing"),
    ],
)
def test_what_is_refused_is_one_sentence(
    home: Path, penumbra: Penumbra, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, one line on stderr, and the gallery is as it was, to the last item of a batch."""
    before = held(home)
    code, _, told = penumbra(*(argument.format(home=home) for argument in arguments))
    assert code == 2
    assert words in told and len(told.strip().splitlines()) == 1
    assert held(home) == before


def test_one_process_changes_at_a_time(home: Path, penumbra: Penumbra) -> None:
    """A second one is told which has the lock; checking and reading go on."""
    with LivingGallery.open(home / "gallery"):
        code, _, told = penumbra("remove", home / "gallery", "i0")
        assert code == 2 and "is being changed by process " in told
        assert penumbra("verify", home / "gallery")[0] == 0
        assert penumbra("info", home / "gallery")[0] == 0


def test_verify_says_what_is_damaged(home: Path, penumbra: Penumbra) -> None:
    """0 and a sentence of a sound gallery; 1 and a sentence for each damaged file; 2 where nothing can be checked."""
    code, told, _ = penumbra("verify", home / "gallery")
    assert code == 0 and "is sound: " in told
    for name in ("text.faiss", "items.sqlite"):
        path = home / "gallery" / name
        path.write_bytes(path.read_bytes()[:-1] + b"\xfe")
    code, told, _ = penumbra("verify", home / "gallery")
    assert code == 1
    [items, faiss] = sorted(told.strip().splitlines())
    assert items.startswith("items.sqlite has other content") and "backup" in items
    assert faiss.startswith("text.faiss has other content") and "rebuilt from text.means.npy" in faiss
    (home / "gallery" / "manifest.json").write_text("{")
    assert penumbra("verify", home / "gallery")[0] == 2


def test_the_same_for_programs(home: Path, penumbra: Penumbra) -> None:
    """--json prints one object: what the gallery holds after a change, and all that verify found."""
    code, told, _ = penumbra("add", home / "gallery", "--data", home / "more", "--json")
    assert code == 0
    counts = {"image": 4, "text": 8}
    assert json.loads(told) == {"counts": counts, "added": 3, "removed": 0, "generation": 0}
    assert json.loads(penumbra("remove", home / "gallery", "i0#0", "--json")[1])["removed"] == 1
    code, told, _ = penumbra("compact", home / "gallery", "--json")
    assert json.loads(told) == {"counts": {**counts, "text": 7}, "added": 0, "removed": 0, "generation": 1}
    found = json.loads(penumbra("verify", home / "gallery", "--json")[1])
    assert found["sound"] and found["damages"] == [] and found["files"] > 5
    (home / "gallery" / "text.faiss").write_bytes(b"")
    code, told, _ = penumbra("verify", home / "gallery", "--json")
    [damage] = json.loads(told)["damages"]
    assert (code, json.loads(told)["sound"], damage["file"]) == (1, False, "text.faiss")


# In Milvus


def test_a_gallery_in_milvus(home: Path, penumbra: Penumbra, milvus: MilvusServer) -> None:
    """It is built, described, changed and checked by the same commands, which say where it lies; what its store does by
    itself, and a store that is not there, are refused in a sentence."""
    store, there = milvus.address("commands"), home / "there"
    build = ("build", home / MODEL, "--data", home / "corpus", "--out", there, "--store")
    code, told, _ = penumbra(*build, store)
    assert code == 0 and f"The gallery is in {store}, and what serves it in " in " ".join(told.split())
    code, told, _ = penumbra("info", there, "--json")
    facts = json.loads(told)
    assert (facts["store"], facts["image"]["count"], facts["text"]["count"]) == (store, 3, 6)
    assert penumbra("add", there, "--data", home / "more")[0] == 0
    code, told, _ = penumbra("remove", there, "i1", "i2#0")
    assert code == 0 and "The gallery has 3 images, 5 texts" in told
    assert penumbra("verify", there)[0] == 0
    code, _, error = penumbra("compact", there)
    assert (code, error) == (2, "Milvus compacts what it holds by itself; there is nothing to build anew.\n")
    (there / "image.sigmas.npy").write_bytes(b"")
    assert penumbra("verify", there)[0] == 1
    code, _, error = penumbra(*build, "milvus://127.0.0.1:1/none")
    assert code == 2 and "The store milvus://127.0.0.1:1/none cannot answer now (" in error
    code, _, error = penumbra(*build, "milvus://127.0.0.1:1/none", "--kind", "sq8")
    assert (code, error) == (2, "A store has no shortlist of kind sq8: name one of auto, flat, hnsw\n")
