"""Changes of tiny galleries, and what a gallery is to hold after them, kept as plain lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from index.building.assembly import Material, Origin, Plan, assemble_material
from index.changes.change import Addition
from index.files.manifest import Parameters
from index.files.shards import Shard
from index.gaussians.storage import Storage
from index.items import Item, Modality
from index.local.gallery import Gallery
from index.shortlists.choice import Wanted, choose
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm

DIM = 6
HEAD = MatchHead(5.0, 4.0, TraceTerm(0.2), TraceTerm(-0.4))
HEADS = dict.fromkeys(Modality, HEAD)


def draw(n: int, seed: int) -> Gaussian:
    """Gaussians [n, DIM]."""
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(n, DIM, generator=generator), torch.randn(n, DIM, generator=generator) - 1)


def image(identifier: str, seed: int) -> Addition:
    """An image whose Gaussian and picture follow from a seed."""
    item = Item(identifier, Modality.IMAGE, None, identifier, None, {"seed": seed})
    return Addition(item, draw(1, seed)[0], f"jpeg of {seed}".encode())


def caption(identifier: str, of: str | None, seed: int) -> Addition:
    """A caption whose Gaussian and words follow from a seed."""
    return Addition(Item(identifier, Modality.TEXT, f"words of {seed}", of), draw(1, seed)[0])


@dataclass
class Held:
    """What a gallery is to hold, in the order of its rows: written down naively, as an oracle."""

    held: list[Addition] = field(default_factory=list)

    def of(self, modality: Modality) -> list[Addition]:
        """Those of a modality."""
        return [each for each in self.held if each.item.modality is modality]

    def ids(self, modality: Modality) -> list[str]:
        """Their ids."""
        return [each.item.id for each in self.of(modality)]

    def remove(self, identifier: str) -> None:
        """Without an item, and without the captions of an image."""
        images = self.ids(Modality.IMAGE)
        self.held = [
            each
            for each in self.held
            if each.item.id != identifier and not (identifier in images and each.item.image_id == identifier)
        ]

    def replace(self, additions: list[Addition]) -> None:
        """With items in the place of others, and an image's captions in the place of all it had."""
        renewed = {each.item.image_id for each in additions if each.item.modality is Modality.TEXT}
        renewed &= {each.item.id for each in additions if each.item.modality is Modality.IMAGE}
        ids = {each.item.id for each in additions}
        self.held = [each for each in self.held if each.item.id not in ids and each.item.image_id not in renewed]
        self.held += additions

    def build(self, folder: Path, over: str = "mean") -> Path:
        """A gallery built of it from scratch."""
        folder.mkdir(parents=True)
        wanted = Wanted("flat", over)
        counts = {modality: len(self.of(modality)) for modality in Modality}
        plan = Plan(Parameters(64, wanted, 256, Storage.FLOAT32), choose(wanted, counts, DIM), HEADS)
        material = Material(counts, self._items, {modality: partial(self._shards, modality) for modality in Modality})
        assemble_material(folder, Origin("../model", "model", "corpus", DIM), plan, material, (), lambda _: None)
        return folder

    def _items(self) -> list[tuple[int, Item]]:
        return [(row, each.item) for modality in Modality for row, each in enumerate(self.of(modality))]

    def _shards(self, modality: Modality) -> list[Shard]:
        held = self.of(modality)
        if not held:
            return []
        parts = ([each.gaussian.mean for each in held], [each.gaussian.log_variance for each in held])
        pictures = tuple(each.jpeg for each in held if each.jpeg is not None)
        return [Shard(Gaussian(*map(torch.stack, parts)), tuple(range(len(held))), pictures)]


def first_held(images: int = 4, captions: int = 2) -> Held:
    """Images i0, i1, … with captions i0#0, i0#1, …"""
    held = [image(f"i{n}", n) for n in range(images)]
    held += [caption(f"i{n}#{m}", f"i{n}", 100 + 10 * n + m) for n in range(images) for m in range(captions)]
    return Held(held)


def differences(gallery: Gallery, held: Held) -> list[str]:
    """What a gallery holds otherwise than it should, item by item to the last bit; nothing where it is the same."""
    found: list[str] = []
    for modality in Modality:
        wanted, rows = held.of(modality), present_rows(gallery, modality)
        items, gaussians = gallery.items(modality, rows), gallery.gaussians(modality, rows)
        if [item.id for item in items] != [each.item.id for each in wanted]:
            found.append(f"{modality}s {[item.id for item in items]} instead of {held.ids(modality)}")
            continue
        for place, (row, each) in enumerate(zip(rows, wanted, strict=True)):
            numbers = gaussians.mean[place], gaussians.log_variance[place]
            same = (
                items[place] == each.item
                and gallery.find(each.item.id) == (modality, row)
                and gallery.picture(each.item.id) == each.jpeg
                and torch.equal(numbers[0], each.gaussian.mean)
                and torch.equal(numbers[1], each.gaussian.log_variance)
            )
            found += [] if same else [f"{each.item.id} is not as it was written"]
    return found


def present_rows(gallery: Gallery, modality: Modality) -> list[int]:
    """The rows that hold an item."""
    present = gallery.present(modality)
    return list(range(gallery.count(modality))) if present is None else present.rows.tolist()
