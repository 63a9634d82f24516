"""Which classes of CUB-200-2011 are trained on, and which are unseen until the test."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from corpus.readers.files import first_file, memberships, numbered_lines
from models.errors import CorpusError

REED: Final = "cvpr2016_cub, linked at https://github.com/reedscot/cvpr2016"
PCME: Final = "datasets/annotations/cub of https://github.com/naver-ai/pcme"
SEEN_TEST: Final = "seen_test_images.txt"

# The numbers of the 50 unseen classes of the proposed split of Xian et al. (CVPR 2017), which PCME is tested on.
UNSEEN: Final = frozenset({
    4, 12, 23, 26, 28, 31, 33, 43, 45, 49, 52, 55, 70, 72, 77, 84, 87, 91, 94, 97, 98, 103, 104, 111, 113, 119, 123,
    124, 127, 130, 132, 136, 138, 139, 143, 148, 156, 157, 161, 163, 164, 165, 168, 169, 173, 180, 188, 190, 191, 200,
})  # fmt: skip

# In order of preference, the files that make a split when all of them are there.
LISTS: Final = (
    {"train": "trainclasses.txt", "val": "valclasses.txt", "test": "testclasses.txt"},
    {"train": "trainvalclasses.txt", "test": "testclasses.txt"},
)


@dataclass(frozen=True)
class ClassSplit:
    """The split of each class by its number, and the images that are kept from training though their class is not."""

    splits: Mapping[int, str]
    seen_test: frozenset[str]

    def of(self, number: int, image: str) -> str | None:
        """The split of an image of a class: `train`, `val`, `test`, `seen_test`, or None for a class in no list."""
        split = self.splits.get(number)
        # PCME leaves the unseen classes whole, although some of their images are in its list.
        return "seen_test" if image in self.seen_test and split != "test" else split


def class_split(folders: Sequence[Path]) -> ClassSplit:
    """The split by the class lists in the first of the folders that has any, or else that of PCME.

    Class lists are `trainclasses.txt`, `valclasses.txt` and `testclasses.txt`, as shipped with the captions of Reed et
    al. (CVPR 2016), or `trainvalclasses.txt` and `testclasses.txt`. Without them the 50 classes that PCME (Chun et al.,
    CVPR 2021) leaves out, after Xian et al. (CVPR 2017), are `test` and the other 150 `train`. PCME also keeps images
    of the 150 from training: where its `seen_test_images.txt` is there, they are `seen_test`.

    Raises:
        CorpusError: some lists are there and others missing, or a list is damaged.
    """
    source = next((folder for folder in folders if _any_list(folder)), None)
    splits = _listed(source) if source else {n: "test" if n in UNSEEN else "train" for n in range(1, 201)}
    seen = first_file(folder / SEEN_TEST for folder in folders)
    return ClassSplit(splits, frozenset(name for _, name in numbered_lines(seen, PCME)) if seen else frozenset())


def _any_list(folder: Path) -> bool:
    return any((folder / name).is_file() for lists in LISTS for name in lists.values())


def _listed(folder: Path) -> dict[int, str]:
    for lists in LISTS:
        paths = {split: folder / name for split, name in lists.items()}
        if all(path.is_file() for path in paths.values()):
            members = memberships(paths, REED)
            return {_number(name, folder): split for name, split in members.items()}
    missing = [name for name in LISTS[0].values() if not (folder / name).is_file()]
    raise CorpusError(
        f"{folder} holds class lists but not {' and '.join(missing)}; add what is missing from {REED}, "
        "or remove the lists for the split of PCME."
    )


def _number(name: str, folder: Path) -> int:
    found = re.match(r"(\d+)\.", name)
    if found is None:
        raise CorpusError(f"{folder} lists the class {name!r}, which has no number; take the lists from {REED}.")
    return int(found[1])
