"""Pictures read, decoded and framed by threads, ahead of the encoder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from corpus.manifest import Entry
from index.files.manifest import LeftOut
from index.threads import available
from models.errors import ImageError
from models.image import Framing, Pixels, decode, frame, thumbnail

# Two batches wait while the encoder works on a third.
_AHEAD: Final = 2
_MAX_THREADS: Final = 16


@dataclass(frozen=True, eq=False)
class LoadedPicture:
    """What an image encoder sees of a picture (uint8 [side, side, 3], not normalised), and its thumbnail as JPEG."""

    pixels: Pixels
    jpeg: bytes


def load_batches(
    batches: Iterable[Sequence[Entry]], framing: Framing, thumbnail_side: int
) -> Iterator[list[LoadedPicture | LeftOut]]:
    """For each batch of entries its pictures, or why one cannot be read, in order."""
    waiting: deque[list[Future[LoadedPicture | LeftOut]]] = deque()
    pool = ThreadPoolExecutor(min(_MAX_THREADS, available()), thread_name_prefix="loader")
    try:
        for batch in batches:
            waiting.append([pool.submit(_load, entry, framing, thumbnail_side) for entry in batch])
            if len(waiting) > _AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)


def _load(entry: Entry, framing: Framing, thumbnail_side: int) -> LoadedPicture | LeftOut:
    try:
        picture = decode(entry.image.read_bytes(), at_least=max(framing.resized, thumbnail_side))
    except ImageError as error:
        return LeftOut(str(entry.image), str(error))
    except OSError as error:
        return LeftOut(str(entry.image), f"The file cannot be read ({error.strerror}).")
    return LoadedPicture(frame(picture, framing), thumbnail(picture, thumbnail_side))
