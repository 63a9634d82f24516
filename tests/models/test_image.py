from __future__ import annotations

import resource
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from models import image as subject
from models.errors import ConfigError, ImageError
from models.image import Framing, ImageLimits, decode


def saved(image: Image.Image, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def photograph(width: int = 48, height: int = 32) -> Image.Image:
    """A smooth picture with a different colour in each corner, so that a turn or a swap shows."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    pixels = np.stack([255 * x, 255 * y, 255 * (1 - x) * (1 - y)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def noise(width: int, height: int, low: int = 0, high: int = 256) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(low, high, (height, width, 3), dtype=np.uint8))


def png(bit_depth: int, colour_type: int, size: tuple[int, int], rows: bytes) -> bytes:
    """A PNG chunk by chunk, for what Pillow cannot write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", *size, bit_depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def shown(data: bytes) -> list[int]:
    """The colour of the top left pixel after decoding."""
    picture = decode(data)
    assert picture.mode == "RGB"
    return list(subject.as_array(picture)[0, 0])


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_come_back_exactly(name: str) -> None:
    """What a lossless format stores is what is decoded, pixel for pixel."""
    given = noise(9, 7)
    options = {"lossless": True} if name == "WEBP" else {}
    assert np.array_equal(subject.as_array(decode(saved(given, format=name, **options))), np.asarray(given))


@pytest.mark.parametrize("name", ["JPEG", "GIF"])
def test_lossy_formats_come_back_nearly(name: str) -> None:
    """A JPEG or GIF of a smooth picture is decoded to nearly the same colours."""
    given = photograph()
    back = subject.as_array(decode(saved(given, format=name)))
    assert np.abs(back.astype(int) - np.asarray(given)).mean() < 8


@pytest.mark.parametrize("name", ["ICO", "PPM", "TGA", "PCX", "JPEG2000"])
def test_other_formats_are_refused(name: str) -> None:
    """A format that Pillow reads and this project does not allow is refused with the list of those it does."""
    with pytest.raises(ImageError, match="send JPEG, PNG, WEBP, GIF, BMP or TIFF"):
        decode(saved(photograph(), format=name))


@pytest.mark.parametrize("data", [b"", b"\0", b"a text file called .jpg\n", b"<svg/>", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """Bytes that are no picture raise ImageError with a sentence that says what to send."""
    with pytest.raises(ImageError, match=r"send .*\.$"):
        decode(data)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_truncated_pictures_are_refused(name: str) -> None:
    """A picture cut in half is refused, and the message says to send it whole or in a known format."""
    data = saved(noise(64, 64), format=name)
    with pytest.raises(ImageError, match="send"):
        decode(data[: len(data) // 2])


def test_a_bomb_is_refused_by_its_header() -> None:
    """A 20,000 × 20,000 PNG is refused before it takes memory; its pixels are never decoded."""
    row = b"\0" * (20_000 // 8 + 1)
    bomb = png(1, 0, (20_000, 20_000), row * 20_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="50,000,000 pixels"):
        decode(bomb)
    # Linux counts in KiB; decoded, the pixels would take 400 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_limits_are_inclusive() -> None:
    """A picture of exactly the largest size passes; one pixel or byte less allowed, and it is refused."""
    data = saved(noise(10, 10), format="PNG")
    assert decode(data, ImageLimits(max_bytes=len(data), max_pixels=100)).size == (10, 10)
    with pytest.raises(ImageError, match="99 pixels allowed; scale it down"):
        decode(data, ImageLimits(max_pixels=99))
    with pytest.raises(ImageError, match="bytes allowed; send a smaller one"):
        decode(data, ImageLimits(max_bytes=len(data) - 1))


def test_pillows_own_warning_does_not_leak() -> None:
    """Between 89 and 179 million pixels Pillow warns; the caller sees an ImageError alone, warnings being errors."""
    with pytest.raises(ImageError, match="pixels"):
        decode(png(1, 0, (10_000, 10_000), b""))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(name: str, orientation: int) -> None:
    """However a camera stored the picture, its bright red corner is decoded where the EXIF tag says it belongs."""
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste((200, 0, 0), (0, 0, 16, 16))
    # How each orientation is stored (EXIF 2.32, tag 274), as operations on [height, width] arrays.
    store = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(store(np.asarray(upright))))
    options: dict[str, Any] = {"quality": 95} if name in ("JPEG", "WEBP") else {}
    back = subject.as_array(decode(saved(stored, format=name, exif=exif, **options)))
    assert back.shape == (32, 48, 3)
    assert np.abs(back[2:14, 2:14].astype(int) - (200, 0, 0)).max() < 40
    assert back[18:, 18:].min() > 215


def test_damaged_exif_is_no_reason_to_refuse() -> None:
    """A JPEG whose EXIF block is cut short, garbage, or gives the orientation as a word is shown as it is stored."""
    word = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04ab\0\0"
    for exif in (b"Exif\0\0MM\0*\0\0", b"Exif\0\0" + b"\xff" * 40, word):
        assert decode(saved(photograph(), format="JPEG", exif=exif)).size == (48, 32)


def test_cmyk_jpeg_is_not_a_negative() -> None:
    """A CMYK JPEG, whose inks Adobe stores inverted, is shown in its colours: pure cyan stays cyan."""
    data = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), format="JPEG", quality=100)
    assert b"Adobe" in data
    assert np.abs(np.subtract(shown(data), (0, 255, 255))).max() <= 3


def test_cmyk_tiff() -> None:
    """A CMYK TIFF, whose inks are stored as they are, is shown in its colours."""
    assert shown(saved(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), format="TIFF")) == [255, 0, 0]


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
@pytest.mark.parametrize(("value", "expected"), [(0, 0), (255, 1), (32896, 128), (40000, 156), (65535, 255)])
def test_sixteen_bit_grey_is_scaled_not_clipped(name: str, value: int, expected: int) -> None:
    """16-bit grey v is shown as round(v / 257)."""
    grey = Image.fromarray(np.full((4, 4), value, dtype=np.uint16))
    assert shown(saved(grey, format=name)) == [expected] * 3


@pytest.mark.parametrize(("colour_type", "expected"), [(2, [128] * 3), (6, [191] * 3), (4, [191] * 3)])
def test_sixteen_bit_colour(colour_type: int, expected: list[int]) -> None:
    """16-bit RGB, RGBA and grey with alpha of one half everywhere are shown at half, over white at three quarters."""
    channels = {2: 3, 4: 2, 6: 4}[colour_type]
    row = b"\0" + struct.pack(f">{channels}H", *[32896] * channels) * 4
    assert np.abs(np.subtract(shown(png(16, colour_type, (4, 4), row * 4)), expected)).max() <= 1


def test_thirty_two_bit_grey_is_stretched() -> None:
    """Integers and floats without a fixed white are shown from their least (black) to their greatest (white)."""
    for values in (
        np.array([[5.0, 10.0], [7.5, np.nan]], np.float32) - 5,
        np.array([[0, 90_000], [45_000, 0]], np.int32),
    ):
        grey = subject.as_array(decode(saved(Image.fromarray(values), format="TIFF")))[..., 0]
        assert grey.tolist() == [[0, 255], [128, 0]]


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("1", 1, [255] * 3),
    ("L", 77, [77] * 3),
    ("LA", (0, 127), [128] * 3),
    ("RGBA", (255, 0, 0, 0), [255] * 3),
    ("RGBA", (255, 0, 0, 51), [255, 204, 204]),
])  # fmt: skip
def test_modes_are_shown_over_white(mode: str, colour: Any, expected: list[int]) -> None:
    """One bit, grey and transparent pictures are shown in RGB, what is transparent over white."""
    assert shown(saved(Image.new(mode, (4, 4), colour), format="PNG")) == expected


