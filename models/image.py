"""Bytes to pixels, with limits, and pixels to an image encoder's input. The one module that knows Pillow."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from torch import Tensor

Pixels: TypeAlias = npt.NDArray[np.uint8]
Picture: TypeAlias = Image.Image
"""A decoded picture; `decode` gives it in RGB and upright."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_ASPECT: Final = 4
"""The longest side that `shorter_side` keeps, in shorter sides."""

# The mean and standard deviation of ImageNet's training pixels in [0, 1], red green blue, which torchvision's
# published weights were trained with (torchvision.transforms._presets.ImageClassification).
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

# EXIF 2.32, tag 274: how the stored picture has to be turned to stand upright.
_ORIENTATION_TAG: Final = 274
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageLimits:
    """The largest picture that is decoded: bytes as sent, and pixels (width × height) as its header tells."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000


@dataclass(frozen=True)
class Framing:
    """How a picture becomes an encoder's square input.

    The shorter side is resized to `round(side / crop)` pixels and the middle `side` × `side` is kept, so
    `crop = 1` keeps all along the shorter side. 224 and 0.875 are ImageNet's usual 256 → 224.
    """

    side: int = 224
    crop: float = 0.875

    def __post_init__(self) -> None:
        if self.side < 1 or not 0 < self.crop <= 1:
            raise ConfigError(f"A framing needs side ≥ 1 and 0 < crop ≤ 1, not side {self.side}, crop {self.crop}.")

    @property
    def resized(self) -> int:
        """The length of the shorter side before the crop, in pixels."""
        return round(self.side / self.crop)


@dataclass(frozen=True)
class Area:
    """A part of a picture: where it begins and how large it is, as shares of the whole picture's width and height."""

    left: float
    top: float
    width: float
    height: float


def decode(data: bytes, limits: ImageLimits | None = None, *, at_least: int | None = None) -> Picture:
    """The picture in these bytes (an animation's first), RGB and upright, as a viewer shows it on white.

    With `at_least`, a large JPEG may come out smaller, its shorter side no less than twice `at_least` pixels:
    several times faster, and enough to frame at `at_least`. Raises `ImageError` for whatever is not a whole
    picture in one of `FORMATS` within the limits; what its header says is checked before any pixel is
    decoded.
    """
    limits = limits or ImageLimits()
    if len(data) > limits.max_bytes:
        raise ImageError(f"The picture has more than the {limits.max_bytes:,} bytes allowed; send a smaller one.")
    _silence_pillow()
    image = _open(data, limits)
    try:
        return _decoded(image, at_least)
    except Exception:  # Pillow's decoders raise nearly anything on hostile bytes.
        raise ImageError("The picture is damaged or cut short; save it again and send it whole.") from None


def rgb(image: Picture) -> Picture:
    """The picture in 8-bit RGB: transparency laid over white, 16 bits scaled to 8."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith(("I", "F")):
        return _eight_bit(image).convert("RGB")
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(opaque, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def frame(image: Picture, framing: Framing) -> Pixels:
    """The centre of the picture as an encoder's input, uint8 [side, side, 3]."""
    return _centre(image, framing.resized, framing.side, framing.side)


def framed_area(image: Picture, framing: Framing) -> Area:
    """The part of the picture that `frame` keeps."""
    left, top, right, bottom = _middle(image, framing.resized, framing.side, framing.side)
    width, height = image.size
    return Area(left / width, top / height, (right - left) / width, (bottom - top) / height)


def shorter_side(image: Picture, length: int) -> Pixels:
    """The whole picture with its shorter side resized to `length`, uint8 [height, width, 3].

    Beyond `MAX_ASPECT` only the middle of the longer side is kept: a picture one pixel high must not fill the
    memory.
    """
    width, height = _resized(image.size, length)
    return _centre(image, length, min(width, MAX_ASPECT * length), min(height, MAX_ASPECT * length))


def normalise(pixels: Pixels | Tensor) -> Tensor:
    """uint8 [n, height, width, 3] → float32 [n, 3, height, width]: (x / 255 − ImageNet's mean) / its std."""
    # Only here: a terminal that shows a server's pictures decodes them without torch, which takes seconds to load.
    import torch

    # torch.tensor copies, so that a read-only array (a memory map) is as good as any.
    given = pixels if isinstance(pixels, torch.Tensor) else torch.tensor(pixels)
    mean = torch.tensor(IMAGENET_MEAN, device=given.device).mul(255).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=given.device).mul(255).view(3, 1, 1)
    return given.permute(0, 3, 1, 2).contiguous().float().sub_(mean).div_(std)


