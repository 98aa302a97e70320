"""The end of the pipeline on a CPU: decoded images to a batch, in torch, on several threads.

torch resizes uint8 images several times as fast as DALI's CPU operator, with the same filter up to rounding.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import interpolate

from engine.pipeline.augmentation import Variation
from engine.pipeline.buffers import Buffers
from engine.pipeline.imagenet import MEAN, STD

_CHUNK = 4
"""Images that go through all stages together: few enough to stay in a core's cache, enough to make Python's share small."""


class Finisher:
    """Crops, resizes, mirrors and normalises."""

    def __init__(self, *, batch_size: int, size: tuple[int, int], dtype: torch.dtype, channels_last: bool, num_threads: int) -> None:
        """Start the threads.

        Args:
            batch_size: Images in a batch.
            size: Height and width of the output in pixels.
            dtype: float32 or float16.
            channels_last: Memory format of the output.
            num_threads: Threads.
        """
        self._size = size
        self._channels_last = channels_last
        self._num_threads = num_threads
        height, width = size
        self._buffers = Buffers((batch_size, height, width, 3) if channels_last else (batch_size, 3, height, width), dtype)
        self._scale, self._offset = 1 / torch.tensor(STD), -torch.tensor(MEAN) / torch.tensor(STD)
        self._row_scale, self._row_offset = self._scale.repeat(width), self._offset.repeat(width)
        self._threads = ThreadPoolExecutor(num_threads, "finisher", initializer=_limit_threads)

    def __call__(self, images: Tensor | Sequence[Tensor], variation: Variation) -> Float[Tensor, "batch 3 height width"]:
        """Return a batch.

        Args:
            images: uint8, [batch, height, width, 3], or [height, width, 3] each.
            variation: Pieces to keep and images to mirror.
        """
        batch = self._buffers.take()
        chunks = list(_chunks(images, variation))

        def work(first: int) -> None:
            for begin, pixels in chunks[first :: self._num_threads]:
                self._finish(pixels, variation.mirror[begin : begin + len(pixels)].tolist(), batch[begin : begin + len(pixels)])

        for _ in self._threads.map(work, range(self._num_threads)):
            pass
        return batch.permute(0, 3, 1, 2) if self._channels_last else batch

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _finish(self, pixels: Tensor, mirror: list[int], out: Tensor) -> None:
        """Write a few images of one size to their place in the batch."""
        resized = pixels.permute(0, 3, 1, 2)
        if tuple(resized.shape[2:]) != self._size:
            resized = interpolate(resized, self._size, mode="bilinear", antialias=True)
        if any(mirror):
            resized = torch.stack([image.flip(-1) if flip else image for image, flip in zip(resized, mirror, strict=True)])
        target = out if out.dtype == torch.float32 else torch.empty_like(out, dtype=torch.float32)
        if self._channels_last:
            # Row by row, so that torch's inner loop is as long as a row instead of three channels.
            rows = target.view(len(out), self._size[0], -1)
            rows.copy_(resized.permute(0, 2, 3, 1).reshape(rows.shape))
            torch.addcmul(self._row_offset, rows, self._row_scale, out=rows)
        else:
            target.copy_(resized)
            for plane, scale, offset in zip(target.unbind(1), self._scale.tolist(), self._offset, strict=True):
                torch.add(offset, plane, alpha=scale, out=plane)
        if target is not out:
            out.copy_(target)


def _limit_threads() -> None:
    """Let this thread work alone: the images are shared out already."""
    # Not by `torch.set_num_threads`, which would change all threads. torch itself sets the number at its first use in a thread, here.
    torch.get_num_threads()
    threadpool_limits(1, user_api="openmp")


def _chunks(images: Tensor | Sequence[Tensor], variation: Variation) -> Iterator[tuple[int, Tensor]]:
    """Yield the place of the first of some images of one size in the batch, and their pixels [n, height, width, 3]."""
    if isinstance(images, Tensor) and variation.boxes is None:
        for begin in range(0, len(images), _CHUNK):
            yield begin, images[begin : begin + _CHUNK]
        return
    for begin, image in enumerate(images):
        if variation.boxes is None:
            yield begin, image[None]
        else:
            top, left, bottom, right = variation.boxes[begin].tolist()
            yield begin, image[None, top:bottom, left:right]
