"""Batches of image-caption pairs, each a function of the seed, the epoch and the step alone.

Where several processes share a batch, each makes its part of it, to the same rows that one would make alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator, default_rng
from torch import Tensor

from corpus.manifest import Entry
from index.processes import ALONE, Processes
from models.errors import ConfigError, CorpusError
from models.image import IMAGENET_MEAN, Framing, Pixels, decode, shorter_side
from models.text import Vocabulary
from models.text import batch as pad
from training.config import DataConfig

# Decoded pictures are kept up to this many bytes on a machine; what does not fit is decoded anew each time.
CACHE_BYTES = 6 << 30


@dataclass(frozen=True, eq=False)
class Batch:
    """Pixels uint8 [n, side, side, 3], word ids [n · k, length] and their lengths [n · k]; k captions each, in order.

    `matches` is bool [N, N · k]: which captions match which image in the whole batch, of which these n are the part of
    one process, from row `first` on.

    The pixels are normalised where they are used: a thread that makes batches should not start torch's own threads.
    """

    pixels: Pixels
    ids: Tensor
    lengths: Tensor
    matches: Tensor
    first: int


class PairSource:
    """The training pairs of a collection.

    Args:
        entries: images with at least one caption each.
        vocabulary: of the model.
        framing: of the model.
        config: what a batch is made of.
        seed: with the epoch and the step it decides everything.
        processes: that share each batch.

    Raises:
        CorpusError: there are no captions to learn from.
        ConfigError: matches are to come from labels, and an entry has none.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        vocabulary: Vocabulary,
        framing: Framing,
        config: DataConfig,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        self.entries = [entry for entry in entries if entry.captions]
        if not self.entries:
            raise CorpusError("there is no image with a caption to train on: name a collection with captions")
        self.captions = [[vocabulary.encode(text) for text in entry.captions] for entry in self.entries]
        self.framing, self.config, self.seed, self.processes = framing, config, seed, processes
        # Large enough that the smallest crop is not enlarged, which would blur it.
        self._sharp = math.ceil(framing.resized / math.sqrt(config.crop_area))
        self.classes = _classes(self.entries) if config.per_class else None
        self._matched_by = [entry.label if config.label_matches else entry.id for entry in self.entries]
        if None in self._matched_by:
            raise ConfigError("label_matches needs the class of every image: set it to false")
        self._cache: dict[int, Pixels] = {}
        self._cached_bytes = 0

    def plan(self, epoch: int, size: int) -> Sequence[Sequence[int]]:
        """The rows of each batch of an epoch: as many in all as there are images, `per_class` of a class at most.

        Raises:
            ConfigError: a batch has not one row for each process.
        """
        rng = default_rng([self.seed, 1, epoch])
        if self.classes is None:
            plan = _whole_batches(rng.permutation(len(self.entries)).tolist(), size)
        else:
            plan = _some_of_a_class(self.classes, size, self.config.per_class, rng)
        if len(plan[0]) < self.processes.size:
            raise ConfigError(f"a batch of {len(plan[0])} images is too small for {self.processes.size} processes")
        return plan

    def batches(self, plan: Sequence[Sequence[int]], epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of a plan from number `first` on, made two ahead in threads of their own."""
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(self.make, rows, epoch) for rows in plan[first : first + 2]]
            for step in range(first, len(plan)):
                if step + 2 < len(plan):
                    waiting.append(pool.submit(self.make, plan[step + 2], epoch))
                yield waiting.pop(0).result()

    def make(self, rows: Sequence[int], epoch: int) -> Batch:
        """This process's part of a batch; every row draws from a generator of its own, whoever makes it and when."""
        part = self.processes.part(len(rows))
        pictures, captions = [], []
        for row in rows[part]:
            rng = default_rng([self.seed, 2, epoch, row])
            choices = self.captions[row]
            for _ in range(self.config.captions):
                captions.append(drop_words(choices[rng.integers(len(choices))], self.config.word_drop, rng))
            pictures.append(augment(self._picture(row), self.framing.side, self.config, rng))
        return Batch(np.stack(pictures), *pad(captions), self._matches(rows), part.start)

    def _matches(self, rows: Sequence[int]) -> Tensor:
        """bool [n, n · k]: an image matches its own captions, or those of its class."""
        groups = [self._matched_by[row] for row in rows]
        table = torch.tensor([[one == other for other in groups] for one in groups])
        return table.repeat_interleave(self.config.captions, dim=1)

    def _picture(self, row: int) -> Pixels:
        """The picture, no larger than the crops can use, from memory where it fits."""
        kept = self._cache.get(row)
        if kept is not None:
            return kept
        whole = decode(self.entries[row].image.read_bytes())
        picture = shorter_side(whole, max(self.framing.resized, min(self._sharp, *whole.size)))
        if self._cached_bytes + picture.nbytes <= CACHE_BYTES // self.processes.local_size:
            self._cached_bytes += picture.nbytes
            self._cache[row] = picture
        return picture


def _classes(entries: Sequence[Entry]) -> list[list[int]] | None:
    """The rows of each class; none where an entry has no label."""
    if any(entry.label is None for entry in entries):
        return None
    rows: dict[str, list[int]] = {}
    for row, entry in enumerate(entries):
        rows.setdefault(str(entry.label), []).append(row)
    return list(rows.values())


def _whole_batches(order: list[int], size: int) -> list[list[int]]:
    """Rows in batches of `size`, without the rest; all of them where there are fewer."""
    size = min(size, len(order))
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


def _some_of_a_class(classes: Sequence[Sequence[int]], size: int, each: int, rng: Generator) -> list[list[int]]:
    """Batches of about `size` rows, `each` of as many different classes, drawn evenly.

    Every class goes through its rows in a random order before one comes again.
    """
    drawn_classes = min(max(1, size // each), len(classes))
    queues: list[list[int]] = [[] for _ in classes]

    def following(number: int) -> int:
        if not queues[number]:
            queues[number] = [int(row) for row in rng.permutation(classes[number])]
        return queues[number].pop()

    steps = max(1, round(sum(map(len, classes)) / (drawn_classes * each)))
    drawn = (rng.choice(len(classes), drawn_classes, replace=False) for _ in range(steps))
    return [[following(int(number)) for number in numbers for _ in range(each)] for numbers in drawn]


def drop_words(ids: Sequence[int], probability: float, rng: Generator) -> list[int]:
    """A caption with each word left out with some probability; its start, its end and one word stay."""
    kept = [word for word, draw in zip(ids[1:-1], rng.random(len(ids) - 2), strict=True) if draw >= probability]
    return [ids[0], *(kept or ids[1:2]), ids[-1]] if len(ids) > 2 else list(ids)


def augment(picture: Pixels, side: int, config: DataConfig, rng: Generator) -> Pixels:
    """A random crop at [side, side, 3], perhaps mirrored, perhaps with a rectangle blanked."""
    top, left, height, width = crop_box(picture.shape[0], picture.shape[1], config.crop_area, rng)
    if (height, width) == (side, side):
        pixels = picture[top : top + side, left : left + side].copy()
    else:
        # Here and not above: it takes a second, which other commands need not wait for.
        from torchvision.transforms.v2.functional import resized_crop

        planes = torch.from_numpy(picture).permute(2, 0, 1)
        cut = resized_crop(planes, top, left, height, width, [side, side], antialias=True)
        pixels = cut.permute(1, 2, 0).contiguous().numpy()
    if config.flip and rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if rng.random() < config.erase:
        pixels = _erase(pixels, rng)
    return np.ascontiguousarray(pixels)


def crop_box(height: int, width: int, area: float, rng: Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop that keeps at least `area` of the picture's central square (Inception).

    With `area` 1 it is the centred square.
    """
    side = min(height, width)
    if area >= 1:
        return (height - side) // 2, (width - side) // 2, side, side
    share, ratio = rng.uniform(area, 1.0), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    high = min(height, max(1, round(side * float(np.sqrt(share / ratio)))))
    wide = min(width, max(1, round(side * float(np.sqrt(share * ratio)))))
    return int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1)), high, wide


def _erase(pixels: Pixels, rng: Generator) -> Pixels:
    """Blank a rectangle of 2 to 33 % of the area with ImageNet's mean colour (Zhong et al., 2020)."""
    side = pixels.shape[0]
    share, ratio = rng.uniform(0.02, 0.33), np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    high, wide = (min(side, max(1, round(side * float(np.sqrt(share * r))))) for r in (ratio, 1 / ratio))
    top, left = rng.integers(side - high + 1), rng.integers(side - wide + 1)
    erased = pixels.copy()
    erased[top : top + high, left : left + wide] = np.round(np.array(IMAGENET_MEAN) * 255)
    return erased