@pytest.mark.parametrize(("name", "transparency"), [("GIF", 0), ("PNG", 0), ("PNG", b"\0\xff")])
def test_a_palettes_transparent_entry_is_white(name: str, transparency: int | bytes) -> None:
    """The transparent entry of a palette is shown white, whatever colour the palette gives it; the others stay."""
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((3, 3), 1)
    back = subject.as_array(decode(saved(image, format=name, transparency=transparency)))
    assert back[0, 0].tolist() == [255, 255, 255]
    assert back[3, 3].tolist() == [200, 0, 0]


@pytest.mark.parametrize("name", ["L", "RGB"])
def test_a_transparent_colour_is_white(name: str) -> None:
    """A PNG without alpha channel may name one colour transparent (tRNS); it is shown white."""
    key = {"L": 9, "RGB": (9, 9, 9)}[name]
    assert shown(saved(Image.new(name, (4, 4), key), format="PNG", transparency=key)) == [255] * 3


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame(name: str) -> None:
    """An animated or many-paged picture is its first frame."""
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
    data = saved(first, format=name, save_all=True, append_images=[second], **options)
    assert shown(data) == [255, 0, 0]


def test_at_least_never_gives_less_than_twice() -> None:
    """A JPEG decoded for a side of n has 2n pixels or more along its shorter side, and shows the same picture."""
    data = saved(photograph(1600, 1000), format="JPEG", quality=95)
    small = decode(data, at_least=112)
    assert 224 <= min(small.size) < 1000
    framing = Framing(112, 1.0)
    difference = subject.frame(small, framing).astype(int) - subject.frame(decode(data), framing)
    assert np.abs(difference).max() <= 3