def as_array(image: Picture) -> Pixels:
    """The picture as uint8 [height, width, 3]; the array is its own and may be written to."""
    return np.array(rgb(image), dtype=np.uint8)


def from_array(pixels: Pixels) -> Picture:
    """The picture whose pixels are uint8 [height, width, 3]."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def encode_png(pixels: Pixels) -> bytes:
    """uint8 [height, width, 3] as the bytes of a PNG; nothing is lost."""
    return _encoded(from_array(pixels), format="PNG")


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """uint8 [height, width, 3] as the bytes of a JPEG."""
    return _encoded(from_array(pixels), format="JPEG", quality=quality)


def thumbnail(image: Picture, side: int = 256) -> bytes:
    """The whole picture as a JPEG whose longer side is at most `side` pixels; a small one is not enlarged."""
    small = rgb(image).copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encoded(small, format="JPEG", quality=85)


def no_larger(jpeg: bytes, side: int) -> bytes:
    """A thumbnail again with its longer side at most `side` pixels; the same bytes where it is no larger."""
    picture = decode(jpeg)
    return jpeg if max(picture.size) <= side else thumbnail(picture, side)


def _open(data: bytes, limits: ImageLimits) -> Picture:
    """The picture with its header read and its pixels not yet."""
    too_large = f"The picture has more than the {limits.max_pixels:,} pixels allowed; scale it down."
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(too_large) from None
    except Exception:  # Pillow's parsers raise nearly anything on hostile bytes.
        known = ", ".join(FORMATS[:-1])
        raise ImageError(f"This is not a picture in a known format; send {known} or {FORMATS[-1]}.") from None
    if image.width * image.height > limits.max_pixels:
        raise ImageError(too_large)
    return image


def _decoded(image: Picture, at_least: int | None) -> Picture:
    if at_least is not None:
        # libjpeg can leave out the finest frequencies as it decodes; other formats do not mind being asked.
        image.draft("RGB", (2 * at_least, 2 * at_least))
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    shown = rgb(image)
    return shown if turn is None else shown.transpose(turn)


def _orientation(image: Picture) -> int:
    """The EXIF orientation, 1 (as stored) when there is none or it cannot be read, as viewers have it."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # Damaged EXIF data is no reason to refuse the pixels.
        return 1


def _eight_bit(image: Picture) -> Picture:
    """A grey picture of 16 or 32 bits in 8: 16 are scaled; 32 have no fixed white, so they are stretched."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(((np.asarray(image).astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    values = np.asarray(image).astype(np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(np.rint((values - low) * (255 / max(high - low, 1e-30))).astype(np.uint8))


def _resized(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Width and height once the shorter side is `shorter`; the longer rounded down, as torchvision does."""
    least = min(size)
    return size[0] * shorter // least, size[1] * shorter // least


def _centre(image: Picture, shorter: int, width: int, height: int) -> Pixels:
    """The middle `width` × `height` of the picture resized to `shorter`, without making the rest of it."""
    box = _middle(image, shorter, width, height)
    return np.array(rgb(image).resize((width, height), Image.Resampling.BICUBIC, box=box), dtype=np.uint8)


def _middle(image: Picture, shorter: int, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of that in the picture itself, in pixels."""
    full_width, full_height = _resized(image.size, shorter)
    left, top = round((full_width - width) / 2), round((full_height - height) / 2)
    across, down = image.width / full_width, image.height / full_height
    right, bottom = (left + width) * across, (top + height) * down
    # Rounding must not push the box past the picture's edge.
    return left * across, top * down, min(right, image.width), min(bottom, image.height)


def _encoded(image: Picture, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def _silence_pillow() -> None:
    """Keep Pillow's warnings (a large picture, odd EXIF) from the caller; what matters is an `ImageError`.

    `warnings.catch_warnings` changes the state of all threads and loses filters when two of them decode at
    once, so the filter is put in front, once, and names Pillow's own modules alone.
    """
    quiet = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
    if warnings.filters[:1] != [quiet]:
        warnings.filterwarnings("ignore", module=r"PIL\.")
