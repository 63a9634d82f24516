"""Encoding in which an input gets the same bits alone, in any batch, at any place of it, with any number of threads.

Sums in float32 depend on their order, and the kernels below torch choose it by the size of the batch. With torch 2.15
on x86 this was found in four places, and each has a way around it that costs little:

- *Convolutions.* One small picture goes to torch's own kernel, several go to oneDNN's. Here all go to oneDNN, whose
  rows are alike in batches of 1 to 64 (and for one picture it is the faster one, too).
- *Matrix products.* MKL has one kernel for one row, one for two or three, and one for four and more, and shares rows
  out among threads. Here a picture's feature map passes the heads on its own, texts are never fewer than `LEAST_ROWS`
  (missing rows are repeated; where texts of several lengths are read together, the longest one), and one thread
  computes both: of five rows one of two threads gets fewer again.
- *Softmax.* It sums 16 positions at a time, so the length to which a text is padded shows. Here a text is padded by its
  own length alone.
- *The logistic function.* It takes many numbers at a time and the last few of a tensor one by one, by another formula.
  Here each row is a tensor of its own.

Another processor or build of torch may choose otherwise; `is_independent` tries it out, and the service does so when it
starts. Devices other than the CPU compute as torch does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.embedding import Encoding, Wholes
from models.gaussian import Gaussian, concatenate

LEAST_ROWS: Final = 4
"""Rows of a matrix product from which on MKL's kernel is the same."""
# A text is padded to a multiple of this: texts of like length share a batch, and are not padded far.
_LENGTHS: Final = 4
# Pixels of the pictures that a network takes at once, four of 224 × 224: what it makes of more needs memory that the
# system hands out anew at every layer.
_PIXELS: Final = 4 * 224 * 224


def encode_pixels(
    features: Callable[[Tensor], Tensor], heads: Callable[[Tensor], Encoding], pixels: Tensor
) -> Gaussian:
    """Gaussians [n, dim] of normalised pixels [n, 3, height, width].

    Args:
        features: gives feature maps of pixels.
        heads: embeds feature maps.
        pixels: where the networks are.
    """
    if pixels.device.type != "cpu" or not len(pixels):
        return heads(features(pixels).float()).gaussian
    with _Independent():
        maps = torch.cat([features(part).float() for part in torch.split(pixels, _at_once(pixels))])
    with _one_thread():
        # Cloned, because a kernel may look at how its memory is aligned.
        return concatenate([heads(maps[row : row + 1].clone()).gaussian for row in range(len(maps))])


def _at_once(pixels: Tensor) -> int:
    """How many pictures a network takes at once."""
    return max(1, _PIXELS // pixels[0, 0].numel())


class TextNetwork(Protocol):
    """Embeds word ids [n, length] of which the first `lengths` [n] are real, in one step or in two."""

    def __call__(self, ids: Tensor, lengths: Tensor) -> Encoding:
        """In one step."""
        ...

    def read_in_order(self, ids: Tensor, lengths: Tensor) -> Wholes:
        """The first step, of texts of which none is longer than the one before it."""
        ...

    def attend(self, ids: Tensor, lengths: Tensor, wholes: Wholes) -> Encoding:
        """The second step."""
        ...


def encode_tokens(network: TextNetwork, ids: Tensor, lengths: Tensor) -> Gaussian:
    """Gaussians [n, dim] of word ids [n, length] of which the first `lengths` [n] are real, where the network is."""
    if ids.device.type != "cpu" or not len(ids):
        return network(ids, lengths).gaussian
    padded = (lengths + _LENGTHS - 1) // _LENGTHS * _LENGTHS
    groups = [(length, (padded == length).nonzero()[:, 0]) for length in sorted(set(padded.tolist()))]
    with _one_thread(), _Independent():
        wholes = _read(network, ids, lengths)
        parts = [_attend_alike(network, _resized(ids, length), lengths, wholes, rows) for length, rows in groups]
    order = torch.cat([rows for _, rows in groups]).argsort()
    return concatenate(parts)[order]


def is_independent(ways: Sequence[Callable[[Sequence[Any]], Gaussian]], inputs: Sequence[Any]) -> bool:
    """Whether inputs have the same bits alone and together, in batches of 2 to 5 and of all, reversed.

    Args:
        ways: to encode inputs, say on one thread and on two; all must give the bits of the first.
        inputs: as many as are to be encoded at once.
    """
    alone = concatenate([ways[0]([each]) for each in inputs])
    return all(
        _same(encode(inputs[:size][::-1]), alone[list(range(size))[::-1]])
        for encode in ways
        for size in {min(size, len(inputs)) for size in (1, 2, 3, 4, 5, len(inputs))}
    )


def _same(one: Gaussian, other: Gaussian) -> bool:
    return torch.equal(one.mean, other.mean) and torch.equal(one.log_variance, other.log_variance)


def _read(network: TextNetwork, ids: Tensor, lengths: Tensor) -> Wholes:
    """Texts of all lengths together, the longest in `LEAST_ROWS` rows: so many there are at each step."""
    order = lengths.argsort(descending=True)
    rows = torch.cat([order[:1].expand(LEAST_ROWS - 1), order])
    whole, wide = network.read_in_order(ids[rows], lengths[rows])
    back = order.argsort() + LEAST_ROWS - 1
    return whole[back], None if wide is None else wide[back]


def _attend_alike(network: TextNetwork, ids: Tensor, lengths: Tensor, wholes: Wholes, rows: Tensor) -> Gaussian:
    """Those in some rows, which have one padded length, in `LEAST_ROWS` rows or more."""
    whole, wide = wholes
    chosen = rows[torch.arange(max(LEAST_ROWS, len(rows))) % len(rows)]
    alike = whole[chosen], None if wide is None else wide[chosen]
    return network.attend(ids[chosen], lengths[chosen], alike).gaussian[: len(rows)]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch keeps the number for the thread that calls it, and changes it in no time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _resized(ids: Tensor, length: int) -> Tensor:
    """Padding (zeros) added or taken away at the end."""
    return torch.nn.functional.pad(ids, (0, length - ids.shape[1]))


class _Independent(TorchFunctionMode):
    """Within a block, replaces the functions of torch that look at the batch."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        return _REPLACED.get(function, function)(*args, **(kwargs or {}))


def _convolution(
    pixels: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """With the arguments of `torch.conv2d`, as `torch.nn.Conv2d` gives them."""
    return torch.mkldnn_convolution(pixels, weight, bias, padding, stride, dilation, groups)


def _logistic(values: Tensor) -> Tensor:
    return torch.stack([torch.sigmoid(row) for row in values])


_REPLACED: Final[dict[Any, Callable[..., Any]]] = {torch.sigmoid: _logistic}
if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # Not every build of torch has oneDNN.
    _REPLACED[torch.conv2d] = _convolution