SEEDS = {
    "JPEG": saved(photograph(), format="JPEG", progressive=True),
    "CMYK JPEG": saved(photograph().convert("CMYK"), format="JPEG"),
    "PNG": saved(photograph().convert("RGBA"), format="PNG"),
    "palette PNG": saved(photograph().quantize(16), format="PNG", transparency=3),
    "GIF": saved(photograph(), format="GIF"),
    "WEBP": saved(photograph(), format="WEBP"),
    "BMP": saved(photograph(), format="BMP"),
    "TIFF": saved(photograph(), format="TIFF", compression="tiff_lzw"),
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_mutated_bytes_give_a_picture_or_an_image_error(name: str, data: st.DataObject) -> None:
    """However a picture's bytes are changed or cut, decoding gives RGB within the limits or ImageError."""
    limits = ImageLimits(max_pixels=1_000_000)
    mutated = bytearray(SEEDS[name])
    places = st.integers(0, len(mutated) - 1) | st.integers(0, 64)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        mutated[place] = value
    cut = data.draw(st.integers(len(mutated) // 2, len(mutated)))
    try:
        picture = decode(bytes(mutated[:cut]), limits)
    except ImageError as error:
        assert str(error).endswith(".")
    else:
        assert picture.mode == "RGB"
        assert picture.width * picture.height <= limits.max_pixels


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0"]),
)
def test_any_bytes_give_a_picture_or_an_image_error(data: bytes, magic: bytes) -> None:
    """Arbitrary bytes, behind a format's magic number or not, never raise anything but ImageError."""
    with suppress(ImageError):
        decode(magic + data, ImageLimits(max_pixels=1_000_000))


def test_threads_may_decode_at_once() -> None:
    """Eight threads decoding good and bad pictures get what one gets, and the warning filters stay as they were."""
    good, bad = saved(photograph(), format="PNG"), saved(photograph(), format="JPEG")[:300]
    decode(good)
    before = list(warnings.filters)

    def one(number: int) -> bool:
        try:
            return decode(good if number % 2 else bad).size == (48, 32)
        except ImageError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(200))) == [bool(number % 2) for number in range(200)]
    assert list(warnings.filters) == before


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 300), st.integers(20, 300), st.integers(8, 128), st.sampled_from([0.5, 0.8, 0.875, 1.0]))
def test_framing_is_torchvisions_resize_and_centre_crop(width: int, height: int, side: int, crop: float) -> None:
    """frame gives torchvision's Resize (bicubic, antialiased) and CenterCrop to within the rounding of two passes.

    The noise leaves room for bicubic overshoot: where that is clipped, the order of Pillow's two passes shows,
    which it chooses by the size of the output.
    """
    picture, framing = noise(width, height, 80, 176), Framing(side, crop)
    bicubic = transforms.InterpolationMode.BICUBIC
    oracle = transforms.Compose([transforms.Resize(round(side / crop), bicubic), transforms.CenterCrop(side)])
    framed = subject.frame(picture, framing)
    assert framed.shape == (side, side, 3)
    assert framed.dtype == np.uint8
    assert np.abs(framed.astype(int) - np.asarray(oracle(picture))).max() <= 2


