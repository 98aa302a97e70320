"""How each training image is varied: drawn for a whole global batch, as a function of (seed, epoch, step) and nothing else.

A resumed run draws the same again, and so does one with another number of ranks.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from engine.chance import generator
from engine.config import AugmentConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Colours:
    """Factors and angles, one per image, as DALI's `color_twist` takes them."""

    brightness: Float[np.ndarray, " batch"]
    """Factor on all channels."""
    contrast: Float[np.ndarray, " batch"]
    """Factor on the distance from middle grey."""
    saturation: Float[np.ndarray, " batch"]
    """Factor on the distance from the pixel's grey."""
    hue: Float[np.ndarray, " batch"]
    """Degrees."""

    def neutral_at(self, places: list[int]) -> "Colours":
        """Return the same, but nothing is changed at these places."""
        values = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
        changed = {name: getattr(self, name).copy() for name in values}
        for name, value in values.items():
            changed[name][places] = value
        return Colours(**changed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variation:
    """What is done to the images of one batch."""

    mirror: Int[np.ndarray, " batch"]
    """1 to mirror the image left to right, else 0."""
    boxes: Int[np.ndarray, "batch 4"] | None
    """Top, left, bottom, right of the piece to keep, in pixels of the upright image, the last two exclusive; None keeps all."""
    colours: Colours | None
    """None leaves the colours alone."""


class Augmentation:
    """Draws the variations of one rank's batches."""

    def __init__(self, config: AugmentConfig, *, seed: int, batch_size: int, rank: int, world_size: int) -> None:
        """Bind what stays the same.

        Args:
            config: What varies, and how much.
            seed: The run's seed.
            batch_size: Samples in a global batch.
            rank: 0 to world_size - 1.
            world_size: Number of ranks; divides the batch size.
        """
        self._config = config
        self._seed = seed
        self._batch_size = batch_size
        length = batch_size // world_size
        self._own = slice(rank * length, (rank + 1) * length)

    def draw(self, epoch: int, step: int, sizes: Int[np.ndarray, "batch 2"]) -> Variation:
        """Return the variations of this rank's part of a global batch.

        Args:
            epoch: Epoch, from 0.
            step: Step inside the epoch, from 0.
            sizes: [batch, 2] height and width of this rank's images in pixels.
        """
        config = self._config
        length = self._own.stop - self._own.start
        mirror = np.zeros(length, np.int32)
        if config.mirror:
            mirror = self._generator("mirror", epoch, step).integers(0, 2, self._batch_size, dtype=np.int32)[self._own]
        boxes = None
        if config.crop is not None:
            # Four numbers per image: area, ratio, and where it lies.
            draws = self._generator("crop", epoch, step).random((self._batch_size, 4))[self._own]
            boxes = crop_boxes(draws, sizes, config.crop, config.crop_ratio)
        colours = self._draw_colours(epoch, step) if config.changes_colour() else None
        return Variation(mirror=mirror, boxes=boxes, colours=colours)

    def _draw_colours(self, epoch: int, step: int) -> Colours:
        config = self._config
        draws = self._generator("colour", epoch, step).uniform(-1, 1, (self._batch_size, 4)).astype(np.float32)[self._own]
        return Colours(
            brightness=1 + config.brightness * draws[:, 0],
            contrast=1 + config.contrast * draws[:, 1],
            saturation=1 + config.saturation * draws[:, 2],
            hue=config.hue * draws[:, 3],
        )

    def _generator(self, name: str, epoch: int, step: int) -> np.random.Generator:
        return generator(self._seed, name, epoch, step)


def crop_boxes(
    draws: NDArray[np.float64], sizes: NDArray[np.int64], area: tuple[float, float], ratio: tuple[float, float]
) -> NDArray[np.int64]:
    """Return a random piece of each image.

    Area and the logarithm of width / height are uniform, as in Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6;
    a piece that is wider or higher than the image is cut to it.

    Args:
        draws: [n, 4] of 0 … 1: area, ratio, vertical and horizontal position.
        sizes: [n, 2] height and width of the images.
        area: Least and most share of the image's area.
        ratio: Least and most width / height.

    Returns:
        [n, 4] top, left, bottom, right in pixels, the last two exclusive; at least one pixel.
    """
    heights, widths = sizes[:, 0], sizes[:, 1]
    pixels = heights * widths * (area[0] + (area[1] - area[0]) * draws[:, 0])
    low, high = np.log(ratio)
    ratios = np.exp(low + (high - low) * draws[:, 1])
    height = np.clip(np.rint(np.sqrt(pixels / ratios)).astype(np.int64), 1, heights)
    width = np.clip(np.rint(np.sqrt(pixels * ratios)).astype(np.int64), 1, widths)
    top = ((heights - height + 1) * draws[:, 2]).astype(np.int64)
    left = ((widths - width + 1) * draws[:, 3]).astype(np.int64)
    return np.stack([top, left, top + height, left + width], axis=1)