@settings(max_examples=40, deadline=None)
@given(st.integers(40, 150), st.integers(40, 150), st.integers(8, 128))
def test_shorter_side_is_torchvisions_resize(width: int, height: int, length: int) -> None:
    """shorter_side gives torchvision's Resize of the whole picture."""
    picture = noise(width, height)
    oracle = transforms.Resize(length, transforms.InterpolationMode.BICUBIC)(picture)
    assert np.abs(subject.shorter_side(picture, length).astype(int) - np.asarray(oracle)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 50_000), (50_000, 1), (3, 7)])
def test_extreme_shapes_stay_small(size: tuple[int, int]) -> None:
    """A line of pixels is framed, cached and previewed without growing beyond what was asked for."""
    picture = Image.new("RGB", size, (1, 2, 3))
    assert (subject.frame(picture, Framing(32, 0.875)) == (1, 2, 3)).all()
    assert subject.shorter_side(picture, 32).shape[0] <= 32 * subject.MAX_ASPECT
    assert subject.shorter_side(picture, 32).shape[1] <= 32 * subject.MAX_ASPECT
    assert max(decode(subject.thumbnail(picture)).size) <= 256


def test_frame_takes_any_picture() -> None:
    """A picture that is not RGB is framed as it would be shown."""
    assert (subject.frame(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), Framing(16)) == 255).all()


@pytest.mark.parametrize(("side", "crop"), [(0, 0.875), (224, 0.0), (224, 1.01), (-1, 1.0), (8, float("nan"))])
def test_an_impossible_framing_is_refused(side: int, crop: float) -> None:
    """A framing without pixels, or of more than the picture, raises ConfigError."""
    with pytest.raises(ConfigError, match="side"):
        Framing(side, crop)


def test_normalise_is_torchvisions() -> None:
    """normalise gives ToTensor followed by Normalize with the constants of torchvision's ImageNet weights."""
    from torchvision.models import ResNet18_Weights

    preset = ResNet18_Weights.IMAGENET1K_V1.transforms()
    pixels = np.stack([np.asarray(noise(12, 10)), np.asarray(photograph(12, 10))])
    oracle = torch.stack([transforms.Normalize(preset.mean, preset.std)(transforms.ToTensor()(one)) for one in pixels])
    for either in (pixels, torch.from_numpy(pixels)):
        normalised = subject.normalise(either)
        assert normalised.shape == (2, 3, 10, 12)
        assert normalised.dtype == torch.float32
        torch.testing.assert_close(normalised, oracle, rtol=1e-5, atol=1e-6)


def test_normalise_leaves_its_input() -> None:
    """A read-only array and a float tensor come through unchanged."""
    pixels = np.asarray(photograph())[None].copy()
    pixels.setflags(write=False)
    subject.normalise(pixels)
    floats = torch.full((1, 3, 3, 3), 7.0)
    subject.normalise(floats)
    assert (floats == 7).all()


def test_png_round_trip() -> None:
    """An array written as PNG is decoded to the same array, also from a view that is not contiguous."""
    pixels = np.asarray(noise(11, 6))
    assert np.array_equal(subject.as_array(decode(subject.encode_png(pixels))), pixels)
    assert np.array_equal(subject.as_array(decode(subject.encode_png(pixels[:, ::-1]))), pixels[:, ::-1])
    assert np.array_equal(subject.as_array(subject.from_array(pixels)), pixels)


def test_jpeg_is_near_and_quality_matters() -> None:
    """An array written as JPEG comes back nearly, and at a lower quality it takes fewer bytes."""
    pixels = np.asarray(photograph(64, 64))
    data = subject.encode_jpeg(pixels)
    assert np.abs(subject.as_array(decode(data)).astype(int) - pixels).mean() < 3
    assert len(subject.encode_jpeg(pixels, quality=30)) < len(data)


def test_thumbnail_keeps_the_shape_and_the_picture() -> None:
    """A thumbnail is a JPEG of the whole picture, never enlarged; the picture given is untouched."""
    picture = photograph(600, 400)
    data = subject.thumbnail(picture, side=150)
    assert data[:3] == b"\xff\xd8\xff"
    assert decode(data).size == (150, 100)
    assert picture.size == (600, 400)
    assert decode(subject.thumbnail(photograph(20, 10))).size == (20, 10)


def test_as_array_is_writable() -> None:
    """The array may be written to, and the picture does not change with it."""
    picture = photograph()
    array = subject.as_array(picture)
    array[:] = 0
    assert subject.as_array(picture).any()
